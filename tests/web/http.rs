//! The server as a program meets it that is no browser.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{Served, output, runs};

/// Sends bytes as they are and reads the whole answer.
fn exchange(served: &Served, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(served.address()).expect("a connection");
    let patience = Some(Duration::from_secs(30));
    stream.set_read_timeout(patience).expect("a timeout");
    stream.write_all(request).expect("the request is taken");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(served: &Served, path: &str, host: &str) -> String {
    exchange(
        served,
        format!("GET {} HTTP/1.1\r\nHost: {host}\r\n\r\n", served.path(path)).as_bytes(),
    )
}

fn post(served: &Served, path: &str, origin: &str, body: &[u8]) -> String {
    let (host, path, length) = (served.address(), served.path(path), body.len());
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nContent-Length: {length}\r\n\r\n"
    );
    exchange(served, &[head.as_bytes(), body].concat())
}

#[track_caller]
fn assert_status(answer: &str, status: u16, word: &str) {
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{answer}"
    );
    assert!(answer.contains(word), "no {word:?} in {answer}");
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

#[test]
fn requests_of_others_are_refused_and_the_page_lives_on() {
    let served = Served::start("digits");
    let host = served.address();
    let page = get(&served, "/", host);
    assert_status(&page, 200, "<!doctype html>");
    for field in [
        "Content-Security-Policy: default-src 'none'; script-src 'self'",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Cross-Origin-Resource-Policy: same-origin",
    ] {
        assert!(page.contains(field), "no {field} in {page}");
    }
    // The address without its last character.
    let whole = format!("Location: {}", served.path("/"));
    assert_status(&get(&served, "", host), 308, &whole);
    assert_status(&get(&served, "/", "elbo.example"), 403, "elbo.example");
    assert_status(&get(&served, "/weights", "elbo.example"), 403, "\"error\"");
    let image = bytes(&[0.5; 784]);
    assert_status(
        &post(&served, "/encode", "http://elbo.example", &image),
        403,
        "Origin",
    );
    for path in [
        "/../Cargo.toml",
        "/images/../../config.toml",
        "/images/500",
        "/%2e%2e/config.toml",
        "//etc/passwd",
    ] {
        assert_status(&get(&served, path, host), 404, "there is no");
    }
    assert_status(
        &exchange(&served, b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n"),
        403,
        "Host",
    );
    assert_status(
        &exchange(&served, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"),
        400,
        "not HTTP",
    );
    let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(40_000));
    assert_status(&exchange(&served, long.as_bytes()), 431, "bytes at most");
    assert_status(&get(&served, "/", host), 200, "<!doctype html>");
}

/// Any account of a machine reaches its ports, and a page of another account's server its browsers.
#[test]
fn nothing_is_given_to_who_has_no_key() {
    let served = Served::start("digits");
    let host = served.address();
    let key = served.path("");
    assert_eq!(key.len(), 33, "{key}");
    let zeros = format!("/{}", "0".repeat(32));
    for page in ["", &zeros, &key[..key.len() - 1], &key.to_uppercase()] {
        for path in ["/", "/weights", "/description.json", "/images/0"] {
            let request = format!("GET {page}{path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let answer = exchange(&served, request.as_bytes());
            assert_status(&answer, 403, "at the address that was printed");
            assert!(!answer.contains(&key[1..]), "{answer}");
        }
    }
    let other = Served::start("digits");
    assert_ne!(other.path(""), key);
}

#[test]
fn bodies_that_are_no_images_are_refused_and_the_page_lives_on() {
    let served = Served::start("digits");
    let (host, own) = (served.address(), format!("http://{}", served.address()));
    let image = bytes(&[0.5; 784]);
    assert_status(
        &post(&served, "/encode", &own, &image[..100]),
        400,
        "not an image of 784 floats",
    );
    assert_status(
        &post(&served, "/encode", &own, &bytes(&[f32::NAN; 784])),
        400,
        "not a finite number",
    );
    assert_status(
        &post(&served, "/encode", &own, &bytes(&[3.0; 784])),
        400,
        "[0, 1]",
    );
    assert_status(
        &post(&served, "/encode", &own, &bytes(&[0.5; 785])),
        413,
        "at most 3136",
    );
    assert_status(
        &post(&served, "/decode", &own, &bytes(&[0.5; 4 * 65])),
        413,
        "at most 1024",
    );
    assert_status(
        &post(&served, "/decode", &own, b"\xff\xff\xff\x7f"),
        400,
        "codes of 4 floats",
    );
    assert_status(&post(&served, "/", &own, b""), 405, "Allow: GET\r\n");
    assert_status(&get(&served, "/decode", host), 405, "Allow: POST\r\n");
    let path = served.path("/encode");
    let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {own}\r\n");
    let endless = format!("{head}Content-Length: 99999999999\r\n\r\n");
    assert_status(&exchange(&served, endless.as_bytes()), 413, "at most 3136");
    let unknown = format!("{head}\r\n");
    assert_status(
        &exchange(&served, unknown.as_bytes()),
        411,
        "Content-Length",
    );
    let answer = post(&served, "/encode", &own, &image);
    assert_status(&answer, 200, "Content-Length: 16\r\n");
}

#[test]
fn a_class_that_is_none_is_refused_and_the_page_lives_on() {
    let served = Served::start("told");
    let own = format!("http://{}", served.address());
    let (code, image) = (bytes(&[0.5; 3]), bytes(&[0.5; 189]));
    for (path, body, answer) in [("/decode", &code, 4 * 189), ("/encode", &image, 4 * 3)] {
        for class in ["", "/", "/2", "/left", "/-1", "/%30", "/0/0", "/4294967296"] {
            let path = format!("{path}{class}");
            assert_status(
                &post(&served, &path, &own, body),
                400,
                "2 classes (left, right)",
            );
        }
        let path = format!("{path}/1");
        let length = format!("Content-Length: {answer}\r\n");
        assert_status(&post(&served, &path, &own, body), 200, &length);
        let host = served.address();
        assert_status(&get(&served, &path, host), 405, "Allow: POST\r\n");
    }
    let served = Served::start("colours");
    let own = format!("http://{}", served.address());
    let answer = post(&served, "/decode/0", &own, &code);
    assert_status(&answer, 400, "not trained with classes");
}

#[test]
fn those_who_do_not_go_on_keep_nobody_waiting_and_are_few() {
    let served = Served::start("digits");
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(served.address()).expect("a connection");
        stream
            .write_all(b"GET / HTTP/1.1\r\nHo")
            .expect("a part of a request");
        idle.push(stream);
    }
    assert_status(&get(&served, "/style.css", served.address()), 200, "body");
    // A server of one connection after another would have ended those before it, with an answer to each.
    let waits = |stream: &TcpStream| {
        stream.set_nonblocking(true).expect("a mode");
        let found = stream.peek(&mut [0]);
        found.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock)
    };
    assert!(
        idle.iter().any(waits),
        "an answer beside connections that are open"
    );
    // Beyond the bound, connections end at once.
    for _ in 0..40 {
        idle.push(TcpStream::connect(served.address()).expect("a connection"));
    }
    let mut last = idle.pop().expect("a connection");
    // One that has a place ends as well, when its time is over, but with an answer.
    last.set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a timeout");
    let ended = last.read(&mut [0]);
    assert!(
        matches!(&ended, Ok(0))
            || ended.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset),
        "closed at once"
    );
    drop((idle, last));
    // And there is room again once they are gone.
    let free = (0..50).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let mut stream = TcpStream::connect(served.address()).expect("a connection");
        let asked = write!(
            stream,
            "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n",
            served.path("/codes"),
            served.address()
        );
        let mut answer = Vec::new();
        asked.is_ok()
            && stream.read_to_end(&mut answer).is_ok()
            && answer.starts_with(b"HTTP/1.1 200")
    });
    assert!(free);
}

#[test]
fn a_port_in_use_is_named_with_another_way() {
    let served = Served::start("digits");
    let port = served.address().rsplit(':').next().expect("a port");
    let refused = output(
        runs(),
        &["explore", "digits", "--device", "cpu", "--port", port],
    );
    assert_eq!(refused.status.code(), Some(2));
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(
        text.contains(&format!("--port {port}")) && text.contains("--port 0"),
        "{text}"
    );
}
