//! Sizes of latent codes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::option::count;

/// Sizes of the latent code of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatentShape {
    /// So many values.
    Values(usize),
    /// A map of them, `[height, width, channels]`.
    Map([usize; 3]),
}

/// What an option or a file may say.
const EXPECTED: &str = "expected a number of values such as 20, or a map of them such as 8x8x4";

impl LatentShape {
    /// Values of a code.
    pub fn values(&self) -> usize {
        let sizes = self.sizes().into_iter();
        sizes.fold(1, usize::saturating_mul)
    }

    /// Its sizes in an array: `[values]`, or `[height, width, channels]`.
    pub fn sizes(&self) -> Vec<usize> {
        match *self {
            Self::Values(values) => vec![values],
            Self::Map(sizes) => sizes.to_vec(),
        }
    }

    /// The sizes of a map.
    pub fn map(&self) -> Option<[usize; 3]> {
        match *self {
            Self::Values(_) => None,
            Self::Map(sizes) => Some(sizes),
        }
    }
}

impl From<usize> for LatentShape {
    fn from(values: usize) -> Self {
        Self::Values(values)
    }
}

impl fmt::Display for LatentShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Values(values) => write!(f, "{values}"),
            Self::Map([height, width, channels]) => write!(f, "{height}x{width}x{channels}"),
        }
    }
}

impl FromStr for LatentShape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(['x', '×']).map(str::trim).collect();
        let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !parts.iter().all(is_number) || ![1, 3].contains(&parts.len()) {
            return Err(format!("{EXPECTED}, got \"{text}\""));
        }
        let sizes: Vec<usize> = parts.into_iter().map(count).collect::<Result<_, _>>()?;
        Ok(match *sizes {
            [height, width, channels] => Self::Map([height, width, channels]),
            _ => Self::Values(sizes[0]),
        })
    }
}

impl Serialize for LatentShape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Values(values) => serializer.serialize_u64(values as u64),
            Self::Map(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for LatentShape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "expected a number of values such as 20, or a map of them such as \"8x8x4\""
        )]
        enum Written {
            Number(usize),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(values) => Ok(Self::Values(values)),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_so_many_values_or_a_map_of_them() {
        for (text, shape, json) in [
            ("20", LatentShape::Values(20), "20"),
            ("8x6x4", LatentShape::Map([8, 6, 4]), "\"8x6x4\""),
        ] {
            assert_eq!(text.parse(), Ok(shape));
            assert_eq!(shape.to_string(), text);
            assert_eq!(serde_json::to_string(&shape).expect("JSON"), json);
            let read: LatentShape = serde_json::from_str(json).expect("a shape");
            assert_eq!(read, shape);
        }
        assert_eq!(LatentShape::Map([8, 6, 4]).values(), 192);
        let beyond = LatentShape::Map([usize::MAX, usize::MAX, 2]);
        assert_eq!(beyond.values(), usize::MAX);
        for wrong in ["", "8x8", "8x8x", "8x8x4x2", "-1", "2.5", "8*8*4"] {
            let error = wrong.parse::<LatentShape>().expect_err(wrong);
            assert!(error.contains("such as 8x8x4"), "{error}");
        }
    }
}
