//! Reads a `metrics.jsonl` line by line, and says what is wrong with it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::Line;
use crate::error::{Error, Result};
use crate::files::quoted;

/// How far a `metrics.jsonl` can be read.
#[derive(Debug, Default)]
pub(in crate::train) struct Extent {
    /// Bytes of the lines before the first that is not one.
    pub(in crate::train) len: u64,
    /// What is behind them.
    pub(in crate::train) damage: Option<Damage>,
}

/// Lines of a `metrics.jsonl` that are none.
#[derive(Debug)]
pub(in crate::train) struct Damage {
    /// The number of each, counted from 1, and the bytes of the file before it.
    lines: Vec<(usize, u64)>,
    /// What is wrong with the first.
    reason: String,
}

impl Damage {
    /// The error for the file at `path`, of whose bytes the last checkpoint knows the first `known`: training takes
    /// back what lies behind them, so that only a line among them keeps it from going on.
    pub(in crate::train) fn error(&self, path: &Path, known: u64) -> Error {
        /// Numbers that a message lists.
        const MOST: usize = 20;
        let (first, at) = self.lines[0];
        let what = format!("line {first} is damaged: {}", self.reason);
        if at >= known {
            let hint = "resume the run (`resume = …`), which takes back what lies behind its last checkpoint";
            return Error::model(path, what, hint);
        }
        let numbers = self.lines.iter().filter(|(_, at)| *at < known);
        let numbers: Vec<String> = numbers.map(|(number, _)| number.to_string()).collect();
        let (what, which) = match numbers.len() {
            1 => (what, format!("line {first}")),
            count => {
                let listed = numbers[..count.min(MOST)].join(", ");
                let more = if count > MOST { ", …" } else { "" };
                let what = format!("{what} ({count} such lines: {listed}{more})");
                (what, "these lines".to_owned())
            }
        };
        let script = format!("{}d", numbers.join("d;"));
        let hint = format!(
            "without {which}: `sed -i '{script}' {}`; then the run goes on, and only what {which} measured is lost",
            quoted(&path.to_string_lossy())
        );
        Error::model(path, what, hint)
    }
}

impl Extent {
    /// Nothing where all lines are whole, of whose bytes the last checkpoint knows the first `known`.
    ///
    /// # Errors
    /// [`Error::Model`] where one is damaged.
    pub(in crate::train) fn whole(self, path: &Path, known: u64) -> Result<()> {
        match self.damage {
            None => Ok(()),
            Some(damage) => Err(damage.error(path, known)),
        }
    }
}

/// Gives `each` the lines of the file at `path`, and their bytes, up to the first that is not one. A last line without an
/// end, which a kill may leave, is left out.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read.
pub(in crate::train) fn scan(path: &Path, mut each: impl FnMut(&[u8], Line)) -> Result<Extent> {
    let read = Error::io(path, "read the metrics");
    let mut file = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(e) => return Err(read(e)),
    };
    let mut found = Extent::default();
    let (mut line, mut number, mut at) = (Vec::new(), 0, 0);
    loop {
        line.clear();
        if let Err(e) = file.read_until(b'\n', &mut line) {
            return Err(read(e));
        }
        if !line.ends_with(b"\n") {
            return Ok(found);
        }
        number += 1;
        let place = (number, at);
        at += line.len() as u64;
        match (serde_json::from_slice(&line), &mut found.damage) {
            (Ok(parsed), None) => {
                each(&line, parsed);
                found.len = at;
            }
            // They are read no further; this one says nothing more.
            (Ok(_), Some(_)) => {}
            (Err(_), Some(damage)) => damage.lines.push(place),
            (Err(e), None) => {
                found.damage = Some(Damage {
                    lines: vec![place],
                    reason: e.to_string(),
                });
            }
        }
    }
}
