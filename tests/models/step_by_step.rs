//! Two devices beside each other, step by step: they agree, and a fault is named where it arises.

use elbo::device::Selection;
use elbo::model::{Model, ModelKind, plans};
use elbo::ops::{adam, elbo as loss, matmul};
use elbo::plan::{self, CpuRuntime, Difference, Plan};
use elbo::train::check;

use crate::faults::{change, select, step};
use crate::support::{byte_source, few_bytes, gpu, load, small};

/// Ten times the largest difference seen on lavapipe, 8.7e-7 of a result's range. Its functions are nearly
/// exact; hardware may use the room that WGSL leaves.
const SEEN_IN_SOFTWARE: f64 = 8.7e-6;

#[test]
fn the_gpu_computes_every_step_as_the_cpu_does() {
    let Some(gpu) = gpu() else { return };
    let differences = check(&Selection::Gpu).expect("a check");
    let worst = differences
        .iter()
        .max_by(|a, b| a.share.total_cmp(&b.share))
        .expect("results");
    println!(
        "{} results; worst: {worst}, {:e}",
        differences.len(),
        worst.share
    );
    assert!(differences.iter().all(Difference::is_rounding), "{worst}");
    assert!(
        !gpu.is_software() || worst.share <= SEEN_IN_SOFTWARE,
        "{worst}"
    );
    // Two plans of training and one of evaluation, of a VAE and of an autoencoder.
    for plan in ["train 96", "train 37", "evaluate 96"] {
        let steps = differences.iter().filter(|d| d.plan == plan);
        assert!(steps.count() > 12, "{plan}");
    }
}

/// What two CPU devices differ in where the second runs a spoilt plan.
fn beside(spoil: &dyn Fn(&mut Plan)) -> Vec<Difference> {
    let (rows, values) = (5, 12);
    let spec = small(ModelKind::Vae, values, &[9], 3);
    let model = Model::new(&spec).expect("a model");
    let parameters = model.parameters();
    let source = byte_source(rows, values, 7);
    let update = plans::Update {
        grad_clip: 1e-3,
        ..plans::Update::default()
    };
    let prepared = |spoil: &dyn Fn(&mut Plan)| {
        let mut runtime = CpuRuntime::<f32>::new();
        let arena = parameters.initial(7);
        let bytes = few_bytes(rows, values);
        load(&mut runtime, parameters, &arena, &source, &bytes);
        let scalars = [1e-3, 1.0];
        plan::Runtime::write(&mut runtime, plans::buffers::SCALARS, 0, &scalars).expect("write");
        let mut plan = model.train(rows, &source, update);
        spoil(&mut plan);
        let id = plan::Runtime::prepare(&mut runtime, plan).expect("prepare");
        (runtime, id)
    };
    let (mut reference, whole) = prepared(&|_| {});
    let (mut tested, spoilt) = prepared(spoil);
    plan::compare((&mut reference, whole), (&mut tested, spoilt)).expect("a comparison")
}

#[test]
fn equal_devices_do_not_differ() {
    let differences = beside(&|_| {});
    assert!(differences.len() > 20, "{}", differences.len());
    for difference in differences {
        assert_eq!(difference.share, 0.0, "{difference}");
    }
}

#[test]
fn a_fault_shows_at_its_step_and_at_no_other() {
    type Spoil = fn(&mut Plan);
    let faults: [(&str, Spoil); 5] = [
        ("fc3", |plan| select(plan, "fc3", "ACTIVATION", 0)),
        ("fc4 gradient", |plan| {
            let call = &mut step(plan, "fc4 gradient").call;
            change(call, |p: &mut matmul::Params| p.k -= 1);
        }),
        ("loss", |plan| {
            let call = &mut step(plan, "loss").call;
            change(call, |p: &mut loss::Params| p.beta = 0.5);
        }),
        // Partial sums are held against each other where they are added up.
        ("gradient scale", |plan| {
            step(plan, "gradient norm").slices[0].len /= 2;
        }),
        ("batch", |plan| select(plan, "batch", "BINARIZE", 2)),
    ];
    for (place, spoil) in faults {
        let differences = beside(&spoil);
        let wrong: Vec<_> = differences.iter().filter(|d| !d.is_rounding()).collect();
        assert!(!wrong.is_empty(), "{place}: not noticed");
        for difference in wrong {
            assert_eq!(difference.step, place, "{difference}");
        }
    }
}

#[test]
fn a_nan_on_one_device_is_a_difference() {
    let differences = beside(&|plan| {
        // Spoils what the update adds to, so that one result is not finite.
        let call = &mut step(plan, "update").call;
        change(call, |p: &mut adam::Params| p.epsilon = f32::NAN);
    });
    let wrong = differences.iter().find(|d| !d.is_rounding());
    let wrong = wrong.expect("a difference");
    assert_eq!(wrong.step, "update");
    assert!(wrong.share.is_nan(), "{wrong}");
}
