//! Pictures of a model in training.

use super::Trainer;
use crate::data::{Binarize, Images, Values};
use crate::error::Result;
use crate::model::plans::{self, names};
use crate::model::prior;
use crate::rng::Purpose;
use crate::train::Pictures;

/// Images in the grid of samples.
const SAMPLES: usize = 64;

/// Images in the grid of reconstructions.
const RECONSTRUCTIONS: usize = 32;

/// Test images whose reconstructions are shown.
pub(super) struct Shown {
    /// Their places in the test split.
    places: Vec<usize>,
    pub(super) images: Images,
    /// Whether `images` are as the model sees them.
    are_seen: bool,
}

impl Shown {
    /// [`Images::varied`] by a seed.
    pub(super) fn choose(test: &Images, seed: u64, binarize: Binarize) -> Self {
        let places = test.varied(RECONSTRUCTIONS, seed);
        Self {
            images: test.select(&places),
            places,
            are_seen: binarize == Binarize::None,
        }
    }
}

impl Trainer {
    /// Samples of the prior, always the same codes, and reconstructions of test images.
    ///
    /// # Errors
    /// [`crate::Error::Device`].
    pub fn pictures(&mut self) -> Result<Pictures> {
        self.see_shown()?;
        let samples = if self.session.model.spec().is_variational() {
            let codes = prior(self.options.seed, SAMPLES, self.session.model.spec().latent);
            self.session.decode(&codes)?
        } else {
            Vec::new()
        };
        let (images, purpose) = (&self.shown.images, Purpose::EvaluationBinarisation);
        let source = self
            .session
            .upload("shown", images, Binarize::None, purpose)?;
        let mut pictures = Pictures {
            samples,
            originals: Vec::new(),
            reconstructions: Vec::new(),
        };
        let values = images.shape.values();
        self.session.sweep(
            &plans::RECONSTRUCT,
            &source,
            names::DECODED,
            values,
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

    /// Brings the shown images to what the model sees, once. Draws go by an image's place in the whole split.
    fn see_shown(&mut self) -> Result<()> {
        if self.shown.are_seen {
            return Ok(());
        }
        let Shown { places, images, .. } = &mut self.shown;
        let size = images.shape.values();
        let mut seen = vec![0; places.len() * size];
        self.session.see(&self.test, |place, image| {
            if let Some(at) = places.iter().position(|&shown| shown == place) {
                seen[at * size..][..size].copy_from_slice(image);
            }
        })?;
        images.values = Values::Bytes(seen);
        self.shown.are_seen = true;
        Ok(())
    }
}
