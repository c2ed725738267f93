//! Data sets: where images come from and how they are split. Depends on the leaves only.
//!
//! [`load`] takes the name of a data set or a path and picks the reader: [`digits`] draws,
//! [`download`] fetches files for `idx`, and `idx`, `folder` and `array` read what the user has.
//! Whatever a reader returns has passed `Dataset::check`.

mod array;
pub mod digits;
pub mod download;
mod folder;
mod idx;
mod split;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
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

impl Values {
    /// Number of values over all images.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Floats(floats) => floats.len(),
        }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Images {
    /// Number of images; 0 where the shape holds no value.
    pub fn len(&self) -> usize {
        self.values
            .len()
            .checked_div(self.shape.values())
            .unwrap_or(0)
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of one image, `[height, width, channels]`; bytes become `byte / 255`.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`Images::len`], as indexing a slice does.
    pub fn image_f32(&self, index: usize) -> Vec<f32> {
        let size = self.shape.values();
        let range = index * size..(index + 1) * size;
        match &self.values {
            Values::Bytes(bytes) => bytes[range]
                .iter()
                .map(|&byte| f32::from(byte) / 255.0)
                .collect(),
            Values::Floats(floats) => floats[range].to_vec(),
        }
    }

    /// The images at `indices`, in that order, with their labels.
    ///
    /// # Panics
    ///
    /// If an index is not below [`Images::len`], as indexing a slice does.
    pub fn select(&self, indices: &[usize]) -> Self {
        let size = self.shape.values();
        Self {
            shape: self.shape,
            values: match &self.values {
                Values::Bytes(bytes) => Values::Bytes(gather(bytes, size, indices)),
                Values::Floats(floats) => Values::Floats(gather(floats, size, indices)),
            },
            labels: self
                .labels
                .as_ref()
                .map(|labels| gather(labels, 1, indices)),
        }
    }

    /// The least and the greatest value as the model sees them (bytes over 255).
    ///
    /// `(0.0, 0.0)` without values. A NaN is skipped; see [`Images::first_non_finite`].
    pub fn value_range(&self) -> (f32, f32) {
        let range = match &self.values {
            Values::Bytes(bytes) => {
                let least = bytes.iter().min().copied().unwrap_or(0);
                let most = bytes.iter().max().copied().unwrap_or(0);
                (f32::from(least) / 255.0, f32::from(most) / 255.0)
            }
            Values::Floats(floats) => floats.iter().fold(
                (f32::INFINITY, f32::NEG_INFINITY),
                |(least, most), &value| (least.min(value), most.max(value)),
            ),
        };
        if range.0 > range.1 { (0.0, 0.0) } else { range }
    }

    /// The first NaN or infinity as `(image, value within the image)`; bytes hold none.
    pub fn first_non_finite(&self) -> Option<(usize, usize)> {
        match &self.values {
            Values::Bytes(_) => None,
            Values::Floats(floats) => {
                let at = floats.iter().position(|value| !value.is_finite())?;
                let size = self.shape.values();
                Some((at.checked_div(size)?, at.checked_rem(size)?))
            }
        }
    }
}

fn gather<T: Copy>(values: &[T], size: usize, indices: &[usize]) -> Vec<T> {
    let mut chosen = Vec::with_capacity(indices.len() * size);
    for &index in indices {
        chosen.extend_from_slice(&values[index * size..(index + 1) * size]);
    }
    chosen
}

impl Dataset {
    /// What every reader promises: two splits of one shape, neither empty, a label for each image
    /// or none at all, and finite values.
    fn check(self, path: &Path) -> Result<Self> {
        if self.train.shape != self.test.shape {
            return Err(Error::data(
                path,
                format!(
                    "expected images of one size, got {} for training and {} for testing",
                    self.train.shape, self.test.shape
                ),
                "give both splits the same height, width and channels",
            ));
        }
        for (split, images) in [("training", &self.train), ("test", &self.test)] {
            check_images(split, images, path)?;
        }
        Ok(self)
    }
}

fn check_images(split: &str, images: &Images, path: &Path) -> Result<()> {
    if images.is_empty() {
        return Err(Error::data(
            path,
            format!("expected {split} images, got none ({})", images.shape),
            "give it at least one image; `--data digits` needs no file",
        ));
    }
    if let Some(labels) = &images.labels
        && labels.len() != images.len()
    {
        return Err(Error::data(
            path,
            format!(
                "expected a label for each of {} {split} images, got {} labels",
                images.len(),
                labels.len()
            ),
            "use the labels that belong to these images, or remove them: they are optional",
        ));
    }
    if let Some((image, value)) = images.first_non_finite() {
        return Err(Error::data(
            path,
            format!(
                "expected finite values, got a NaN or an infinity in {split} image {image}, value {value}"
            ),
            "replace it, for instance with `np.nan_to_num(x)`",
        ));
    }
    Ok(())
}

/// How grey values become the values that the model sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Binarize {
    /// Values stay as they are.
    None,
    /// Each value is drawn once, as Bernoulli(value), and stays the same in every epoch.
    Fixed,
    /// Each value is drawn anew whenever its image is used (Burda et al. 2016).
    Dynamic,
}

