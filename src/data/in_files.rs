//! Images that stay in the files they come from, and are read as they are wanted.

mod rows;

use std::fmt;
use std::sync::Arc;

pub(super) use rows::RowFile;

use super::{DataOptions, Dataset, Images, Progress, Reading, Stored, Values};
use crate::error::Result;
use crate::host::{Supply, gibibytes};

/// Files that hold images of one shape, each in its place.
pub(super) trait Files: Send + Sync {
    /// Values of the images in some places, as they are stored, in this order. On all threads.
    ///
    /// # Errors
    /// [`crate::Error::Data`] where a file is not what it was, [`crate::Error::Io`] where it cannot be read.
    fn read(&self, places: &[usize]) -> Result<Values>;
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

impl InFiles {
    /// The images in some places of files. `are_bytes` says whether their numbers are stored as bytes.
    pub(super) fn new(
        files: Arc<dyn Files>,
        places: impl Into<Arc<[usize]>>,
        stored: Stored,
        are_bytes: bool,
    ) -> Self {
        Self {
            files,
            places: places.into(),
            stored,
            reading: None,
            are_bytes,
            range: None,
        }
    }

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

/// Share of the memory that is left which images may take where nobody says how much: a device that has none of its own
/// takes as much again.
const SHARE: u64 = 2;

/// Why so many bytes of images are not to lie in memory; `None` where they may.
pub(super) fn bound(options: &DataOptions, bytes: u64) -> Option<String> {
    if let Some(most) = options.host_memory {
        return (bytes > most.0).then(|| format!("`host-memory = {most}`"));
    }
    let left = Supply::now()?;
    (bytes > left.bytes / SHARE)
        .then(|| format!("{} are left {}", gibibytes(left.bytes), left.bound))
}

/// Has images that are in files lie in memory, where that has room for all of them; otherwise says where they stay.
pub(super) fn place(
    mut dataset: Dataset,
    options: &DataOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Dataset> {
    if !dataset.splits().any(Images::are_in_files) {
        return Ok(dataset);
    }
    // Bytes that are scaled become floats.
    let is_scaled = options.scale.is_some()
        || options.standardize
        || options
            .reading
            .as_ref()
            .is_some_and(|reading| reading.scaling.is_some());
    let bytes = |images: &Images| match is_scaled && images.are_bytes() {
        true => images.bytes().saturating_mul(size_of::<f32>() as u64),
        false => images.bytes(),
    };
    let bytes = dataset.splits().map(bytes).fold(0, u64::saturating_add);
    if let Some(bound) = bound(options, bytes) {
        progress(Progress::Note(&format!(
            "the images stay in their files: they would take {} of memory, and {bound}",
            gibibytes(bytes)
        )));
        return Ok(dataset);
    }
    let in_memory = |images: Arc<Images>| Arc::unwrap_or_clone(images).in_memory().map(Arc::new);
    dataset.train = in_memory(dataset.train)?;
    dataset.test = in_memory(dataset.test)?;
    dataset.val = dataset.val.map(Images::in_memory).transpose()?;
    Ok(dataset)
}
