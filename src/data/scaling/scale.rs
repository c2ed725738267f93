//! What `--scale` takes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A choice of how stored numbers are scaled, as `--scale` takes it: a number, or `range`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "NumberOrWord", into = "NumberOrWord")]
pub enum Scale {
    /// Divided by a number, which is positive and finite.
    By(f32),
    /// From the least and the greatest value of the training images to 0 and 1.
    Range,
}

const RANGE: &str = "range";

/// As TOML has it.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum NumberOrWord {
    Number(f32),
    Word(String),
}

impl Scale {
    fn check(self) -> Result<Self, String> {
        match self {
            // A subnormal number would scale to infinity.
            Self::By(by) if !(by.is_normal() && by > 0.0) => {
                Err(format!("{by}: expected a positive number, or `{RANGE}`"))
            }
            known => Ok(known),
        }
    }
}

impl FromStr for Scale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == RANGE {
            return Ok(Self::Range);
        }
        let by = text.parse();
        let by = by.map_err(|_| format!("`{text}`: expected a positive number, or `{RANGE}`"))?;
        Self::By(by).check()
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::By(by) => write!(f, "{by}"),
            Self::Range => f.write_str(RANGE),
        }
    }
}

impl TryFrom<NumberOrWord> for Scale {
    type Error = String;

    fn try_from(value: NumberOrWord) -> Result<Self, String> {
        match value {
            NumberOrWord::Number(by) => Self::By(by).check(),
            NumberOrWord::Word(word) => word.parse(),
        }
    }
}

impl From<Scale> for NumberOrWord {
    fn from(scale: Scale) -> Self {
        match scale {
            Scale::By(by) => Self::Number(by),
            Scale::Range => Self::Word(RANGE.to_owned()),
        }
    }
}
