//! Each latent dimension by itself.

use super::film::Film;
use super::format::Format;
use super::interpolate::encode_some;
use super::{Spread, kl_by_value};
use crate::data::{Binarize, Images, Split};
use crate::draw::Shades;
use crate::error::{Error, Result};
use crate::model::{Inference, Latents, ModelSpec};
use crate::number::{rounded, scientific};

/// What to vary, about what.
#[derive(Clone, Debug)]
pub struct Traversal {
    /// The code whose dimensions are varied one by one, `[latent]`.
    pub base: Vec<f32>,
    /// What a latent dimension is varied about and in units of what: the prior's 0 and 1, or for an autoencoder mean and
    /// standard deviation of codes.
    pub spread: Spread,
    /// The latent dimensions to vary, in the order of the rows.
    pub rows: Vec<usize>,
    /// Something to say of each latent dimension beside its row, `[latent]`; empty: nothing.
    pub notes: Vec<String>,
}

impl Traversal {
    /// All dimensions of a VAE, about the mean of its prior.
    pub fn of_prior(latent: usize) -> Self {
        Self {
            base: vec![0.0; latent],
            spread: Spread::prior(latent),
            rows: (0..latent).collect(),
            notes: Vec::new(),
        }
    }

    /// All dimensions of an autoencoder, about the mean of these codes `[images, latent]`.
    pub fn of_codes(codes: &[f32], latent: usize) -> Self {
        let spread = Spread::of(codes, latent);
        Self {
            base: spread.mean.iter().map(|&mean| mean as f32).collect(),
            spread,
            rows: (0..latent).collect(),
            notes: Vec::new(),
        }
    }

    /// The other dimensions are those of an image's code rather than the mean's.
    ///
    /// # Errors
    /// [`Error::Config`] where there is no image of this index, and as [`super::encode`].
    pub fn about(
        self,
        model: &mut Inference,
        images: &Images,
        index: usize,
        split: Split,
        binarize: Binarize,
    ) -> Result<Self> {
        if index >= images.len() {
            return Err(Error::config(
                format!(
                    "`image = {index}`: there is no such image, they are 0 to {}",
                    images.len() - 1
                ),
                "a smaller index",
            ));
        }
        Ok(Self {
            base: encode_some(model, images, &[index], split, binarize)?.0,
            ..self
        })
    }

    /// Keeps the `count` dimensions that matter most, the first first, and notes why: by the KL of q(z|x), or for an
    /// autoencoder by the standard deviation of its codes.
    #[must_use]
    pub fn top(self, count: usize, variational: bool, latents: &Latents) -> Self {
        let latent = self.base.len();
        let (name, weights) = match variational {
            true => ("KL", kl_by_value(latents, latent)),
            false => ("sd", Spread::of(&latents.mu, latent).deviation),
        };
        let mut rows: Vec<usize> = (0..latent).collect();
        rows.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]));
        rows.truncate(count);
        Self {
            rows,
            notes: weights
                .iter()
                .map(|weight| format!("{name} {weight:.2}"))
                .collect(),
            ..self
        }
    }

    /// The code at a step of a row; `share` runs from -1 to 1.
    fn code(&self, value: usize, range: f64, share: f64) -> Vec<f32> {
        let mut code = self.base.clone();
        let (mean, deviation) = (self.spread.mean[value], self.spread.deviation[value]);
        code[value] = (mean + range * share * deviation) as f32;
        code
    }
}

