//! As much of HTTP/1.1 (RFC 9112) as a page of one's own needs: a request and a response a connection, both
//! bounded in size and time.

use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// Most bytes of a request's head.
const MOST_HEAD: usize = 16 << 10;

/// Most fields of a request's head.
const MOST_FIELDS: usize = 64;

/// Time for a request to arrive.
const TO_ARRIVE: Duration = Duration::from_secs(10);

/// Time for a response to be taken, by a browser on this machine.
const TO_BE_TAKEN: Duration = Duration::from_secs(60);

/// Time and bytes for what a refused request still sends. Closing at once would throw away the answer with it.
const TO_LINGER: Duration = Duration::from_millis(500);
const MOST_LINGERING: usize = 1 << 20;

/// What a request says before its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) method: String,
    /// The target as it was sent.
    pub(super) path: String,
    pub(super) host: Option<String>,
    pub(super) origin: Option<String>,
    /// Bytes of the body; none where it has none or does not say.
    pub(super) length: Option<usize>,
}

/// An answer. Its body may be that of what is served, which is large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response<'a> {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) body: Cow<'a, [u8]>,
    /// The method that is taken, where it was another.
    /// A line more of its head: name and value.
    more: Option<(&'static str, String)>,
}

/// An answer that says no.
pub(super) type Refusal = Response<'static>;

/// Types of bodies.
pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const CSS: &str = "text/css; charset=utf-8";
pub(super) const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
pub(super) const JSON: &str = "application/json";
pub(super) const BYTES: &str = "application/octet-stream";

/// The page loads and asks nothing but its own server, and stands in no other page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

impl<'a> Response<'a> {
    pub(super) fn ok(kind: &'static str, body: impl Into<Cow<'a, [u8]>>) -> Self {
        Self {
            status: 200,
            kind,
            body: body.into(),
            more: None,
        }
    }

    /// A refusal that says why: `{"error": …}`.
    pub(super) fn refusal(status: u16, why: impl Into<String>) -> Self {
        Self {
            status,
            kind: JSON,
            body: Cow::Owned(
                serde_json::json!({ "error": why.into() })
                    .to_string()
                    .into(),
            ),
            more: None,
        }
    }

    /// A refusal of another method than the one that is taken.
    pub(super) fn takes(method: &'static str, path: &str) -> Self {
        Self {
            more: Some(("Allow", method.to_owned())),
            ..Self::refusal(405, format!("{path} takes {method}"))
        }
    }

    /// What was asked for has another address.
    pub(super) fn moved(to: String) -> Self {
        Self {
            status: 308,
            kind: JSON,
            body: Cow::Borrowed(b"{}"),
            more: Some(("Location", to)),
        }
    }

    fn head(&self) -> String {
        let reason = match self.status {
            200 => "OK",
            308 => "Permanent Redirect",
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            411 => "Length Required",
            413 => "Content Too Large",
            431 => "Request Header Fields Too Large",
            503 => "Service Unavailable",
            _ => "Internal Server Error",
        };
        let more = match &self.more {
            Some((name, value)) => format!("{name}: {value}\r\n"),
            None => String::new(),
        };
        format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{more}\
             Connection: close\r\nCache-Control: no-store\r\nContent-Security-Policy: {POLICY}\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\nReferrer-Policy: no-referrer\r\n\
             X-Content-Type-Options: nosniff\r\n\r\n",
            self.status,
            self.kind,
            self.body.len()
        )
    }
}

