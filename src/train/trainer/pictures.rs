//! Pictures of a model in training.

use super::Trainer;
use crate::data::{Binarize, Images, Storage, Values};
use crate::error::Result;
use crate::model::gaussian;
use crate::model::plans::{self, Source, buffers};
use crate::rng::Purpose;
use crate::train::Pictures;

/// Images in the grid of samples.
const SAMPLES: usize = 64;

/// Images of a class there, where the model is told one: a row of the grid.
const OF_A_CLASS: usize = 8;

/// Most classes that have a row.
const MOST_ROWS: usize = 32;

/// Images in the grid of reconstructions.
const RECONSTRUCTIONS: usize = 32;

/// Test images whose reconstructions are shown.
pub(super) enum Shown {
    /// Their places in the test split, and what they are there.
    Chosen(Vec<usize>, Images),
    /// They lie on the device as the model sees them.
    Uploaded(Source),
}

impl Shown {
    /// [`Images::varied`] by a seed.
    ///
    /// # Errors
    /// Those of [`Images::read`].
    pub(super) fn choose(test: &Images, seed: u64) -> Result<Self> {
        let places = test.varied(RECONSTRUCTIONS, seed);
        let images = test.select(&places)?;
        Ok(Self::Chosen(places, images))
    }

    /// Bytes on the host.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Uploaded(_) => 0,
            Self::Chosen(_, images) => images.bytes() as usize,
        }
    }
}

impl Trainer {
    /// Samples of the prior, always the same codes (of each of the first 32 classes where the model is told one), and
    /// reconstructions of test images.
    ///
    /// # Errors
    /// [`crate::Error::Device`].
    pub fn pictures(&mut self) -> Result<Pictures> {
        let source = self.shown_source()?;
        let samples = self.samples()?;
        let mut pictures = Pictures {
            samples,
            originals: Vec::new(),
            reconstructions: Vec::new(),
        };
        let values = self.session.model.spec().image.values();
        self.session.sweep(
            &plans::RECONSTRUCT,
            &source,
            buffers::DECODED,
            values,
            |runtime, batch| {
                pictures.reconstructions.extend_from_slice(batch);
                pictures
                    .originals
                    .extend(runtime.read(buffers::SEEN, 0, batch.len())?);
                Ok(())
            },
        )?;
        Ok(pictures)
    }

    /// Images decoded from the prior; of a model that is told a class a row for each, of the same codes.
    fn samples(&mut self) -> Result<Vec<f32>> {
        let spec = self.session.model.spec();
        if !spec.has_prior() {
            return Ok(Vec::new());
        }
        let Some(condition) = &spec.condition else {
            let codes = gaussian(self.options.seed, SAMPLES, spec.latent.values());
            return self.session.decode(&codes, &[]);
        };
        let shown = condition.count().min(MOST_ROWS) as u32;
        let codes = gaussian(self.options.seed, OF_A_CLASS, spec.latent.values());
        let classes = (0..shown).flat_map(|class| [class; OF_A_CLASS]);
        let classes: Vec<u32> = classes.collect();
        self.session.decode(&codes.repeat(shown as usize), &classes)
    }

    /// The shown images on the device, where they come to the first time.
    fn shown_source(&mut self) -> Result<Source> {
        let (places, images) = match &mut self.shown {
            Shown::Uploaded(source) => return Ok(*source),
            Shown::Chosen(places, images) => (places, images),
        };
        // What the model sees of them. Draws go by an image's place in the whole split.
        if self.test.binarize != Binarize::None {
            let size = images.shape.values();
            let mut seen = vec![0; places.len() * size];
            self.session.see(&self.test, |place, image| {
                if let Some(at) = places.iter().position(|&shown| shown == place) {
                    seen[at * size..][..size].copy_from_slice(image);
                }
            })?;
            images.storage = Storage::Memory(Values::Bytes(seen));
        }
        let purpose = Purpose::EvaluationBinarisation;
        let source = self
            .session
            .upload("shown", images, Binarize::None, purpose)?;
        self.shown = Shown::Uploaded(source);
        Ok(source)
    }
}
