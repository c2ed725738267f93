//! `elbo reconstruct`

use std::path::PathBuf;

use clap::Args;

use super::out::{self, Kind};
use super::rows::Beside;
use super::saved::{self, ViewArgs};
use super::{note, result};
use crate::data::Binarize;
use crate::draw::Grid;
use crate::files;
use crate::option;
use crate::train::RunFolder;
use crate::view::check_grid;

/// Show images beside their reconstructions by a trained model
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReconstructArgs {
    #[command(flatten)]
    view: ViewArgs,
    /// Number of images, of all classes by the seed of the split in a picture, otherwise the first ones
    #[arg(long, value_name = "IMAGES", default_value_t = 64, value_parser = option::positive::<usize>)]
    count: usize,
    /// File to create: .png of pairs, or .npy or .csv of the reconstructions [default: reconstructions-<DATA>.png in the
    /// run folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Rows of a picture.
const ROWS: usize = 8;

const EXAMPLES: &str = "\
Examples:
  elbo reconstruct runs/reference
  elbo reconstruct runs/reference --data photos/ --count 16 --out pairs.png
  elbo reconstruct runs/reference --count 10000 --out reconstructions.npy";

pub(super) fn run(args: &ReconstructArgs) -> anyhow::Result<()> {
    let folder = RunFolder::open(&args.view.run)?;
    let run = folder.config();
    let can = [Kind::Png, Kind::Npy, Kind::Csv];
    let kind = out::kind("--out", args.out.as_deref(), &can)?;
    let weights = args.view.parameters.of(&folder)?;
    let chosen = args.view.images(&folder)?;
    let name = format!("reconstructions-{}.png", chosen.name);
    let out = saved::output(&folder, args.out.as_deref(), &name)?;
    if chosen.images.len() < args.count {
        note(format_args!(
            "there are {} images only",
            chosen.images.len()
        ));
    }
    if kind == Kind::Png {
        let count = args.count.min(chosen.images.len());
        let columns = 2 * count.div_ceil(ROWS);
        let hint = "a smaller --count, or an array: --out reconstructions.npy";
        check_grid(2 * count, columns, run.model.image, hint)?;
    }
    let mut model = args.view.model(run, &weights)?;
    // All of them: draws go by an image's place.
    let seen = model.see(&chosen.images, chosen.split, run.train.binarize)?;
    // A picture shows some of all classes, an array those that come first.
    let indices = match kind {
        Kind::Png => seen.varied(args.count, run.data.options.seed),
        _ => (0..args.count.min(seen.len())).collect(),
    };
    let images = seen.select(&indices)?;
    let reconstructions = model.reconstruct(&images, chosen.split, Binarize::None)?;
    if kind != Kind::Png {
        let beside = Beside::of(&chosen);
        return saved::write_values(&out, kind, run, Some(beside), &reconstructions);
    }
    let (shape, shades) = (run.model.image, saved::shades(run));
    let grid = Grid::of_pairs_in(&images.to_f32()?, &reconstructions, shape, ROWS, shades)?;
    files::create(&out, &grid.png()?)?;
    result(out.display())
}
