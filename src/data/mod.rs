//! Data sets: where images come from and how they are split. Depends on the leaves only.

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

impl Images {
    /// Number of images.
    pub fn len(&self) -> usize {
        let values = match &self.values {
            Values::Bytes(bytes) => bytes.len(),
            Values::Floats(floats) => floats.len(),
        };
        values.checked_div(self.shape.values()).unwrap_or(0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How a data set is read.
#[derive(Clone, Debug, PartialEq)]
pub struct DataOptions {
    /// Height and width to resize pictures to.
    pub image_size: Option<(usize, usize)>,
    /// 1 for grey, 3 for RGB.
    pub channels: Option<usize>,
    /// Share of the images to measure on, for sources without a split of their own.
    pub test_fraction: f64,
    /// Seed of the split.
    pub seed: u64,
    /// Addresses to try first.
    pub mirrors: Vec<String>,
    /// Folder of downloads.
    pub cache: Option<std::path::PathBuf>,
}

impl Default for DataOptions {
    fn default() -> Self {
        Self {
            image_size: None,
            channels: None,
            test_fraction: 0.1,
            seed: 1,
            mirrors: Vec::new(),
            cache: None,
        }
    }
}

/// Loads a data set.
pub fn load(
    _source: &str,
    _options: &DataOptions,
    _progress: &mut dyn FnMut(&str),
) -> crate::error::Result<Dataset> {
    todo!()
}
