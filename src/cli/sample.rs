//! `elbo sample`

use std::path::PathBuf;

use clap::Args;

use super::out::{self, Kind};
use super::{result, saved};
use crate::draw::Grid;
use crate::files;
use crate::option;
use crate::train::RunFolder;
use crate::view::check_grid;

/// Decode new images from the prior of a trained VAE, into a grid or an array
///
/// An array is float32 [images, height, width, channels] ([images, values] of a model of rows of values), a table has
/// a row of values for each image.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct SampleArgs {
    /// Run folder of a VAE
    run: PathBuf,
    #[command(flatten)]
    parameters: saved::ParametersArgs,
    /// Number of images, at most 65,536
    #[arg(long, value_name = "IMAGES", default_value_t = 64, value_parser = option::whole::<usize>(1..=65_536))]
    count: usize,
    /// Seed of the draws
    #[arg(long, value_name = "NUMBER", value_parser = option::seed::parse, default_value_t = 1)]
    seed: u64,
    /// Draw the values from the likelihood instead of showing its mean [default: off]
    #[arg(long)]
    draw: bool,
    /// Where to compute: auto, cpu, gpu, gpu:N or gpu:NAME
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
    /// File to create: .png, or .npy or .csv of the values [default: samples-seed-<SEED>.png in the run folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  elbo sample runs/reference
  elbo sample runs/reference --count 100 --seed 7 --out samples.png
  elbo sample runs/reference --count 1000 --draw --out samples.npy";

pub(super) fn run(args: &SampleArgs) -> anyhow::Result<()> {
    let folder = RunFolder::open(&args.run)?;
    let kind = out::kind(
        "--out",
        args.out.as_deref(),
        &[Kind::Png, Kind::Npy, Kind::Csv],
    )?;
    saved::require_vae(
        &folder,
        "which has no prior to sample from",
        "a run of --model vae, or `elbo reconstruct` with this one",
    )?;
    let name = format!("samples-seed-{}.png", args.seed);
    let out = saved::output(&folder, args.out.as_deref(), &name)?;
    // Rows of eight, and nearly square beyond eight of them.
    let columns = args.count.isqrt().max(8);
    if kind == Kind::Png {
        let hint = "a smaller --count, or an array: --out samples.npy";
        check_grid(args.count, columns, folder.config().model.image, hint)?;
    }
    let weights = args.parameters.of(&folder)?;
    let mut model = saved::model(folder.config(), &weights, &args.device, args.seed)?;
    let values = model.sample(args.count, args.draw)?;
    if kind != Kind::Png {
        return saved::write_values(&out, kind, folder.config(), None, &values);
    }
    let run = folder.config();
    let grid = Grid::of_images_in(&values, run.model.image, columns, saved::shades(run))?;
    files::create(&out, &grid.png()?)?;
    result(out.display())
}
