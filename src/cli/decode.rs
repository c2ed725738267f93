//! `elbo decode`

use std::path::PathBuf;

use clap::Args;

use super::class::ClassesArgs;
use super::out::{self, Kind};
use super::rows::RowWriter;
use super::{result, saved, streams};
use crate::data::Rows;
use crate::draw::Grid;
use crate::error::Error;
use crate::export;
use crate::files;
use crate::train::RunFolder;
use crate::view::check_grid;

/// Decode latent codes into images, as a NumPy array, a table or a picture
///
/// The codes are numbers of any real type, [codes, latent] or with the sizes that elbo encode writes, C order. The images are
/// float32 [codes, height, width, channels] ([codes, values] of a model of rows of values): the means of p(x|z), from 0 to 1 unless the likelihood
/// is gaussian or linear-squared-error. An array flows through in batches.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct DecodeArgs {
    /// Run folder
    run: PathBuf,
    #[command(flatten)]
    parameters: saved::ParametersArgs,
    /// Array of codes, `-` for stdin
    #[arg(value_name = "CODES.npy|-")]
    codes: PathBuf,
    #[command(flatten)]
    classes: ClassesArgs,
    /// Where to compute: auto, cpu, gpu, gpu:N or gpu:NAME
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
    /// File to create: .npy, .csv with a row of values for each code, .png, or `-` for an array on stdout [default:
    /// decoded-<CODES>.npy in the run folder; stdout where the codes come from stdin]
    #[arg(long, value_name = "FILE|-")]
    out: Option<PathBuf>,
}

/// What takes any number of images.
const AS_AN_ARRAY: &str = "fewer codes, or an array: --out decoded.npy";

const EXAMPLES: &str = "\
Examples:
  elbo decode runs/reference codes.npy --out images.npy
  elbo decode runs/reference codes.npy --out images.png
  elbo decode runs/conditional codes.npy --class 3 --out threes.png
  elbo decode runs/reference - < codes.npy > images.npy
  elbo encode runs/reference --data - < images.npy | elbo decode runs/reference - > reconstructions.npy";

pub(super) fn run(args: &DecodeArgs) -> anyhow::Result<()> {
    let folder = RunFolder::open(&args.run)?;
    let run = folder.config();
    let can = [Kind::Npy, Kind::Csv, Kind::Png];
    let kind = out::kind_or_stream("--out", args.out.as_deref(), &can)?;
    let out = match &args.out {
        None if streams::is_stream(&args.codes) => PathBuf::from("-"),
        out => {
            let stem = args.codes.file_stem().unwrap_or_default();
            let name = format!("decoded-{}.npy", stem.display());
            out.clone().unwrap_or_else(|| folder.path().join(name))
        }
    };
    let classes = args.classes.of(&folder)?;
    // Before the codes are waited for; a picture is made in one piece.
    let writer = match kind {
        Kind::Png => None,
        _ => Some(RowWriter::open(&out, kind, false, None)?),
    };
    let weights = args.parameters.of(&folder)?;
    let (input, name) = streams::input(&args.codes)?;
    let mut codes = Rows::of_codes(input, &name, &run.model.code_sizes())?;
    let count = codes.count();
    classes.check(count)?;
    let classes = classes.numbers(count);
    let columns = count.isqrt().max(8);
    if kind == Kind::Png {
        check_grid(count, columns, run.model.image, AS_AN_ARRAY)?;
    }
    let mut model = saved::model(run, &weights, &args.device, run.train.seed)?;
    let Some(mut writer) = writer else {
        let mut images = Vec::new();
        export::decode(&mut model, &mut codes, &classes, |means| {
            images.extend_from_slice(means);
            Ok::<_, Error>(())
        })?;
        let grid = Grid::of_images_in(&images, run.model.image, columns, saved::shades(run))?;
        files::create(&out, &grid.png()?)?;
        return result(out.display());
    };
    writer.begin(
        &[vec![count], run.model.image.sizes()].concat(),
        saved::columns(run),
    )?;
    export::decode(&mut model, &mut codes, &classes, |means| {
        writer.values(&saved::outgoing(run, means))
    })?;
    streams::finish([writer.into_output()])
}
