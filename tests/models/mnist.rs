//! Known results on the real MNIST: the reference job of PyTorch's example (784-400-20-400-784, ReLU,
//! Bernoulli on grey pixels, Adam 1e-3, batch 128), whose published logs end at 105.6 nats.

use std::path::Path;

use elbo::data::{self, DataOptions, Dataset};
use elbo::model::{Likelihood, Loss, ModelKind, ModelSpec};
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

/// Trains the reference model, or one changed from it, and returns the last test loss.
fn job(
    runtime: Box<dyn Runtime>,
    spec: &ModelSpec,
    seed: u64,
    epochs: u32,
    dataset: &Dataset,
) -> Loss {
    let options = TrainOptions {
        epochs,
        seed,
        ..TrainOptions::default()
    };
    let mut trainer = trainer(runtime, spec, &options, dataset);
    let mut loss = Loss::default();
    for _ in 0..epochs {
        let record = epoch(&mut trainer);
        println!(
            "seed {seed} epoch {}: train {:.2}, test {:.2}, {:.0} images/s",
            record.epoch, record.train.total, record.test.total, record.images_per_s
        );
        loss = record.test;
    }
    loss
}

fn cpu() -> Box<dyn Runtime> {
    Box::new(CpuRuntime::<f32>::new())
}

#[test]
fn one_epoch_on_the_cpu_reaches_the_known_loss() {
    let Some(folder) = mnist_folder() else { return };
    let loss = job(cpu(), &ModelSpec::reference(), 1, 1, &read(&folder));
    assert!((125.5..129.0).contains(&loss.total), "{}", loss.total);
}

#[test]
#[ignore = "three runs of ten epochs, minutes"]
fn the_reference_job_on_the_cpu_ends_at_the_published_loss() {
    let Some(folder) = mnist_folder() else { return };
    let (dataset, spec) = (read(&folder), ModelSpec::reference());
    let losses = [1, 2, 3].map(|seed| job(cpu(), &spec, seed, 10, &dataset).total);
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
    let loss = job(runtime, &ModelSpec::reference(), 1, 10, &read(&folder)).total;
    println!("test loss: {loss:.3}");
    assert!((loss - REFERENCE).abs() <= 0.5, "{loss}");
}

/// Squared reconstruction error per image of the test images after `epochs`: of an autoencoder, and of
/// a VAE whose Gaussian likelihood has −log p(x|z) = ‖x − output‖² + a constant.
fn squared_errors(epochs: u32, dataset: &Dataset) -> (f64, f64) {
    // 1/(2 sigma²) = 1
    let sigma = std::f32::consts::FRAC_1_SQRT_2;
    let reference = ModelSpec::reference();
    let ae = ModelSpec {
        kind: ModelKind::Ae,
        likelihood: Likelihood::SquaredError,
        ..reference.clone()
    };
    let vae = ModelSpec {
        likelihood: Likelihood::Gaussian {
            sigma,
            learned: false,
        },
        ..reference
    };
    let constant = f64::from(sigma.ln()) + 0.5 * std::f64::consts::TAU.ln();
    let ae = job(cpu(), &ae, 1, epochs, dataset).total;
    let vae = job(cpu(), &vae, 1, epochs, dataset).reconstruction - 784.0 * constant;
    println!("squared error per image: autoencoder {ae:.3}, VAE {vae:.3}");
    (ae, vae)
}

#[test]
#[ignore = "two runs of ten epochs, minutes"]
fn an_autoencoder_reconstructs_better_than_a_vae_of_its_size() {
    let Some(folder) = mnist_folder() else { return };
    let (ae, vae) = squared_errors(10, &read(&folder));
    println!(
        "the autoencoder's error is {:.1} % lower",
        100.0 * (1.0 - ae / vae)
    );
    assert!(ae < vae, "autoencoder {ae}, VAE {vae}");
}
