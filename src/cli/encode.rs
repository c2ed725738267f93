//! `elbo encode`

use std::path::PathBuf;

use clap::Args;

use super::out::{self, Kind};
use super::rows::{self, Beside, Columns, RowWriter};
use super::saved::{self, ViewArgs};
use super::{streams, warn};
use crate::data::Rows;
use crate::error::{Error, Result};
use crate::export;
use crate::model::{Latents, Levels, ModelSpec};
use crate::train::RunFolder;

/// Write the latent codes of images as a NumPy array or a table
///
/// The array is float32 [images, latent], or [images, height, width, channels] of codes that are maps, in the order of the
/// images: the means of q(z|x) for a VAE, the code itself for an AE. Codes of --latent-kind fsq are int32, a number for each
/// place. A table has a row for each image: its name (without one its row in the array or table, counted from 0),
/// its class where it has one, then the values of the code. An array from stdin (`--data -`) flows through in batches:
/// numbers of any real type in C order, [images, height, width, channels] or [images, values].
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct EncodeArgs {
    #[command(flatten)]
    view: ViewArgs,
    /// File of the means to create: .npy, .csv, or `-` for an array on stdout [default: codes-<DATA>-<SPLIT>.npy in
    /// the run folder; stdout where the images come from stdin]
    #[arg(long, value_name = "FILE|-")]
    out: Option<PathBuf>,
    /// File of the logarithms of the variances to create, .npy, .csv or `-`, VAE only [default: none]
    #[arg(long, value_name = "FILE|-")]
    logvar: Option<PathBuf>,
    /// File of the images' names to create, in the order of the rows: .txt with a name a line, or .csv with the classes
    /// too [default: none]
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  elbo encode runs/reference
  elbo encode runs/reference --split train --out mu.npy --logvar logvar.npy
  elbo encode runs/reference --data photos/ --out codes.csv
  elbo encode runs/reference --data photos/ --out codes.npy --names names.txt
  elbo encode runs/reference --data - < images.npy > codes.npy
  python -c \"import numpy; print(numpy.load('mu.npy').shape)\"";

pub(super) fn run(args: &EncodeArgs) -> anyhow::Result<()> {
    let folder = RunFolder::open(&args.view.run)?;
    if args.logvar.is_some() {
        saved::require_vae(
            &folder,
            "whose code has no variances",
            "no --logvar, or a run of --model vae",
        )?;
    }
    let kinds = Kinds::of(args)?;
    if args.view.which.data.as_deref() == Some("-") {
        return encode_stream(args, kinds, &folder);
    }
    let run = folder.config();
    let weights = args.view.parameters.of(&folder)?;
    let chosen = args.view.images(&folder)?;
    let name = format!("codes-{}-{}.npy", chosen.name, chosen.split.name());
    let default = folder.path().join(name);
    let beside = Beside::of(&chosen);
    let mut outputs = Outputs::open(args, kinds, default, beside)?;
    let mut model = args.view.model(run, &weights)?;
    outputs.begin(chosen.images.len(), &run.model)?;
    outputs.take(&model.encode(&chosen.images, chosen.split, run.train.binarize)?)?;
    outputs.finish(args, kinds, chosen.images.len())
}

/// What the files are, by their names. Before anything takes time.
#[derive(Clone, Copy)]
struct Kinds {
    mu: Kind,
    logvar: Kind,
    names: Kind,
}

impl Kinds {
    fn of(args: &EncodeArgs) -> Result<Self> {
        let numbers = [Kind::Npy, Kind::Csv];
        let names = [Kind::Txt, Kind::Csv];
        Ok(Self {
            mu: out::kind_or_stream("--out", args.out.as_deref(), &numbers)?,
            logvar: out::kind_or_stream("--logvar", args.logvar.as_deref(), &numbers)?,
            names: out::kind("--names", args.names.as_deref(), &names)?,
        })
    }
}

/// Encodes an array from stdin, batch by batch.
fn encode_stream(args: &EncodeArgs, kinds: Kinds, folder: &RunFolder) -> anyhow::Result<()> {
    if args.view.which.split.is_some() {
        return Err(Error::config(
            "--split: an array from stdin has no splits",
            "no --split; all of its images are encoded",
        )
        .into());
    }
    if let Some(name) = args.view.which.source.names().find(|name| *name != "axes") {
        return Err(Error::config(
            format!("`--{name}` is no option of an array from stdin"),
            "leave it out",
        )
        .into());
    }
    let run = folder.config();
    if run.model.condition.is_some() {
        return Err(Error::config(
            "--data -: an array from stdin has no labels, and the model is told the class of each image",
            "--data with a .npz that has labels (--array labels=y)",
        )
        .into());
    }
    let weights = args.view.parameters.of(folder)?;
    let mut outputs = Outputs::open(args, kinds, "-".into(), Beside::PLACES)?;
    let (input, name) = streams::input("-".as_ref())?;
    let mut images = Rows::of_images(
        input,
        &name,
        run.model.image,
        args.view.which.source.axes.or(run.data.options.source.axes),
    )?;
    let mut model = args.view.model(run, &weights)?;
    let count = images.count();
    outputs.begin(count, &run.model)?;
    let binarize = run.train.binarize;
    let mut reading = run.record.reading.rows(run.model.image.values(), &name)?;
    export::encode(&mut model, &mut images, &mut reading, binarize, |latents| {
        outputs.take(latents)
    })?;
    if let Some(doubt) = reading.doubt() {
        warn(doubt);
    }
    outputs.finish(args, kinds, count)
}

/// Where the means go, and the logarithms of the variances where they are asked for.
struct Outputs<'a> {
    mu: RowWriter<'a>,
    logvar: Option<RowWriter<'a>>,
    beside: Beside<'a>,
    /// Of codes that are whole numbers.
    levels: Option<Levels>,
}

