//! A run that stops and goes on is the run that never stopped, to the bit.

use std::ops::ControlFlow;

use elbo::Result;
use elbo::data::{Augment, Binarize, Dataset, digits};
use elbo::device::Device;
use elbo::model::{Likelihood, ModelKind, ModelSpec, Sigma};
use elbo::plan::{self, Runtime, Tune};
use elbo::train::metrics::{Epoch, Line, Report};
use elbo::train::{
    Decay, Ending, EpochRecord, KlWeight, LearningRate, Observer, Pace, Pictures, Progress, Span,
    State, TrainOptions, Trainer,
};

use crate::support::{digest, digit_model, gpu};

/// What a run left: the lines of its metrics, without what a clock measured, and its last checkpoint.
#[derive(Default)]
struct Kept {
    lines: Vec<Line>,
    state: Option<State>,
    checkpoints: Vec<u64>,
    /// Step from which on to break off.
    break_at: Option<u64>,
    /// Whether to break off in the test of an epoch.
    break_test: bool,
}

impl Observer for Kept {
    fn progress(&mut self, progress: &Progress) -> ControlFlow<()> {
        match self.break_at {
            Some(step) if progress.step >= step => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn wants_to_stop(&self) -> bool {
        self.break_test
    }

    fn report(&mut self, report: &Report) -> Result<()> {
        self.lines.push(Line::Report(Report {
            images_per_s: 0.0,
            seconds: 0.0,
            ..report.clone()
        }));
        Ok(())
    }

    fn epoch(&mut self, record: &EpochRecord, _: Option<&Pictures>) -> Result<()> {
        self.lines.push(Line::Epoch(Epoch {
            images_per_s: 0.0,
            seconds: 0.0,
            ..record.into()
        }));
        Ok(())
    }

    fn checkpoint(&mut self, state: &State) -> Result<()> {
        self.checkpoints.push(state.position.steps);
        self.state = Some(state.clone());
        Ok(())
    }
}

/// Twelve steps an epoch, the last one short; a report each five, so that none falls on the end of an epoch.
fn data() -> Dataset {
    digits::generate(12 * 16 - 5, 40, 3)
}

/// Everything that changes from step to step: the rate, the weight of the KL, moves of the images, binarisation,
/// an average of the parameters.
pub(crate) fn options() -> TrainOptions {
    TrainOptions {
        epochs: 3,
        batch_size: 16,
        learning_rate_schedule: LearningRate {
            warm_up: Span::Steps(7),
            decay: Decay::Cosine,
            ..LearningRate::default()
        },
        kl_schedule: KlWeight {
            warm_up: Span::Epochs(1.5),
            cycles: 0,
        },
        free_bits: 0.02,
        grad_clip: 5.0,
        ema: 0.9,
        binarize: Binarize::Dynamic,
        augment: Augment {
            flip: true,
            crop: 3,
        },
        log_every: 5,
        ..TrainOptions::default()
    }
}

fn stop_after(steps: u64) -> Pace {
    Pace {
        checkpoint_every: Some(Span::Epochs(1.0)),
        stop_after: Some(Span::Steps(steps)),
    }
}

/// Every device there is, by a function that opens it anew.
type Open = Box<dyn Fn() -> Box<dyn Runtime>>;

fn devices() -> Vec<(&'static str, Open)> {
    let cpu: Open = Box::new(|| plan::open(Device::Cpu, Tune::Quick));
    let mut all = vec![("CPU", cpu)];
    if gpu().is_some() {
        let open: Open = Box::new(|| {
            let gpu = gpu().expect("it was there a moment ago");
            plan::open(Device::Gpu(Box::new(gpu)), Tune::Quick)
        });
        all.push(("GPU", open));
    }
    all
}

/// The same with a KL that is weighed by beta alone.
pub(crate) fn plain_options() -> TrainOptions {
    TrainOptions {
        kl_schedule: KlWeight::default(),
        free_bits: 0.0,
        ..options()
    }
}

/// Trains from a state, or from the start, and gives what was kept and why it ended.
fn run(
    runtime: Box<dyn Runtime>,
    spec: &ModelSpec,
    from: Option<&State>,
    pace: &Pace,
    kept: Kept,
) -> (Ending, Kept) {
    run_by(&options(), runtime, spec, from, pace, kept)
}

fn run_by(
    options: &TrainOptions,
    runtime: Box<dyn Runtime>,
    spec: &ModelSpec,
    from: Option<&State>,
    pace: &Pace,
    mut kept: Kept,
) -> (Ending, Kept) {
    let mut trainer = Trainer::new(runtime, spec, options, &data(), 0).expect("a trainer");
    if let Some(state) = from {
        trainer.restore(state).expect("a state of this run");
    }
    let ending = trainer.run(pace, &mut kept).expect("training");
    (ending, kept)
}

/// Compares a run in two parts with the whole one.
fn assert_same(whole: &Kept, first: &Kept, second: &Kept, what: &str) {
    let lines = [&first.lines[..], &second.lines[..]].concat();
    assert_eq!(lines, whole.lines, "{what}");
    let state = |kept: &Kept| {
        let mut state = kept.state.clone().expect("a checkpoint");
        state.position.seconds = 0.0;
        state
    };
    assert!(state(second) == state(whole), "{what}: another state");
    assert_eq!(
        digest(&state(second).weights),
        digest(&state(whole).weights),
        "{what}"
    );
}

#[test]
fn a_run_stopped_at_any_step_goes_on_to_the_same_bits_and_lines() {
    // All of the first epoch, both sides of its end, some of the others, the last step.
    let steps = (1..=14).chain([17, 20, 23, 24, 25, 30, 34, 35]);
    stopped_and_resumed(&digit_model(), &steps.collect::<Vec<_>>());
}

/// The mean of an epoch's squared errors is part of the state.
#[test]
fn a_run_of_an_optimal_sigma_stopped_in_mid_epoch_goes_on_to_the_same_bits() {
    let spec = ModelSpec {
        likelihood: Likelihood::Gaussian {
            sigma: Sigma::Optimal,
        },
        ..digit_model()
    };
    stopped_and_resumed(&spec, &[1, 7, 12, 13, 30]);
}

/// Compares runs that stop after so many steps with the one that does not.
pub(crate) fn stopped_and_resumed(spec: &ModelSpec, stops: &[u64]) {
    stopped_and_resumed_by(&options(), spec, stops);
}

/// The same with other options.
pub(crate) fn stopped_and_resumed_by(options: &TrainOptions, spec: &ModelSpec, stops: &[u64]) {
    for (device, open) in devices() {
        let run = |from: Option<&State>, pace: &Pace| {
            run_by(options, open(), spec, from, pace, Kept::default())
        };
        let (ending, whole) = run(None, &Pace::default());
        assert_eq!(ending, Ending::Finished);
        assert_eq!(whole.lines.len(), 3 + 7, "epochs and reports");
        for &steps in stops {
            let (ending, first) = run(None, &stop_after(steps));
            assert_eq!(ending, Ending::Stopped);
            let state = first.state.as_ref().expect("a checkpoint at the stop");
            assert_eq!(state.position.steps, steps);
            let (ending, second) = run(Some(state), &Pace::default());
            assert_eq!(ending, Ending::Finished);
            let what = format!("{device}, stopped after {steps} steps");
            assert_same(&whole, &first, &second, &what);
        }
    }
}

#[test]
fn a_run_broken_off_in_an_epoch_or_in_its_test_goes_on_to_the_same_bits() {
    let spec = digit_model();
    for (device, open) in devices() {
        let (_, whole) = run(open(), &spec, None, &Pace::default(), Kept::default());
        let breaks = |break_at, break_test| Kept {
            break_at,
            break_test,
            ..Kept::default()
        };
        let never = Pace::default();
        for (how, kept, pace) in [
            ("in an epoch", breaks(Some(15), false), &never),
            (
                "after an epoch's last step",
                breaks(Some(12), false),
                &never,
            ),
            ("in a test", breaks(None, true), &never),
            // The epoch that was asked for is not done without its test.
            ("in the last test", breaks(None, true), &stop_after(12)),
        ] {
            let (ending, first) = run(open(), &spec, None, pace, kept);
            assert_eq!(ending, Ending::BrokenOff, "{device}, {how}");
            let state = first.state.as_ref().expect("a checkpoint");
            let (_, second) = run(
                open(),
                &spec,
                Some(state),
                &Pace::default(),
                Kept::default(),
            );
            assert_same(&whole, &first, &second, &format!("{device}, {how}"));
        }
    }
}

#[test]
fn checkpoints_come_as_often_as_asked_for_and_at_the_end() {
    let spec = digit_model();
    let open = || plan::open(Device::Cpu, Tune::Quick);
    let every = |span| Pace {
        checkpoint_every: Some(span),
        stop_after: None,
    };
    // The test loss of a model this young falls at each epoch. A best one waits for the next checkpoint, which then comes
    // after its own; the last of these is kept at the end.
    for (span, steps) in [
        (Span::Epochs(1.0), vec![12, 24, 36]),
        (Span::Epochs(0.5), vec![6, 12, 18, 24, 30, 36]),
        (Span::Steps(10), vec![10, 12, 20, 24, 30, 36]),
        (Span::Epochs(7.0), vec![36]),
        (Span::Minutes(60.0), vec![36]),
        (Span::Minutes(0.0), (1..=36).collect()),
    ] {
        let (_, kept) = run(open(), &spec, None, &every(span), Kept::default());
        let is_clocked = matches!(span, Span::Minutes(0.0));
        // By the clock they also depend on how many steps go at once.
        if is_clocked {
            assert!(kept.checkpoints.len() > 3, "{:?}", kept.checkpoints);
            assert!(kept.checkpoints.iter().all(|step| steps.contains(step)));
        } else {
            assert_eq!(kept.checkpoints, steps, "{span}");
        }
    }
}

/// The best epoch of a state that is kept is kept before it, whenever that is.
#[test]
fn the_best_epoch_has_its_checkpoint_before_any_later_one() {
    // No step changes anything, and nothing is drawn: the first epoch stays the best.
    let spec = ModelSpec {
        kind: ModelKind::Ae,
        likelihood: Likelihood::SquaredError,
        ..digit_model()
    };
    let options = TrainOptions {
        epochs: 3,
        batch_size: 16,
        learning_rate: 0.0,
        ..TrainOptions::default()
    };
    for (span, stop, steps) in [
        (Span::Minutes(60.0), None, vec![12, 36]),
        (Span::Minutes(60.0), Some(Span::Steps(17)), vec![12, 17]),
        (Span::Steps(20), None, vec![12, 20, 36]),
        (Span::Epochs(2.0), None, vec![12, 24, 36]),
        (Span::Epochs(1.0), None, vec![12, 24, 36]),
    ] {
        let runtime = plan::open(Device::Cpu, Tune::Quick);
        let mut trainer = Trainer::new(runtime, &spec, &options, &data(), 0).expect("a trainer");
        let pace = Pace {
            checkpoint_every: Some(span),
            stop_after: stop,
        };
        let mut kept = Kept::default();
        trainer.run(&pace, &mut kept).expect("training");
        assert_eq!(kept.checkpoints, steps, "{span}");
        let best = kept.state.and_then(|state| state.position.best);
        assert_eq!(best.expect("a best epoch").step, 12, "{span}");
    }
}

/// Fails where it is told of an epoch, or of a report.
struct Failing {
    kept: Kept,
    epoch: Option<u32>,
    report: Option<u64>,
}

impl Observer for Failing {
    fn report(&mut self, report: &Report) -> Result<()> {
        match Some(report.step) == self.report {
            true => Err(elbo::Error::config("a report", "none")),
            false => self.kept.report(report),
        }
    }

    fn epoch(&mut self, record: &EpochRecord, pictures: Option<&Pictures>) -> Result<()> {
        match Some(record.epoch) == self.epoch {
            true => Err(elbo::Error::config("an epoch", "none")),
            false => self.kept.epoch(record, pictures),
        }
    }

    fn checkpoint(&mut self, state: &State) -> Result<()> {
        self.kept.checkpoint(state)
    }
}

#[test]
fn a_failure_leaves_a_checkpoint_of_the_last_epoch_that_was_told_of() {
    let spec = digit_model();
    // A report each five steps, an epoch each twelve. Whoever was not told of an epoch has no line of it.
    for (epoch, report, steps) in [
        (None, Some(30), vec![24]),
        (None, Some(5), vec![]),
        (Some(1), None, vec![]),
        (Some(2), None, vec![]),
    ] {
        let runtime = plan::open(Device::Cpu, Tune::Quick);
        let mut trainer = Trainer::new(runtime, &spec, &options(), &data(), 0).expect("a trainer");
        let pace = Pace {
            checkpoint_every: Some(Span::Minutes(60.0)),
            stop_after: None,
        };
        let mut failing = Failing {
            kept: Kept::default(),
            epoch,
            report,
        };
        trainer.run(&pace, &mut failing).expect_err("a failure");
        assert_eq!(failing.kept.checkpoints, steps, "{epoch:?} {report:?}");
    }
}

#[test]
fn training_stops_when_the_test_loss_no_longer_falls() {
    let spec = digit_model();
    let options = TrainOptions {
        epochs: 50,
        batch_size: 64,
        // No step changes anything: the first epoch stays the best.
        learning_rate: 0.0,
        patience: 2,
        ..options()
    };
    let runtime = plan::open(Device::Cpu, Tune::Quick);
    let mut trainer = Trainer::new(runtime, &spec, &options, &data(), 0).expect("a trainer");
    let mut kept = Kept::default();
    let ending = trainer.run(&Pace::default(), &mut kept).expect("training");
    assert_eq!(ending, Ending::Stale);
    let position = kept.state.expect("a checkpoint").position;
    let best = position.best.expect("a best epoch");
    assert_eq!(position.epochs, best.epoch + 2);
}

#[test]
fn a_state_of_another_batch_size_or_beyond_the_epochs_is_refused() {
    let spec = digit_model();
    let open = || plan::open(Device::Cpu, Tune::Quick);
    let (_, kept) = run(open(), &spec, None, &stop_after(30), Kept::default());
    let state = kept.state.expect("a checkpoint");
    for (options, word) in [
        (
            TrainOptions {
                batch_size: 64,
                ..options()
            },
            "`batch-size = ",
        ),
        (
            TrainOptions {
                epochs: 2,
                ..options()
            },
            "`epochs = 2`",
        ),
    ] {
        let mut trainer = Trainer::new(open(), &spec, &options, &data(), 0).expect("a trainer");
        let error = trainer.restore(&state).expect_err("another run's state");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn schedules_of_the_kl_are_refused_for_an_autoencoder() {
    let spec = ModelSpec {
        kind: ModelKind::Ae,
        ..digit_model()
    };
    let runtime = plan::open(Device::Cpu, Tune::Quick);
    let error = Trainer::new(runtime, &spec, &options(), &data(), 0)
        .err()
        .expect("an autoencoder has no KL");
    assert!(error.to_string().contains("`free-bits = "), "{error}");
}
