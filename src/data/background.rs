//! The colour that transparent pictures are laid on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A colour behind transparent pixels, as RGB; written `black`, `white` or `#rrggbb`. Black unless another one is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Background(pub [u8; 3]);

impl Background {
    /// `#000000`.
    pub const BLACK: Self = Self([0; 3]);
    /// `#ffffff`.
    pub const WHITE: Self = Self([255; 3]);

    /// Whether red, green and blue are equal.
    pub fn is_grey(self) -> bool {
        let [red, green, blue] = self.0;
        red == green && green == blue
    }
}

impl fmt::Display for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BLACK => write!(f, "black"),
            Self::WHITE => write!(f, "white"),
            Self([red, green, blue]) => write!(f, "#{red:02x}{green:02x}{blue:02x}"),
        }
    }
}

impl FromStr for Background {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "black" => return Ok(Self::BLACK),
            "white" => return Ok(Self::WHITE),
            _ => {}
        }
        let digits = text.strip_prefix('#').unwrap_or_default();
        // `from_str_radix` would take a sign.
        if digits.len() == 6
            && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
            && let Ok(colour) = u32::from_str_radix(digits, 16)
        {
            let [_, red, green, blue] = colour.to_be_bytes();
            return Ok(Self([red, green, blue]));
        }
        Err(Error::config(
            format!("expected a background of black, white or #rrggbb, got `{text}`"),
            "white",
        ))
    }
}

impl TryFrom<String> for Background {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Background> for String {
    fn from(background: Background) -> Self {
        background.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_background_reads_back_as_it_is_written() {
        for text in ["black", "white", "#010aff"] {
            let background: Background = text.parse().expect("a colour");
            assert_eq!(background.to_string(), text);
        }
        assert_eq!(
            "#FFFFFF".parse::<Background>().ok(),
            Some(Background::WHITE)
        );
        assert_eq!(
            "#ff8000".parse::<Background>().ok(),
            Some(Background([255, 128, 0]))
        );
    }

    #[test]
    fn what_is_no_colour_is_refused_with_the_choices() {
        for text in [
            "", "red", "#fff", "ffffff", "#+fffff", "#ggffff", "#fffffff", "#ééé",
        ] {
            let message = text.parse::<Background>().expect_err(text).to_string();
            assert!(message.contains("black, white or #rrggbb"), "{message}");
        }
    }
}
