//! A mixture of Gaussians.

use super::{CHOICE, NOISE, Uniform};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};

/// What a sum of weights may be off from 1 by the rounding of those of a fit.
const SUM_ROUNDING: f64 = 1e-9;

/// A Gaussian of a mixture.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    weight: f64,
    mean: Vec<f64>,
    covariance: Vec<f64>,
    /// L of L·Lᵀ, the covariance: `[latent, latent]`, zeros above the diagonal.
    factor: Vec<f64>,
}

impl Component {
    /// One of this weight, of mean `[latent]` and covariance `[latent, latent]`, of which the lower half counts. A dimension
    /// may have no variance.
    ///
    /// # Errors
    /// [`Error::Config`] where the sizes do not fit, the weight is below 0, a value is not finite, or the covariance is none.
    pub fn new(weight: f64, mean: Vec<f64>, covariance: Vec<f64>) -> Result<Self> {
        let refused = |what: &str| {
            Error::config(
                format!("a Gaussian of {} dimensions: {what}", mean.len()),
                "a weight, a mean, and the covariance of as many dimensions",
            )
        };
        if mean.is_empty() || covariance.len() != mean.len() * mean.len() {
            let values = covariance.len();
            return Err(refused(&format!("{values} values of its covariance")));
        }
        let values = [&mean[..], &covariance, &[weight]].concat();
        if weight < 0.0 || values.iter().any(|value| !value.is_finite()) {
            return Err(refused("a weight below 0, or a value that is not finite"));
        }
        let factor = factor(&covariance, mean.len())
            .ok_or_else(|| refused("its covariance is not that of any values"))?;
        Ok(Self {
            weight,
            mean,
            covariance,
            factor,
        })
    }

    /// Its share of the mixture, 0 to 1.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Its mean, `[latent]`.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Its covariance, `[latent, latent]`.
    pub fn covariance(&self) -> &[f64] {
        &self.covariance
    }

    /// The Cholesky factor of its covariance: `[latent, latent]`, zeros above the diagonal.
    pub(super) fn factor(&self) -> &[f64] {
        &self.factor
    }

    /// The same with another weight.
    pub(super) fn weighing(self, weight: f64) -> Self {
        Self { weight, ..self }
    }
}

/// The Cholesky factor L of a covariance, by rows; `None` where it is not that of any values. Of a dimension without variance
/// the row is zeros, and draws have its mean.
fn factor(covariance: &[f64], size: usize) -> Option<Vec<f64>> {
    let mut factor = vec![0.0; size * size];
    for i in 0..size {
        let (done, row) = factor.split_at_mut(i * size);
        for j in 0..i {
            let other = &done[j * size..][..size];
            let pivot = other[j];
            let products = row[..j].iter().zip(&other[..j]).map(|(a, b)| a * b);
            let left = covariance[i * size + j] - products.sum::<f64>();
            match pivot > 0.0 {
                true => row[j] = left / pivot,
                false if covariance[i * size + j] != 0.0 => return None,
                false => {}
            }
        }
        let variance = covariance[i * size + i];
        let square = variance - row[..i].iter().map(|value| value * value).sum::<f64>();
        match square > 0.0 {
            true => row[i] = square.sqrt(),
            false if variance != 0.0 => return None,
            false => row.fill(0.0),
        }
    }
    Some(factor)
}

/// A mixture of Gaussians with full covariances: Σ weight·N(mean, covariance).
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    components: Vec<Component>,
}

impl Mixture {
    /// That of these, whose weights count by their share of the sum.
    ///
    /// # Errors
    /// [`Error::Config`] where there is none, none has any weight, or their dimensions differ.
    pub fn new(mut components: Vec<Component>) -> Result<Self> {
        let latent = components.first().map(|first| first.mean.len());
        let alike = components.iter().all(|one| Some(one.mean.len()) == latent);
        let sum: f64 = components.iter().map(|one| one.weight).sum();
        if !alike || sum <= 0.0 || !sum.is_finite() {
            return Err(Error::config(
                format!("{} Gaussians are no mixture", components.len()),
                "Gaussians of as many dimensions each, and weights above 0",
            ));
        }
        // Not where rounding alone is off: a mixture from a file is the one that was written, to the bit.
        if (sum - 1.0).abs() > SUM_ROUNDING {
            for component in &mut components {
                component.weight /= sum;
            }
        }
        Ok(Self { components })
    }

    /// Dimensions of a code.
    pub fn latent(&self) -> usize {
        self.components.first().map_or(0, |one| one.mean.len())
    }

