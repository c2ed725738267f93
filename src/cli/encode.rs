//! `elbo encode`

use std::path::{Path, PathBuf};

use clap::Args;

use super::streams::{self, Output};
use super::{note, saved};
use crate::data::{Rows, Split};
use crate::error::{Error, Result};
use crate::export;
use crate::files;
use crate::model::Latents;
use crate::train::RunFolder;

/// Write the latent codes of images as a NumPy array
///
/// The array is float32 [images, latent], in the order of the images: the means of q(z|x) for a
/// VAE, the code itself for an AE. An array from stdin (`--data -`) flows through in batches: numbers of any
/// real type in C order, [images, height, width, channels] or [images, values].
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct EncodeArgs {
    /// Run folder
    run: PathBuf,
    #[command(flatten)]
    parameters: saved::ParametersArgs,
    /// Data set to encode, or `-` for an array from stdin [default: the run's]
    #[arg(long, value_name = "NAME|PATH|-")]
    data: Option<String>,
    /// Which of its images [default: test; all of another data set]
    #[arg(long, value_enum)]
    split: Option<Split>,
    /// Where to compute: auto, cpu, gpu, gpu:N or gpu:NAME
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
    /// Array of the means to create, `-` for stdout [default: codes-<DATA>-<SPLIT>.npy in the run folder; stdout
    /// where the images come from stdin]
    #[arg(long, value_name = "FILE.npy|-")]
    out: Option<PathBuf>,
    /// Array of the logarithms of the variances to create, `-` for stdout, VAE only [default: none]
    #[arg(long, value_name = "FILE.npy|-")]
    logvar: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  elbo encode runs/reference
  elbo encode runs/reference --split train --out mu.npy --logvar logvar.npy
  elbo encode runs/reference --data - < images.npy > codes.npy
  python -c \"import numpy; print(numpy.load('mu.npy').shape)\"";

pub(super) fn run(args: &EncodeArgs) -> anyhow::Result<()> {
    let folder = RunFolder::open(&args.run)?;
    if args.logvar.is_some() {
        saved::require_vae(
            &folder,
            "whose code has no variances",
            "no --logvar, or a run of --model vae",
        )?;
    }
    // Before anything takes time.
    for path in [&args.out, &args.logvar].into_iter().flatten() {
        if !streams::is_stream(path) {
            files::check_new(path)?;
        }
    }
    if args.data.as_deref() == Some("-") {
        return encode_stream(args, &folder);
    }
    let run = folder.config();
    let weights = args.parameters.of(&folder)?;
    let chosen = saved::images(run, args.data.as_deref(), args.split)?;
    let name = format!("codes-{}-{}.npy", chosen.name, chosen.split.name());
    let default = folder.path().join(name);
    let mut outputs = Outputs::open(args, default)?;
    let mut model = saved::model(run, &weights, &args.device, run.train.seed)?;
    outputs.begin(&[chosen.images.len(), run.model.latent])?;
    outputs.take(&model.encode(&chosen.images, chosen.split, run.train.binarize)?)?;
    outputs.finish()
}

/// Encodes an array from stdin, batch by batch.
fn encode_stream(args: &EncodeArgs, folder: &RunFolder) -> anyhow::Result<()> {
    if args.split.is_some() {
        return Err(Error::config(
            "--split: an array from stdin has no splits",
            "no --split; all of its images are encoded",
        )
        .into());
    }
    let run = folder.config();
    let weights = args.parameters.of(folder)?;
    let mut outputs = Outputs::open(args, "-".into())?;
    let (input, name) = streams::input("-".as_ref())?;
    let mut images = Rows::of_images(input, &name, run.model.image, run.data.options.axes)?;
    let mut model = saved::model(run, &weights, &args.device, run.train.seed)?;
    outputs.begin(&[images.count(), run.model.latent])?;
    let binarize = run.train.binarize;
    let mut reading = run.record.reading.rows(run.model.image.values(), &name)?;
    export::encode(&mut model, &mut images, &mut reading, binarize, |latents| {
        outputs.take(latents)
    })?;
    if let Some(doubt) = reading.doubt() {
        note(format_args!("warning: {doubt}"));
    }
    outputs.finish()
}

/// Where the means go, and the logarithms of the variances where they are asked for.
struct Outputs {
    mu: Output,
    logvar: Option<Output>,
}

impl Outputs {
    /// `default` is the means' place without `--out`.
    fn open(args: &EncodeArgs, default: PathBuf) -> anyhow::Result<Self> {
        let mu = args.out.clone().unwrap_or(default);
        check_apart(&mu, args.logvar.as_deref())?;
        let logvar = args.logvar.as_deref();
        let logvar = logvar.map(|path| Output::open(path, true)).transpose()?;
        Ok(Self {
            mu: Output::open(&mu, logvar.is_some())?,
            logvar,
        })
    }

    fn begin(&mut self, shape: &[usize]) -> anyhow::Result<()> {
        self.mu.begin(shape)?;
        self.logvar.as_mut().map_or(Ok(()), |out| out.begin(shape))
    }

    fn take(&mut self, latents: &Latents) -> anyhow::Result<()> {
        self.mu.values(&latents.mu)?;
        let logvar = self.logvar.as_mut();
        logvar.map_or(Ok(()), |out| out.values(&latents.logvar))
    }

    fn finish(self) -> anyhow::Result<()> {
        streams::finish([self.mu].into_iter().chain(self.logvar))
    }
}

fn check_apart(mu: &Path, logvar: Option<&Path>) -> Result<()> {
    // The same file by another name: `a.npy`, `./a.npy`.
    let absolute = |path: &Path| std::path::absolute(path).ok();
    if logvar.is_none_or(|logvar| absolute(logvar) != absolute(mu)) {
        return Ok(());
    }
    let place = if streams::is_stream(mu) {
        "stdout".into()
    } else {
        mu.to_string_lossy()
    };
    Err(Error::config(
        format!("--logvar: {place} takes the means already"),
        "another --logvar or --out",
    ))
}
