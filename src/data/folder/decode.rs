//! One picture: its header, and its pixels in the form of the data set.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Cursor, Seek};
use std::path::Path;

use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageError, ImageReader, Limits};

use super::{MAX_SIDE, formats, whole};
use crate::data::{Background, Stored, Values};
use crate::error::{Error, Result};
use crate::shape::ImageShape;

/// Memory for one decoded picture, in bytes; each thread decodes one at a time.
const MAX_DECODED: u64 = 512 << 20;
/// Greatest size of a picture's file: it is read as a whole.
const MAX_FILE: u64 = 256 << 20;
/// What to do about a file that is not whole.
const GO_ON: &str = "copy it again from where it came, or remove it; training with `skip-broken = true` goes on without broken \
                     pictures, and so do the commands on its run";

/// What a picture's header says, upright.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) grey: bool,
    /// Whether pixels may be transparent.
    pub(super) alpha: bool,
    /// Whether values have 16 bits.
    pub(super) wide: bool,
}

/// The form that all pictures of a data set get.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) shape: ImageShape,
    /// What transparent pixels are laid on, without a channel of their own.
    pub(super) background: Background,
    /// Whether values of 16 bits are kept.
    pub(super) wide: bool,
}

/// What decoding a picture has shown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Whether a pixel was transparent and has been laid on the background.
    pub(super) transparent: bool,
    /// Whether it has more frames or pages than the one that was read.
    pub(super) animated: bool,
}

/// A value of a picture in memory.
pub(super) trait Sample: Copy + Default + PartialEq + Send + Sync {
    /// What the source holds.
    const STORED: Stored;

    /// Copies all values of a picture that has as many.
    fn copy(picture: &DynamicImage, to: &mut [Self]);

    fn values(values: Vec<Self>) -> Values;
}

impl Sample for u8 {
    const STORED: Stored = Stored::BYTES;

    fn copy(picture: &DynamicImage, to: &mut [Self]) {
        to.copy_from_slice(picture.as_bytes());
    }

    fn values(values: Vec<Self>) -> Values {
        Values::Bytes(values)
    }
}

/// A value of 16 bits, as its number.
impl Sample for f32 {
    const STORED: Stored = Stored::Integer {
        signed: false,
        bits: 16,
    };

    fn copy(picture: &DynamicImage, to: &mut [Self]) {
        for (value, bytes) in to.iter_mut().zip(picture.as_bytes().chunks_exact(2)) {
            *value = f32::from(u16::from_ne_bytes([bytes[0], bytes[1]]));
        }
    }

    fn values(values: Vec<Self>) -> Values {
        Values::Floats(values)
    }
}

/// Reads a picture's header.
///
/// # Errors
///
/// [`Error::Data`] or [`Error::Io`] that names the file.
pub(super) fn header(path: &Path) -> Result<Header> {
    check_file(path)?;
    let file = File::open(path).map_err(Error::io(path, "open it"))?;
    let (decoder, orientation) = open(path, BufReader::new(file))?;
    let (width, height) = decoder.dimensions();
    let (width, height) = match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => (height, width),
        _ => (width, height),
    };
    let colour = decoder.color_type();
    Ok(Header {
        height: height as usize,
        width: width as usize,
        grey: !colour.has_color(),
        alpha: colour.has_alpha(),
        wide: colour.bytes_per_pixel() == 2 * colour.channel_count(),
    })
}

/// Decodes one picture into `values`, `[height, width, channels]` of the form.
///
/// # Errors
///
/// As [`header`]; also for a file that ends early.
pub(super) fn decode<T: Sample>(path: &Path, form: &Form, values: &mut [T]) -> Result<Seen> {
    let (mut picture, animated) = read(path)?;
    let mut transparent = false;
    if picture.color().has_alpha() && !has_alpha(form.shape.channels) {
        (picture, transparent) = laid_on(form.background, picture, form.wide);
    }
    let picture = fit(picture, form);
    T::copy(&picture, values);
    Ok(Seen {
        transparent,
        animated,
    })
}

/// Decodes one picture to see that it can be.
///
/// # Errors
///
/// As [`decode`].
pub(super) fn check(path: &Path) -> Result<()> {
    read(path).map(drop)
}

