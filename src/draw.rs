//! Pictures: grids of images; lines, marks and text, and the plots that are made of them.
//!
//! embedded-graphics has fonts of its own and comes in a few small crates. Plotting crates want a font file, from
//! the system or in the repository, and what rasterises it.

mod axis;
mod grid;
mod mark;
mod panel;

use std::convert::Infallible;
use std::io::Cursor;

pub use embedded_graphics::mono_font::iso_8859_1::{FONT_7X13, FONT_9X15_BOLD};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
pub use embedded_graphics::pixelcolor::Rgb888;
pub use embedded_graphics::prelude::Point;
use embedded_graphics::prelude::{
    DrawTarget, DrawTargetExt, Drawable, OriginDimensions, Pixel, Primitive, RgbColor, Size,
};
use embedded_graphics::primitives::{Line, PrimitiveStyle, Rectangle};
pub use embedded_graphics::text::Alignment;
use embedded_graphics::text::{Baseline, Text, TextStyleBuilder};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};

pub use self::axis::{Axis, Tick, extent};
pub(crate) use self::grid::BACKGROUND;
pub use self::grid::{Grid, Layout, Shades};
pub use self::mark::{MOST_MARKS, Mark, mark_colours};
pub use self::panel::{Panel, length, room};
use crate::error::{Error, Result};

/// Colour of the paper.
pub const WHITE: Rgb888 = Rgb888::new(255, 255, 255);
/// Colour of text.
pub const BLACK: Rgb888 = Rgb888::new(30, 30, 30);
/// Colour of the lines of a grid.
pub const GRID: Rgb888 = Rgb888::new(225, 225, 225);

/// A picture to draw on. What lies outside is not drawn.
pub struct Canvas(RgbImage);

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> std::result::Result<(), Infallible>
    where
        I: IntoIterator<Item = Pixel<Rgb888>>,
    {
        for Pixel(at, colour) in pixels {
            let place = (u32::try_from(at.x), u32::try_from(at.y));
            if let (Ok(x), Ok(y)) = place
                && let Some(pixel) = self.0.get_pixel_mut_checked(x, y)
            {
                *pixel = Rgb([colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

impl Canvas {
    /// A white picture.
    pub fn new(width: u32, height: u32) -> Self {
        Self(RgbImage::from_pixel(width, height, Rgb([255; 3])))
    }

    /// Width and height.
    pub fn dimensions(&self) -> (i32, i32) {
        (self.0.width() as i32, self.0.height() as i32)
    }

    /// Draws a straight line of a width in pixels.
    pub fn line(&mut self, from: Point, to: Point, colour: Rgb888, width: u32) {
        let style = PrimitiveStyle::with_stroke(colour, width);
        let Ok(()) = Line::new(from, to).into_styled(style).draw(self);
    }

    /// Draws that part of a straight line which lies within these columns and rows, both ends included.
    pub fn line_within(
        &mut self,
        (columns, rows): ((i32, i32), (i32, i32)),
        (from, to): (Point, Point),
        colour: Rgb888,
        width: u32,
    ) {
        let corners = [(columns.0, rows.0), (columns.1, rows.1)].map(|(x, y)| Point::new(x, y));
        let area = Rectangle::with_corners(corners[0], corners[1]);
        let style = PrimitiveStyle::with_stroke(colour, width);
        let line = Line::new(from, to).into_styled(style);
        let Ok(()) = line.draw(&mut self.clipped(&area));
    }

    /// Mixes a colour into a pixel; `share` of 0 leaves it, of 1 replaces it.
    pub fn blend(&mut self, x: i32, y: i32, colour: Rgb888, share: f64) {
        if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
            && let Some(Rgb(pixel)) = self.0.get_pixel_mut_checked(x, y)
        {
            for (value, new) in pixel.iter_mut().zip([colour.r(), colour.g(), colour.b()]) {
                let mixed = (1.0 - share) * f64::from(*value) + share * f64::from(new);
                *value = mixed.round() as u8;
            }
        }
    }

    /// Fills a rectangle.
    pub fn fill(&mut self, at: Point, width: u32, height: u32, colour: Rgb888) {
        let style = PrimitiveStyle::with_fill(colour);
        let area = Rectangle::new(at, Size::new(width, height)).into_styled(style);
        let Ok(()) = area.draw(self);
    }

    /// Lays pixels `[height, width, channels]` of 1 (grey) or 3 (RGB) channels onto the picture.
    pub fn paste(&mut self, at: Point, width: usize, channels: usize, pixels: &[u8]) {
        let rows = pixels.chunks_exact((width * channels).max(1));
        for (row, y) in rows.zip(at.y..) {
            for (pixel, x) in row.chunks_exact(channels.max(1)).zip(at.x..) {
                let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else {
                    continue;
                };
                if let Some(place) = self.0.get_pixel_mut_checked(x, y) {
                    *place = match *pixel {
                        [r, g, b] => Rgb([r, g, b]),
                        _ => Rgb([pixel[0]; 3]),
                    };
                }
            }
        }
    }

    /// Width, height, and the pixels `[height, width, 3]`.
    pub fn into_pixels(self) -> (usize, usize, Vec<u8>) {
        let (width, height) = self.0.dimensions();
        (width as usize, height as usize, self.0.into_raw())
    }

    /// Writes a line of text, its middle at the height of the point.
    pub fn text(&mut self, text: &str, at: Point, font: &MonoFont<'_>, alignment: Alignment) {
        self.text_in(BLACK, text, at, font, alignment);
    }

    /// Writes a line of text in a colour, its middle at the height of the point. Line breaks and other control
    /// characters, which a name may have, are question marks.
    pub fn text_in(
        &mut self,
        colour: Rgb888,
        text: &str,
        at: Point,
        font: &MonoFont<'_>,
        alignment: Alignment,
    ) {
        let style = TextStyleBuilder::new()
            .alignment(alignment)
            .baseline(Baseline::Middle)
            .build();
        let character = MonoTextStyle::new(font, colour);
        let text = text.replace(char::is_control, "?");
        let Ok(_) = Text::with_text_style(&text, at, character, style).draw(self);
    }

    /// The bytes of a PNG file.
    ///
    /// # Errors
    /// [`Error::Config`] where it cannot be encoded.
    pub fn png(&self) -> Result<Vec<u8>> {
        let (width, height) = self.0.dimensions();
        png(
            &self.0,
            [width as usize, height as usize],
            ExtendedColorType::Rgb8,
        )
    }
}

/// The bytes of a PNG file of pixels, row by row; `size` is width and height.
///
/// # Errors
/// [`Error::Config`] where it cannot be encoded, as more than 2³¹ pixels a side cannot.
pub(crate) fn png(pixels: &[u8], size: [usize; 2], colour: ExtendedColorType) -> Result<Vec<u8>> {
    let refused = |reason: String| {
        Error::config(
            format!(
                "a picture of {}×{} pixels cannot be encoded: {reason}",
                size[0], size[1]
            ),
            "fewer or smaller images",
        )
    };
    let side = |pixels: usize| u32::try_from(pixels).map_err(|error| refused(error.to_string()));
    let (width, height) = (side(size[0])?, side(size[1])?);
    let mut bytes = Cursor::new(Vec::new());
    PngEncoder::new(&mut bytes)
        .write_image(pixels, width, height, colour)
        .map_err(|error| refused(error.to_string()))?;
    Ok(bytes.into_inner())
}
