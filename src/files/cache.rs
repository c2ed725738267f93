//! Where the program keeps what it can make again.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The user's cache folder of this program: `ELBO_CACHE` if set, otherwise `elbo` in the system's
/// place: `XDG_CACHE_HOME` or `~/.cache`, `~/Library/Caches` on macOS, `%LOCALAPPDATA%` on Windows.
///
/// # Errors
/// [`Error::Config`] where none of these variables is set.
pub fn cache_folder() -> Result<PathBuf> {
    cache_from(|name| env::var_os(name).filter(|value| !value.is_empty())).ok_or_else(|| {
        Error::config(
            "there is no cache folder: neither ELBO_CACHE nor a home folder is set",
            "set ELBO_CACHE to a folder you can write to",
        )
    })
}

fn cache_from(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(own) = variable("ELBO_CACHE") {
        return Some(own.into());
    }
    let home = |inside: &str| Some(Path::new(&variable("HOME")?).join(inside));
    let base = if cfg!(windows) {
        variable("LOCALAPPDATA").map(PathBuf::from)
    } else if cfg!(target_os = "macos") {
        home("Library/Caches")
    } else {
        // The XDG specification has relative paths ignored.
        let given = variable("XDG_CACHE_HOME").map(PathBuf::from);
        given
            .filter(|path| path.is_absolute())
            .or_else(|| home(".cache"))
    };
    base.map(|base| base.join("elbo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elbo_cache_comes_before_the_system_folder() {
        let both = |name: &str| match name {
            "ELBO_CACHE" => Some(OsString::from("/mine")),
            _ => Some(OsString::from("/other")),
        };
        assert_eq!(cache_from(both), Some(PathBuf::from("/mine")));
        assert_eq!(cache_from(|_| None), None);
    }

    #[cfg(all(unix, not(target_os = "macos")))]
    #[test]
    fn relative_xdg_cache_home_is_ignored() {
        let variable = |name: &str| match name {
            "XDG_CACHE_HOME" => Some(OsString::from("relative")),
            "HOME" => Some(OsString::from("/home/someone")),
            _ => None,
        };
        let expected = PathBuf::from("/home/someone/.cache/elbo");
        assert_eq!(cache_from(variable), Some(expected));
    }
}
