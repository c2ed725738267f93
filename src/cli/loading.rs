//! Reads a data set, and shows how far it is: a bar on a terminal, otherwise lines.

use std::fmt;
use std::io::{self, IsTerminal};
use std::panic::resume_unwind;
use std::thread::{self, JoinHandle};

use indicatif::ProgressBar;

use super::{bar, note};
use crate::data::{self, DataOptions, Dataset, Progress};
use crate::error::Result;

/// Loads a data set and shows how far it is.
pub(super) fn load(source: &str, options: DataOptions) -> Result<Dataset> {
    Loading::start(source, options, false).finish()
}

/// A data set that is being read on a thread of its own. It is not waited for where it is dropped: an error
/// elsewhere ends the program at once.
pub(super) struct Loading {
    /// On a terminal only.
    bar: Option<ProgressBar>,
    quiet: bool,
    thread: JoinHandle<Result<Dataset>>,
}

impl Loading {
    pub(super) fn start(source: &str, options: DataOptions, quiet: bool) -> Self {
        let terminal = io::stderr().is_terminal() && !quiet;
        let bar = terminal.then(|| bar("{prefix} [{bar:30}] {pos}/{len} {msg}"));
        let mut display = Display {
            bar: bar.clone(),
            quiet,
            tenths: 0,
        };
        let source = source.to_owned();
        let thread = thread::spawn(move || {
            data::load(&source, &options, &mut |progress| display.show(progress))
        });
        Self { bar, quiet, thread }
    }

    /// A line for whoever watches, beside the bar.
    pub(super) fn note(&self, line: impl fmt::Display) {
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => bar.suspend(|| note(line)),
            None => note(line),
        }
    }

    /// The data set, once it has been read.
    pub(super) fn finish(self) -> Result<Dataset> {
        let outcome = self.thread.join();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

struct Display {
    bar: Option<ProgressBar>,
    quiet: bool,
    /// Tenths of a part that a line was written for.
    tenths: u64,
}

impl Display {
    fn show(&mut self, progress: Progress<'_>) {
        if self.quiet {
            return;
        }
        match (&self.bar, progress) {
            (Some(bar), Progress::Note(text)) => bar.suspend(|| note(text)),
            (None, Progress::Note(text)) => note(text),
            (
                Some(bar),
                Progress::Part {
                    what,
                    done,
                    total,
                    unit,
                },
            ) => {
                bar.set_prefix(what.to_owned());
                bar.set_message(unit);
                bar.set_length(total);
                bar.set_position(done);
            }
            (None, part) => {
                if let Some(line) = self.line(part) {
                    note(line);
                }
            }
        }
    }

    /// A line for each tenth of a part.
    fn line(&mut self, progress: Progress<'_>) -> Option<String> {
        let Progress::Part {
            what,
            done,
            total,
            unit,
        } = progress
        else {
            return None;
        };
        let tenths = (10 * done).checked_div(total)?;
        // A part that begins has fewer tenths than the one before it had.
        let news = tenths != self.tenths && tenths > 0;
        self.tenths = tenths;
        news.then(|| format!("{what}: {done} of {total} {unit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_gives_a_line_for_each_tenth() {
        let mut display = Display {
            bar: None,
            quiet: false,
            tenths: 0,
        };
        let mut lines = |total: u64| -> Vec<String> {
            let parts = (0..=total).map(|done| Progress::Part {
                what: "a.gz",
                done,
                total,
                unit: "bytes",
            });
            parts.filter_map(|part| display.line(part)).collect()
        };
        let first = lines(1000);
        assert_eq!(first.len(), 10, "{first:?}");
        assert_eq!(first[0], "a.gz: 100 of 1000 bytes");
        assert_eq!(first[9], "a.gz: 1000 of 1000 bytes");
        assert_eq!(lines(20).len(), 10, "the next file");
    }
}
