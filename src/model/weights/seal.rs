//! The hash that a file of parameters has of itself: whoever has the file can tell whether it is whole.
//!
//! It stands in the metadata of the safetensors format, which other programs ignore, and is of all bytes of the file
//! with zeros in place of its digits. A hash in a file beside it could be of another version of it after a kill.

use std::collections::HashMap;
use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::files;

/// Where the digits stand among the metadata.
pub(in crate::model) const KEY: &str = "elbo.sha256";
/// Digits of a sha256 in base 16.
const DIGITS: usize = 64;
/// Stands for the digits where the hash is taken.
const NONE: [u8; DIGITS] = [b'0'; DIGITS];
/// Bytes of the length of the header, which a file starts with.
const LENGTH: usize = 8;

/// What a file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seal {
    /// Nothing: another program wrote it, or an old version of this one.
    None,
    /// That it is as it was written.
    Whole,
    /// That it was changed after it was written.
    Broken,
}

/// Metadata to write a file with before [`seal`].
pub(in crate::model) fn unsealed() -> HashMap<String, String> {
    HashMap::from([(KEY.to_owned(), "0".repeat(DIGITS))])
}

/// Puts the hash into the bytes of a file with the metadata of [`unsealed`].
pub(in crate::model) fn seal(bytes: &mut [u8]) {
    if let Some(place) = place(bytes) {
        let hash = hash(bytes, &place);
        bytes[place].copy_from_slice(hash.as_bytes());
    }
}

/// Whether the bytes of a file are those that were written.
pub(crate) fn check(bytes: &[u8]) -> Seal {
    match place(bytes) {
        None => Seal::None,
        Some(place) => match hash(bytes, &place).as_bytes() == &bytes[place] {
            true => Seal::Whole,
            false => Seal::Broken,
        },
    }
}

/// Where the digits are. Their key with its quotes is nothing else in a header: a quote in a name has a backslash.
fn place(bytes: &[u8]) -> Option<Range<usize>> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let header = rest.get(..length)?;
    let key = format!("\"{KEY}\":\"");
    let at = header
        .windows(key.len())
        .position(|window| window == key.as_bytes())?;
    let start = LENGTH + at + key.len();
    let place = start..start + DIGITS;
    (place.end <= LENGTH + length).then_some(place)
}

fn hash(bytes: &[u8], place: &Range<usize>) -> String {
    let mut hash = Sha256::new();
    hash.update(&bytes[..place.start]);
    hash.update(NONE);
    hash.update(&bytes[place.end..]);
    files::hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ModelSpec, Weights};

    #[test]
    fn a_change_of_any_byte_and_any_cut_are_seen() {
        let mut spec = ModelSpec::reference();
        spec.image = crate::shape::ImageShape::new(2, 2, 1);
        spec.encoder = [3].into();
        spec.latent = 2.into();
        let weights = Weights::initial(&spec, 1).expect("weights");
        let whole = weights.to_bytes().expect("a file");
        assert_eq!(check(&whole), Seal::Whole);
        assert_eq!(whole, weights.to_bytes().expect("the same file"));
        for at in 0..whole.len() {
            for bit in [1, 0x20, 0x80] {
                let mut changed = whole.clone();
                changed[at] ^= bit;
                assert_ne!(check(&changed), Seal::Whole, "byte {at}, bit {bit}");
            }
            assert_ne!(check(&whole[..at]), Seal::Whole, "cut to {at} bytes");
        }
        assert_ne!(check(&[&whole[..], b"\0"].concat()), Seal::Whole);
    }

    #[test]
    fn a_file_of_another_program_says_nothing_of_itself() {
        for bytes in [&b""[..], b"\x02\0\0\0\0\0\0\0{}", &[0xff; 40]] {
            assert_eq!(check(bytes), Seal::None);
        }
        // Digits that go beyond the header.
        let header = format!("{{\"__metadata__\":{{\"{KEY}\":\"00");
        let length = (header.len() as u64).to_le_bytes();
        let bytes = [&length[..], header.as_bytes(), &NONE].concat();
        assert_eq!(check(&bytes), Seal::None);
    }
}
