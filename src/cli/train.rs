//! `elbo train`

use std::path::PathBuf;
use std::str::FromStr;
use std::time::SystemTime;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::config::{self, FileConfig, Resolved};
use super::loading::Loading;
use super::model::ModelArgs;
use super::report::Reporter;
use super::{find_device, note, text};
use crate::data::{self, Binarize, Dataset};
use crate::device::Precision;
use crate::error::{Error, Result};
use crate::model::ModelSpec;
use crate::plan::{self, Tune};
use crate::train::{DataConfig, Record, RunConfig, RunFolder, TrainOptions, train, utc, warm_up};

/// Train a model and keep it in a run folder
///
/// A flag takes precedence over the same value in --config, which takes precedence over the default.
#[derive(Args, Debug, Default)]
#[command(after_help = EXAMPLES)]
pub(super) struct TrainArgs {
    #[command(flatten)]
    pub(super) model: ModelArgs,

    /// Images to train on: digits (built in), mnist, fashion-mnist, or the path of a folder of
    /// pictures or of a file [default: digits]
    #[arg(long, value_name = "NAME|PATH", help_heading = "Data")]
    pub(super) data: Option<String>,
    /// Resize pictures to this many pixels: N for N×N, or HxW [default: as they are]
    #[arg(long, value_name = "N|HxW", help_heading = "Data")]
    pub(super) image_size: Option<ImageSize>,
    /// Channels of the pictures: 1 for grey, 3 for RGB [default: as they are]
    #[arg(long, value_name = "1|3", help_heading = "Data")]
    pub(super) channels: Option<usize>,
    /// Share of the images to hold out for testing, where the data have no split of their own
    /// [default: 0.1]
    #[arg(
        long,
        value_name = "SHARE",
        allow_negative_numbers = true,
        help_heading = "Data"
    )]
    pub(super) test_fraction: Option<f64>,
    /// Address of a folder to download from, in place of the known ones; repeat it for several, which
    /// are tried in order [default: the data set's own]
    #[arg(long, value_name = "URL", help_heading = "Data")]
    pub(super) mirror: Vec<String>,
    /// Draw each value as 0 or 1 with its grey level as the probability: never, once, or anew
    /// whenever an image is used [default: none]
    #[arg(long, value_enum, help_heading = "Data")]
    pub(super) binarize: Option<Binarize>,

    /// Passes over the training images [default: 10]
    #[arg(long, value_name = "PASSES", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Training")]
    pub(super) epochs: Option<u32>,
    /// Images a step [default: 128]
    #[arg(long, value_name = "IMAGES", value_parser = RangedU64ValueParser::<usize>::new().range(1..), help_heading = "Training")]
    pub(super) batch_size: Option<usize>,
    /// Step size of Adam [default: 0.001]
    #[arg(
        long,
        value_name = "RATE",
        allow_negative_numbers = true,
        help_heading = "Training"
    )]
    pub(super) lr: Option<f32>,
    /// Decoupled weight decay (AdamW), per step and unit of learning rate [default: 0]
    #[arg(
        long,
        value_name = "DECAY",
        allow_negative_numbers = true,
        help_heading = "Training"
    )]
    pub(super) weight_decay: Option<f32>,
    /// Upper bound of the norm of the gradient of the mean loss per image; 0 = no bound [default: 0]
    #[arg(
        long,
        value_name = "NORM",
        allow_negative_numbers = true,
        help_heading = "Training"
    )]
    pub(super) grad_clip: Option<f32>,
    /// Seed of everything random; equal seeds on one device give equal results [default: 1]
    #[arg(long, value_name = "NUMBER", help_heading = "Training")]
    pub(super) seed: Option<u64>,
    /// What to round the operands of matrix products to while training; sums, weights, their updates and
    /// tests stay f32 [default: f32]
    #[arg(long, value_enum, help_heading = "Training")]
    pub(super) precision: Option<Precision>,

    /// Where to compute: auto (a hardware GPU if there is one, otherwise the CPU), cpu, gpu (the
    /// best one), gpu:N (by its index in `elbo devices`) or gpu:NAME (a part of its name)
    /// [default: auto]
    #[arg(long, value_name = "DEVICE", help_heading = "Run")]
    pub(super) device: Option<String>,
    /// How long to look for the fastest cores of a GPU's matrix products before training [default: quick]
    #[arg(long, value_enum, help_heading = "Run")]
    pub(super) tune: Option<Tune>,
    /// Run folder to create; one that exists must be empty
    /// [default: runs/<UTC time>-<model>-<data>]
    #[arg(long, value_name = "FOLDER", help_heading = "Run")]
    pub(super) out: Option<PathBuf>,
    /// Configuration to start from; the config.toml of a run folder repeats that run
    /// [default: none]
    #[arg(long, value_name = "FILE.toml", help_heading = "Run")]
    pub(super) config: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  elbo train
  elbo train --data mnist --epochs 10 --out runs/reference
  elbo train --data mnist --binarize dynamic --hidden 200,200 --latent 50 --activation tanh
  elbo train --data photos/ --image-size 64 --likelihood gaussian --sigma learned
  elbo train --model ae --data fashion-mnist --latent 8
  elbo train --config runs/reference/config.toml --seed 2";

/// What `--image-size` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ImageSize {
    pub(super) height: usize,
    pub(super) width: usize,
}

