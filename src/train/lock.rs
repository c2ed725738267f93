//! One writer a run folder.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};

/// The file that is locked. It stays: to remove it would let two processes lock two files of one name.
pub(super) const LOCK: &str = ".lock";

/// Tries before a folder counts as in use, and the time between two: whoever only looks holds the lock for an
/// instant.
const TRIES: u32 = 10;
const BETWEEN: Duration = Duration::from_millis(20);

/// The right to write into a run folder, until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    /// `None` on a file system that has no locks.
    file: Option<File>,
}

fn open(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(Error::io(&path, "open the lock of the run"))
}

impl Lock {
    /// Takes the lock of a run folder.
    ///
    /// # Errors
    /// [`Error::Config`] where another process has it, [`Error::Io`] where the folder cannot be written.
    pub(super) fn take(folder: &Path) -> Result<Self> {
        let file = open(folder)?;
        for left in (0..TRIES).rev() {
            match file.try_lock() {
                Ok(()) => return Ok(Self { file: Some(file) }),
                Err(TryLockError::WouldBlock) if left > 0 => thread::sleep(BETWEEN),
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(reason)) => {
                    log::warn!(
                        "{}: cannot be locked ({reason}): take care that no other process trains in it",
                        folder.display()
                    );
                    return Ok(Self { file: None });
                }
            }
        }
        Err(Error::config(
            format!("{}: in use: another process trains in it", folder.display()),
            "waiting for it, or stopping it",
        ))
    }

    /// Whether no other process can have it: on a file system without locks nobody knows.
    pub(super) fn is_sure(&self) -> bool {
        self.file.is_some()
    }

    /// Whether a process trains in a run folder.
    pub(super) fn is_held(folder: &Path) -> bool {
        // Shared: two who look at once are no trainer to each other.
        let held = |file: File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        File::open(folder.join(LOCK)).is_ok_and(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_dropped() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(!Lock::is_held(folder.path()));
        let lock = Lock::take(folder.path()).expect("a free folder");
        assert!(Lock::is_held(folder.path()));
        let error = Lock::take(folder.path()).expect_err("a locked folder");
        assert!(error.to_string().contains("in use"), "{error}");
        assert_eq!(error.exit_code(), 2);
        drop(lock);
        assert!(!Lock::is_held(folder.path()));
        Lock::take(folder.path()).expect("a free folder again");
    }
}
