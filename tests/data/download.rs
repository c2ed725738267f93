//! Downloads, from a server on this machine.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use elbo::data::download::{Hash, Remote, RemoteFile, fetch};
use elbo::data::{DataOptions, Progress, load};
use sha2::{Digest, Sha256};

use crate::support::assert_says;

const CONTENT: &[u8] = b"what the publisher meant";

/// A server that gives every request the same answer and counts them. It ends with the tests.
fn serve(answer: impl Fn(usize) -> Vec<u8> + Send + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}/data", listener.local_addr().expect("address"));
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let number = counter.fetch_add(1, Ordering::SeqCst);
            reply(stream, &answer(number));
        }
    });
    (address, requests)
}

fn reply(mut stream: TcpStream, answer: &[u8]) {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        request.push(byte[0]);
    }
    // The client may have hung up already: that is part of some tests.
    let _ = stream.write_all(answer);
}

fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\n{headers}connection: close\r\n\r\n").into_bytes();
    bytes.extend(body);
    bytes
}

fn whole(body: &[u8]) -> Vec<u8> {
    response(
        "200 OK",
        &format!("content-length: {}\r\n", body.len()),
        body,
    )
}

/// An address where nothing listens.
fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}/data", listener.local_addr().expect("address"))
}

fn remote(hash: Hash) -> Remote {
    Remote {
        name: "sample",
        mirrors: Vec::new(),
        files: vec![RemoteFile {
            name: "file.gz".to_owned(),
            hash,
        }],
    }
}

