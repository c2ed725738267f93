//! Pictures that move.
//!
//! The `gif` crate rather than `image`'s encoder: that one looks up every pixel in a tree, also where the grey levels
//! are their own indices, and it would make the readers of pictures take GIFs.

use gif::{DisposalMethod, Encoder, Frame, Repeat};

use crate::error::{Error, Result};

/// How much of a frame's pixels the choice of its colours looks at: all of them.
const THOROUGH: i32 = 1;

/// A GIF that plays over and over.
pub(super) struct Gif {
    width: u16,
    height: u16,
    frames: Vec<Frame<'static>>,
}

impl Gif {
    /// One without a frame.
    ///
    /// # Errors
    /// [`Error::Config`] where a side has more than 16 bits.
    pub(super) fn new((width, height): (usize, usize)) -> Result<Self> {
        let side = |pixels: usize| {
            u16::try_from(pixels).map_err(|_| failed(&format!("a side of {pixels} pixels")))
        };
        Ok(Self {
            width: side(width)?,
            height: side(height)?,
            frames: Vec::new(),
        })
    }

    /// Adds a frame `[height, width, channels]` of 1 (grey) or 3 (RGB) channels. Grey levels stay what they are, and
    /// so do up to 256 colours; more are brought down to the 256 that fit them best.
    pub(super) fn push(&mut self, channels: usize, pixels: &[u8]) {
        let grey = match channels {
            3 => grey(pixels),
            _ => Some(pixels.to_vec()),
        };
        let mut frame = match grey {
            Some(levels) => Frame {
                width: self.width,
                height: self.height,
                buffer: levels.into(),
                ..Frame::default()
            },
            None => Frame::from_rgb_speed(self.width, self.height, pixels, THOROUGH),
        };
        frame.dispose = DisposalMethod::Keep;
        self.frames.push(frame);
    }

    /// The bytes of the file: the frames forward and then back, each for `each` hundredths of a second, and the first
    /// and the last for `ends`.
    ///
    /// # Errors
    /// [`Error::Config`] where it cannot be encoded.
    pub(super) fn there_and_back(self, each: u16, ends: u16) -> Result<Vec<u8>> {
        let levels: Vec<u8> = (0..=255).flat_map(|level| [level; 3]).collect();
        let mut encoder = Encoder::new(Vec::new(), self.width, self.height, &levels)
            .map_err(|e| failed(&e.to_string()))?;
        encoder
            .set_repeat(Repeat::Infinite)
            .map_err(|e| failed(&e.to_string()))?;
        let mut frames = self.frames;
        let count = frames.len();
        for at in order(count) {
            let frame = &mut frames[at];
            frame.delay = if at == 0 || at + 1 == count {
                ends
            } else {
                each
            };
            encoder
                .write_frame(frame)
                .map_err(|e| failed(&e.to_string()))?;
        }
        encoder.into_inner().map_err(|e| failed(&e.to_string()))
    }
}

/// All frames, then those between the ends backwards.
fn order(frames: usize) -> impl Iterator<Item = usize> {
    (0..frames).chain((1..frames.saturating_sub(1)).rev())
}

/// The levels of RGB pixels of which all are grey.
fn grey(pixels: &[u8]) -> Option<Vec<u8>> {
    let level = |&[r, g, b]: &[u8; 3]| (r == g && g == b).then_some(r);
    pixels.as_chunks::<3>().0.iter().map(level).collect()
}

fn failed(reason: &str) -> Error {
    Error::config(
        format!("the GIF cannot be encoded: {reason}"),
        "a name in .png",
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Width, height, and (delay, RGB pixels) of each frame of a GIF, laid over those before it.
    pub(crate) fn read(bytes: &[u8]) -> (usize, usize, Vec<(u16, Vec<u8>)>) {
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(bytes).expect("a GIF");
        assert_eq!(decoder.repeat(), Repeat::Infinite);
        let size = (usize::from(decoder.width()), usize::from(decoder.height()));
        let mut frames = Vec::new();
        while let Some(frame) = decoder.read_next_frame().expect("a frame") {
            assert_eq!((usize::from(frame.width), usize::from(frame.height)), size);
            let pixels = frame.buffer.as_chunks::<4>().0.iter();
            let pixels = pixels.flat_map(|&[r, g, b, opacity]| {
                assert_eq!(opacity, 255);
                [r, g, b]
            });
            frames.push((frame.delay, pixels.collect()));
        }
        (size.0, size.1, frames)
    }

    #[test]
    fn frames_go_there_and_back_and_wait_at_the_ends() {
        let mut gif = Gif::new((2, 1)).expect("a small size");
        for level in [10, 20, 30, 40] {
            gif.push(1, &[level, 0]);
        }
        let bytes = gif.there_and_back(5, 60).expect("a file");
        let (width, height, frames) = read(&bytes);
        assert_eq!((width, height), (2, 1));
        let seen: Vec<(u16, u8)> = frames.iter().map(|(delay, p)| (*delay, p[0])).collect();
        assert_eq!(
            seen,
            [(60, 10), (5, 20), (5, 30), (60, 40), (5, 30), (5, 20)]
        );
        assert_eq!(order(1).collect::<Vec<_>>(), [0]);
        assert_eq!(order(2).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn all_grey_levels_stay_what_they_are_also_in_rgb() {
        let levels: Vec<u8> = (0..=255).collect();
        let rgb: Vec<u8> = levels.iter().flat_map(|&level| [level; 3]).collect();
        for (channels, pixels) in [(1, &levels), (3, &rgb)] {
            let mut gif = Gif::new((16, 16)).expect("a small size");
            gif.push(channels, pixels);
            let bytes = gif.there_and_back(5, 60).expect("a file");
            assert_eq!(read(&bytes).2[0].1, rgb, "{channels} channels");
        }
    }

    #[test]
    fn colours_of_a_smooth_picture_stay_close() {
        let side = 64;
        let pixels: Vec<u8> = (0..side * side)
            .flat_map(|i| {
                let (x, y) = ((i % side) as u8, (i / side) as u8);
                [4 * x, 4 * y, 255 - 2 * x - 2 * y]
            })
            .collect();
        let mut gif = Gif::new((side, side)).expect("a small size");
        gif.push(3, &pixels);
        let bytes = gif.there_and_back(5, 60).expect("a file");
        let (_, _, frames) = read(&bytes);
        let errors = frames[0].1.iter().zip(&pixels);
        let squares: f64 = errors.map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
        let error = (squares / pixels.len() as f64).sqrt();
        println!("{error:.2} levels");
        // 256 colours on a plane of 256×256 are 16 apart: 16/√12 levels in x and in y, √⅔ of it in each channel.
        assert!(error < 16.0 / 12_f64.sqrt(), "{error} levels");
    }
}
