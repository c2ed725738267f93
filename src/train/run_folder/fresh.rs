//! A folder for a new run: what may lie in it already.

use std::fs;
use std::path::Path;

use super::{CONFIG, EVENTS, RunFolder};
use crate::error::{Error, Result};
use crate::files;
use crate::train::lock::LOCK;

/// What lies in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    /// Nothing, or what a process leaves that is killed before it has written anything.
    Nothing,
    /// What training leaves that is killed before it has measured or saved anything, if no process is at it.
    Start,
    /// Something else.
    Else,
}

/// Looks at a folder. Its configuration counts as that of a start only beside a lock, and where it can be read as such:
/// any other file of that name is somebody's.
pub(super) fn contents(path: &Path) -> Result<Contents> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(Error::io(path, "read the run folder"))? {
        let name = entry.map_err(Error::io(path, "read the run folder"))?;
        names.push(name.file_name());
    }
    names.retain(|name| !files::is_unfinished(name));
    let has_lock = names.iter().any(|name| name == LOCK);
    names.retain(|name| name != LOCK);
    if names.is_empty() {
        return Ok(Contents::Nothing);
    }
    let is_known = |name: &std::ffi::OsString| {
        name == CONFIG || EVENTS.iter().any(|known| name == known) && holds_events(&path.join(name))
    };
    let is_start = has_lock && names.iter().all(is_known) && RunFolder::open(path).is_ok();
    Ok(match is_start {
        true => Contents::Start,
        false => Contents::Else,
    })
}

/// Whether a folder holds event files and nothing else.
fn holds_events(folder: &Path) -> bool {
    let is_one = |entry: std::io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| {
            let name = entry.file_name();
            name.to_string_lossy().starts_with("events.out.tfevents.")
        })
    };
    fs::read_dir(folder).is_ok_and(|mut entries| entries.all(is_one))
}

/// Removes what a start has left. The lock stays, and is to be held.
pub(super) fn clear(path: &Path) -> Result<()> {
    files::clean_files(path)?;
    if contents(path)? != Contents::Start {
        return Ok(());
    }
    for name in EVENTS {
        let folder = path.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(Error::io(&folder, "remove it"))?;
        }
    }
    // Last: without it the rest is nobody's.
    let config = path.join(CONFIG);
    fs::remove_file(&config).map_err(Error::io(&config, "remove it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelSpec;
    use crate::train::{Record, RunConfig};
    use std::time::SystemTime;

    fn create(path: &Path) -> Result<RunFolder> {
        let record = Record::new("CPU", "digits", SystemTime::UNIX_EPOCH);
        RunFolder::create(path, RunConfig::new(ModelSpec::reference(), record))
    }

    /// Makes the folder of a run that ends at once.
    fn start(path: &Path) {
        drop(create(path).expect("a new folder"));
    }

    #[test]
    fn what_a_killed_start_leaves_is_taken_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path();
        start(path);
        fs::create_dir(path.join("train")).expect("a folder");
        fs::write(path.join("train/events.out.tfevents.1.elbo"), "").expect("a file");
        assert_eq!(contents(path).expect("contents"), Contents::Start);
        RunFolder::check_new(path).expect("nothing of value");
        let again = create(path).expect("nothing of value");
        assert!(again.is_running() && !path.join("train").exists());
        // Another process is at it.
        let error = create(path).expect_err("a lock");
        assert!(error.to_string().contains("in use"), "{error}");
        drop(again);
        start(path);
    }

    #[test]
    fn nothing_of_value_is_taken() {
        for (name, text) in [
            ("metrics.jsonl", "{}"),
            ("model.safetensors", "parameters"),
            ("checkpoints/step-0000000010/state.json", "{}"),
            ("train/notes.txt", "mine"),
            ("notes.txt", "mine"),
            ("config.toml", "epochs = 3"),
        ] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            start(folder.path());
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(&path, text).expect("a file");
            for error in [
                RunFolder::check_new(folder.path()).expect_err(name),
                create(folder.path()).expect_err(name),
            ] {
                assert!(error.to_string().contains("not empty"), "{name}: {error}");
            }
            assert_eq!(fs::read_to_string(&path).expect(name), text);
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        start(folder.path());
        fs::remove_file(folder.path().join(LOCK)).expect("a lock");
        create(folder.path()).expect_err("a configuration without a lock");
    }
}
