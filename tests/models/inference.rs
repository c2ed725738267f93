//! Using a trained model, against plain loops: every image, on every device.

use elbo::data::{Binarize, Images, Split, Values};
use elbo::device::Device;
use elbo::model::{
    Activation, Component, Inference, Likelihood, Mixture, Model, ModelKind, ModelSpec, Prior,
    Sigma, Weights,
};
use elbo::rng::{Purpose, Stream};

use crate::by_hand::{self, Near, noise};
use crate::support::{Report, bytes_of, few_bytes, gpu, small};

const SEED: u64 = 0x0123_4567_89ab_cdef;

/// Images of a batch where nothing is learned.
const BATCH: usize = 512;

/// A full batch, and a short one of a prime number of images.
const IMAGES: usize = BATCH + 13;

/// Draws of z that are weighed in one pass.
const PASS: usize = 4096;

/// Initial parameters times this: codes then reach far beyond the prior's, so that importance weights
/// differ, and logits are not all near 0.
const SPREAD: f32 = 3.0;

/// A small model of 11 values with random parameters.
pub(crate) fn model(kind: ModelKind, likelihood: Likelihood) -> (ModelSpec, Weights) {
    let spec = ModelSpec {
        activation: Activation::Relu,
        likelihood,
        ..small(kind, 11, &[7], 3)
    };
    let model = Model::new(&spec).expect("a model");
    let parameters = model.parameters();
    let mut arena = parameters.initial(SEED);
    arena.iter_mut().for_each(|value| *value *= SPREAD);
    let weights = Weights::from_arena(parameters, &arena);
    (spec, weights)
}

fn vae() -> (ModelSpec, Weights) {
    model(ModelKind::Vae, Likelihood::Bernoulli)
}

pub(crate) fn images(count: usize, spec: &ModelSpec) -> Images {
    Images::new(
        spec.image,
        Values::Bytes(few_bytes(count, spec.image.values())),
    )
}

/// Every image as the model sees it.
fn all_seen(images: &Images) -> Vec<Vec<Near>> {
    let each = bytes_of(images).chunks(images.shape.values());
    each.map(by_hand::seen).collect()
}

/// The model on the CPU device and, where there is one, on the GPU.
pub(crate) fn on_devices(
    spec: &ModelSpec,
    weights: &Weights,
    seed: u64,
) -> Vec<(&'static str, Inference)> {
    let gpu = gpu().map(|gpu| ("GPU", Device::Gpu(Box::new(gpu))));
    let devices = [("CPU", Device::Cpu)].into_iter().chain(gpu);
    let open = |device| Inference::new(device, spec, weights, seed).expect("a model on a device");
    devices.map(|(name, device)| (name, open(device))).collect()
}

/// Compares rows of values, each an image's.
pub(crate) fn compare(
    report: &mut Report,
    kind: &'static str,
    found: &[f32],
    expected: &[Vec<Near>],
) {
    let width = expected[0].len();
    assert_eq!(found.len(), expected.len() * width, "{kind}");
    for (image, (found, expected)) in found.chunks(width).zip(expected).enumerate() {
        for (i, (&found, near)) in found.iter().zip(expected).enumerate() {
            let place = || format!("image {image}, {kind} {i}");
            report.check(kind, place, f64::from(found), near.value, near.error);
        }
    }
}

#[test]
fn encoding_gives_the_distribution_of_every_image() {
    for kind in [ModelKind::Vae, ModelKind::Ae] {
        let (spec, weights) = model(kind, small(kind, 1, &[1], 1).likelihood);
        let images = images(IMAGES, &spec);
        let encoded = all_seen(&images);
        let encoded = encoded.iter().map(|x| by_hand::encode(&spec, &weights, x));
        let (mu, logvar): (Vec<_>, Vec<_>) = encoded.map(|[mu, logvar]| (mu, logvar)).unzip();
        for (device, mut model) in on_devices(&spec, &weights, SEED) {
            let latents = model
                .encode(&images, Split::Test, Binarize::None)
                .expect("codes");
            let mut report = Report::default();
            compare(&mut report, "mu", &latents.mu, &mu);
            match kind {
                ModelKind::Vae => compare(&mut report, "logvar", &latents.logvar, &logvar),
                ModelKind::Ae => assert!(latents.logvar.is_empty(), "{device}"),
            }
            report.conclude(&format!("{kind:?}, {device}"));
        }
    }
}

