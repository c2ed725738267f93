//! What codes are drawn from, to decode new images from them.

mod cluster;
mod file;
mod fit;
mod mixture;

use std::fmt;
use std::str::FromStr;

pub use fit::Fit;
pub use mixture::{Component, Mixture};

use super::Latents;
use crate::error::{Error, Result};
use crate::option;
use crate::rng::{Purpose, Stream};

/// Steps of the streams of [`Purpose::Prior`].
const NOISE: u32 = 0;
const CHOICE: u32 = 1;

/// What codes are drawn from, as a user says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PriorName {
    /// N(0, I).
    #[default]
    Gaussian,
    /// A mixture of so many Gaussians, fitted to the codes of the training images.
    Mixture(usize),
    /// The codes of the training images themselves.
    Codes,
    /// The code of each place as often as the training images have it there.
    Frequencies,
}

/// What is expected where a text is none of them.
const EXPECTED: &str = "expected gaussian, codes, frequencies, or mixture:K with a number of Gaussians, such as mixture:10";

impl FromStr for PriorName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "gaussian" => Ok(Self::Gaussian),
            "codes" => Ok(Self::Codes),
            "frequencies" => Ok(Self::Frequencies),
            text => {
                let count = text.strip_prefix("mixture:").ok_or(EXPECTED)?;
                let count = option::positive(count);
                count.map(Self::Mixture).map_err(|_| EXPECTED.to_owned())
            }
        }
    }
}

impl fmt::Display for PriorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gaussian => write!(f, "gaussian"),
            Self::Mixture(count) => write!(f, "mixture:{count}"),
            Self::Codes => write!(f, "codes"),
            Self::Frequencies => write!(f, "frequencies"),
        }
    }
}

/// What codes are drawn from.
#[derive(Clone, Debug)]
pub enum Prior {
    /// N(0, I): the prior that a VAE is trained with. An autoencoder has none.
    Gaussian,
    /// A density that was fitted to codes after training.
    Mixture(Mixture),
    /// The aggregate posterior of some images, 1/N Σ q(z|x): one of them at random, then a draw from its q(z|x). The code
    /// itself for an autoencoder, so that what is decoded are reconstructions of these images and nothing new.
    Codes(Latents),
    /// The codes of some images, of places with so many channels each: every place has that of one of them at random,
    /// whichever the others have.
    Frequencies(Latents, usize),
}

impl Prior {
    /// `count` codes of `latent` dimensions, `[count, latent]`: a function of the seed, of which fewer codes are the first.
    ///
    /// # Errors
    /// [`Error::Config`] where its codes have another number of dimensions, or there are none.
    pub fn draw(&self, seed: u64, count: usize, latent: usize) -> Result<Vec<f32>> {
        match self {
            Self::Gaussian => Ok(gaussian(seed, count, latent)),
            Self::Mixture(mixture) => {
                check("a mixture of codes", mixture.latent(), latent)?;
                Ok(mixture.draw(seed, count))
            }
            Self::Codes(latents) => of_codes(latents, seed, count, latent, latent),
            Self::Frequencies(latents, channels) => {
                of_codes(latents, seed, count, latent, *channels)
            }
        }
    }
}

fn check(what: &str, found: usize, latent: usize) -> Result<()> {
    match found == latent {
        true => Ok(()),
        false => Err(Error::config(
            format!("{what} of {found} dimensions: the model's codes have {latent}"),
            "what was made with this model",
        )),
    }
}

/// An image is chosen for every `together` values of a code.
fn of_codes(
    latents: &Latents,
    seed: u64,
    count: usize,
    latent: usize,
    together: usize,
) -> Result<Vec<f32>> {
    let (means, variances) = (latents.mu.len(), latents.logvar.len());
    let images = means / latent.max(1);
    if images == 0 || images * latent != means || ![0, means].contains(&variances) {
        return Err(Error::config(
            format!("{means} values, with {variances} variances, are not codes of {latent} each"),
            "whole codes, one at least, and as many variances or none",
        ));
    }
    let mut choices = Uniform::new(seed, Purpose::Prior, CHOICE);
    let mut noise = Stream::new(seed, Purpose::Prior, NOISE);
    let mut codes = Vec::with_capacity(count * latent);
    for place in 0..count * latent / together {
        let image = ((choices.next() * images as f64) as usize).min(images - 1);
        let first = image * latent + place * together % latent;
        for at in first..first + together {
            // Of an autoencoder there is no variance.
            let deviation = latents.logvar.get(at).map(|logvar| (0.5 * logvar).exp());
            let moved = deviation.map_or(0.0, |deviation| deviation * noise.normal());
            codes.push(latents.mu[at] + moved);
        }
    }
    Ok(codes)
}

/// Codes from N(0, I), `[count, latent]`.
pub(crate) fn gaussian(seed: u64, count: usize, latent: usize) -> Vec<f32> {
    let mut stream = Stream::new(seed, Purpose::Prior, NOISE);
    (0..count * latent).map(|_| stream.normal()).collect()
}

