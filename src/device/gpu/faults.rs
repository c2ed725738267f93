//! What a device reports of itself: errors of calls, and its loss.

use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};

use crate::error::Error;

/// What hal calls a lack of memory where it gives the device up for it.
const NO_MEMORY: &str = "Out of memory";

/// What went wrong, with the driver's or wgpu's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The device is gone; another can be opened.
    Lost(String),
    /// Memory of the device or of the driver's host.
    NoMemory(String),
    /// Anything else.
    Other(String),
}

impl From<wgpu::Error> for Fault {
    fn from(error: wgpu::Error) -> Self {
        match error {
            wgpu::Error::OutOfMemory { .. } => Self::NoMemory(error.to_string()),
            wgpu::Error::Validation { .. } | wgpu::Error::Internal { .. } => {
                Self::Other(error.to_string())
            }
        }
    }
}

impl Fault {
    /// A device that wgpu gave up, with its reason.
    fn given_up(reason: String) -> Self {
        match reason.as_str() {
            NO_MEMORY => Self::NoMemory(reason),
            _ => Self::Lost(reason),
        }
    }

    /// A call that panicked, with what it said.
    pub(super) fn of_panic(text: String) -> Self {
        match text.contains("OutOfMemory") {
            true => Self::NoMemory(NO_MEMORY.to_owned()),
            false => Self::Other(text),
        }
    }

    /// The error of a call for `what` on the device of this name.
    pub(super) fn error(self, device: &str, what: &str) -> Error {
        match self {
            Self::Lost(reason) => Error::lost(format!("{device}: lost ({what}): {reason}")),
            Self::NoMemory(reason) => Error::device(
                format!("{device}: no memory for {what}: {reason}"),
                "a smaller `batch-size = …` or model, or `device = cpu`",
            ),
            Self::Other(reason) => Error::device(
                format!("{device}: {what}: {reason}"),
                "a newer driver, a smaller `batch-size = …`, or `device = cpu`",
            ),
        }
    }
}

/// The faults of a device that no call has returned yet.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Why the device can do nothing any more, and the thread whose call it was; this stays.
    end: Option<(Fault, ThreadId)>,
    /// The first error that belongs to no call.
    other: Option<Fault>,
}

impl Faults {
    /// An error that belongs to no call.
    pub(super) fn note(&self, fault: Fault) {
        log::debug!("{fault:?}");
        self.with(|state| _ = state.other.get_or_insert(fault));
    }

    /// wgpu gave the device up.
    pub(super) fn give_up(&self, reason: String) {
        self.end(Fault::given_up(reason));
    }

    /// A call panicked: what it left is not to be used.
    pub(super) fn end(&self, fault: Fault) {
        log::debug!("the end: {fault:?}");
        let by = thread::current().id();
        self.with(|state| _ = state.end.get_or_insert((fault, by)));
    }

    /// Why the device can do nothing any more, or else the first error since the last look.
    pub(super) fn take(&self) -> Option<Fault> {
        self.with(|state| match &state.end {
            Some((fault, _)) => Some(fault.clone()),
            None => state.other.take(),
        })
    }

    /// Whether the device failed in a way that may have left parts of it half made.
    pub(super) fn broke_it(&self) -> bool {
        self.with(|state| !matches!(state.end, None | Some((Fault::Lost(_), _))))
    }

    /// Whether a call that failed on this thread did not fail for what another thread's did to the device.
    pub(super) fn are_of_this_thread(&self) -> bool {
        let end = self.with(|state| state.end.as_ref().map(|(_, by)| *by));
        end.is_none_or(|by| by == thread::current().id())
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_device_stays_and_other_faults_are_told_once() {
        let faults = Faults::default();
        assert_eq!(faults.take(), None);
        let other = Fault::Other("a wrong binding".into());
        faults.note(other.clone());
        faults.note(Fault::Other("what followed".into()));
        assert_eq!((faults.take(), faults.take()), (Some(other), None));
        faults.give_up("Device is lost".into());
        faults.end(Fault::Other("a panic behind it".into()));
        let lost = Some(Fault::Lost("Device is lost".into()));
        assert_eq!((faults.take(), faults.take()), (lost.clone(), lost));
    }

    #[test]
    fn a_lack_of_memory_is_no_loss_that_can_be_made_good() {
        let is_lost = |reason: &str| {
            let error = Fault::given_up(reason.into()).error("a card", "work");
            assert_eq!(error.exit_code(), 4);
            matches!(error, Error::Lost { .. })
        };
        assert!(is_lost("Device is lost") && !is_lost(NO_MEMORY));
    }
}
