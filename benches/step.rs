//! A training step of the reference job (784-400-20-400-784, batch 128) on the built-in digits.
//!
//! `cargo bench --bench step [-- DEVICE [EPOCHS]]` prints the time of every step of the plan by itself,
//! and training images per second of whole epochs (the median of all but the first).

use std::ops::ControlFlow;

use elbo::Result;
use elbo::data::digits;
use elbo::device::{Device, Selection};
use elbo::model::{ModelSpec, Weights};
use elbo::plan;
use elbo::train::{EpochRecord, Observer, Pictures, Progress, TrainOptions, Trainer};

struct Silent;

impl Observer for Silent {
    fn progress(&mut self, _: &Progress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, _: &EpochRecord, _: &Pictures, _: &Weights) -> Result<()> {
        Ok(())
    }
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    let selection: Selection = args.first().map_or("auto", String::as_str).parse()?;
    let epochs: usize = args.get(1).and_then(|arg| arg.parse().ok()).unwrap_or(4);
    let device = Device::open(&selection)?;
    println!("{}", device.name());
    let dataset = digits::generate(60_000, 256, 0);
    let options = TrainOptions::default();
    let spec = ModelSpec::reference();
    let mut trainer = Trainer::new(plan::open(device), &spec, &options, &dataset)?;
    let mut speeds = Vec::new();
    for _ in 0..epochs {
        if let Some(record) = trainer.epoch(&mut Silent)? {
            println!("{:.0} images/s", record.images_per_s);
            speeds.push(record.images_per_s);
        }
    }
    let mut steady = speeds.get(1..).unwrap_or_default().to_vec();
    steady.sort_by(f64::total_cmp);
    if let Some(median) = steady.get(steady.len() / 2) {
        println!("median of all but the first: {median:.0} images/s");
    }
    let steps = trainer.time_steps(20)?;
    let all: f64 = steps.iter().map(|(_, seconds)| seconds).sum();
    for (label, seconds) in &steps {
        println!(
            "{label:28}{:10.1} µs{:6.1} %",
            1e6 * seconds,
            100.0 * seconds / all
        );
    }
    println!("{:28}{:10.1} µs", "sum", 1e6 * all);
    Ok(())
}
