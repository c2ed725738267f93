//! Pictures that cannot be read: all of them are named at once.

use std::path::Path;

use crate::error::{Error, Result};
use crate::number::counted;

/// How many are listed with their reasons.
const LISTED: usize = 10;

/// A picture that cannot be read.
pub(super) struct Broken {
    /// Its place among all pictures.
    pub(super) index: usize,
    /// Path below the data folder.
    pub(super) name: String,
    pub(super) error: Error,
}

/// What is wrong with a file, without its path and the hint.
pub(super) fn reason(error: &Error) -> String {
    match error {
        Error::Data { what, .. } => what.clone(),
        Error::Io { doing, source, .. } => format!("cannot {doing}: {source}"),
        other => other.to_string(),
    }
}

/// The error for some of `total` pictures; one is named by its own. `more` is a further fault of the data.
pub(super) fn refuse(
    root: &Path,
    mut broken: Vec<Broken>,
    total: usize,
    more: Option<&Error>,
) -> Error {
    broken.sort_by_key(|broken| broken.index);
    if broken.len() == 1 && more.is_none() {
        return broken.remove(0).error;
    }
    let mut what = format!("{} of {total} pictures cannot be read:", broken.len());
    for broken in broken.iter().take(LISTED) {
        what += &format!("\n    {}: {}", broken.name, reason(&broken.error));
    }
    if broken.len() > LISTED {
        what += &format!("\n    and {} more", broken.len() - LISTED);
    }
    if let Some(Error::Data {
        path, what: more, ..
    }) = more
    {
        what += &format!("\n  and {}: {more}", path.display());
    }
    let mut hint = "copy them again from where they came, or remove them; `skip-broken = true` goes on without them"
        .to_owned();
    if let Some(Error::Data { hint: other, .. }) = more {
        hint += &format!("; {other}");
    }
    Error::data(root, what, hint)
}

/// The line that names those that were left out.
///
/// # Errors
///
/// [`refuse`] where nothing is left.
pub(super) fn left_out(
    root: &Path,
    mut broken: Vec<Broken>,
    total: usize,
) -> Result<Option<String>> {
    if broken.is_empty() {
        return Ok(None);
    }
    if broken.len() == total {
        return Err(match refuse(root, broken, total, None) {
            // It was asked already to go on without them.
            Error::Data { path, what, .. } => {
                Error::data(&path, what, "copy them again from where they came")
            }
            other => other,
        });
    }
    broken.sort_by_key(|broken| broken.index);
    let names: Vec<&str> = broken.iter().map(|broken| broken.name.as_str()).collect();
    Ok(Some(format!(
        "left out {} of {total} that cannot be read: {}",
        counted(broken.len() as u64, "picture"),
        names.join(", ")
    )))
}
