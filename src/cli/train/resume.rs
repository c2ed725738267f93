//! `elbo train --resume`

use std::path::Path;
use std::process::ExitCode;

use super::job::{From, or_lost};
use super::together::Company;
use super::{Ready, TrainArgs, check_early, introduce, with_image};
use crate::cli::config::{self, Resolved};
use crate::cli::init;
use crate::cli::reporter::{self, Reporter};
use crate::cli::saved;
use crate::cli::signals::Signals;
use crate::cli::{note, text};
use crate::error::{Error, Result};
use crate::model::{ModelSpec, Weights};
use crate::train::{Ending, Position, RunConfig, RunFolder, SavedState, TrainOptions};

/// Options that may change when a run goes on.
const CHANGEABLE: [&str; 11] = [
    "device",
    "device-memory",
    "host-memory",
    "cache",
    "tune",
    "epochs",
    "patience",
    "log-every",
    "pictures-every",
    "checkpoint-every",
    "keep",
];

/// Where the images lie, which may change too where a checkpoint knows their hash.
const PLACE: [&str; 2] = ["data", "mirror"];

/// Refuses to go on with another model, other data or other training than a run has.
fn refuse_changes(
    path: &Path,
    before: &RunConfig,
    now: &RunConfig,
    knows_images: bool,
) -> Result<()> {
    let place = if knows_images { &PLACE[..] } else { &[] };
    let changed: Vec<String> = before
        .differences(now)?
        .into_iter()
        .filter(|change| {
            let mut changeable = CHANGEABLE.iter().chain(place);
            !changeable.any(|key| change.key == *key)
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

/// Why there is nothing to go on with.
fn over(ending: Ending, position: &Position) -> String {
    let (how, more) = match ending {
        Ending::Stale => ("stopped early", "--patience"),
        _ => ("finished", "--epochs"),
    };
    let epochs = position.epochs;
    let count = text::counted(u64::from(epochs), "epoch");
    format!("{how} already, after {count}; {more} with more of them goes on")
}

/// Says where more epochs change what the steps that are left do: the run is not that of as many epochs in one go.
fn note_stretched(before: u32, options: &TrainOptions, spec: &ModelSpec, steps: u64) {
    let by_epochs = options.goes_by_epochs(spec);
    if options.epochs != before && !by_epochs.is_empty() && steps > 0 {
        note(format_args!(
            "warning: {} goes by the number of epochs, {before} so far and {} now: what follows differs from a run of {} \
             epochs in one go",
            by_epochs.join(" and "),
            options.epochs,
            options.epochs
        ));
    }
}

/// What the options make of a run: as it is to be trained, and as it is to be recorded.
fn resolve(
    args: &TrainArgs,
    company: &Company,
    before: &RunConfig,
) -> Result<(Resolved, RunConfig)> {
    let resolved = config::merge(args, config::of(before)?)?;
    check_early(&resolved, company)?;
    args.pace(resolved.checkpoints).validate()?;
    // The images may lie elsewhere now, but their classes are those of the run.
    let mut model = resolved.model.clone();
    if model.condition.is_some() && model.classes.is_empty() {
        let classes = before.model.condition.iter();
        model.classes = classes.flat_map(|it| it.classes().to_vec()).collect();
    }
    let config = RunConfig {
        compute: resolved.compute.clone(),
        data: resolved.data.clone().anchored(),
        model: model.spec(before.model.image)?,
        train: resolved.train.clone(),
        checkpoints: resolved.checkpoints,
        ..before.clone()
    };
    Ok((resolved, config))
}

/// A run to go on with, as all processes know it.
struct Before {
    config: RunConfig,
    /// Its last checkpoint: where it is, and the hash of its images.
    kept: Option<(Position, String)>,
}

impl Before {
    /// That of the folder which the first process has opened.
    fn of(
        opened: Option<&(RunFolder, Option<SavedState>)>,
        company: &Company,
        path: &Path,
    ) -> Result<Self> {
        let known = opened.map(|(folder, saved)| {
            let kept = saved.as_ref();
            let kept = kept.map(|saved| (saved.state.position.clone(), saved.data.clone()));
            (folder.config().clone(), kept)
        });
        let (config, kept) = company.ranks.from_first(|| {
            let (config, kept) = known.as_ref().ok_or_else(|| Error::internal("no run"))?;
            Ok((config.to_toml()?, kept.clone()))
        })?;
        let config = match known {
            Some((config, _)) => config,
            None => RunConfig::from_toml(&config, path)?,
        };
        Ok(Self { config, kept })
    }

    fn position(&self) -> Position {
        let kept = self.kept.as_ref();
        kept.map(|(position, _)| position.clone())
            .unwrap_or_default()
    }

    /// Gets ready to go on with it.
    fn prepare(
        &self,
        args: &TrainArgs,
        company: &Company,
        resolved: &Resolved,
        config: &RunConfig,
    ) -> Result<(Ready, Option<Weights>)> {
        self.position().check(&config.train)?;
        if config::flags(args)?.get("data").is_none() {
            saved::check_place(&config.data)?;
        }
        // Without a checkpoint it starts again, and from what it started from.
        let initial = match (&self.kept, &self.config.init_from) {
            (None, Some(known)) if company.ranks.is_first() => Some(init::again(known)?),
            _ => None,
        };
        let ready = Ready::make(resolved, company, args.quiet, false)?;
        let spec = with_image(resolved, &ready.dataset)?;
        ready.check(&spec, &resolved.train)?;
        ready.check_room(&spec, &resolved.train, company)?;
        if let Some((_, images)) = &self.kept
            && *images != ready.dataset.fingerprint()?
        {
            return Err(Error::data(
                &config.data.source,
                "these are not the images that the run was trained on: it cannot go on as it would have",
                "the same data, or a new run with --init-from",
            ));
        }
        let weights = initial.map(|initial| initial.weights(&spec)).transpose()?;
        Ok((ready, weights))
    }
}

/// Goes on with a run from its last checkpoint.
pub(super) fn run(args: &TrainArgs, company: &Company, path: &Path) -> anyhow::Result<ExitCode> {
    let ranks = &company.ranks;
    let opened = ranks.is_first().then(|| RunFolder::resume(path));
    let opened = ranks.agree(opened.transpose())?;
    let before = Before::of(opened.as_ref(), company, path)?;
    let position = before.position();
    let resolved = resolve(args, company, &before.config).and_then(|(resolved, config)| {
        let ending = position.ending(&config.train);
        // Of a run that is over no images are read, so that nobody would see whether they are the same.
        let knows_images = before.kept.is_some() && ending.is_none();
        refuse_changes(path, &before.config, &config, knows_images)?;
        Ok((resolved, config, ending))
    });
    let (resolved, mut config, ending) = ranks.agree(resolved)?;
    company.check_same_options(&config)?;
    if let Some(ending) = ending {
        if let Some((folder, _)) = &opened {
            if !args.quiet {
                let over = over(ending, &position);
                note(format_args!("{}: {over}", path.display()));
            }
            reporter::results(folder, ending, args.shown())?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let prepared = before.prepare(args, company, &resolved, &config);
    let (ready, initial) = ranks.agree(prepared)?;
    company.check_same_images(&ready.dataset, &ready.device)?;
    let Ready {
        runtime,
        dataset,
        device,
        ..
    } = ready;
    let job = args.job(company, &dataset, resolved.checkpoints);
    let Some((mut folder, saved)) = opened else {
        return job.follow(runtime.and_then(|it| job.trainer(it, &From::Seed, &config)));
    };
    let from = match (saved, initial) {
        (Some(saved), _) => From::State(Box::new(saved.state)),
        (None, Some(weights)) => From::Weights(weights),
        (None, None) => From::Seed,
    };
    // All that can be refused, by the device too, comes before anything is written.
    let trainer = or_lost(runtime.and_then(|it| job.trainer(it, &from, &config)))?;
    config.record.go_on(&position, device);
    let signals = Signals::listen()?;
    folder.go_on(&position, config)?;
    if !args.quiet {
        introduce(&folder, &dataset, None);
        company.introduce();
        note(format_args!(
            "goes on at step {}, after {}",
            position.steps,
            text::counted(u64::from(position.epochs), "epoch")
        ));
        note_stretched(
            before.config.train.epochs,
            &resolved.train,
            &before.config.model,
            position.steps,
        );
    }
    let images = match before.kept {
        Some((_, images)) => images,
        None => dataset.fingerprint()?,
    };
    let mut reporter = Reporter::new(folder, &dataset, signals, args.shown()).resuming(images);
    let outcome = job.train(trainer, from, &mut reporter);
    reporter.finish(outcome)
}
