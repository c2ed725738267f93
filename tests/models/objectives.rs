//! What objectives do in training, beside their gradients: their terms, their resume, their parts of a batch, their cost.

use elbo::data::{Dataset, digits};
use elbo::device::Device;
use elbo::model::plans::Update;
use elbo::model::{Estimator, Likelihood, Loss, Model, ModelKind, ModelSpec};
use elbo::plan::{self, Tune};
use elbo::train::{EpochRecord, Observer, TrainOptions, Trainer};

use crate::reproducibility::{epoch, trainer};
use crate::resume;
use crate::support::{byte_source, devices, digit_model, named_objective};

/// A model of every objective that is no default.
fn models() -> Vec<(&'static str, ModelSpec)> {
    let of = |name| ModelSpec {
        objective: Some(named_objective(name)),
        ..digit_model()
    };
    vec![
        (
            "iwae",
            ModelSpec {
                importance: 3,
                ..of("iwae")
            },
        ),
        (
            "dreg",
            ModelSpec {
                importance: 4,
                gradient: Estimator::Dreg,
                ..of("iwae")
            },
        ),
        (
            "beta-tc",
            ModelSpec {
                beta: 6.0,
                ..of("beta-tc")
            },
        ),
        (
            "mmd",
            ModelSpec {
                beta: 0.0,
                mmd_weight: 100.0,
                ..of("mmd")
            },
        ),
        (
            "wae",
            ModelSpec {
                kind: ModelKind::Ae,
                likelihood: Likelihood::SquaredError,
                mmd_weight: 10.0,
                ..of("wae")
            },
        ),
        (
            "capacity",
            ModelSpec {
                capacity: Some(8.0),
                beta: 100.0,
                ..digit_model()
            },
        ),
    ]
}

fn data() -> Dataset {
    digits::generate(400, 100, 3)
}

fn options() -> TrainOptions {
    TrainOptions {
        batch_size: 64,
        ..TrainOptions::default()
    }
}

/// Some epochs on a device.
fn epochs(spec: &ModelSpec, options: &TrainOptions, device: usize, count: usize) -> EpochRecord {
    let runtime = devices().swap_remove(device).1;
    let mut trainer = trainer(runtime, spec, options, &data());
    let mut records = (0..count).map(|_| epoch(&mut trainer));
    records.next_back().expect("an epoch")
}

#[test]
fn a_run_of_any_objective_stopped_in_mid_epoch_goes_on_to_the_same_bits() {
    for (name, spec) in models() {
        println!("{name}");
        resume::stopped_and_resumed_by(&resume::plain_options(), &spec, &[5, 13]);
    }
}

