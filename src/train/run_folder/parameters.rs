//! The parameters that a run folder holds.

use std::fs;
use std::path::{Path, PathBuf};

use super::{BEST, RunFolder};
use crate::error::{Error, Result};
use crate::model::{Seal, Weights, sealed};
use crate::train::checkpoint::{self, MODEL};

/// Which parameters of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Which {
    /// Those of the last checkpoint
    #[default]
    Last,
    /// Those of the epoch with the lowest test loss
    Best,
}

impl RunFolder {
    /// The file of parameters of the run.
    ///
    /// # Errors
    /// [`Error::Model`] where there is no checkpoint yet.
    pub fn file_of(&self, which: Which) -> Result<PathBuf> {
        let (name, before) = match which {
            Which::Last => (MODEL, "its first checkpoint"),
            Which::Best => (BEST, "the end of its first epoch"),
        };
        let file = self.path.join(name);
        if file.exists() {
            return Ok(file);
        }
        let (missing, hint) = match self.is_running() {
            true => ("the run is not yet at", "the same a little later"),
            false => (
                "the run stopped before",
                "a run that went further, or this one with `resume = …`",
            ),
        };
        let what = format!("holds no {name}: {missing} {before}");
        Err(Error::model(&self.path, what, hint))
    }

    /// The parameters of the last checkpoint.
    ///
    /// # Errors
    /// As [`RunFolder::weights_of`].
    pub fn weights(&self) -> Result<Weights> {
        self.weights_of(Which::Last)
    }

    /// Parameters of the run.
    ///
    /// # Errors
    /// As [`RunFolder::read_whole`]; [`Error::Model`] where the file does not fit the configuration.
    pub fn weights_of(&self, which: Which) -> Result<Weights> {
        let (file, bytes) = self.read_whole(which)?;
        Weights::from_bytes(&bytes, &self.config.model, &file)
    }

    /// The file of parameters of the run and its bytes, which are those that training wrote.
    ///
    /// # Errors
    /// As [`RunFolder::file_of`]; [`Error::Model`] where it was changed or replaced; [`Error::Io`].
    pub fn read_whole(&self, which: Which) -> Result<(PathBuf, Vec<u8>)> {
        let file = self.file_of(which)?;
        let read = || fs::read(&file).map_err(Error::io(&file, "read the parameters"));
        let mut bytes = read()?;
        if !self.is_own(&bytes) {
            // Training that goes on may have written another one and removed the checkpoint of this one meanwhile.
            bytes = read()?;
        }
        match self.is_own(&bytes) {
            true => Ok((file, bytes)),
            false => Err(self.not_whole(which, &file, &bytes)),
        }
    }

    /// Whether these are the bytes of parameters that training wrote here. They are copies of those of a checkpoint
    /// that is still there, unless somebody removed it.
    fn is_own(&self, bytes: &[u8]) -> bool {
        let all = checkpoint::list(&self.checkpoints()).unwrap_or_default();
        let mut answers = all
            .iter()
            .map(|(_, path)| checkpoint::is_model_of(path, bytes));
        match sealed(bytes) {
            Seal::Broken => false,
            // A checkpoint that is damaged itself does not speak against it.
            Seal::Whole => all.is_empty() || answers.any(|answer| answer != Some(false)),
            // Of a version that left the hash to the checkpoint, or of another program.
            Seal::None => answers.any(|answer| answer == Some(true)),
        }
    }

    fn not_whole(&self, which: Which, file: &Path, bytes: &[u8]) -> Error {
        let what = match sealed(bytes) {
            Seal::Broken => {
                "damaged: its bytes are not those that training wrote (another sha256)".into()
            }
            _ => format!(
                "not the file that training wrote: damaged, or replaced ({} bytes without a known sha256)",
                bytes.len()
            ),
        };
        let again = match self.has_source(which) {
            true => format!(
                "resume the run (`resume = {}`), which copies it again from its checkpoint",
                self.path.display()
            ),
            false => "another copy of the run's folder".into(),
        };
        let hint = format!(
            "{again}; where it was replaced on purpose, `weights = {}` in place of `checkpoint = …`, or `init-from = …` with it",
            file.display()
        );
        Error::model(file, what, hint)
    }

    /// Whether there is the checkpoint that the file is a copy of.
    fn has_source(&self, which: Which) -> bool {
        let folder = self.checkpoints();
        let last = checkpoint::list(&folder).unwrap_or_default().pop();
        match which {
            Which::Last => last.is_some(),
            Which::Best => last
                .and_then(|(_, path)| checkpoint::position(&path).ok())
                .and_then(|position| position.best)
                .is_some_and(|best| checkpoint::path(&folder, best.step).is_dir()),
        }
    }
}
