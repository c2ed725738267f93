//! Rows of an array that comes through a stream.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Fault, Header, SAVE_HINT, Type};
use crate::data::axes::{Axes, to_channels_last};
use crate::data::{Stored, Values};
use crate::error::{Error, Result};
use crate::shape::ImageShape;

/// The rows of an array, one for each image or code, as they come through a stream.
pub struct Rows<R> {
    reader: R,
    /// What the stream is called in errors.
    name: PathBuf,
    numbers: Type,
    rows: usize,
    /// Values of a row.
    width: usize,
    meaning: Meaning,
    done: usize,
}

/// What the values of a row are.
#[derive(Clone, Copy)]
enum Meaning {
    /// An image; bytes stay bytes.
    Image,
    /// An image of this size whose channels come first in the stream.
    ChannelsFirst(ImageShape),
    /// A code: numbers of any type as they are.
    Code,
}

impl<R: Read> Rows<R> {
    /// Reads the header of an array of images of `shape`: numbers as `[images, height, width, channels]`, or as
    /// `[images, channels, height, width]` where `axes` says so, as `[images, values]`, or as
    /// `[images, height, width]` of one channel. `name` is the stream's, for errors.
    ///
    /// # Errors
    /// [`Error::Data`] for another type, order or shape.
    pub fn of_images(
        mut reader: R,
        name: &Path,
        shape: ImageShape,
        axes: Option<Axes>,
    ) -> Result<Self> {
        let (header, numbers) = header(&mut reader, name)?;
        let ImageShape {
            height,
            width,
            channels,
        } = shape;
        let values = shape.values();
        let channels_first = axes == Some(Axes::Nchw);
        let meaning = match *header.shape {
            [_, found] if found == values => Meaning::Image,
            [_, h, w] if [h, w, 1] == [height, width, channels] => Meaning::Image,
            [_, c, h, w] if channels_first && [h, w, c] == [height, width, channels] => {
                Meaning::ChannelsFirst(shape)
            }
            [_, h, w, c] if !channels_first && [h, w, c] == [height, width, channels] => {
                Meaning::Image
            }
            _ => {
                let (sizes, hint) = match channels_first {
                    true => (
                        [channels, height, width],
                        "images of the size that the model was trained on, channels first",
                    ),
                    false => (
                        [height, width, channels],
                        "images of the size that the model was trained on; channels come last: \
                         `x.transpose(0, 2, 3, 1)`",
                    ),
                };
                let [a, b, c] = sizes;
                return Err(Error::data(
                    name,
                    format!(
                        "expected images as [images, {a}, {b}, {c}] or [images, {values}], got shape {:?}",
                        header.shape
                    ),
                    hint,
                ));
            }
        };
        Ok(Self::after(
            &header,
            numbers,
            reader,
            name,
            (values, meaning),
        ))
    }

    /// Reads the header of an array of codes: numbers as `[codes, …]` with the sizes of a code, or as `[codes, values]`.
    ///
    /// # Errors
    /// [`Error::Data`] for another type, order or shape.
    pub fn of_codes(mut reader: R, name: &Path, sizes: &[usize]) -> Result<Self> {
        let (header, numbers) = header(&mut reader, name)?;
        let latent = sizes.iter().product();
        let found = header.shape.get(1..).unwrap_or_default();
        if found != sizes && found != [latent] {
            let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
            return Err(Error::data(
                name,
                format!(
                    "expected codes as [codes, {}]{}, got shape {:?}",
                    sizes.join(", "),
                    match sizes.len() {
                        1 => String::new(),
                        _ => format!(" or [codes, {latent}]"),
                    },
                    header.shape
                ),
                match (found, sizes.len()) {
                    (&[_, _, _], 3) => {
                        "channels last, as of `codes.transpose(0, 2, 3, 1)` in NumPy where they come first"
                    }
                    _ => "codes that this model gave, or others of its latent size",
                },
            ));
        }
        let row = (latent, Meaning::Code);
        Ok(Self::after(&header, numbers, reader, name, row))
    }