/// Images of codes of which one dimension goes from −`range` to `range` standard deviations about its mean, in `steps`
/// (2 or more) equal steps; a row for each dimension. Dimensions are counted from 0, as the columns of `elbo encode` are.
///
/// # Errors
/// [`Error::Config`] for a range that is not a positive number, and where the picture would be too large for its
/// format; [`Error::Device`].
pub fn traverse(
    model: &mut Inference,
    spec: &ModelSpec,
    traversal: &Traversal,
    range: f64,
    steps: usize,
    format: Format,
) -> Result<Film> {
    check(spec, traversal.rows.len(), range, steps, format)?;
    let share = |step: usize| 2.0 * step as f64 / (steps.max(2) - 1) as f64 - 1.0;
    let mut codes = Vec::with_capacity(traversal.rows.len() * steps * spec.latent.values());
    for &value in &traversal.rows {
        for step in 0..steps {
            codes.extend(traversal.code(value, range, share(step)));
        }
    }
    if codes.iter().any(|value| !value.is_finite()) {
        return Err(Error::config(
            format!("`range = {range:?}`: leads to codes beyond all numbers"),
            "`range = 3`",
        ));
    }
    let name = |&value: &usize| match traversal.notes.get(value) {
        Some(note) => format!("z{value}  {note}"),
        None => format!("z{value}"),
    };
    Ok(Film {
        shape: spec.image,
        steps,
        images: model.decode(&codes)?,
        ends: None,
        rows: traversal.rows.iter().map(name).collect(),
        columns: (0..steps).map(|step| column(range, share(step))).collect(),
        shades: Shades::default(),
    })
}

/// Refuses what [`traverse`] would refuse of so many rows, before there is anything to vary.
///
/// # Errors
/// [`Error::Config`] for a range that is not a positive number, and where the picture would be too large for its
/// format.
pub fn check(
    spec: &ModelSpec,
    rows: usize,
    range: f64,
    steps: usize,
    format: Format,
) -> Result<()> {
    if !(range.is_finite() && range > 0.0) {
        return Err(Error::config(
            format!("`range = {range:?}`: expected a finite number above 0"),
            "`range = 3`",
        ));
    }
    Film::check(format, (rows, steps), spec.image, false, true)
}

/// A share of a range, in as many decimals as three digits of the range have.
fn column(range: f64, share: f64) -> String {
    let decimals = (2.0 - range.log10().floor()).max(0.0) as usize;
    match decimals {
        ..=5 if range < 1e5 => rounded(range * share, decimals),
        // Zeros alone would fill a column.
        _ => scientific(range * share, 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_differ_whatever_the_range() {
        let columns = |range| {
            let shares = (0..13).map(|step| f64::from(step) / 6.0 - 1.0);
            shares.map(|share| column(range, share)).collect::<Vec<_>>()
        };
        assert_eq!(columns(3.0)[..3], ["-3", "-2.5", "-2"]);
        assert_eq!(columns(1.0)[4..8], ["-0.33", "-0.17", "0", "0.17"]);
        assert_eq!(columns(0.001)[..2], ["-0.001", "-0.00083"]);
        for range in [1e-300, 3e-9, 0.001, 0.005, 0.04, 999.0, 2e5, 1e30, 1e300] {
            let seen = columns(range);
            assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "{seen:?}");
            assert_eq!(seen[6], "0", "{seen:?}");
            // Beside each other they have room for that.
            assert!(seen.iter().all(|text| text.len() <= 10), "{seen:?}");
        }
    }

    #[test]
    fn one_value_of_a_code_moves_and_the_others_stay() {
        let traversal = Traversal::of_codes(&[0.0, 1.0, 5.0, 4.0, 1.0, 7.0], 3);
        assert_eq!(traversal.base, [2.0, 1.0, 6.0]);
        assert_eq!(traversal.code(0, 3.0, -1.0), [2.0 - 3.0 * 2.0, 1.0, 6.0]);
        assert_eq!(traversal.code(2, 3.0, 0.5), [2.0, 1.0, 6.0 + 1.5]);
        assert_eq!(traversal.code(1, 3.0, 1.0), [2.0, 1.0, 6.0], "of no spread");
    }

    #[test]
    fn the_top_values_come_by_their_weight() {
        let latents = Latents {
            mu: vec![0.1, 2.0, 1.0, -0.1, -2.0, -1.0],
            logvar: vec![0.0; 6],
        };
        for variational in [true, false] {
            let top = Traversal::of_prior(3).top(2, variational, &latents);
            assert_eq!(top.rows, [1, 2], "{variational}");
            assert_eq!(
                top.notes[1],
                ["KL 2.00", "sd 2.00"][usize::from(!variational)]
            );
        }
    }
}
