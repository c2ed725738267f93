//! Arrays as NumPy's `.npy` has them.

use crate::error::{Error, Result};

/// The bytes of a `.npy` file of `values` as float32 `[rows, columns]`; its rows follow from the length.
///
/// # Errors
/// [`Error::Internal`] where `values` are not whole rows.
pub fn npy(values: &[f32], columns: usize) -> Result<Vec<u8>> {
    let rows = values.len().checked_div(columns).unwrap_or(0);
    if rows * columns != values.len() {
        return Err(Error::internal(format!(
            "{} values are not rows of {columns}",
            values.len()
        )));
    }
    let mut bytes = npy_header(&[rows, columns]);
    bytes.extend(npy_values(values));
    Ok(bytes)
}

/// The beginning of a `.npy` file of float32 values of a shape; [`npy_values`] follow.
pub fn npy_header(shape: &[usize]) -> Vec<u8> {
    header("<f4", shape)
}

/// The beginning of a `.npy` file of int32 values of a shape; [`npy_whole`] follow.
pub fn npy_header_whole(shape: &[usize]) -> Vec<u8> {
    header("<i4", shape)
}

fn header(descr: &str, shape: &[usize]) -> Vec<u8> {
    // Format 1.0 of `numpy.lib.format`: magic, version, length of the header, the header as a Python
    // dictionary that spaces and a newline pad to a multiple of 64 bytes, then the values.
    const START: usize = 10;
    let mut sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    if sizes.len() == 1 {
        // A tuple of one.
        sizes.push(String::new());
    }
    let sizes = sizes.join(", ");
    let dictionary =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    let header = (START + dictionary.len() + 1).next_multiple_of(64) - START;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header as u16).to_le_bytes());
    bytes.extend(format!("{dictionary:<width$}\n", width = header - 1).bytes());
    bytes
}

/// Values as they lie in a `.npy` file of float32.
pub fn npy_values(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// Whole numbers as they lie in a `.npy` file of int32.
pub fn npy_whole(numbers: &[f32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|&number| (number as i32).to_le_bytes())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npy_has_its_shape_and_values() {
        let bytes = npy(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3).expect("two rows");
        let file = npyz::NpyFile::new(&bytes[..]).expect("an array file");
        assert_eq!(file.shape(), [2, 3]);
        let values: Vec<f32> = file.into_vec().expect("float32 values");
        assert_eq!(values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert!(npy(&[1.0, 2.0], 3).is_err());
    }

    #[test]
    fn an_array_header_holds_any_shape() {
        for shape in [&[5][..], &[0, 7], &[2, 3, 4, 1]] {
            let mut bytes = npy_header(shape);
            assert_eq!(bytes.len() % 64, 0);
            let count: usize = shape.iter().product();
            bytes.extend(npy_values(&vec![0.5; count]));
            let file = npyz::NpyFile::new(&bytes[..]).expect("an array file");
            let found: Vec<usize> = file.shape().iter().map(|&size| size as usize).collect();
            assert_eq!(found, shape);
            assert_eq!(file.into_vec::<f32>().expect("values"), vec![0.5; count]);
        }
    }
}
