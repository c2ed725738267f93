//! Inputs that people have had, where this machine has them.

use std::path::{Path, PathBuf};

use crate::skipped::skipped;

/// Where such an input lies, or `None`, with a word on what is left out.
pub(crate) fn trial(name: &str) -> Option<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/trials"));
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    skipped("trials", format_args!("{} is not there", path.display()));
    None
}
