//! The parameters that a run folder holds.

use std::path::PathBuf;

use super::{BEST, RunFolder};
use crate::error::{Error, Result};
use crate::model::Weights;
use crate::train::checkpoint::MODEL;

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
                "a run that went further, or `elbo train --resume` of this one",
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
    /// As [`RunFolder::file_of`]; [`Error::Model`] where the file does not fit the configuration.
    pub fn weights_of(&self, which: Which) -> Result<Weights> {
        Weights::load(&self.file_of(which)?, &self.config.model)
    }
}
