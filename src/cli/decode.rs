//! `elbo decode`

use std::path::PathBuf;

use clap::Args;

use super::saved;
use super::streams::{self, Output};
use crate::data::Rows;
use crate::export;
use crate::train::RunFolder;

/// Decode latent codes into images, as a NumPy array
///
/// The codes are numbers of any real type, [codes, latent], C order. The images are float32 [codes, height, width,
/// channels] ([codes, values] of a model of rows of values): the means of p(x|z), from 0 to 1 unless the likelihood
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
    /// Where to compute: auto, cpu, gpu, gpu:N or gpu:NAME
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
    /// Array of images to create, `-` for stdout [default: decoded-<CODES>.npy in the run folder; stdout where the
    /// codes come from stdin]
    #[arg(long, value_name = "FILE.npy|-")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  elbo decode runs/reference codes.npy --out images.npy
  elbo decode runs/reference - < codes.npy > images.npy
  elbo encode runs/reference --data - < images.npy | elbo decode runs/reference - > reconstructions.npy";

pub(super) fn run(args: &DecodeArgs) -> anyhow::Result<()> {
    let folder = RunFolder::open(&args.run)?;
    let run = folder.config();
    let out = match &args.out {
        None if streams::is_stream(&args.codes) => PathBuf::from("-"),
        out => {
            let stem = args.codes.file_stem().unwrap_or_default();
            let name = format!("decoded-{}.npy", stem.display());
            out.clone().unwrap_or_else(|| folder.path().join(name))
        }
    };
    let mut out = Output::open(&out, false)?;
    let weights = args.parameters.of(&folder)?;
    let (input, name) = streams::input(&args.codes)?;
    let mut codes = Rows::of_codes(input, &name, run.model.latent)?;
    let mut model = saved::model(run, &weights, &args.device, run.train.seed)?;
    out.begin(&[vec![codes.count()], run.model.image.sizes()].concat())?;
    let scaling = run.record.reading.scaling.as_ref();
    export::decode(&mut model, &mut codes, |means| {
        let mut values = means.to_vec();
        // In the units of the data, which the model saw scaled.
        scaling.inspect(|scaling| scaling.undo(&mut values));
        out.values(&values)
    })?;
    streams::finish([out])
}
