//! NumPy's files: `.npy` (one array), and `.npz` (a zip of them) in `npz`.
//!
//! [`super::npy`] reads headers and numbers; which array of a `.npz` is what stands in `names`.

mod labels;
mod names;
mod npz;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

pub use names::Arrays;

use super::axes::{self, Axes};
use super::npy::{Fault, Header, SAVE_HINT};
use super::{DataOptions, Dataset, Images, Progress, Stored, Values, split};
use crate::error::{Error, Result};
use crate::host::check_memory;
use crate::shape::ImageShape;

/// Whether the name of a file is that of a NumPy file.
pub(super) fn is_array(path: &Path) -> bool {
    has_extension(path, "npy") || has_extension(path, "npz")
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension()
        .is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// Reads a `.npy` file, split by the seed, or a `.npz` file, whose arrays `names` tells apart.
///
/// Arrays hold numbers of any of NumPy's real types, in either order of bytes and of axes, as `[images, values]`,
/// `[images, height, width]` or `[images, height, width, channels]`; see [`Axes`] for other axes.
///
/// # Errors
///
/// [`Error::Data`] for another type or shape, for a file that is longer or shorter than its header says, for values
/// that are not finite or that float32 cannot hold, and for arrays of a `.npz` that nothing tells apart.
pub(super) fn load(
    path: &Path,
    name: &str,
    options: &DataOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Dataset> {
    if has_extension(path, "npz") {
        return npz::load(path, name, options, progress);
    }
    if !options.source.arrays.is_empty() {
        return Err(Error::config(
            format!(
                "`array = {}`: {} holds one array, without a name",
                options.source.arrays,
                path.display()
            ),
            "no `array = …`, or a .npz file",
        ));
    }
    let file = File::open(path).map_err(Error::io(path, "open it"))?;
    let length = file.metadata().map_err(Error::io(path, "read its size"))?;
    let mut reader = BufReader::new(file);
    let images = read_images(path, "the array", &mut reader, length.len(), options)?;
    split::dataset(images, name, options, path)
}

/// Reads an array of images from a stream of exactly `length` bytes.
fn read_images(
    path: &Path,
    what: &str,
    reader: &mut (impl Read + ?Sized),
    length: u64,
    options: &DataOptions,
) -> Result<Images> {
    let header = Header::read(path, what, reader)?;
    let numbers = header.numbers(path, what)?;
    let broken = |message: String| Error::data(path, format!("{what}: {message}"), SAVE_HINT);
    let count = header.count(Some(numbers.bytes()), length);
    let count = count.map_err(broken)?;
    let shape = image_shape(path, what, &header.shape, options)?;
    check_memory(
        &format!("{what} of {}", path.display()),
        count as u64 * numbers.bytes_read() as u64,
        "fewer images: a part of the array, such as `x[:10000]`, saved by itself",
    )?;
    let unfit = |fault| match fault {
        Fault::Io(reason) => broken(format!("reading its values failed: {reason}")),
        Fault::Number {
            at,
            what: fault,
            hint,
        } => {
            let (image, value) = place(&header, at);
            Error::data(
                path,
                format!("{what}: {fault} in image {image}, value {value}"),
                hint,
            )
        }
    };
    let values = numbers.read(reader, count).map_err(unfit)?;
    if values.len() != count {
        return Err(broken(format!(
            "its header promises {count} values, got {}",
            values.len()
        )));
    }
    read_end(reader).map_err(broken)?;
    // While the places are still those of the file.
    if let Some(at) = values.first_non_finite() {
        let what = "expected finite values, got a NaN or an infinity".to_owned();
        let hint = "look at `np.argwhere(~np.isfinite(x))`; `np.nan_to_num(x)` replaces them";
        return Err(unfit(Fault::Number { at, what, hint }));
    }
    let mut values = match (header.fortran_order, values) {
        (false, values) => values,
        (true, Values::Bytes(bytes)) => Values::Bytes(to_c_order(&bytes, &header.shape)),
        (true, Values::Floats(floats)) => Values::Floats(to_c_order(&floats, &header.shape)),
    };
    if header.shape.len() == 4 && options.source.axes == Some(Axes::Nchw) {
        values = axes::to_channels_last(values, shape);
    }
    Ok(Images {
        stored: numbers.stored(),
        ..Images::new(shape, values)
    })
}

/// Image and value within it of the number at a place of the file; both count in C order.
fn place(header: &Header, at: usize) -> (usize, usize) {
    let sizes = header.shape.get(1..).unwrap_or_default();
    let size: usize = sizes.iter().product();
    if !header.fortran_order {
        return (at / size.max(1), at % size.max(1));
    }
    let mut left = at;
    let mut next = |&size: &usize| {
        let index = left % size.max(1);
        left /= size.max(1);
        index
    };
    let image = header.shape.first().map_or(0, &mut next);
    let value = sizes.iter().fold((0, size), |(value, stride), size| {
        let stride = stride / (*size).max(1);
        (value + next(size) * stride, stride)
    });
    (image, value.0)
}

/// Values in C order, the last axis the fastest, of values in Fortran order, the first axis the fastest.
fn to_c_order<T: Copy>(values: &[T], shape: &[usize]) -> Vec<T> {
    let mut stride = 1;
    let strides: Vec<usize> = shape
        .iter()
        .map(|size| {
            let own = stride;
            stride *= size;
            own
        })
        .collect();
    let mut index = vec![0; shape.len()];
    let mut at = 0;
    let mut ordered = Vec::with_capacity(values.len());
    while ordered.len() < values.len() {
        ordered.push(values[at]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    ordered
}

/// Reads on to the end, which lets a zip archive compare its checksum.
fn read_end(reader: &mut (impl Read + ?Sized)) -> Result<(), String> {
    match reader.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err("bytes follow its last value".to_owned()),
        Err(reason) => Err(format!("its end is damaged: {reason}")),
    }
}

/// The size of the images of an array.
fn image_shape(
    path: &Path,
    what: &str,
    shape: &[usize],
    options: &DataOptions,
) -> Result<ImageShape> {
    match *shape {
        [_, values] => {
            row_shape(values, options).map_err(|(message, hint)| {
                Error::data(path, format!("{what}: {message}"), hint)
            })
        }
        [_, height, width] => Ok(ImageShape::new(height, width, 1)),
        [_, first, second, third] => axes::image_shape([first, second, third], options.source.axes)
            .map_err(|message| {
                Error::data(
                    path,
                    format!("{what}: {message}"),
                    "`axes = nchw` if channels come first, as PyTorch has them; `axes = nhwc` if they come last",
                )
            }),
        _ => Err(Error::data(
            path,
            format!(
                "{what}: expected [images, values], [images, height, width] or [images, \
                 height, width, channels], got shape {shape:?}"
            ),
            "reshape it, for instance with `x.reshape(len(x), -1)`",
        )),
    }
}

/// The image that a row of `values` numbers is.
///
/// # Errors
/// A message and a hint where the image size that is asked for has another number of values.
pub(super) fn row_shape(
    values: usize,
    options: &DataOptions,
) -> Result<ImageShape, (String, &'static str)> {
    let Some((height, width)) = options.image_size else {
        return Ok(ImageShape::new(1, values, 1));
    };
    let shape = ImageShape::new(height, width, options.channels.unwrap_or(1));
    if shape.values() == values {
        return Ok(shape);
    }
    Err((
        format!(
            "expected rows of {shape} = {} values, got {values}",
            shape.values()
        ),
        "give the image size that the rows have, or leave `image-size = …` out",
    ))
}

/// Refuses splits whose numbers cannot mean the same: bytes beside fractions, for one.
fn check_types(path: &Path, parts: &[(&str, &Images)]) -> Result<()> {
    let alike = |a: Stored, b: Stored| match (a, b) {
        (Stored::Float { .. }, Stored::Float { .. }) => true,
        _ => a == b,
    };
    let Some(((name, first), others)) = parts.split_first() else {
        return Ok(());
    };
    match others
        .iter()
        .find(|(_, images)| !alike(first.stored, images.stored))
    {
        None => Ok(()),
        Some((other, images)) => Err(Error::data(
            path,
            format!(
                "expected arrays of one type, got {} in `{name}` and {} in `{other}`",
                first.stored, images.stored
            ),
            "scale both alike and save them as one type, for instance `x.astype(np.float32)`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fortran_order_becomes_c_order_with_every_number_in_its_place() {
        // x[i, j, k] = 100 i + 10 j + k
        let shape = [2, 3, 4];
        let (mut fortran, mut c) = (Vec::new(), Vec::new());
        for (k, j, i) in
            (0..4).flat_map(|k| (0..3).flat_map(move |j| (0..2).map(move |i| (k, j, i))))
        {
            fortran.push(100 * i + 10 * j + k);
        }
        for (i, j, k) in
            (0..2).flat_map(|i| (0..3).flat_map(move |j| (0..4).map(move |k| (i, j, k))))
        {
            c.push(100 * i + 10 * j + k);
        }
        assert_eq!(to_c_order(&fortran, &shape), c);
        let header = Header {
            size: 0,
            descr: String::new(),
            fortran_order: true,
            shape: shape.to_vec(),
        };
        for (at, value) in fortran.iter().enumerate() {
            let (image, within) = place(&header, at);
            assert_eq!(c[12 * image + within], *value, "{at}");
        }
        assert_eq!(to_c_order(&[7], &[]), [7]);
        assert_eq!(to_c_order::<u8>(&[], &[0, 3]), [0; 0]);
    }
}