impl FromStr for ImageSize {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (height, width) = text.split_once(['x', '×']).unwrap_or((text, text));
        match (height.parse(), width.parse()) {
            (Ok(height), Ok(width)) if height > 0 && width > 0 => Ok(Self { height, width }),
            _ => Err("expected a number of pixels above 0, such as 28, or HEIGHTxWIDTH".into()),
        }
    }
}

pub(super) fn run(args: &TrainArgs) -> anyhow::Result<()> {
    let started = SystemTime::now();
    let file = match &args.config {
        Some(path) => FileConfig::read(path)?,
        None => FileConfig::default(),
    };
    let resolved = config::merge(args, file)?;
    check_early(&resolved)?;
    if let Some(out) = &args.out {
        RunFolder::check_new(out)?;
    }

    // The images are read while the device gets ready for them.
    let source = &resolved.data.source;
    let loading = Loading::start(source, resolved.data.options());
    let (device, lines) = find_device(&resolved.device, resolved.train.precision)?;
    loading.note(lines);
    let device_name = device.name();
    let mut runtime = plan::open(device, resolved.tune);
    if let Some(expected) = data::expect(source) {
        warm_up(runtime.as_mut(), &resolved.model, &resolved.train, expected);
    }
    let dataset = loading.finish()?;
    let spec = with_image(&resolved, &dataset)?;
    resolved.train.validate(dataset.train.len())?;
    for images in [&dataset.train, &dataset.test] {
        spec.check_range(images, resolved.train.binarize)?;
    }

    let path = match &args.out {
        Some(out) => out.clone(),
        None => RunFolder::default_path(started, spec.kind, &dataset.name),
    };
    let run = RunConfig {
        device: resolved.device,
        tune: resolved.tune,
        data: resolved.data.anchored(),
        model: spec.clone(),
        train: resolved.train.clone(),
        record: Record {
            version: env!("CARGO_PKG_VERSION").into(),
            device: device_name,
            data: dataset.name.clone(),
            started: utc(started),
            kernels: Default::default(),
            device_memory: Default::default(),
        },
    };
    let folder = RunFolder::create(&path, run)?;
    introduce(&folder, &dataset);

    let mut reporter = Reporter::new(folder);
    let outcome = train(runtime, &spec, &resolved.train, &dataset, &mut reporter);
    let finished = reporter.finish(outcome.is_ok());
    outcome?;
    finished
}

/// Checks what can be checked before anything slow is done.
fn check_early(resolved: &Resolved) -> Result<()> {
    resolved.model.validate()?;
    // The batch size has to wait for the number of images.
    let others = TrainOptions {
        batch_size: 1,
        ..resolved.train.clone()
    };
    others.validate(1)
}

/// The specification with the size of the images that were loaded.
fn with_image(resolved: &Resolved, dataset: &Dataset) -> Result<ModelSpec> {
    let image = dataset.train.shape;
    check_asked(&resolved.data, dataset)?;
    match resolved.expected_image {
        Some(expected) if expected != image => Err(Error::config(
            format!(
                "the configuration is for images of {expected}, but those of {} are {image}",
                dataset.name
            ),
            "--image-size and --channels, or a configuration without [model.image]",
        )),
        _ => {
            let spec = ModelSpec {
                image,
                ..resolved.model.clone()
            };
            spec.validate()?;
            Ok(spec)
        }
    }
}

/// Refuses a size that was asked for and not given: some data sets cannot be resized.
fn check_asked(asked: &DataConfig, dataset: &Dataset) -> Result<()> {
    let image = dataset.train.shape;
    let fault = |option: String| {
        Error::config(
            format!(
                "{option}: images of {} are {image} and stay so",
                dataset.name
            ),
            "no such option, or a folder of pictures, which are resized",
        )
    };
    match asked.image_size {
        Some((height, width)) if (height, width) != (image.height, image.width) => {
            return Err(fault(format!("--image-size {height}x{width}")));
        }
        _ => {}
    }
    match asked.channels {
        Some(channels) if channels != image.channels => {
            Err(fault(format!("--channels {channels}")))
        }
        _ => Ok(()),
    }
}

/// Says what is about to be trained, on what.
fn introduce(folder: &RunFolder, dataset: &Dataset) {
    let run = folder.config();
    note(format_args!(
        "data: {}, {} training and {} test images of {}",
        dataset.name,
        text::grouped(dataset.train.len() as u64),
        text::grouped(dataset.test.len() as u64),
        dataset.train.shape
    ));
    note(format_args!(
        "model: {}, {} parameters",
        text::model(&run.model),
        text::grouped(run.model.parameter_count())
    ));
    note(format_args!("loss: {}", text::objective(&run.model)));
    if let Some(values) = text::values(&run.model, run.train.binarize) {
        note(format_args!("  {values}"));
    }
    note(format_args!("run folder: {}", folder.path().display()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_sizes_are_one_number_or_height_by_width() {
        let size = |text: &str| text.parse::<ImageSize>();
        assert_eq!(
            size("28"),
            Ok(ImageSize {
                height: 28,
                width: 28
            })
        );
        assert_eq!(
            size("32x48"),
            Ok(ImageSize {
                height: 32,
                width: 48
            })
        );
        for wrong in ["", "0", "x", "28x", "28x0", "-1", "2.5", "1x2x3"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
