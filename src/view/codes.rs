//! Codes of images, and how they are spread.

use crate::data::{Binarize, Images, Split};
use crate::error::{Error, Result};
use crate::model::{Inference, Latents};

/// How codes are spread along each latent dimension: that of the prior, or of the codes of some images.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    /// Mean of each dimension.
    pub mean: Vec<f64>,
    /// Standard deviation of each dimension.
    pub deviation: Vec<f64>,
}

impl Spread {
    /// That of a VAE's prior, N(0, I).
    pub fn prior(latent: usize) -> Self {
        Self {
            mean: vec![0.0; latent],
            deviation: vec![1.0; latent],
        }
    }

    /// That of `codes`, `[images, latent]`. Codes of an autoencoder have no scale but this one.
    pub fn of(codes: &[f32], latent: usize) -> Self {
        let count = (codes.len() / latent.max(1)).max(1) as f64;
        let column = |value: usize| {
            let column = codes.iter().skip(value).step_by(latent.max(1));
            column.copied().map(f64::from)
        };
        let mean: Vec<f64> = (0..latent)
            .map(|value| column(value).sum::<f64>() / count)
            .collect();
        let deviation = mean.iter().enumerate().map(|(value, mean)| {
            let squares: f64 = column(value).map(|v| (v - mean).powi(2)).sum();
            (squares / count).sqrt()
        });
        Self {
            deviation: deviation.collect(),
            mean,
        }
    }
}

/// q(z|x) of images, as [`Inference::encode`] has it.
///
/// # Errors
/// As [`Inference::encode`]; [`Error::Config`] where a code is not finite.
pub fn encode(
    model: &mut Inference,
    images: &Images,
    split: Split,
    binarize: Binarize,
) -> Result<Latents> {
    encode_at(model, images, split, binarize, &|place| place)
}

/// The same of some images of many; `index` is that of an image among all, by its place here.
pub(super) fn encode_at(
    model: &mut Inference,
    images: &Images,
    split: Split,
    binarize: Binarize,
    index: &dyn Fn(usize) -> usize,
) -> Result<Latents> {
    let latents = model.encode(images, split, binarize)?;
    let latent = (latents.mu.len() / images.len().max(1)).max(1);
    let bad = |values: &[f32]| values.iter().position(|value| !value.is_finite());
    if let Some(at) = bad(&latents.mu).or_else(|| bad(&latents.logvar)) {
        return Err(Error::config(
            format!("the code of image {} is not finite", index(at / latent)),
            "images with values like those that the model was trained on, or another run",
        ));
    }
    Ok(latents)
}

/// KL(q(z|x) ‖ p(z)) of each latent dimension, in nats, as a mean over the images: ½(μ² + σ² − 1 − log σ²) (Kingma &
/// Welling 2014, appendix B). A dimension that the model makes no use of has one near 0.
pub fn kl_by_value(latents: &Latents, latent: usize) -> Vec<f64> {
    let mut sums = vec![0.0; latent];
    let codes = latents.mu.chunks_exact(latent);
    for (mu, logvar) in codes.zip(latents.logvar.chunks_exact(latent)) {
        for (sum, (&mu, &logvar)) in sums.iter_mut().zip(mu.iter().zip(logvar)) {
            let logvar = f64::from(logvar);
            *sum += 0.5 * (f64::from(mu).powi(2) + logvar.exp_m1() - logvar);
        }
    }
    let count = (latents.mu.len() / latent).max(1) as f64;
    sums.iter().map(|sum| sum / count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_of_codes_is_their_mean_and_deviation() {
        let spread = Spread::of(&[1.0, 10.0, 3.0, 10.0, 1.0, 10.0, 3.0, 10.0], 2);
        assert_eq!(spread.mean, [2.0, 10.0]);
        assert_eq!(spread.deviation, [1.0, 0.0]);
    }

    #[test]
    fn the_kl_of_each_value_is_that_of_two_normal_distributions() {
        let latents = Latents {
            mu: vec![0.0, 2.0, 0.0, 0.0],
            logvar: vec![0.0, 0.0, 0.0, -1.0],
        };
        let kl = kl_by_value(&latents, 2);
        // 2 nats of the mean; ½(e⁻¹ − 1 + 1) of the variance.
        let expected = (2.0 + 0.5 * (-1.0_f64).exp()) / 2.0;
        assert_eq!(kl[0], 0.0);
        assert!((kl[1] - expected).abs() < 1e-15, "{kl:?}");
    }
}
