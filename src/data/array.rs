//! NumPy's files: `.npy` (one array) and `.npz` (a zip of them).
//!
//! Format: the `numpy.lib.format` page of NumPy's documentation. The header is read here rather
//! than by a library because it is foreign input: nothing is allocated on its word alone.

mod labels;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

use super::{DataOptions, Dataset, Images, Values, split};
use crate::error::{Error, Result};
use crate::shape::ImageShape;

/// Longer than any header of a plain array; version 2 allows 4 GiB.
const MAX_HEADER: usize = 1 << 16;
/// Deflate cannot pack better than 1032 to 1, so a greater promise is a lie.
const MAX_DEFLATE_RATIO: u64 = 1032;
const TRAIN_NAMES: [&str; 2] = ["train", "x_train"];
const TEST_NAMES: [&str; 2] = ["test", "x_test"];
/// Labels of the training images, of the test images, and of those of a single array.
const LABEL_NAMES: [&str; 3] = ["y_train", "y_test", "y"];
/// What NumPy appends to an array's name to name its entry of a `.npz`.
const ENTRY_SUFFIX: &str = ".npy";
const SAVE_HINT: &str = "save it again, with `np.save` for .npy or `np.savez` for .npz";

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
    let (header, header_size) = read_header(reader).map_err(broken)?;
    let fields = parse_header(&header).map_err(broken)?;
    let width: usize = match fields.kind.as_str() {
        "|u1" | "u1" | "<u1" | ">u1" => 1,
        "<f4" => 4,
        other => {
            return Err(Error::data(
                path,
                format!("{what}: expected u8 or little-endian f32 (`|u1`, `<f4`), got `{other}`"),
                "convert it first: `x.astype(np.float32)`, or `x.astype(np.uint8)` for 0..=255",
            ));
        }
    };
    if fields.fortran_order {
        return Err(Error::data(
            path,
            format!("{what}: expected C order, got Fortran order"),
            "save it as `np.save(path, np.ascontiguousarray(x))`",
        ));
    }
    let present = length.saturating_sub(header_size);
    let bytes = fields.bytes(width, present).map_err(broken)?;
    let values = if width == 1 {
        let mut values = Vec::new();
        let outcome = reader.by_ref().take(bytes as u64).read_to_end(&mut values);
        outcome.map(|_| Values::Bytes(values))
    } else {
        read_floats(reader, bytes / 4).map(Values::Floats)
    };
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
        shape: fields.shape,
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

/// Up to `count` numbers; fewer where the stream ends early. Memory grows with what arrives.
fn read_floats(reader: &mut impl Read, count: usize) -> std::io::Result<Vec<f32>> {
    let mut values = Vec::new();
    let mut chunk = Vec::new();
    while values.len() < count {
        let wanted = (count - values.len()).min(1 << 16) * 4;
        chunk.clear();
        reader
            .by_ref()
            .take(wanted as u64)
            .read_to_end(&mut chunk)?;
        let numbers = chunk.as_chunks::<4>().0;
        values.extend(numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)));
        if chunk.len() < wanted {
            break;
        }
    }
    Ok(values)
}

/// The header's text, and how many bytes come before the values.
fn read_header(reader: &mut impl Read) -> Result<(String, u64), String> {
    let mut start = [0; 8];
    let early = |reason: std::io::Error| format!("it ends within its header ({reason})");
    reader.read_exact(&mut start).map_err(early)?;
    if start[..6] != *b"\x93NUMPY" {
        return Err("expected NumPy's signature `\\x93NUMPY`, got something else".to_owned());
    }
    let mut size = [0; 4];
    let size_bytes = match start[6] {
        1 => 2,
        2 | 3 => 4,
        version => return Err(format!("expected format version 1, 2 or 3, got {version}")),
    };
    reader.read_exact(&mut size[..size_bytes]).map_err(early)?;
    let size = u32::from_le_bytes(size) as usize;
    if size > MAX_HEADER {
        return Err(format!(
            "expected a header of at most {MAX_HEADER} bytes, got {size}"
        ));
    }
    let mut text = vec![0; size];
    reader.read_exact(&mut text).map_err(early)?;
    let text = String::from_utf8(text).map_err(|_| "its header is no text".to_owned())?;
    Ok((text, (8 + size_bytes + size) as u64))
}

/// What the header's dictionary says.
struct Fields {
    /// NumPy's `descr`, such as `<f4`.
    kind: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Fields {
    /// Bytes of all values, `width` each; refused unless they are the `present` ones.
    fn bytes(&self, width: usize, present: u64) -> Result<usize, String> {
        let product = |total: usize, &size: &usize| total.checked_mul(size);
        let bytes = self.shape.iter().try_fold(width, product);
        bytes
            .filter(|&bytes| bytes as u64 == present)
            .ok_or_else(|| {
                format!(
                    "its header promises shape {:?} of `{}`, but {present} bytes follow",
                    self.shape, self.kind
                )
            })
    }
}

/// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`; NumPy writes no other form
/// for an array of plain numbers.
fn parse_header(text: &str) -> Result<Fields, String> {
    let value_of = |key: &str| {
        let quoted = [format!("'{key}':"), format!("\"{key}\":")];
        quoted
            .iter()
            .find_map(|quoted| text.split_once(quoted.as_str()))
            .map(|(_, rest)| rest.trim_start())
            .ok_or_else(|| format!("its header has no `{key}`"))
    };
    let kind = value_of("descr")?;
    let kind = match kind.chars().next() {
        Some(quote @ ('\'' | '"')) => kind[1..].split(quote).next().unwrap_or_default(),
        _ => "a structured type",
    };
    let order = value_of("fortran_order")?;
    let fortran_order = match (order.starts_with("True"), order.starts_with("False")) {
        (true, _) => true,
        (_, true) => false,
        _ => return Err("its header's `fortran_order` is neither True nor False".to_owned()),
    };
    let shape = value_of("shape")?
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .ok_or("its header's `shape` is no tuple")?
        .0;
    let shape = shape
        .split(',')
        .map(str::trim)
        .filter(|size| !size.is_empty())
        .map(|size| {
            size.parse()
                .map_err(|_| format!("its header's `shape` holds `{size}`, expected a number"))
        })
        .collect::<Result<_, _>>()?;
    Ok(Fields {
        kind: kind.to_owned(),
        fortran_order,
        shape,
    })
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
        (&[_, height, width, channels], _) => ImageShape::new(height, width, channels),
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
    let images = Images {
        shape,
        values: array.values,
        labels: None,
    };
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
