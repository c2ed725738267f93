//! NumPy's files: `.npy` (one array) and `.npz` (a zip of them).
//!
//! [`super::npy`] reads headers and values.

mod labels;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

use super::npy::{self, Header, SAVE_HINT};
use super::{DataOptions, Dataset, Images, Values, split};
use crate::error::{Error, Result};
use crate::shape::ImageShape;

/// Deflate cannot pack better than 1032 to 1, so a greater promise is a lie.
const MAX_DEFLATE_RATIO: u64 = 1032;
const TRAIN_NAMES: [&str; 2] = ["train", "x_train"];
const TEST_NAMES: [&str; 2] = ["test", "x_test"];
/// Labels of the training images, of the test images, and of those of a single array.
const LABEL_NAMES: [&str; 3] = ["y_train", "y_test", "y"];
/// What NumPy appends to an array's name to name its entry of a `.npz`.
const ENTRY_SUFFIX: &str = ".npy";

/// One array as it lies in the file.
struct Array {
    shape: Vec<usize>,
    values: Values,
}

/// Reads a `.npy` file, split by the seed, or a `.npz` file with the arrays `train` and `test` (or
/// `x_train` and `x_test`) or with one array, split by the seed. Labels are `y_train` and `y_test`, or `y` beside
/// a single array; they are read where [`DataOptions::labels`] asks for them.
///
/// Arrays hold u8 or little-endian f32 in C order, as `[images, values]`, `[images, height,
/// width]` or `[images, height, width, channels]`.
///
/// # Errors
///
/// [`Error::Data`] for another extension, type, order or shape, for a file that is longer or
/// shorter than its header says, and for values that are not finite.
pub(super) fn load(path: &Path, name: &str, options: &DataOptions) -> Result<Dataset> {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    let images = if extension == "npy" {
        let file = File::open(path).map_err(Error::io(path, "open it"))?;
        let length = file.metadata().map_err(Error::io(path, "read its size"))?;
        let mut reader = BufReader::new(file);
        let array = read_npy(path, "the array", &mut reader, length.len())?;
        to_images(path, "the array", array, options)?
    } else if extension == "npz" {
        match load_npz(path, options)? {
            (train, Some(test)) => {
                return Ok(Dataset {
                    name: name.to_owned(),
                    train,
                    test,
                    val: None,
                    classes: Vec::new(),
                });
            }
            (images, None) => images,
        }
    } else {
        return Err(Error::data(
            path,
            "expected a .npy or .npz file, or a folder",
            "give the folder that holds the IDX files or the pictures, or save an array with `np.save`",
        ));
    };
    let (train, test) = split::choose(images.len(), options, path)?;
    Ok(Dataset {
        name: name.to_owned(),
        train: images.select(&train),
        test: images.select(&test),
        val: None,
        classes: Vec::new(),
    })
}

/// The training and test images, or all images and `None`.
fn load_npz(path: &Path, options: &DataOptions) -> Result<(Images, Option<Images>)> {
    let file = File::open(path).map_err(Error::io(path, "open it"))?;
    let packed = file.metadata().map_err(Error::io(path, "read its size"))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|reason| {
        Error::data(
            path,
            format!("expected a zip archive of arrays: {reason}"),
            SAVE_HINT,
        )
    })?;
    let entries = archive.file_names();
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.strip_suffix(ENTRY_SUFFIX)?.to_owned()))
        .collect();
    names.sort_unstable();
    let pick = |wanted: &[&str]| names.iter().find(|name| wanted.contains(&name.as_str()));
    let mut read = |name: &str, labels: &str| {
        let mut images = read_entry(
            path,
            &mut archive,
            name,
            packed.len(),
            |what, mut entry, size| {
                let array = read_npy(path, what, &mut entry, size)?;
                to_images(path, what, array, options)
            },
        )?;
        if options.labels && name != labels && names.iter().any(|name| name == labels) {
            let found = read_entry(
                path,
                &mut archive,
                labels,
                packed.len(),
                |what, mut entry, size| labels::read(path, what, &mut entry, size, images.len()),
            )?;
            images.labels = Some(found);
        }
        Ok(images)
    };
    let others = names
        .iter()
        .filter(|name| !LABEL_NAMES.contains(&name.as_str()));
    let others: Vec<&String> = others.collect();
    let single = match (names.as_slice(), others.as_slice()) {
        ([only], _) => Some(only),
        (_, [only]) => Some(*only),
        _ => None,
    };
    let [of_train, of_test, of_single] = LABEL_NAMES;
    match (pick(&TRAIN_NAMES), pick(&TEST_NAMES), single) {
        (Some(train), Some(test), _) => Ok((read(train, of_train)?, Some(read(test, of_test)?))),
        (_, _, Some(only)) => Ok((read(only, of_single)?, None)),
        _ => Err(Error::data(
            path,
            format!(
                "expected the arrays `train` and `test` (or `x_train` and `x_test`), or a single \
                 array, got {}: {}",
                names.len(),
                names.join(", ")
            ),
            "np.savez(\"data.npz\", train=x_train, test=x_test)",
        )),
    }
}

