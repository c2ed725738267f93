//! A fitted mixture in a file, from which the next sampling takes it.
//!
//! It is in the safetensors format, which many programs read:
//!
//! ```text
//! weights       F64 [components]
//! means         F64 [components, latent]
//! covariances   F64 [components, latent, latent]
//! likelihood    F64 [1]    of the codes, nats per code
//! counts        U64 [3]    codes, iterations, whether these were enough
//! made_of       U8 [32]    a hash of what it was fitted to
//! ```
//!
//! with a hash of the file among its metadata.

use std::fs;
use std::io;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};

use super::{Component, Fit, Mixture};
use crate::error::{Error, Result};
use crate::files;
use crate::model::weights::seal::{self, Seal};

const WEIGHTS: &str = "weights";
const MEANS: &str = "means";
const COVARIANCES: &str = "covariances";
const LIKELIHOOD: &str = "likelihood";
const COUNTS: &str = "counts";
const MADE_OF: &str = "made_of";

impl Fit {
    /// Writes it to a file, in place of what was there; whole or not at all. `made_of` is a hash of what it was fitted to.
    /// Equal fits give equal bytes.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder or disk refuses.
    pub fn save(&self, path: &Path, made_of: &[u8; 32]) -> Result<()> {
        let bytes = self.to_bytes(made_of);
        files::replace(
            path,
            &bytes.map_err(Error::io(path, "lay out the mixture"))?,
        )
    }

    fn to_bytes(&self, made_of: &[u8; 32]) -> io::Result<Vec<u8>> {
        let components = self.mixture.components();
        let (count, latent) = (components.len(), self.mixture.latent());
        let floats = |of: &dyn Fn(&Component) -> Vec<f64>| -> Vec<u8> {
            let values = components.iter().flat_map(of);
            values.flat_map(f64::to_le_bytes).collect()
        };
        let counts = [self.codes, self.iterations, self.converged.into()];
        let counts: Vec<u8> = counts
            .iter()
            .flat_map(|n| (*n as u64).to_le_bytes())
            .collect();
        let tensors = [
            (
                WEIGHTS,
                Dtype::F64,
                vec![count],
                floats(&|one| vec![one.weight()]),
            ),
            (
                MEANS,
                Dtype::F64,
                vec![count, latent],
                floats(&|one| one.mean().to_vec()),
            ),
            (
                COVARIANCES,
                Dtype::F64,
                vec![count, latent, latent],
                floats(&|one| one.covariance().to_vec()),
            ),
            (
                LIKELIHOOD,
                Dtype::F64,
                vec![1],
                self.log_likelihood.to_le_bytes().to_vec(),
            ),
            (COUNTS, Dtype::U64, vec![3], counts),
            (MADE_OF, Dtype::U8, vec![32], made_of.to_vec()),
        ];
        let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(*dtype, shape.clone(), bytes);
            view.map(|view| (*name, view))
        });
        let views = views.collect::<Result<Vec<_>, _>>();
        let laid_out = views.and_then(|views| serialize(views, Some(seal::unsealed())));
        let mut bytes = laid_out.map_err(io::Error::other)?;
        seal::seal(&mut bytes);
        Ok(bytes)
    }

    /// Reads the file of [`Fit::save`]; `None` where there is none, or one of a mixture that was fitted to something else.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read; [`Error::Model`] where it is not as it was written.
    pub fn load(path: &Path, made_of: &[u8; 32]) -> Result<Option<Self>> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(reason) if reason.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(reason) => return Err(Error::io(path, "read the mixture")(reason)),
        };
        let damaged = || {
            Error::model(
                path,
                "damaged: not the file of a mixture, or not as it was written",
                "remove it, and fit anew",
            )
        };
        if seal::check(&bytes) != Seal::Whole {
            return Err(damaged());
        }
        let file = SafeTensors::deserialize(&bytes).map_err(|_| damaged())?;
        let found = file.tensor(MADE_OF).map_err(|_| damaged())?;
        if found.data() != made_of {
            return Ok(None);
        }
        Self::read(&file).map(Some).ok_or_else(damaged)
    }

    fn read(file: &SafeTensors<'_>) -> Option<Self> {
        let numbers = |name: &str, dtype| {
            let view = file
                .tensor(name)
                .ok()
                .filter(|view| view.dtype() == dtype)?;
            Some(view.data().as_chunks::<8>().0.to_vec())
        };
        let floats = |name| -> Option<Vec<f64>> {
            let numbers = numbers(name, Dtype::F64)?;
            Some(numbers.into_iter().map(f64::from_le_bytes).collect())
        };
        let shape = file.tensor(MEANS).ok()?.shape().to_vec();
        let &[_, latent] = &shape[..] else {
            return None;
        };
        let [weights, means, covariances] =
            [floats(WEIGHTS)?, floats(MEANS)?, floats(COVARIANCES)?];
        let fits =
            means.len() == weights.len() * latent && covariances.len() == means.len() * latent;
        if latent == 0 || !fits {
            return None;
        }
        let parts = means
            .chunks_exact(latent)
            .zip(covariances.chunks_exact(latent * latent));
        let components = weights
            .iter()
            .zip(parts)
            .map(|(&weight, (mean, covariance))| {
                Component::new(weight, mean.to_vec(), covariance.to_vec()).ok()
            });
        let counts = numbers(COUNTS, Dtype::U64)?
            .into_iter()
            .map(u64::from_le_bytes);
        let &[codes, iterations, converged] = &counts.collect::<Vec<_>>()[..] else {
            return None;
        };
        Some(Self {
            mixture: Mixture::new(components.collect::<Option<_>>()?).ok()?,
            codes: usize::try_from(codes).ok()?,
            iterations: usize::try_from(iterations).ok()?,
            log_likelihood: floats(LIKELIHOOD)?.first().copied()?,
            converged: converged != 0,
        })
    }
}
