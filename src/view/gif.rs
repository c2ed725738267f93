//! Pictures that move.
//!
//! The `gif` crate rather than `image`'s encoder: that one looks up every pixel in a tree, also where the grey levels
//! are their own indices, has a palette for each frame and no dithering, and would make the readers of pictures take
//! GIFs.

use std::collections::BTreeMap;

use color_quant::NeuQuant;
use gif::{Encoder, Frame, Repeat};

use crate::draw::BACKGROUND;
use crate::error::{Error, Result};

/// Colours of a palette.
const COLOURS: usize = 256;
/// Colours that every palette has where it cannot have all: those of large areas of one colour, which dithering
/// would speckle. Black, the gaps of a grid, white.
const KEPT: [[u8; 3]; 3] = [[0; 3], [BACKGROUND; 3], [255; 3]];
/// Pixels to choose a palette by, at most: a fraction of a second.
const SAMPLES: usize = 1 << 18;

/// A GIF that plays over and over.
pub(super) struct Gif {
    width: u16,
    height: u16,
    /// `[height, width, channels]` each.
    frames: Vec<Vec<u8>>,
    /// 1 (grey) or 3 (RGB).
    channels: usize,
}

/// Which colours there are, and which of them each pixel has.
struct Indexed {
    palette: Vec<u8>,
    frames: Vec<Vec<u8>>,
}

impl Gif {
    /// One without a frame, of this width and height, of 1 (grey) or 3 (RGB) channels.
    ///
    /// # Errors
    /// [`Error::Config`] where a side has more than 16 bits.
    pub(super) fn new((width, height): (usize, usize), channels: usize) -> Result<Self> {
        let side = |pixels: usize| {
            u16::try_from(pixels).map_err(|_| failed(&format!("a side of {pixels} pixels")))
        };
        Ok(Self {
            width: side(width)?,
            height: side(height)?,
            frames: Vec::new(),
            channels,
        })
    }

    /// Adds a frame `[height, width, channels]`.
    pub(super) fn push(&mut self, pixels: Vec<u8>) {
        self.frames.push(pixels);
    }

    /// Grey levels stay what they are, and so do up to 256 colours. More are brought down to the 256 that fit all
    /// frames best, with what is amiss passed on to the neighbours of a pixel (Floyd & Steinberg 1976).
    fn indexed(self) -> Indexed {
        if self.channels != 3 {
            return Indexed {
                palette: greys(),
                frames: self.frames,
            };
        }
        if let Some(frames) = self.frames.iter().map(|frame| grey(frame)).collect() {
            return Indexed {
                palette: greys(),
                frames,
            };
        }
        if let Some(indexed) = exact(&self.frames) {
            return indexed;
        }
        let pixels: usize = self.frames.iter().map(|frame| frame.len() / 3).sum();
        // Odd, so as not to keep to some columns of an even width.
        let step = pixels.div_ceil(SAMPLES) | 1;
        let sample = self
            .frames
            .iter()
            .flat_map(|frame| frame.as_chunks::<3>().0);
        let sample = sample.step_by(step).flat_map(|&[r, g, b]| [r, g, b, 255]);
        let sample: Vec<u8> = sample.collect();
        let quantiser = NeuQuant::new(1, COLOURS - KEPT.len(), &sample);
        let mut palette = quantiser.color_map_rgb();
        palette.extend(KEPT.as_flattened());
        let width = usize::from(self.width);
        let frames = self.frames.iter();
        Indexed {
            frames: frames
                .map(|frame| dithered(frame, width, &quantiser, &palette))
                .collect(),
            palette,
        }
    }

    /// The bytes of the file: the frames forward and then back, each for `each` hundredths of a second, and the first
    /// and the last for `ends`.
    ///
    /// # Errors
    /// [`Error::Config`] where it cannot be encoded.
    pub(super) fn there_and_back(self, each: u16, ends: u16) -> Result<Vec<u8>> {
        let (width, height) = (self.width, self.height);
        let Indexed { palette, frames } = self.indexed();
        let mut encoder = Encoder::new(Vec::new(), width, height, &palette)
            .map_err(|e| failed(&e.to_string()))?;
        encoder
            .set_repeat(Repeat::Infinite)
            .map_err(|e| failed(&e.to_string()))?;
        let count = frames.len();
        for at in order(count) {
            let frame = Frame {
                width,
                height,
                delay: if at == 0 || at + 1 == count {
                    ends
                } else {
                    each
                },
                buffer: frames[at].as_slice().into(),
                ..Frame::default()
            };
            encoder
                .write_frame(&frame)
                .map_err(|e| failed(&e.to_string()))?;
        }
        encoder.into_inner().map_err(|e| failed(&e.to_string()))
    }
}

/// All frames, then those between the ends backwards.
fn order(frames: usize) -> impl Iterator<Item = usize> {
    (0..frames).chain((1..frames.saturating_sub(1)).rev())
}

/// The palette of all grey levels in their order.
fn greys() -> Vec<u8> {
    (0..=255).flat_map(|level| [level; 3]).collect()
}

