//! Grids of images, as PNG.

use image::ExtendedColorType;

use super::png;

use crate::error::{Error, Result};
use crate::number::rounded;
use crate::shape::ImageShape;

/// Pixels between two images, and around the grid.
const GAP: usize = 2;
/// Pixels between two pairs of an image and its reconstruction.
const PAIR_GAP: usize = 8;
/// Colour of the gaps: visible beside black and beside white.
pub(crate) const BACKGROUND: u8 = 96;
/// Rows of values take no more pixels than this.
const WIDEST_ROW: usize = 256;
/// Images of fewer pixels a side are enlarged towards this many.
const COMFORTABLE_SIDE: usize = 64;
/// No pixel becomes larger than this.
const MAX_SCALE: usize = 8;

/// Which values are drawn as black and as white; what is beyond them is drawn as they are. Whether the second of two
/// channels is alpha.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shades {
    least: f32,
    greatest: f32,
    grey_alpha: bool,
}

impl Default for Shades {
    /// 0 and 1; two channels are no grey and alpha.
    fn default() -> Self {
        Self {
            least: 0.0,
            greatest: 1.0,
            grey_alpha: false,
        }
    }
}

impl Shades {
    /// Of data whose values have this range: 0 to 1 where they lie within it.
    pub fn of(least: f32, greatest: f32) -> Self {
        let spread = greatest - least;
        match (least < 0.0 || greatest > 1.0) && spread.is_finite() && spread > 0.0 {
            true => Self {
                least,
                greatest,
                ..Self::default()
            },
            false => Self::default(),
        }
    }

    /// The same, and whether images of two channels are grey and alpha.
    #[must_use]
    pub fn with_grey_alpha(self, grey_alpha: bool) -> Self {
        Self { grey_alpha, ..self }
    }

    /// Whether these are 0 and 1.
    fn are_usual(self) -> bool {
        (self.least, self.greatest) == (0.0, 1.0)
    }

    /// Place of the channel that is alpha.
    fn alpha(self, channels: usize) -> Option<usize> {
        match channels {
            4 => Some(3),
            2 if self.grey_alpha => Some(1),
            _ => None,
        }
    }

    /// What to say of pictures of such images, where values are not drawn from 0 to 1.
    pub fn in_words(self, shape: ImageShape) -> Option<String> {
        let (low, high) = match is_row(shape) {
            true => ("bottom", "top"),
            false => ("black", "white"),
        };
        let (least, greatest) = (
            rounded(self.least.into(), 3),
            rounded(self.greatest.into(), 3),
        );
        (!self.are_usual()).then(|| {
            format!("pictures show values from {least} ({low}) to {greatest} ({high}), the range of the training data")
        })
    }

    /// What is drawn as black, and what as white.
    pub fn range(self) -> (f32, f32) {
        (self.least, self.greatest)
    }

    /// Place of a value between black, 0, and white, 1; NaN stays so.
    fn level(self, value: f32) -> f32 {
        if self.are_usual() {
            return value.clamp(0.0, 1.0);
        }
        ((value - self.least) / (self.greatest - self.least)).clamp(0.0, 1.0)
    }
}

/// Where images lie on a [`Grid`], in reading order.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Images a row.
    pub columns: usize,
    /// Pixels between two images, and around the grid.
    pub gap: usize,
    /// Columns with a wider gap before them.
    pub apart: Vec<usize>,
    /// Pixels above each row, beside the gap: room for text.
    pub above: usize,
    /// How many times larger than usual images are shown.
    pub zoom: usize,
    /// Which values are black and white.
    pub shades: Shades,
}

impl Layout {
    /// The usual gaps.
    pub fn new(columns: usize) -> Self {
        Self {
            columns,
            gap: GAP,
            apart: Vec::new(),
            above: 0,
            zoom: 1,
            shades: Shades::default(),
        }
    }

    /// Height and width of an image as it is shown, in pixels.
    pub fn shown(&self, shape: ImageShape) -> (usize, usize) {
        let (height, width) = if is_row(shape) {
            let width = shape.width.saturating_mul(scale(shape));
            (COMFORTABLE_SIDE, width.min(WIDEST_ROW))
        } else {
            let scale = scale(shape);
            (
                shape.height.saturating_mul(scale),
                shape.width.saturating_mul(scale),
            )
        };
        (
            height.saturating_mul(self.zoom),
            width.saturating_mul(self.zoom),
        )
    }

    /// Width and height in pixels of a grid of `count` images; the greatest number there is where that is more.
    pub fn size(&self, count: usize, shape: ImageShape) -> (usize, usize) {
        let (height, width) = self.shown(shape);
        let columns = self.columns.clamp(1, count.max(1));
        let apart = self
            .apart
            .iter()
            .filter(|column| (1..columns).contains(column));
        let apart = apart.count();
        let span = |images: usize, side: usize, between: usize| {
            let pitch = side.saturating_add(between);
            images.saturating_mul(pitch).saturating_add(self.gap)
        };
        let width = span(columns, width, self.gap);
        (
            width.saturating_add(apart.saturating_mul(PAIR_GAP.saturating_sub(self.gap))),
            span(count.div_ceil(columns), height, self.gap + self.above),
        )
    }

