//! `elbo sample`

use std::path::PathBuf;

use clap::Args;

use super::class::{self, ClassArgs};
use super::out::{self, Kind};
use super::{prior, result, saved};
use crate::draw::Grid;
use crate::error::{Error, Result};
use crate::files;
use crate::model::PriorName;
use crate::option;
use crate::train::RunFolder;
use crate::view::check_grid;

/// Decode new images from the prior of a VAE, or from a density of the codes, into a grid or an array
///
/// A VAE was trained with the prior N(0, I); an autoencoder has none. `--prior mixture:10` draws codes of either from a
/// mixture of ten Gaussians with full covariances, which is fitted to the codes of the training images (the means of q(z|x))
/// by expectation maximisation: ex-post density estimation (Ghosh et al. 2020). It is kept in the run folder, as
/// `prior-mixture-10.safetensors`, until the parameters or the data are other ones. `--prior codes` draws from the codes of
/// the training images themselves: one of them, then z from its q(z|x). Of an autoencoder that gives reconstructions of
/// training images, nothing new: a check, what a good density would come near to. `--prior frequencies` is for codes of
/// `--latent-kind fsq`: each place has a code as often as the training images have it there.
///
/// A run of `--condition class` gives images of `--class`, or else of all its classes, one after another: a row of the grid
/// for each.
///
/// An array is float32 [images, height, width, channels] ([images, values] of a model of rows of values), a table has
/// a row of values for each image.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct SampleArgs {
    /// Run folder
    run: PathBuf,
    #[command(flatten)]
    parameters: saved::ParametersArgs,
    /// What codes are drawn from: gaussian for N(0, I), mixture:K for K Gaussians that are fitted to the codes of the
    /// training images, codes for these codes, frequencies for how often whole numbers are at each place of them
    #[arg(
        long,
        value_name = "gaussian|mixture:K|codes|frequencies",
        default_value_t
    )]
    prior: PriorName,
    /// Where the training images are now [default: where they were]
    #[arg(long, value_name = "NAME|PATH")]
    data: Option<String>,
    #[command(flatten)]
    class: ClassArgs,
    /// Number of images, at most 65,536; of a run of --condition class without --class that of each class [default: 64; 8 of each
    /// class]
    #[arg(long, value_name = "IMAGES", value_parser = option::whole::<usize>(1..=65_536))]
    count: Option<usize>,
    /// Seed of the draws
    #[arg(long, value_name = "NUMBER", value_parser = option::seed::parse, default_value_t = 1)]
    seed: u64,
    /// Draw the values from the likelihood instead of showing its mean [default: off]
    #[arg(long)]
    draw: bool,
    /// Where to compute: auto, cpu, gpu, gpu:N or gpu:NAME
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
    /// File to create: .png, or .npy or .csv of the values [default: samples-seed-<SEED>.png in the run folder, such as
    /// samples-mixture-10-seed-1.png of another prior]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  elbo sample runs/reference
  elbo sample runs/reference --count 100 --seed 7 --out samples.png
  elbo sample runs/reference --count 1000 --draw --out samples.npy
  elbo sample runs/reference --prior mixture:10
  elbo sample runs/conditional --class 3";

/// Images where nobody says how many.
const USUAL: usize = 64;
/// The same of each class.
const OF_A_CLASS: usize = 8;
/// Most images.
const MOST: usize = 65_536;

/// The class of each image: all of one, or so many of each; none of a run that was trained without.
fn classes(folder: &RunFolder, of: Option<u32>, count: Option<usize>) -> Result<Vec<u32>> {
    let Some(condition) = &folder.config().model.condition else {
        return Ok(Vec::new());
    };
    if let Some(class) = of {
        return Ok(vec![class; count.unwrap_or(USUAL)]);
    }
    let each = count.unwrap_or(OF_A_CLASS);
    if each * condition.count() > MOST {
        return Err(Error::config(
            format!(
                "--count {each}: so many images of each of {}, and {MOST} images are the most",
                condition.in_words()
            ),
            "a smaller --count, or --class",
        ));
    }
    let all = 0..condition.count() as u32;
    Ok(all.flat_map(|class| vec![class; each]).collect())
}

pub(super) fn run(args: &SampleArgs) -> anyhow::Result<()> {
    let folder = RunFolder::open(&args.run)?;
    let kind = out::kind(
        "--out",
        args.out.as_deref(),
        &[Kind::Png, Kind::Npy, Kind::Csv],
    )?;
    let name = prior::check(args.prior, &folder, args.data.as_deref())?;
    let of = args.class.named(&folder)?;
    let classes = classes(&folder, of, args.count)?;
    let count = match classes.len() {
        0 => args.count.unwrap_or(USUAL),
        all => all,
    };
    let name = format!(
        "samples-{name}{}seed-{}.png",
        class::in_file_name(of),
        args.seed
    );
    let out = saved::output(&folder, args.out.as_deref(), &name)?;
    // Rows of eight, and nearly square beyond eight of them.
    let columns = match (of, classes.len()) {
        (None, 1..) => args.count.unwrap_or(OF_A_CLASS),
        _ => count.isqrt().max(8),
    };
    if kind == Kind::Png {
        let hint = "a smaller --count, or an array: --out samples.npy";
        check_grid(count, columns, folder.config().model.image, hint)?;
    }
    let weights = args.parameters.of(&folder)?;
    // What is encoded is binarised by the run's seed, as in every other command.
    let seed = folder.config().train.seed;
    let mut model = saved::model(folder.config(), &weights, &args.device, seed)?;
    let data = args.data.as_deref();
    let prior = prior::of(args.prior, &folder, &weights, &mut model, data)?;
    model.reseed(args.seed);
    let values = model.sample_of(&prior, count, &classes, args.draw)?;
    if kind != Kind::Png {
        return saved::write_values(&out, kind, folder.config(), None, &values);
    }
    let run = folder.config();
    let grid = Grid::of_images_in(&values, run.model.image, columns, saved::shades(run))?;
    files::create(&out, &grid.png()?)?;
    result(out.display())
}