    fn after(
        header: &Header,
        numbers: Type,
        reader: R,
        name: &Path,
        (width, meaning): (usize, Meaning),
    ) -> Self {
        Self {
            reader,
            name: name.to_owned(),
            numbers,
            rows: header.shape.first().copied().unwrap_or(0),
            width,
            meaning,
            done: 0,
        }
    }

    /// What the stream holds its numbers as.
    pub fn stored(&self) -> Stored {
        self.numbers.stored()
    }

    /// Rows of the whole array.
    pub fn count(&self) -> usize {
        self.rows
    }

    /// The next rows, at most `most`; `None` after the last one. The last rows are not given before the end of
    /// the stream has been seen.
    ///
    /// # Errors
    /// [`Error::Data`] where the stream ends early or goes on after the last row, and where a value is not
    /// finite; [`Error::Io`] where it cannot be read.
    pub fn next_rows(&mut self, most: usize) -> Result<Option<Values>> {
        let rows = most.min(self.rows - self.done);
        let wanted = rows.saturating_mul(self.width);
        let values = match self.meaning {
            Meaning::Code => {
                let codes = self.numbers.read_floats(&mut self.reader, wanted);
                codes.map(Values::Floats)
            }
            _ => self.numbers.read(&mut self.reader, wanted),
        };
        let values = values.map_err(|fault| self.unfit(fault))?;
        if values.len() < wanted {
            return Err(self.broken(format!(
                "its header promises {} rows, but it ends after {}",
                self.rows,
                self.done + values.len() / self.width.max(1)
            )));
        }
        if let Some(at) = values.first_non_finite() {
            return Err(self.unfit(Fault::not_finite(at)));
        }
        self.done += rows;
        if self.done == self.rows {
            let mut more = Vec::new();
            let outcome = self.reader.by_ref().take(1).read_to_end(&mut more);
            outcome.map_err(Error::io(&self.name, "read the array"))?;
            if !more.is_empty() {
                return Err(self.broken(format!(
                    "its header promises {} rows, but bytes follow the last one",
                    self.rows
                )));
            }
        }
        let values = match self.meaning {
            Meaning::ChannelsFirst(shape) => to_channels_last(values, shape),
            _ => values,
        };
        Ok((rows > 0).then_some(values))
    }

    /// The error for values of the next rows that cannot be taken.
    fn unfit(&self, fault: Fault) -> Error {
        match fault {
            Fault::Io(reason) => Error::io(&self.name, "read the array")(reason),
            Fault::Number { at, what, hint } => {
                let (row, value) = (self.done + at / self.width, at % self.width);
                Error::data(
                    &self.name,
                    format!("{what} in row {row}, value {value}"),
                    hint,
                )
            }
        }
    }

    fn broken(&self, what: String) -> Error {
        Error::data(&self.name, what, SAVE_HINT)
    }
}

