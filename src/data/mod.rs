//! Data sets: where images come from and how they are split. Depends on the leaves only.
//!
//! [`load`] takes the name of a data set or a path and picks the reader: [`digits`] draws,
//! [`download`] fetches files for `idx`, and `idx`, `folder`, `array` and `table` read what the user has.
//! [`Rows`] are those of an array that comes through a stream.
//! Whatever a reader returns has passed `Dataset::check`.

mod array;
mod augment;
mod axes;
mod background;
mod classes;
pub mod digits;
pub mod download;
mod fingerprint;
mod folder;
mod idx;
mod images;
mod in_files;
mod look;
mod npy;
mod options;
mod scaling;
mod size;
mod source;
mod split;
mod stored;
mod survey;
mod table;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

pub use array::Arrays;
pub use augment::Augment;
pub use axes::Axes;
pub use background::Background;
pub use classes::class_name;
use fingerprint::Fingerprint;
pub use images::{Images, Storage, Values};
pub use in_files::InFiles;
pub use look::Look;
pub use npy::Rows;
pub use options::{DataOptions, SourceOptions, TrainedOn};
pub use scaling::{Meaning, Reading, RowReading, Scale, Scaling};
use serde::{Deserialize, Serialize};
use source::Source;
pub use source::{check_options, is_pictures, names};
pub use stored::Stored;

use crate::error::{Error, Result};
use crate::shape::ImageShape;

/// Deflate cannot pack better than 1032 to 1, so a greater promise is a lie.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// A data set with its splits for training and test, and for validation where there is one, of equal image shape; none
/// is empty.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Short name for folders and reports: `digits`, `mnist`, a folder's name.
    pub name: String,
    /// Images to learn from.
    pub train: Arc<Images>,
    /// Images to measure on.
    pub test: Arc<Images>,
    /// Images of a third split, where the source has one and it is asked for.
    pub val: Option<Images>,
    /// Names of the classes, which labels count; empty where a label is its own name.
    pub classes: Vec<String>,
    /// Names of a table's columns, one for each value of an image; empty elsewhere.
    pub columns: Vec<String>,
    /// Places of test images that the source has but that could not be read, counted over all of the test images.
    pub left_out: Vec<usize>,
    /// How the source's numbers became the values here.
    pub reading: Reading,
    /// What these values are, where they were read.
    pub look: Option<Look>,
    /// The images' part of [`Dataset::fingerprint`], where it is known already.
    hash: Option<String>,
    /// Whether the labels are part of it.
    has_hashed_labels: bool,
}

impl Dataset {
    /// Two splits without names of classes and columns.
    pub fn new(name: impl Into<String>, train: Images, test: Images) -> Self {
        Self {
            name: name.into(),
            train: train.into(),
            test: test.into(),
            val: None,
            classes: Vec::new(),
            columns: Vec::new(),
            left_out: Vec::new(),
            reading: Reading::default(),
            look: None,
            hash: None,
            has_hashed_labels: false,
        }
    }

    /// The same where the classes of images are part of what is learned, and so of [`Dataset::fingerprint`].
    #[must_use]
    pub fn with_hashed_labels(self) -> Self {
        Self {
            has_hashed_labels: true,
            ..self
        }
    }

