//! Whether a picture moves, and how large it may be.

use crate::draw::Layout;
use crate::error::{Error, Result};
use crate::shape::ImageShape;

/// The form of a picture that moves or stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A still picture.
    Png,
    /// A picture that moves, over and over.
    Gif,
}

/// Pixels of a picture at most: 200 MB as RGB. All 10,000 test images of MNIST fit.
const MOST_PIXELS: usize = 1 << 26;
/// Pixels of all frames of a GIF at most.
const MOST_PIXELS_OF_FRAMES: usize = 1 << 27;
/// A GIF has 16 bits for a side.
const MOST_SIDE_OF_A_GIF: usize = 65_535;

impl Format {
    /// Refuses a picture of `frames` times this size that is too large to make, before anything is decoded.
    /// `hint` is what to try instead.
    pub(super) fn check(
        self,
        (width, height): (usize, usize),
        frames: usize,
        hint: &str,
    ) -> Result<()> {
        let pixels = width.saturating_mul(height);
        let too_large = |most: String| {
            Error::config(
                format!("a picture of {width}×{height} pixels is too large: {most}"),
                hint,
            )
        };
        if pixels > MOST_PIXELS {
            return Err(too_large(format!("expected at most {MOST_PIXELS} in all")));
        }
        if self == Self::Gif {
            if width.max(height) > MOST_SIDE_OF_A_GIF {
                return Err(too_large(format!(
                    "a GIF has at most {MOST_SIDE_OF_A_GIF} a side"
                )));
            }
            if pixels.saturating_mul(frames) > MOST_PIXELS_OF_FRAMES {
                return Err(too_large(format!(
                    "its {frames} frames have more than {MOST_PIXELS_OF_FRAMES} pixels"
                )));
            }
        }
        Ok(())
    }
}

/// Refuses a picture of `count` images of a shape, so many a row, that is too large to make. For use before they are
/// decoded; `hint` is what to try instead.
///
/// # Errors
/// [`Error::Config`] with the size that it would have.
pub fn check_grid(count: usize, columns: usize, shape: ImageShape, hint: &str) -> Result<()> {
    Format::Png.check(Layout::new(columns).size(count, shape), 1, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_are_bounded_by_their_pixels() {
        let bad = |count: usize, shape| {
            let checked = check_grid(count, count.isqrt(), shape, "`count = 64`");
            checked.err().map(|error| error.to_string())
        };
        assert_eq!(bad(10_000, ImageShape::new(28, 28, 1)), None);
        let error = bad(65_536, ImageShape::new(256, 256, 3)).expect("a huge picture");
        assert!(
            error.contains("too large") && error.contains("try: `count = 64`"),
            "{error}"
        );
        assert!(bad(usize::MAX, ImageShape::new(1, 1, 1)).is_some());
    }

    #[test]
    fn sizes_are_bounded() {
        let bad = |format: Format, size, frames| {
            format.check(size, frames, "a smaller `steps = …`").is_err()
        };
        assert!(!bad(Format::Png, (1 << 13, 1 << 13), 1));
        assert!(bad(Format::Png, (1 << 13, (1 << 13) + 1), 1));
        assert!(bad(Format::Png, (usize::MAX, usize::MAX), 1));
        assert!(!bad(Format::Png, (65_536, 1), 1));
        assert!(bad(Format::Gif, (65_536, 1), 1));
        assert!(!bad(Format::Gif, (1 << 10, 1 << 10), 128));
        assert!(bad(Format::Gif, (1 << 10, 1 << 10), 129));
    }
}