/// The header of a stream whose rows come one after another, and the type of its numbers.
fn header(reader: &mut impl Read, name: &Path) -> Result<(Header, Type)> {
    let header = Header::read(name, "the array", reader)?;
    let numbers = header.numbers(name, "the array")?;
    if header.fortran_order {
        return Err(Error::data(
            name,
            "the array: expected C order of an array that is read row by row, got Fortran order",
            "`np.ascontiguousarray(x)` before it is saved",
        ));
    }
    Ok((header, numbers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{npy_header, npy_values};

    fn array(shape: &[usize]) -> Vec<u8> {
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|i| i as f32).collect();
        [npy_header(shape), npy_values(&values)].concat()
    }

    /// How many rows each call gives.
    fn batches(rows: usize, most: usize) -> Vec<usize> {
        let bytes = array(&[rows, 3]);
        let mut rows = Rows::of_codes(&bytes[..], Path::new("stdin"), &[3]).expect("codes");
        let batches = std::iter::from_fn(|| rows.next_rows(most).expect("rows"));
        let found: Vec<Values> = batches.collect();
        let all: Vec<f32> = found.iter().flat_map(Values::to_f32).collect();
        assert_eq!(npy_values(&all), bytes[bytes.len() - 4 * all.len()..]);
        found.iter().map(|values| values.len() / 3).collect()
    }

    #[test]
    fn rows_come_in_order_in_batches_and_then_the_end() {
        assert_eq!(batches(0, 4), [0; 0]);
        assert_eq!(batches(1, 4), [1]);
        assert_eq!(batches(4, 4), [4]);
        assert_eq!(batches(8, 4), [4, 4]);
        assert_eq!(batches(9, 4), [4, 4, 1]);
    }

    #[test]
    fn images_may_leave_out_a_single_channel_and_no_other_size() {
        let open = |shape: &[usize], image| {
            let bytes = array(shape);
            Rows::of_images(&bytes[..], Path::new("stdin"), image, None).map(|rows| rows.count())
        };
        let grey = ImageShape::new(4, 3, 1);
        for shape in [&[2, 12][..], &[2, 4, 3], &[2, 4, 3, 1]] {
            assert_eq!(open(shape, grey).expect("images"), 2, "{shape:?}");
        }
        for shape in [
            &[24][..],
            &[2, 3, 4],
            &[2, 4, 3, 2],
            &[2, 1, 4, 3],
            &[2, 2, 2, 3, 1],
        ] {
            let error = open(shape, grey).expect_err("other images").to_string();
            assert!(error.contains("[images, 4, 3, 1]"), "{error}");
        }
        assert!(open(&[2, 4, 6], ImageShape::new(4, 3, 2)).is_err());
        assert!(open(&[2, 4, 3], ImageShape::new(4, 3, 2)).is_err());
    }

    #[test]
    fn a_stream_that_is_cut_anywhere_is_refused() {
        let whole = array(&[3, 2]);
        for len in 0..whole.len() {
            let rows = Rows::of_codes(&whole[..len], Path::new("stdin"), &[2]);
            let outcome = rows.and_then(|mut rows| rows.next_rows(10));
            let error = outcome.expect_err("a part").to_string();
            assert!(error.contains("stdin"), "{len}: {error}");
        }
    }

    #[test]
    fn codes_and_images_of_other_types_are_numbers_of_their_size() {
        let codes = |descr: &str, values: &[u8]| {
            let mut header = npy_header(&[1, 2]);
            let at = header.windows(3).position(|part| part == b"<f4");
            let at = at.expect("the type");
            header.splice(at..at + 3, descr.bytes());
            let bytes = [&header[..], values].concat();
            let mut rows = Rows::of_codes(&bytes[..], Path::new("stdin"), &[2])?;
            rows.next_rows(1)
        };
        let expected = Some(Values::Floats(vec![3.0, 200.0]));
        let doubles = [3_f64, 200.0].map(f64::to_be_bytes).concat();
        assert_eq!(codes(">f8", &doubles).expect("doubles"), expected);
        // Bytes of a code are numbers, not shares of 255.
        assert_eq!(codes("|u1", &[3, 200]).expect("bytes"), expected);
        let large = [0_i32, 16_777_217].map(i32::to_le_bytes).concat();
        let error = codes("<i4", &large).expect_err("too fine").to_string();
        assert!(error.contains("16777217 in row 0, value 1"), "{error}");
    }

    #[test]
    fn images_with_channels_first_are_turned_as_they_come() {
        let bytes = array(&[2, 2, 1, 3]);
        let shape = ImageShape::new(1, 3, 2);
        let open = |axes| Rows::of_images(&bytes[..], Path::new("stdin"), shape, axes);
        let mut rows = open(Some(Axes::Nchw)).expect("images");
        let first = rows.next_rows(1).expect("a row").expect("a row");
        assert_eq!(first, Values::Floats(vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
        let error = open(None).err().expect("other axes").to_string();
        assert!(error.contains("transpose(0, 2, 3, 1)"), "{error}");
    }
}
