//! `elbo train`

mod args;
mod dry_run;
mod losses;
mod resume;

use std::process::ExitCode;
use std::time::SystemTime;

pub(super) use args::TrainArgs;

use self::losses::{From, or_lost};
use super::config::{self, Resolved};
use super::init;
use super::loading::Loading;
use super::reporter::Reporter;
use super::signals::Signals;
use super::{find_device, note, text, warn};
use crate::data::{self, Binarize, Dataset, Look, Values};
use crate::error::{Error, Result};
use crate::model::{Likelihood, Model, ModelOptions, ModelSpec};
use crate::plan::{self, Predicted, Runtime};
use crate::train::{
    self, DataConfig, DeviceMemory, Record, RunConfig, RunFolder, TrainOptions, Trainer, warm_up,
};

/// Greatest magnitude of values that nobody has to scale, such as standardized ones.
const MOST_UNSCALED: f32 = 16.0;

pub(super) fn run(args: &TrainArgs) -> anyhow::Result<ExitCode> {
    match &args.resume {
        Some(path) => resume::run(args, path),
        None => start(args),
    }
}

/// Trains a new model.
fn start(args: &TrainArgs) -> anyhow::Result<ExitCode> {
    let started = SystemTime::now();
    let file = match &args.config {
        Some(path) => config::read(path)?,
        None => toml::Table::new(),
    };
    let (file, earlier) = init::from(args.init_from.as_deref(), args.checkpoint, file)?;
    let mut resolved = config::merge(args, file)?;
    check_early(&resolved)?;
    args.pace(resolved.checkpoints).validate()?;
    if let Some(out) = &args.out {
        RunFolder::check_new(out)?;
    }
    let ready = Ready::make(&resolved, args.quiet, args.dry_run)?;
    let batch = resolved.fit_batch(ready.dataset.train.len());
    let spec = with_image(&resolved, &ready.dataset)?;
    ready.check(&spec, &resolved.train)?;
    if resolved.model.likelihood.is_none() {
        check_unscaled(&spec, &ready.dataset)?;
    }
    // Before there is a folder: a file that does not fit leaves nothing behind.
    let init_from = earlier.as_ref().map(|initial| initial.from.clone());
    let weights = earlier.map(|initial| initial.weights(&spec)).transpose()?;

    if args.dry_run {
        ready
            .check_room(&spec, &resolved.train)
            .unwrap_or_else(warn);
        return show(ready, &spec, &resolved, args.quiet);
    }
    ready.check_room(&spec, &resolved.train)?;
    let path = match &args.out {
        Some(out) => out.clone(),
        None => RunFolder::claim_default(started, spec.kind, &ready.dataset.name)?,
    };
    let run = RunConfig {
        compute: resolved.compute,
        data: resolved.data.anchored(),
        model: spec.clone(),
        train: resolved.train.clone(),
        checkpoints: resolved.checkpoints,
        init_from,
        record: Record {
            reading: ready.dataset.reading.clone(),
            columns: ready.dataset.columns.clone(),
            values: ready.dataset.look.clone(),
            ..Record::new(&ready.device, &ready.dataset.name, started)
        },
    };
    let signals = Signals::listen()?;
    let folder = RunFolder::create(&path, run)?;
    if !args.quiet {
        introduce(&folder, &ready.dataset, Some(&resolved.model));
        batch.into_iter().for_each(note);
    }
    let Ready {
        runtime, dataset, ..
    } = ready;
    let mut reporter = Reporter::new(folder, &dataset, signals, args.shown());
    let from = weights.map_or(From::Seed, From::Weights);
    let job = args.job(&dataset, resolved.checkpoints);
    let trainer = runtime.and_then(|it| job.trainer(it, &from, reporter.config()));
    let outcome = job.train(trainer, from, &mut reporter);
    reporter.finish(outcome)
}

/// Shows what would be trained.
fn show(
    ready: Ready,
    spec: &ModelSpec,
    resolved: &Resolved,
    quiet: bool,
) -> anyhow::Result<ExitCode> {
    let Ready {
        runtime, dataset, ..
    } = ready;
    if !quiet {
        introduce_model(spec, Some(&resolved.model));
    }
    dry_run::print_layers(&Model::new(spec)?)?;
    let split_seed = resolved.data.options.seed;
    let trainer = Trainer::new(runtime?, spec, &resolved.train, &dataset, split_seed)?;
    dry_run::print_memory(&trainer.device_memory())?;
    Ok(ExitCode::SUCCESS)
}

/// What has to be there before training starts.
struct Ready {
    /// Lost already, or there.
    runtime: Result<Box<dyn Runtime>>,
    /// Name of the device.
    device: String,
    memory: DeviceMemory,
    /// Whether its runtime makes gradients and updates at once.
    fuses_updates: bool,
    dataset: Dataset,
}

impl Ready {
    /// The images are read while the device gets ready for them.
    fn make(resolved: &Resolved, quiet: bool, dry_run: bool) -> Result<Self> {
        let source = &resolved.data.source;
        let loading = Loading::start(source, resolved.data.options.clone(), quiet);
        let (device, lines) = find_device(&resolved.compute.device, resolved.train.precision)?;
        loading.note(lines);
        let (name, memory) = (device.name(), DeviceMemory::of(&device));
        let mut runtime: Box<dyn Runtime> = match dry_run {
            true => Box::new(Predicted::new(device)),
            false => plan::open(device, resolved.compute.tune),
        };
        let fuses_updates = runtime.fuses_updates();
        let warm = match data::expect(source) {
            Some(expected) => {
                let options = &resolved.train;
                warm_up(runtime.as_mut(), &resolved.model, options, expected)
            }
            None => Ok(()),
        };
        Ok(Self {
            runtime: or_lost(warm.map(|()| runtime))?,
            device: name,
            memory,
            fuses_updates,
            dataset: loading.finish()?,
        })
    }

