//! Labels as NumPy keeps them: whole numbers of any width.

use std::io::Read;
use std::path::Path;

use super::read_end;
use crate::data::npy::{self, SAVE_HINT, parse_header, read_header};
use crate::error::{Error, Result};

/// A hint for every file whose labels are at fault.
const OPTIONAL: &str =
    "use the labels that belong to these images, or remove them: they are optional";

/// Reads an array of labels, `[images]` or `[images, 1]`, from a stream of exactly `length` bytes.
///
/// # Errors
/// [`Error::Data`] for anything but a whole number of 0 or more for each of `images`.
pub(super) fn read(
    path: &Path,
    what: &str,
    reader: &mut impl Read,
    length: u64,
    images: usize,
) -> Result<Vec<u32>> {
    let broken = |message: String| Error::data(path, format!("{what}: {message}"), SAVE_HINT);
    let (header, header_size) = read_header(reader).map_err(broken)?;
    let fields = parse_header(&header).map_err(broken)?;
    let (signed, width) = match fields.kind.as_str() {
        "|u1" | "u1" | "<u1" | ">u1" | "|b1" => (false, 1),
        "|i1" | "i1" | "<i1" | ">i1" => (true, 1),
        "<u2" => (false, 2),
        "<i2" => (true, 2),
        "<u4" => (false, 4),
        "<i4" => (true, 4),
        "<u8" => (false, 8),
        "<i8" => (true, 8),
        other => {
            return Err(Error::data(
                path,
                format!("{what}: expected labels as little-endian whole numbers, got `{other}`"),
                "convert them first: `y.astype(np.int64)`",
            ));
        }
    };
    match fields.shape.as_slice() {
        [count] | [count, 1] if *count == images => {}
        [count] | [count, 1] => {
            return Err(Error::data(
                path,
                format!("{what}: expected {images} labels, one for each image, got {count}"),
                OPTIONAL,
            ));
        }
        other => {
            return Err(Error::data(
                path,
                format!("{what}: expected labels of shape [images], got shape {other:?}"),
                "one number for each image; of one-hot rows `y.argmax(axis=1)`",
            ));
        }
    }
    let present = length.saturating_sub(header_size);
    let bytes = npy::promised(&fields.shape, (&fields.kind, width), present);
    let bytes = bytes.map_err(broken)?;
    // The vector grows with what arrives.
    let mut values = Vec::new();
    let outcome = reader.by_ref().take(bytes as u64).read_to_end(&mut values);
    outcome.map_err(|reason| broken(format!("reading its values failed: {reason}")))?;
    if values.len() != bytes {
        return Err(broken(format!(
            "its header promises {bytes} bytes, got {}",
            values.len()
        )));
    }
    read_end(reader).map_err(broken)?;
    let labels = values
        .chunks_exact(width)
        .enumerate()
        .map(|(image, bytes)| {
            let number = whole_number(bytes, signed);
            u32::try_from(number).map_err(|_| {
                Error::data(
                    path,
                    format!(
                        "{what}: expected labels of 0 to {}, got {number} for image {image}",
                        u32::MAX
                    ),
                    OPTIONAL,
                )
            })
        });
    labels.collect()
}

/// The value of up to eight little-endian bytes.
fn whole_number(bytes: &[u8], signed: bool) -> i128 {
    let negative = signed && bytes.last().is_some_and(|&last| last >= 0x80);
    let fill = if negative { 0xff } else { 0 };
    let mut wide = [fill; 16];
    wide[..bytes.len()].copy_from_slice(bytes);
    i128::from_le_bytes(wide)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_width_keep_their_sign() {
        assert_eq!(whole_number(&[200], false), 200);
        assert_eq!(whole_number(&[200], true), -56);
        assert_eq!(whole_number(&[0x34, 0x12], true), 0x1234);
        assert_eq!(whole_number(&(-3_i64).to_le_bytes(), true), -3);
        assert_eq!(
            whole_number(&u64::MAX.to_le_bytes(), false),
            i128::from(u64::MAX)
        );
    }
}
