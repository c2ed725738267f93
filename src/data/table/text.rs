//! The text of a table, plain or packed by gzip: what shows that it is not whole, and what separates its values.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;

use super::cell::is_number;
use crate::data::MAX_DEFLATE_RATIO;
use crate::error::{Error, Result};

/// Longer than any row of a table: a million columns of 64 bytes.
const MAX_ROW: usize = 1 << 26;
/// Bytes in which separators are looked for.
const START: u64 = 1 << 16;
const COPY_HINT: &str = "copy or download the file again";

/// What is wrong with a text, as the source of an [`io::Error`].
#[derive(Debug)]
struct Fault {
    what: String,
    hint: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Fault {}

fn fault(what: impl Into<String>, hint: &'static str) -> io::Error {
    let what = what.into();
    io::Error::new(io::ErrorKind::InvalidData, Fault { what, hint })
}

/// The error for a text that cannot be read to its end.
pub(super) fn unreadable(path: &Path, reason: io::Error) -> Error {
    let own = reason
        .get_ref()
        .and_then(|source| source.downcast_ref::<Fault>());
    match own {
        Some(fault) => Error::data(path, fault.what.as_str(), fault.hint),
        None => Error::data(path, format!("reading it failed: {reason}"), COPY_HINT),
    }
}

/// A text from its beginning, the part that has been looked at included.
pub(super) type Whole = io::Chain<Cursor<Vec<u8>>, Text>;

/// A text, and what separates its values.
pub(super) struct Opened {
    pub(super) text: Whole,
    pub(super) separator: u8,
}

/// Opens a table. Its content says whether it is packed: browsers unpack files and keep the name.
pub(super) fn open(path: &Path, tabs_first: bool) -> Result<Opened> {
    let file = File::open(path).map_err(Error::io(path, "open it"))?;
    let packed = file.metadata().map_err(Error::io(path, "read its size"))?;
    let mut reader = BufReader::new(file);
    let start = reader.fill_buf().map_err(Error::io(path, "read it"))?;
    let source = match start.starts_with(&[0x1f, 0x8b]) {
        true => Source::Gzip(Box::new(GzDecoder::new(reader))),
        false => Source::Plain(reader),
    };
    let mut text = Text {
        source,
        most: packed.len().saturating_mul(MAX_DEFLATE_RATIO),
        unpacked: 0,
        row: 0,
        last: 0,
        has_line_feed: false,
    };
    let mut start = Vec::new();
    // First what says in which form the text is: in another one its end would look cut off.
    read_more(path, &mut text, 2, &mut start)?;
    if start == [0xff, 0xfe] || start == [0xfe, 0xff] {
        return Err(Error::data(
            path,
            "expected text in UTF-8, got UTF-16",
            "save it as `CSV UTF-8`, or `iconv -f utf-16 -t utf-8`",
        ));
    }
    read_more(path, &mut text, START, &mut start)?;
    if start.starts_with("\u{feff}".as_bytes()) {
        start.drain(..3);
    }
    let separator = separator(&start, tabs_first);
    Ok(Opened {
        text: Cursor::new(start).chain(text),
        separator,
    })
}

fn read_more(path: &Path, text: &mut Text, most: u64, start: &mut Vec<u8>) -> Result<()> {
    let outcome = text.by_ref().take(most).read_to_end(start);
    outcome.map_err(|reason| unreadable(path, reason))?;
    Ok(())
}

/// What separates the values of a text that begins like this: what is as frequent in the second line as in the first.
fn separator(start: &[u8], tabs_first: bool) -> u8 {
    // Semicolons before commas: where both are in a line, the commas stand in numbers.
    let candidates = if tabs_first { b"\t;," } else { b";,\t" };
    let mut lines: Vec<[usize; 3]> = Vec::new();
    let (mut counts, mut quoted, mut empty) = ([0; 3], false, true);
    for &byte in start {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => {
                if !empty {
                    lines.push(counts);
                }
                if lines.len() == 2 {
                    break;
                }
                (counts, empty) = ([0; 3], true);
                continue;
            }
            _ if quoted => {}
            _ => {
                if let Some(which) = candidates.iter().position(|&own| own == byte) {
                    counts[which] += 1;
                }
            }
        }
        empty = false;
    }
    let first = lines.first().copied().unwrap_or(counts);
    let steady =
        |which: &usize| first[*which] > 0 && lines.iter().all(|l| l[*which] == first[*which]);
    let found = (0..3).find(steady);
    if let Some(which) = found.or_else(|| (0..3).find(|&which| first[which] > 0)) {
        return candidates[which];
    }
    // As `np.savetxt` writes by default.
    let line = start
        .split(|byte| b"\r\n".contains(byte))
        .find(|line| !line.is_empty());
    let mut words = line.unwrap_or_default().split(|&byte| byte == b' ');
    let spaced = line.is_some_and(|line| line.contains(&b' ')) && words.all(is_number);
    if spaced { b' ' } else { b',' }
}

