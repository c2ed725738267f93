//! A training step of the CPU device allocates nothing, once each thread has what it needs.
//!
//! All of the process's allocations are counted, so this test is alone in its binary.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

#[path = "../shared/filled.rs"]
mod filled;

use std::alloc::System;

use elbo::data::Augment;
use elbo::kernel::Precision;
use elbo::model::plans::Update;
use elbo::model::{Activation, Likelihood, Model, ModelKind, ModelSpec, Sigma};
use elbo::plan::{CpuRuntime, PlanId, Runtime, Shared};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Images that a plan trains on, and rows of its log and its schedule.
const IMAGES: usize = 1000;

/// Allocations and growths of memory while `f` runs, on any thread.
fn count(f: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    f();
    let change = region.change();
    change.allocations + change.reallocations
}

/// Rows of a batch.
const ROWS: usize = 64;

/// Large enough that products, sums and updates are shared out among threads.
fn models() -> Vec<(&'static str, ModelSpec, Update)> {
    let vae = ModelSpec {
        encoder: [128].into(),
        ..ModelSpec::reference()
    };
    let ae = ModelSpec {
        kind: ModelKind::Ae,
        likelihood: Likelihood::SquaredError,
        activation: Activation::Gelu,
        ..vae.clone()
    };
    let learned = ModelSpec {
        likelihood: Likelihood::Gaussian {
            sigma: Sigma::Learned(0.5),
        },
        activation: Activation::Silu,
        ..vae.clone()
    };
    let optimal = ModelSpec {
        likelihood: Likelihood::Gaussian {
            sigma: Sigma::Optimal,
        },
        ..vae.clone()
    };
    let fused = Update {
        fused: true,
        ..Update::default()
    };
    vec![
        ("a VAE", vae.clone(), fused),
        ("an autoencoder", ae, fused),
        ("a learned sigma", learned, fused),
        ("an optimal sigma", optimal, fused),
        (
            "a bound of the gradient",
            vae.clone(),
            Update {
                grad_clip: 1.0,
                ..Update::default()
            },
        ),
        (
            "schedules and free bits",
            vae.clone(),
            Update {
                schedule: Some(IMAGES),
                kl_share: true,
                free_bits: 0.1,
                ..fused
            },
        ),
        (
            "images that are moved, and an average",
            vae.clone(),
            Update {
                augment: Augment {
                    flip: true,
                    crop: 4,
                },
                ema: 0.9,
                ..fused
            },
        ),
        (
            "f16",
            vae,
            Update {
                precision: Precision::F16,
                ..fused
            },
        ),
    ]
}

/// A plan on a runtime, and the counters that a step moves on.
struct Training {
    runtime: CpuRuntime<f32>,
    plan: PlanId,
    counters: Shared,
}

impl Training {
    fn new(spec: &ModelSpec, rows: usize, update: Update) -> Self {
        let source = filled::source(spec, IMAGES);
        let plan = Model::new(spec).unwrap().train(rows, &source, update);
        let mut runtime = CpuRuntime::<f32>::new();
        filled::fill(&mut runtime, &plan, &source);
        Self {
            plan: runtime.prepare(plan).unwrap(),
            runtime,
            counters: source.counters(),
        }
    }

    /// Allocations of some steps from the first image on.
    fn steps(&mut self, times: u32) -> usize {
        self.runtime.write_words(self.counters, 0, &[0; 3]).unwrap();
        count(|| self.runtime.run(self.plan, times).unwrap())
    }
}

/// Steps at a time; they fit the images.
const STEPS: u32 = 7;

/// Runs of so many steps. The first ones get each thread the memory that the largest share of a product needs.
const RUNS: usize = 20;

#[test]
fn a_training_step_allocates_nothing_on_one_thread_and_on_several() {
    // The counter counts, on other threads too.
    assert_eq!(count(|| drop(Vec::<u8>::with_capacity(9))), 1);
    let on_all = || drop(rayon::broadcast(|_| Vec::<u8>::with_capacity(9)));
    assert!(count(on_all) > rayon::current_num_threads());
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    one.unwrap()
        .install(|| steps_allocate_nothing("one thread"));
    steps_allocate_nothing("all threads");
}

fn steps_allocate_nothing(threads: &str) {
    for (name, spec, update) in models() {
        let mut training = Training::new(&spec, ROWS, update);
        let mut runs = |steps| -> Vec<usize> { (0..RUNS).map(|_| training.steps(steps)).collect() };
        let (several, single) = (runs(STEPS), runs(1));
        // What rayon allocates for a run, however many steps it has: the job that keeps other threads awake, and now
        // and then a block of the queue by which a run gets into the pool, or memory of a thread that has met a larger
        // share than before. So the least counts: of a step that allocates, seven would have six more.
        let least = |runs: &[usize]| runs.iter().copied().min().unwrap();
        let (of_several, of_one) = (least(&several), least(&single));
        println!("{threads}: {name}: {of_one} allocations a run");
        assert_eq!(
            of_several, of_one,
            "{threads}: {name}: {several:?} {single:?}"
        );
        assert!(
            of_one < STEPS as usize,
            "{threads}: {name}: {several:?} {single:?}"
        );
    }
}
