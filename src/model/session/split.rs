//! Images of a split on the device.

use std::borrow::Cow;
use std::sync::Arc;

use super::Session;
use super::feed::Feed;
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
        let source = self.place(split, images, (binarize, purpose), 0)?;
        self.fill(&source, images)?;
        Ok(source)
    }

    /// Room for a split on the device, or for a window of so many images at once where that is not 0.
    pub(crate) fn place(
        &mut self,
        split: &'static str,
        images: &Images,
        draws: (Binarize, Purpose),
        window: usize,
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
        let floats = !images.are_bytes();
        let values = images.shape.values();
        let mut source = Source::new(split, [count, values], floats, draws, self.seed);
        if window > 0 {
            source = source.in_windows(window, values);
        } else if count * values > u32::MAX as usize {
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
        self.feeds.remove(split);
        self.allocate(source.image_words(), source.words)?;
        if self.model.spec().condition.is_some() {
            self.allocate(source.labels(), count)?;
        }
        self.allocate(source.order(), count)?;
        self.allocate(source.counters(), 3)?;
        let terms = self.terms();
        self.allocate(source.log(), terms * count)?;
        Ok(source)
    }

    /// Puts the images of a split into its room, in their own order: all, or as they are wanted.
    pub(crate) fn fill_from(&mut self, source: &Source, images: &Arc<Images>) -> Result<()> {
        if source.window == 0 {
            return self.fill(source, images);
        }
        self.model.spec().check_range(images, source.binarize)?;
        let feed = Feed::new(Arc::clone(images), source.window);
        self.feeds.insert(source.split, feed);
        self.write_labels(source, images)?;
        self.set_own_order(source)
    }

    /// Has a split gone through as it is.
    fn set_own_order(&mut self, source: &Source) -> Result<()> {
        let order: Vec<u32> = (0..source.images as u32).collect();
        self.set_order(source, &order)
    }

    /// Sets the order in which a split is gone through.
    pub(crate) fn set_order(&mut self, source: &Source, order: &[u32]) -> Result<()> {
        if let Some(feed) = self.feeds.get_mut(source.split) {
            feed.set_order(order);
        }
        self.runtime.write_words(source.order(), 0, order)
    }

    /// Has the images of a batch lie on the device, of which the first is at this position.
    pub(crate) fn fetch(&mut self, source: &Source, position: usize) -> Result<()> {
        match self.feeds.get_mut(source.split) {
            Some(feed) => feed.fetch(position, |words| {
                self.runtime.write_words(source.image_words(), 0, words)
            }),
            None => Ok(()),
        }
    }

    fn fill(&mut self, source: &Source, images: &Images) -> Result<()> {
        self.model.spec().check_range(images, source.binarize)?;
        let values = images.values()?;
        let words = words(&values);
        self.runtime.write_words(source.image_words(), 0, &words)?;
        self.write_labels(source, images)?;
        self.set_own_order(source)
    }

    /// Puts the classes of a split's images beside them, where the model is told them: of all images, also where only a window
    /// of them is there.
    fn write_labels(&mut self, source: &Source, images: &Images) -> Result<()> {
        let Some(condition) = &self.model.spec().condition else {
            return Ok(());
        };
        let labels = condition.of_images(images)?;
        self.runtime.write_words(source.labels(), 0, labels)
    }
}

/// Values as words: bytes with the last word filled up with zeros. They are copied only where they have to be: images are
/// most of what a run holds, and a copy of MNIST takes longer than a step of training on a CPU.
pub(super) fn words(values: &Values) -> Cow<'_, [u32]> {
    let bytes = match values {
        Values::Bytes(bytes) => bytes,
        Values::Floats(floats) => return Cow::Borrowed(bytemuck::cast_slice(floats)),
    };
    match bytemuck::try_cast_slice(bytes) {
        Ok(words) => Cow::Borrowed(words),
        Err(_) => {
            let mut words = vec![0; bytes.len().div_ceil(4)];
            bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
            Cow::Owned(words)
        }
    }
}