    /// Its Gaussians.
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// `count` codes, `[count, latent]`: a Gaussian by its weight, then mean + L·ε, with the ε that [`Prior::Gaussian`]
    /// draws.
    ///
    /// [`Prior::Gaussian`]: super::Prior::Gaussian
    pub fn draw(&self, seed: u64, count: usize) -> Vec<f32> {
        let latent = self.latent();
        let mut choices = Uniform::new(seed, Purpose::Prior, CHOICE);
        let mut stream = Stream::new(seed, Purpose::Prior, NOISE);
        let mut codes = Vec::with_capacity(count * latent);
        for _ in 0..count {
            let weights = self.components.iter().map(|one| one.weight);
            let component = &self.components[choices.choice(weights)];
            let noise: Vec<f64> = (0..latent).map(|_| stream.normal().into()).collect();
            let rows = component.factor.chunks_exact(latent).zip(&component.mean);
            codes.extend(rows.map(|(row, mean)| {
                let moved: f64 = row.iter().zip(&noise).map(|(a, b)| a * b).sum();
                (mean + moved) as f32
            }));
        }
        codes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_by_hand_is_found() {
        let component = Component::new(
            1.0,
            vec![0.0; 3],
            vec![
                4.0, 0.0, 0.0, //
                0.0, 0.0, 0.0, //
                2.0, 0.0, 5.0,
            ],
        );
        let component = component.expect("a Gaussian, one of whose dimensions is constant");
        let expected = [2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 2.0];
        assert_eq!(component.factor(), expected);
    }

    #[test]
    fn what_is_no_gaussian_is_refused() {
        let unit = vec![1.0, 0.0, 0.0, 1.0];
        let new = |weight, covariance: Vec<f64>| Component::new(weight, vec![0.0; 2], covariance);
        new(0.0, unit.clone()).expect("a Gaussian");
        for (weight, covariance) in [
            (-0.1, unit.clone()),
            (f64::NAN, unit.clone()),
            (0.5, vec![1.0; 3]),
            (0.5, vec![1.0, 0.0, f64::INFINITY, 1.0]),
            // More correlated than a dimension with itself, and correlated with a constant.
            (0.5, vec![1.0, 2.0, 2.0, 1.0]),
            (0.5, vec![0.0, 1.0, 1.0, 1.0]),
            (0.5, vec![-1.0, 0.0, 0.0, 1.0]),
        ] {
            assert!(new(weight, covariance.clone()).is_err(), "{covariance:?}");
        }
        let one = new(0.5, unit).expect("a Gaussian");
        let other = Component::new(0.5, vec![0.0], vec![1.0]).expect("of one dimension");
        assert!(Mixture::new(vec![]).is_err());
        assert!(Mixture::new(vec![one.clone(), other]).is_err());
        assert!(Mixture::new(vec![one.clone().weighing(0.0)]).is_err());
        let mixture = Mixture::new(vec![one.clone(), one]).expect("two");
        assert_eq!(mixture.components()[1].weight(), 0.5);
    }

    /// Four standard errors, by which one of thousands of means is off.
    const ERRORS: f64 = 4.0;

    #[test]
    fn draws_have_the_moments_of_the_mixture() {
        let new = |weight, mean: [f64; 2], covariance: [f64; 4]| {
            Component::new(weight, mean.to_vec(), covariance.to_vec()).expect("a Gaussian")
        };
        let (a, b) = ([-3.0, 1.0], [5.0, 0.0]);
        let mixture = Mixture::new(vec![
            new(3.0, a, [1.0, 0.8, 0.8, 2.0]),
            new(0.0, [1e9; 2], [1.0, 0.0, 0.0, 1.0]),
            new(1.0, b, [0.25, 0.0, 0.0, 9.0]),
        ]);
        let mixture = mixture.expect("a mixture");
        let count = 40_000;
        let codes = mixture.draw(5, count);
        assert_eq!(mixture.draw(5, 10), codes[..20], "fewer are the first");
        // Of the first Gaussian by where they lie: 8 apart, at deviations of 1 and 0.5.
        let (codes, _) = codes.as_chunks::<2>();
        let of_a: Vec<[f64; 2]> = codes
            .iter()
            .filter(|code| code[0] < 2.0)
            .map(|code| code.map(f64::from))
            .collect();
        let n = of_a.len() as f64;
        let share = n / count as f64;
        let error = (0.75 * 0.25 / count as f64).sqrt();
        assert!((share - 0.75).abs() < ERRORS * error, "{share}");
        let mean = |f: &dyn Fn(&[f64; 2]) -> f64| of_a.iter().map(f).sum::<f64>() / n;
        let near = |found: f64, expected: f64, variance: f64| {
            let error = (variance / n).sqrt();
            assert!(
                (found - expected).abs() < ERRORS * error,
                "{found}, {expected}"
            );
        };
        near(mean(&|x| x[0]), -3.0, 1.0);
        near(mean(&|x| x[1]), 1.0, 2.0);
        near(mean(&|x| (x[0] + 3.0).powi(2)), 1.0, 2.0);
        near(mean(&|x| (x[1] - 1.0).powi(2)), 2.0, 8.0);
        // The variance of a product: σ₁²·σ₂² + σ₁₂².
        near(mean(&|x| (x[0] + 3.0) * (x[1] - 1.0)), 0.8, 2.0 + 0.64);
    }
}
