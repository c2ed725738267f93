//! Plans that are given back: their memory is free, their ids are gone, and others go on as before.

use std::panic::{AssertUnwindSafe, catch_unwind};

use elbo::ops::activation;
use elbo::plan::{Builder, Choice, GpuRuntime, Plan, Runtime, Shared};

use crate::support::{devices, gpu};

const INPUT: Shared = Shared::floats("input");
const OUTPUT: Shared = Shared::floats("output");

/// Values of the buffers: a mebibyte each.
const LEN: usize = 1 << 18;

/// A plan of three steps with two memories between them, of `len` values each.
fn plan(len: usize) -> Plan {
    let mut plan = Builder::new(format!("three steps of {len}"));
    let [input, output] = [INPUT, OUTPUT].map(|buffer| plan.shared(buffer, LEN));
    let [a, b] = ["a", "b"].map(|name| plan.transient(name, len));
    let part = |of| elbo::plan::Slice { len, ..of };
    for slices in [[part(input), a], [a, b], [b, part(output)]] {
        let call = activation::call(activation::TANH, len);
        plan.step("tanh", &activation::KERNEL, call, &slices);
    }
    plan.finish()
}

fn with_buffers(runtime: &mut dyn Runtime) {
    for buffer in [INPUT, OUTPUT] {
        runtime.allocate(buffer, LEN).expect("a buffer");
    }
    runtime.write(INPUT, 0, &vec![0.5; LEN]).expect("a buffer");
}

/// What a plan leaves in the last of its values.
fn last(runtime: &mut dyn Runtime, id: elbo::plan::PlanId, len: usize) -> f32 {
    runtime.write(OUTPUT, 0, &vec![0.0; LEN]).expect("a buffer");
    runtime.run(id, 3).expect("a run");
    runtime.read(OUTPUT, len - 1, 1).expect("a buffer")[0]
}

#[test]
fn a_plan_that_was_given_back_is_never_another_one() {
    for (device, mut runtime) in devices() {
        let runtime = runtime.as_mut();
        with_buffers(runtime);
        let stays = runtime.prepare(plan(100)).expect("a plan");
        let expected = last(runtime, stays, 100);
        assert!(expected > 0.3 && expected < 0.5, "{device}: {expected}");
        let gone = runtime.prepare(plan(LEN)).expect("a plan");
        assert_eq!(last(runtime, gone, LEN), expected, "{device}");
        // While it may still be under way.
        runtime.run(gone, 3).expect("a run");
        runtime.release(gone);
        let next = runtime.prepare(plan(LEN)).expect("a plan");
        assert_ne!(gone, next, "{device}");
        for (id, len) in [(stays, 100), (next, LEN)] {
            assert_eq!(last(runtime, id, len), expected, "{device}");
        }
        let mut refused = |what: &str, call: &mut dyn FnMut(&mut dyn Runtime)| {
            let called = catch_unwind(AssertUnwindSafe(|| call(&mut *runtime)));
            assert!(called.is_err(), "{device}: {what} a plan that is gone");
        };
        refused("run", &mut |runtime| drop(runtime.run(gone, 1)));
        refused("release", &mut |runtime| runtime.release(gone));
        refused("look at", &mut |runtime| {
            let _ = runtime.plan(gone);
        });
    }
}

#[test]
fn plans_share_memory_and_none_of_their_results() {
    for (device, mut runtime) in devices() {
        let runtime = runtime.as_mut();
        with_buffers(runtime);
        let large = runtime.prepare(plan(LEN)).expect("a plan");
        let memory = runtime.memory();
        assert_eq!(memory, 2 * 4 * LEN as u64, "{device}");
        let small = runtime.prepare(plan(100)).expect("a plan");
        assert_eq!(runtime.memory(), memory, "{device}");
        let expected = last(runtime, large, LEN);
        for (id, len) in [(small, 100), (large, LEN), (small, 100)] {
            assert_eq!(last(runtime, id, len), expected, "{device}");
        }
        runtime.release(large);
        assert_eq!(last(runtime, small, 100), expected, "{device}");
        runtime.release(small);
        assert_eq!(runtime.memory(), 0, "{device}");
    }
}

#[test]
fn a_device_has_the_memory_of_plans_that_were_given_back() {
    let Some(gpu) = gpu() else { return };
    let mut runtime = GpuRuntime::new(gpu, Choice::Guess);
    with_buffers(&mut runtime);
    let held = |runtime: &GpuRuntime| runtime.gpu().allocated();
    let round = |runtime: &mut GpuRuntime, len| {
        let id = runtime.prepare(plan(len)).expect("a plan");
        assert!(last(runtime, id, len) > 0.3);
        let while_there = held(runtime);
        runtime.release(id);
        // A read waits for the device, which then knows what is free.
        runtime.read(OUTPUT, 0, 1).expect("a buffer");
        while_there.zip(held(runtime))
    };
    let first = round(&mut runtime, LEN);
    println!("while the plan is there, and after: {first:?}");
    for len in [LEN / 2, LEN, LEN - 64, 100].repeat(5) {
        // Drivers of Metal have no such report.
        if let (Some((_, before)), Some((there, after))) = (first, round(&mut runtime, len)) {
            assert!(there.0 >= after.0 + 8 * len as u64, "{there:?}, {after:?}");
            assert!(
                after.0 <= before.0 && after.1 <= before.1,
                "{after:?}, {before:?}"
            );
        }
    }
}
