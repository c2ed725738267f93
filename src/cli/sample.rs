//! `elbo sample`

use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::{result, saved};
use crate::files;
use crate::train::{Grid, RunFolder};

/// Decode new images from the prior of a trained VAE into a grid
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct SampleArgs {
    /// Run folder of a VAE
    run: PathBuf,
    #[command(flatten)]
    parameters: saved::ParametersArgs,
    /// Number of images, at most 65,536
    #[arg(long, value_name = "IMAGES", default_value_t = 64, value_parser = RangedU64ValueParser::<usize>::new().range(1..=65_536))]
    count: usize,
    /// Seed of the draws
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Draw the values from the likelihood instead of showing its mean [default: off]
    #[arg(long)]
    draw: bool,
    /// Where to compute: auto, cpu, gpu, gpu:N or gpu:NAME
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
    /// Picture to create [default: samples-seed-<SEED>.png in the run folder]
    #[arg(long, value_name = "FILE.png")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  elbo sample runs/reference
  elbo sample runs/reference --count 100 --seed 7 --out samples.png";

pub(super) fn run(args: &SampleArgs) -> anyhow::Result<()> {
    let folder = RunFolder::open(&args.run)?;
    saved::require_vae(
        &folder,
        "which has no prior to sample from",
        "a run of --model vae, or `elbo reconstruct` with this one",
    )?;
    let name = format!("samples-seed-{}.png", args.seed);
    let out = saved::output(&folder, args.out.as_deref(), &name)?;
    let weights = args.parameters.of(&folder)?;
    let mut model = saved::model(folder.config(), &weights, &args.device, args.seed)?;
    let values = model.sample(args.count, args.draw)?;
    // Rows of eight, and nearly square beyond eight of them.
    let columns = args.count.isqrt().max(8);
    let grid = Grid::of_images(&values, folder.config().model.image, columns)?;
    files::create(&out, &grid.png()?)?;
    result(out.display())?;
    Ok(())
}
