//! Arrays through stdin and stdout, and the files that stand in for them. `-` means the stream.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal, Read, StdoutLock, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

use super::out::Kind;
use super::{note, result};
use crate::error::Error;
use crate::files::NewFile;

/// Whether anything was read from stdin, or written to stdout or a file of results.
static TOUCHED: AtomicBool = AtomicBool::new(false);

/// Notes that the command cannot be run again: what it has read or written is no longer as it was.
pub(super) fn touch() {
    TOUCHED.store(true, Ordering::Relaxed);
}

/// Whether the command could be run again from its start.
pub(super) fn are_untouched() -> bool {
    !TOUCHED.load(Ordering::Relaxed)
}

/// Whether a path means stdin or stdout.
pub(super) fn is_stream(path: &Path) -> bool {
    path == Path::new("-")
}

/// A file, or stdin, and its name for errors.
pub(super) fn input(path: &Path) -> anyhow::Result<(Box<dyn Read>, PathBuf)> {
    if is_stream(path) {
        if io::stdin().is_terminal() {
            return Err(Error::config(
                "stdin is a terminal, and an array in NumPy's format was expected from it",
                "`< array.npy` behind the command, or a program and `|` before it",
            )
            .into());
        }
        touch();
        // Whole batches are read at once: a buffer would be one more copy.
        return Ok((Box::new(io::stdin().lock()), "stdin".into()));
    }
    let file = File::open(path).map_err(Error::io(path, "open it"))?;
    Ok((Box::new(BufReader::new(file)), path.to_owned()))
}

/// A new file that is written piece by piece.
pub(super) enum Output {
    /// What a reader gets as it comes, until it has enough.
    Stdout {
        reader: Option<BufWriter<StdoutLock<'static>>>,
        /// Whether there is an output to go on for then.
        beside: bool,
    },
    /// What is there whole or not at all.
    File(NewFile),
}

impl Output {
    /// A new file, or stdout, of this kind.
    /// `beside`: whether other outputs are wanted too.
    pub(super) fn open(path: &Path, kind: Kind, beside: bool) -> anyhow::Result<Self> {
        if !is_stream(path) {
            return Ok(Self::File(NewFile::start(path)?));
        }
        let stdout = io::stdout();
        if stdout.is_terminal() && !kind.is_text() {
            return Err(Error::config(
                "stdout is a terminal, and the result is an array in NumPy's format",
                "`> array.npy` behind the command, or --out array.npy",
            )
            .into());
        }
        Ok(Self::Stdout {
            reader: Some(BufWriter::new(stdout.lock())),
            beside,
        })
    }

    /// Adds bytes at its end.
    pub(super) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        match self {
            Self::Stdout { reader, beside } => {
                touch();
                to_reader(reader, *beside, |stdout| stdout.write_all(bytes))
            }
            Self::File(file) => Ok(file.write(bytes)?),
        }
    }

    /// Ends it; a file gets its name. Returns where the file is.
    pub(super) fn finish(self) -> anyhow::Result<Option<PathBuf>> {
        match self {
            Self::Stdout { mut reader, beside } => {
                to_reader(&mut reader, beside, |stdout| stdout.flush()).map(|()| None)
            }
            Self::File(file) => {
                let path = file.path().to_owned();
                touch();
                file.finish()?;
                Ok(Some(path))
            }
        }
    }
}

/// Ends outputs in turn, and prints where the files are; beside an array on stdout that goes to stderr.
pub(super) fn finish(outputs: impl IntoIterator<Item = Output>) -> anyhow::Result<()> {
    let ended = outputs.into_iter().map(Output::finish);
    let ended = ended.collect::<anyhow::Result<Vec<_>>>()?;
    let apart = ended.iter().all(Option::is_some);
    for path in ended.into_iter().flatten() {
        if apart {
            result(path.display())?;
        } else {
            note(path.display());
        }
    }
    Ok(())
}

/// Writes to who reads stdout. One that has enough is an error where there is nothing to go on for, and not one of
/// the library, as the program takes it for its end (`main.rs`).
fn to_reader(
    reader: &mut Option<BufWriter<StdoutLock<'static>>>,
    beside: bool,
    write: impl FnOnce(&mut BufWriter<StdoutLock<'static>>) -> io::Result<()>,
) -> anyhow::Result<()> {
    let Some(stdout) = reader else {
        return Ok(());
    };
    match write(stdout) {
        Err(e) if beside && e.kind() == io::ErrorKind::BrokenPipe => {
            // Not dropped: that would try to write what is left.
            reader.take().map(BufWriter::into_parts);
            Ok(())
        }
        written => written.context("stdout: cannot write the result"),
    }
}
