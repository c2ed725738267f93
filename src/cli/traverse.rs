//! `elbo traverse`

use std::path::PathBuf;

use clap::Args;

use super::class::{self, ClassArgs};
use super::out::{self, Kind};
use super::result;
use super::saved::{self, ViewArgs};
use crate::files;
use crate::model::ModelKind;
use crate::option;
use crate::train::RunFolder;
use crate::view::{self, Format, Traversal};

/// Show what each latent dimension does: a row for each, in which it alone changes
///
/// A dimension goes from -RANGE to RANGE. The others stay at the mean of a VAE's prior, 0, or with `--image` at those of
/// an image's code. Codes of an autoencoder have no unit: there 0 is the mean of the images' codes, and 1 their standard
/// deviation. Dimensions are counted from 0, as the columns of `elbo encode` are. A run of `--condition class` shows images of
/// `--class`, or else of the class of `--image`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct TraverseArgs {
    #[command(flatten)]
    view: ViewArgs,
    #[command(flatten)]
    class: ClassArgs,
    /// Image whose code the other dimensions are taken from, counted from 0 [default: none]
    #[arg(long, value_name = "INDEX", value_parser = option::count::<usize>)]
    image: Option<usize>,
    /// Only so many dimensions, those with the most KL over the images first (AE: with the greatest standard deviation)
    /// [default: all, in their order]
    #[arg(long, value_name = "DIMENSIONS", value_parser = option::positive::<usize>)]
    top: Option<usize>,
    /// How far each dimension goes from 0 (AE: from its mean, in standard deviations)
    #[arg(long, value_name = "NUMBER", value_parser = option::number::<f64>, default_value_t = 3.0)]
    range: f64,
    /// Images of a row [default: 13; 31 of a GIF]
    #[arg(long, value_name = "IMAGES", value_parser = option::whole::<usize>(2..=10_000))]
    steps: Option<usize>,
    /// File to create: .png, .gif for a picture that moves, or .npy of the images [rows, steps, height, width, channels]
    /// [default: traversal-….png in the run folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  elbo traverse runs/reference
  elbo traverse runs/reference --top 8 --image 3
  elbo traverse runs/reference --top 9 --range 2.5 --out dimensions.gif";

pub(super) fn run(args: &TraverseArgs) -> anyhow::Result<()> {
    let folder = RunFolder::open(&args.view.run)?;
    let run = folder.config();
    let can = [Kind::Png, Kind::Gif, Kind::Npy];
    let kind = out::kind("--out", args.out.as_deref(), &can)?;
    let format = out::format(kind);
    let name = match (args.image, args.top) {
        (None, None) => "traversal.png".to_owned(),
        (Some(image), None) => format!("traversal-image-{image}.png"),
        (None, Some(top)) => format!("traversal-top-{top}.png"),
        (Some(image), Some(top)) => format!("traversal-image-{image}-top-{top}.png"),
    };
    // An image has a class of its own.
    let of = match args.image {
        Some(_) => args.class.named(&folder)?,
        None => args.class.needed(&folder, ", or --image, which has one")?,
    };
    let name = format!("{}{name}", class::in_file_name(of));
    let out = saved::output(&folder, args.out.as_deref(), &name)?;
    let steps = args.steps.unwrap_or(match format {
        Format::Png => 13,
        Format::Gif => 31,
    });
    let spec = &run.model;
    let latent = spec.latent.values();
    let rows = args.top.unwrap_or(latent).min(latent);
    view::check_traverse(spec, rows, args.range, steps, format)?;
    let weights = args.view.parameters.of(&folder)?;
    let prior = spec.kind == ModelKind::Vae;
    let chosen = match args.image.is_some() || args.top.is_some() || !prior {
        true => Some(args.view.images(&folder)?),
        false => {
            let hint = "--image or --top with it, or neither";
            args.view.no_images(hint)?;
            None
        }
    };
    let mut model = args.view.model(run, &weights)?;
    let binarize = run.train.binarize;
    let mut traversal = Traversal::of_prior(latent);
    if let Some(chosen) = &chosen {
        if args.top.is_some() || !prior {
            let latents = view::encode(&mut model, &chosen.images, chosen.split, binarize)?;
            if !prior {
                traversal = Traversal::of_codes(&latents.mu, latent);
            }
            if let Some(top) = args.top {
                traversal = traversal.top(top, spec.is_variational(), &latents);
            }
        }
        if let Some(image) = args.image {
            let images = &chosen.images;
            traversal = traversal.about(&mut model, images, image, chosen.split, binarize)?;
            if spec.condition.is_some() {
                let labels = images.labels.as_ref();
                model.set_class(labels.map(|labels| labels[image]))?;
            }
        }
    }
    if of.is_some() {
        model.set_class(of)?;
    }
    let mut film = view::traverse(&mut model, spec, &traversal, args.range, steps, format)?;
    if kind == Kind::Npy {
        return saved::write_array(&out, run, &[film.rows(), film.steps()], film.images());
    }
    film.shades = saved::shades(run);
    files::create(&out, &film.bytes(format)?)?;
    result(out.display())
}
