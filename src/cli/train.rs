//! `elbo train`

mod args;
mod dry_run;
mod job;
mod resume;
mod together;

use std::process::ExitCode;
use std::time::SystemTime;

pub(super) use args::TrainArgs;

use self::job::{From, or_lost};
use self::together::Company;
use super::config::{self, Resolved};
use super::init;
use super::loading::Loading;
use super::reporter::Reporter;
use super::signals::Signals;
use super::{find_device, note, text, warn};
use crate::data::{self, Binarize, DataOptions, Dataset, Look};
use crate::error::{Error, Result};
use crate::model::{Condition, ConditionName, Likelihood, Model, ModelOptions, ModelSpec, Weights};
use crate::plan::{self, Predicted, Runtime};
use crate::train::{
    self, DataConfig, DeviceMemory, Executor, InitFrom, Record, RunConfig, RunFolder, TrainOptions,
    Trainer, warm_up,
};

/// Greatest magnitude of values that nobody has to scale, such as standardized ones.
const MOST_UNSCALED: f32 = 16.0;

pub(super) fn run(args: &TrainArgs) -> anyhow::Result<ExitCode> {
    together::run(args, |args, company| match &args.resume {
        Some(path) => resume::run(args, company, path),
        None => start(args, company),
    })
}

/// A new run, of which nothing is written yet.
struct New {
    ready: Ready,
    resolved: Resolved,
    spec: ModelSpec,
    /// What is to be said of the batch.
    batch: Option<String>,
    /// Parameters to start from, and where they are from.
    initial: Option<(InitFrom, Weights)>,
    started: SystemTime,
}

impl New {
    fn make(args: &TrainArgs, company: &Company) -> Result<Self> {
        let started = SystemTime::now();
        let file = match &args.config {
            Some(path) => config::read(path)?,
            None => toml::Table::new(),
        };
        let (file, earlier) = init::from(args.init_from.as_deref(), args.checkpoint, file)?;
        let mut resolved = config::merge(args, file)?;
        check_early(&resolved, company)?;
        args.pace(resolved.checkpoints).validate()?;
        if let (Some(out), true) = (&args.out, company.ranks.is_first()) {
            RunFolder::check_new(out)?;
        }
        let ready = Ready::make(&resolved, company, args.quiet, args.dry_run)?;
        let batch = resolved.fit_batch(ready.dataset.train.len());
        let spec = with_image(&resolved, &ready.dataset)?;
        ready.check(&spec, &resolved.train)?;
        if resolved.model.likelihood.is_none() {
            check_unscaled(&spec, &ready.dataset)?;
        }
        // Before there is a folder: a file that does not fit leaves nothing behind.
        let initial = earlier.map(|initial| {
            let from = initial.from.clone();
            initial.weights(&spec).map(|weights| (from, weights))
        });
        let initial = initial.transpose()?;
        match ready.check_room(&spec, &resolved.train, company) {
            Err(short) if args.dry_run && company.ranks.is_first() => warn(short),
            Err(_) if args.dry_run => {}
            room => room?,
        }
        Ok(Self {
            ready,
            resolved,
            spec,
            batch,
            initial,
            started,
        })
    }

    /// What it is made from.
    fn config(&self) -> RunConfig {
        let dataset = &self.ready.dataset;
        RunConfig {
            compute: self.resolved.compute.clone(),
            data: self.resolved.data.clone().anchored(),
            model: self.spec.clone(),
            train: self.resolved.train.clone(),
            checkpoints: self.resolved.checkpoints,
            init_from: self.initial.as_ref().map(|(from, _)| from.clone()),
            record: Record {
                reading: dataset.reading.clone(),
                columns: dataset.columns.clone(),
                values: dataset.look.clone(),
                ..Record::new(&self.ready.device, &dataset.name, self.started)
            },
        }
    }

    /// Makes its folder.
    fn folder(&self, args: &TrainArgs, run: RunConfig) -> Result<(RunFolder, Signals)> {
        let path = match &args.out {
            Some(out) => out.clone(),
            None => {
                let name = &self.ready.dataset.name;
                RunFolder::claim_default(self.started, self.spec.kind, name)?
            }
        };
        let signals = Signals::listen()?;
        Ok((RunFolder::create(&path, run)?, signals))
    }
}

/// Trains a new model.
fn start(args: &TrainArgs, company: &Company) -> anyhow::Result<ExitCode> {
    let ranks = &company.ranks;
    let new = ranks.agree(New::make(args, company))?;
    if args.dry_run {
        return match ranks.is_first() {
            true => show(new, args.quiet),
            false => Ok(ExitCode::SUCCESS),
        };
    }
    let run = new.config();
    company.check_same_options(&run)?;
    company.check_same_images(&new.ready.dataset, &new.ready.device)?;
    let folder = ranks.is_first().then(|| new.folder(args, run.clone()));
    let folder = ranks.agree(folder.transpose())?;
    let Ready {
        runtime, dataset, ..
    } = new.ready;
    let job = args.job(company, &dataset, run.checkpoints);
    let from = match new.initial {
        Some((_, weights)) => From::Weights(weights),
        None => From::Seed,
    };
    let Some((folder, signals)) = folder else {
        return job.follow(runtime.and_then(|it| job.trainer(it, &from, &run)));
    };
    if !args.quiet {
        introduce(&folder, &dataset, Some(&new.resolved.model));
        new.batch.into_iter().for_each(note);
        company.introduce();
    }
    let mut reporter = Reporter::new(folder, &dataset, signals, args.shown());
    let trainer = runtime.and_then(|it| job.trainer(it, &from, reporter.config()));
    let outcome = job.train(trainer, from, &mut reporter);
    reporter.finish(outcome)
}

