//! Grids of images, as PNG.

use std::io::Cursor;

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use crate::error::{Error, Result};
use crate::shape::ImageShape;

/// Pixels between two images, and around the grid.
const GAP: usize = 2;
/// Pixels between two pairs of an image and its reconstruction.
const PAIR_GAP: usize = 8;
/// Colour of the gaps: visible beside black and beside white.
pub(crate) const BACKGROUND: u8 = 96;
/// Images of fewer pixels a side are enlarged towards this many.
const COMFORTABLE_SIDE: usize = 64;
/// No pixel becomes larger than this.
const MAX_SCALE: usize = 8;

/// Where images lie on a [`Grid`], in reading order.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        }
    }

    /// Pixels a side of one value.
    fn scale(&self, shape: ImageShape) -> usize {
        scale(shape).saturating_mul(self.zoom)
    }

    /// Height and width of an image as it is shown, in pixels.
    pub fn shown(&self, shape: ImageShape) -> (usize, usize) {
        let scale = self.scale(shape);
        (
            shape.height.saturating_mul(scale),
            shape.width.saturating_mul(scale),
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
/// Values are clamped to 0..=1 (NaN is black). Images of three channels are RGB, those of four RGB and alpha, laid on
/// the colour of the gaps; of any other number of channels the first one is shown, as grey. Small images are enlarged
/// by a whole factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    xs: Positions,
    ys: Positions,
    /// Pixels a side of one value.
    scale: usize,
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

    /// As [`Grid::of_images`], with gaps of one's own.
    ///
    /// # Errors
    /// As [`Grid::of_images`].
    pub fn laid_out(values: &[f32], shape: ImageShape, layout: &Layout) -> Result<Self> {
        let count = count(values, shape)?;
        let columns = layout.columns.clamp(1, count);
        let (xs, ys) = layout.positions(count, shape);
        let mut grid = Self::empty(shape, xs, ys, layout.scale(shape));
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
        let count = count(originals, shape)?;
        if originals.len() != reconstructions.len() {
            return Err(Error::config(
                format!(
                    "{} values of originals, but {} of reconstructions",
                    originals.len(),
                    reconstructions.len()
                ),
                "please report this as a fault of the program",
            ));
        }
        let pairs = count.div_ceil(rows.clamp(1, count));
        let layout = Layout {
            apart: (1..pairs).map(|pair| 2 * pair).collect(),
            ..Layout::new(2 * pairs)
        };
        let (xs, ys) = layout.positions(2 * count, shape);
        let mut grid = Self::empty(shape, xs, ys, layout.scale(shape));
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
        let too_large = |reason: String| {
            Error::config(
                format!(
                    "a picture of {}×{} pixels cannot be encoded: {reason}",
                    self.xs.total, self.ys.total
                ),
                "fewer or smaller images",
            )
        };
        let side = |pixels: usize| u32::try_from(pixels).map_err(|e| too_large(e.to_string()));
        let colour = match self.channels {
            3 => ExtendedColorType::Rgb8,
            _ => ExtendedColorType::L8,
        };
        let mut bytes = Cursor::new(Vec::new());
        PngEncoder::new(&mut bytes)
            .write_image(
                &self.pixels,
                side(self.xs.total)?,
                side(self.ys.total)?,
                colour,
            )
            .map_err(|e| too_large(e.to_string()))?;
        Ok(bytes.into_inner())
    }

    fn empty(shape: ImageShape, xs: Positions, ys: Positions, scale: usize) -> Self {
        let channels = if matches!(shape.channels, 3 | 4) {
            3
        } else {
            1
        };
        Self {
            scale,
            channels,
            pixels: vec![BACKGROUND; xs.total * ys.total * channels],
            xs,
            ys,
        }
    }

    fn draw(&mut self, image: &[f32], shape: ImageShape, column: usize, row: usize) {
        let scale = self.scale;
        let (left, top, width) = (self.xs.at[column], self.ys.at[row], self.xs.total);
        for y in 0..shape.height * scale {
            for x in 0..shape.width * scale {
                let from = ((y / scale) * shape.width + x / scale) * shape.channels;
                let to = ((top + y) * width + left + x) * self.channels;
                let alpha = match shape.channels {
                    4 => image[from + 3].clamp(0.0, 1.0),
                    _ => 1.0,
                };
                for channel in 0..self.channels {
                    let value = image[from + channel].clamp(0.0, 1.0) * alpha
                        + f32::from(BACKGROUND) / 255.0 * (1.0 - alpha);
                    self.pixels[to + channel] = (value * 255.0).round() as u8;
                }
            }
        }
    }
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
mod tests {
    use super::*;

    /// Shown six times as large.
    const SHAPE: ImageShape = ImageShape::new(10, 10, 1);

    fn flat(levels: &[f32], shape: ImageShape) -> Vec<f32> {
        levels
            .iter()
            .flat_map(|&level| vec![level; shape.values()])
            .collect()
    }

    fn pixel(grid: &Grid, x: usize, y: usize) -> &[u8] {
        let at = (y * grid.xs.total + x) * grid.channels;
        &grid.pixels[at..at + grid.channels]
    }

    #[test]
    fn an_eight_by_eight_grid_of_28_by_28_doubles_every_pixel() {
        let shape = ImageShape::new(28, 28, 1);
        let grid = Grid::of_images(&vec![0.0; 64 * 784], shape, 8).expect("a grid");
        assert_eq!(grid.size(), (8 * 56 + 9 * 2, 8 * 56 + 9 * 2));
    }

    #[test]
    fn images_lie_in_reading_order_with_gaps_between() {
        let grid = Grid::of_images(&flat(&[0.0, 1.0, 0.2], SHAPE), SHAPE, 2).expect("a grid");
        assert_eq!(grid.size(), (2 * 60 + 6, 2 * 60 + 6));
        let (first, second) = (2, 2 + 60 + 2);
        assert_eq!(pixel(&grid, first, first), [0]);
        assert_eq!(pixel(&grid, first + 59, first + 59), [0]);
        assert_eq!(pixel(&grid, first + 60, first), [BACKGROUND]);
        assert_eq!(pixel(&grid, second, first), [255]);
        assert_eq!(pixel(&grid, first, second), [51]);
        assert_eq!(pixel(&grid, second, second), [BACKGROUND], "an empty place");
    }

    #[test]
    fn a_pixel_keeps_its_row_and_column() {
        let shape = ImageShape::new(32, 64, 1);
        let mut values = vec![0.0; shape.values()];
        values[5 * 64 + 9] = 1.0;
        let grid = Grid::of_images(&values, shape, 8).expect("a grid");
        assert_eq!(pixel(&grid, 2 + 9, 2 + 5), [255]);
        assert_eq!(grid.pixels.iter().filter(|&&p| p == 255).count(), 1);
    }

    #[test]
    fn colours_keep_their_channels() {
        let shape = ImageShape::new(64, 64, 3);
        let values = [1.0, 0.0, 0.4].repeat(64 * 64);
        let grid = Grid::of_images(&values, shape, 1).expect("a grid");
        assert_eq!(pixel(&grid, 40, 40), [255, 0, 102]);
    }

    #[test]
    fn four_channels_are_laid_on_the_colour_of_the_gaps_by_the_last() {
        let shape = ImageShape::new(64, 64, 4);
        for (alpha, shown) in [
            (1.0, [255, 0, 102]),
            (0.0, [BACKGROUND; 3]),
            (0.5, [176, 48, 99]),
        ] {
            let values = [1.0, 0.0, 0.4, alpha].repeat(64 * 64);
            let grid = Grid::of_images(&values, shape, 1).expect("a grid");
            assert_eq!(pixel(&grid, 40, 40), shown, "alpha {alpha}");
        }
    }

    #[test]
    fn other_channel_counts_show_the_first_channel() {
        let shape = ImageShape::new(64, 64, 2);
        let grid = Grid::of_images(&[0.2, 1.0].repeat(64 * 64), shape, 1).expect("a grid");
        assert_eq!(pixel(&grid, 3, 3), [51]);
    }

    #[test]
    fn values_are_clamped_and_nan_is_black() {
        let levels = [-3.0, 7.0, f32::NAN];
        let grid = Grid::of_images(&flat(&levels, SHAPE), SHAPE, 3).expect("a grid");
        let seen: Vec<u8> = (0..3).map(|i| pixel(&grid, 2 + i * 62, 2)[0]).collect();
        assert_eq!(seen, [0, 255, 0]);
    }

    #[test]
    fn pairs_lie_side_by_side_in_the_rows_asked_for() {
        let originals = flat(&[0.0; 10], SHAPE);
        let reconstructions = flat(&[1.0; 10], SHAPE);
        let grid = Grid::of_pairs(&originals, &reconstructions, SHAPE, 8).expect("a grid");
        // Ten pairs, two a row, five rows.
        assert_eq!(grid.size().1, 5 * 60 + 6 * 2);
        assert_eq!(grid.size().0, 2 + 60 + 2 + 60 + 8 + 60 + 2 + 60 + 2);
        let starts = [2, 64, 132, 194];
        let seen = starts.map(|x| pixel(&grid, x, 2)[0]);
        assert_eq!(seen, [0, 255, 0, 255]);
        assert_eq!(pixel(&grid, 131, 2), [BACKGROUND]);
    }

    #[test]
    fn a_layout_foretells_the_size_of_its_grid() {
        for (columns, gap, apart, above, zoom) in [
            (2, 2, vec![], 0, 1),
            (3, 0, vec![1, 2], 0, 2),
            (7, 2, vec![1, 6, 9], 14, 3),
        ] {
            let layout = Layout {
                columns,
                gap,
                apart,
                above,
                zoom,
            };
            for count in [1, 6, 7, 8] {
                let grid = Grid::laid_out(&flat(&vec![0.5; count], SHAPE), SHAPE, &layout);
                let grid = grid.expect("a grid");
                assert_eq!(
                    grid.size(),
                    layout.size(count, SHAPE),
                    "{count}, {layout:?}"
                );
                assert_eq!(grid.places().1[0], gap + above);
                assert_eq!(layout.shown(SHAPE), (60 * zoom, 60 * zoom));
                let grey = grid.pixels().iter().filter(|&&pixel| pixel == 128).count();
                assert_eq!(grey, count * 3600 * zoom * zoom, "the images' own pixels");
            }
        }
        let huge = ImageShape::new(usize::MAX / 2, usize::MAX / 2, 1);
        assert_eq!(Layout::new(9).size(100, huge), (usize::MAX, usize::MAX));
    }

    #[test]
    fn values_that_are_no_images_are_refused() {
        assert!(Grid::of_images(&[], SHAPE, 8).is_err());
        assert!(Grid::of_images(&[0.5; 101], SHAPE, 8).is_err());
        let one = flat(&[0.0], SHAPE);
        assert!(Grid::of_pairs(&one, &[], SHAPE, 8).is_err());
    }

    #[test]
    fn a_png_reads_back_pixel_by_pixel() {
        let grid = Grid::of_images(&flat(&[0.0, 1.0], SHAPE), SHAPE, 2).expect("a grid");
        let png = grid.png().expect("a file");
        let back = image::load_from_memory(&png).expect("a picture").to_luma8();
        let (width, height) = grid.size();
        assert_eq!(back.dimensions(), (width as u32, height as u32));
        assert_eq!(back.into_raw(), grid.pixels);
    }
}
