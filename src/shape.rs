//! Sizes of images.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Size of one image. Values lie row by row, channels last: `[height, width, channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageShape {
    /// Rows of pixels.
    pub height: usize,
    /// Pixels a row.
    pub width: usize,
    /// 1 = grey, 3 = RGB; any number for arrays that are no pictures.
    pub channels: usize,
}

impl ImageShape {
    /// Stands for a size that the data have not told yet.
    pub const UNKNOWN: Self = Self::new(1, 1, 1);

    /// A shape from its three sizes.
    pub const fn new(height: usize, width: usize, channels: usize) -> Self {
        Self {
            height,
            width,
            channels,
        }
    }

    /// Values of one image: `height · width · channels`.
    pub const fn values(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Sizes of one image in an array: `[height, width, channels]`, or `[values]` where images came as rows of
    /// values (one pixel high, of one channel).
    pub fn sizes(&self) -> Vec<usize> {
        match *self {
            Self {
                height: 1,
                width,
                channels: 1,
            } => vec![width],
            Self {
                height,
                width,
                channels,
            } => vec![height, width, channels],
        }
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}×{}", self.height, self.width, self.channels)
    }
}

impl FromStr for ImageShape {
    type Err = String;

    /// Three sizes with an `x` or a `×` between them.
    fn from_str(text: &str) -> Result<Self, String> {
        let sizes: Result<Vec<usize>, _> = text.split(['x', '×']).map(str::parse).collect();
        match sizes.as_deref() {
            Ok(&[height, width, channels]) => Ok(Self::new(height, width, channels)),
            _ => Err(format!(
                "expected height, width and channels, such as \"28x28x1\", got \"{text}\""
            )),
        }
    }
}

/// A shape as the text `28x28x1`, for `#[serde(with)]`.
pub(crate) mod text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::ImageShape;

    pub(crate) fn serialize<S: Serializer>(
        shape: &Option<ImageShape>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match shape {
            Some(shape) => serializer.collect_str(&shape.to_string().replace('×', "x")),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<ImageShape>, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Some).map_err(D::Error::custom)
    }
}
