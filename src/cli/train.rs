//! `elbo train`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::SystemTime;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::config::{self, FileConfig, Resolved};
use super::init;
use super::loading::Loading;
use super::model::ModelArgs;
use super::report::{self, Reporter, Shown};
use super::signals::Signals;
use super::{find_device, note, text};
use crate::data::{self, Binarize, Dataset};
use crate::device::Precision;
use crate::error::{Error, Result};
use crate::model::{ModelSpec, Weights};
use crate::plan::{self, Runtime, Tune};
use crate::train::{
    Checkpoints, DataConfig, Decay, Ending, Pace, Record, Resumed, RunConfig, RunFolder, Span,
    TrainOptions, Trainer, utc, warm_up,
};

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
    /// What the learning rate does after its warm-up [default: constant]
    #[arg(long, value_enum, help_heading = "Training")]
    pub(super) lr_schedule: Option<Decay>,
    /// Length in which the learning rate rises linearly to --lr: 2epochs, 500steps [default: 0]
    #[arg(long, value_name = "LENGTH", help_heading = "Training")]
    pub(super) lr_warmup: Option<Span>,
    /// How often --lr-schedule step lowers the learning rate [default: 10epochs]
    #[arg(long, value_name = "LENGTH", help_heading = "Training")]
    pub(super) lr_step_every: Option<Span>,
    /// By which factor it does [default: 0.1]
    #[arg(
        long,
        value_name = "FACTOR",
        allow_negative_numbers = true,
        help_heading = "Training"
    )]
    pub(super) lr_step_factor: Option<f64>,
    /// Length in which the weight of the KL rises linearly from 0 to --beta [default: 0]
    #[arg(long, value_name = "LENGTH", help_heading = "Training")]
    pub(super) kl_warmup: Option<Span>,
    /// Cycles in each of which the weight of the KL rises from 0 to --beta, in its first half; 0 = none
    /// [default: 0]
    #[arg(long, value_name = "CYCLES", help_heading = "Training")]
    pub(super) kl_cycles: Option<u32>,
    /// Nats of each latent value's KL that cost nothing, as a mean over the batch [default: 0]
    #[arg(
        long,
        value_name = "NATS",
        allow_negative_numbers = true,
        help_heading = "Training"
    )]
    pub(super) free_bits: Option<f32>,
    /// Epochs without a lower test loss after which to stop; 0 = never [default: 0]
    #[arg(long, value_name = "EPOCHS", help_heading = "Training")]
    pub(super) patience: Option<u32>,
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
    #[arg(
        long,
        value_name = "FOLDER",
        conflicts_with = "resume",
        help_heading = "Run"
    )]
    pub(super) out: Option<PathBuf>,
    /// Configuration to start from; the config.toml of a run folder repeats that run
    /// [default: none]
    #[arg(
        long,
        value_name = "FILE.toml",
        conflicts_with = "resume",
        help_heading = "Run"
    )]
    pub(super) config: Option<PathBuf>,
    /// Run folder to go on with, from its last checkpoint; of the options only --epochs, --patience,
    /// --log-every and those under Run may differ from its own [default: a new run]
    #[arg(long, value_name = "RUN", help_heading = "Run")]
    pub(super) resume: Option<PathBuf>,
    /// Parameters to start from: those of a run, or a .safetensors file of any program
    /// [default: random ones]
    #[arg(
        long,
        value_name = "RUN|FILE.safetensors",
        conflicts_with = "resume",
        help_heading = "Run"
    )]
    pub(super) init_from: Option<PathBuf>,
    /// How often to keep a checkpoint: 1epoch, 500steps, 10minutes; there is also one at the end, at a stop,
    /// and after an epoch with the lowest test loss [default: 1epoch]
    #[arg(long, value_name = "LENGTH", help_heading = "Run")]
    pub(super) checkpoint_every: Option<Span>,
    /// Checkpoints to keep: the last ones, beside that with the lowest test loss [default: 1]
    #[arg(long, value_name = "NUMBER", help_heading = "Run")]
    pub(super) keep: Option<usize>,
    /// Length after which to stop, with a checkpoint to go on from: 30minutes, 500steps [default: the end]
    #[arg(long, value_name = "LENGTH", help_heading = "Run")]
    pub(super) stop_after: Option<Span>,
    /// Steps of a line in the metrics [default: 100]
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Run")]
    pub(super) log_every: Option<u32>,
    /// Print nothing but results and errors [default: off]
    #[arg(long, help_heading = "Run")]
    pub(super) quiet: bool,
    /// Print every line of the metrics on stdout, and the end as a JSON object [default: off]
    #[arg(long, help_heading = "Run")]
    pub(super) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  elbo train
  elbo train --data mnist --epochs 10 --out runs/reference
  elbo train --data mnist --binarize dynamic --hidden 200,200 --latent 50 --activation tanh
  elbo train --data photos/ --image-size 64 --likelihood gaussian --sigma learned
  elbo train --model ae --data fashion-mnist --latent 8
  elbo train --config runs/reference/config.toml --seed 2
  elbo train --resume runs/reference --epochs 20
  elbo train --init-from runs/reference --data fashion-mnist --lr-schedule cosine";

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

