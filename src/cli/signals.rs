//! Signals that ask a run to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::{Error, Result};

/// What a shell gives for a process that a signal ended: 128 and the signal's number.
const SIGNALLED: i32 = 128;

/// Whether the program was asked to stop, by Ctrl-C or `kill`. From the second time on it ends at once.
#[derive(Clone)]
pub(super) struct Signals {
    number: Arc<AtomicUsize>,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub(super) fn listen() -> Result<Self> {
        let number = Arc::new(AtomicUsize::new(0));
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal only sets the flag that makes the second one end the program.
            flag::register_conditional_shutdown(signal, SIGNALLED + signal, Arc::clone(&asked))
                .and_then(|_| flag::register(signal, Arc::clone(&asked)))
                .and_then(|_| flag::register_usize(signal, Arc::clone(&number), signal as usize))
                .map_err(Error::io("signals", "listen for them"))?;
        }
        Ok(Self { number })
    }

    /// Name and exit code of the signal that came.
    pub(super) fn received(&self) -> Option<(&'static str, u8)> {
        match self.number.load(Ordering::Relaxed) as i32 {
            0 => None,
            SIGINT => Some(("SIGINT", (SIGNALLED + SIGINT) as u8)),
            other => Some(("SIGTERM", (SIGNALLED + other) as u8)),
        }
    }
}