impl<'a> Outputs<'a> {
    /// `default` is the means' place without `--out`.
    fn open(
        args: &EncodeArgs,
        kinds: Kinds,
        default: PathBuf,
        beside: Beside<'a>,
    ) -> anyhow::Result<Self> {
        let mu = args.out.clone().unwrap_or(default);
        out::check_apart("--logvar", args.logvar.as_deref(), &mu, "the means")?;
        out::check_apart("--names", args.names.as_deref(), &mu, "the means")?;
        if let Some(logvar) = &args.logvar {
            out::check_apart("--names", args.names.as_deref(), logvar, "the variances")?;
        }
        let logvar = args.logvar.as_deref();
        let open = |path| RowWriter::open(path, kinds.logvar, true, Some(beside));
        let logvar = logvar.map(open).transpose()?;
        Ok(Self {
            mu: RowWriter::open(&mu, kinds.mu, logvar.is_some(), Some(beside))?,
            logvar,
            beside,
            levels: None,
        })
    }

    fn begin(&mut self, images: usize, spec: &ModelSpec) -> anyhow::Result<()> {
        let shape = [vec![images], spec.code_sizes()].concat();
        self.levels.clone_from(&spec.levels);
        if self.levels.is_some() {
            self.mu.of_whole_numbers();
        }
        self.mu.begin(&shape, Columns::Counted("z"))?;
        let logvar = self.logvar.as_mut();
        logvar.map_or(Ok(()), |out| out.begin(&shape, Columns::Counted("logvar")))
    }

    fn take(&mut self, latents: &Latents) -> anyhow::Result<()> {
        match &self.levels {
            Some(levels) => {
                let numbers = levels.numbers(&latents.mu).into_iter();
                let numbers: Vec<f32> = numbers.map(|number| number as f32).collect();
                self.mu.values(&numbers)?;
            }
            None => self.mu.values(&latents.mu)?,
        }
        let logvar = self.logvar.as_mut();
        logvar.map_or(Ok(()), |out| out.values(&latents.logvar))
    }

    fn finish(self, args: &EncodeArgs, kinds: Kinds, images: usize) -> anyhow::Result<()> {
        let outputs = [self.mu].into_iter().chain(self.logvar);
        streams::finish(outputs.map(RowWriter::into_output))?;
        if let Some(path) = &args.names {
            rows::write_names(path, kinds.names, self.beside, images)?;
        }
        Ok(())
    }
}