#[test]
fn reconstructions_are_the_means_from_the_mean_code() {
    for kind in [ModelKind::Vae, ModelKind::Ae] {
        let (spec, weights) = model(kind, small(kind, 1, &[1], 1).likelihood);
        let images = images(IMAGES, &spec);
        let means: Vec<Vec<Near>> = all_seen(&images)
            .iter()
            .map(|x| {
                let [code, _] = by_hand::encode(&spec, &weights, x);
                let outputs = by_hand::decode(&weights, &code);
                outputs.into_iter().map(Near::sigmoid).collect()
            })
            .collect();
        for (device, mut model) in on_devices(&spec, &weights, SEED) {
            let found = model
                .reconstruct(&images, Split::Test, Binarize::None)
                .expect("means");
            let mut report = Report::default();
            compare(&mut report, "mean", &found, &means);
            report.conclude(&format!("{kind:?}, {device}"));
        }
    }
}

#[test]
fn samples_are_decoded_from_the_seeds_codes() {
    let (spec, weights) = vae();
    let mut prior = Stream::new(SEED, Purpose::Prior, 0);
    let means: Vec<Vec<Near>> = (0..IMAGES)
        .map(|_| {
            let code = (0..spec.latent.values()).map(|_| Near::exact(f64::from(prior.normal())));
            let outputs = by_hand::decode(&weights, &code.collect::<Vec<_>>());
            outputs.into_iter().map(Near::sigmoid).collect()
        })
        .collect();
    let others = on_devices(&spec, &weights, SEED + 1);
    for ((device, mut model), (_, mut other)) in
        on_devices(&spec, &weights, SEED).into_iter().zip(others)
    {
        let found = model
            .sample(&Prior::Gaussian, IMAGES, false)
            .expect("samples");
        let mut report = Report::default();
        compare(&mut report, "mean", &found, &means);
        report.conclude(device);
        let again = model
            .sample(&Prior::Gaussian, IMAGES, false)
            .expect("samples");
        assert_eq!(found, again, "{device}: the same seed");
        let other = other
            .sample(&Prior::Gaussian, IMAGES, false)
            .expect("samples");
        assert_ne!(found, other, "{device}: another seed");
    }
}

#[test]
fn any_model_is_sampled_by_a_mixture_and_an_autoencoder_by_no_other_density() {
    let gaussian = |weight, mean: f64| {
        let covariance = vec![0.5, 0.0, 0.0, 0.2, 1.0, 0.0, 0.0, -0.3, 2.0];
        Component::new(weight, vec![mean; 3], covariance).expect("a Gaussian")
    };
    let mixture = Mixture::new(vec![gaussian(0.4, -1.0), gaussian(0.6, 2.0)]).expect("a mixture");
    let codes = mixture.draw(SEED, IMAGES);
    for kind in [ModelKind::Vae, ModelKind::Ae] {
        let (spec, weights) = model(kind, small(kind, 1, &[1], 1).likelihood);
        for (device, mut model) in on_devices(&spec, &weights, SEED + 1) {
            let plain = model.sample(&Prior::Gaussian, IMAGES, false);
            assert_eq!(plain.is_ok(), kind == ModelKind::Vae, "{device}");
            model.reseed(SEED);
            let prior = Prior::Mixture(mixture.clone());
            let found = model.sample(&prior, IMAGES, false).expect("samples");
            let expected = model.decode(&codes).expect("means");
            assert_eq!(found, expected, "{device}");
        }
    }
}

/// Standard errors that a frequency may be off by: one of a thousand goes beyond by chance, and the
/// seed is fixed.
const STANDARD_ERRORS: f64 = 4.0;

/// Fails where a sum of independent draws is too far from what it should be.
fn assert_likely(what: &str, off: f64, variance: f64) {
    let errors = off / variance.sqrt();
    println!("{what}: {errors:.2} standard errors");
    assert!(errors.abs() <= STANDARD_ERRORS, "{what}: {errors}");
}

#[test]
fn bernoulli_draws_are_zeros_and_ones_as_often_as_the_means_say() {
    let (spec, weights) = vae();
    let values = spec.image.values();
    for (device, mut model) in on_devices(&spec, &weights, SEED) {
        let means = model
            .sample(&Prior::Gaussian, IMAGES, false)
            .expect("means");
        let draws = model.sample(&Prior::Gaussian, IMAGES, true).expect("draws");
        assert!(draws.iter().all(|&v| v == 0.0 || v == 1.0), "{device}");
        for value in 0..values {
            let pairs = means.iter().zip(&draws).skip(value).step_by(values);
            let (mut off, mut variance) = (0.0, 0.0);
            for (&mean, &draw) in pairs {
                let mean = f64::from(mean);
                off += f64::from(draw) - mean;
                variance += mean * (1.0 - mean);
            }
            assert_likely(&format!("{device}: value {value}"), off, variance);
        }
        // Equal means where draws ignore them would go unnoticed: ones are drawn where means are high.
        let ones = means.iter().zip(&draws).filter(|(_, draw)| **draw == 1.0);
        let (sum, count) = ones.fold((0.0, 0.0), |(s, n), (m, _)| (s + m, n + 1.0));
        let mean = means.iter().sum::<f32>() / means.len() as f32;
        assert!(sum / count > mean + 0.1, "{device}: {}", sum / count);
    }
}

