//! `elbo interpolate`

use std::path::PathBuf;

use clap::Args;

use super::class::{self, ClassArgs};
use super::out::{self, Kind};
use super::result;
use super::saved::{self, ViewArgs};
use crate::files;
use crate::option;
use crate::train::RunFolder;
use crate::view::{self, Ends, Format, Path};

/// Show the images along a path through the latent space, between two images or two draws of the prior
///
/// With `--from` and `--to` the path leads from the code of an image to that of another, and both are shown at the
/// ends of the row. Without them it leads from a draw of a VAE's prior to another. A run of `--condition class` needs
/// `--class`: all images of the path are of it, whatever those at its ends are of.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct InterpolateArgs {
    #[command(flatten)]
    view: ViewArgs,
    #[command(flatten)]
    class: ClassArgs,
    /// Image to begin with, counted from 0 [default: a draw of the prior]
    #[arg(long, value_name = "INDEX", value_parser = option::count::<usize>, requires = "to")]
    from: Option<usize>,
    /// Image to end with [default: a draw of the prior]
    #[arg(long, value_name = "INDEX", value_parser = option::count::<usize>, requires = "from")]
    to: Option<usize>,
    /// Form of the path
    #[arg(long, value_enum, default_value = "linear")]
    path: Path,
    /// Images of a row, both ends included [default: 11; 31 of a GIF]
    #[arg(long, value_name = "IMAGES", value_parser = option::whole::<usize>(2..=10_000))]
    steps: Option<usize>,
    /// Number of paths: the next one is between the next image after each, or the next two draws
    #[arg(long, value_name = "PATHS", default_value_t = 1, value_parser = option::whole::<usize>(1..=10_000))]
    rows: usize,
    /// Seed of the draws of the prior; they are those of `elbo sample`
    #[arg(
        long,
        value_name = "NUMBER",
        value_parser = option::seed::parse,
        default_value_t = 1,
        conflicts_with = "from"
    )]
    seed: u64,
    /// File to create: .png, .gif for a picture that moves, or .npy of the images [rows, steps, height, width, channels]
    /// [default: interpolation-….png in the run folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  elbo interpolate runs/reference --rows 8 --path spherical
  elbo interpolate runs/reference --from 3 --to 17
  elbo interpolate runs/reference --from 3 --to 17 --rows 4 --out path.gif";

pub(super) fn run(args: &InterpolateArgs) -> anyhow::Result<()> {
    let folder = RunFolder::open(&args.view.run)?;
    let run = folder.config();
    let pair = args.from.zip(args.to);
    if pair.is_none() {
        saved::require_prior(
            &folder,
            "which has no prior to draw ends from",
            "two images: --from 0 --to 1",
        )?;
    }
    let can = [Kind::Png, Kind::Gif, Kind::Npy];
    let kind = out::kind("--out", args.out.as_deref(), &can)?;
    let format = out::format(kind);
    let steps = args.steps.unwrap_or(match format {
        Format::Png => 11,
        Format::Gif => 31,
    });
    let spec = &run.model;
    view::check_interpolate(spec, args.rows, steps, pair.is_some(), format)?;
    let of = args.class.needed(&folder, "")?;
    let weights = args.view.parameters.of(&folder)?;
    let chosen = match pair {
        Some(_) => Some(args.view.images(&folder)?),
        None => {
            args.view.no_images("--from and --to with it, or neither")?;
            None
        }
    };
    let name = match (pair, &chosen) {
        (Some((from, to)), Some(chosen)) => {
            format!(
                "interpolation-{}-{}-{from}-{to}.png",
                chosen.name,
                chosen.split.name()
            )
        }
        _ => format!("interpolation-seed-{}.png", args.seed),
    };
    let name = format!("{}{name}", class::in_file_name(of));
    let out = saved::output(&folder, args.out.as_deref(), &name)?;
    let mut model = args.view.model(run, &weights)?;
    let ends = match (pair, &chosen) {
        (Some(pair), Some(chosen)) => Ends::of_images(
            &mut model,
            &chosen.images,
            pair,
            args.rows,
            chosen.split,
            run.train.binarize,
        )?,
        _ => Ends::of_prior(args.seed, args.rows, spec.latent.values()),
    };
    model.set_class(of)?;
    let mut film = view::interpolate(&mut model, spec, ends, args.path, steps, format)?;
    if kind == Kind::Npy {
        return saved::write_array(&out, run, &[film.rows(), film.steps()], film.images());
    }
    film.shades = saved::shades(run);
    files::create(&out, &film.bytes(format)?)?;
    result(out.display())
}