    /// The hash of images and, where they count, of the classes of images of two splits.
    fn hash_with_classes<'a>(
        &'a self,
        images: String,
        splits: [(&'a Images, Cow<'a, [usize]>); 2],
    ) -> String {
        if !self.has_hashed_labels {
            return images;
        }
        let classes = splits.iter().flat_map(|(images, indices)| {
            let labels = images.labels.as_deref().unwrap_or_default();
            let of = indices.iter().filter_map(|&index| labels.get(index));
            of.map(|&label| class_name(&self.classes, label))
        });
        Fingerprint::and_classes(&images, classes)
    }

    /// Its splits, the training images first.
    pub fn splits(&self) -> impl Iterator<Item = &Images> {
        [&*self.train, &*self.test].into_iter().chain(&self.val)
    }

    /// Hash of all images, in their order, with their shape, and of their classes where these are learned: equal for equal
    /// data only. SHA-256 in hexadecimal.
    ///
    /// # Errors
    /// Those of [`Images::read`].
    pub fn fingerprint(&self) -> Result<String> {
        let images = match &self.hash {
            Some(known) => known.clone(),
            None => Fingerprint::of([&self.train, &self.test])?,
        };
        let splits =
            [&*self.train, &*self.test].map(|images| (images, (0..images.len()).collect()));
        Ok(self.hash_with_classes(images, splits))
    }

    /// As [`Dataset::fingerprint`], of data that were read [`whole`](DataOptions::whole) too: that of the splits that
    /// `options` would have made of them.
    ///
    /// # Errors
    /// As [`Dataset::fingerprint`].
    pub fn fingerprint_as_split(&self, options: &DataOptions) -> Result<String> {
        if !self.train.is_empty() {
            return self.fingerprint();
        }
        let (fraction, seed) = (options.test_fraction, options.seed);
        let left_out: BTreeSet<usize> = self.left_out.iter().copied().collect();
        let total = self.test.len() + left_out.len();
        let read = (0..total).filter(|place| !left_out.contains(place));
        let places: HashMap<usize, usize> = read.zip(0..).collect();
        let (mut train, mut test) = split::indices(total, fraction, seed);
        for part in [&mut train, &mut test] {
            *part = part
                .iter()
                .filter_map(|at| places.get(at))
                .copied()
                .collect();
        }
        // A split that this leaves empty is chosen anew among what can be read.
        if train.is_empty() || test.is_empty() {
            (train, test) = split::indices(self.test.len(), fraction, seed);
        }
        let images = Fingerprint::of([&self.test.part(&train)?, &self.test.part(&test)?])?;
        let splits = [train, test].map(|indices| (&*self.test, Cow::Owned(indices)));
        Ok(self.hash_with_classes(images, splits))
    }

    /// What every reader promises: two splits of one shape, neither empty (but for the training split of a
    /// source that is left `whole`), a label for each image
    /// or none at all, and finite values.
    fn check(self, whole: bool, path: &Path) -> Result<Self> {
        if !(whole && self.train.is_empty()) {
            check_images("training", &self.train, path)?;
        }
        let val = self.val.as_ref().map(|images| ("validation", images));
        for (split, images) in std::iter::once(("test", &*self.test)).chain(val) {
            if self.train.shape != images.shape {
                let (one, other) = (self.train.shape, images.shape);
                return Err(Error::data(
                    path,
                    format!(
                        "expected images of one size, got {one} for training and {other} in the {split} split"
                    ),
                    "give all splits the same height, width and channels",
                ));
            }
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
            "give it at least one image; `data = digits` needs no file",
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
    if images.len() > u32::MAX as usize {
        let what = format!("expected at most 2^32 {split} images, got {}", images.len());
        return Err(Error::data(
            path,
            what,
            "fewer images, each with more values",
        ));
    }
    // What is read from files is looked at when it is read.
    if let Storage::Memory(values) = &images.storage
        && let Some(at) = values.first_non_finite()
    {
        let size = images.shape.values();
        let (image, value) = (at / size, at % size);
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

/// Which images of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// The images to learn from
    Train,
    /// The images to measure on
    Test,
    /// The images of a third split, where the data have one
    Val,
    /// All of them: train, test, then val; a source without a split of its own in its own order
    All,
}

impl Split {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
            Self::Val => "val",
            Self::All => "all",
        }
    }

    /// Whether a third split has to be read for it ([`DataOptions::val`]).
    pub fn needs_val(self) -> bool {
        matches!(self, Self::Val | Self::All)
    }

    /// Its images, in memory; `None` for a third split where there is none.
    ///
    /// # Errors
    /// Those of [`Images::values`].
    pub fn of(self, dataset: Dataset) -> Result<Option<Images>> {
        let images = match self {
            Self::Train => Some(Arc::unwrap_or_clone(dataset.train)),
            Self::Test => Some(Arc::unwrap_or_clone(dataset.test)),
            Self::Val => dataset.val,
            Self::All => {
                let [train, test] = [dataset.train, dataset.test].map(Arc::unwrap_or_clone);
                let both = train.followed_by(test)?;
                Some(match dataset.val {
                    Some(val) => both.followed_by(val)?,
                    None => both,
                })
            }
        };
        images.map(Images::in_memory).transpose()
    }
}

/// How grey values become the values that the model sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Binarize {
    /// Values stay as they are
    None,
    /// Each value is drawn once, as Bernoulli(value), and is the same in every epoch and every run
    Fixed,
    /// Each value is drawn anew whenever its image is used (Burda et al. 2016)
    Dynamic,
}

