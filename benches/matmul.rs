//! Every core of the matrix product on the shapes of a model, beside each other and the CPU's.
//!
//! `cargo bench --bench matmul [-- DEVICE]` prints GFLOP/s (two operations a multiply-add), best of
//! several batches.

use std::time::Instant;

use elbo::Result;
use elbo::device::{Device, Selection};
use elbo::kernel::{Call, Element, Kernel};
use elbo::ops::{activation, matmul};
use elbo::plan::{Builder, Choice, CpuRuntime, GpuRuntime, Plan, Runtime};

/// A product of Job A, or a square one.
struct Case {
    name: &'static str,
    kernel: &'static Kernel,
    call: Call,
    /// Elements of each binding.
    lens: Vec<usize>,
    operations: f64,
}

fn cases() -> Vec<Case> {
    let linear = |name, rows: usize, inputs: usize, outputs: usize| Case {
        name,
        kernel: &matmul::LINEAR,
        call: matmul::linear(rows, inputs, outputs, activation::RELU),
        lens: vec![rows * inputs, inputs * outputs, rows * outputs, outputs],
        operations: 2.0 * (rows * inputs * outputs) as f64,
    };
    let input = |name, rows: usize, inputs: usize, outputs: usize| Case {
        name,
        kernel: &matmul::INPUT_GRADIENT,
        call: matmul::input_gradient(rows, inputs, outputs, activation::RELU),
        lens: vec![
            rows * outputs,
            inputs * outputs,
            rows * inputs,
            rows * inputs,
        ],
        operations: 2.0 * (rows * inputs * outputs) as f64,
    };
    let weight = |name, rows: usize, inputs: usize, outputs: usize| Case {
        name,
        kernel: &matmul::WEIGHT_GRADIENT,
        call: matmul::weight_gradient(rows, inputs, outputs),
        lens: vec![rows * outputs, rows * inputs, inputs * outputs, outputs],
        operations: 2.0 * (rows * inputs * outputs) as f64,
    };
    vec![
        linear("fc1", 128, 784, 400),
        linear("heads", 128, 400, 40),
        linear("fc4", 128, 400, 784),
        input("fc4 input", 128, 400, 784),
        weight("fc4 weight", 128, 400, 784),
        weight("fc1 weight", 128, 784, 400),
        weight("heads weight", 128, 400, 40),
        linear("1024 cubed", 1024, 1024, 1024),
    ]
}

fn plan(case: &Case) -> Plan {
    let mut builder = Builder::new(case.name);
    let slices: Vec<_> = (case.lens.iter().enumerate())
        .map(|(i, &len)| builder.shared(&format!("{} {i}", case.name), Element::Float, len))
        .collect();
    builder.step(case.name, case.kernel, case.call.clone(), &slices);
    builder.finish()
}

/// Best seconds of one run over several batches.
fn measure(runtime: &mut dyn Runtime, case: &Case) -> Result<f64> {
    for (i, &len) in case.lens.iter().enumerate() {
        let name = format!("{} {i}", case.name);
        runtime.allocate(&name, Element::Float, len)?;
        let values: Vec<f32> = (0..len)
            .map(|i| ((i * 7919) % 1000) as f32 / 1000.0 - 0.5)
            .collect();
        runtime.write(&name, 0, &values)?;
    }
    let id = runtime.prepare(plan(case))?;
    let last = format!("{} 2", case.name);
    for _ in 0..4 {
        runtime.run(id, 4)?;
    }
    runtime.read(&last, 0, 1)?;
    let times = 8;
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        runtime.run(id, times)?;
        runtime.read(&last, 0, 1)?;
        best = best.min(start.elapsed().as_secs_f64() / f64::from(times));
    }
    Ok(best)
}

fn main() -> Result<()> {
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with("--"));
    let selection: Selection = wanted.as_deref().unwrap_or("gpu").parse()?;
    let mut names = vec!["cpu".to_owned()];
    let mut rows: Vec<Vec<f64>> = Vec::new();
    let mut runtimes: Vec<Box<dyn Runtime>> = vec![Box::new(CpuRuntime::<f32>::new())];
    if let Device::Gpu(gpu) = Device::open(&selection)? {
        println!("{} ({})", gpu.info.name, gpu.info.backend);
        let first = GpuRuntime::new(*gpu, Choice::Fixed(0));
        let cores = (matmul::LINEAR.variants)(&cases()[0].call, &first.capabilities());
        names.extend(cores.iter().map(|core| core.name.to_string()));
        runtimes.push(Box::new(first));
        for index in 1..cores.len() {
            if let Device::Gpu(gpu) = Device::open(&selection)? {
                runtimes.push(Box::new(GpuRuntime::new(*gpu, Choice::Fixed(index))));
            }
        }
    }
    for case in cases() {
        rows.push(Vec::new());
        for runtime in &mut runtimes {
            let seconds = measure(runtime.as_mut(), &case)?;
            if let Some(row) = rows.last_mut() {
                row.push(case.operations / seconds / 1e9);
            }
        }
    }
    print!("{:14}", "GFLOP/s");
    names.iter().for_each(|name| print!("{name:>17}"));
    println!();
    for (case, row) in cases().iter().zip(&rows) {
        print!("{:14}", case.name);
        row.iter().for_each(|value| print!("{value:17.1}"));
        println!();
    }
    Ok(())
}
