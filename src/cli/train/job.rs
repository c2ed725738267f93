//! Training from its start to its end, over losses of its device.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use super::together::{Company, Silent};
use crate::cli::find_device;
use crate::cli::reporter::Reporter;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::model::Weights;
use crate::plan::{self, Runtime};
use crate::train::{Clock, Ending, Observer, Pace, RunConfig, State, Trainer};

/// Time for a driver to come back after a loss that followed another at once.
const PAUSE: Duration = Duration::from_secs(1);

/// What training starts from.
pub(super) enum From {
    /// Random parameters.
    Seed,
    /// Given parameters: they are kept at once, as their file may change.
    Weights(Weights),
    /// A checkpoint of the run.
    State(Box<State>),
}

/// A training that goes on from the last checkpoint where its device is lost.
pub(super) struct Job<'a> {
    pub(super) company: &'a Company,
    pub(super) dataset: &'a Dataset,
    pub(super) pace: Pace,
    /// How often in a row the device may be lost without a new checkpoint.
    pub(super) retries: u32,
}

/// What failed otherwise than by a loss, at once; a loss is for [`Job::train`], which knows what to do about it.
pub(super) fn or_lost<T>(made: Result<T>) -> Result<Result<T>> {
    match made {
        Err(lost @ Error::Lost { .. }) => Ok(Err(lost)),
        made => made.map(Ok),
    }
}

impl Job<'_> {
    /// A trainer for a run, with what it starts from, which is for the first process to know.
    pub(super) fn trainer(
        &self,
        runtime: Box<dyn Runtime>,
        from: &From,
        run: &RunConfig,
    ) -> Result<Trainer> {
        let ranks = &self.company.ranks;
        let (spec, options, split_seed) = (&run.model, &run.train, run.data.options.seed);
        let made = Trainer::among(ranks, runtime, spec, options, self.dataset, split_seed);
        let ready = made.and_then(|mut trainer| {
            match from {
                From::Seed => {}
                From::Weights(weights) => trainer.start_from(weights)?,
                From::State(state) => trainer.restore(state)?,
            }
            Ok(trainer)
        });
        let mut trainer = ranks.agree(ready)?;
        trainer.share()?;
        Ok(trainer)
    }

    /// Trains to the end as a process that is not the first one.
    pub(super) fn follow(&self, trainer: Result<Trainer>) -> anyhow::Result<ExitCode> {
        let mut watch = Silent::new()?;
        let outcome = trainer.and_then(|mut trainer| trainer.run(&Pace::default(), &mut watch));
        watch.finish(outcome)
    }

    /// Trains to the end. A device that was lost is opened again, and the steps since the last checkpoint are repeated; where
    /// several processes train, it ends them.
    pub(super) fn train(
        &self,
        mut trainer: Result<Trainer>,
        mut from: From,
        reporter: &mut Reporter<'_>,
    ) -> Result<Ending> {
        let mut clock = None;
        let is_shared = self.company.ranks.count() > 1;
        let (mut losses, mut kept) = (0, None);
        loop {
            let outcome = trainer.and_then(|it| self.attempt(it, &from, &mut clock, reporter));
            let what = match outcome {
                Err(Error::Lost { what }) if !is_shared && !reporter.wants_to_stop() => what,
                ended => return ended,
            };
            let state = reporter.last_state()?;
            let step = state.as_ref().map(|state| state.position.steps);
            losses = if kept == Some(step) { losses + 1 } else { 1 };
            kept = Some(step);
            if losses > self.retries {
                return Err(Error::lost(what));
            }
            reporter.go_on(&what, state.as_ref(), (losses, self.retries))?;
            if let Some(state) = state {
                from = From::State(Box::new(state));
            }
            thread::sleep(PAUSE * (losses - 1));
            let runtime = reopen(reporter);
            trainer = runtime.and_then(|it| self.trainer(it, &from, reporter.config()));
        }
    }

    fn attempt(
        &self,
        mut trainer: Trainer,
        from: &From,
        clock: &mut Option<Clock>,
        reporter: &mut Reporter<'_>,
    ) -> Result<Ending> {
        if matches!(from, From::Weights(_)) {
            reporter.checkpoint(&trainer.state()?)?;
        }
        let clock = clock.get_or_insert_with(|| trainer.clock(&self.pace));
        trainer.run_by(clock, reporter)
    }
}

/// Opens the device of a run again. On another one the steps would round differently.
fn reopen(reporter: &Reporter<'_>) -> Result<Box<dyn Runtime>> {
    let run = reporter.config();
    let opened = find_device(&run.compute.device, run.train.precision, 0);
    let (device, _) = opened.map_err(|error| match error {
        // A driver that starts again takes its time: the next try may find it.
        Error::Device { what, .. } => Error::lost(what),
        other => other,
    })?;
    let (name, known) = (device.name(), &run.record.device);
    if name != *known {
        return Err(Error::lost(format!(
            "{known}: not there any more, but {name} is"
        )));
    }
    Ok(plan::open(device, run.compute.tune))
}
