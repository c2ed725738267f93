//! Losses image by image.

use crate::error::Result;
use crate::model::plans::{self, Source, buffers};
use crate::model::session::Session;
use crate::ops::{bounded, likelihood};

/// Losses of each image, in nats (in squared units of the values where the likelihood is a squared error).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// −log p(x|z) of one draw of z; of the code for an autoencoder.
    pub reconstruction: Vec<f64>,
    /// KL(q(z|x) ‖ p(z)); empty for an autoencoder.
    pub kl: Vec<f64>,
    /// The importance-weighted bound of log p(x); empty where no importance samples were asked for.
    pub log_likelihood: Vec<f64>,
}

impl Scores {
    /// Reconstruction + KL of an image, the negative ELBO of a VAE whatever its beta; the reconstruction alone for an
    /// autoencoder.
    ///
    /// # Panics
    /// Where there is no such image, as indexing a slice does.
    pub fn negative_elbo(&self, image: usize) -> f64 {
        self.reconstruction[image] + self.kl.get(image).copied().unwrap_or(0.0)
    }

    /// How strange the model finds an image: −log p(x) where that was estimated, otherwise the negative ELBO.
    ///
    /// # Panics
    /// As [`Scores::negative_elbo`].
    pub fn strangeness(&self, image: usize) -> f64 {
        match self.log_likelihood.get(image) {
            Some(log_likelihood) => -log_likelihood,
            None => self.negative_elbo(image),
        }
    }

    /// The images by their strangeness, the strangest first; equal ones in their order. What is not a number is the
    /// strangest of all.
    pub fn strangest(&self) -> Vec<usize> {
        let key = |image: usize| match self.strangeness(image) {
            value if value.is_nan() => f64::INFINITY,
            value => value,
        };
        let mut order: Vec<usize> = (0..self.reconstruction.len()).collect();
        order.sort_by(|&a, &b| key(b).total_cmp(&key(a)));
        order
    }
}

/// Losses of each image of a source. They are added up here and not on the device, whose sums are those of a batch.
pub(super) fn measure(session: &mut Session, source: &Source) -> Result<Scores> {
    let (values, latent) = (
        session.model.spec().image.values(),
        session.model.spec().latent.values(),
    );
    let width = session.model.head_values();
    let kind = session.model.spec().likelihood.selector();
    let variational = session.model.spec().is_variational();
    let log_sigma = f64::from(session.log_sigma()?);
    let rows = session.batch_rows().min(source.images);
    session.allocate(buffers::OUTPUTS, rows * values)?;
    let mut scores = Scores::default();
    session.sweep(
        &plans::SCORE,
        source,
        buffers::OUTPUTS,
        values,
        |runtime, outputs| {
            let rows = outputs.len() / values;
            let seen = runtime.read(buffers::SEEN, 0, rows * values)?;
            for (x, y) in seen.chunks(values).zip(outputs.chunks(values)) {
                let [x, y] = [x, y].map(in_double);
                let loss = likelihood::loss(kind, &x, &y, log_sigma);
                scores.reconstruction.push(loss);
            }
            if variational {
                let heads = runtime.read(buffers::HEADS, 0, rows * width)?;
                scores
                    .kl
                    .extend(heads.chunks(width).map(|row| kl(row, latent)));
            }
            Ok(())
        },
    )?;
    Ok(scores)
}

fn in_double(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// KL(q(z|x) ‖ N(0, I)) by a row of heads, mu then logvar.
fn kl(row: &[f32], latent: usize) -> f64 {
    let (mu, logvar) = row.split_at(latent);
    let terms = mu.iter().zip(logvar).map(|(&mu, &logvar)| {
        let (mu, logvar) = (f64::from(mu), f64::from(bounded(logvar)));
        0.5 * (mu * mu + logvar.exp() - 1.0 - logvar)
    });
    terms.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strangest_comes_first_and_what_is_no_number_before_it() {
        let mut scores = Scores {
            reconstruction: vec![1.0, 5.0, f64::NAN, 5.0],
            kl: vec![0.0, 1.0, 0.0, 1.0],
            log_likelihood: Vec::new(),
        };
        assert_eq!(scores.strangest(), [2, 1, 3, 0]);
        assert_eq!(scores.negative_elbo(1), 6.0);
        scores.log_likelihood = vec![-9.0, -1.0, -2.0, -3.0];
        assert_eq!(scores.strangest(), [0, 3, 2, 1]);
    }

    #[test]
    fn the_kl_of_the_prior_is_nothing() {
        assert_eq!(kl(&[0.0, 0.0, 0.0, 0.0], 2), 0.0);
        assert_eq!(kl(&[2.0, 0.0], 1), 2.0);
    }
}
