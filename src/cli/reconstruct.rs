//! `elbo reconstruct`

use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::saved::{self, Split};
use super::{note, result};
use crate::files;
use crate::train::{Grid, RunFolder};

/// Show images beside their reconstructions by a trained model
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReconstructArgs {
    /// Run folder
    run: PathBuf,
    /// Data set whose test images to take [default: the run's]
    #[arg(long, value_name = "NAME|PATH")]
    data: Option<String>,
    /// Number of images, the first ones of the split
    #[arg(long, value_name = "IMAGES", default_value_t = 64, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    count: usize,
    /// Where to compute: auto, cpu, gpu, gpu:N or gpu:NAME
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
    /// Picture to create [default: reconstructions-<DATA>.png in the run folder]
    #[arg(long, value_name = "FILE.png")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  elbo reconstruct runs/reference
  elbo reconstruct runs/reference --data photos/ --count 16 --out pairs.png";

pub(super) fn run(args: &ReconstructArgs) -> anyhow::Result<()> {
    let folder = RunFolder::open(&args.run)?;
    let run = folder.config();
    if args.out.is_some() {
        saved::output(&folder, args.out.as_deref(), "")?;
    }
    let weights = folder.weights()?;
    let dataset = saved::images(run, args.data.as_deref())?;
    let name = format!("reconstructions-{}.png", dataset.name);
    let out = saved::output(&folder, args.out.as_deref(), &name)?;
    let all = Split::Test.of(dataset);
    if all.len() < args.count {
        note(format_args!("there are {} test images only", all.len()));
    }
    let images = saved::first(&all, args.count);
    let mut model = saved::model(run, &weights, &args.device, run.train.seed)?;
    let reconstructions = model.reconstruct(&images, run.train.binarize)?;
    let originals = saved::floats(&images.values);
    let grid = Grid::of_pairs(&originals, &reconstructions, run.model.image, 8)?;
    files::create(&out, &grid.png()?)?;
    result(out.display())?;
    Ok(())
}
