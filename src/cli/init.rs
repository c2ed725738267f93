//! `--init-from`: parameters to start from.

use std::path::{Path, PathBuf};

use super::config::FileConfig;
use crate::error::{Error, Result};
use crate::train::RunFolder;

/// The file of the parameters, and the configuration that the options are laid over: the model of a run stands for
/// what nobody asked for otherwise.
pub(super) fn from(path: Option<&Path>, file: FileConfig) -> Result<(FileConfig, Option<PathBuf>)> {
    let Some(path) = path else {
        return Ok((file, None));
    };
    if !path.is_dir() {
        return match path.exists() {
            true => Ok((file, Some(path.to_owned()))),
            false => Err(Error::model(
                path,
                "there is no such run folder or file",
                "--init-from with the folder of a run, or a .safetensors file",
            )),
        };
    }
    let folder = RunFolder::open(path)?;
    // Says so where there are none.
    folder.weights()?;
    let model = FileConfig::of(folder.config())?.into_model();
    Ok((file.with_model(model), Some(folder.model_file())))
}