#[test]
fn gaussian_draws_are_spread_by_sigma_about_the_means() {
    for rule in [Sigma::Fixed(0.3), Sigma::Learned(0.3), Sigma::Optimal] {
        let likelihood = Likelihood::Gaussian { sigma: rule };
        let (spec, weights) = model(ModelKind::Vae, likelihood);
        let tensor = weights.iter().find(|(name, ..)| *name == "log_sigma");
        let sigma = match tensor {
            // A parameter like the others, so that it is no longer where it started.
            Some((_, _, values)) => f64::from(values[0]).exp(),
            None => 0.3,
        };
        let is_found = rule != Sigma::Fixed(0.3);
        assert_eq!(is_found, (sigma - 0.3).abs() > 0.1, "{sigma}");
        for (device, mut model) in on_devices(&spec, &weights, SEED) {
            let means = model
                .sample(&Prior::Gaussian, IMAGES, false)
                .expect("means");
            let draws = model.sample(&Prior::Gaussian, IMAGES, true).expect("draws");
            let (mut sum, mut squares) = (0.0, 0.0);
            for (&mean, &draw) in means.iter().zip(&draws) {
                let residual = (f64::from(draw) - f64::from(mean)) / sigma;
                sum += residual;
                squares += residual * residual;
            }
            let count = means.len() as f64;
            assert_likely(&format!("{device}, {rule}: mean"), sum, count);
            let what = format!("{device}, {rule}: variance");
            assert_likely(&what, squares - count, 2.0 * count);
        }
    }
}

/// The mean over images, whose roundings are independent of each other.
fn mean(images: &[Near]) -> Near {
    let count = images.len() as f64;
    let squares: f64 = images.iter().map(|near| near.error * near.error).sum();
    Near {
        value: images.iter().map(|near| near.value).sum::<f64>() / count,
        error: squares.sqrt() / count,
    }
}

/// The mean of losses that a device adds up by batches of `f32`.
fn mean_of_batches(losses: &[Near]) -> Near {
    let mean = mean(losses);
    // A random walk of roundings over a batch, each relative to a sum of half its final size.
    let sum = mean.value * BATCH.min(losses.len()) as f64 / 2.0;
    let rounding = sum * (f64::from(f32::EPSILON)) / (losses.len() as f64).sqrt();
    Near {
        error: mean.error + rounding,
        ..mean
    }
}

#[test]
fn evaluation_means_the_losses_over_every_image() {
    let beta = 0.5_f32;
    for kind in [ModelKind::Vae, ModelKind::Ae] {
        let (mut spec, weights) = model(kind, Likelihood::Bernoulli);
        if kind == ModelKind::Vae {
            spec.beta = beta;
        }
        let images = images(IMAGES, &spec);
        let batches = [0, 1].map(|step| {
            let len = BATCH * spec.latent.values();
            noise(SEED, Purpose::EvaluationEpsilon, step, len)
        });
        let losses = all_seen(&images).into_iter().enumerate().map(|(i, x)| {
            let noise = &batches[i / BATCH][i % BATCH * spec.latent.values()..];
            by_hand::losses(&spec, &weights, &x, noise)
        });
        let (reconstruction, kl): (Vec<_>, Vec<_>) = losses.map(|[r, kl]| (r, kl)).unzip();
        let (reconstruction, kl) = (mean_of_batches(&reconstruction), mean_of_batches(&kl));
        let beta = f64::from(spec.beta);
        let total = Near {
            value: reconstruction.value + beta * kl.value,
            error: reconstruction.error + beta * kl.error,
        };
        for (device, mut model) in on_devices(&spec, &weights, SEED) {
            let evaluation = model
                .evaluate(&images, Split::Test, Binarize::None, 0, &mut |_, _| {})
                .expect("losses");
            assert_eq!(evaluation.images, IMAGES, "{device}");
            assert!(evaluation.log_likelihood.is_none(), "{device}");
            let loss = evaluation.loss;
            let mut report = Report::default();
            let mut check = |name, found, near: Near| {
                // An autoencoder's KL is 0 and not off by anything.
                let limit = near.error.max(f64::MIN_POSITIVE);
                report.check(name, || name.to_owned(), found, near.value, limit);
            };
            check(
                "reconstruction",
                loss.terms["reconstruction"],
                reconstruction,
            );
            if let Some(&found) = loss.terms.get("kl") {
                check("KL", found, kl);
            }
            assert_eq!(loss.terms.contains_key("kl"), kind == ModelKind::Vae);
            check("loss", loss.total, total);
            report.conclude(&format!("{kind:?}, {device}"));
        }
    }
}

