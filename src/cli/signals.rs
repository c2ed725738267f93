//! Signals that ask a run to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::note;
use crate::error::{Error, Result};

/// What a shell gives for a process that a signal ended: 128 and the signal's number.
const SIGNALLED: i32 = 128;

/// Time between two looks at whether a signal came.
const LOOK: Duration = Duration::from_millis(50);

/// Signals that end a run with a checkpoint, and their names.
const STOPS: &[(i32, &str)] = &[
    (SIGINT, "SIGINT"),
    (SIGTERM, "SIGTERM"),
    // A terminal that is gone. Only where the program can tell that it was not started by nohup.
    #[cfg(target_os = "linux")]
    (signal_hook::consts::SIGHUP, "SIGHUP"),
];

/// Whether the program was asked to stop, by Ctrl-C or `kill`. From the second time on it ends at once.
#[derive(Clone)]
pub(super) struct Signals {
    number: Arc<AtomicUsize>,
    /// Whether it has been said that one came.
    said: Arc<AtomicBool>,
}

impl Signals {
    /// Listens from now on, but for signals that the program was started to ignore: by nohup, or in the background of
    /// a shell without job control, where Ctrl-C is meant for another program.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub(super) fn listen() -> Result<Self> {
        let number = Arc::new(AtomicUsize::new(0));
        let asked = Arc::new(AtomicBool::new(false));
        let ignored = ignored();
        for &(signal, _) in STOPS {
            if ignored & (1 << (signal - 1)) != 0 {
                continue;
            }
            // In this order: the first signal only sets the flag that makes the second one end the program.
            flag::register_conditional_shutdown(signal, SIGNALLED + signal, Arc::clone(&asked))
                .and_then(|_| flag::register(signal, Arc::clone(&asked)))
                .and_then(|_| flag::register_usize(signal, Arc::clone(&number), signal as usize))
                .map_err(Error::io("signals", "listen for them"))?;
        }
        let signals = Self {
            number,
            said: Arc::new(AtomicBool::new(false)),
        };
        signals.clone().acknowledge();
        Ok(signals)
    }

    /// Says at once that a signal came: the step that is under way may take its time.
    fn acknowledge(self) {
        let watch = move || loop {
            thread::sleep(LOOK);
            if let Some((name, _)) = self.received() {
                if self.first_to_say() {
                    note(format_args!(
                        "{name}: the run stops and is saved as soon as its step is done; once more ends it at once"
                    ));
                }
                break;
            }
        };
        // Without a thread to spare a run stops all the same.
        let _ = thread::Builder::new().name("signals".into()).spawn(watch);
    }

    /// Whether nobody has said yet that a signal came; from this call on somebody has.
    pub(super) fn first_to_say(&self) -> bool {
        !self.said.swap(true, Ordering::Relaxed)
    }

    /// Name and exit code of the signal that came.
    pub(super) fn received(&self) -> Option<(&'static str, u8)> {
        let number = self.number.load(Ordering::Relaxed) as i32;
        STOPS
            .iter()
            .find(|(signal, _)| *signal == number)
            .map(|(signal, name)| (*name, (SIGNALLED + signal) as u8))
    }
}

/// Signals that the program was started to ignore, bit n − 1 for signal n; none where the system does not tell.
fn ignored() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|text| mask(&text))
        .unwrap_or(0)
}

/// The line of `/proc/<pid>/status` with the mask (proc_pid_status(5)).
fn mask(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read_from_its_line() {
        let status =
            "Name:\telbo\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001003\nSigCgt:\t0\n";
        assert_eq!(mask(status), Some(0x1003));
        assert_eq!(mask("Name:\telbo\n"), None);
    }
}
