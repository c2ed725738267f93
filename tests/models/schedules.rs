//! A step under a schedule is the step of a run whose constant is what the schedule says then, to the bit.

use elbo::Result;
use elbo::data::{Dataset, digits};
use elbo::model::ModelSpec;
use elbo::train::{KlWeight, LearningRate, Observer, Pace, Span, State, TrainOptions, Trainer};

use crate::support::{devices, digest, digit_model};

struct Last(Option<State>);

impl Observer for Last {
    fn checkpoint(&mut self, state: &State) -> Result<()> {
        self.0 = Some(state.clone());
        Ok(())
    }
}

fn data() -> Dataset {
    digits::generate(64, 16, 3)
}

fn options() -> TrainOptions {
    TrainOptions {
        batch_size: 16,
        ..TrainOptions::default()
    }
}

/// The state after some more steps.
fn steps(
    spec: &ModelSpec,
    options: &TrainOptions,
    from: Option<&State>,
    count: u64,
    device: usize,
) -> State {
    let (_, runtime) = devices().swap_remove(device);
    let mut trainer = Trainer::new(runtime, spec, options, &data(), 0).expect("a trainer");
    if let Some(state) = from {
        trainer.restore(state).expect("a state");
    }
    let pace = Pace {
        stop_after: Some(Span::Steps(count)),
        ..Pace::default()
    };
    let mut last = Last(None);
    trainer.run(&pace, &mut last).expect("training");
    last.0.expect("a checkpoint at the stop")
}

#[test]
fn a_rising_learning_rate_is_that_of_each_step() {
    let spec = digit_model();
    let scheduled = TrainOptions {
        learning_rate_schedule: LearningRate {
            warm_up: Span::Steps(1),
            ..LearningRate::default()
        },
        ..options()
    };
    let half = TrainOptions {
        learning_rate: 0.5 * options().learning_rate,
        ..options()
    };
    for device in 0..devices().len() {
        let first = steps(&spec, &half, None, 1, device);
        let expected = steps(&spec, &options(), Some(&first), 1, device);
        let found = steps(&spec, &scheduled, None, 2, device);
        assert_eq!(digest(&found.weights), digest(&expected.weights));
        let without = steps(&spec, &options(), None, 2, device);
        assert_ne!(digest(&found.weights), digest(&without.weights));
    }
}

#[test]
fn a_rising_weight_of_the_kl_is_a_beta_of_each_step() {
    let spec = digit_model();
    let beta = |beta| ModelSpec {
        beta,
        ..digit_model()
    };
    let scheduled = TrainOptions {
        kl_schedule: KlWeight {
            warm_up: Span::Steps(2),
            cycles: 0,
        },
        ..options()
    };
    for device in 0..devices().len() {
        let first = steps(&beta(0.0), &options(), None, 1, device);
        let expected = steps(&beta(0.5), &options(), Some(&first), 1, device);
        let found = steps(&spec, &scheduled, None, 2, device);
        assert_eq!(digest(&found.weights), digest(&expected.weights));
    }
}

#[test]
fn a_kl_within_the_free_bits_has_no_gradient() {
    let spec = digit_model();
    let free = |free_bits| TrainOptions {
        free_bits,
        ..options()
    };
    let without = ModelSpec {
        beta: 0.0,
        ..digit_model()
    };
    for device in 0..devices().len() {
        let found = digest(&steps(&spec, &free(1e9), None, 3, device).weights);
        let expected = digest(&steps(&without, &options(), None, 3, device).weights);
        assert_eq!(found, expected);
        // Below what any latent dimension's KL is.
        let found = digest(&steps(&spec, &free(1e-12), None, 3, device).weights);
        let expected = digest(&steps(&spec, &options(), None, 3, device).weights);
        assert_eq!(found, expected);
    }
}
