//! Serves the page to whoever has its address, and to no other page of their browsers.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::explorer::{Explorer, GRID_ROWS, bytes};
use super::file::{PAGE, SCRIPT, STYLE};
use super::http::{
    BYTES, CSS, Connection, HTML, Head, JAVASCRIPT, JSON, Refusal, Response, is_number,
};
use crate::error::{Error, Result};

/// The port that is taken where none is named: E-L-B-O on the keys of a telephone.
pub const PORT: u16 = 3526;

/// Where a page is, for those who ask elsewhere.
const PRINTED: &str = "at the address that was printed, which ends with a key";

/// Most connections at once. A browser opens six.
const MOST_CONNECTIONS: usize = 32;

/// A page's server, on 127.0.0.1 only.
///
/// Any account of a machine reaches its port, so what it has lies under a random path. A cookie would not do: browsers
/// send those of one port to all others of the same name, another account's among them.
pub struct Server {
    listener: TcpListener,
    port: u16,
    key: String,
}

impl Server {
    /// Takes a port of this machine; 0 is any that is free.
    ///
    /// # Errors
    /// [`Error::Config`] that names the port where it cannot be taken; [`Error::Device`] where the system has no
    /// random numbers.
    pub fn bind(port: u16) -> Result<Self> {
        let refused = |error: io::Error| {
            let why = match error.kind() {
                io::ErrorKind::AddrInUse => "another program uses this port".to_owned(),
                _ => error.to_string(),
            };
            Error::config(
                format!("`port = {port}`: {why}"),
                "`port = 0`, which takes a free one, or another number",
            )
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(refused)?;
        let port = listener.local_addr().map_err(refused)?.port();
        let key = key()?;
        Ok(Self {
            listener,
            port,
            key,
        })
    }

    /// Where the page is. The address ends with the key to it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/{}/", self.port, self.key)
    }

    /// Answers requests until the process ends.
    ///
    /// # Errors
    /// [`Error::Config`] where the page cannot be described. What goes wrong with a request is that request's
    /// answer.
    pub fn run(&self, explorer: &Explorer) -> Result<()> {
        let site = Site {
            explorer,
            key: &self.key,
            description: explorer.description(true)?,
        };
        let open = AtomicUsize::new(0);
        thread::scope(|scope| {
            loop {
                let stream = match self.listener.accept() {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        // The connection is gone already, or the process is out of files for a moment.
                        log::warn!("{}: {error}", self.url());
                        thread::sleep(Duration::from_millis(20));
                        continue;
                    }
                };
                let Some(place) = Place::take(&open) else {
                    // Closed without an answer: to wait for one more reader is what there is no room for.
                    log::warn!("{}: over {MOST_CONNECTIONS} connections", self.url());
                    continue;
                };
                let site = &site;
                let handler = move || {
                    site.serve(stream);
                    drop(place);
                };
                let started = thread::Builder::new()
                    .name("page".into())
                    .spawn_scoped(scope, handler);
                if let Err(error) = started {
                    log::warn!("{}: {error}", self.url());
                }
            }
        })
    }
}

/// 128 bits that nobody guesses, as text.
fn key() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::device(
            format!("the system's random numbers: {error}"),
            "a page in a file (`export = …`), which needs none",
        )
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether two texts are equal, in a time that does not tell where they differ.
fn same(a: &str, b: &str) -> bool {
    let differing = a.bytes().zip(b.bytes()).fold(0, |d, (a, b)| d | (a ^ b));
    a.len() == b.len() && differing == 0
}

/// One of the connections that may be open at once; free again where it is dropped, whatever ended it.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(open: &'a AtomicUsize) -> Option<Self> {
        let place = Self(open);
        (open.fetch_add(1, Ordering::Relaxed) < MOST_CONNECTIONS).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What there is to serve.
struct Site<'a> {
    explorer: &'a Explorer,
    key: &'a str,
    description: String,
}

