//! NumPy's files: `.npy` (one array), and `.npz` (a zip of them) in `npz`.
//!
//! [`super::npy`] reads headers and numbers; which array of a `.npz` is what stands in `names`.

mod labels;
mod names;
mod npz;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

pub use names::Arrays;

use super::axes::{self, Axes};
use super::in_files::RowFile;
use super::npy::{Fault, Header, SAVE_HINT, Type};
use super::{DataOptions, Dataset, Images, Progress, Stored, Values, in_files, split};
use crate::error::{Error, Result};
use crate::host::check_memory;
use crate::shape::ImageShape;

/// Bytes that it takes to read an array, beside those of its values.
const READING: u64 = 16 << 20;

/// What to do where an array that is read as a whole does not fit.
const HINT: &str = "fewer images: a part of the array, such as `x[:10000]`, saved by itself; or `np.save` of \
                    `np.ascontiguousarray(x)`, as images of a .npy file in C order need not fit into memory";

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
    let length = length.len();
    let mut reader = BufReader::new(file);
    let array = Array::read(path, "the array", &mut reader, length, options)?;
    if array.header.fortran_order || array.count == 0 {
        // Each of its images is all over the file.
        let images = array.images(&mut reader)?;
        return split::dataset(images, name, options, path);
    }
    let file = array.into_rows(reader.into_inner())?;
    split::in_files(file, name, options)
}

/// An array of images, of which the header has been read.
struct Array<'a> {
    path: &'a Path,
    /// What it is called in errors.
    what: &'a str,
    options: &'a DataOptions,
    header: Header,
    numbers: Type,
    /// How many numbers it has.
    count: usize,
    /// Of each image.
    shape: ImageShape,
    /// Whether the channels of an image come first.
    channels_first: bool,
}

impl<'a> Array<'a> {
    /// Reads the header of an array in a stream of exactly `length` bytes.
    fn read(
        path: &'a Path,
        what: &'a str,
        reader: &mut (impl Read + ?Sized),
        length: u64,
        options: &'a DataOptions,
    ) -> Result<Self> {
        let header = Header::read(path, what, reader)?;
        let numbers = header.numbers(path, what)?;
        let count = header.count(Some(numbers.bytes()), length);
        let count =
            count.map_err(|fault| Error::data(path, format!("{what}: {fault}"), SAVE_HINT))?;
        let shape = image_shape(path, what, &header.shape, options)?;
        Ok(Self {
            path,
            what,
            options,
            channels_first: header.shape.len() == 4 && options.source.axes == Some(Axes::Nchw),
            header,
            numbers,
            count,
            shape,
        })
    }

    /// The file whose images are read as they are wanted. They must lie one after another.
    fn into_rows(self, file: File) -> Result<RowFile> {
        let file = (file, self.path);
        let images = self.header.shape.first().copied().unwrap_or(0);
        let rows = RowFile::new(file, self.header.size, self.numbers, (images, self.shape))?;
        Ok(match self.channels_first {
            true => rows.channels_first(),
            false => rows,
        })
    }

    /// All its images, from what follows the header.
    fn images(&self, reader: &mut (impl Read + ?Sized)) -> Result<Images> {
        let (count, are_bytes) = (self.count, self.numbers.are_bytes());
        in_files::check_given(self.options, count, are_bytes)?;
        check_memory(
            &format!("{} of {}", self.what, self.path.display()),
            // Reading takes a little beside.
            (count as u64 * self.numbers.bytes_read() as u64).saturating_add(READING),
            HINT,
        )?;
        let values = self.numbers.read(reader, self.count);
        let values = values.map_err(|fault| self.unfit(fault))?;
        if values.len() != self.count {
            return Err(self.broken(&format!(
                "its header promises {} values, got {}",
                self.count,
                values.len()
            )));
        }
        read_end(reader).map_err(|fault| self.broken(&fault))?;
        // While the places are still those of the file.
        if let Some(at) = values.first_non_finite() {
            return Err(self.unfit(Fault::not_finite(at)));
        }
        let sizes = &self.header.shape;
        let mut values = match (self.header.fortran_order, values) {
            (false, values) => values,
            (true, Values::Bytes(bytes)) => Values::Bytes(to_c_order(&bytes, sizes)),
            (true, Values::Floats(floats)) => Values::Floats(to_c_order(&floats, sizes)),
        };
        if self.channels_first {
            values = axes::to_channels_last(values, self.shape);
        }
        Ok(Images {
            stored: self.numbers.stored(),
            ..Images::new(self.shape, values)
        })
    }

    fn broken(&self, fault: &str) -> Error {
        Error::data(self.path, format!("{}: {fault}", self.what), SAVE_HINT)
    }

    fn unfit(&self, fault: Fault) -> Error {
        match fault {
            Fault::Io(reason) if reason.kind() == io::ErrorKind::OutOfMemory => Error::device(
                format!("no memory for {} of {}", self.what, self.path.display()),
                HINT,
            ),
            Fault::Io(reason) => self.broken(&format!("reading its values failed: {reason}")),
            Fault::Number { at, what, hint } => {
                let (image, value) = place(&self.header, at);
                Error::data(
                    self.path,
                    format!("{}: {what} in image {image}, value {value}", self.what),
                    hint,
                )
            }
        }
    }
}

/// Reads an array of images from a stream of exactly `length` bytes.
fn read_images(
    path: &Path,
    what: &str,
    reader: &mut (impl Read + ?Sized),
    length: u64,
    options: &DataOptions,
) -> Result<Images> {
    Array::read(path, what, reader, length, options)?.images(reader)
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
