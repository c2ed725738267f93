//! A value that is not finite stops training with its step and its place, and spoils no saved model.

use std::sync::Arc;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use elbo::data::{Dataset, Storage, Values, digits};
use elbo::model::plans::buffers;
use elbo::model::{Likelihood, Model, ModelSpec, Sigma, Weights};
use elbo::plan::{self, Plan, PlanId, Runtime, Shared, Slice};
use elbo::train::{Observer, State, TrainOptions, train};
use elbo::{Error, Result};

use crate::reproducibility::{Quiet, epoch, trainer};
use crate::support::{devices, digest, digit_model, gpu};

const OPTIONS: fn() -> TrainOptions = || TrainOptions {
    batch_size: 64,
    ..TrainOptions::default()
};

/// Step and tensor of the error, which has to be one of a value that is not finite.
fn not_finite(error: Error) -> (u64, String) {
    assert_eq!(error.exit_code(), 5, "{error}");
    match error {
        Error::NotFinite { step, tensor, .. } => (step, tensor),
        other => panic!("expected a value that is not finite, found: {other}"),
    }
}

/// Step and loss per value of the error, which has to be one of a loss that is finite and of no meaning.
fn diverged(error: Error) -> (u64, f64) {
    assert_eq!(error.exit_code(), 5, "{error}");
    match error {
        Error::Diverged { step, loss, .. } => (step, loss),
        other => panic!("expected a loss beyond all bounds, found: {other}"),
    }
}

fn small_digits() -> Dataset {
    digits::generate(640, 64, 1)
}

/// A runtime that puts a NaN into the parameters when the training counter shows a step.
struct Spoiling {
    inner: Box<dyn Runtime>,
    at: usize,
    /// Steps done when it strikes.
    after: u32,
}

impl Spoiling {
    fn strike(&mut self) -> Result<()> {
        let counters = self.inner.read_words(buffers::COUNTERS.of("train"), 0, 3)?;
        if counters[0] == self.after {
            self.inner
                .write(buffers::PARAMETERS, self.at, &[f32::NAN])?;
        }
        Ok(())
    }
}

impl Runtime for Spoiling {
    fn allocate(&mut self, buffer: Shared, len: usize) -> Result<bool> {
        self.inner.allocate(buffer, len)
    }
    fn write(&mut self, buffer: Shared, offset: usize, values: &[f32]) -> Result<()> {
        self.inner.write(buffer, offset, values)
    }
    fn write_words(&mut self, buffer: Shared, offset: usize, values: &[u32]) -> Result<()> {
        self.inner.write_words(buffer, offset, values)
    }
    fn read(&mut self, buffer: Shared, offset: usize, len: usize) -> Result<Vec<f32>> {
        self.inner.read(buffer, offset, len)
    }
    fn read_words(&mut self, buffer: Shared, offset: usize, len: usize) -> Result<Vec<u32>> {
        self.inner.read_words(buffer, offset, len)
    }
    fn prepare(&mut self, plan: Plan) -> Result<PlanId> {
        self.inner.prepare(plan)
    }
    fn release(&mut self, plan: PlanId) {
        self.inner.release(plan);
    }
    fn run(&mut self, plan: PlanId, times: u32) -> Result<()> {
        for _ in 0..times {
            self.inner.run(plan, 1)?;
            self.strike()?;
        }
        Ok(())
    }
    fn plan(&self, plan: PlanId) -> &Plan {
        self.inner.plan(plan)
    }
    fn memory(&self) -> u64 {
        self.inner.memory()
    }
    fn run_step(&mut self, plan: PlanId, step: usize, times: u32) -> Result<()> {
        self.inner.run_step(plan, step, times)
    }
    fn read_slice(&mut self, plan: PlanId, slice: Slice) -> Result<Vec<u32>> {
        self.inner.read_slice(plan, slice)
    }
    fn write_slice(&mut self, plan: PlanId, slice: Slice, bits: &[u32]) -> Result<()> {
        self.inner.write_slice(plan, slice, bits)
    }
    fn fuses_updates(&self) -> bool {
        self.inner.fuses_updates()
    }
    fn choices(&self) -> Vec<(String, String)> {
        self.inner.choices()
    }
}

