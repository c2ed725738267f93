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

/// What a path has computed: `/decode`, `/encode`; `/decode/3` where the model is told a class, that of number 3.
#[derive(Clone, Copy)]
struct Work<'a> {
    /// Whether it decodes codes rather than encode an image.
    decodes: bool,
    class: Option<&'a str>,
}

impl<'a> Work<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        let (name, class) = match path.split_once('/') {
            Some((name, class)) => (name, Some(class)),
            None => (path, None),
        };
        let decodes = match name {
            "decode" => true,
            "encode" => false,
            _ => return None,
        };
        Some(Self { decodes, class })
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
        let Some(work) = Work::of(path) else {
            return Ok(Some(self.get(path)));
        };
        let most = self.most(work);
        let length = head
            .length
            .ok_or_else(|| Response::refusal(411, "a body needs its Content-Length"))?;
        if length > most {
            return Err(Response::refusal(
                413,
                format!("{path}: {length} bytes, at most {most} are taken"),
            ));
        }
        Ok(Some(self.post(work, &connection.body(length)?)))
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
        let method = match Work::of(path) {
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

    /// Most bytes of the body of a request.
    fn most(&self, work: Work<'_>) -> usize {
        match work.decodes {
            true => 4 * GRID_ROWS * self.explorer.latent(),
            false => 4 * self.explorer.values(),
        }
    }

    /// The class that a path names by its number; none where the model is told none.
    fn class(&self, named: Option<&str>) -> Result<Option<u32>, Refusal> {
        let refused = |why: String| Err(Response::refusal(400, why));
        let Some(condition) = &self.explorer.model.spec().condition else {
            return match named {
                None => Ok(None),
                Some(_) => refused("the model was not trained with classes".to_owned()),
            };
        };
        let number = named.filter(|text| is_number(text));
        let number = number.and_then(|text| text.parse().ok());
        if let Some(number) = number.filter(|&number| condition.check(&[number]).is_ok()) {
            return Ok(Some(number));
        }
        let what = match named {
            Some(text) => format!("{text:?} is the number of no class"),
            None => "no class is named".to_owned(),
        };
        refused(format!(
            "{what}, and the model is told one of {}",
            condition.in_words()
        ))
    }

    fn post(&self, work: Work<'_>, body: &[u8]) -> Response<'_> {
        let class = match self.class(work.class) {
            Ok(class) => class,
            Err(refusal) => return refusal,
        };
        let (each, what) = match work.decodes {
            true => (self.explorer.latent(), "codes"),
            false => (self.explorer.values(), "an image"),
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
        let result = match work.decodes {
            true => self.explorer.decode(&values, class),
            false => self.explorer.encode(values, class),
        };
        match result {
            Ok(values) => Response::ok(BYTES, bytes(&values).into_owned()),
            Err(error @ Error::Config { .. }) => Response::refusal(400, error.to_string()),
            Err(error) => Response::refusal(500, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
