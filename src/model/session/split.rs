//! Images of a split on the device.

use std::borrow::Cow;

use super::Session;
use crate::data::{Binarize, Images, Values};
use crate::error::{Error, Result};
use crate::model::plans::Source;
use crate::rng::Purpose;

impl Session {
    /// Puts a split on the device, in its own order.
    pub(crate) fn upload(
        &mut self,
        split: &'static str,
        images: &Images,
        binarize: Binarize,
        purpose: Purpose,
    ) -> Result<Source> {
        let source = self.place(split, images, binarize, purpose)?;
        self.fill(&source, images)?;
        Ok(source)
    }

    /// Room for a split on the device.
    pub(crate) fn place(
        &mut self,
        split: &'static str,
        images: &Images,
        binarize: Binarize,
        purpose: Purpose,
    ) -> Result<Source> {
        if images.shape != self.model.spec().image {
            return Err(Error::config(
                format!(
                    "images are {}, but the model takes {}",
                    images.shape,
                    self.model.spec().image
                ),
                format!(
                    "`image-size = {}x{}`, or a data set of that size",
                    self.model.spec().image.height,
                    self.model.spec().image.width
                ),
            ));
        }
        let count = images.len();
        let (words, floats) = match &images.values {
            Values::Bytes(bytes) => (bytes.len().div_ceil(4), false),
            Values::Floats(values) => (values.len(), true),
        };
        let size = [count, images.shape.values()];
        let source = Source::new(split, size, floats, (binarize, purpose), self.seed);
        if count * images.shape.values() > u32::MAX as usize {
            return Err(Error::config(
                format!("{count} images of {} are over 2^32 values", images.shape),
                "fewer images, or a smaller `image-size = …`",
            ));
        }
        // Those of what the split was before.
        self.release(|key, _| {
            let known = key.source.filter(|known| known.split == split);
            known.is_some_and(|known| known != source)
        });
        self.allocate(source.image_words(), words)?;
        self.allocate(source.order(), count)?;
        self.allocate(source.counters(), 3)?;
        let terms = self.terms();
        self.allocate(source.log(), terms * count)?;
        Ok(source)
    }

    /// Puts the images of a split into its room.
    pub(crate) fn fill(&mut self, source: &Source, images: &Images) -> Result<()> {
        self.model.spec().check_range(images, source.binarize)?;
        let words = match &images.values {
            Values::Bytes(bytes) => words(bytes),
            Values::Floats(values) => Cow::Borrowed(bytemuck::cast_slice(values)),
        };
        self.runtime.write_words(source.image_words(), 0, &words)?;
        let order: Vec<u32> = (0..source.images as u32).collect();
        self.runtime.write_words(source.order(), 0, &order)
    }
}

/// Bytes as words, the last one filled up with zeros. They are copied only where they have to be: images are
/// most of what a run holds, and a copy of MNIST takes longer than a step of training on a CPU.
pub(super) fn words(bytes: &[u8]) -> Cow<'_, [u32]> {
    match bytemuck::try_cast_slice(bytes) {
        Ok(words) => Cow::Borrowed(words),
        Err(_) => {
            let mut words = vec![0; bytes.len().div_ceil(4)];
            bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
            Cow::Owned(words)
        }
    }
}