/// Whether the last of so many channels is alpha.
pub(super) fn has_alpha(channels: usize) -> bool {
    matches!(channels, 2 | 4)
}

/// A picture, upright, and whether it has more frames.
fn read(path: &Path) -> Result<(DynamicImage, bool)> {
    check_file(path)?;
    let bytes = fs::read(path).map_err(Error::io(path, "read it"))?;
    let (decoder, orientation) = open(path, Cursor::new(&bytes[..]))?;
    let shown = whole::check(&bytes).map_err(|reason| not_whole(path, reason))?;
    let mut picture =
        DynamicImage::from_decoder(decoder).map_err(|reason| undecodable(path, &reason))?;
    picture.apply_orientation(orientation);
    Ok((picture, shown.animated))
}

fn check_file(path: &Path) -> Result<()> {
    let metadata = path.metadata().map_err(Error::io(path, "open it"))?;
    if metadata.is_file() && metadata.len() <= MAX_FILE {
        return Ok(());
    }
    Err(Error::data(
        path,
        format!(
            "expected a plain file of at most {MAX_FILE} bytes, got {} bytes",
            metadata.len()
        ),
        "remove it from the folder",
    ))
}

/// Opens a picture and checks its size before anything is decoded.
fn open<'a>(
    path: &Path,
    bytes: impl BufRead + Seek + 'a,
) -> Result<(impl ImageDecoder + 'a, Orientation)> {
    let mut reader = ImageReader::new(bytes)
        .with_guessed_format()
        .map_err(Error::io(path, "read it"))?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODED);
    reader.limits(limits);
    let mut decoder = reader
        .into_decoder()
        .map_err(|reason| undecodable(path, &reason))?;
    let (width, height) = decoder.dimensions();
    let side = width.max(height) as usize;
    if side > MAX_SIDE || decoder.total_bytes() > MAX_DECODED || width.min(height) == 0 {
        return Err(too_large(path, &format!("{height}×{width}")));
    }
    if let ExtendedColorType::Rgb32F | ExtendedColorType::Rgba32F = decoder.color_type().into() {
        return Err(Error::data(
            path,
            "expected values of 8 or 16 bits, got floating-point numbers of 32 bits",
            "save all such pictures as one array: np.save('images.npy', np.stack(images))",
        ));
    }
    let orientation = decoder
        .orientation()
        .map_err(|reason| undecodable(path, &reason))?;
    Ok((decoder, orientation))
}

fn too_large(path: &Path, got: &str) -> Error {
    Error::data(
        path,
        format!(
            "expected a picture of 1 to {MAX_SIDE} pixels a side and at most {MAX_DECODED} bytes, \
             got {got}"
        ),
        "make it smaller, or remove it from the folder",
    )
}

fn not_whole(path: &Path, reason: &str) -> Error {
    Error::data(
        path,
        format!("expected a whole picture, but {reason}"),
        GO_ON,
    )
}

fn undecodable(path: &Path, reason: &ImageError) -> Error {
    match reason {
        ImageError::Limits(reason) => too_large(path, &reason.to_string()),
        ImageError::IoError(reason) if reason.kind() == std::io::ErrorKind::UnexpectedEof => {
            not_whole(path, "the file ends early")
        }
        // Some decoders end what they say with a line break.
        _ => Error::data(
            path,
            format!(
                "expected a {} picture, got: {}",
                formats::names(),
                reason.to_string().trim_end()
            ),
            "remove the file, rename it if it is no picture, or save it again as PNG; `skip-broken = true` goes on without \
             broken pictures",
        ),
    }
}

