//! Images along ways through the latent space: beside each other, or one after another.

use super::format::Format;
use super::gif::Gif;
use crate::draw::{Alignment, Canvas, FONT_7X13, Point, WHITE};
use crate::error::Result;
use crate::shape::ImageShape;
use crate::train::{Grid, Layout};

/// Hundredths of a second that a frame is shown, and the first and the last one.
const EACH: u16 = 6;
const ENDS: u16 = 60;

/// Pixels of a letter, and of a line of text.
const LETTER: usize = 7;
const LINE: usize = 14;
/// Pixels around text beside a grid.
const MARGIN: usize = 8;

/// Decoded images, a row for each way, a column for each step of it.
#[derive(Clone, Debug)]
pub struct Film {
    /// Size of an image.
    pub(super) shape: ImageShape,
    /// Images a row.
    pub(super) steps: usize,
    /// `[rows, steps, values]`.
    pub(super) images: Vec<f32>,
    /// `[rows, 2, values]`: what to show before and behind each row.
    pub(super) ends: Option<Vec<f32>>,
    /// Text beside each row; none, or one for each.
    pub(super) rows: Vec<String>,
    /// Text above each column; none, or one for each.
    pub(super) columns: Vec<String>,
}

impl Film {
    /// Number of ways.
    pub fn rows(&self) -> usize {
        self.images.len() / (self.steps * self.shape.values())
    }