/// News of a source that takes long to read.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// Something that happened, without a line break at its end.
    Note(&'a str),
    /// How far something is that takes a while.
    Part {
        /// A file's name, or a folder.
        what: &'a str,
        /// Units done, of `total`.
        done: u64,
        /// Units in all, at least 1.
        total: u64,
        /// What is counted: `bytes`, `pictures`.
        unit: &'static str,
    },
}

/// What can be told of training images before they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Number of images.
    pub images: usize,
    /// Size of each, of bytes.
    pub shape: ImageShape,
}

/// What [`load`] will most likely give as training images, where that takes no time to know: to get ready for
/// them meanwhile, no more.
pub fn expect(source: &str) -> Option<Expected> {
    // All that have names have MNIST's form.
    let named = names().any(|name| name == source).then_some(Expected {
        images: digits::TRAIN_IMAGES,
        shape: digits::SHAPE,
    });
    named.or_else(|| idx::expect(Path::new(source)))
}

/// The classes of Fashion-MNIST (Xiao, Rasul & Vollgraf 2017, table 2).
const FASHION: [&str; 10] = [
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
];

/// Reads the data set `source`: one of [`names`], or the path of a folder with
/// IDX files, of a folder with pictures, of a `.npy` or `.npz` file, or of a table (`.csv`, `.tsv`, or
/// `.gz` of both).
///
/// The names come first; a folder of such a name is reached as `./mnist`. `progress` gets
/// news where reading takes long.
///
/// ```
/// use elbo::data::{DataOptions, load};
/// use elbo::files::npy;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("mine.npy");
/// let values: Vec<f32> = (0..20 * 12).map(|i| i as f32 / 240.0).collect();
/// std::fs::write(&path, npy(&values, 12)?)?; // 20 rows of 12 values
///
/// let options = DataOptions {
///     image_size: Some((4, 3)),
///     test_fraction: 0.25,
///     ..DataOptions::default()
/// };
/// let dataset = load(&path.to_string_lossy(), &options, &mut |_| {})?;
/// assert_eq!((dataset.train.len(), dataset.test.len()), (15, 5));
/// assert_eq!(dataset.train.shape.to_string(), "4×3×1");
/// # Ok::<(), anyhow::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Config`] for an unknown source or an option out of range, [`Error::Data`] for files
/// that are not what they should be, [`Error::Io`] for what the system refuses to read.
pub fn load(
    source: &str,
    options: &DataOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Dataset> {
    let stored = load_stored(source, options, progress)?;
    look::look(stored, options, Path::new(source), progress)
}

/// Reads a data set as [`load`] does, and leaves its numbers as they are stored: no look at them, no scaling.
///
/// # Errors
///
/// Those of [`load`] that do not depend on what the numbers mean.
pub fn load_stored(
    source: &str,
    options: &DataOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Dataset> {
    options.check()?;
    let kind = Source::of(source)?;
    // With a trained model some options are the model's, whatever the source is.
    if options.reading.is_none() {
        kind.check(source::chosen(options).iter().map(String::as_str))?;
    }
    let path = Path::new(source);
    let name = name_of(path);
    let dataset = match kind {
        Source::Digits => {
            let (train, test) = (digits::TRAIN_IMAGES, digits::TEST_IMAGES);
            Ok(digits::generate(train, test, options.seed))
        }
        Source::Mnist => load_remote(&download::Remote::mnist(), options, progress),
        Source::FashionMnist => {
            let remote = download::Remote::fashion_mnist();
            let classes = FASHION.map(str::to_owned).to_vec();
            load_remote(&remote, options, progress).map(|dataset| Dataset { classes, ..dataset })
        }
        Source::Idx => idx::load(path, &name),
        Source::Pictures => folder::load(path, &name, options, progress),
        Source::Array => array::load(path, &name, options, progress),
        Source::Table => table::load(path, &name, options, progress),
    };
    in_files::place(dataset?, options, progress)?.check(options.whole, path)
}

fn load_remote(
    remote: &download::Remote,
    options: &DataOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Dataset> {
    let cache = match &options.downloads {
        Some(folder) => folder.clone(),
        None => crate::files::cache_folder()?,
    };
    let folder = download::fetch(remote, &options.mirrors, &cache, progress)?;
    idx::load(&folder, remote.name)?.check(false, &folder)
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
