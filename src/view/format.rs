//! What a picture's name says of it, and how large it may be.

use std::path::Path;

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
    /// By the ending of a file's name.
    ///
    /// # Errors
    /// [`Error::Config`] where it is neither `.png` nor `.gif`.
    pub fn of(path: &Path) -> Result<Self> {
        match ending(path).as_str() {
            "png" => Ok(Self::Png),
            "gif" => Ok(Self::Gif),
            _ => Err(Error::config(
                format!("--out {}: expected a name in .png or .gif", path.display()),
                "--out picture.png, or --out picture.gif for one that moves",
            )),
        }
    }

    /// Refuses the name of a still picture that says otherwise.
    ///
    /// # Errors
    /// [`Error::Config`] where it does not end in `.png`.
    pub fn still(path: &Path) -> Result<()> {
        match ending(path).as_str() {
            "png" => Ok(()),
            _ => Err(Error::config(
                format!("--out {}: expected a name in .png", path.display()),
                "--out picture.png; interpolate and traverse also make .gif",
            )),
        }
    }

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

fn ending(path: &Path) -> String {
    let ending = path.extension().unwrap_or_default();
    ending.to_string_lossy().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_of_a_name_says_the_format() {
        let of = |name: &str| Format::of(Path::new(name)).ok();
        assert_eq!(of("a/b.png"), Some(Format::Png));
        assert_eq!(of("b.GIF"), Some(Format::Gif));
        for name in ["b", "b.jpg", "gif", "b.png.txt"] {
            assert_eq!(of(name), None, "{name}");
        }
        assert!(Format::still(Path::new("b.PNG")).is_ok());
        assert!(Format::still(Path::new("b.gif")).is_err());
    }

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
