//! What numbers a source holds, before they become the values that a model sees.

use std::fmt;

/// The type of a source's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// True or false.
    Bool,
    /// Whole numbers of 8, 16, 32 or 64 bits.
    Integer {
        /// Whether they may be negative.
        signed: bool,
        /// Bits of each.
        bits: u8,
    },
    /// Floating-point numbers of 16, 32 or 64 bits.
    Float {
        /// Bits of each.
        bits: u8,
    },
    /// Numbers written as text, in a table.
    Text,
}

impl Stored {
    /// 0 to 255, the values of pictures.
    pub const BYTES: Self = Self::Integer {
        signed: false,
        bits: 8,
    };
    /// What a model computes with.
    pub const FLOATS: Self = Self::Float { bits: 32 };
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Bool => write!(f, "booleans"),
            Self::BYTES => write!(f, "bytes"),
            Self::Integer { signed, bits } => {
                write!(f, "{}int{bits}", if signed { "" } else { "u" })
            }
            Self::Float { bits } => write!(f, "float{bits}"),
            Self::Text => write!(f, "numbers"),
        }
    }
}
