//! `elbo manifold`

use std::path::PathBuf;

use clap::Args;

use super::class::ClassArgs;
use super::out::{self, Kind};
use super::result;
use super::saved::{self, ViewArgs};
use crate::files;
use crate::model::ModelKind;
use crate::option;
use crate::train::RunFolder;
use crate::view::{self, Spread};

/// Show the whole plane of a model with two latent dimensions, as a square of images
///
/// Neighbours are equally probable under the prior: the square is the unit square through the inverse of the normal
/// distribution (Kingma & Welling 2014, figure 4). The first dimension grows to the right, the second upwards. For an
/// autoencoder the distribution has the mean and the standard deviation of the images' codes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ManifoldArgs {
    #[command(flatten)]
    view: ViewArgs,
    #[command(flatten)]
    class: ClassArgs,
    /// Images a side
    #[arg(long, value_name = "IMAGES", default_value_t = 20, value_parser = option::whole::<usize>(1..=10_000))]
    size: usize,
    /// File to create: .png, or .npy of the images [SIZE, SIZE, height, width, channels], the second dimension falling
    /// along the rows [default: manifold.png in the run folder, manifold-class-3.png of a class]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  elbo train --latent 2 --out runs/plane
  elbo manifold runs/plane
  elbo manifold runs/plane --size 30 --out manifold.png";

pub(super) fn run(args: &ManifoldArgs) -> anyhow::Result<()> {
    let folder = RunFolder::open(&args.view.run)?;
    let run = folder.config();
    let spec = &run.model;
    view::check_manifold(spec, args.size)?;
    let kind = out::kind("--out", args.out.as_deref(), &[Kind::Png, Kind::Npy])?;
    let of = args.class.needed(&folder, "")?;
    let name = match of {
        Some(number) => format!("manifold-class-{number}.png"),
        None => "manifold.png".to_owned(),
    };
    let out = saved::output(&folder, args.out.as_deref(), &name)?;
    let weights = args.view.parameters.of(&folder)?;
    let chosen = match spec.kind {
        ModelKind::Vae => {
            let hint = "it left out: a VAE's plane is that of its prior";
            args.view.no_images(hint)?;
            None
        }
        ModelKind::Ae => Some(args.view.images(&folder)?),
    };
    let mut model = args.view.model(run, &weights)?;
    let spread = match &chosen {
        None => Spread::prior(spec.latent.values()),
        Some(chosen) => {
            let binarize = run.train.binarize;
            let latents = view::encode(&mut model, &chosen.images, chosen.split, binarize)?;
            Spread::of(&latents.mu, spec.latent.values())
        }
    };
    model.set_class(of)?;
    let images = view::manifold(&mut model, spec, &spread, args.size)?;
    if kind == Kind::Npy {
        return saved::write_array(&out, run, &[args.size, args.size], &images);
    }
    let grid = view::manifold_picture(&images, spec.image, args.size, saved::shades(run))?;
    files::create(&out, &grid.png()?)?;
    result(out.display())
}
