//! Images that stay in the files they come from, and are read as they are wanted.

mod rows;

use std::fmt;
use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

pub(super) use rows::RowFile;

use super::{DataOptions, Dataset, Images, Progress, Reading, Storage, Stored, Values};
use crate::error::{Error, Result};
use crate::host::{Supply, check_memory, in_words};
use crate::shape::ImageShape;

/// Files that hold images of one shape, each in its place.
pub(super) trait Files: Send + Sync {
    /// Values of the images in some places, as they are stored, in this order. On all threads.
    ///
    /// # Errors
    /// [`crate::Error::Data`] where a file is not what it was, [`crate::Error::Io`] where it cannot be read.
    fn read(&self, places: &[usize]) -> Result<Values>;
}

/// What tells a file from what it becomes when somebody writes to it.
#[derive(PartialEq, Eq)]
pub(super) struct State {
    bytes: u64,
    changed: Option<SystemTime>,
}

impl State {
    /// That of a file of which the system says so.
    ///
    /// # Errors
    /// [`Error::Io`] with the system's reason.
    pub(super) fn of(file: io::Result<Metadata>, path: &Path) -> Result<Self> {
        let file = file.map_err(Error::io(path, "look at it"))?;
        Ok(Self {
            bytes: file.len(),
            changed: file.modified().ok(),
        })
    }
}

/// Images of one split in files.
#[derive(Clone)]
pub struct InFiles {
    files: Arc<dyn Files>,
    /// The place of each in the files.
    places: Arc<[usize]>,
    stored: Stored,
    /// How stored numbers become the values that a model sees.
    reading: Option<Arc<Reading>>,
    /// Whether these are bytes.
    are_bytes: bool,
    /// The least and the greatest of them, where they have been looked at.
    range: Option<(f32, f32)>,
}

impl Images {
    /// The images in some places of files, without labels and names: what their numbers are, and whether these are bytes.
    pub(super) fn in_files(
        shape: ImageShape,
        files: Arc<dyn Files>,
        places: Vec<usize>,
        (stored, are_bytes): (Stored, bool),
    ) -> Self {
        let storage = InFiles {
            files,
            places: places.into(),
            stored,
            reading: None,
            are_bytes,
            range: None,
        };
        Self {
            storage: Storage::Files(storage),
            stored,
            ..Self::new(shape, Values::Bytes(Vec::new()))
        }
    }
}

impl InFiles {
    /// From now on numbers are read as values that a model sees, which have this range.
    pub(super) fn read_as(&mut self, reading: &Reading, range: (f32, f32)) {
        let none = match self.are_bytes {
            true => Values::Bytes(Vec::new()),
            false => Values::Floats(Vec::new()),
        };
        self.are_bytes = matches!(reading.used(none, self.stored), Values::Bytes(_));
        self.reading = Some(Arc::new(reading.clone()));
        self.range = Some(range);
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn are_bytes(&self) -> bool {
        self.are_bytes
    }

    pub(super) fn range(&self) -> Option<(f32, f32)> {
        self.range
    }

    /// Some of these images.
    pub(super) fn part(&self, indices: &[usize]) -> Self {
        Self {
            places: indices.iter().map(|&index| self.places[index]).collect(),
            ..self.clone()
        }
    }

    /// Values of some images.
    pub(super) fn read(&self, indices: &[usize]) -> Result<Values> {
        let places: Vec<usize> = indices.iter().map(|&index| self.places[index]).collect();
        let values = self.files.read(&places)?;
        Ok(match &self.reading {
            Some(reading) => reading.used(values, self.stored),
            None => values,
        })
    }
}

impl fmt::Debug for InFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} images in files", self.len())
    }
}

/// Share of the memory that is left which the images of all processes may take where nobody says how much: a device that
/// has none of its own takes as much again.
const SHARE: u64 = 2;

/// Bytes of so many values in memory. Stored bytes that are to be scaled become floats.
fn bytes(options: &DataOptions, values: usize, are_bytes: bool) -> u64 {
    let scaling = options
        .reading
        .as_ref()
        .map(|reading| reading.scaling.is_some());
    let is_scaled = scaling.unwrap_or(options.scale.is_some() || options.standardize);
    let size = match are_bytes && !is_scaled {
        true => 1,
        false => size_of::<f32>() as u64,
    };
    (values as u64).saturating_mul(size)
}

/// Why so many values are not to lie in memory; `None` where they may.
pub(super) fn bound(options: &DataOptions, values: usize, are_bytes: bool) -> Option<String> {
    let bytes = bytes(options, values, are_bytes);
    let (most, of) = match options.host_memory {
        Some(given) => (given.0, format!("`host-memory = {given}` is given")),
        None => {
            let left = Supply::now()?;
            let most = left.bytes / SHARE / options.processes.max(1) as u64;
            let of = format!(
                "{} are for images of the {} left {}",
                in_words(most),
                in_words(left.bytes),
                left.bound
            );
            (most, of)
        }
    };
    (bytes > most).then(|| format!("they would take {} of memory, and {of}", in_words(bytes)))
}

/// Refuses values which have to lie in memory where that is more than they may take.
///
/// # Errors
/// [`Error::Config`] by [`DataOptions::host_memory`].
pub(super) fn check_given(options: &DataOptions, values: usize, are_bytes: bool) -> Result<()> {
    let given = options.host_memory;
    match given.and_then(|_| bound(options, values, are_bytes)) {
        Some(bound) => Err(Error::config(
            format!(
                "these images cannot stay in their file: {bound}; only those of .npy files in C order, IDX files without .gz \
                 and pictures can"
            ),
            "more memory, or another form: `np.save('images.npy', np.ascontiguousarray(x))`, or the files of IDX unpacked \
             by gunzip",
        )),
        None => Ok(()),
    }
}

/// Has images that are in files lie in memory, where that has room for all of them; otherwise says where they stay.
///
/// # Errors
/// [`Error::Config`] where images that are in memory already take more than they may; those of [`Images::in_memory`].
pub(super) fn place(
    mut dataset: Dataset,
    options: &DataOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Dataset> {
    let (files, memory): (Vec<&Images>, Vec<&Images>) =
        dataset.splits().partition(|images| images.are_in_files());
    let values = |of: &[&Images]| -> usize {
        let values = of.iter().map(|images| images.len() * images.shape.values());
        values.sum()
    };
    let are_bytes = |of: &[&Images]| of.iter().all(|images| images.are_bytes());
    check_given(options, values(&memory), are_bytes(&memory))?;
    if files.is_empty() {
        return Ok(dataset);
    }
    let Some(bound) = bound(options, values(&files), are_bytes(&files)) else {
        let needed = bytes(options, values(&files), are_bytes(&files));
        let hint = match options.host_memory {
            Some(_) => {
                "less `host-memory = …`, or none: images that do not fit stay in their files"
            }
            None => "fewer images",
        };
        check_memory("the images", needed, hint)?;
        let in_memory =
            |images: Arc<Images>| Arc::unwrap_or_clone(images).in_memory().map(Arc::new);
        dataset.train = in_memory(dataset.train)?;
        dataset.test = in_memory(dataset.test)?;
        dataset.val = dataset.val.map(Images::in_memory).transpose()?;
        return Ok(dataset);
    };
    // Whoever has a trained model looks at a split, which then comes into memory.
    if options.reading.is_none() {
        progress(Progress::Note(&format!(
            "the images stay in their files: {bound}"
        )));
    }
    Ok(dataset)
}
