//! How exact the operands of products are.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::device::{Device, Selection};
use crate::error::Result;

/// What the operands of the matrix products of training are rounded to. All else is f32: sums, parameters and
/// their moments, losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Nothing: 24 bits
    #[default]
    F32,
    /// 11 bits (IEEE 754 binary16), for GPUs that multiply these faster
    F16,
}

impl Precision {
    /// Opens the device that `selection` means with all that products of this precision need.
    ///
    /// # Errors
    /// As [`Device::open`] and [`Device::open_half`].
    pub fn open(self, selection: &Selection) -> Result<Device> {
        match self {
            Self::F32 => Device::open(selection),
            Self::F16 => Device::open_half(selection),
        }
    }
}
