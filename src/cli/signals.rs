//! Signals that ask a run to stop.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use indicatif::ProgressBar;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::note;
use crate::error::{Error, Result};

/// What a shell gives for a process that a signal ended: 128 and the signal's number.
const SIGNALLED: i32 = 128;

/// Time between two looks at whether a signal came.
const LOOK: Duration = Duration::from_millis(50);

/// Time in which signals count as one. A terminal that closes sends two, by the shell and by the system, and so does
/// timeout(1), to the program and to its group; nobody meant to end the run unsaved.
const AT_ONCE: Duration = Duration::from_millis(250);

/// Signals that end a run with a checkpoint, and their names.
const STOPS: &[(i32, &str)] = &[
    (SIGINT, "SIGINT"),
    (SIGTERM, "SIGTERM"),
    // A terminal that is gone. Only where the program can tell that it was not started by nohup.
    #[cfg(target_os = "linux")]
    (signal_hook::consts::SIGHUP, "SIGHUP"),
];

/// Whether the program was asked to stop, by Ctrl-C or `kill`. Asked again after that was acknowledged, it ends at
/// once.
#[derive(Clone)]
pub(super) struct Signals {
    number: Arc<AtomicUsize>,
    /// Whether it has been said that one came.
    said: Arc<AtomicBool>,
    /// What a line on the terminal has to go beside.
    bar: Arc<Mutex<Option<ProgressBar>>>,
}

impl Signals {
    /// Listens from now on, but for signals that the program was started to ignore: by nohup, or in the background of
    /// a shell without job control, where Ctrl-C is meant for another program.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub(super) fn listen() -> Result<Self> {
        let number = Arc::new(AtomicUsize::new(0));
        let acknowledged = Arc::new(AtomicBool::new(false));
        let ignored = ignored();
        for &(signal, _) in STOPS {
            if ignored & (1 << (signal - 1)) != 0 {
                continue;
            }
            let code = SIGNALLED + signal;
            flag::register_conditional_shutdown(signal, code, Arc::clone(&acknowledged))
                .and_then(|_| flag::register_usize(signal, Arc::clone(&number), signal as usize))
                .map_err(Error::io("signals", "listen for them"))?;
        }
        let signals = Self {
            number,
            said: Arc::new(AtomicBool::new(false)),
            bar: Arc::default(),
        };
        let watcher = signals.clone();
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || watcher.acknowledge(&acknowledged))
            .map_err(Error::io("signals", "start a thread for them"))?;
        Ok(signals)
    }

    /// Waits for a signal and says at once that it came, as the step that is under way may take its time. From then
    /// on the next one ends the program.
    fn acknowledge(&self, acknowledged: &AtomicBool) {
        let name = loop {
            thread::sleep(LOOK);
            if let Some((name, _)) = self.received() {
                break name;
            }
        };
        if self.first_to_say() {
            let line = format!(
                "{name}: the run stops and is saved as soon as its step is done; once more ends it at once, without that"
            );
            match &*self.bar.lock().unwrap_or_else(PoisonError::into_inner) {
                Some(bar) => bar.suspend(|| note(line)),
                None => note(line),
            }
        }
        thread::sleep(AT_ONCE);
        acknowledged.store(true, Ordering::Relaxed);
    }

    /// Writes above a progress bar from now on.
    pub(super) fn go_beside(&self, bar: &ProgressBar) {
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
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