#[test]
fn a_nan_in_a_weight_is_found_within_the_epoch_and_named() {
    let (spec, data) = (digit_model(), small_digits());
    let model = Model::new(&spec).expect("a model");
    let parameters = model.parameters();
    for name in ["fc1.weight", "fc22.bias", "fc4.weight"] {
        let tensor = parameters.tensors.iter().find(|t| t.name == name);
        let at = tensor.expect("the tensor").offset + 1;
        for (device, inner) in devices() {
            let runtime = Spoiling {
                inner,
                at,
                after: 17,
            };
            let mut trainer = trainer(Box::new(runtime), &spec, &OPTIONS(), &data);
            epoch(&mut trainer);
            let (step, tensor) = not_finite(trainer.epoch(&mut Quiet).expect_err("a NaN"));
            // The first step that met it.
            assert_eq!((step, tensor.as_str()), (18, name), "{device}");
        }
    }
}

#[test]
fn a_nan_in_an_image_is_found_within_the_epoch_and_named() {
    let spec = ModelSpec {
        likelihood: Likelihood::Gaussian {
            sigma: Sigma::Fixed(1.0),
        },
        ..digit_model()
    };
    let mut data = small_digits();
    for images in [&mut data.train, &mut data.test] {
        let floats = images.to_f32().expect("in memory");
        Arc::make_mut(images).storage = Storage::Memory(Values::Floats(floats));
    }
    let bad = 600;
    let train = Arc::make_mut(&mut data.train);
    if let Storage::Memory(Values::Floats(values)) = &mut train.storage {
        values[bad * 784 + 500] = f32::NAN;
    }
    for (device, runtime) in devices() {
        let mut trainer = trainer(runtime, &spec, &OPTIONS(), &data);
        let (step, tensor) = not_finite(trainer.epoch(&mut Quiet).expect_err("a NaN"));
        let order = trainer
            .runtime()
            .read_words(buffers::ORDER.of("train"), 0, 640);
        let order = order.expect("the order");
        let place = order.iter().position(|&image| image as usize == bad);
        let expected = place.expect("the image") / 64 + 1;
        assert_eq!(step as usize, expected, "{device}");
        assert_eq!(tensor, "x (of batch)", "{device}");
    }
}

#[test]
fn an_overflow_by_a_huge_learning_rate_is_found_and_named() {
    let (spec, data) = (digit_model(), small_digits());
    let options = TrainOptions {
        learning_rate: 1e30,
        ..OPTIONS()
    };
    for (device, runtime) in devices() {
        let mut trainer = trainer(runtime, &spec, &options, &data);
        let (step, tensor) = not_finite(trainer.epoch(&mut Quiet).expect_err("an overflow"));
        println!("{device}: step {step}: {tensor}");
        // The first update makes values of 1e30; the second step multiplies two of them.
        assert_eq!(step, 2, "{device}");
        assert!(tensor.contains("(of fc"), "{device}: {tensor}");
    }
}

/// Saves every epoch's model to a file, as a run folder does.
struct Saving {
    path: PathBuf,
    epochs: u32,
    last: String,
}

impl Observer for Saving {
    fn checkpoint(&mut self, state: &State) -> Result<()> {
        self.epochs = state.position.epochs;
        self.last = digest(&state.weights);
        state.weights.save(&self.path)
    }
}

/// Decay of −1.15 times every weight a step: good for an epoch of ten steps, not for five.
fn growing() -> TrainOptions {
    TrainOptions {
        epochs: 5,
        learning_rate: 1e-3,
        weight_decay: 2150.0,
        ..OPTIONS()
    }
}

