//! A folder of PNG and JPEG pictures; its subfolders are classes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};
use rayon::prelude::*;

use super::{DataOptions, Dataset, Images, Progress, Values, split};
use crate::error::{Error, Result};
use crate::shape::ImageShape;

/// Greatest height and width of a picture, in pixels.
const MAX_SIDE: usize = 16_384;
/// Memory for one decoded picture, in bytes; each thread decodes one at a time.
const MAX_DECODED: u64 = 512 << 20;
/// Greatest size of a picture's file: the JPEG decoder reads it as a whole.
const MAX_FILE: u64 = 256 << 20;
/// Deeper folders are taken for a mistake.
const MAX_DEPTH: usize = 32;
/// Pictures between two reports of progress.
const PROGRESS_STEP: usize = 500;

/// A picture's file, and the name of the subfolder that it lies in.
struct Picture {
    path: PathBuf,
    class: Option<String>,
}

/// What a picture's header says, upright.
struct Header {
    height: usize,
    width: usize,
    grey: bool,
}

/// Reads all pictures below `root`: those of `train/` and `test/` if it has both, otherwise split
/// by the seed. Files with other extensions than png, jpg and jpeg, and hidden ones, are skipped.
///
/// Pictures are turned upright, cropped about their centre to the form of
/// [`DataOptions::image_size`] and resized to it; what is transparent becomes black.
///
/// # Errors
///
/// [`Error::Data`] that names the file for one that cannot be decoded or is too large, for pictures
/// of different sizes without an image size, for a loop of links, and for a folder without any.
pub(super) fn load(
    root: &Path,
    name: &str,
    options: &DataOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Dataset> {
    let (train, test) = (root.join("train"), root.join("test"));
    let own_splits = train.is_dir() && test.is_dir();
    let (mut pictures, test_pictures) = if own_splits {
        (find_pictures(&train)?, find_pictures(&test)?)
    } else {
        (find_pictures(root)?, Vec::new())
    };
    let train_count = pictures.len();
    pictures.extend(test_pictures);
    let shape = choose_shape(&pictures, options)?;
    let (labels, classes) = labels(&pictures).unzip();
    // Split before decoding: the decoded pictures are then never copied.
    let (train, test) = if own_splits {
        (0..pictures.len()).partition(|&i| i < train_count)
    } else {
        split::choose(pictures.len(), options, root)?
    };
    let mut read = |chosen: &[usize]| {
        let part: Vec<&Picture> = chosen.iter().map(|&i| &pictures[i]).collect();
        Ok(Images {
            labels: labels
                .as_ref()
                .map(|labels| chosen.iter().map(|&i| labels[i]).collect()),
            ..Images::new(
                shape,
                Values::Bytes(decode_all(root, &part, shape, progress)?),
            )
        })
    };
    Ok(Dataset {
        classes: classes.unwrap_or_default(),
        ..Dataset::new(name, read(&train)?, read(&test)?)
    })
}

/// The pictures below `root`, in the order of their names: the same on every system.
fn find_pictures(root: &Path) -> Result<Vec<Picture>> {
    let mut pictures = Vec::new();
    let top = real_path(root)?;
    walk(root, None, &mut vec![top], &mut pictures)?;
    if pictures.is_empty() {
        return Err(Error::data(
            root,
            "expected PNG or JPEG pictures (.png, .jpg, .jpeg), found none",
            "give the folder that holds them; MNIST's files are named train-images-idx3-ubyte.gz \
             and t10k-images-idx3-ubyte.gz",
        ));
    }
    Ok(pictures)
}

fn real_path(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(|reason| {
        Error::data(
            path,
            format!("expected a file or folder, but it cannot be opened: {reason}"),
            "remove it if it is a link that leads nowhere or in a circle, or allow reading it",
        )
    })
}

/// Adds the pictures of one folder; `above` holds the real paths of it and the folders above.
fn walk(
    folder: &Path,
    class: Option<&str>,
    above: &mut Vec<PathBuf>,
    pictures: &mut Vec<Picture>,
) -> Result<()> {
    let unreadable = |reason: std::io::Error| {
        Error::data(
            folder,
            format!("expected a folder that can be listed, got: {reason}"),
            "allow reading it, or move it elsewhere",
        )
    };
    let mut names = fs::read_dir(folder)
        .map_err(unreadable)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    names.sort_unstable();
    for name in names {
        let text = name.to_string_lossy();
        if text.starts_with('.') {
            continue;
        }
        let path = folder.join(&name);
        if path.is_dir() {
            let real = real_path(&path)?;
            if above.contains(&real) || above.len() > MAX_DEPTH {
                return Err(Error::data(
                    &path,
                    "expected folders without a circle, but this one leads back above itself",
                    "remove the link",
                ));
            }
            above.push(real);
            walk(&path, Some(class.unwrap_or(&text)), above, pictures)?;
            above.pop();
        } else if is_picture(&path) {
            let class = class.map(str::to_owned);
            pictures.push(Picture { path, class });
        }
    }
    Ok(())
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    ["png", "jpg", "jpeg"]
        .iter()
        .any(|known| extension == *known)
}

/// The number of each picture's class among the sorted names, and these; `None` unless all have a class.
fn labels(pictures: &[Picture]) -> Option<(Vec<u32>, Vec<String>)> {
    let classes: Option<Vec<&str>> = pictures
        .iter()
        .map(|picture| picture.class.as_deref())
        .collect();
    let classes = classes?;
    let sorted: BTreeSet<&str> = classes.iter().copied().collect();
    let sorted: Vec<&str> = sorted.into_iter().collect();
    let number = |class: &&str| sorted.binary_search(class).map(|at| at as u32).ok();
    let labels: Option<Vec<u32>> = classes.iter().map(number).collect();
    Some((labels?, sorted.into_iter().map(str::to_owned).collect()))
}

/// The shape that all pictures get; reads headers only.
fn choose_shape(pictures: &[Picture], options: &DataOptions) -> Result<ImageShape> {
    if let Some((height, width)) = options.image_size
        && height.max(width) > MAX_SIDE
    {
        return Err(Error::config(
            format!(
                "expected an image size of 1 to {MAX_SIDE} pixels a side, got {height}×{width}"
            ),
            "--image-size 64",
        ));
    }
    if let (Some((height, width)), Some(channels)) = (options.image_size, options.channels) {
        return Ok(ImageShape::new(height, width, channels));
    }
    let headers = pictures
        .par_iter()
        .map(|picture| read_header(&picture.path))
        .collect::<Vec<_>>();
    // Collected apart, so that the first picture at fault is named, whichever thread was faster.
    let headers = headers.into_iter().collect::<Result<Vec<_>>>()?;
    let channels = match options.channels {
        Some(channels) => channels,
        None if headers.iter().all(|header| header.grey) => 1,
        None => 3,
    };
    if let Some((height, width)) = options.image_size {
        return Ok(ImageShape::new(height, width, channels));
    }
    let first = &headers[0];
    for (picture, header) in pictures.iter().zip(&headers) {
        if (header.height, header.width) != (first.height, first.width) {
            return Err(Error::data(
                &picture.path,
                format!(
                    "expected pictures of one size, got {}×{} here and {}×{} (height×width) in {}",
                    header.height,
                    header.width,
                    first.height,
                    first.width,
                    pictures[0].path.display()
                ),
                "`--image-size 64` crops and resizes all pictures to 64×64",
            ));
        }
    }
    Ok(ImageShape::new(first.height, first.width, channels))
}

/// Decodes every picture into `[pictures, height, width, channels]`.
fn decode_all(
    root: &Path,
    pictures: &[&Picture],
    shape: ImageShape,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Vec<u8>> {
    let (all, size) = (pictures.len(), shape.values());
    let mut bytes: Vec<u8> = Vec::new();
    let total = all.checked_mul(size);
    if total.is_none_or(|total| bytes.try_reserve_exact(total).is_err()) {
        return Err(Error::data(
            root,
            format!("{all} pictures of {shape} do not fit into memory"),
            "`--image-size 64`, or fewer pictures",
        ));
    }
    bytes.resize(all * size, 0);
    let parts = pictures
        .chunks(PROGRESS_STEP)
        .zip(bytes.chunks_mut(PROGRESS_STEP * size));
    for (part, (pictures, bytes)) in parts.enumerate() {
        let failed = pictures
            .par_iter()
            .zip(bytes.par_chunks_mut(size))
            .find_map_first(|(picture, pixels)| decode(&picture.path, shape, pixels).err());
        if let Some(error) = failed {
            return Err(error);
        }
        let done = part * PROGRESS_STEP + pictures.len();
        progress(Progress::Part {
            what: &root.display().to_string(),
            done: done as u64,
            total: all as u64,
            unit: "pictures",
        });
    }
    Ok(bytes)
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

fn undecodable(path: &Path, reason: &ImageError) -> Error {
    if let ImageError::Limits(reason) = reason {
        return too_large(path, &reason.to_string());
    }
    Error::data(
        path,
        format!("expected a PNG or JPEG picture, got: {reason}"),
        "remove the file, rename it if it is no picture, or save it again as PNG",
    )
}

/// Opens a picture and checks its size before anything is decoded.
fn open(path: &Path) -> Result<(impl ImageDecoder, Orientation)> {
    let metadata = path.metadata().map_err(Error::io(path, "open it"))?;
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        return Err(Error::data(
            path,
            format!(
                "expected a plain file of at most {MAX_FILE} bytes, got {} bytes",
                metadata.len()
            ),
            "remove it from the folder",
        ));
    }
    let file = File::open(path).map_err(Error::io(path, "open it"))?;
    let mut reader = ImageReader::new(BufReader::new(file))
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
    let orientation = decoder
        .orientation()
        .map_err(|reason| undecodable(path, &reason))?;
    Ok((decoder, orientation))
}

fn read_header(path: &Path) -> Result<Header> {
    let (decoder, orientation) = open(path)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => (height, width),
        _ => (width, height),
    };
    Ok(Header {
        height: height as usize,
        width: width as usize,
        grey: !decoder.color_type().has_color(),
    })
}

/// Decodes one picture into `pixels`, `[height, width, channels]`.
fn decode(path: &Path, shape: ImageShape, pixels: &mut [u8]) -> Result<()> {
    let (decoder, orientation) = open(path)?;
    let mut picture =
        DynamicImage::from_decoder(decoder).map_err(|reason| undecodable(path, &reason))?;
    picture.apply_orientation(orientation);
    let picture = without_alpha(picture);
    let picture = if shape.channels == 1 {
        DynamicImage::ImageLuma8(picture.into_luma8())
    } else {
        DynamicImage::ImageRgb8(picture.into_rgb8())
    };
    let picture = fit(picture, shape.height as u32, shape.width as u32);
    pixels.copy_from_slice(picture.as_bytes());
    Ok(())
}

/// Lays a picture on black. Without this, the colour hidden under transparent pixels would show.
fn without_alpha(picture: DynamicImage) -> DynamicImage {
    if !picture.color().has_alpha() {
        return picture;
    }
    let mut picture = picture.into_rgba8();
    for pixel in picture.pixels_mut() {
        let alpha = u16::from(pixel.0[3]);
        for value in &mut pixel.0[..3] {
            *value = ((u16::from(*value) * alpha + 127) / 255) as u8;
        }
    }
    DynamicImage::ImageRgba8(picture)
}

/// Crops about the centre to the form of `height×width`, then resizes.
fn fit(picture: DynamicImage, height: u32, width: u32) -> DynamicImage {
    let (had_width, had_height) = (picture.width(), picture.height());
    if (had_height, had_width) == (height, width) {
        return picture;
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
    picture
        .crop_imm(left, top, crop_width, crop_height)
        .resize_exact(width, height, FilterType::CatmullRom)
}
