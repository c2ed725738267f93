//! `--init-from`: parameters to start from.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::config::FileConfig;
use crate::error::{Error, Result};
use crate::files;
use crate::train::{InitFrom, RunFolder, Which};

/// The parameters to start from, if not random ones, and the configuration that the options are laid over: the model
/// of a run stands for what nobody asked for otherwise.
pub(super) fn from(
    path: Option<&Path>,
    which: Option<Which>,
    mut file: FileConfig,
) -> Result<(FileConfig, Option<InitFrom>)> {
    let of_file = file.init_from.take();
    let Some(path) = path else {
        return match of_file {
            None => Ok((file, None)),
            Some(known) => {
                let found = hashed(&known.file)?;
                match found == known {
                    true => Ok((file, Some(found))),
                    false => Err(Error::model(
                        &known.file,
                        "the configuration starts from these parameters, and they are other ones by now (another sha256)",
                        "--init-from with the file that the run started from",
                    )),
                }
            }
        };
    };
    if !path.is_dir() {
        let found = hashed(path)?;
        return match which {
            None => Ok((file, Some(found))),
            Some(_) => Err(Error::config(
                format!(
                    "--checkpoint: {} is a file, which has one set of parameters",
                    path.display()
                ),
                "no --checkpoint, or --init-from with the folder of a run",
            )),
        };
    }
    let which = which.unwrap_or_default();
    let folder = RunFolder::open(path)?;
    // Says so where there are none.
    folder.weights_of(which)?;
    let model = FileConfig::of(folder.config())?.into_model();
    let found = hashed(&folder.file_of(which))?;
    Ok((file.with_model(model), Some(found)))
}

fn hashed(path: &Path) -> Result<InitFrom> {
    if !path.exists() {
        return Err(Error::model(
            path,
            "there is no such run folder or file",
            "--init-from with the folder of a run, or a .safetensors file",
        ));
    }
    let bytes = fs::read(path).map_err(Error::io(path, "read the parameters"))?;
    Ok(InitFrom {
        file: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        sha256: files::hex(&Sha256::digest(&bytes)),
    })
}
