//! `elbo manifold`

use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::{result, saved};
use crate::data::Split;
use crate::files;
use crate::model::ModelKind;
use crate::train::{RunFolder, Which};
use crate::view::{self, Format, Spread};

/// Show the whole plane of a model with two latent values, as a square of images
///
/// Neighbours are equally probable under the prior: the square is the unit square through the inverse of the normal
/// distribution (Kingma & Welling 2014, figure 4). The first value grows to the right, the second upwards. For an
/// autoencoder the distribution has the mean and the standard deviation of the test images' codes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ManifoldArgs {
    /// Run folder of a model with --latent 2
    run: PathBuf,
    /// Which of its parameters
    #[arg(long, value_enum, default_value_t)]
    checkpoint: Which,
    /// Images a side
    #[arg(long, value_name = "IMAGES", default_value_t = 20, value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    size: usize,
    /// Data set for the codes of an autoencoder [default: the run's]
    #[arg(long, value_name = "NAME|PATH")]
    data: Option<String>,
    /// Which of its images [default: test; all of another data set]
    #[arg(long, value_enum)]
    split: Option<Split>,
    /// Where to compute: auto, cpu, gpu, gpu:N or gpu:NAME
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
    /// Picture to create [default: manifold.png in the run folder]
    #[arg(long, value_name = "FILE.png")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  elbo train --latent 2 --out runs/plane
  elbo manifold runs/plane
  elbo manifold runs/plane --size 30 --out manifold.png";

pub(super) fn run(args: &ManifoldArgs) -> anyhow::Result<()> {
    let folder = RunFolder::open(&args.run)?;
    let run = folder.config();
    let spec = &run.model;
    view::check_manifold(spec, args.size)?;
    args.out.as_deref().map_or(Ok(()), Format::still)?;
    let out = saved::output(&folder, args.out.as_deref(), "manifold.png")?;
    let weights = folder.weights_of(args.checkpoint)?;
    let chosen = match spec.kind {
        ModelKind::Vae => {
            let hint = "it left out: a VAE's plane is that of its prior";
            saved::no_images(args.data.as_deref(), args.split, hint)?;
            None
        }
        ModelKind::Ae => Some(saved::images(run, args.data.as_deref(), args.split)?),
    };
    let mut model = saved::model(run, &weights, &args.device, run.train.seed)?;
    let spread = match &chosen {
        None => Spread::prior(spec.latent),
        Some(chosen) => {
            let binarize = run.train.binarize;
            let latents = view::encode(&mut model, &chosen.images, chosen.split, binarize)?;
            Spread::of(&latents.mu, spec.latent)
        }
    };
    let grid = view::manifold(&mut model, spec, &spread, args.size)?;
    files::create(&out, &grid.png()?)?;
    result(out.display())?;
    Ok(())
}
