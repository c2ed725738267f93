//! Removing what was left unfinished.

use std::fs::{self, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::is_unfinished;
use crate::error::{Error, Result};

/// Removes from a folder the files that a process left unfinished which was killed, but not those that a living
/// one is writing.
///
/// # Errors
/// [`Error::Io`] where something cannot be removed.
pub(crate) fn clean_files(folder: &Path) -> Result<()> {
    clean_old_files(folder, Duration::ZERO)
}

/// The same in a folder that several processes write into, of files that have not been written to for so long: another one
/// may be about to lock a new file, or may have no locks.
///
/// # Errors
/// As [`clean_files`].
pub(crate) fn clean_old_files(folder: &Path, age: Duration) -> Result<()> {
    let is_old = |path: &Path| {
        let written = fs::metadata(path).and_then(|file| file.modified());
        written.is_ok_and(|at| at.elapsed().unwrap_or_default() >= age)
    };
    for path in unfinished_in(folder) {
        if path.is_dir() || !is_old(&path) || is_being_written(&path) {
            continue;
        }
        match fs::remove_file(&path) {
            // Another process was faster.
            Err(reason) if reason.kind() == io::ErrorKind::NotFound => {}
            outcome => outcome.map_err(Error::io(&path, UNDO))?,
        }
    }
    Ok(())
}

/// The same with folders. Nobody can tell whether a folder is being written: only for who knows that no other
/// process makes any there.
///
/// # Errors
/// As [`clean_files`].
pub(crate) fn clean(folder: &Path) -> Result<()> {
    clean_files(folder)?;
    for path in unfinished_in(folder).filter(|path| path.is_dir()) {
        fs::remove_dir_all(&path).map_err(Error::io(&path, UNDO))?;
    }
    Ok(())
}

const UNDO: &str = "remove what was left unfinished";

/// What is unfinished in a folder; nothing where there is no folder.
fn unfinished_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.file_name().is_some_and(is_unfinished))
}

/// Whether a process has the lock of an unfinished file.
fn is_being_written(path: &Path) -> bool {
    fs::File::open(path)
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}
