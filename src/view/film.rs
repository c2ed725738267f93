//! Images along paths through the latent space: beside each other, or one after another.

use super::format::Format;
use super::gif::Gif;
use crate::draw::{Alignment, Canvas, FONT_7X13, Point, WHITE};
use crate::draw::{Grid, Layout, Shades};
use crate::error::Result;
use crate::shape::ImageShape;

/// Hundredths of a second that a frame is shown, and the first and the last one.
const EACH: u16 = 6;
const ENDS: u16 = 60;

/// Frames of few images are enlarged towards so many pixels a side, and to so many times the size at most.
const FRAME_SIDE: usize = 480;
const MOST_ZOOM: usize = 4;

/// Pixels of a letter, and of a line of text.
const LETTER: usize = 7;
const LINE: usize = 14;
/// Pixels around text beside a grid.
const MARGIN: usize = 8;

/// Decoded images, a row for each path, a column for each step of it.
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
    /// Which values are black and white.
    pub shades: Shades,
}

impl Film {
    /// Number of paths.
    pub fn rows(&self) -> usize {
        self.images.len() / (self.steps * self.shape.values())
    }

    /// Images of each path.
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

    /// All images but the ends, `[rows, steps, values]`.
    pub fn images(&self) -> &[f32] {
        &self.images
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
        let hint = if text {
            "a smaller `steps = …` or `top = …`"
        } else {
            "a smaller `steps = …` or `rows = …`"
        };
        // The images are held whatever becomes of them.
        let still = layout(steps, ends);
        let still = still.size(rows.saturating_mul(still.columns), shape);
        Format::Png.check(still, 1, hint)?;
        if format == Format::Gif {
            let layout = frame_layout(rows, shape, ends, text);
            let count = rows.saturating_mul(if ends { 3 } else { 1 });
            format.check(layout.size(count, shape), 2 * steps, hint)?;
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
        let layout = Layout {
            shades: self.shades,
            ..layout(self.steps, self.ends.is_some())
        };
        let grid = Grid::laid_out(&images, self.shape, &layout)?;
        if self.rows.is_empty() && self.columns.is_empty() {
            return grid.png();
        }
        self.labelled(&grid, &layout).png()
    }

    /// A grid with text to its left and above it. Text that would run into the last one is left out.
    fn labelled(&self, grid: &Grid, layout: &Layout) -> Canvas {
        let (width, height) = grid.size();
        let longest = self.rows.iter().map(|text| text.chars().count()).max();
        let left = longest.map_or(0, |letters| letters * LETTER + 2 * MARGIN);
        let top = if self.columns.is_empty() {
            0
        } else {
            LINE + MARGIN
        };
        let size = [left + width + MARGIN, top + height + MARGIN];
        let mut canvas = Canvas::new(size[0] as u32, size[1] as u32);
        let corner = Point::new(left as i32, top as i32);
        canvas.paste(corner, width, grid.channels(), grid.pixels());
        let (tile_height, tile_width) = layout.shown(self.shape);
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
                let letters = text.chars().count();
                // The last one ends where the picture does.
                let middle = (left + x + tile_width / 2)
                    .min(size[0].saturating_sub(letters * LETTER / 2 + 1));
                let at = Point::new(middle as i32, (top / 2) as i32);
                canvas.text(text, at, &FONT_7X13, Alignment::Center);
                free = x + (letters + 1) * LETTER;
            }
        }
        canvas
    }

    /// A frame for each step: the rows' images of it beside each other, or each between its ends. Text is above the
    /// images.
    fn gif(&self) -> Result<Vec<u8>> {
        let (rows, values) = (self.rows(), self.shape.values());
        let ends = self.ends.is_some();
        let layout = Layout {
            shades: self.shades,
            ..frame_layout(rows, self.shape, ends, !self.rows.is_empty())
        };
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
                none => {
                    let channels = if self.rows.is_empty() {
                        grid.channels()
                    } else {
                        3
                    };
                    none.insert(Gif::new(grid.size(), channels)?)
                }
            };
            if self.rows.is_empty() {
                gif.push(grid.into_pixels());
            } else {
                gif.push(self.captioned(&grid, &layout));
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
        let (_, tile_width) = layout.shown(self.shape);
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
    let mut layout = if ends {
        layout(1, true)
    } else {
        let square = (rows as f64 * shape.height as f64 / shape.width.max(1) as f64).sqrt();
        Layout {
            above: if text { LINE } else { 0 },
            ..Layout::new((square.ceil() as usize).clamp(1, rows.max(1)))
        }
    };
    let (width, height) = layout.size(rows.saturating_mul(if ends { 3 } else { 1 }), shape);
    layout.zoom = (FRAME_SIDE / width.max(height)).clamp(1, MOST_ZOOM);
    layout
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::gif::tests::read;

    /// Shown as they are.
    const SHAPE: ImageShape = ImageShape::new(32, 40, 1);

    /// Grey level of an image of a film: all differ.
    fn level(row: usize, step: usize) -> u8 {
        (60 * row + 10 * step + 5) as u8
    }

    fn flat(level: u8) -> Vec<f32> {
        vec![f32::from(level) / 255.0; SHAPE.values()]
    }

    fn film(rows: usize, steps: usize, ends: bool, text: bool) -> Film {
        let all = (0..rows).flat_map(|row| (0..steps).map(move |step| (row, step)));
        let levels = [200, 250].into_iter().cycle().take(2 * rows);
        Film {
            shape: SHAPE,
            steps,
            images: all.flat_map(|(row, step)| flat(level(row, step))).collect(),
            ends: ends.then(|| levels.flat_map(flat).collect()),
            rows: (0..rows)
                .filter(|_| text)
                .map(|row| format!("z{row}  KL 1"))
                .collect(),
            shades: Shades::default(),
            columns: (0..steps)
                .filter(|_| text)
                .map(|step| step.to_string())
                .collect(),
        }
    }

    fn picture(film: &Film) -> image::GrayImage {
        let bytes = film.bytes(Format::Png).expect("a picture");
        image::load_from_memory(&bytes).expect("a PNG").to_luma8()
    }

    #[test]
    fn rows_lie_below_each_other_in_the_order_of_their_steps() {
        let film = film(3, 4, false, false);
        assert_eq!((film.rows(), film.steps()), (3, 4));
        let picture = picture(&film);
        assert_eq!(picture.dimensions(), (4 * 42 + 2, 3 * 34 + 2));
        for row in 0..3 {
            for step in 0..4 {
                let (x, y) = (2 + 42 * step as u32, 2 + 34 * row as u32);
                for (dx, dy) in [(0, 0), (39, 31)] {
                    let pixel = picture.get_pixel(x + dx, y + dy).0;
                    assert_eq!(pixel, [level(row, step)], "{row}, {step}");
                }
            }
        }
    }

    #[test]
    fn ends_stand_before_and_behind_their_row_at_a_distance() {
        let picture = picture(&film(2, 3, true, false));
        // Five images, of which the first and the last stand 8 pixels off.
        assert_eq!(picture.dimensions(), (5 * 42 + 2 + 2 * 6, 2 * 34 + 2));
        let seen = [2, 50, 92, 134, 182].map(|x| picture.get_pixel(x, 36).0[0]);
        assert_eq!(seen, [200, level(1, 0), level(1, 1), level(1, 2), 250]);
    }

    #[test]
    fn the_text_of_the_last_column_is_whole() {
        let mut narrow = film(1, 1, false, true);
        narrow.shape = ImageShape::new(1, 1, 1);
        narrow.images = vec![1.0];
        narrow.columns = vec!["0.00123".to_owned()];
        let ink = |picture: image::GrayImage| picture.iter().filter(|v| **v == 30).count();
        let without = {
            let columns = vec![String::new()];
            ink(picture(&Film {
                columns,
                ..narrow.clone()
            }))
        };
        let mut text = Canvas::new(100, 20);
        let middle = Point::new(50, 10);
        text.text("0.00123", middle, &FONT_7X13, Alignment::Center);
        let letters = text.into_pixels().2.iter().filter(|v| **v == 30).count() / 3;
        assert_eq!(ink(picture(&narrow)) - without, letters);
    }

    #[test]
    fn text_stands_beside_the_grid_and_leaves_its_pixels_alone() {
        let (plain, text) = (
            picture(&film(2, 3, false, false)),
            picture(&film(2, 3, false, true)),
        );
        let left = 8 * LETTER as u32 + 2 * MARGIN as u32;
        let top = (LINE + MARGIN) as u32;
        let margin = MARGIN as u32;
        let (width, height) = plain.dimensions();
        assert_eq!(
            text.dimensions(),
            (left + width + margin, top + height + margin)
        );
        for (x, y, pixel) in plain.enumerate_pixels() {
            assert_eq!(text.get_pixel(left + x, top + y), pixel);
        }
        let dark = |xs: std::ops::Range<u32>, ys: std::ops::Range<u32>| {
            let all = xs.flat_map(|x| ys.clone().map(move |y| (x, y)));
            all.filter(|&(x, y)| text.get_pixel(x, y).0[0] < 100)
                .count()
        };
        assert!(
            dark(0..left, top..top + height / 2) > 20,
            "text of the first row"
        );
        assert!(
            dark(0..left, top + height / 2..top + height) > 20,
            "of the second"
        );
        assert!(dark(left..left + width, 0..top) > 20, "above");
        assert_eq!(dark(0..left, 0..top), 0, "the corner is empty");
    }

    #[test]
    fn a_gif_has_the_images_of_the_png_there_and_back() {
        let film = film(3, 4, false, false);
        let (width, height, frames) = read(&film.bytes(Format::Gif).expect("a picture"));
        // Three images in two columns, four times as large.
        assert_eq!((width, height), (2 * 162 + 2, 2 * 130 + 2));
        let order = [0, 1, 2, 3, 2, 1];
        assert_eq!(frames.len(), order.len());
        for ((_, pixels), step) in frames.iter().zip(order) {
            for (row, (x, y)) in [(2, 2), (164, 2), (2, 132)].into_iter().enumerate() {
                for at in [y * width + x, (y + 127) * width + x + 159] {
                    assert_eq!(
                        pixels[3 * at..][..3],
                        [level(row, step); 3],
                        "{row}, {step}"
                    );
                }
            }
        }
    }

    #[test]
    fn frames_between_ends_keep_these_in_view() {
        let film = film(2, 3, true, false);
        let (width, _, frames) = read(&film.bytes(Format::Gif).expect("a picture"));
        // Three times as large.
        assert_eq!(width, 3 * 122 + 2 + 2 * 6);
        for ((_, pixels), step) in frames.iter().zip([0, 1, 2, 1]) {
            let seen = [2, 130, 258].map(|x| pixels[3 * (100 * width + x)]);
            assert_eq!(seen, [200, level(1, step), 250]);
        }
    }

    #[test]
    fn captions_are_above_the_images_of_a_frame() {
        let film = film(3, 2, false, true);
        let (width, height, frames) = read(&film.bytes(Format::Gif).expect("a picture"));
        assert_eq!((width, height), (2 * 162 + 2, 2 * (130 + LINE) + 2));
        let white = |pixels: &[u8]| pixels.chunks(3).filter(|pixel| *pixel == [255; 3]).count();
        let strip = 3 * width * (2 + LINE);
        assert!(white(&frames[0].1[..strip]) > 20);
        assert_eq!(frames[0].1[3 * (width * (2 + LINE) + 2)], level(0, 0));
    }

    #[test]
    fn a_film_that_would_be_too_large_is_refused_before_it_is_made() {
        let check = |format, rows, steps| {
            let checked = Film::check(format, (rows, steps), SHAPE, false, false);
            checked.err().map(|error| error.to_string())
        };
        assert_eq!(check(Format::Png, 100, 100), None);
        let error = check(Format::Png, 10_000, 10_000).expect("a huge picture");
        assert!(
            error.contains("too large") && error.contains("`rows = …`"),
            "{error}"
        );
        assert!(check(Format::Png, usize::MAX, 2).is_some());
        assert_eq!(check(Format::Gif, 100, 30), None);
        let error = check(Format::Gif, 1, 7000).expect("too many frames");
        assert!(error.contains("14000 frames"), "{error}");
    }
}
