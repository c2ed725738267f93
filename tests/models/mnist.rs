//! Known results on the real MNIST: the reference job of PyTorch's example (784-400-20-400-784, ReLU,
//! Bernoulli on grey pixels, Adam 1e-3, batch 128), whose published logs end at 105.6 nats.

use std::path::Path;

use elbo::data::{self, Binarize, DataOptions, Dataset, Split};
use elbo::device::Device;
use elbo::kernel::Precision;
use elbo::model::{Inference, Likelihood, Loss, ModelKind, ModelSpec, Weights};
use elbo::plan::{Choice, CpuRuntime, GpuRuntime, Runtime};
use elbo::train::TrainOptions;

use crate::reproducibility::{epoch, trainer};
use crate::support::{gpu, mnist_folder};

/// Test loss of the reference job after ten epochs.
const REFERENCE: f64 = 105.6;

fn read(folder: &Path) -> Dataset {
    let name = folder.to_string_lossy();
    data::load(&name, &DataOptions::default(), &mut |_| {}).expect("MNIST")
}

/// Trains the reference model, or one changed from it, and returns its last test loss and weights.
fn job(
    runtime: Box<dyn Runtime>,
    spec: &ModelSpec,
    seed: u64,
    epochs: u32,
    dataset: &Dataset,
) -> (Loss, Weights) {
    let options = TrainOptions {
        epochs,
        seed,
        ..TrainOptions::default()
    };
    run(runtime, spec, &options, dataset)
}

fn run(
    runtime: Box<dyn Runtime>,
    spec: &ModelSpec,
    options: &TrainOptions,
    dataset: &Dataset,
) -> (Loss, Weights) {
    let TrainOptions { epochs, seed, .. } = *options;
    let mut trainer = trainer(runtime, spec, options, dataset);
    let mut loss = Loss::default();
    for _ in 0..epochs {
        let record = epoch(&mut trainer);
        println!(
            "seed {seed} epoch {}: train {:.2}, test {:.2}, {:.0} images/s",
            record.epoch, record.train.total, record.test.total, record.images_per_s
        );
        loss = record.test;
    }
    (loss, trainer.weights().expect("weights"))
}

fn cpu() -> Box<dyn Runtime> {
    Box::new(CpuRuntime::<f32>::new())
}

#[test]
fn one_epoch_on_the_cpu_reaches_the_known_loss() {
    let Some(folder) = mnist_folder() else { return };
    let (loss, _) = job(cpu(), &ModelSpec::reference(), 1, 1, &read(&folder));
    assert!((125.5..129.0).contains(&loss.total), "{}", loss.total);
}

#[test]
#[ignore = "three runs of ten epochs, minutes"]
fn the_reference_job_on_the_cpu_ends_at_the_published_loss() {
    let Some(folder) = mnist_folder() else { return };
    let (dataset, spec) = (read(&folder), ModelSpec::reference());
    let losses = [1, 2, 3].map(|seed| job(cpu(), &spec, seed, 10, &dataset).0.total);
    let mean = losses.iter().sum::<f64>() / 3.0;
    println!("test loss of three seeds: {losses:.2?}, mean {mean:.3}");
    assert!((mean - REFERENCE).abs() <= 0.3, "{mean}");
}

#[test]
#[ignore = "three runs of ten epochs, minutes"]
fn the_reference_job_with_operands_in_f16_ends_at_the_published_loss() {
    let Some(folder) = mnist_folder() else { return };
    let (dataset, spec) = (read(&folder), ModelSpec::reference());
    let losses = [1, 2, 3].map(|seed| {
        let options = TrainOptions {
            seed,
            precision: Precision::F16,
            ..TrainOptions::default()
        };
        run(cpu(), &spec, &options, &dataset).0.total
    });
    let mean = losses.iter().sum::<f64>() / 3.0;
    println!("test loss of three seeds: {losses:.2?}, mean {mean:.3}");
    assert!((mean - REFERENCE).abs() <= 0.3, "{mean}");
}

#[test]
#[ignore = "ten epochs, minutes on a software GPU"]
fn the_reference_job_on_the_gpu_ends_at_the_published_loss() {
    let Some(folder) = mnist_folder() else { return };
    let Some(gpu) = gpu() else { return };
    let runtime = Box::new(GpuRuntime::new(gpu, Choice::Guess));
    let (loss, _) = job(runtime, &ModelSpec::reference(), 1, 10, &read(&folder));
    let loss = loss.total;
    println!("test loss: {loss:.3}");
    assert!((loss - REFERENCE).abs() <= 0.5, "{loss}");
}

#[test]
#[ignore = "ten epochs of convolutions, minutes"]
fn convolutions_end_at_the_loss_of_pytorch() {
    let Some(folder) = mnist_folder() else { return };
    let spec = ModelSpec {
        encoder: "conv 32 k4 /2, conv 64 k4 /2, linear 256"
            .parse()
            .expect("layers"),
        latent: 32.into(),
        ..ModelSpec::reference()
    };
    let (loss, _) = job(cpu(), &spec, 1, 10, &read(&folder));
    let loss = loss.total;
    println!("test loss: {loss:.3}");
    // PyTorch's seeds 1 to 7 end at 98.94 to 101.40.
    assert!((98.2..=102.0).contains(&loss), "{loss}");
}

/// Squared error per image between test images and their reconstructions from the mean code.
fn squared_error(spec: &ModelSpec, epochs: u32, dataset: &Dataset) -> f64 {
    let (_, weights) = job(cpu(), spec, 1, epochs, dataset);
    let mut model = Inference::new(Device::Cpu, spec, &weights, 1).expect("a model");
    let found = model.reconstruct(&dataset.test, Split::Test, Binarize::None);
    let found = found.expect("reconstructions");
    let images = dataset.test.to_f32().expect("in memory").into_iter();
    let squares = images.zip(found).map(|(x, y)| f64::from(x - y).powi(2));
    squares.sum::<f64>() / dataset.test.len() as f64
}

#[test]
#[ignore = "two runs of ten epochs, minutes"]
fn an_autoencoder_reconstructs_better_than_a_vae_of_its_size() {
    let Some(folder) = mnist_folder() else { return };
    let dataset = read(&folder);
    let vae = ModelSpec::reference();
    let ae = ModelSpec {
        kind: ModelKind::Ae,
        likelihood: Likelihood::SquaredError,
        ..vae.clone()
    };
    let [ae, vae] = [ae, vae].map(|spec| squared_error(&spec, 10, &dataset));
    let lower = 100.0 * (1.0 - ae / vae);
    println!("squared error per image: autoencoder {ae:.3}, VAE {vae:.3}, {lower:.1} % lower");
    // Measured: 10.3 % lower with seed 1.
    assert!(ae < 0.95 * vae, "autoencoder {ae}, VAE {vae}");
}