    /// Checks what needs the images, and that there is the memory.
    fn check_whole(&self, spec: &ModelSpec, options: &TrainOptions) -> Result<()> {
        self.check(spec, options)?;
        self.check_room(spec, options)
    }

    /// Checks that there is the memory.
    fn check_room(&self, spec: &ModelSpec, options: &TrainOptions) -> Result<()> {
        let fused = self.fuses_updates;
        train::check_room(spec, options, &self.dataset, fused, self.memory)
    }

    /// Checks what needs the images.
    fn check(&self, spec: &ModelSpec, options: &TrainOptions) -> Result<()> {
        options.validate(self.dataset.train.len())?;
        options.augment.check(spec.image, &self.dataset.reading)?;
        for images in [&self.dataset.train, &self.dataset.test] {
            spec.check_range(images, options.binarize)?;
        }
        Ok(())
    }
}

/// Checks what can be checked before anything slow is done.
fn check_early(resolved: &Resolved) -> Result<()> {
    resolved.check_model()?;
    resolved.checkpoints.validate()?;
    resolved.train.check()
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
            "--image-size and --channels, or a configuration without `image`",
        )),
        _ => {
            let is_binary = dataset.look.as_ref().is_some_and(|look| look.binary);
            let options = match is_binary || resolved.train.binarize != Binarize::None {
                true => resolved.model.clone().of_binary_data(),
                false => resolved.model.clone(),
            };
            let spec = options.spec(image)?;
            spec.validate()?;
            Ok(spec)
        }
    }
}

/// Refuses values that are far from those that a network learns, where nobody said that they are to be taken as they are.
fn check_unscaled(spec: &ModelSpec, dataset: &Dataset) -> Result<()> {
    let is_gaussian = matches!(spec.likelihood, Likelihood::Gaussian { .. });
    if !is_gaussian || matches!(dataset.train.values, Values::Bytes(_)) {
        return Ok(());
    }
    let (least, most) = dataset.train.value_range();
    if least >= -MOST_UNSCALED && most <= MOST_UNSCALED {
        return Ok(());
    }
    Err(Error::config(
        format!(
            "the images' values reach from {least} to {most}, and a network learns those that are about 1"
        ),
        "`scale = …` with the greatest value that there can be, or `scale = range`; `likelihood = gaussian` takes them as they are",
    ))
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
    match asked.options.image_size {
        Some((height, width)) if (height, width) != (image.height, image.width) => {
            return Err(fault(format!("--image-size {height}x{width}")));
        }
        _ => {}
    }
    match asked.options.channels {
        Some(channels) if channels != image.channels => {
            Err(fault(format!("--channels {channels}")))
        }
        _ => Ok(()),
    }
}

/// Says what the values of the data are, and what looks wrong about them.
fn say_values(look: Option<&Look>) {
    let Some(look) = look else { return };
    note(format_args!("values: {}", look.values));
    look.warnings.iter().for_each(warn);
}

/// Says what is about to be trained, on what.
fn introduce(folder: &RunFolder, dataset: &Dataset, asked: Option<&ModelOptions>) {
    let run = folder.config();
    note(format_args!(
        "data: {}, {} training and {} test images of {}",
        dataset.name,
        text::grouped(dataset.train.len() as u64),
        text::grouped(dataset.test.len() as u64),
        dataset.train.shape
    ));
    say_values(dataset.look.as_ref());
    let shape = dataset.train.shape;
    if shape.height == 1 && shape.channels == 1 && run.data.options.image_size.is_none() {
        note(format_args!(
            "  rows of values, which pictures show as lines: --image-size HxW for values of images"
        ));
    }
    if let Some(moves) = run.train.augment.in_words() {
        note(format_args!("  {moves}"));
    }
    introduce_model(&run.model, asked);
    if let Some(kl) = run.train.kl_in_words() {
        note(format_args!("  {kl}"));
    }
    if run.train.ema > 0.0 {
        note(format_args!(
            "  tests, pictures and the saved model go by an average of the parameters, of decay {}",
            run.train.ema
        ));
    }
    if let Some(values) = text::values(&run.model, run.train.binarize, run.is_binary()) {
        note(format_args!("  {values}"));
    }
    if let Some(range) = run.shades().in_words(run.model.image) {
        note(format_args!("  {range}"));
    }
    note(format_args!("run folder: {}", folder.path().display()));
}

/// Says what the model and its loss are. Of a model that was asked for also how to choose what was left to the images.
fn introduce_model(spec: &ModelSpec, asked: Option<&ModelOptions>) {
    note(format_args!(
        "model: {}, {} parameters",
        text::model(spec),
        text::grouped(spec.parameter_count())
    ));
    if asked.is_some_and(|asked| asked.net.is_auto()) && spec.is_of_maps() {
        note(
            "  convolutions, for images of this kind: --net, --width, --encoder, --latent and --activation choose others",
        );
    }
    note(format_args!("loss: {}", text::objective(spec)));
    let is_open = asked.is_some_and(|asked| asked.likelihood.is_none());
    if is_open && matches!(spec.likelihood, Likelihood::Gaussian { .. }) {
        note("  a Gaussian, for images of this kind: --likelihood and --sigma choose another loss");
    }
}