/// A connection that a request comes in on.
pub(super) struct Connection {
    stream: TcpStream,
    deadline: Instant,
    /// What has been read past the head.
    rest: Vec<u8>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            deadline: Instant::now() + TO_ARRIVE,
            rest: Vec::new(),
        }
    }

    /// Reads until the head is complete. None where the other side closed without a word.
    pub(super) fn head(&mut self) -> Result<Option<Head>, Refusal> {
        let mut read = Vec::new();
        loop {
            if let Some((head, length)) = parse(&read)? {
                self.rest = read.split_off(length);
                return Ok(Some(head));
            }
            if read.len() > MOST_HEAD {
                return Err(Response::refusal(
                    431,
                    format!("a request's head has {MOST_HEAD} bytes at most"),
                ));
            }
            if self.more(&mut read)? == 0 {
                return match read.is_empty() {
                    true => Ok(None),
                    false => Err(Response::refusal(400, "the request broke off")),
                };
            }
        }
    }

    /// Reads a body of so many bytes.
    pub(super) fn body(&mut self, length: usize) -> Result<Vec<u8>, Refusal> {
        let mut read = std::mem::take(&mut self.rest);
        while read.len() < length {
            if self.more(&mut read)? == 0 {
                return Err(Response::refusal(400, "the request's body broke off"));
            }
        }
        read.truncate(length);
        Ok(read)
    }

    fn more(&mut self, read: &mut Vec<u8>) -> Result<usize, Refusal> {
        let late = || Response::refusal(408, "the request took too long to arrive");
        let mut part = [0; 16 << 10];
        set_timeout(&self.stream, self.deadline, TcpStream::set_read_timeout)
            .map_err(|_| late())?;
        match self.stream.read(&mut part) {
            Ok(count) => {
                read.extend_from_slice(&part[..count]);
                Ok(count)
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => self.more(read),
            Err(e) if is_timeout(&e) => Err(late()),
            Err(e) => Err(Response::refusal(400, e.to_string())),
        }
    }

    /// Sends the answer and closes. Fails where the other side is gone.
    pub(super) fn answer(mut self, response: &Response<'_>) -> io::Result<()> {
        let deadline = Instant::now() + TO_BE_TAKEN;
        send(&mut self.stream, response.head().as_bytes(), deadline)?;
        send(&mut self.stream, &response.body, deadline)?;
        self.stream.shutdown(Shutdown::Write)?;
        let (deadline, mut left) = (Instant::now() + TO_LINGER, MOST_LINGERING);
        let mut part = [0; 16 << 10];
        // The answer is given: whatever ends this is no fault of its.
        while left > 0 && set_timeout(&self.stream, deadline, TcpStream::set_read_timeout).is_ok() {
            match self.stream.read(&mut part) {
                Ok(0) | Err(_) => break,
                Ok(count) => left = left.saturating_sub(count),
            }
        }
        Ok(())
    }
}

/// Sets what is left until a deadline as a timeout; fails where nothing is.
fn set_timeout(
    stream: &TcpStream,
    deadline: Instant,
    set: fn(&TcpStream, Option<Duration>) -> io::Result<()>,
) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    set(stream, Some(left))
}

/// Systems differ in what they call it.
fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
    )
}

fn send(stream: &mut TcpStream, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        set_timeout(stream, deadline, TcpStream::set_write_timeout)?;
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(sent) => bytes = &bytes[sent..],
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Whether a text is digits only: parsing it would take a sign.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A request's head and its length in bytes, once it is complete.
fn parse(read: &[u8]) -> Result<Option<(Head, usize)>, Refusal> {
    let bad = |why: &str| Response::refusal(400, why);
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let length = match request.parse(read) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            let why = format!("a request has {MOST_FIELDS} header fields at most");
            return Err(Response::refusal(431, why));
        }
        Err(error) => return Err(bad(&format!("not HTTP: {error}"))),
    };
    // A field that stands there twice could mean one thing to us and another to a proxy.
    let field = |name: &str| {
        let mut values = request
            .headers
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case(name));
        let value = values
            .next()
            .map(|field| String::from_utf8_lossy(field.value));
        match values.next() {
            Some(_) => Err(bad(&format!("{name} stands there twice"))),
            None => Ok(value.map(|value| value.trim().to_owned())),
        }
    };
    if field("Transfer-Encoding")?.is_some() {
        return Err(Response::refusal(411, "a body needs its Content-Length"));
    }
    let declared = match field("Content-Length")? {
        Some(text) if is_number(&text) => match text.parse() {
            Ok(length) => Some(length),
            Err(_) => return Err(Response::refusal(413, "the body is too large")),
        },
        Some(text) => return Err(bad(&format!("Content-Length {text:?} is not a number"))),
        None => None,
    };
    let head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        path: request.path.unwrap_or_default().to_owned(),
        host: field("Host")?,
        origin: field("Origin")?,
        length: declared,
    };
    Ok(Some((head, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(request: &str) -> u16 {
        match parse(request.as_bytes()) {
            Err(response) => response.status,
            Ok(found) => panic!("{request:?} is taken: {found:?}"),
        }
    }

    #[test]
    fn a_head_is_read_once_it_is_complete() {
        let text = "POST /decode HTTP/1.1\r\nHost: 127.0.0.1:1\r\norigin: x\r\ncontent-length: 8\r\n\r\n12345678";
        for end in 0..text.len() - 8 {
            assert_eq!(parse(&text.as_bytes()[..end]), Ok(None), "{end}");
        }
        let (head, length) = parse(text.as_bytes()).expect("HTTP").expect("complete");
        assert_eq!(length, text.len() - 8);
        assert_eq!(
            (head.method.as_str(), head.path.as_str()),
            ("POST", "/decode")
        );
        assert_eq!(head.host.as_deref(), Some("127.0.0.1:1"));
        assert_eq!((head.origin.as_deref(), head.length), (Some("x"), Some(8)));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        assert_eq!(status("\0\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/1.1\r\nContent-Length:\r\n\r\n"), 400);
        assert_eq!(
            status("GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"),
            413
        );
        assert_eq!(
            status("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            411
        );
        let many = "A: b\r\n".repeat(MOST_FIELDS + 1);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\n{many}\r\n")), 431);
    }
}