/// Lays a picture on a colour, and says whether anything shows through. Without this, the colour hidden under
/// transparent pixels would show.
fn laid_on(background: Background, picture: DynamicImage, wide: bool) -> (DynamicImage, bool) {
    fn blend(value: u32, under: u32, alpha: u32, most: u32) -> u32 {
        (value * alpha + under * (most - alpha) + most / 2) / most
    }
    let mut transparent = false;
    if wide {
        let mut picture = picture.into_rgba16();
        for pixel in picture.pixels_mut() {
            let [colour @ .., alpha] = &mut pixel.0;
            transparent |= *alpha < u16::MAX;
            for (value, under) in colour.iter_mut().zip(background.0) {
                let (under, alpha) = (257 * u32::from(under), u32::from(*alpha));
                *value = blend(u32::from(*value), under, alpha, 65535) as u16;
            }
            *alpha = u16::MAX;
        }
        return (DynamicImage::ImageRgba16(picture), transparent);
    }
    let mut picture = picture.into_rgba8();
    for pixel in picture.pixels_mut() {
        let [colour @ .., alpha] = &mut pixel.0;
        transparent |= *alpha < u8::MAX;
        for (value, under) in colour.iter_mut().zip(background.0) {
            let (under, alpha) = (u32::from(under), u32::from(*alpha));
            *value = blend(u32::from(*value), under, alpha, 255) as u8;
        }
        *alpha = u8::MAX;
    }
    (DynamicImage::ImageRgba8(picture), transparent)
}

/// Brings a picture to the channels and the depth of the form.
fn converted(picture: DynamicImage, form: &Form) -> DynamicImage {
    match (form.shape.channels, form.wide) {
        (1, false) => DynamicImage::ImageLuma8(picture.into_luma8()),
        (2, false) => DynamicImage::ImageLumaA8(picture.into_luma_alpha8()),
        (4, false) => DynamicImage::ImageRgba8(picture.into_rgba8()),
        (_, false) => DynamicImage::ImageRgb8(picture.into_rgb8()),
        (1, true) => DynamicImage::ImageLuma16(picture.into_luma16()),
        (2, true) => DynamicImage::ImageLumaA16(picture.into_luma_alpha16()),
        (4, true) => DynamicImage::ImageRgba16(picture.into_rgba16()),
        (_, true) => DynamicImage::ImageRgb16(picture.into_rgb16()),
    }
}

/// Crops about the centre to the form's height and width, then resizes.
fn fit(picture: DynamicImage, form: &Form) -> DynamicImage {
    let (height, width) = (form.shape.height as u32, form.shape.width as u32);
    let (had_width, had_height) = (picture.width(), picture.height());
    if (had_height, had_width) == (height, width) {
        return converted(picture, form);
    }
    let scaled = |side: u32, by: u32, over: u32| {
        let rounded = (u64::from(side) * u64::from(by) + u64::from(over) / 2) / u64::from(over);
        rounded.max(1) as u32
    };
    let crop_width = scaled(had_height, width, height).min(had_width);
    let crop_height = scaled(had_width, height, width).min(had_height);
    let left = (had_width - crop_width) / 2;
    let top = (had_height - crop_height) / 2;
    // Catmull-Rom is made of polynomials: the same bytes on every platform, unlike Lanczos's sines.
    let resized = |picture: DynamicImage| {
        picture
            .crop_imm(left, top, crop_width, crop_height)
            .resize_exact(width, height, FilterType::CatmullRom)
    };
    if has_alpha(form.shape.channels) && picture.color().has_alpha() {
        return converted(unweighted(resized(weighted(picture))), form);
    }
    resized(converted(picture, form))
}

/// Colours times alpha: resized so, the colour of transparent pixels does not run into their neighbours.
fn weighted(picture: DynamicImage) -> DynamicImage {
    let mut picture = picture.into_rgba32f();
    for pixel in picture.pixels_mut() {
        let [colour @ .., alpha] = &mut pixel.0;
        colour.iter_mut().for_each(|value| *value *= *alpha);
    }
    DynamicImage::ImageRgba32F(picture)
}

/// Takes [`weighted`] back. What is fully transparent is black.
fn unweighted(picture: DynamicImage) -> DynamicImage {
    let mut picture = picture.into_rgba32f();
    for pixel in picture.pixels_mut() {
        let [colour @ .., alpha] = &mut pixel.0;
        *alpha = alpha.clamp(0.0, 1.0);
        let scale = if *alpha > 0.0 { 1.0 / *alpha } else { 0.0 };
        for value in colour {
            *value = (*value * scale).clamp(0.0, 1.0);
        }
    }
    DynamicImage::ImageRgba32F(picture)
}
