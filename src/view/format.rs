//! Whether a picture moves, and how large it may be.

use crate::error::{Error, Result};

/// The form of a picture that moves or stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A still picture.
    Png,
    /// A picture that moves, over and over.
    Gif,
}

/// Pixels of a picture at most: 100 MB as RGB.
const MOST_PIXELS: usize = 1 << 25;
/// Pixels of all frames of a GIF at most.
const MOST_PIXELS_OF_FRAMES: usize = 1 << 27;
/// A GIF has 16 bits for a side.
const MOST_SIDE_OF_A_GIF: usize = 65_535;

impl Format {
    /// Refuses a picture of `frames` times this size that is too large to make, before anything is decoded.
    /// `options` are those that make it smaller.
    pub(super) fn check(
        self,
        (width, height): (usize, usize),
        frames: usize,
        options: &str,
    ) -> Result<()> {
        let pixels = width.saturating_mul(height);
        let too_large = |most: String| {
            Error::config(
                format!("a picture of {width}×{height} pixels is too large: {most}"),
                format!("a smaller {options}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bounded() {
        let bad = |format: Format, size, frames| format.check(size, frames, "--steps").is_err();
        assert!(!bad(Format::Png, (1 << 13, 1 << 12), 1));
        assert!(bad(Format::Png, (1 << 13, (1 << 12) + 1), 1));
        assert!(bad(Format::Png, (usize::MAX, usize::MAX), 1));
        assert!(!bad(Format::Png, (65_536, 1), 1));
        assert!(bad(Format::Gif, (65_536, 1), 1));
        assert!(!bad(Format::Gif, (1 << 10, 1 << 10), 128));
        assert!(bad(Format::Gif, (1 << 10, 1 << 10), 129));
    }
}