/// RGB frames that have no more colours than a palette.
fn exact(frames: &[Vec<u8>]) -> Option<Indexed> {
    let mut indices = BTreeMap::new();
    let mut indexed = Indexed {
        palette: Vec::new(),
        frames: Vec::with_capacity(frames.len()),
    };
    for frame in frames {
        let mut own = Vec::with_capacity(frame.len() / 3);
        for pixel in frame.as_chunks::<3>().0 {
            let next = indices.len();
            let index = *indices.entry(pixel).or_insert(next);
            own.push(u8::try_from(index).ok()?);
        }
        indexed.frames.push(own);
    }
    let mut colours: Vec<(usize, [u8; 3])> = indices.into_iter().map(|(c, at)| (at, *c)).collect();
    colours.sort_unstable();
    indexed
        .palette
        .extend(colours.iter().flat_map(|(_, colour)| colour));
    Some(indexed)
}

/// The nearest colour of each pixel, with seven, three, five and one sixteenths of its error added to the pixels to
/// the right, below to the left, below, and below to the right.
fn dithered(frame: &[u8], width: usize, quantiser: &NeuQuant, palette: &[u8]) -> Vec<u8> {
    let mut indices = Vec::with_capacity(frame.len() / 3);
    // Sixteenths, with a pixel of room at both ends of a row.
    let mut own = vec![[0_i32; 3]; width + 2];
    let mut below = own.clone();
    for row in frame.chunks_exact(3 * width) {
        for (x, pixel) in (1..).zip(row.as_chunks::<3>().0) {
            if let Some(kept) = KEPT.iter().position(|colour| colour == pixel) {
                indices.push((COLOURS - KEPT.len() + kept) as u8);
                continue;
            }
            let mut wanted = [0; 3];
            for (channel, value) in wanted.iter_mut().enumerate() {
                *value = (i32::from(pixel[channel]) + own[x][channel] / 16).clamp(0, 255);
            }
            let [r, g, b] = wanted.map(|value| value as u8);
            let index = quantiser.index_of(&[r, g, b, 255]);
            for channel in 0..3 {
                let error = wanted[channel] - i32::from(palette[3 * index + channel]);
                own[x + 1][channel] += 7 * error;
                below[x - 1][channel] += 3 * error;
                below[x][channel] += 5 * error;
                below[x + 1][channel] += error;
            }
            indices.push(index as u8);
        }
        std::mem::swap(&mut own, &mut below);
        below.fill([0; 3]);
    }
    indices
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
        let mut gif = Gif::new((2, 1), 1).expect("a small size");
        for level in [10, 20, 30, 40] {
            gif.push(vec![level, 0]);
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
            let mut gif = Gif::new((16, 16), channels).expect("a small size");
            gif.push(pixels.clone());
            let bytes = gif.there_and_back(5, 60).expect("a file");
            assert_eq!(read(&bytes).2[0].1, rgb, "{channels} channels");
        }
    }

    #[test]
    fn up_to_256_colours_stay_what_they_are() {
        let colours: Vec<u8> = (0..=255).flat_map(|i| [i, 255 - i, i / 2]).collect();
        let (first, second) = colours.split_at(3 * 128);
        let mut gif = Gif::new((16, 8), 3).expect("a small size");
        for frame in [first, second] {
            gif.push(frame.to_vec());
        }
        let bytes = gif.there_and_back(5, 60).expect("a file");
        let frames = read(&bytes).2;
        assert_eq!((&frames[0].1[..], &frames[1].1[..]), (first, second));
    }

    /// Root of the mean square of the difference.
    fn error(found: &[f64], expected: &[f64]) -> f64 {
        let pairs = found.iter().zip(expected);
        let squares: f64 = pairs.map(|(a, b)| (a - b).powi(2)).sum();
        (squares / found.len() as f64).sqrt()
    }

    #[test]
    fn many_colours_stay_close_and_closer_from_afar() {
        let side = 64;
        let gap = 60 * side..62 * side;
        let pixels: Vec<u8> = (0..side * side)
            .flat_map(|i| {
                let (x, y) = ((i % side) as u8, (i / side) as u8);
                match gap.contains(&i) {
                    true => [BACKGROUND; 3],
                    false => [4 * x, 4 * y, 255 - 2 * x - 2 * y],
                }
            })
            .collect();
        let mut gif = Gif::new((side, side), 3).expect("a small size");
        gif.push(pixels.clone());
        let bytes = gif.there_and_back(5, 60).expect("a file");
        let (_, _, frames) = read(&bytes);
        let seen = &frames[0].1;
        let bytes = |pixels: &[u8]| pixels.iter().copied().map(f64::from).collect::<Vec<_>>();
        let near = error(&bytes(seen), &bytes(&pixels));
        // Means of blocks of 4×4 pixels, above the gap.
        let blocks = |pixels: &[u8]| -> Vec<f64> {
            let all =
                (0..15).flat_map(|by| (0..16).flat_map(move |bx| (0..3).map(move |c| (bx, by, c))));
            let mean = |(bx, by, c): (usize, usize, usize)| {
                let own = (0..16).map(|i| ((4 * by + i / 4) * side + 4 * bx + i % 4) * 3 + c);
                own.map(|at| f64::from(pixels[at])).sum::<f64>() / 16.0
            };
            all.map(mean).collect()
        };
        let far = error(&blocks(seen), &blocks(&pixels));
        println!("{near:.2} levels, {far:.2} of blocks");
        // 256 colours on a plane of 256×256 levels are 16 apart.
        assert!(near < 16.0, "{near} levels");
        assert!(far < 2.5, "{far} levels of blocks");
        let gap = 3 * gap.start..3 * gap.end;
        assert_eq!(seen[gap.clone()], pixels[gap]);
    }
}
