//! A batch in shards: the same losses and gradients as the whole batch but for rounding, in whatever parts a run is made.

use elbo::Result;
use elbo::data::{Augment, Binarize, Dataset, digits};
use elbo::model::plans::buffers;
use elbo::model::{Likelihood, ModelSpec, Sigma};
use elbo::plan::Runtime;
use elbo::train::{EpochRecord, Observer, Pace, Pictures, Span, State, TrainOptions, Trainer};

use crate::resume;
use crate::support::{devices, digest, digit_model};

/// Two batches, and three images that are fewer than some have shards.
fn data() -> Dataset {
    digits::generate(2 * 16 + 3, 16, 3)
}

/// All that goes by the rows of a batch.
fn options(shards: usize) -> TrainOptions {
    TrainOptions {
        epochs: 1,
        batch_size: 16,
        shards,
        binarize: Binarize::Dynamic,
        augment: Augment {
            flip: true,
            crop: 3,
        },
        log_every: 2,
        ..TrainOptions::default()
    }
}

#[derive(Default)]
struct Seen {
    epochs: Vec<EpochRecord>,
    state: Option<State>,
}

impl Observer for Seen {
    fn epoch(&mut self, record: &EpochRecord, _: Option<&Pictures>) -> Result<()> {
        self.epochs.push(record.clone());
        Ok(())
    }

    fn checkpoint(&mut self, state: &State) -> Result<()> {
        self.state = Some(state.clone());
        Ok(())
    }
}

/// An epoch in which nothing is learned: its record, and the gradient of its last step.
fn measured(
    runtime: Box<dyn Runtime>,
    spec: &ModelSpec,
    options: &TrainOptions,
) -> (EpochRecord, Vec<f32>) {
    let still = TrainOptions {
        learning_rate: 0.0,
        ..options.clone()
    };
    let made = Trainer::with_updates(runtime, spec, &still, &data(), 0, false);
    let mut trainer = made.expect("a trainer");
    let mut seen = Seen::default();
    trainer.run(&Pace::default(), &mut seen).expect("training");
    let len = elbo::model::Model::new(spec)
        .expect("a model")
        .parameters()
        .len;
    let gradient = trainer.runtime().read(buffers::GRADIENT, 0, len);
    let record = seen.epochs.pop().expect("an epoch");
    (record, gradient.expect("a gradient"))
}

fn is_close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-5 * a.abs().max(b.abs())
}

#[test]
fn shards_have_the_losses_and_the_gradient_of_their_batch() {
    // Whose optimal sigma goes by the shard.
    let of_convolutions = ModelSpec {
        likelihood: Likelihood::Bernoulli,
        ..ModelSpec::of_convolutions()
    };
    for spec in [digit_model(), ModelSpec::odd(), of_convolutions] {
        for (device, _) in devices() {
            let open = || {
                let mut all = devices().into_iter();
                all.find(|(name, _)| *name == device)
                    .expect("it was there")
                    .1
            };
            let (whole, expected) = measured(open(), &spec, &options(1));
            let largest = expected.iter().fold(0.0f32, |most, g| most.max(g.abs()));
            assert!(largest > 0.0);
            for shards in [2, 4, 16] {
                let (record, gradient) = measured(open(), &spec, &options(shards));
                for (term, value) in &whole.train.terms {
                    let found = record.train.terms[term];
                    assert!(
                        is_close(*value, found),
                        "{device}, {shards}: {term} {value} {found}"
                    );
                }
                let pairs = expected.iter().zip(&gradient);
                let most = pairs.fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
                assert!(
                    most <= 1e-5 * largest,
                    "{device}, {shards}: {most} of {largest}"
                );
            }
        }
    }
}

#[test]
fn shards_find_the_sigma_of_the_epoch() {
    let spec = ModelSpec {
        likelihood: Likelihood::Gaussian {
            sigma: Sigma::Optimal,
        },
        ..digit_model()
    };
    for shards in [2, 4, 16] {
        for ((_, one), (device, other)) in devices().into_iter().zip(devices()) {
            let whole = measured(one, &spec, &options(1)).0;
            let found = measured(other, &spec, &options(shards)).0;
            let [whole, found] = [whole, found].map(|record| f64::from(record.sigma.expect("one")));
            assert!(
                is_close(whole, found),
                "{device}, {shards}: {whole} {found}"
            );
        }
    }
}

#[test]
fn a_run_of_shards_goes_on_to_the_same_bits() {
    let options = TrainOptions {
        epochs: 2,
        shards: 4,
        ..resume::options()
    };
    let spec = digit_model();
    let run = |runtime, from: Option<&State>, stop_after| {
        let mut trainer = Trainer::new(runtime, &spec, &options, &data(), 0).expect("a trainer");
        if let Some(state) = from {
            trainer.restore(state).expect("a state of this run");
        }
        let pace = Pace {
            stop_after,
            ..Pace::default()
        };
        let mut seen = Seen::default();
        trainer.run(&pace, &mut seen).expect("training");
        (
            seen.state.expect("a checkpoint"),
            digest(&trainer.weights().expect("weights")),
        )
    };
    for (i, (device, runtime)) in devices().into_iter().enumerate() {
        let open = || devices().swap_remove(i).1;
        let whole = run(runtime, None, None).1;
        for steps in 1..6 {
            let (state, _) = run(open(), None, Some(Span::Steps(steps)));
            assert_eq!(state.position.steps, steps);
            let resumed = run(open(), Some(&state), None).1;
            assert_eq!(resumed, whole, "{device}: stopped after {steps}");
        }
    }
}
