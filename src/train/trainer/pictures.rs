//! Pictures of a model in training.

use super::{RECONSTRUCTIONS, Trainer};
use crate::data::Images;
use crate::error::Result;
use crate::model::plans::{self, names};
use crate::model::prior;
use crate::rng::Purpose;
use crate::train::Pictures;

/// Images in the grid of samples.
const SAMPLES: usize = 64;

impl Trainer {
    /// Chooses the test images whose reconstructions [`Trainer::pictures`] gives: [`Images::varied`] by this seed, that of
    /// the split. Without it by 0.
    pub fn show(&mut self, test: &Images, seed: u64) {
        self.shown = test.select(&test.varied(RECONSTRUCTIONS, seed));
    }

    /// Samples of the prior, always the same codes, and reconstructions of test images.
    ///
    /// # Errors
    /// [`crate::Error::Device`].
    pub fn pictures(&mut self) -> Result<Pictures> {
        let samples = if self.session.is_variational() {
            let codes = prior(self.options.seed, SAMPLES, self.session.spec.latent);
            self.session.decode(&codes)?
        } else {
            Vec::new()
        };
        let binarize = self.options.binarize;
        let purpose = Purpose::EvaluationBinarisation;
        let source = self
            .session
            .upload("shown", &self.shown, binarize, purpose)?;
        let mut pictures = Pictures {
            samples,
            originals: Vec::new(),
            reconstructions: Vec::new(),
        };
        let values = self.shown.shape.values();
        self.session.sweep(
            "reconstruct",
            &source,
            names::DECODED,
            values,
            |spec, parameters, rows| plans::reconstruct(spec, parameters, rows, &source),
            |runtime, batch| {
                pictures.reconstructions.extend_from_slice(batch);
                pictures
                    .originals
                    .extend(runtime.read(names::SEEN, 0, batch.len())?);
                Ok(())
            },
        )?;
        Ok(pictures)
    }
}
