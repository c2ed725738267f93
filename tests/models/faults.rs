//! The comparison with PyTorch bites: each fault that is put into a plan makes it fail.

use bytemuck::Pod;
use elbo::kernel::{Call, Precision};
use elbo::ops::{adam, clip, elbo as loss, kl_weight, matmul, record, schedule, sigma_mean};
use elbo::plan::{Choice, CpuRuntime, GpuRuntime, Plan, Step};

use crate::golden::Golden;
use crate::skipped::skipped;
use crate::support::{Wide, gpu};

/// A fault, the case that should notice it, and what it does to the plan.
struct Fault {
    what: &'static str,
    case: &'static str,
    put: fn(&mut Plan),
}

pub(crate) fn step<'a>(plan: &'a mut Plan, label: &str) -> &'a mut Step {
    let found = plan.steps.iter_mut().find(|step| step.label == label);
    found.unwrap_or_else(|| panic!("no step {label}"))
}

pub(crate) fn change<P: Pod>(call: &mut Call, change: impl Fn(&mut P)) {
    let mut params: P = call.params();
    change(&mut params);
    call.params = bytemuck::bytes_of(&params).to_vec();
}

pub(crate) fn select(plan: &mut Plan, label: &str, selector: &str, value: u32) {
    let selectors = &mut step(plan, label).call.selectors;
    let found = selectors.iter_mut().find(|(name, _)| *name == selector);
    found.expect("the selector").1 = value;
}

fn drop_step(plan: &mut Plan, label: &str) {
    step(plan, label);
    plan.steps.retain(|step| step.label != label);
}

const FAULTS: &[Fault] = &[
    Fault {
        what: "wrong sign of the KL's gradient",
        case: "vae-bernoulli-relu-vec4",
        put: |plan| {
            change(&mut step(plan, "loss").call, |p: &mut loss::Params| {
                p.beta = -p.beta;
            });
        },
    },
    Fault {
        what: "no KL",
        case: "vae-bernoulli-relu-vec4",
        put: |plan| select(plan, "loss", "LATENT", 0),
    },
    Fault {
        what: "beta of 1 in place of 0.25",
        case: "vae-bernoulli-beta-leaky-relu",
        put: |plan| {
            change(&mut step(plan, "loss").call, |p: &mut loss::Params| {
                p.beta = 1.0
            });
        },
    },
    Fault {
        what: "missing bias",
        case: "vae-bernoulli-relu-vec4",
        put: |plan| {
            // The first moments are zeros in the first step.
            let zeros = step(plan, "update").slices[2];
            let bias = &mut step(plan, "fc1").slices[3];
            bias.buffer = zeros.buffer;
        },
    },
    Fault {
        what: "bias of another layer",
        case: "vae-bernoulli-relu-vec4",
        put: |plan| {
            let offset = step(plan, "fc3").slices[3].offset;
            step(plan, "fc1").slices[3].offset = offset;
        },
    },
    Fault {
        what: "transposed weight",
        case: "vae-bernoulli-relu-vec4",
        put: |plan| select(plan, "fc3", "TRANSPOSE_B", 0),
    },
    Fault {
        what: "last row of the batch left out of a gradient",
        case: "vae-bernoulli-relu-vec4",
        put: |plan| {
            let call = &mut step(plan, "fc4 gradient").call;
            change(call, |p: &mut matmul::Params| p.k -= 1);
        },
    },
    Fault {
        what: "batches that overlap by one image",
        case: "vae-bernoulli-relu-vec4",
        put: |plan| {
            let call = &mut step(plan, "sum of losses").call;
            change(call, |p: &mut record::Params| p.rows -= 1);
        },
    },
    Fault {
        what: "activation left out of the backward pass",
        case: "vae-bernoulli-relu-vec4",
        put: |plan| select(plan, "fc4 input gradient", "ACTIVATION", 0),
    },
    Fault {
        what: "gradient through z left out",
        case: "vae-bernoulli-relu-vec4",
        put: |plan| drop_step(plan, "heads gradient"),
    },
    Fault {
        what: "a layer's gradient left out",
        case: "vae-bernoulli-relu-vec4",
        put: |plan| drop_step(plan, "fc3 gradient"),
    },
    Fault {
        what: "clipping left out",
        case: "vae-bernoulli-beta-leaky-relu",
        put: |plan| drop_step(plan, "gradient scale"),
    },
    Fault {
        what: "weight decay left out",
        case: "vae-bernoulli-beta-leaky-relu",
        put: |plan| {
            let call = &mut step(plan, "update").call;
            change(call, |p: &mut adam::Params| p.decay = 0.0);
        },
    },
    Fault {
        what: "second moment's decay of 0.9999",
        case: "vae-bernoulli-relu-vec4",
        put: |plan| {
            let call = &mut step(plan, "update").call;
            change(call, |p: &mut adam::Params| p.rate2 = 1e-4);
        },
    },
    Fault {
        what: "a norm by the rows of a whole batch where it is short",
        case: "vae-bernoulli-short-batch",
        put: |plan| {
            let call = &mut step(plan, "gradient scale").call;
            change(call, |p: &mut clip::Params| p.rows = 5);
        },
    },
    Fault {
        what: "the last row of a short batch left out of a gradient",
        case: "vae-bernoulli-short-batch",
        put: |plan| {
            let call = &mut step(plan, "fc4 gradient").call;
            change(call, |p: &mut matmul::Params| {
                if p.k == 2 {
                    p.k = 1;
                }
            });
        },
    },
    Fault {
        what: "the schedule of the KL left out",
        case: "vae-gaussian-kl-schedule",
        put: |plan| drop_step(plan, "KL weight"),
    },
    Fault {
        what: "a schedule that stays at its first step",
        case: "vae-gaussian-kl-schedule",
        put: |plan| {
            let call = &mut step(plan, "schedule").call;
            change(call, |p: &mut schedule::Params| p.steps = 1);
        },
    },
    Fault {
        what: "free bits of the batch in place of an image",
        case: "vae-bernoulli-free-bits",
        put: |plan| {
            let call = &mut step(plan, "KL weight").call;
            change(call, |p: &mut kl_weight::Params| p.nats /= p.rows as f32);
        },
    },
    Fault {
        what: "free bits left out",
        case: "vae-bernoulli-free-bits",
        put: |plan| drop_step(plan, "KL weight"),
    },
    Fault {
        what: "the sigma of the epoch in place of the batch's",
        case: "vae-gaussian-optimal-tanh",
        put: |plan| {
            let stored = step(plan, "squared errors").slices[3];
            step(plan, "loss").slices[3] = stored;
        },
    },
    Fault {
        what: "a mean of sigma by other weights than the batches' rows",
        case: "vae-gaussian-optimal-tanh",
        put: |plan| {
            let call = &mut step(plan, "mean sigma").call;
            change(call, |p: &mut sigma_mean::Params| p.rows = 1);
        },
    },
    Fault {
        what: "a sigma that decays",
        case: "vae-gaussian-optimal-tanh",
        put: |plan| {
            let all = step(plan, "mean sigma").slices[3];
            let update = plan
                .steps
                .iter_mut()
                .find(|step| step.kernel.name == adam::KERNEL.name);
            let update = update.expect("an update");
            for slice in &mut update.slices[..4] {
                slice.len = all.offset + all.len;
            }
            update.call = adam::call(all.offset + all.len, 0.1);
        },
    },
    Fault {
        what: "operands of one product not rounded to f16",
        case: "vae-bernoulli-f16",
        put: |plan| step(plan, "fc3").call.precision = Precision::F32,
    },
    Fault {
        what: "operands of one gradient not rounded to f16",
        case: "vae-bernoulli-f16",
        put: |plan| step(plan, "fc4 gradient").call.precision = Precision::F32,
    },
];

