//! Data sets: where images come from and how they are split. Depends on the leaves only.

pub mod digits;

use serde::{Deserialize, Serialize};

use crate::shape::ImageShape;

/// Values of all images, image by image, each laid out as its [`ImageShape`] says.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// 0..=255, standing for 0..=1.
    Bytes(Vec<u8>),
    /// Taken as they are.
    Floats(Vec<f32>),
}

/// One split of a data set.
#[derive(Clone, Debug)]
pub struct Images {
    /// Size of each image.
    pub shape: ImageShape,
    /// `[images, height, width, channels]`.
    pub values: Values,
    /// Class of each image, where the source has one.
    pub labels: Option<Vec<u32>>,
}

/// A data set with its two splits, of equal image shape; neither is empty.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Short name for folders and reports: `digits`, `mnist`, a folder's name.
    pub name: String,
    /// Images to learn from.
    pub train: Images,
    /// Images to measure on.
    pub test: Images,
}

/// How grey values become the values that the model sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Binarize {
    /// Values stay as they are.
    None,
    /// Each value is drawn once, as Bernoulli(value), and stays the same in every epoch.
    Fixed,
    /// Each value is drawn anew whenever its image is used (Burda et al. 2016).
    Dynamic,
}