    fn positions(&self, count: usize, shape: ImageShape) -> (Positions, Positions) {
        let columns = self.columns.clamp(1, count);
        let (height, width) = self.shown(shape);
        let xs = positions(columns, width, self.gap, |column| {
            match self.apart.contains(&column) {
                true => PAIR_GAP.max(self.gap),
                false => self.gap,
            }
        });
        let mut ys = positions(count.div_ceil(columns), height, self.gap, |_| {
            self.gap + self.above
        });
        ys.at.iter_mut().for_each(|y| *y += self.above);
        ys.total += self.above;
        (xs, ys)
    }
}

/// A picture of images side by side.
///
/// Values are drawn from 0, black, to 1, white, or by the layout's [`Shades`] (NaN is black); rows of values as lines.
/// Images of three channels are RGB, those of four RGB and alpha, those of two grey and alpha if the shades say so; what
/// is transparent is laid on the colour of the gaps. Of any other number of channels the first one is shown, as grey.
/// Small images are enlarged by a whole factor.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    xs: Positions,
    ys: Positions,
    /// Height and width of an image as it is shown, in pixels.
    shown: (usize, usize),
    shades: Shades,
    /// 1 or 3.
    channels: usize,
    /// `[height, width, channels]`.
    pixels: Vec<u8>,
}

impl Grid {
    /// Images in reading order, `columns` a row; `values` is `[images, height, width, channels]`.
    ///
    /// # Errors
    /// [`Error::Config`] where there is no image, or `values` are not whole images.
    pub fn of_images(values: &[f32], shape: ImageShape, columns: usize) -> Result<Self> {
        Self::laid_out(values, shape, &Layout::new(columns))
    }

    /// As [`Grid::of_images`], with shades of one's own.
    ///
    /// # Errors
    /// As [`Grid::of_images`].
    pub fn of_images_in(
        values: &[f32],
        shape: ImageShape,
        columns: usize,
        shades: Shades,
    ) -> Result<Self> {
        let layout = Layout {
            shades,
            ..Layout::new(columns)
        };
        Self::laid_out(values, shape, &layout)
    }