enum Source {
    Plain(BufReader<File>),
    Gzip(Box<GzDecoder<BufReader<File>>>),
}

/// Text as it comes, which fails at its end where that shows that something is missing.
pub(super) struct Text {
    source: Source,
    /// Bytes that a packed file of this length can hold.
    most: u64,
    unpacked: u64,
    /// Bytes since the last row: what a quoted text without an end, or a line without one, would keep in memory.
    row: usize,
    last: u8,
    has_line_feed: bool,
}

impl Text {
    /// Whoever reads has taken a row.
    pub(super) fn end_row(&mut self) {
        self.row = 0;
    }

    fn end(&mut self) -> io::Result<()> {
        if let Source::Gzip(packed) = &mut self.source
            && !packed.get_mut().fill_buf()?.is_empty()
        {
            return Err(fault(
                "bytes follow the end of the gzip stream",
                "unpack it, or pack it again as one stream: `zcat x.csv.gz | gzip > whole.csv.gz`",
            ));
        }
        if self.unpacked == 0 {
            return Err(fault("expected a table, got an empty file", COPY_HINT));
        }
        let is_break = self.last == b'\n' || (self.last == b'\r' && !self.has_line_feed);
        if !is_break {
            return Err(fault(
                "its last line has no line break at its end: the file may have been cut off within a number",
                "look at the last line; where it is whole, end it: `echo >> x.csv`",
            ));
        }
        Ok(())
    }

    fn take_note(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.unpacked += bytes.len() as u64;
        if matches!(self.source, Source::Gzip(_)) && self.unpacked > self.most {
            return Err(fault(
                "it unpacks to more than its length allows",
                COPY_HINT,
            ));
        }
        self.has_line_feed |= bytes.contains(&b'\n');
        self.last = bytes.last().copied().unwrap_or(self.last);
        self.row += bytes.len();
        if self.row > MAX_ROW {
            return Err(fault(
                format!("expected rows of at most {MAX_ROW} bytes"),
                "one row a line, with line breaks of LF or CRLF, and a quotation mark at the end of every quoted text",
            ));
        }
        Ok(())
    }
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.source {
            Source::Plain(file) => file.read(buffer),
            Source::Gzip(packed) => packed.read(buffer),
        }?;
        match count {
            0 if !buffer.is_empty() => self.end()?,
            _ => self.take_note(&buffer[..count])?,
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_found_by_what_is_the_same_in_two_lines() {
        for (start, expected) in [
            ("a,b,c\n1,2,3\n", b','),
            ("a;b\n1,5;2,5\n", b';'),
            ("1,5;2,5\n1;2\n", b';'),
            ("a\tb\n1\t2\n", b'\t'),
            ("\"a;b\",c\n1,2\n", b','),
            ("a;x,b\n1,2\n", b','),
            ("1.0e+00 2.0\n3 4\n", b' '),
            ("age in years\n3\n", b','),
            ("7\n8\n", b','),
            ("\n\n1\t2", b'\t'),
        ] {
            assert_eq!(separator(start.as_bytes(), false), expected, "{start:?}");
        }
        assert_eq!(separator(b"a, b\tc\n1,5\t2,5\n", true), b'\t');
    }
}