pub(super) fn run(args: &TrainArgs) -> anyhow::Result<ExitCode> {
    match &args.resume {
        Some(path) => resume(args, path),
        None => start(args),
    }
}

/// Trains a new model.
fn start(args: &TrainArgs) -> anyhow::Result<ExitCode> {
    let started = SystemTime::now();
    let file = match &args.config {
        Some(path) => FileConfig::read(path)?,
        None => FileConfig::default(),
    };
    let (file, earlier) = init::from(args.init_from.as_deref(), file)?;
    let resolved = config::merge(args, file)?;
    check_early(&resolved)?;
    if let Some(out) = &args.out {
        RunFolder::check_new(out)?;
    }
    let ready = Ready::make(&resolved, args.quiet)?;
    let spec = with_image(&resolved, &ready.dataset)?;
    ready.check(&spec, &resolved.train)?;
    // Before there is a folder: a file that does not fit leaves nothing behind.
    let weights = earlier
        .map(|file| Weights::load(&file, &spec))
        .transpose()?;

    let path = match &args.out {
        Some(out) => out.clone(),
        None => RunFolder::default_path(started, spec.kind, &ready.dataset.name),
    };
    let run = RunConfig {
        device: resolved.device,
        tune: resolved.tune,
        data: resolved.data.anchored(),
        model: spec.clone(),
        train: resolved.train.clone(),
        checkpoints: resolved.checkpoints,
        record: Record {
            version: env!("CARGO_PKG_VERSION").into(),
            device: ready.device.clone(),
            data: ready.dataset.name.clone(),
            started: utc(started),
            kernels: Default::default(),
            device_memory: Default::default(),
            resumed: Default::default(),
        },
    };
    let signals = Signals::listen()?;
    let folder = RunFolder::create(&path, run)?;
    if !args.quiet {
        introduce(&folder, &ready.dataset);
    }
    let Ready {
        runtime, dataset, ..
    } = ready;
    let mut reporter = Reporter::new(folder, &dataset, signals, args.shown());
    let trainer = Trainer::new(runtime, &spec, &resolved.train, &dataset);
    let outcome = trainer.and_then(|mut trainer| {
        if let Some(weights) = &weights {
            trainer.start_from(weights)?;
        }
        trainer.run(&args.pace(resolved.checkpoints), &mut reporter)
    });
    reporter.finish(outcome)
}