/// A stream of uniform values of [0, 1) in steps of 2⁻⁴⁸: those of 2⁻²⁴ would not reach each of many images.
struct Uniform(Stream);

impl Uniform {
    fn new(seed: u64, purpose: Purpose, step: u32) -> Self {
        Self(Stream::new(seed, purpose, step))
    }

    fn next(&mut self) -> f64 {
        let [high, low] = [self.0.uniform(), self.0.uniform()].map(f64::from);
        high + low / 16_777_216.0
    }

    /// An index, each as likely as its weight among all; the last one of any weight where rounding leaves none, and 0 where
    /// none has a weight.
    fn choice(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let mut left = self.next() * weights.clone().sum::<f64>();
        let mut last = 0;
        for (at, weight) in weights.enumerate().filter(|(_, weight)| *weight > 0.0) {
            if left < weight {
                return at;
            }
            left -= weight;
            last = at;
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prior_is_gaussian_codes_or_a_mixture_with_its_number() {
        for (text, expected) in [
            ("gaussian", PriorName::Gaussian),
            ("mixture:10", PriorName::Mixture(10)),
            ("codes", PriorName::Codes),
        ] {
            let name: PriorName = text.parse().expect(text);
            assert_eq!(name, expected);
            assert_eq!(name.to_string(), text);
        }
        for wrong in [
            "",
            "mixture",
            "mixture:",
            "mixture:0",
            "mixture:-1",
            "mixture:1.5",
            "mixture:ten",
            "gmm:10",
            "gaussian:2",
            "codes:2",
            "Gaussian",
        ] {
            let error = wrong.parse::<PriorName>().expect_err(wrong);
            assert_eq!(error, EXPECTED, "{wrong}");
        }
    }

    #[test]
    fn choices_are_as_likely_as_their_weights_and_none_is_without_weight() {
        let mut uniform = Uniform::new(3, Purpose::Prior, CHOICE);
        let weights = [0.0, 1.0, 0.0, 3.0, 0.0];
        let mut counts = [0.0; 5];
        let draws = 20_000;
        for _ in 0..draws {
            counts[uniform.choice(weights.iter().copied())] += 1.0;
        }
        // Four standard errors of a share of a quarter.
        let share: f64 = counts[1] / f64::from(draws);
        let error = (0.25 * 0.75 / f64::from(draws)).sqrt();
        assert!((share - 0.25).abs() < 4.0 * error, "{share}");
        assert_eq!([counts[0], counts[2], counts[4]], [0.0; 3]);
        assert_eq!(uniform.choice([0.0; 3].into_iter()), 0);
    }

    #[test]
    fn codes_of_images_are_drawn_with_their_variance() {
        let points = Latents {
            mu: vec![1.0, 10.0, 2.0, 20.0, 3.0, 30.0],
            logvar: Vec::new(),
        };
        let codes = Prior::Codes(points.clone()).draw(7, 300, 2).expect("codes");
        let each = codes.as_chunks::<2>().0;
        assert_eq!(each.len(), 300);
        assert!(each.iter().all(|[a, b]| *b == 10.0 * a));
        for code in [1.0, 2.0, 3.0] {
            let count = each.iter().filter(|[a, _]| *a == code).count();
            // 100 expected, with a standard deviation of 8.2.
            assert!((67..=133).contains(&count), "{code}: {count}");
        }
        let spread = Latents {
            logvar: vec![-2.0; 6],
            ..points
        };
        let codes = Prior::Codes(spread).draw(7, 300, 2).expect("codes");
        let deviations = codes.as_chunks::<2>().0.iter().map(|[a, b]| {
            // 10·a and b have the same mean of each image, and independent noise.
            f64::from(10.0 * a - b) / 101_f64.sqrt()
        });
        let variance = deviations.map(|value| value * value).sum::<f64>() / 300.0;
        // e⁻², within four standard errors of the variance of 300 normal values.
        let expected = (-2.0_f64).exp();
        assert!(
            (variance / expected - 1.0).abs() < 4.0 * (2.0_f64 / 300.0).sqrt(),
            "{variance}"
        );
    }

    #[test]
    fn what_fits_another_model_is_refused() {
        let latents = Latents {
            mu: vec![1.0; 6],
            logvar: Vec::new(),
        };
        let codes = Prior::Codes(latents);
        codes.draw(1, 2, 3).expect("two codes of three values");
        assert!(codes.draw(1, 2, 4).is_err());
        let cut = Prior::Codes(Latents {
            mu: vec![1.0; 6],
            logvar: vec![0.0; 3],
        });
        let error = cut.draw(1, 2, 3).expect_err("half of the variances");
        assert!(error.to_string().contains("3 variances"), "{error}");
        let one = Component::new(1.0, vec![0.0; 2], vec![1.0, 0.0, 0.0, 1.0]).expect("a Gaussian");
        let mixture = Prior::Mixture(Mixture::new(vec![one]).expect("a mixture"));
        mixture.draw(1, 2, 2).expect("two dimensions");
        let error = mixture.draw(1, 2, 3).expect_err("another model");
        assert!(error.to_string().contains("have 3"), "{error}");
    }
}
