//! Training in several processes: the same bits as in one. Here they are threads, which pass their messages by memory.

use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use elbo::Result;
use elbo::data::{Augment, Binarize, Dataset, digits};
use elbo::model::{Likelihood, ModelSpec, Sigma};
use elbo::ranks::{Messages, Ranks};
use elbo::train::metrics::Report;
use elbo::train::{
    Decay, EpochRecord, LearningRate, Observer, Pace, Pictures, Span, State, TrainOptions, Trainer,
};

use crate::support::{devices, digit_model};

/// What the threads have in common: a place for the message of each.
struct Shared {
    sent: Mutex<Vec<Vec<u8>>>,
    barrier: Barrier,
}

struct Thread {
    rank: usize,
    shared: Arc<Shared>,
}

impl Thread {
    /// What all of them sent.
    fn exchange(&self, sent: &[u8]) -> Vec<Vec<u8>> {
        self.shared.sent.lock().expect("no panic")[self.rank] = sent.to_vec();
        self.shared.barrier.wait();
        let all = self.shared.sent.lock().expect("no panic").clone();
        // Nobody sends anything else before all have read.
        self.shared.barrier.wait();
        all
    }
}

impl Messages for Thread {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.shared.sent.lock().expect("no panic").len()
    }

    fn all_to_all(&self, sent: &[u8], received: &mut [u8]) -> Result<()> {
        let len = sent.len() / self.count();
        let all = self.exchange(sent);
        for (part, other) in received.chunks_mut(len).zip(&all) {
            part.copy_from_slice(&other[len * self.rank..][..len]);
        }
        Ok(())
    }

    fn all_gather(&self, sent: &[u8], received: &mut [u8]) -> Result<()> {
        received.copy_from_slice(&self.exchange(sent).concat());
        Ok(())
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<()> {
        let all = self.exchange(bytes);
        bytes.copy_from_slice(&all[0]);
        Ok(())
    }

    fn abort(&self, code: u8) -> ! {
        panic!("process {}: exit code {code}", self.rank)
    }

    fn finish(&self) -> Result<()> {
        self.exchange(&[]);
        Ok(())
    }
}

/// Runs something in so many processes, and gives what each came to.
fn among<T: Send>(count: usize, run: impl Fn(&Ranks) -> T + Sync) -> Vec<T> {
    let shared = Arc::new(Shared {
        sent: Mutex::new(vec![Vec::new(); count]),
        barrier: Barrier::new(count),
    });
    let run = &run;
    thread::scope(|scope| {
        let start = |rank| {
            let shared = Arc::clone(&shared);
            scope.spawn(move || run(&Ranks::new(Thread { rank, shared })))
        };
        let threads: Vec<_> = (0..count).map(start).collect();
        let ends = threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        ends.collect()
    })
}

/// Three batches of 16, and three images that are fewer than there are shards.
fn data() -> Dataset {
    digits::generate(3 * 16 + 3, 600, 3)
}

fn options() -> TrainOptions {
    TrainOptions {
        epochs: 2,
        batch_size: 16,
        shards: 8,
        binarize: Binarize::Dynamic,
        augment: Augment {
            flip: true,
            crop: 3,
        },
        grad_clip: 0.5,
        ema: 0.9,
        learning_rate_schedule: LearningRate {
            warm_up: Span::Steps(3),
            decay: Decay::Cosine,
            ..LearningRate::default()
        },
        log_every: 3,
        ..TrainOptions::default()
    }
}

/// All that an observer is told, but for what a clock measured.
#[derive(Default)]
struct Seen {
    lines: Vec<String>,
    state: Option<State>,
    stop_at: Option<u64>,
}

impl Observer for Seen {
    fn report(&mut self, report: &Report) -> Result<()> {
        let mut report = report.clone();
        (report.seconds, report.images_per_s) = (0.0, 0.0);
        self.lines.push(format!("{report:?}"));
        Ok(())
    }

    fn epoch(&mut self, record: &EpochRecord, _: Option<&Pictures>) -> Result<()> {
        let mut record = record.clone();
        (record.seconds, record.images_per_s) = (0.0, 0.0);
        self.lines.push(format!("{record:?}"));
        Ok(())
    }

    fn checkpoint(&mut self, state: &State) -> Result<()> {
        let mut state = state.clone();
        state.position.seconds = 0.0;
        self.state = Some(state);
        Ok(())
    }

    fn progress(&mut self, progress: &elbo::train::Progress) -> std::ops::ControlFlow<()> {
        match self.stop_at {
            Some(step) if progress.step >= step => std::ops::ControlFlow::Break(()),
            _ => std::ops::ControlFlow::Continue(()),
        }
    }
}

