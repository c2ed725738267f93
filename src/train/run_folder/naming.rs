//! The name of a run folder that nobody named.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::RunFolder;
use crate::error::{Error, Result};
use crate::files;
use crate::model::ModelKind;
use crate::train::utc;

impl RunFolder {
    /// Creates `runs/20260131-235959-vae-mnist`, with a number behind where that exists already: nobody else has it.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be created.
    pub fn claim_default(started: SystemTime, kind: ModelKind, data: &str) -> Result<PathBuf> {
        claim(&Self::default_path(started, kind, data))
    }

    fn default_path(started: SystemTime, kind: ModelKind, data: &str) -> PathBuf {
        let model = kind.short().to_ascii_lowercase();
        let data: String = data
            .chars()
            .map(|c| {
                if c.is_alphanumeric() || c == '_' {
                    c
                } else {
                    '-'
                }
            })
            .collect();
        let stamp: String = utc(started)
            .chars()
            .filter(|c| c.is_ascii_digit() || *c == 'T')
            .map(|c| if c == 'T' { '-' } else { c })
            .collect();
        Path::new("runs").join(format!("{stamp}-{model}-{data}"))
    }
}

/// Creates a folder of this name, or of the first with a number behind that nobody has.
fn claim(first: &Path) -> Result<PathBuf> {
    let above = first.parent().unwrap_or(first);
    files::create_folders(above).map_err(Error::io(first, "create the run folder"))?;
    let mut path = first.to_owned();
    for number in 2_u32.. {
        match fs::create_dir(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            created => {
                created.map_err(Error::io(&path, "create the run folder"))?;
                break;
            }
        }
        path = PathBuf::from(format!("{}-{number}", first.display()));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn a_default_folder_holds_time_model_and_data() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(951_782_400);
        let path = RunFolder::default_path(time, ModelKind::Vae, "my images/2");
        assert_eq!(path, Path::new("runs/20000229-000000-vae-my-images-2"));
    }

    #[test]
    fn runs_of_one_second_get_folders_of_their_own() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let first = folder.path().join("runs/now");
        let claimed: BTreeSet<PathBuf> = thread::scope(|scope| {
            let all: Vec<_> = (0..16)
                .map(|_| scope.spawn(|| claim(&first).expect("a free name")))
                .collect();
            all.into_iter()
                .flat_map(thread::ScopedJoinHandle::join)
                .collect()
        });
        assert_eq!(claimed.len(), 16, "{claimed:?}");
        assert!(claimed.contains(&first) && claimed.iter().all(|path| path.is_dir()));
    }
}
