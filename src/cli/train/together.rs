//! Several processes that train one model.
//!
//! The first one is the program that it is alone: it writes the run folder and speaks. The others compute their part.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use super::TrainArgs;
use crate::cli::signals::Signals;
use crate::cli::{exit_code, note, say_error};
use crate::data::Dataset;
use crate::device;
use crate::error::{Error, Result};
use crate::ranks::{Place, Ranks};
use crate::train::{Change, Ending, Observer, Progress, RunConfig};

/// Keys in which the processes of a run may differ: where the same images lie, and what computes.
const OWN: [&str; 6] = [
    "data",
    "mirror",
    "device",
    "device-memory",
    "host-memory",
    "cache",
];

/// Runs the command as one of the processes that the launcher has started, or alone.
pub(super) fn run(
    args: &TrainArgs,
    command: impl FnOnce(&TrainArgs, &Company) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let ranks = Ranks::join()?;
    let _panics = Panics(&ranks);
    let way = match args {
        TrainArgs { dry_run: true, .. } => "for a dry run",
        TrainArgs {
            resume: Some(_), ..
        } => "for a run that goes on",
        _ => "for a new run",
    };
    let outcome = Company::make(&ranks, way)
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
    if code == 0 {
        // Whoever read our results had enough.
        ranks.leave()?;
        return Ok(ExitCode::SUCCESS);
    }
    if !ranks.have_agreed() {
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
    fn make(ranks: &Ranks, way: &str) -> Result<Self> {
        let ranks = ranks.clone();
        if ranks.count() == 1 {
            return Ok(Self {
                ranks,
                place: Place::ALONE,
            });
        }
        ranks.check_equal(
            &program(way),
            |first, other| {
                Ok((first != other).then(|| format!("it is {other}, and process 0 is {first}")))
            },
            "one program with the same options for all processes",
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

    /// Checks that all processes have the same options.
    pub(super) fn check_same_options(&self, run: &RunConfig) -> Result<()> {
        let config = |text: &str| RunConfig::from_toml(text, Path::new("the run's config.toml"));
        let tell = |first: &str, other: &str| {
            let mut changes = config(first)?.differences(&config(other)?)?;
            changes.retain(|change| !OWN.contains(&change.key.as_str()));
            let changes = changes.iter().map(|change| {
                let Change { key, one, other } = change;
                format!("{key}: {other}, and {one} in process 0")
            });
            let changes: Vec<String> = changes.collect();
            Ok((!changes.is_empty()).then(|| changes.join("\n  ")))
        };
        let hint = "the same options for all processes";
        self.ranks.check_equal(&run.to_toml()?, tell, hint)
    }

    /// Checks that all processes have the same images, and compute alike. `device` is the name of this one's.
    pub(super) fn check_same_images(&self, dataset: &Dataset, device: &str) -> Result<()> {
        if self.ranks.count() == 1 {
            return Ok(());
        }
        let own = format!("{}\n{}", dataset.fingerprint()?, device::computes(device));
        let tell = |first: &str, other: &str| {
            let [first, other] = [first, other].map(|text| text.split_once('\n'));
            let (Some((images, device)), Some((others, other))) = (first, other) else {
                return Err(Error::internal("a message between processes"));
            };
            if images != others {
                return Ok(Some(
                    "its images are others than those of process 0".to_owned(),
                ));
            }
            let what = || format!("it computes on {other}, and process 0 on {device}");
            Ok((device != other).then(what))
        };
        let hint = "the same images and one kind of device for all processes";
        self.ranks.check_equal(&own, tell, hint)
    }
}

/// The program, the kind of machine that it was built for, and what it is to do.
fn program(way: &str) -> String {
    use std::env::consts::{ARCH, OS};
    format!(
        "{} {} for {OS} on {ARCH}, {way}",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION")
    )
}

/// Ends the other processes where this one panics: they would wait for it.
struct Panics<'a>(&'a Ranks);

impl Drop for Panics<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && self.0.count() > 1 {
            self.0.abort(PANICKED);
        }
    }
}

/// Exit code of a program that panicked.
const PANICKED: u8 = 101;

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