/// Opens an entry and gives `read` its description, its bytes, and how many there are.
fn read_entry<T>(
    path: &Path,
    archive: &mut ZipArchive<BufReader<File>>,
    name: &str,
    packed: u64,
    read: impl FnOnce(&str, &mut dyn Read, u64) -> Result<T>,
) -> Result<T> {
    let what = format!("array `{name}`");
    let entry = archive.by_name(&format!("{name}{ENTRY_SUFFIX}"));
    let mut entry = entry.map_err(|reason| {
        Error::data(path, format!("{what} cannot be read: {reason}"), SAVE_HINT)
    })?;
    let size = entry.size();
    if size > packed.saturating_mul(MAX_DEFLATE_RATIO) {
        return Err(Error::data(
            path,
            format!("{what} claims to unpack to {size} bytes, from a file of {packed}"),
            SAVE_HINT,
        ));
    }
    read(&what, &mut entry, size)
}

/// Reads an array from a stream of exactly `length` bytes.
fn read_npy(path: &Path, what: &str, reader: &mut impl Read, length: u64) -> Result<Array> {
    let broken = |message: String| Error::data(path, format!("{what}: {message}"), SAVE_HINT);
    let header = Header::read(path, what, reader)?;
    let width = header.kind.bytes();
    let present = length.saturating_sub(header.size);
    let bytes = npy::promised(&header.shape, (header.kind.name(), width), present);
    let bytes = bytes.map_err(broken)?;
    let values = npy::read_values(reader, header.kind, bytes / width);
    let values = values.map_err(|reason| broken(format!("reading its values failed: {reason}")))?;
    if values.len() * width != bytes {
        return Err(broken(format!(
            "its header promises {} values, got {}",
            bytes / width,
            values.len()
        )));
    }
    read_end(reader).map_err(broken)?;
    Ok(Array {
        shape: header.shape,
        values,
    })
}

/// Reads on to the end, which lets a zip archive compare its checksum.
fn read_end(reader: &mut impl Read) -> Result<(), String> {
    match reader.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err("bytes follow its last value".to_owned()),
        Err(reason) => Err(format!("its end is damaged: {reason}")),
    }
}

fn to_images(path: &Path, what: &str, array: Array, options: &DataOptions) -> Result<Images> {
    let shape = match (array.shape.as_slice(), options.image_size) {
        (&[_, values], None) => ImageShape::new(1, values, 1),
        (&[_, values], Some((height, width))) => {
            let channels = options.channels.unwrap_or(1);
            let shape = ImageShape::new(height, width, channels);
            if shape.values() != values {
                return Err(Error::data(
                    path,
                    format!(
                        "{what}: expected rows of {shape} = {} values, got {values}",
                        shape.values()
                    ),
                    "give the image size that the rows have, or leave --image-size out",
                ));
            }
            shape
        }
        (&[_, height, width], _) => ImageShape::new(height, width, 1),
        (&[_, height, width, channels], _) => {
            if channels > 4 && [1, 3].contains(&height) {
                log::warn!(
                    "{}: {what}: channels come last, so that these are images of {height}×{width} with {channels} \
                     channels; for [images, channels, height, width]: `x.transpose(0, 2, 3, 1)`",
                    path.display()
                );
            }
            ImageShape::new(height, width, channels)
        }
        (other, _) => {
            return Err(Error::data(
                path,
                format!(
                    "{what}: expected [images, values], [images, height, width] or [images, \
                     height, width, channels], got shape {other:?}"
                ),
                "reshape it, for instance with `x.reshape(len(x), -1)`",
            ));
        }
    };
    let images = Images::new(shape, array.values);
    // Here, and not only for the finished data set: the index must be the one in the file.
    if let Some((image, value)) = images.first_non_finite() {
        return Err(Error::data(
            path,
            format!(
                "{what}: expected finite values, got a NaN or an infinity in image {image}, value {value}"
            ),
            "look at `np.argwhere(~np.isfinite(x))`; `np.nan_to_num(x)` replaces them",
        ));
    }
    Ok(images)
}
