//! `elbo train --resume`

use std::path::Path;
use std::process::ExitCode;

use super::losses::{From, or_lost};
use super::{Ready, TrainArgs, check_early, introduce, with_image};
use crate::cli::config::{self, Resolved};
use crate::cli::init;
use crate::cli::reporter::{self, Reporter};
use crate::cli::signals::Signals;
use crate::cli::{note, text};
use crate::error::{Error, Result};
use crate::train::{DataConfig, Ending, Position, RunConfig, RunFolder, TrainOptions};

/// Options that may change when a run goes on.
const CHANGEABLE: [&str; 8] = [
    "device",
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

/// Says what to do where the images are not where they were.
fn check_place(given: Option<&toml::Value>, data: &DataConfig) -> Result<()> {
    let place = Path::new(&data.source);
    if given.is_none() && place.is_absolute() && !place.exists() {
        return Err(Error::data(
            place,
            "the images of the run are not there any more",
            "--data with the place where they are now",
        ));
    }
    Ok(())
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
fn note_stretched(before: u32, options: &TrainOptions, steps: u64) {
    let by_epochs = options.goes_by_epochs();
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
fn resolve(args: &TrainArgs, before: &RunConfig) -> Result<(Resolved, RunConfig)> {
    let resolved = config::merge(args, config::of(before)?)?;
    check_early(&resolved)?;
    args.pace(resolved.checkpoints).validate()?;
    let config = RunConfig {
        compute: resolved.compute.clone(),
        data: resolved.data.clone().anchored(),
        model: resolved.model.spec(before.model.image)?,
        train: resolved.train.clone(),
        checkpoints: resolved.checkpoints,
        ..before.clone()
    };
    Ok((resolved, config))
}

/// Goes on with a run from its last checkpoint.
pub(super) fn run(args: &TrainArgs, path: &Path) -> anyhow::Result<ExitCode> {
    let (mut folder, saved) = RunFolder::resume(path)?;
    let before = folder.config().clone();
    let (resolved, mut config) = resolve(args, &before)?;
    let position = saved
        .as_ref()
        .map(|saved| saved.state.position.clone())
        .unwrap_or_default();
    let ending = position.ending(&config.train);
    // Of a run that is over no images are read, so that nobody would see whether they are the same.
    refuse_changes(path, &before, &config, saved.is_some() && ending.is_none())?;
    if let Some(ending) = ending {
        if !args.quiet {
            note(format_args!(
                "{}: {}",
                path.display(),
                over(ending, &position)
            ));
        }
        reporter::results(&folder, ending, args.shown())?;
        return Ok(ExitCode::SUCCESS);
    }
    position.check(&config.train)?;

    check_place(config::flags(args)?.get("data"), &config.data)?;
    // Without a checkpoint it starts again, and from what it started from.
    let initial = match (&saved, &before.init_from) {
        (None, Some(known)) => Some(init::again(known)?),
        _ => None,
    };
    let ready = Ready::make(&resolved, args.quiet, false)?;
    let spec = with_image(&resolved, &ready.dataset)?;
    ready.check_whole(&spec, &resolved.train)?;
    let fingerprint = ready.dataset.fingerprint();
    if saved
        .as_ref()
        .is_some_and(|saved| saved.data != fingerprint)
    {
        return Err(Error::data(
            &config.data.source,
            "these are not the images that the run was trained on: it cannot go on as it would have",
            "the same data, or a new run with --init-from",
        )
        .into());
    }
    let Ready {
        runtime,
        dataset,
        device,
        ..
    } = ready;
    let initial = initial.map(|initial| initial.weights(&spec)).transpose()?;
    let from = match (saved, initial) {
        (Some(saved), _) => From::State(Box::new(saved.state)),
        (None, Some(weights)) => From::Weights(weights),
        (None, None) => From::Seed,
    };
    let job = args.job(&dataset, resolved.checkpoints);
    // All that can be refused, by the device too, comes before anything is written.
    let trainer = or_lost(runtime.and_then(|it| job.trainer(it, &from, &config)))?;
    config.record.go_on(&position, device);
    let signals = Signals::listen()?;
    folder.go_on(&position, config)?;
    if !args.quiet {
        introduce(&folder, &dataset, None);
        note(format_args!(
            "goes on at step {}, after {}",
            position.steps,
            text::counted(u64::from(position.epochs), "epoch")
        ));
        note_stretched(before.train.epochs, &resolved.train, position.steps);
    }
    let mut reporter = Reporter::new(folder, &dataset, signals, args.shown()).resuming(fingerprint);
    let outcome = job.train(trainer, from, &mut reporter);
    reporter.finish(outcome)
}
