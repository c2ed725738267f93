//! Several processes that train one model.
//!
//! The first one is the program that it is alone: it writes the run folder and speaks. The others compute their part.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use super::TrainArgs;
use crate::cli::signals::Signals;
use crate::cli::{exit_code, note, say_error};
use crate::data::Dataset;
use crate::device;
use crate::error::{Error, Result};
use crate::ranks::{Place, Ranks};
use crate::train::{Ending, Observer, Progress, RunConfig};

/// Keys in which the processes of a run may differ: where the same images lie, and what computes.
const OWN: [&str; 4] = ["data", "mirror", "device", "tune"];

/// Runs the command as one of the processes that the launcher has started, or alone.
pub(super) fn run(
    args: &TrainArgs,
    command: impl FnOnce(&TrainArgs, &Company) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let ranks = Ranks::join()?;
    let outcome = Company::make(&ranks)
        .map_err(Into::into)
        .and_then(|company| match ranks.is_first() {
            true => command(args, &company),
            false => command(&args.clone().silent(), &company),
        });
    let error = match outcome {
        Ok(code) => {
            ranks.leave()?;
            return Ok(code);
        }
        Err(error) if ranks.count() == 1 => return Err(error),
        Err(error) => error,
    };
    let code = exit_code(&error);
    // Found in what all processes have.
    let is_alike = matches!(
        error.downcast_ref(),
        Some(Error::NotFinite { .. } | Error::Diverged { .. })
    );
    if !is_alike && !ranks.have_agreed() {
        let whose = format!("process {} of {}: ", ranks.rank(), ranks.count());
        say_error(&whose, &error);
        ranks.abort(code)
    }
    // A launcher may end all processes as soon as one of them has failed: only the first one does, behind its message.
    let code = match ranks.is_first() {
        true => {
            say_error("", &error);
            code
        }
        false => 0,
    };
    ranks.leave()?;
    Ok(ExitCode::from(code))
}

/// This process among those that train with it.
pub(super) struct Company {
    pub(super) ranks: Ranks,
    pub(super) place: Place,
}

impl Company {
    /// Makes sure that the others run the same program, and takes its share of the processors that they have together.
    fn make(ranks: &Ranks) -> Result<Self> {
        let ranks = ranks.clone();
        if ranks.count() == 1 {
            return Ok(Self {
                ranks,
                place: Place::ALONE,
            });
        }
        ranks.check_equal(
            &program(),
            |first, other| {
                Ok((first != other).then(|| format!("it is {other}, and process 0 is {first}")))
            },
            "one program for all processes",
        )?;
        let place = ranks.place()?;
        let threads = std::thread::available_parallelism().map_or(1, Into::into);
        if std::env::var_os("RAYON_NUM_THREADS").is_none() {
            rayon::ThreadPoolBuilder::new()
                .num_threads((threads / place.sharers).max(1))
                .build_global()
                .map_err(|error| Error::internal(format!("threads: {error}")))?;
        }
        Ok(Self { ranks, place })
    }

    /// Says how many train.
    pub(super) fn introduce(&self) {
        let count = self.ranks.count();
        if count > 1 {
            note(format_args!(
                "processes: {count}, each with its part of every batch"
            ));
        }
    }

    /// Checks that all processes are about to train the same model on the same images. `device` is the name of this one's.
    pub(super) fn check_same_run(
        &self,
        run: &RunConfig,
        dataset: &Dataset,
        device: &str,
    ) -> Result<()> {
        if self.ranks.count() == 1 {
            return Ok(());
        }
        let own = Intent {
            config: run.to_toml()?,
            images: dataset.fingerprint(),
            device: device::computes(device).to_owned(),
        };
        let own = serde_json::to_string(&own).map_err(broken)?;
        let hint = "the same options, images and kind of device for all processes";
        self.ranks.check_equal(&own, differences, hint)
    }
}

/// What a process is about to do.
#[derive(Serialize, Deserialize)]
struct Intent {
    /// Its `config.toml`.
    config: String,
    /// Hash of its images.
    images: String,
    /// What computes.
    device: String,
}

/// What another process is about to do otherwise than the first one.
fn differences(first: &str, other: &str) -> Result<Option<String>> {
    if first == other {
        return Ok(None);
    }
    let [first, other]: [Intent; 2] = [
        serde_json::from_str(first).map_err(broken)?,
        serde_json::from_str(other).map_err(broken)?,
    ];
    let config = |text| RunConfig::from_toml(text, Path::new("the run's config.toml"));
    let mut changes = config(&first.config)?.differences(&config(&other.config)?)?;
    changes.retain(|change| !OWN.contains(&change.key.as_str()));
    let changed =
        |(key, one, two): (&str, &str, &str)| format!("{key}: {two}, and {one} in process 0");
    let mut found: Vec<String> = changes
        .iter()
        .map(|change| changed((&change.key, &change.one, &change.other)))
        .collect();
    if first.images != other.images {
        found.push("its images are others than those of process 0".to_owned());
    }
    if first.device != other.device {
        found.push(changed(("device", &first.device, &other.device)));
    }
    Ok((!found.is_empty()).then(|| found.join("\n  ")))
}

fn broken(reason: serde_json::Error) -> Error {
    Error::internal(format!("a message between processes: {reason}"))
}

/// The program and the kind of machine that it was built for.
fn program() -> String {
    use std::env::consts::{ARCH, OS};
    format!(
        "{} {} for {OS} on {ARCH}",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION")
    )
}

/// Whoever watches a process that is not the first one: it may only be told to stop, by a signal.
pub(super) struct Silent(Signals);

impl Silent {
    pub(super) fn new() -> Result<Self> {
        let signals = Signals::listen()?;
        // The first process does.
        let _ = signals.first_to_say();
        Ok(Self(signals))
    }

    /// What a process that is not the first one makes of the end of training.
    pub(super) fn finish(&self, outcome: Result<Ending>) -> anyhow::Result<ExitCode> {
        let ending = outcome?;
        let signal = self.0.received().filter(|_| ending == Ending::BrokenOff);
        Ok(signal.map_or(ExitCode::SUCCESS, |(_, code)| ExitCode::from(code)))
    }
}

impl Observer for Silent {
    fn progress(&mut self, _: &Progress) -> ControlFlow<()> {
        match self.wants_to_stop() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn wants_to_stop(&self) -> bool {
        self.0.received().is_some()
    }
}
