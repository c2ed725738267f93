//! The choices of how data are read.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{Arrays, Axes, Background, Reading, Scale, size};
use crate::error::{Error, Result};
use crate::number::Bytes;
use crate::option::{self, defaults};

/// How a data set is read; each source uses the fields that concern it.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct DataOptions {
    /// Resize pictures to N×N, or to HxW, after cropping their middle to that aspect ratio; the shape of the images of
    /// an array of rows [default: as they are]
    #[arg(long, value_name = "N|HxW", value_parser = size::parse, help_heading = "Data")]
    #[serde(with = "size", skip_serializing_if = "Option::is_none")]
    pub image_size: Option<(usize, usize)>,
    /// Channels of the pictures: 1 for grey, 2 for grey and alpha, 3 for RGB, 4 for RGB and alpha [default: 1 if all are
    /// grey, otherwise 3]
    #[arg(long, value_name = "1|2|3|4", value_parser = option::count::<usize>, help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
    /// Share of the images to hold out for testing, where the data have no split of their own
    #[arg(
        long,
        value_name = "SHARE",
        value_parser = option::number::<f64>,
        default_value_t = 0.1,
        help_heading = "Data"
    )]
    pub test_fraction: f64,
    /// Seed of that split, and of the built-in digits; it is not the seed of training, so that losses of several seeds
    /// compare
    #[arg(
        id = "split_seed",
        long = "split-seed",
        value_name = "NUMBER",
        value_parser = option::seed::parse,
        default_value_t = 0,
        help_heading = "Data"
    )]
    #[serde(rename = "split-seed", with = "option::seed")]
    pub seed: u64,
    /// Address of a folder to download from; repeat it for several, which are tried in order [default: the data set's
    /// own]
    #[arg(
        id = "mirror",
        long = "mirror",
        value_name = "URL",
        help_heading = "Data"
    )]
    #[serde(rename = "mirror", skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<String>,
    /// Divide the stored numbers by this one, such as the greatest that a sensor gives, or `range`: from the least and
    /// the greatest value of the training images to 0 and 1 [default: by type, bytes by 255, uint16 by 65535, bits and
    /// floats as they are]
    #[arg(
        long,
        value_name = "NUMBER|range",
        allow_negative_numbers = true,
        help_heading = "Data"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
    /// Bring each value of a row (a column of a table) to mean 0 and standard deviation 1 over the training images
    /// [default: off]
    #[arg(long, conflicts_with = "scale", help_heading = "Data")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub standardize: bool,
    /// Most memory for images, such as 8GB: where they would take more, they stay in their files, from where they come in
    /// time [default: half of what is left]
    #[arg(long, value_name = "BYTES", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_memory: Option<Bytes>,
    /// Folder to keep decoded pictures in, so that the next run on the same ones starts at once
    /// [default: pictures are decoded anew]
    #[arg(long, value_name = "FOLDER", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<PathBuf>,
    /// What a source holds, where that does not show by itself.
    #[command(flatten)]
    #[serde(flatten)]
    pub source: SourceOptions,
    /// The table that a trained model learned from.
    #[arg(skip)]
    #[serde(skip)]
    pub trained_on: TrainedOn,
    /// How a trained model's data were read: others are taken in the same way, whatever [`DataOptions::scale`] and
    /// [`DataOptions::standardize`] say.
    #[arg(skip)]
    #[serde(skip)]
    pub reading: Option<Reading>,
    /// Leaves a source without a split of its own in one piece: all its images are the test split, in their own
    /// order, and the training split is empty.
    #[arg(skip)]
    #[serde(skip)]
    pub whole: bool,
    /// Reads a third split too, where the source has one.
    #[arg(skip)]
    #[serde(skip)]
    pub val: bool,
    /// How many processes like this one share the memory of the machine; 0 counts as 1.
    #[arg(skip)]
    #[serde(skip)]
    pub processes: usize,
    /// Folder for downloads; `None`: [`crate::files::cache_folder`].
    #[arg(skip)]
    #[serde(skip)]
    pub downloads: Option<PathBuf>,
}

/// What a source holds, where that does not show by itself. Unlike the other choices of [`DataOptions`] these are those of
/// one source, and other images for the same model may need others.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct SourceOptions {
    /// Colour behind the transparent pixels of pictures, where alpha is no channel [default: black, and said]
    #[arg(long, value_name = "black|white|#rrggbb", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<Background>,
    /// Go on without pictures that cannot be read, and name them [default: off]
    #[arg(long, help_heading = "Data")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skip_broken: bool,
    /// Which array of a .npz file is what: train=images,test=x_val,labels=y; further keys are val, test-labels and
    /// val-labels, and none in the place of a name leaves labels out [default: by their usual names]
    #[arg(
        id = "array",
        long = "array",
        value_name = "KEY=NAME,…",
        default_value = "",
        hide_default_value = true,
        help_heading = "Data"
    )]
    #[serde(rename = "array", skip_serializing_if = "Arrays::is_empty")]
    pub arrays: Arrays,
    /// Order of the axes of an array of four dimensions [default: nhwc, and what looks like another order is refused]
    #[arg(long, value_enum, help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub axes: Option<Axes>,
    /// Columns of a table, in this order, by their names, their numbers from 1, or ranges of numbers: mass,2-5
    /// [default: all but the one of the labels]
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "COLUMN,…",
        help_heading = "Data"
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Column of a table that holds labels, as text or whole numbers, by its name or number [default: none]
    #[arg(long, value_name = "COLUMN", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
}

/// The columns of the table that a model was trained on. Another table's are taken by these names, whatever their
/// order; a table without a header is taken as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainedOn {
    /// Names of the columns of values.
    pub columns: Vec<String>,
    /// Name of the column of labels. Another table may do without.
    pub label_column: Option<String>,
}

impl Default for SourceOptions {
    fn default() -> Self {
        defaults()
    }
}

impl Default for DataOptions {
    fn default() -> Self {
        defaults()
    }
}

impl DataOptions {
    pub(super) fn check(&self) -> Result<()> {
        if !(self.test_fraction > 0.0 && self.test_fraction < 1.0) {
            return Err(Error::config(
                format!(
                    "expected a test fraction between 0 and 1, got {}",
                    self.test_fraction
                ),
                "`test-fraction = 0.1`",
            ));
        }
        if let Some((height, width)) = self.image_size
            && (height == 0 || width == 0)
        {
            return Err(Error::config(
                format!("expected an image size of at least 1×1, got {height}×{width}"),
                "`image-size = 64`",
            ));
        }
        if self.scale.is_some() && self.standardize {
            return Err(Error::config(
                "`scale = …` and `standardize = true` each say how the values are scaled",
                "one of the two",
            ));
        }
        match self.channels {
            None | Some(1..=4) => Ok(()),
            Some(channels) => Err(Error::config(
                format!(
                    "expected 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGB and alpha) channels, got {channels}"
                ),
                "`channels = 1`",
            )),
        }
    }
}
