//! Arrays of NumPy as streams: the header, and values or whole rows as they come.
//!
//! Format: the `numpy.lib.format` page of NumPy's documentation. The header is read here rather
//! than by a library because it is foreign input: nothing is allocated on its word alone.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Values;
use crate::error::{Error, Result};
use crate::shape::ImageShape;

/// Longer than any header of a plain array; version 2 allows 4 GiB.
const MAX_HEADER: usize = 1 << 16;
pub(super) const SAVE_HINT: &str = "save it again, with `np.save` for .npy or `np.savez` for .npz";

/// What the values of an array are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// u8
    Bytes,
    /// Little-endian f32
    Floats,
}

impl Kind {
    /// Bytes of a value.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Bytes => 1,
            Self::Floats => 4,
        }
    }

    /// NumPy's `descr`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bytes => "|u1",
            Self::Floats => "<f4",
        }
    }
}

/// What comes before the values of an array.
pub(super) struct Header {
    /// Bytes before the values.
    pub(super) size: u64,
    pub(super) kind: Kind,
    pub(super) shape: Vec<usize>,
}

impl Header {
    /// Reads the header of an array of u8 or little-endian f32 in C order.
    pub(super) fn read(path: &Path, what: &str, reader: &mut impl Read) -> Result<Self> {
        let broken = |message: String| Error::data(path, format!("{what}: {message}"), SAVE_HINT);
        let (text, size) = read_header(reader).map_err(broken)?;
        let fields = parse_header(&text).map_err(broken)?;
        let kind = match fields.kind.as_str() {
            "|u1" | "u1" | "<u1" | ">u1" => Kind::Bytes,
            "<f4" => Kind::Floats,
            other => {
                return Err(Error::data(
                    path,
                    format!(
                        "{what}: expected u8 or little-endian f32 (`|u1`, `<f4`), got `{other}`"
                    ),
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
        Ok(Self {
            size,
            kind,
            shape: fields.shape,
        })
    }
}

/// Up to `count` values; fewer where the stream ends early. Memory grows with what arrives.
pub(super) fn read_values(reader: &mut impl Read, kind: Kind, count: usize) -> io::Result<Values> {
    match kind {
        Kind::Bytes => {
            let mut values = Vec::new();
            reader.take(count as u64).read_to_end(&mut values)?;
            Ok(Values::Bytes(values))
        }
        Kind::Floats => read_floats(reader, count).map(Values::Floats),
    }
}

/// Up to `count` numbers; fewer where the stream ends early. Memory grows with what arrives.
fn read_floats(reader: &mut impl Read, count: usize) -> io::Result<Vec<f32>> {
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
pub(super) fn read_header(reader: &mut impl Read) -> Result<(String, u64), String> {
    let mut start = [0; 8];
    let early = |reason: io::Error| format!("it ends within its header ({reason})");
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
pub(super) struct Fields {
    /// NumPy's `descr`, such as `<f4`.
    pub(super) kind: String,
    fortran_order: bool,
    pub(super) shape: Vec<usize>,
}

/// Bytes of all values of a shape, of NumPy's type `kind` of `width` bytes; refused unless they are the `present` ones.
pub(super) fn promised(
    shape: &[usize],
    (kind, width): (&str, usize),
    present: u64,
) -> Result<usize, String> {
    let product = |total: usize, &size: &usize| total.checked_mul(size);
    let bytes = shape.iter().try_fold(width, product);
    bytes
        .filter(|&bytes| bytes as u64 == present)
        .ok_or_else(|| {
            format!("its header promises shape {shape:?} of `{kind}`, but {present} bytes follow")
        })
}

/// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`; NumPy writes no other form
/// for an array of plain numbers.
pub(super) fn parse_header(text: &str) -> Result<Fields, String> {
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

/// The rows of an array, one for each image or code, as they come through a stream.
pub struct Rows<R> {
    reader: R,
    /// What the stream is called in errors.
    name: PathBuf,
    kind: Kind,
    rows: usize,
    /// Values of a row.
    width: usize,
    done: usize,
}

impl<R: Read> Rows<R> {
    /// Reads the header of an array of images of `shape`: u8 or f32 `[images, height, width, channels]`,
    /// `[images, values]`, or `[images, height, width]` of one channel. `name` is the stream's, for errors.
    ///
    /// # Errors
    /// [`Error::Data`] for another type, order or shape.
    pub fn of_images(mut reader: R, name: &Path, shape: ImageShape) -> Result<Self> {
        let header = Header::read(name, "the array", &mut reader)?;
        let ImageShape {
            height,
            width,
            channels,
        } = shape;
        let values = shape.values();
        match *header.shape {
            [_, found] if found == values => {}
            [_, h, w] if [h, w, 1] == [height, width, channels] => {}
            [_, h, w, c] if [h, w, c] == [height, width, channels] => {}
            _ => {
                return Err(Error::data(
                    name,
                    format!(
                        "expected images as [images, {height}, {width}, {channels}] or [images, {values}], \
                         got shape {:?}",
                        header.shape
                    ),
                    "images of the size that the model was trained on",
                ));
            }
        }
        Ok(Self::after(header, reader, name, values))
    }

    /// Reads the header of an array of codes, f32 `[codes, latent]`.
    ///
    /// # Errors
    /// [`Error::Data`] for another type, order or shape.
    pub fn of_codes(mut reader: R, name: &Path, latent: usize) -> Result<Self> {
        let header = Header::read(name, "the array", &mut reader)?;
        if header.kind != Kind::Floats {
            return Err(Error::data(
                name,
                format!(
                    "expected codes of f32 (`<f4`), got `{}`",
                    header.kind.name()
                ),
                "`codes.astype(np.float32)`",
            ));
        }
        match *header.shape {
            [_, found] if found == latent => Ok(Self::after(header, reader, name, latent)),
            _ => Err(Error::data(
                name,
                format!(
                    "expected codes as [codes, {latent}], got shape {:?}",
                    header.shape
                ),
                "codes that `elbo encode` wrote for this model, or others of its latent size",
            )),
        }
    }

    fn after(header: Header, reader: R, name: &Path, width: usize) -> Self {
        Self {
            reader,
            name: name.to_owned(),
            kind: header.kind,
            rows: header.shape.first().copied().unwrap_or(0),
            width,
            done: 0,
        }
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
        let values = read_values(&mut self.reader, self.kind, wanted)
            .map_err(Error::io(&self.name, "read the array"))?;
        if values.len() < wanted {
            return Err(self.broken(format!(
                "its header promises {} rows, but it ends after {}",
                self.rows,
                self.done + values.len() / self.width.max(1)
            )));
        }
        if let Some(at) = values.first_non_finite() {
            return Err(Error::data(
                &self.name,
                format!(
                    "expected finite values, got a NaN or an infinity in row {}, value {}",
                    self.done + at / self.width,
                    at % self.width
                ),
                "look at `np.argwhere(~np.isfinite(x))`; `np.nan_to_num(x)` replaces them",
            ));
        }
        self.done += rows;
        if self.done == self.rows {
            let more = read_values(&mut self.reader, Kind::Bytes, 1);
            if !more
                .map_err(Error::io(&self.name, "read the array"))?
                .is_empty()
            {
                return Err(self.broken(format!(
                    "its header promises {} rows, but bytes follow the last one",
                    self.rows
                )));
            }
        }
        Ok((rows > 0).then_some(values))
    }

    fn broken(&self, what: String) -> Error {
        Error::data(&self.name, what, SAVE_HINT)
    }
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
        let mut rows = Rows::of_codes(&bytes[..], Path::new("stdin"), 3).expect("codes");
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
            Rows::of_images(&bytes[..], Path::new("stdin"), image).map(|rows| rows.count())
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
            let rows = Rows::of_codes(&whole[..len], Path::new("stdin"), 2);
            let outcome = rows.and_then(|mut rows| rows.next_rows(10));
            let error = outcome.expect_err("a part").to_string();
            assert!(error.contains("stdin"), "{len}: {error}");
        }
    }
}