#[test]
fn every_objective_learns_the_same_on_both_devices() {
    for (name, spec) in models() {
        let records: Vec<EpochRecord> = (0..devices().len())
            .map(|device| epochs(&spec, &options(), device, 2))
            .collect();
        for record in &records {
            // Of the KL: beta may be the weight of another term, and the KL have none.
            let weighs_kl = spec.objective().weighs_kl();
            let weight = if weighs_kl { f64::from(spec.beta) } else { 1.0 };
            assert_eq!(record.kl_weight, weight, "{name}");
            for losses in [&record.train, &record.test] {
                assert!(losses.total.is_finite(), "{name}");
                let own = &records[0];
                let of_cpu = if std::ptr::eq(losses, &record.train) {
                    &own.train
                } else {
                    &own.test
                };
                for (term, value) in &losses.terms {
                    // Rounding, which training makes grow.
                    let (found, limit) = (of_cpu.terms[term], 1e-3 * of_cpu.total.abs().max(1.0));
                    assert!(
                        (value - found).abs() < limit,
                        "{name}: {term} {value} {found}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_weights_of_one_sample_take_nothing_off_and_those_of_several_never_add() {
    let losses = |importance| -> Loss {
        let spec = ModelSpec {
            objective: Some(named_objective("iwae")),
            importance,
            ..digit_model()
        };
        epochs(&spec, &options(), 0, 1).test
    };
    let one = losses(1);
    assert_eq!(one.terms["importance"], 0.0);
    assert_eq!(one.total, one.terms["reconstruction"] + one.terms["kl"]);
    let [few, many] = [2, 20].map(|samples| losses(samples).terms["importance"]);
    assert!(many < few && few < 0.0, "{few} {many}");
}

/// In expectation the parts of the KL add up to it. A batch of all images has their density itself.
#[test]
fn the_parts_of_the_kl_add_up_to_it() {
    let spec = ModelSpec {
        objective: Some(named_objective("beta-tc")),
        beta: 1.0,
        ..digit_model()
    };
    let parts = epochs(&spec, &options(), 0, 3).test;
    let sum: f64 = [
        "mutual_information",
        "total_correlation",
        "dimension_wise_kl",
    ]
    .iter()
    .map(|term| parts.terms[*term])
    .sum();
    let units = epochs(&spec, &options(), 0, 3).units.expect("units");
    let kl: f64 = units.kl.iter().sum();
    // The spread of a mean of 100 draws, each of which has one of some sqrt(latent) nats.
    assert!(
        (sum - kl).abs() < 4.0 * (8.0_f64).sqrt() / 10.0,
        "{sum} {kl}"
    );
    assert!(parts.terms["mutual_information"] < (100.0_f64).ln() + 0.5);
}

#[test]
fn a_kl_that_is_held_follows_its_target() {
    #[derive(Default)]
    struct Targets(Vec<(f64, f64)>);
    impl Observer for Targets {
        fn epoch(
            &mut self,
            record: &EpochRecord,
            _: Option<&elbo::train::Pictures>,
        ) -> elbo::Result<()> {
            self.0.push((
                record.train.terms["kl"],
                record.kl_target.expect("a target"),
            ));
            Ok(())
        }
    }
    let spec = ModelSpec {
        capacity: Some(12.0),
        beta: 30.0,
        ..ModelSpec::reference()
    };
    let options = TrainOptions {
        epochs: 12,
        batch_size: 64,
        ..TrainOptions::default()
    };
    let data = digits::generate(4000, 500, 3);
    let runtime = plan::open(Device::Cpu, Tune::Quick);
    let mut trainer = Trainer::new(runtime, &spec, &options, &data, 0).expect("a trainer");
    let mut seen = Targets::default();
    trainer
        .run(&elbo::train::Pace::default(), &mut seen)
        .expect("training");
    let targets: Vec<f64> = seen.0.iter().map(|(_, target)| *target).collect();
    assert!(
        targets.windows(2).all(|pair| pair[0] <= pair[1]),
        "{targets:?}"
    );
    assert!(targets[2] < 7.0 && targets[5] > 11.9, "{targets:?}");
    // The means of the epochs after it has arrived.
    for (kl, target) in &seen.0[8..] {
        assert!((kl - target).abs() < 0.02 * target, "{:?}", seen.0);
    }
}

/// What fits is one part; what does not is as many as are needed, and learns the same.
#[test]
fn a_batch_whose_samples_do_not_fit_is_computed_in_parts() {
    let spec = ModelSpec {
        objective: Some(named_objective("iwae")),
        importance: 1000,
        ..ModelSpec::reference()
    };
    let options = |batch_size, shards| TrainOptions {
        batch_size,
        shards,
        epochs: 1,
        ..TrainOptions::default()
    };
    // 64 · 1000 · 784 floats are 191 MiB.
    let few = digits::generate(64, 4, 3);
    let of = |shards| {
        let runtime = plan::open(Device::Cpu, Tune::Quick);
        let mut trainer = trainer(runtime, &spec, &options(64, shards), &few);
        let record = epoch(&mut trainer);
        (record.train, trainer.weights().expect("weights"))
    };
    assert!(of(1) == of(2));
    let beyond = ModelSpec {
        importance: 50_000,
        ..spec.clone()
    };
    let runtime = plan::open(Device::Cpu, Tune::Quick);
    let refused = Trainer::new(runtime, &beyond, &options(4, 1), &few, 0);
    let error = refused.err().expect("too many samples").to_string();
    assert!(error.contains("`importance = 50000`"), "{error}");
    assert!(error.contains("`importance = 42799`"), "{error}");
}

/// The steps of an objective beside those of the ELBO: two for weights, four for parts of the KL, two for a discrepancy.
#[test]
fn what_is_not_asked_for_costs_no_dispatch() {
    let steps = |spec: &ModelSpec| {
        let source = byte_source(256, 784, 1);
        let plan = Model::new(spec)
            .expect("a model")
            .train(64, &source, Update::default());
        plan.steps.len()
    };
    let plain = steps(&digit_model());
    let found: Vec<(&str, usize)> = models()
        .iter()
        .map(|(name, spec)| (*name, steps(spec)))
        .collect();
    let more = [
        ("iwae", 2),
        ("dreg", 2),
        // A step logs its sums, one adds the gradient of the codes to the decoder's; so it is with the discrepancy.
        ("beta-tc", 4 + 2),
        ("mmd", 2 + 2),
        // Without codes that are drawn, and their gradient; with draws from the prior.
        ("wae", 2 + 2 - 2 + 1),
        ("capacity", 2),
    ];
    assert_eq!(found, more.map(|(name, more)| (name, plain + more)));
}