/// Goes on with a run from its last checkpoint.
fn resume(args: &TrainArgs, path: &Path) -> anyhow::Result<ExitCode> {
    let mut folder = RunFolder::resume(path)?;
    let before = folder.config().clone();
    let resolved = config::merge(args, FileConfig::of(&before)?)?;
    check_early(&resolved)?;
    let mut config = RunConfig {
        device: resolved.device.clone(),
        tune: resolved.tune,
        data: resolved.data.clone().anchored(),
        model: ModelSpec {
            image: before.model.image,
            ..resolved.model.clone()
        },
        train: resolved.train.clone(),
        checkpoints: resolved.checkpoints,
        record: before.record.clone(),
    };
    refuse_changes(path, &before, &config)?;
    let (state, known_data) = folder.last_state()?.unzip();
    let position = state
        .as_ref()
        .map(|s| s.position.clone())
        .unwrap_or_default();
    if position.epochs > 0 && position.batches == 0 && position.epochs >= config.train.epochs {
        if !args.quiet {
            note(format_args!(
                "{}: finished already, after {} epochs; --epochs with more of them goes on",
                path.display(),
                position.epochs
            ));
        }
        report::results(&folder, Ending::Finished, args.shown())?;
        return Ok(ExitCode::SUCCESS);
    }

    let ready = Ready::make(&resolved, args.quiet)?;
    let spec = with_image(&resolved, &ready.dataset)?;
    ready.check(&spec, &resolved.train)?;
    let fingerprint = ready.dataset.fingerprint();
    if known_data.is_some_and(|known| known != fingerprint) {
        return Err(Error::data(
            &config.data.source,
            "these are not the images that the run was trained on: it cannot go on as it would have",
            "the same data, or a new run with --init-from",
        )
        .into());
    }
    config.record.resumed.push(Resumed {
        at: utc(SystemTime::now()),
        step: position.steps,
        device: std::mem::replace(&mut config.record.device, ready.device.clone()),
        version: env!("CARGO_PKG_VERSION").into(),
    });
    let signals = Signals::listen()?;
    folder.go_on(&position, config)?;
    if !args.quiet {
        introduce(&folder, &ready.dataset);
        note(format_args!(
            "goes on at step {}, {} epochs are done",
            position.steps, position.epochs
        ));
    }
    let Ready {
        runtime, dataset, ..
    } = ready;
    let mut reporter =
        Reporter::new(folder, &dataset, signals, args.shown()).with_fingerprint(fingerprint);
    let trainer = Trainer::new(runtime, &spec, &resolved.train, &dataset);
    let outcome = trainer.and_then(|mut trainer| {
        if let Some(state) = &state {
            trainer.restore(state)?;
        }
        trainer.run(&args.pace(resolved.checkpoints), &mut reporter)
    });
    reporter.finish(outcome)
}

impl TrainArgs {
    fn shown(&self) -> Shown {
        Shown {
            quiet: self.quiet,
            json: self.json,
        }
    }

    fn pace(&self, checkpoints: Checkpoints) -> Pace {
        Pace {
            checkpoint_every: checkpoints.every,
            stop_after: self.stop_after,
        }
    }
}

/// What has to be there before training starts.
struct Ready {
    runtime: Box<dyn Runtime>,
    /// Name of the device.
    device: String,
    dataset: Dataset,
}

impl Ready {
    /// The images are read while the device gets ready for them.
    fn make(resolved: &Resolved, quiet: bool) -> Result<Self> {
        let source = &resolved.data.source;
        let loading = Loading::start(source, resolved.data.options(), quiet);
        let (device, lines) = find_device(&resolved.device, resolved.train.precision)?;
        loading.note(lines);
        let name = device.name();
        let mut runtime = plan::open(device, resolved.tune);
        if let Some(expected) = data::expect(source) {
            warm_up(runtime.as_mut(), &resolved.model, &resolved.train, expected);
        }
        Ok(Self {
            runtime,
            device: name,
            dataset: loading.finish()?,
        })
    }

    /// Checks what needs the images.
    fn check(&self, spec: &ModelSpec, options: &TrainOptions) -> Result<()> {
        options.validate(self.dataset.train.len())?;
        for images in [&self.dataset.train, &self.dataset.test] {
            spec.check_range(images, options.binarize)?;
        }
        Ok(())
    }
}

/// Options that may change when a run goes on.
const CHANGEABLE: [&str; 6] = [
    "device",
    "tune",
    "train.epochs",
    "train.patience",
    "train.log-every",
    "checkpoints",
];

/// Refuses to go on with another model, other data or other training than a run has.
fn refuse_changes(path: &Path, before: &RunConfig, now: &RunConfig) -> Result<()> {
    let changed: Vec<String> = before
        .differences(now)?
        .into_iter()
        .filter(|change| {
            let inside = |key: &str| change.key.starts_with(&format!("{key}."));
            !CHANGEABLE
                .iter()
                .any(|key| change.key == *key || inside(key))
        })
        .map(|change| {
            format!(
                "{}: {} in the run, {} asked for",
                change.key, change.one, change.other
            )
        })
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(Error::config(
        format!(
            "--resume {}: the run is another one:\n  {}",
            path.display(),
            changed.join("\n  ")
        ),
        "the same options (or none: the run knows them), or a new run with --init-from",
    ))
}

/// Checks what can be checked before anything slow is done.
fn check_early(resolved: &Resolved) -> Result<()> {
    resolved.model.validate()?;
    resolved.checkpoints.validate()?;
    resolved.train.check_model(&resolved.model)?;
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