/// Shows what would be trained.
fn show(new: New, quiet: bool) -> anyhow::Result<ExitCode> {
    let New {
        ready,
        resolved,
        spec,
        ..
    } = new;
    if !quiet {
        introduce_model(&spec, Some(&resolved.model));
    }
    dry_run::print_layers(&Model::new(&spec)?)?;
    let split_seed = resolved.data.options.seed;
    let trainer = Trainer::new(
        ready.runtime?,
        &spec,
        &resolved.train,
        &ready.dataset,
        split_seed,
    )?;
    dry_run::print_memory(&trainer.device_memory())?;
    Ok(ExitCode::SUCCESS)
}

/// What has to be there before training starts.
struct Ready {
    /// Lost already, or there.
    runtime: Result<Box<dyn Runtime>>,
    /// Name of the device.
    device: String,
    executor: Executor,
    dataset: Dataset,
}

impl Ready {
    /// The images are read while the device gets ready for them.
    fn make(resolved: &Resolved, company: &Company, quiet: bool, dry_run: bool) -> Result<Self> {
        let source = &resolved.data.source;
        let options = DataOptions {
            processes: company.place.on_machine,
            ..resolved.data.options.clone()
        };
        let loading = Loading::start(source, options, quiet);
        let (selection, before) = (&resolved.compute.device, company.place.before);
        let (device, lines) = find_device(selection, resolved.train.precision, before)?;
        loading.note(lines);
        let (name, memory) = (device.name(), DeviceMemory::of(&device));
        let mut runtime: Box<dyn Runtime> = match dry_run {
            true => Box::new(Predicted::new(device)),
            false => plan::open(device, resolved.compute.tune),
        };
        let executor = Executor::new(memory, runtime.as_ref());
        let warm = match data::expect(source) {
            // Several processes take over the choices of the first one.
            Some(expected) if company.ranks.count() == 1 => {
                let options = &resolved.train;
                warm_up(runtime.as_mut(), &resolved.model, options, expected)
            }
            _ => Ok(()),
        };
        let dataset = loading.finish()?;
        Ok(Self {
            runtime: or_lost(warm.map(|()| runtime))?,
            device: name,
            executor,
            dataset: match resolved.model.condition {
                Some(ConditionName::Class) => Condition::of(&dataset)?.number_all(dataset)?,
                None => dataset,
            },
        })
    }

    /// Checks that there is the memory.
    fn check_room(
        &self,
        spec: &ModelSpec,
        options: &TrainOptions,
        company: &Company,
    ) -> Result<()> {
        let (ranks, processes) = (&company.ranks, company.place.on_machine);
        train::check_room(
            spec,
            options,
            &self.dataset,
            self.executor,
            ranks,
            processes,
        )
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
fn check_early(resolved: &Resolved, company: &Company) -> Result<()> {
    resolved.check_model()?;
    resolved.checkpoints.validate()?;
    resolved.train.check()?;
    company.ranks.check_shards(resolved.train.shards)
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
            let mut options = match is_binary || resolved.train.binarize != Binarize::None {
                true => resolved.model.clone().of_binary_data(),
                false => resolved.model.clone(),
            };
            check_classes(&options, dataset)?;
            if options.condition.is_some() {
                options.classes.clone_from(&dataset.classes);
            }
            let spec = options.spec(image)?;
            spec.validate()?;
            Ok(spec)
        }
    }
}

/// Refuses data of other classes than a configuration says.
fn check_classes(options: &ModelOptions, dataset: &Dataset) -> Result<()> {
    if options.classes.is_empty() || options.classes == dataset.classes {
        return Ok(());
    }
    let words = |classes: &[String]| Condition::new(classes.to_vec()).in_words();
    Err(Error::config(
        format!(
            "the configuration is for images of {}, but those of {} are of {}",
            words(&options.classes),
            dataset.name,
            words(&dataset.classes)
        ),
        "the data that it is for, or a configuration without `classes`",
    ))
}

/// Refuses values that are far from those that a network learns, where nobody said that they are to be taken as they are.
fn check_unscaled(spec: &ModelSpec, dataset: &Dataset) -> Result<()> {
    let is_gaussian = matches!(spec.likelihood, Likelihood::Gaussian { .. });
    if !is_gaussian || dataset.train.are_bytes() {
        return Ok(());
    }
    let (least, most) = dataset.train.value_range()?;
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
    if let Some(condition) = &run.model.condition {
        note(format_args!(
            "  the model is told the class of each: {}",
            condition.in_words()
        ));
    }
    if let Some(moves) = run.train.augment.in_words() {
        note(format_args!("  {moves}"));
    }
    introduce_model(&run.model, asked);
    if let Some(kl) = run.train.kl_in_words(&run.model) {
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