#[test]
fn the_last_good_model_stays_when_training_diverges_later() {
    let (spec, data) = (digit_model(), small_digits());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut all = vec![("CPU", elbo::device::Device::Cpu)];
    if let Some(gpu) = gpu() {
        all.push(("GPU", elbo::device::Device::Gpu(Box::new(gpu))));
    }
    for (name, device) in all {
        let mut observer = Saving {
            path: folder.path().join(name),
            epochs: 0,
            last: String::new(),
        };
        let error = train(
            plan::open(device, plan::Tune::Quick),
            &spec,
            &growing(),
            &data,
            &mut observer,
        );
        let (step, loss) = diverged(error.expect_err("a loss beyond all bounds"));
        println!("{name}: {loss} after {} epochs", observer.epochs);
        assert!(observer.epochs >= 1, "{name}: no epoch was good");
        assert_eq!(step, 10 * (u64::from(observer.epochs) + 1), "{name}");
        let kept = Weights::load(&observer.path, &spec).expect("a whole model");
        assert_eq!(digest(&kept), observer.last, "{name}");
    }
}

#[test]
fn the_program_exits_with_5_and_keeps_a_usable_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let elbo = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_elbo"));
        command.args(arguments).current_dir(folder.path());
        command.output().expect("the program starts")
    };
    let options = growing();
    let decay = options.weight_decay.to_string();
    let output = elbo(&[
        "train",
        "--device",
        "cpu",
        "--hidden",
        "16",
        "--latent",
        "2",
        "--batch-size",
        "6000",
        "--epochs",
        "5",
        "--weight-decay",
        &decay,
        "--out",
        "run",
    ]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{text}");
    for word in ["error: step ", "nats per value", "try: "] {
        assert!(text.contains(word), "no {word:?} in {text}");
    }
    let metrics = fs::read_to_string(folder.path().join("run/metrics.jsonl"));
    assert!(metrics.expect("the metrics").lines().count() >= 1);
    assert!(text.contains("is kept in run"), "{text}");
    let page = fs::read_to_string(folder.path().join("run/report.html")).expect("a page");
    assert!(page.contains("badge stopped"), "its page does not run on");
    let output = elbo(&["evaluate", "run", "--device", "cpu"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}");
}

#[test]
fn a_run_that_fails_in_its_first_epoch_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_elbo"));
    command.args(["train", "--device", "cpu", "--hidden", "16", "--lr", "1e30"]);
    command.args(["--out", "run"]).current_dir(folder.path());
    let output = command.output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{text}");
    assert!(!text.contains("is kept"), "{text}");
    assert!(!folder.path().join("run").exists());
}

#[test]
fn a_logvar_far_beyond_its_bound_gives_a_finite_loss() {
    let (spec, data) = (digit_model(), small_digits());
    for (device, runtime) in devices() {
        let mut trainer = trainer(runtime, &spec, &OPTIONS(), &data);
        let model = Model::new(&spec).expect("a model");
        let parameters = model.parameters();
        let bias = parameters.tensors.iter().find(|t| t.name == "fc22.bias");
        let (offset, len) = bias.map(|t| (t.offset, t.len())).expect("the bias");
        let runtime = trainer.runtime();
        runtime
            .write(buffers::PARAMETERS, offset, &vec![200.0; len])
            .expect("write");
        let error = trainer.epoch(&mut Quiet).expect_err("a useless loss");
        assert!(error.to_string().contains("100 % of the log-variances"));
        // exp(30)/2 for each latent dimension, while logvar stays beyond its bound.
        let kl = 0.5 * 30.0_f64.exp() * spec.latent.values() as f64 / spec.image.values() as f64;
        let (step, loss) = diverged(error);
        println!("{device}: {loss}");
        assert_eq!(step, 10, "{device}");
        assert!(loss > 0.9 * kl && loss.is_finite(), "{device}: {loss}");
    }
}

/// A fault that comes and goes, such as one of the device's memory, is not found by looking again.
#[test]
fn a_nan_that_does_not_come_again_is_still_an_error() {
    let (spec, data) = (digit_model(), small_digits());
    let mut trainer = trainer(
        plan::open(elbo::device::Device::Cpu, plan::Tune::Quick),
        &spec,
        &OPTIONS(),
        &data,
    );
    epoch(&mut trainer);
    let runtime = trainer.runtime();
    runtime
        .write(buffers::PARAMETERS, 0, &[f32::NAN])
        .expect("write");
    let (step, tensor) = not_finite(trainer.epoch(&mut Quiet).expect_err("a NaN"));
    assert_eq!(step, 11);
    assert!(tensor.contains("the loss"), "{tensor}");
}