    /// Images of each way.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// An image, `[values]`.
    ///
    /// # Panics
    /// Where there is no such row or step, as indexing a slice does.
    pub fn image(&self, row: usize, step: usize) -> &[f32] {
        let values = self.shape.values();
        let at = (row * self.steps + step) * values;
        &self.images[at..at + values]
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// [`crate::Error::Config`] where it cannot be encoded.
    pub fn bytes(&self, format: Format) -> Result<Vec<u8>> {
        match format {
            Format::Png => self.png(),
            Format::Gif => self.gif(),
        }
    }

    /// Refuses a film that would be too large; `text`: with room for text.
    pub(super) fn check(
        format: Format,
        (rows, steps): (usize, usize),
        shape: ImageShape,
        ends: bool,
        text: bool,
    ) -> Result<()> {
        let options = if text {
            "--steps or --top"
        } else {
            "--steps or --rows"
        };
        // The images are held whatever becomes of them.
        let still = layout(steps, ends);
        let still = still.size(rows.saturating_mul(still.columns), shape);
        Format::Png.check(still, 1, options)?;
        if format == Format::Gif {
            let layout = frame_layout(rows, shape, ends, text);
            let count = rows.saturating_mul(if ends { 3 } else { 1 });
            format.check(layout.size(count, shape), 2 * steps, options)?;
        }
        Ok(())
    }

    /// All rows below each other, the ends at a distance.
    fn png(&self) -> Result<Vec<u8>> {
        let values = self.shape.values();
        let mut images = Vec::with_capacity(self.images.len());
        for row in 0..self.rows() {
            let ends = self
                .ends
                .as_ref()
                .map(|ends| &ends[2 * row * values..][..2 * values]);
            images.extend_from_slice(ends.map_or(&[], |ends| &ends[..values]));
            images.extend_from_slice(
                &self.images[row * self.steps * values..][..self.steps * values],
            );
            images.extend_from_slice(ends.map_or(&[], |ends| &ends[values..]));
        }
        let layout = layout(self.steps, self.ends.is_some());
        let grid = Grid::laid_out(&images, self.shape, &layout)?;
        if self.rows.is_empty() && self.columns.is_empty() {
            return grid.png();
        }
        self.labelled(&grid).png()
    }

    /// A grid with text to its left and above it. Text that would run into the last one is left out.
    fn labelled(&self, grid: &Grid) -> Canvas {
        let (width, height) = grid.size();
        let longest = self.rows.iter().map(|text| text.chars().count()).max();
        let left = longest.map_or(0, |letters| letters * LETTER + 2 * MARGIN);
        let top = if self.columns.is_empty() {
            0
        } else {
            LINE + MARGIN
        };
        let mut canvas = Canvas::new((left + width) as u32, (top + height) as u32);
        let corner = Point::new(left as i32, top as i32);
        canvas.paste(corner, width, grid.channels(), grid.pixels());
        let (tile_height, tile_width) = Grid::shown(self.shape);
        let (xs, ys) = grid.places();
        let mut free = 0;
        for (text, y) in self.rows.iter().zip(ys) {
            if *y >= free {
                let at = Point::new((left - MARGIN) as i32, (top + y + tile_height / 2) as i32);
                canvas.text(text, at, &FONT_7X13, Alignment::Right);
                free = y + LINE;
            }
        }
        let mut free = 0;
        for (text, x) in self.columns.iter().zip(xs) {
            if *x >= free {
                let at = Point::new((left + x + tile_width / 2) as i32, (top / 2) as i32);
                canvas.text(text, at, &FONT_7X13, Alignment::Center);
                free = x + (text.chars().count() + 1) * LETTER;
            }
        }
        canvas
    }

    /// A frame for each step: the rows' images of it beside each other, or each between its ends. Text is above the
    /// images.
    fn gif(&self) -> Result<Vec<u8>> {
        let (rows, values) = (self.rows(), self.shape.values());
        let ends = self.ends.is_some();
        let layout = frame_layout(rows, self.shape, ends, !self.rows.is_empty());
        let mut gif: Option<Gif> = None;
        for step in 0..self.steps {
            let mut images = Vec::new();
            for row in 0..rows {
                let pair = self
                    .ends
                    .as_ref()
                    .map(|ends| &ends[2 * row * values..][..2 * values]);
                images.extend_from_slice(pair.map_or(&[], |pair| &pair[..values]));
                images.extend_from_slice(self.image(row, step));
                images.extend_from_slice(pair.map_or(&[], |pair| &pair[values..]));
            }
            let grid = Grid::laid_out(&images, self.shape, &layout)?;
            let gif = match &mut gif {
                Some(gif) => gif,
                none => none.insert(Gif::new(grid.size())?),
            };
            if self.rows.is_empty() {
                gif.push(grid.channels(), grid.pixels());
            } else {
                gif.push(3, &self.captioned(&grid, &layout));
            }
        }
        match gif {
            Some(gif) => gif.there_and_back(EACH, ENDS),
            None => Ok(Vec::new()),
        }
    }

    /// The RGB pixels of a grid with the first word of each row's text above its image.
    fn captioned(&self, grid: &Grid, layout: &Layout) -> Vec<u8> {
        let (width, height) = grid.size();
        let mut canvas = Canvas::new(width as u32, height as u32);
        canvas.paste(Point::new(0, 0), width, grid.channels(), grid.pixels());
        let (_, tile_width) = Grid::shown(self.shape);
        let (xs, ys) = grid.places();
        for (index, text) in self.rows.iter().enumerate() {
            let word = text.split_whitespace().next().unwrap_or("");
            let (x, y) = (xs[index % layout.columns], ys[index / layout.columns]);
            let at = Point::new((x + tile_width / 2) as i32, (y - LINE / 2) as i32);
            canvas.text_in(WHITE, word, at, &FONT_7X13, Alignment::Center);
        }
        canvas.into_pixels().2
    }
}

/// A row of steps, between its ends where it has such.
fn layout(steps: usize, ends: bool) -> Layout {
    match ends {
        true => Layout {
            apart: vec![1, steps + 1],
            ..Layout::new(steps + 2)
        },
        false => Layout::new(steps),
    }
}

/// A frame: each row's image between its ends, or all rows' images in a nearly square block.
fn frame_layout(rows: usize, shape: ImageShape, ends: bool, text: bool) -> Layout {
    if ends {
        return layout(1, true);
    }
    let (height, width) = Grid::shown(shape);
    let square = (rows as f64 * height as f64 / width.max(1) as f64).sqrt();
    Layout {
        above: if text { LINE } else { 0 },
        ..Layout::new((square.ceil() as usize).clamp(1, rows.max(1)))
    }
}