impl Site<'_> {
    fn serve(&self, stream: TcpStream) {
        let mut connection = Connection::new(stream);
        let response = match self.response(&mut connection) {
            Ok(Some(response)) | Err(response) => response,
            Ok(None) => return,
        };
        if let Err(error) = connection.answer(&response) {
            log::info!("the browser was gone before its answer: {error}");
        }
    }

    fn response(&self, connection: &mut Connection) -> Result<Option<Response<'_>>, Refusal> {
        let Some(head) = connection.head()? else {
            return Ok(None);
        };
        let path = self.check(&head)?;
        let Some(most) = self.most(path) else {
            return Ok(Some(self.get(path)));
        };
        let length = head
            .length
            .ok_or_else(|| Response::refusal(411, "a body needs its Content-Length"))?;
        if length > most {
            return Err(Response::refusal(
                413,
                format!("{path}: {length} bytes, at most {most} are taken"),
            ));
        }
        Ok(Some(self.post(path, &connection.body(length)?)))
    }

    /// The path within the page that a request asks for. Refuses what another account of the machine may have sent:
    /// it has no key. And what another site's page may have: under a name of its own that it lets point to this
    /// machine (DNS rebinding), or from its own origin.
    fn check<'h>(&self, head: &'h Head) -> Result<&'h str, Refusal> {
        let host = head.host.as_deref().unwrap_or_default();
        // Any port: that of a forwarded connection is another, and browsers leave out 80. A name of another site is
        // what gives it away.
        let (name, port) = host.split_once(':').unwrap_or((host, "80"));
        let own = ["127.0.0.1", "localhost"];
        let known = own.iter().any(|own| own.eq_ignore_ascii_case(name));
        if !known || port.parse::<u16>().is_err() {
            return Err(Response::refusal(
                403,
                format!("Host {host:?} is not this server; its page is {PRINTED}"),
            ));
        }
        let path = head.path.strip_prefix('/').unwrap_or_default();
        let (key, path) = path.split_at(path.find('/').unwrap_or(path.len()));
        if !same(key, self.key) {
            return Err(Response::refusal(403, format!("the page is {PRINTED}")));
        }
        if path.is_empty() {
            return Err(Response::moved(format!("/{key}/")));
        }
        let method = match self.most(path) {
            Some(_) => "POST",
            None => "GET",
        };
        if head.method != method {
            return Err(Response::takes(method, path));
        }
        if method == "GET" {
            return Ok(path);
        }
        let origin = head.origin.as_deref().unwrap_or_default();
        if !origin.eq_ignore_ascii_case(&format!("http://{host}")) {
            return Err(Response::refusal(
                403,
                format!("Origin {origin:?} is not this server's page"),
            ));
        }
        Ok(path)
    }

    fn get(&self, path: &str) -> Response<'_> {
        match path {
            "/" => Response::ok(HTML, PAGE.as_bytes()),
            "/style.css" => Response::ok(CSS, STYLE.as_bytes()),
            "/script.js" => Response::ok(JAVASCRIPT, SCRIPT.as_bytes()),
            "/description.json" => Response::ok(JSON, self.description.as_bytes()),
            "/weights" => Response::ok(BYTES, bytes(&self.explorer.arena)),
            "/codes" => Response::ok(BYTES, bytes(&self.explorer.gallery.codes)),
            _ => match self.image(path) {
                Some(values) => Response::ok(BYTES, bytes(&values).into_owned()),
                None => Response::refusal(404, format!("there is no {path:?}")),
            },
        }
    }

    /// The values of `/images/N`.
    fn image(&self, path: &str) -> Option<Vec<f32>> {
        let number = path.strip_prefix("/images/").filter(|text| is_number(text));
        let number: usize = number?.parse().ok()?;
        let images = &self.explorer.gallery.images;
        match number < images.len() {
            true => images.image_f32(number).ok(),
            false => None,
        }
    }

    /// Most bytes of a body; none where a path takes no body.
    fn most(&self, path: &str) -> Option<usize> {
        match path {
            "/decode" => Some(4 * GRID_ROWS * self.explorer.latent()),
            "/encode" => Some(4 * self.explorer.values()),
            _ => None,
        }
    }

    fn post(&self, path: &str, body: &[u8]) -> Response<'_> {
        let (each, what) = match path {
            "/decode" => (self.explorer.latent(), "codes"),
            _ => (self.explorer.values(), "an image"),
        };
        let (words, rest) = body.as_chunks::<4>();
        let values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
        if !rest.is_empty() || values.is_empty() || !values.len().is_multiple_of(each) {
            return Response::refusal(
                400,
                format!("{} bytes are not {what} of {each} floats", body.len()),
            );
        }
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            return Response::refusal(
                400,
                format!("value {place} is {}, not a finite number", values[place]),
            );
        }
        let result = match path {
            "/decode" => self.explorer.decode(&values),
            _ => self.explorer.encode(values),
        };
        match result {
            Ok(values) => Response::ok(BYTES, bytes(&values).into_owned()),
            Err(error @ Error::Config { .. }) => Response::refusal(400, error.to_string()),
            Err(error) => Response::refusal(500, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::explorer::tests::small;
    use super::*;

    fn head(method: &str, host: Option<&str>, origin: Option<&str>) -> Head {
        Head {
            method: method.into(),
            path: match method {
                "POST" => "/key/decode".into(),
                _ => "/key/".into(),
            },
            host: host.map(Into::into),
            origin: origin.map(Into::into),
            length: None,
        }
    }

    fn with_site(test: impl FnOnce(&Site<'_>)) {
        let explorer = small();
        test(&Site {
            explorer: &explorer,
            key: "key",
            description: String::new(),
        });
    }

    /// The path that a request is given, or the status of its refusal.
    fn checked(site: &Site<'_>, head: &Head) -> Result<String, u16> {
        let found = site.check(head).map(str::to_owned);
        found.map_err(|refusal| refusal.status)
    }

    #[test]
    fn only_its_own_names_are_answered() {
        with_site(|site| {
            // Its own port, that of a tunnel, and 80, which browsers leave out.
            for host in [
                "127.0.0.1:3526",
                "localhost:3526",
                "LocalHost:3526",
                "127.0.0.1:8080",
                "127.0.0.1",
            ] {
                let given = checked(site, &head("GET", Some(host), None));
                assert_eq!(given, Ok("/".into()), "{host}");
            }
            let others = [
                "evil.example:3526",
                "evil.example",
                "localhost:3526.evil.example",
                "localhost.evil.example:3526",
                "127.0.0.1:",
                "",
            ];
            for host in others.into_iter().map(Some).chain([None]) {
                let refused = checked(site, &head("GET", host, None));
                assert_eq!(refused, Err(403), "{host:?}");
            }
        });
    }

    #[test]
    fn what_computes_is_for_its_own_page() {
        with_site(|site| {
            let from = |origin| checked(site, &head("POST", Some("localhost:3526"), origin));
            assert_eq!(from(Some("http://localhost:3526")), Ok("/decode".into()));
            for origin in [
                "null",
                "http://evil.example",
                "https://localhost:3526",
                "http://localhost:8080",
                "http://127.0.0.1:3526",
            ] {
                assert_eq!(from(Some(origin)), Err(403), "{origin}");
            }
            assert_eq!(from(None), Err(403));
        });
    }

    #[test]
    fn nothing_is_given_without_the_key() {
        with_site(|site| {
            for path in [
                "/", "key/", "/kez/", "/keyy/", "/ke/", "//", "/weights", "", "/KEY/", "/%6bey/",
            ] {
                let head = Head {
                    path: path.into(),
                    ..head("GET", Some("localhost:3526"), None)
                };
                assert_eq!(checked(site, &head), Err(403), "{path}");
            }
            // The address without its last character leads to it.
            let head = Head {
                path: "/key".into(),
                ..head("GET", Some("localhost:3526"), None)
            };
            assert_eq!(checked(site, &head), Err(308));
        });
        let [a, b] = [key(), key()].map(|key| key.expect("a key"));
        assert!(a != b && a.len() == 32, "{a} {b}");
    }

    #[test]
    fn another_method_is_refused_with_the_one_that_is_taken() {
        with_site(|site| {
            for (method, path, takes) in [
                ("HEAD", "/key/", "GET"),
                ("POST", "/key/weights", "GET"),
                ("GET", "/key/decode", "POST"),
                ("PUT", "/key/encode", "POST"),
            ] {
                let head = Head {
                    path: path.into(),
                    ..head(method, Some("localhost:3526"), None)
                };
                let Err(refused) = site.check(&head) else {
                    panic!("{method} {path} is taken");
                };
                let part = path.trim_start_matches("/key");
                assert_eq!(refused, Response::takes(takes, part), "{method} {path}");
            }
        });
    }

    #[test]
    fn paths_lead_nowhere_else() {
        with_site(|site| {
            assert_eq!(site.get("/").status, 200);
            assert_eq!(site.get("/images/3").body.len(), 6 * 4);
            for path in [
                "/images/4",
                "/images/-1",
                "/images/+3",
                "/images/",
                "/images/../weights",
                "/../Cargo.toml",
                "/%2e%2e/Cargo.toml",
                "//",
                "/index.html",
                "",
            ] {
                assert_eq!(site.get(path).status, 404, "{path}");
            }
        });
    }

    #[test]
    fn a_body_that_is_no_image_is_refused_with_its_reason() {
        with_site(|site| {
            let refused = |path: &str, values: &[f32]| {
                let response = site.post(path, &bytes(values));
                assert_eq!(response.status, 400, "{path} {values:?}");
                let found: serde_json::Value =
                    serde_json::from_slice(&response.body).expect("JSON");
                found["error"].as_str().expect("a reason").to_owned()
            };
            assert!(refused("/encode", &[0.5; 5]).contains("6 floats"));
            assert!(refused("/encode", &[]).contains("0 bytes"));
            assert!(refused("/encode", &[0.0, 0.0, f32::NAN, 0.0, 0.0, 0.0]).contains("value 2"));
            assert!(refused("/encode", &[2.0; 6]).contains("[0, 1]"));
            assert!(refused("/decode", &[0.5; 3]).contains("2 floats"));
            assert!(refused("/decode", &[f32::INFINITY; 2]).contains("value 0"));
            assert_eq!(site.post("/encode", &[0; 7]).status, 400);
            assert_eq!(site.post("/encode", &bytes(&[0.5; 6])).body.len(), 2 * 4);
            assert_eq!(
                site.post("/decode", &bytes(&[0.5; 4])).body.len(),
                2 * 6 * 4
            );
        });
    }

    #[test]
    fn a_port_in_use_is_named() {
        let first = Server::bind(0).expect("a free port");
        let Err(error) = Server::bind(first.port) else {
            panic!("the port is taken twice");
        };
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(text.contains(&format!("`port = {}`", first.port)), "{text}");
        assert!(text.contains("`port = 0`"), "{text}");
    }
}