/// How a data set is read; each source uses the fields that concern it.
#[derive(Clone, Debug, PartialEq)]
pub struct DataOptions {
    /// Height and width in pixels. Pictures of a folder are cropped about their centre and resized
    /// to it; rows of a `[images, values]` array are taken as images of this size.
    pub image_size: Option<(usize, usize)>,
    /// Channels of a folder's pictures: 1 or 3. `None`: grey if every picture is stored as grey,
    /// otherwise RGB.
    pub channels: Option<usize>,
    /// The part of the images, between 0 and 1, that becomes the test split where the source does
    /// not bring its own.
    pub test_fraction: f64,
    /// Chooses the test images of such a source, and the digits of `digits`. It is not the seed of
    /// a run: keep it, and losses of different runs compare.
    pub seed: u64,
    /// Base addresses to download from, tried in order; empty: the data set's own.
    pub mirrors: Vec<String>,
    /// Folder for downloads; `None`: [`crate::files::cache_folder`].
    pub cache: Option<PathBuf>,
}

impl Default for DataOptions {
    fn default() -> Self {
        Self {
            image_size: None,
            channels: None,
            test_fraction: 0.1,
            seed: 0,
            mirrors: Vec::new(),
            cache: None,
        }
    }
}

impl DataOptions {
    fn check(&self) -> Result<()> {
        if !(self.test_fraction > 0.0 && self.test_fraction < 1.0) {
            return Err(Error::config(
                format!(
                    "expected a test fraction between 0 and 1, got {}",
                    self.test_fraction
                ),
                "--test-fraction 0.1",
            ));
        }
        if let Some((height, width)) = self.image_size
            && !((1..=folder::MAX_SIDE).contains(&height)
                && (1..=folder::MAX_SIDE).contains(&width))
        {
            return Err(Error::config(
                format!(
                    "expected an image size of 1 to {} pixels a side, got {height}×{width}",
                    folder::MAX_SIDE
                ),
                "--image-size 64",
            ));
        }
        match self.channels {
            None | Some(1 | 3) => Ok(()),
            Some(channels) => Err(Error::config(
                format!("expected 1 (grey) or 3 (RGB) channels, got {channels}"),
                "--channels 1",
            )),
        }
    }
}

/// Reads the data set `source`: `digits`, `mnist`, `fashion-mnist`, or the path of a folder with
/// IDX files, of a folder with pictures, or of a `.npy` or `.npz` file.
///
/// The names come first; a folder of such a name is reached as `./mnist`. `progress` gets a line
/// now and then where reading takes long, without a line break at its end.
///
/// # Errors
///
/// [`Error::Config`] for an unknown source or an option out of range, [`Error::Data`] for files
/// that are not what they should be, [`Error::Io`] for what the system refuses to read.
pub fn load(
    source: &str,
    options: &DataOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<Dataset> {
    options.check()?;
    match source {
        "digits" => Ok(digits::generate(
            digits::TRAIN_IMAGES,
            digits::TEST_IMAGES,
            options.seed,
        )),
        "mnist" => load_remote(&download::Remote::mnist(), options, progress),
        "fashion-mnist" => load_remote(&download::Remote::fashion_mnist(), options, progress),
        path => load_path(path, options, progress),
    }
}

fn load_remote(
    remote: &download::Remote,
    options: &DataOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<Dataset> {
    let cache = match &options.cache {
        Some(cache) => cache.clone(),
        None => crate::files::cache_folder()?,
    };
    let folder = download::fetch(remote, &options.mirrors, &cache, progress)?;
    idx::load(&folder, remote.name)?.check(&folder)
}

fn load_path(
    source: &str,
    options: &DataOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<Dataset> {
    let path = Path::new(source);
    if path.is_dir() {
        let dataset = if idx::is_idx_folder(path) {
            idx::load(path, &name_of(path))
        } else {
            folder::load(path, &name_of(path), options, progress)
        };
        return dataset?.check(path);
    }
    if path.is_file() {
        return array::load(path, &name_of(path), options)?.check(path);
    }
    // Not `exists`, which says no to a path that this user may not look at.
    match path.metadata() {
        Ok(_) => Err(Error::data(
            path,
            "expected a file or a folder, got something else, such as a pipe or a device",
            "copy its content into a file",
        )),
        Err(source_error) if source_error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::config(
                format!("there is no data set and no path `{source}`"),
                "`digits` (built in), `mnist`, `fashion-mnist`, or the path of a folder with IDX \
                 files, a folder with PNG or JPEG pictures, or a .npy or .npz file",
            ))
        }
        Err(error) => Err(Error::io(path, "open it")(error)),
    }
}

/// The last part of a path without the extension of a file, for folders and reports.
fn name_of(path: &Path) -> String {
    // `.` and `..` have no name of their own; their full path has.
    let full = path.canonicalize();
    let path = full.as_deref().unwrap_or(path);
    let name = if path.is_file() {
        path.file_stem()
    } else {
        path.file_name()
    };
    name.map_or_else(
        || "data".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}
