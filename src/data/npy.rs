//! Arrays of NumPy as streams: the header here, the numbers in `number`, whole rows as they come in `rows`.
//!
//! Format: the `numpy.lib.format` page of NumPy's documentation. The header is read here rather
//! than by a library because it is foreign input: nothing is allocated on its word alone.

mod number;
mod rows;

use std::io::{self, Read};
use std::path::Path;

pub(super) use number::{Element, Fault, Number, Type};
pub use rows::Rows;

use crate::error::{Error, Result};

/// Longer than any header of a plain array; version 2 allows 4 GiB.
const MAX_HEADER: usize = 1 << 16;
pub(super) const SAVE_HINT: &str = "save it again, with `np.save` for .npy or `np.savez` for .npz";

/// What a structured type is called in [`Header::descr`]: its `descr` is a list.
const STRUCTURED: &str = "a structured type";

/// What comes before the values of an array.
pub(super) struct Header {
    /// Bytes before the values.
    pub(super) size: u64,
    /// NumPy's `descr`, such as `<f4`.
    pub(super) descr: String,
    /// Whether the first axis is the fastest in the file.
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<usize>,
}

impl Header {
    /// Reads the header of an array of any type.
    ///
    /// # Errors
    /// [`Error::Data`] for anything but a whole header.
    pub(super) fn read(path: &Path, what: &str, reader: &mut (impl Read + ?Sized)) -> Result<Self> {
        let broken = |message: String| Error::data(path, format!("{what}: {message}"), SAVE_HINT);
        let (text, size) = read_header(reader).map_err(broken)?;
        parse_header(&text, size).map_err(broken)
    }

    /// The type of its numbers.
    ///
    /// # Errors
    /// [`Error::Data`] for other types, with a hint for each.
    pub(super) fn numbers(&self, path: &Path, what: &str) -> Result<Type> {
        let hint = match Element::parse(&self.descr) {
            Ok(Element::Number(of)) => return Ok(of),
            Ok(Element::Text { .. }) => {
                "numbers in place of text: `x.astype(np.float32)`, if they are numbers written as text"
            }
            Err(hint) => hint,
        };
        Err(Error::data(
            path,
            format!("{what}: expected numbers, got `{}`", self.descr),
            hint,
        ))
    }

    /// Number of elements, of `width` bytes each; refused unless they are exactly those of a stream of `length` bytes
    /// that begins with this header.
    pub(super) fn count(&self, width: Option<usize>, length: u64) -> Result<usize, String> {
        let present = length.saturating_sub(self.size);
        let product = |total: usize, &size: &usize| total.checked_mul(size);
        let count = self.shape.iter().try_fold(1, product);
        count
            .filter(|count| {
                let bytes = width.and_then(|width| count.checked_mul(width));
                bytes.is_some_and(|bytes| bytes as u64 == present)
            })
            .ok_or_else(|| {
                format!(
                    "its header promises shape {:?} of `{}`, but {present} bytes follow",
                    self.shape, self.descr
                )
            })
    }
}

/// The header's text, and how many bytes come before the values.
fn read_header(reader: &mut (impl Read + ?Sized)) -> Result<(String, u64), String> {
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

/// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`; NumPy writes no other form
/// for an array of plain numbers. `size`: bytes before the values.
fn parse_header(text: &str, size: u64) -> Result<Header, String> {
    let value_of = |key: &str| {
        let quoted = [format!("'{key}':"), format!("\"{key}\":")];
        quoted
            .iter()
            .find_map(|quoted| text.split_once(quoted.as_str()))
            .map(|(_, rest)| rest.trim_start())
            .ok_or_else(|| format!("its header has no `{key}`"))
    };
    let descr = value_of("descr")?;
    let descr = match descr.chars().next() {
        Some(quote @ ('\'' | '"')) => descr[1..].split(quote).next().unwrap_or_default(),
        _ => STRUCTURED,
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
    Ok(Header {
        size,
        descr: descr.to_owned(),
        fortran_order,
        shape,
    })
}