/// Trains in so many processes on the device of this index, from a state that the first one has, and gives what the first
/// one was told. `stops`: the process that wants to stop, and at which step.
fn trained(
    device: usize,
    count: usize,
    spec: &ModelSpec,
    from: Option<&State>,
    stops: Option<(usize, u64)>,
) -> Seen {
    let options = options();
    let data = data();
    let mut all = among(count, |ranks| {
        let runtime = devices().swap_remove(device).1;
        let trainer = Trainer::among(ranks, runtime, spec, &options, &data, 0);
        let mut trainer = trainer.expect("a trainer");
        if let (Some(state), true) = (from, ranks.is_first()) {
            trainer.restore(state).expect("a state of this run");
        }
        trainer.share().expect("the first one's state");
        let own = stops.filter(|(rank, _)| *rank == ranks.rank());
        let mut seen = Seen {
            stop_at: own.map(|(_, step)| step),
            ..Seen::default()
        };
        trainer.run(&Pace::default(), &mut seen).expect("training");
        seen
    });
    for (rank, seen) in all.iter().enumerate().skip(1) {
        assert!(seen.state.is_none(), "process {rank} kept a checkpoint");
    }
    all.swap_remove(0)
}

fn specs() -> [ModelSpec; 3] {
    let sigma = Sigma::Optimal;
    let optimal = ModelSpec {
        likelihood: Likelihood::Gaussian { sigma },
        ..digit_model()
    };
    let of_maps = ModelSpec {
        likelihood: Likelihood::Bernoulli,
        ..ModelSpec::of_convolutions()
    };
    [digit_model(), optimal, of_maps]
}

#[test]
fn any_number_of_processes_gives_the_same_bits() {
    let counts = [&[2, 4, 8][..], &[4], &[4]];
    for (spec, counts) in specs().into_iter().zip(counts) {
        for (device, (name, _)) in devices().iter().enumerate() {
            let alone = trained(device, 1, &spec, None, None);
            assert_eq!(alone.lines.len(), 4, "reports and epochs");
            for &count in counts {
                let seen = trained(device, count, &spec, None, None);
                assert_eq!(seen.lines, alone.lines, "{name}: {count} processes");
                assert!(seen.state == alone.state, "{name}: {count} processes");
            }
        }
    }
}

#[test]
fn a_run_goes_on_in_another_number_of_processes() {
    let spec = digit_model();
    for (device, (name, _)) in devices().iter().enumerate() {
        let whole = trained(device, 1, &spec, None, None).state;
        for (before, after, step) in [(4, 1, 2), (1, 2, 3), (2, 8, 5)] {
            // Whoever wants to stop stops all.
            let stopped = trained(device, before, &spec, None, Some((before - 1, step)));
            let state = stopped.state.expect("a checkpoint");
            assert!(state.position.steps >= step && state.position.batches > 0);
            let end = trained(device, after, &spec, Some(&state), None).state;
            assert!(end == whole, "{name}: {before} processes, then {after}");
        }
    }
}

#[test]
fn what_is_not_finite_is_found_in_whatever_shard_it_is() {
    let spec = digit_model();
    let options = TrainOptions {
        learning_rate: 1e30,
        ..options()
    };
    let data = data();
    let errors = |count| {
        among(count, |ranks| {
            let runtime = devices().swap_remove(0).1;
            let trainer = Trainer::among(ranks, runtime, &spec, &options, &data, 0);
            let mut trainer = trainer.expect("a trainer");
            let outcome = trainer.run(&Pace::default(), &mut Seen::default());
            outcome.expect_err("not finite").to_string()
        })
    };
    let alone = errors(1).swap_remove(0);
    assert!(alone.contains("is not finite"), "{alone}");
    for error in errors(4) {
        assert_eq!(error, alone);
    }
}

#[test]
fn the_failure_of_one_is_that_of_all() {
    let spec = digit_model();
    let data = data();
    let outcomes = among(4, |ranks| {
        let options = TrainOptions {
            // Of two processes only.
            epochs: if ranks.rank() % 2 == 1 { 0 } else { 1 },
            ..options()
        };
        let runtime = devices().swap_remove(0).1;
        let made = match options.check() {
            Ok(()) => Trainer::among(&Ranks::alone(), runtime, &spec, &options, &data, 0).map(drop),
            Err(error) => Err(error),
        };
        let error = ranks.agree(made).expect_err("two failed");
        assert!(ranks.have_agreed());
        ranks.leave().expect("messages");
        (error.exit_code(), error.to_string())
    });
    for (rank, (code, text)) in outcomes.into_iter().enumerate() {
        assert_eq!(code, 2, "{text}");
        let says = text.contains("`epochs = 0`");
        assert!(
            says && text.starts_with("process 1: ") == (rank % 2 == 0),
            "{rank}: {text}"
        );
    }
}
