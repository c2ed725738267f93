//! The hash by which a run knows its images again.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::{Images, Values};
use crate::error::Result;
use crate::files::hex;
use crate::shape::ImageShape;

/// SHA-256 of the training and the test images, in this order, with their shape.
#[derive(Default)]
pub(super) struct Fingerprint(Sha256);

impl Fingerprint {
    /// How many of the first splits of a data set it is of.
    pub(super) const SPLITS: usize = 2;

    /// Goes on with a split, of which all values follow.
    pub(super) fn start(&mut self, images: &Images) {
        let ImageShape {
            height,
            width,
            channels,
        } = images.shape;
        for number in [images.len(), height, width, channels] {
            self.0.update((number as u64).to_le_bytes());
        }
    }

    pub(super) fn add(&mut self, values: &Values) {
        match values {
            Values::Bytes(bytes) => self.0.update(bytes),
            Values::Floats(values) => self.0.update(bytemuck::cast_slice::<f32, u8>(values)),
        }
    }

    /// That of images and of their classes by name: of all training images, then of all test images.
    pub(super) fn and_classes<'a>(
        images: &str,
        classes: impl Iterator<Item = Cow<'a, str>>,
    ) -> String {
        let mut hash = Sha256::new();
        hash.update(images);
        for class in classes {
            hash.update((class.len() as u64).to_le_bytes());
            hash.update(class.as_bytes());
        }
        hex(&hash.finalize())
    }

    /// In hexadecimal.
    pub(super) fn finish(self) -> String {
        hex(&self.0.finalize())
    }

    /// That of two splits.
    ///
    /// # Errors
    /// Those of [`Images::read`].
    pub(super) fn of(splits: [&Images; Self::SPLITS]) -> Result<String> {
        let mut hash = Self::default();
        for images in splits {
            hash.start(images);
            images.each_block(|values| {
                hash.add(values);
                Ok(())
            })?;
        }
        Ok(hash.finish())
    }
}
