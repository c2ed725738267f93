//! `elbo latents`

use std::path::PathBuf;

use clap::Args;

use super::out::Kind;
use super::saved::{self, ViewArgs};
use super::{note, out, result, text};
use crate::files;
use crate::train::RunFolder;
use crate::view::{self, Classes};

/// Plot where images lie in the latent space, coloured by class
///
/// Codes are the means of q(z|x) for a VAE, the code itself for an AE. Two latent dimensions are plotted as they are, one as
/// a histogram for each class, more than two on the plane of their first two principal components.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct LatentsArgs {
    #[command(flatten)]
    view: ViewArgs,
    /// Picture to create [default: latents-<DATA>-<SPLIT>.png in the run folder]
    #[arg(long, value_name = "FILE.png")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  elbo latents runs/reference
  elbo latents runs/reference --split train --out plane.png
  elbo latents runs/reference --data photos/";

pub(super) fn run(args: &LatentsArgs) -> anyhow::Result<()> {
    let folder = RunFolder::open(&args.view.run)?;
    let run = folder.config();
    out::kind("--out", args.out.as_deref(), &[Kind::Png])?;
    view::check_latents(run.model.latent.values())?;
    let weights = args.view.parameters.of(&folder)?;
    let chosen = args.view.images(&folder)?;
    let name = format!("latents-{}-{}.png", chosen.name, chosen.split.name());
    let out = saved::output(&folder, args.out.as_deref(), &name)?;
    let images = &chosen.images;
    let classes = images.labels.as_deref().map(|labels| Classes {
        labels,
        names: &chosen.classes,
    });
    let too_many = classes.and_then(|classes| classes.too_many());
    let classes = classes.filter(|_| too_many.is_none());
    match (classes, too_many) {
        (Some(_), _) => {}
        (None, None) => note("the images have no labels: all in one colour"),
        (None, Some(count)) => note(format_args!(
            "{count} classes are too many to tell apart: all in one colour"
        )),
    }
    let mut model = args.view.model(run, &weights)?;
    let latents = view::encode(&mut model, images, chosen.split, run.train.binarize)?;
    let title = format!(
        "{} ({}): codes of {} images",
        chosen.name,
        chosen.split.name(),
        text::grouped(images.len() as u64)
    );
    let picture = view::latents(&latents.mu, run.model.latent.values(), classes, &title)?;
    files::create(&out, &picture)?;
    result(out.display())?;
    Ok(())
}
