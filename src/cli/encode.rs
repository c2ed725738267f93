//! `elbo encode`

use std::path::PathBuf;

use clap::Args;

use super::result;
use super::saved;
use crate::data::Split;
use crate::error::Error;
use crate::files;
use crate::train::RunFolder;

/// Write the latent codes of images as a NumPy array
///
/// The array is float32 [images, latent], in the order of the images: the means of q(z|x) for a
/// VAE, the code itself for an AE.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct EncodeArgs {
    /// Run folder
    run: PathBuf,
    /// Data set to encode [default: the run's]
    #[arg(long, value_name = "NAME|PATH")]
    data: Option<String>,
    /// Which of its images [default: test; all of another data set]
    #[arg(long, value_enum)]
    split: Option<Split>,
    /// Where to compute: auto, cpu, gpu, gpu:N or gpu:NAME
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
    /// Array of the means to create [default: codes-<DATA>-<SPLIT>.npy in the run folder]
    #[arg(long, value_name = "FILE.npy")]
    out: Option<PathBuf>,
    /// Array of the logarithms of the variances to create, VAE only [default: none]
    #[arg(long, value_name = "FILE.npy")]
    logvar: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  elbo encode runs/reference
  elbo encode runs/reference --split train --out mu.npy --logvar logvar.npy
  python -c \"import numpy; print(numpy.load('mu.npy').shape)\"";

pub(super) fn run(args: &EncodeArgs) -> anyhow::Result<()> {
    let folder = RunFolder::open(&args.run)?;
    let run = folder.config();
    if args.out.is_some() {
        saved::output(&folder, args.out.as_deref(), "")?;
    }
    if let Some(logvar) = &args.logvar {
        saved::require_vae(
            &folder,
            "whose code has no variances",
            "no --logvar, or a run of --model vae",
        )?;
        files::check_new(logvar)?;
    }
    let weights = folder.weights()?;
    let chosen = saved::images(run, args.data.as_deref(), args.split)?;
    let name = format!("codes-{}-{}.npy", chosen.name, chosen.split.name());
    let out = saved::output(&folder, args.out.as_deref(), &name)?;
    if args.logvar.as_ref() == Some(&out) {
        return Err(Error::config(
            format!(
                "--logvar {}: is the file of the means as well",
                out.display()
            ),
            "another --logvar",
        )
        .into());
    }
    let mut model = saved::model(run, &weights, &args.device, run.train.seed)?;
    let latents = model.encode(&chosen.images, chosen.split, run.train.binarize)?;
    files::create(&out, &files::npy(&latents.mu, run.model.latent)?)?;
    result(out.display())?;
    if let Some(path) = &args.logvar {
        files::create(path, &files::npy(&latents.logvar, run.model.latent)?)?;
        result(path.display())?;
    }
    Ok(())
}