    /// As [`Grid::of_images`], with gaps of one's own.
    ///
    /// # Errors
    /// As [`Grid::of_images`].
    pub fn laid_out(values: &[f32], shape: ImageShape, layout: &Layout) -> Result<Self> {
        let count = count(values, shape)?;
        let columns = layout.columns.clamp(1, count);
        let (xs, ys) = layout.positions(count, shape);
        let mut grid = Self::empty(shape, xs, ys, layout);
        for (index, image) in values.chunks_exact(shape.values()).enumerate() {
            grid.draw(image, shape, index % columns, index / columns);
        }
        Ok(grid)
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.xs.total, self.ys.total)
    }

    /// 1 (grey) or 3 (RGB).
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// `[height, width, channels]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// As [`Grid::pixels`], for keeps.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// Where columns begin and rows begin, in pixels.
    pub fn places(&self) -> (&[usize], &[usize]) {
        (&self.xs.at, &self.ys.at)
    }

    /// Each original with its reconstruction to its right, in `rows` rows (fewer for few images),
    /// pairs in reading order; both `[images, height, width, channels]`.
    ///
    /// # Errors
    /// [`Error::Config`] where there is no image, or the two differ in number.
    pub fn of_pairs(
        originals: &[f32],
        reconstructions: &[f32],
        shape: ImageShape,
        rows: usize,
    ) -> Result<Self> {
        Self::of_pairs_in(originals, reconstructions, shape, rows, Shades::default())
    }

    /// As [`Grid::of_pairs`], with shades of one's own.
    ///
    /// # Errors
    /// As [`Grid::of_pairs`].
    pub fn of_pairs_in(
        originals: &[f32],
        reconstructions: &[f32],
        shape: ImageShape,
        rows: usize,
        shades: Shades,
    ) -> Result<Self> {
        let count = count(originals, shape)?;
        if originals.len() != reconstructions.len() {
            return Err(Error::internal(format!(
                "{} values of originals, but {} of reconstructions",
                originals.len(),
                reconstructions.len()
            )));
        }
        let pairs = count.div_ceil(rows.clamp(1, count));
        let layout = Layout {
            apart: (1..pairs).map(|pair| 2 * pair).collect(),
            shades,
            ..Layout::new(2 * pairs)
        };
        let (xs, ys) = layout.positions(2 * count, shape);
        let mut grid = Self::empty(shape, xs, ys, &layout);
        let images = originals
            .chunks_exact(shape.values())
            .zip(reconstructions.chunks_exact(shape.values()));
        for (index, (original, reconstruction)) in images.enumerate() {
            let (column, row) = (2 * (index % pairs), index / pairs);
            grid.draw(original, shape, column, row);
            grid.draw(reconstruction, shape, column + 1, row);
        }
        Ok(grid)
    }

    /// The bytes of a PNG file.
    ///
    /// # Errors
    /// [`Error::Config`] where the grid is too large for a PNG.
    pub fn png(&self) -> Result<Vec<u8>> {
        let colour = match self.channels {
            3 => ExtendedColorType::Rgb8,
            _ => ExtendedColorType::L8,
        };
        png(&self.pixels, [self.xs.total, self.ys.total], colour)
    }

    fn empty(shape: ImageShape, xs: Positions, ys: Positions, layout: &Layout) -> Self {
        let channels = if matches!(shape.channels, 3 | 4) {
            3
        } else {
            1
        };
        Self {
            shown: layout.shown(shape),
            shades: layout.shades,
            channels,
            pixels: vec![BACKGROUND; xs.total * ys.total * channels],
            xs,
            ys,
        }
    }

    fn draw(&mut self, image: &[f32], shape: ImageShape, column: usize, row: usize) {
        let corner = (self.xs.at[column], self.ys.at[row]);
        match is_row(shape) {
            true => self.draw_line(image, corner),
            false => self.draw_image(image, shape, corner),
        }
    }

    fn draw_image(&mut self, image: &[f32], shape: ImageShape, (left, top): (usize, usize)) {
        let (height, width) = self.shown;
        let alpha_channel = self.shades.alpha(shape.channels);
        for y in 0..height {
            for x in 0..width {
                let (y_from, x_from) = (y * shape.height / height, x * shape.width / width);
                let from = (y_from * shape.width + x_from) * shape.channels;
                let to = ((top + y) * self.xs.total + left + x) * self.channels;
                let alpha = alpha_channel.map_or(1.0, |at| image[from + at].clamp(0.0, 1.0));
                for channel in 0..self.channels {
                    let value = self.shades.level(image[from + channel]) * alpha
                        + f32::from(BACKGROUND) / 255.0 * (1.0 - alpha);
                    self.pixels[to + channel] = (value * 255.0).round() as u8;
                }
            }
        }
    }

    /// Values as a line of steps, white on black, from the least at the bottom to the greatest at the top. Where several
    /// values share a column of pixels, it reaches from the least of them to the greatest. NaN is a gap in it.
    fn draw_line(&mut self, values: &[f32], (left, top): (usize, usize)) {
        let (height, width) = self.shown;
        let shades = self.shades;
        let y_of = |value: f32| {
            let level = 1.0 - shades.level(value);
            (!level.is_nan()).then(|| (level * (height - 1) as f32).round() as usize)
        };
        let mut before = None;
        for x in 0..width {
            let first = x * values.len() / width;
            let next = ((x + 1) * values.len() / width).max(first + 1);
            let ys = values[first..next].iter().map(|&value| y_of(value));
            let last = ys.clone().next_back().flatten();
            let ys = ys.flatten();
            let joined = ys.clone().next().and(before);
            // Without any value this is a range of no pixel.
            let (least, most) = ys
                .chain(joined)
                .fold((height, 0), |(least, most), y| (least.min(y), most.max(y)));
            before = last;
            for y in 0..height {
                let at = (top + y) * self.xs.total + left + x;
                self.pixels[at] = if (least..=most).contains(&y) { 255 } else { 0 };
            }
        }
    }
}

/// Whether images are rows of values, whose pictures are lines.
fn is_row(shape: ImageShape) -> bool {
    shape.height == 1 && shape.channels == 1 && shape.width > 1
}

/// Where images begin along one axis, and the length of the axis, in pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Positions {
    at: Vec<usize>,
    total: usize,
}

/// Places `count` images of `side` pixels, with `gap(i)` before image `i` (and `edge` at both ends).
fn positions(count: usize, side: usize, edge: usize, gap: impl Fn(usize) -> usize) -> Positions {
    let mut end = 0;
    let at = (0..count)
        .map(|index| {
            let start = end + if index == 0 { edge } else { gap(index) };
            end = start + side;
            start
        })
        .collect();
    Positions {
        at,
        total: end + edge,
    }
}

fn scale(shape: ImageShape) -> usize {
    (COMFORTABLE_SIDE / shape.height.max(shape.width).max(1)).clamp(1, MAX_SCALE)
}

fn count(values: &[f32], shape: ImageShape) -> Result<usize> {
    let count = values.len().checked_div(shape.values()).unwrap_or(0);
    if count == 0 || count * shape.values() != values.len() {
        return Err(Error::config(
            format!(
                "{} values are not one or more images of {shape}",
                values.len()
            ),
            "at least one image",
        ));
    }
    Ok(count)
}

#[cfg(test)]
mod tests;