fn sha256() -> Hash {
    let digest = Sha256::digest(CONTENT);
    Hash::Sha256(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Fetches from the mirrors; the message if it failed. Checks that no rubbish stays in the cache.
fn try_fetch(mirrors: &[String], cache: &Path) -> Result<(), String> {
    let outcome = fetch(&remote(sha256()), mirrors, cache, &mut |_| {});
    let left: Vec<_> = fs::read_dir(cache.join("sample"))
        .expect("the cache folder")
        .map(|entry| entry.expect("entry").file_name())
        .collect();
    match outcome {
        Ok(folder) => {
            assert_eq!(left, ["file.gz"]);
            assert_eq!(fs::read(folder.join("file.gz")).expect("file"), CONTENT);
            Ok(())
        }
        Err(error) => {
            assert!(left.is_empty(), "left behind: {left:?}");
            Err(error.to_string())
        }
    }
}

/// The message where the only mirror answers so.
fn failure_of(answer: impl Fn(usize) -> Vec<u8> + Send + 'static) -> String {
    let cache = tempfile::tempdir().expect("folder");
    let (mirror, _) = serve(answer);
    let message = try_fetch(std::slice::from_ref(&mirror), cache.path()).expect_err("must fail");
    assert_says(
        &message,
        &[
            "cannot download sample",
            &mirror,
            "`data = digits`",
            "`data = FOLDER`",
        ],
    );
    assert!(!message.contains("offline"), "{message}");
    message
}

#[test]
fn good_file_is_kept_and_used_again_without_the_network() {
    let cache = tempfile::tempdir().expect("folder");
    let (mirror, requests) = serve(|_| whole(CONTENT));
    let mirrors = [mirror];
    try_fetch(&mirrors, cache.path()).expect("first");
    try_fetch(&mirrors, cache.path()).expect("second");
    assert_eq!(requests.load(Ordering::SeqCst), 1);
    try_fetch(&[closed()], cache.path()).expect("offline");
}

#[test]
fn md5_and_trailing_slash_are_understood() {
    let cache = tempfile::tempdir().expect("folder");
    let (mirror, _) = serve(|_| whole(b"abc"));
    let remote = remote(Hash::Md5("900150983cd24fb0d6963f7d28e17f72".to_owned()));
    fetch(&remote, &[format!("{mirror}/")], cache.path(), &mut |_| {}).expect("RFC 1321's vector");
}

#[test]
fn damaged_cached_file_is_downloaded_again() {
    let cache = tempfile::tempdir().expect("folder");
    fs::create_dir(cache.path().join("sample")).expect("folder");
    fs::write(cache.path().join("sample/file.gz"), b"damaged").expect("write");
    let (mirror, _) = serve(|_| whole(CONTENT));
    try_fetch(&[mirror], cache.path()).expect("replaced");
}

#[test]
fn wrong_hash_is_refused() {
    let message = failure_of(|_| whole(b"something else"));
    assert_says(&message, &["expected sha256", "got sha256"]);
}

#[test]
fn short_body_is_refused() {
    failure_of(|_| response("200 OK", "content-length: 1000\r\n", &CONTENT[..5]));
    failure_of(|_| response("200 OK", "", &CONTENT[..5]));
}

#[test]
fn server_error_is_refused() {
    assert_says(&failure_of(|_| response("500 Oops", "", b"")), &["500"]);
    assert_says(
        &failure_of(|_| response("404 Not Found", "", b"")),
        &["404"],
    );
}

#[test]
fn redirect_loop_is_refused() {
    let message = failure_of(|_| {
        response(
            "302 Found",
            "location: /data/file.gz\r\ncontent-length: 0\r\n",
            b"",
        )
    });
    assert_says(&message, &["too many redirects"]);
}

#[test]
fn redirect_is_followed() {
    let cache = tempfile::tempdir().expect("folder");
    let (mirror, _) = serve(|number| match number {
        0 => response(
            "302 Found",
            "location: /elsewhere\r\ncontent-length: 0\r\n",
            b"",
        ),
        _ => whole(CONTENT),
    });
    try_fetch(&[mirror], cache.path()).expect("second request");
}

#[test]
fn too_large_file_is_refused_before_it_is_read() {
    let message = failure_of(|_| response("200 OK", "content-length: 99999999999\r\n", b"x"));
    assert_says(&message, &["expected at most 67108864 bytes"]);
}

#[test]
fn endless_body_is_cut_off() {
    let message = failure_of(|_| response("200 OK", "", &vec![0; (64 << 20) + 1]));
    assert_says(&message, &["expected at most 67108864 bytes"]);
}

#[test]
fn content_encoding_does_not_change_what_is_hashed() {
    let cache = tempfile::tempdir().expect("folder");
    let (mirror, _) = serve(|_| {
        let headers = format!(
            "content-encoding: gzip\r\ncontent-length: {}\r\n",
            CONTENT.len()
        );
        response("200 OK", &headers, CONTENT)
    });
    try_fetch(&[mirror], cache.path()).expect("the bytes as served");
}

#[test]
fn second_mirror_helps_where_the_first_is_down_or_wrong() {
    let (wrong, _) = serve(|_| whole(b"something else"));
    for bad in [closed(), wrong] {
        let cache = tempfile::tempdir().expect("folder");
        let (good, _) = serve(|_| whole(CONTENT));
        try_fetch(&[bad, good], cache.path()).expect("the second mirror");
    }
}

#[test]
fn offline_is_said_with_two_ways_out() {
    let cache = tempfile::tempdir().expect("folder");
    let message = try_fetch(&[closed(), closed()], cache.path()).expect_err("nothing listens");
    assert_says(
        &message,
        &["seems to be offline", "`data = digits`", "`data = FOLDER`"],
    );
}

#[test]
fn progress_names_the_file_and_counts() {
    let cache = tempfile::tempdir().expect("folder");
    let (mirror, _) = serve(|_| whole(CONTENT));
    let mut lines = Vec::new();
    let mut progress = |progress: Progress<'_>| {
        lines.push(match progress {
            Progress::Note(text) => text.to_owned(),
            Progress::Part {
                what, done, total, ..
            } => format!("{what}: {done} of {total}"),
        });
    };
    fetch(&remote(sha256()), &[mirror], cache.path(), &mut progress).expect("fetch");
    assert_says(
        &lines.join("\n"),
        &[
            "downloading http://127.0.0.1",
            &format!("file.gz: {0} of {0}", CONTENT.len()),
        ],
    );
}

#[test]
fn cache_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("file");
    fs::write(&file, b"in the way").expect("write");
    let outcome = fetch(&remote(sha256()), &[closed()], &file, &mut |_| {});
    let message = outcome.expect_err("a file is no folder").to_string();
    assert_says(&message, &["cannot be written", "ELBO_CACHE"]);
}

#[test]
fn named_data_sets_check_their_published_hashes() {
    for name in ["mnist", "fashion-mnist"] {
        let cache = tempfile::tempdir().expect("folder");
        let (mirror, _) = serve(|_| whole(CONTENT));
        let options = DataOptions {
            mirrors: vec![mirror],
            downloads: Some(cache.path().to_owned()),
            ..DataOptions::default()
        };
        let outcome = load(name, &options, &mut |_| {});
        let message = outcome.expect_err("not the real file").to_string();
        assert_says(&message, &["train-images-idx3-ubyte.gz", "expected", "got"]);
    }
}