/// The importance-weighted bound of each image: an image takes all its draws in one pass of many images,
/// or alone in several passes where one does not hold them.
fn bounds(spec: &ModelSpec, weights: &Weights, images: &Images, samples: usize) -> Vec<Near> {
    let together = (PASS / samples).clamp(1, images.len());
    let mut pass = 0;
    let mut bounds = Vec::new();
    for batch in all_seen(images).chunks(together) {
        let mut log_weights = vec![Vec::new(); batch.len()];
        while log_weights[0].len() < samples {
            let each = PASS.min(samples - log_weights[0].len());
            let len = batch.len() * each * spec.latent.values();
            let noise = noise(SEED, Purpose::EvaluationEpsilon, pass, len);
            let mut noise = noise.chunks(spec.latent.values());
            pass += 1;
            for (x, all) in batch.iter().zip(&mut log_weights) {
                let heads = by_hand::encode(spec, weights, x);
                let draws = noise.by_ref().take(each);
                all.extend(draws.map(|draw| by_hand::log_weight(weights, &heads, x, draw)));
            }
        }
        bounds.extend(log_weights.iter().map(|all| by_hand::log_mean_exp(all)));
    }
    bounds
}

/// Compares log p(x) with the bounds of the images and with the ELBO beside it.
fn check_bounds(
    report: &mut Report,
    model: &mut Inference,
    images: &Images,
    samples: usize,
    bounds: &[Near],
) {
    let mut last = (0, 0);
    let evaluation = model
        .evaluate(
            images,
            Split::Test,
            Binarize::None,
            samples,
            &mut |done, all| {
                assert!(done > last.0, "progress goes on");
                last = (done, all);
            },
        )
        .expect("a bound");
    assert_eq!(last, (images.len(), images.len()), "progress ends");
    let (found, standard_error) = evaluation.log_likelihood.expect("a bound");
    let count = images.len() as f64;
    let place = || format!("{count} images, {samples} samples");
    let mean = mean(bounds);
    report.check("bound", place, found, mean.value, mean.error);
    if images.len() == 1 {
        assert!(standard_error.is_nan(), "one image has no spread");
        return;
    }
    let squares = bounds.iter().map(|near| (near.value - mean.value).powi(2));
    let expected = (squares.sum::<f64>() / (count * (count - 1.0))).sqrt();
    // Its slope by each bound is the bound's distance from the mean over n(n − 1) standard errors.
    let moved = bounds
        .iter()
        .map(|near| ((near.value - mean.value) * near.error).powi(2));
    let limit = moved.sum::<f64>().sqrt() / (count * (count - 1.0) * expected);
    report.check("standard error", place, standard_error, expected, limit);
    let terms = &evaluation.loss.terms;
    let elbo = -(terms["reconstruction"] + terms["kl"]);
    assert!(
        found >= elbo - 3.0 * standard_error,
        "{}: {found} ± {standard_error} is below the ELBO {elbo}",
        place()
    );
}

#[test]
fn the_importance_weighted_bound_of_one_image_is_that_of_its_draws() {
    let (spec, weights) = vae();
    let images = images(12, &spec);
    for (device, mut model) in on_devices(&spec, &weights, SEED) {
        let mut report = Report::default();
        for samples in [1, 5] {
            for image in 0..images.len() {
                let alone = images.select(&[image]).expect("in memory");
                let bounds = bounds(&spec, &weights, &alone, samples);
                check_bounds(&mut report, &mut model, &alone, samples, &bounds);
            }
        }
        report.conclude(device);
    }
}

/// With fewer draws than a pass has room for, exactly as many, and more; a prime number of images, and
/// more of them than a pass has room for. In one session, where as many rows in a pass can be few draws
/// of many images or many of few.
#[test]
fn images_and_draws_that_share_passes_do_not_mix() {
    let (spec, weights) = vae();
    let sizes = [
        (23, 1),
        (1025, 5),
        (4, PASS / 4),
        (4, PASS),
        (3, PASS + 904),
    ];
    let cases = sizes.map(|(count, samples)| {
        let images = images(count, &spec);
        let bounds = bounds(&spec, &weights, &images, samples);
        (images, samples, bounds)
    });
    for (device, mut model) in on_devices(&spec, &weights, SEED) {
        let mut report = Report::default();
        for (images, samples, bounds) in &cases {
            check_bounds(&mut report, &mut model, images, *samples, bounds);
        }
        report.conclude(device);
    }
}
