//! `--init-from`: parameters to start from.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use toml::Table;

use super::config;
use crate::error::{Error, Result};
use crate::files;
use crate::model::{Condition, ModelSpec, Weights};
use crate::train::{InitFrom, RunFolder, Which};

/// Parameters to start from.
#[derive(Debug)]
pub(super) struct Initial {
    /// Which they are.
    pub(super) from: InitFrom,
    /// Their file, read once: it may be that of a run that goes on.
    bytes: Vec<u8>,
    /// What the model was told, where they are those of a run.
    condition: Option<Option<Condition>>,
}

impl Initial {
    fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Err(Error::model(
                path,
                "there is no such run folder or file",
                "--init-from with the folder of a run, or a .safetensors file",
            ));
        }
        let bytes = fs::read(path).map_err(Error::io(path, "read the parameters"))?;
        Ok(Self::of(path, bytes))
    }

    /// Those of a file with these bytes.
    fn of(path: &Path, bytes: Vec<u8>) -> Self {
        let from = InitFrom {
            file: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            sha256: files::hex(&Sha256::digest(&bytes)),
        };
        Self {
            from,
            bytes,
            condition: None,
        }
    }

    /// The parameters, where they are those of such a model.
    ///
    /// # Errors
    /// As [`Weights::to_begin_with`]; [`Error::Model`] where the model was told other classes.
    pub(super) fn weights(self, spec: &ModelSpec) -> Result<Weights> {
        if let Some(own) = &self.condition
            && *own != spec.condition
        {
            let told = |condition: &Option<Condition>| {
                condition
                    .as_ref()
                    .map_or("no class".to_owned(), Condition::in_words)
            };
            return Err(Error::model(
                &self.from.file,
                format!(
                    "these parameters are of a model that was told {}, and this one is told {}",
                    told(own),
                    told(&spec.condition)
                ),
                "data of the same classes and the same --condition, or no --init-from",
            ));
        }
        Weights::to_begin_with(&self.bytes, spec, &self.from.file)
    }
}

/// The parameters that an earlier run started from.
///
/// # Errors
/// [`Error::Model`] where they are gone, or other ones by now.
pub(super) fn again(known: &InitFrom) -> Result<Initial> {
    let found = Initial::read(&known.file)?;
    match found.from.sha256 == known.sha256 {
        true => Ok(found),
        false => Err(Error::model(
            &known.file,
            "the configuration starts from these parameters, and they are other ones by now (another sha256)",
            "--init-from with the file that the run started from",
        )),
    }
}

/// The parameters to start from, if not random ones, and the configuration that the options are laid over: the model
/// of a run stands for what nobody asked for otherwise.
pub(super) fn from(
    path: Option<&Path>,
    which: Option<Which>,
    mut file: Table,
) -> Result<(Table, Option<Initial>)> {
    let of_file = config::take_init_from(&mut file)?;
    let Some(path) = path else {
        let initial = of_file.map(|known| again(&known)).transpose()?;
        return Ok((file, initial));
    };
    if !path.is_dir() {
        let initial = Initial::read(path)?;
        return match which {
            None => Ok((file, Some(initial))),
            Some(_) => Err(Error::config(
                format!(
                    "--checkpoint: {} is a file, which has one set of parameters",
                    path.display()
                ),
                "no --checkpoint, or --init-from with the folder of a run",
            )),
        };
    }
    let folder = RunFolder::open(path)?;
    let (file_of_run, bytes) = folder.read_whole(which.unwrap_or_default())?;
    let initial = Initial {
        condition: Some(folder.config().model.condition.clone()),
        ..Initial::of(&file_of_run, bytes)
    };
    Ok((config::with_model(file, folder.config())?, Some(initial)))
}