/// Every fault has to be noticed; the plan without one has to agree.
fn notice<R: Wide>(title: &str, runtime: &mut R, half: bool, faults: &[Fault]) {
    for fault in faults {
        let golden = Golden::of_name(fault.case);
        if golden.is_half() && !half {
            skipped("f16", "faults in f16, which this adapter lacks");
            continue;
        }
        let whole = golden.run(runtime, &|_| {});
        let report = golden.compare::<R>(&whole);
        assert!(report.mismatches.is_empty(), "{title}: {}", fault.case);
        let spoilt = golden.run(runtime, &fault.put);
        let report = golden.compare::<R>(&spoilt);
        let worst = report.worst.values().map(|(ratio, _)| *ratio);
        let worst = worst.fold(0.0, f64::max);
        println!("{title}: {}: {worst:.1e} of the limit", fault.what);
        assert!(
            !report.mismatches.is_empty(),
            "{title}: {} was not noticed",
            fault.what
        );
    }
}

#[test]
fn seeded_faults_fail_the_comparison_on_the_cpu_device() {
    notice("CPU", &mut CpuRuntime::<f32>::new(), true, FAULTS);
}

#[test]
fn seeded_faults_fail_the_comparison_at_double_precision() {
    notice("f64", &mut CpuRuntime::<f64>::new(), true, FAULTS);
}

#[test]
fn seeded_faults_fail_the_comparison_on_the_gpu() {
    let Some(gpu) = gpu() else { return };
    let half = gpu.half;
    notice(
        "GPU",
        &mut GpuRuntime::new(gpu, Choice::Guess),
        half,
        FAULTS,
    );
}
