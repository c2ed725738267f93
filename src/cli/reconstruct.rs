//! `elbo reconstruct`

use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::saved;
use super::{note, result};
use crate::data::Split;
use crate::files;
use crate::train::{Grid, RunFolder};

/// Show images beside their reconstructions by a trained model
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReconstructArgs {
    /// Run folder
    run: PathBuf,
    #[command(flatten)]
    parameters: saved::ParametersArgs,
    /// Data set whose images to take [default: the run's]
    #[arg(long, value_name = "NAME|PATH")]
    data: Option<String>,
    /// Which of its images [default: test; all of another data set]
    #[arg(long, value_enum)]
    split: Option<Split>,
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
    let weights = args.parameters.of(&folder)?;
    let chosen = saved::images(run, args.data.as_deref(), args.split)?;
    let name = format!("reconstructions-{}.png", chosen.name);
    let out = saved::output(&folder, args.out.as_deref(), &name)?;
    let images = chosen.images.first(args.count);
    if images.len() < args.count {
        note(format_args!("there are {} images only", images.len()));
    }
    let mut model = saved::model(run, &weights, &args.device, run.train.seed)?;
    let reconstructions = model.reconstruct(&images, chosen.split, run.train.binarize)?;
    let originals = images.to_f32();
    let grid = Grid::of_pairs(&originals, &reconstructions, run.model.image, 8)?;
    files::create(&out, &grid.png()?)?;
    result(out.display())?;
    Ok(())
}
