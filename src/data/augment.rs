//! What becomes of training images before a model sees them: mirrored, shifted.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::Reading;
use crate::error::{Error, Result};
use crate::number::counted;
use crate::option;
use crate::shape::ImageShape;

/// How each image of a training batch is moved, drawn anew whenever it is used. Images that are measured or shown stay as
/// they are.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Augment {
    /// Mirror each training image left to right with probability 1/2, anew whenever it is used [default: off]
    #[arg(long, help_heading = "Training")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub flip: bool,
    /// Shift each training image by up to this many pixels up or down, and left or right, anew whenever it is used; what
    /// comes in at a border is the image mirrored there; 0 is off
    #[arg(
        long,
        value_name = "PIXELS",
        value_parser = option::count::<usize>,
        default_value_t = 0,
        help_heading = "Training"
    )]
    pub crop: usize,
}

impl Augment {
    /// Whether nothing is asked for.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// What is done, in words, where anything is.
    pub fn in_words(&self) -> Option<String> {
        let shifted = || {
            let pixels = counted(self.crop as u64, "pixel");
            format!("shifted by up to {pixels} each way")
        };
        let parts: Vec<String> = [
            self.flip.then(|| "mirrored or not".to_owned()),
            (self.crop > 0).then(shifted),
        ]
        .into_iter()
        .flatten()
        .collect();
        let said = format!("training images: {}, at random", parts.join(", "));
        (!parts.is_empty()).then_some(said)
    }

    /// Checks that images can be moved so.
    ///
    /// # Errors
    /// [`Error::Config`] for rows of values, for images that are too small, and where each place has a scaling of its own.
    pub fn check(&self, shape: ImageShape, reading: &Reading) -> Result<()> {
        if self.is_none() {
            return Ok(());
        }
        let ImageShape {
            height,
            width,
            channels,
        } = shape;
        if height == 1 && channels == 1 {
            return Err(Error::config(
                format!(
                    "`flip = true` and `crop = …` move the pixels of images, and the data are rows of {}",
                    counted(width as u64, "value")
                ),
                "neither of them; `image-size = HxW` where each row is an image",
            ));
        }
        if reading.scaling.as_ref().is_some_and(|by| by.is_by_value()) {
            return Err(Error::config(
                "`standardize = true` scales each place of an image by itself, and `flip = true` and `crop = …` move \
                 values to other places",
                "`scale = range` in place of `standardize = true`, or neither of the others",
            ));
        }
        if self.flip && width == 1 {
            return Err(Error::config(
                format!(
                    "`flip = true`: images of {shape} have one column, which is its own mirror image"
                ),
                "none of it",
            ));
        }
        let side = height.min(width);
        if self.crop >= side {
            return Err(Error::config(
                format!(
                    "`crop = {}`: expected less than {side}, the shorter side of images of {shape}",
                    self.crop
                ),
                format!("`crop = {}`", (side / 8).max(1).min(side - 1)),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Scaling;

    fn refusal(augment: Augment, shape: [usize; 3], reading: &Reading) -> Option<String> {
        let [height, width, channels] = shape;
        let shape = ImageShape::new(height, width, channels);
        let error = augment.check(shape, reading).err()?;
        assert_eq!(error.exit_code(), 2);
        Some(error.to_string())
    }

    #[test]
    fn what_cannot_be_moved_is_refused_and_nothing_is_where_nothing_is_asked_for() {
        let none = Augment::default();
        let flip = Augment {
            flip: true,
            crop: 0,
        };
        let crop = |crop| Augment { flip: false, crop };
        let plain = Reading::default();
        let standard = Reading {
            scaling: Some(Scaling {
                shift: vec![0.0; 12],
                scale: vec![1.0; 12],
            }),
            ..Reading::default()
        };
        for (augment, shape, reading, words) in [
            (flip, [1, 30, 1], &plain, "rows of 30 values"),
            (crop(1), [1, 30, 1], &plain, "rows of 30 values"),
            (flip, [4, 3, 1], &standard, "`standardize = true` scales"),
            (flip, [4, 1, 1], &plain, "one column"),
            (
                crop(3),
                [4, 3, 1],
                &plain,
                "`crop = 3`: expected less than 3",
            ),
            (
                crop(4),
                [4, 9, 1],
                &plain,
                "`crop = 4`: expected less than 4",
            ),
            (crop(1), [4, 1, 1], &plain, "`crop = 0`"),
            (crop(usize::MAX), [32, 32, 3], &plain, "`crop = 4`"),
        ] {
            let found = refusal(augment, shape, reading).unwrap_or_default();
            assert!(found.contains(words), "{augment:?} {shape:?}: {found:?}");
            assert_eq!(refusal(none, shape, reading), None, "{shape:?}");
        }
        for (augment, shape) in [
            (flip, [4, 3, 1]),
            (flip, [1, 3, 3]),
            (crop(2), [4, 3, 1]),
            (crop(3), [4, 9, 1]),
        ] {
            assert_eq!(refusal(augment, shape, &plain), None, "{shape:?}");
        }
        let range = Reading {
            scaling: Some(Scaling::between(0.0, 9.0)),
            ..Reading::default()
        };
        assert_eq!(refusal(flip, [4, 3, 1], &range), None);
    }

    #[test]
    fn what_is_done_is_put_in_words() {
        let words = |flip, crop| Augment { flip, crop }.in_words();
        assert_eq!(words(false, 0), None);
        let said = words(true, 1).unwrap_or_default();
        assert_eq!(
            said,
            "training images: mirrored or not, shifted by up to 1 pixel each way, at random"
        );
        let said = words(true, 0).unwrap_or_default();
        assert_eq!(said, "training images: mirrored or not, at random");
    }
}
