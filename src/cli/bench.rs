//! `elbo bench`

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::out::{self, Kind};
use super::{bench_text, note, open_device, result};
use crate::bench::{Axis, Cores, Growth, Report, Subject, picture};
use crate::device::Selection;
use crate::error::{Error, Result};
use crate::files;
use crate::kernel::Precision;
use crate::model::ModelOptions;
use crate::option;
use crate::plan::Tune;
use crate::shape::ImageShape;
use crate::train::TrainOptions;

/// Measure where the time of a training step goes, and what the device could do
///
/// Prints each step of the training plan by itself, beside the time that it would take at the speed of a copy and
/// of multiply-adds, both measured in the same run; then the whole step, and the memory. Images are the
/// built-in digits, or random bytes where they have another shape.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct BenchArgs {
    #[command(flatten)]
    model: ModelOptions,
    /// Values of an image, or its size: 784, or 64x64x3
    #[arg(long, value_name = "VALUES", default_value = "784", value_parser = image, help_heading = "Model")]
    values: ImageShape,
    /// Images a step
    #[arg(long, value_name = "IMAGES", default_value_t = TrainOptions::default().batch_size, value_parser = option::positive::<usize>)]
    batch_size: usize,
    /// Where to compute: auto, cpu, gpu, gpu:N or gpu:NAME
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
    /// What to round the operands of matrix products to
    #[arg(long, value_enum, default_value_t)]
    precision: Precision,
    /// How long to look for the fastest cores of a GPU's matrix products before
    #[arg(long, value_enum, default_value_t)]
    tune: Tune,
    /// Measure every core of the matrix product on the model's products, beside each other and the CPU's
    /// [default: off]
    #[arg(long, conflicts_with = "growth")]
    compare: bool,
    /// With --compare: also the cores that a software driver is never given, which is slow there
    /// [default: off]
    #[arg(long, requires = "compare")]
    every_core: bool,
    /// Measure how the time of an image grows with these sizes, one varied at a time [default: off; without a
    /// name, all of them]
    #[arg(
        long,
        value_enum,
        value_name = "SIZE,…",
        value_delimiter = ',',
        num_args = 0..=1,
        default_missing_value = "batch,hidden,latent"
    )]
    growth: Option<Vec<Axis>>,
    /// Picture of --growth to create (PNG) [default: none]
    #[arg(long, value_name = "FILE.png", requires = "growth")]
    out: Option<PathBuf>,
    /// Print one JSON object instead of a table [default: off]
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  elbo bench
  elbo bench --hidden 512,256 --batch-size 1024 --json
  elbo bench --compare --device gpu
  elbo bench --growth --out growth.png";

pub(super) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let subject = subject(args)?;
    subject.validate()?;
    let selection = args.device.parse::<Selection>()?;
    out::kind("--out", args.out.as_deref(), &[Kind::Png])?;
    // Says which device it is; the measurements open it again where they need one that is bare.
    let device = open_device(&args.device, args.precision)?;
    note(format_args!("{}", bench_text::subject(&subject)));
    if args.compare {
        drop(device);
        let cores = Cores::measure(&subject, &selection, args.every_core)?;
        return print(args.json, &cores, bench_text::cores);
    }
    if let Some(axes) = &args.growth {
        drop(device);
        let growth = Growth::measure(&subject, &selection, axes, &mut |point| {
            note(bench_text::point(point));
        })?;
        if let Some(out) = &args.out {
            files::create(out, &picture(&growth)?)?;
            note(format_args!("picture: {}", out.display()));
        }
        return print(args.json, &growth, bench_text::growth);
    }
    print(
        args.json,
        &Report::measure(&subject, device)?,
        bench_text::report,
    )
}

/// The size of an image, of a text with its values or its size.
fn image(text: &str) -> Result<ImageShape, String> {
    if text.contains('x') {
        return text.parse();
    }
    Ok(match option::positive(text)? {
        784 => ImageShape::new(28, 28, 1),
        values => ImageShape::new(1, values, 1),
    })
}

fn subject(args: &BenchArgs) -> Result<Subject> {
    let model = args.model.spec(args.values)?;
    Ok(Subject {
        model,
        batch_size: args.batch_size,
        precision: args.precision,
        tune: args.tune,
    })
}

/// A table, or the same as JSON.
fn print<T: Serialize>(json: bool, what: &T, table: fn(&T) -> Vec<String>) -> anyhow::Result<()> {
    if json {
        let text = serde_json::to_string(what)
            .map_err(|e| Error::config(format!("--json: {e}"), "the table, without --json"))?;
        return result(text);
    }
    for line in table(what) {
        result(line)?;
    }
    Ok(())
}
