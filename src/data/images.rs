//! Images in memory, or in files from which they are read as they are wanted.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Stored;
use super::in_files::InFiles;
use crate::error::Result;
use crate::host::check_memory;
use crate::shape::ImageShape;

/// Bytes of the images that are read from files at once where all are gone through.
const BLOCK: u64 = 32 << 20;
/// The same where they are large.
const MOST_BLOCK: u64 = 256 << 20;

/// Values of all images, image by image, each laid out as its [`ImageShape`] says.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// 0..=255, standing for 0..=1.
    Bytes(Vec<u8>),
    /// Taken as they are.
    Floats(Vec<f32>),
}

/// Where the values of images are.
#[derive(Clone, Debug)]
pub enum Storage {
    /// In memory, `[images, height, width, channels]`.
    Memory(Values),
    /// In files.
    Files(InFiles),
}

/// One split of a data set.
#[derive(Clone, Debug)]
pub struct Images {
    /// Size of each image.
    pub shape: ImageShape,
    /// Their values.
    pub storage: Storage,
    /// Class of each image, where the source has one.
    pub labels: Option<Vec<u32>>,
    /// Name of each image, where the source has one: a picture's path below its folder.
    pub names: Option<Vec<String>>,
    /// Place of each image in the array or the rows of the table that it was chosen from, counted from 0, where the
    /// source was split; otherwise that is its place here.
    pub rows: Option<Vec<usize>>,
    /// What the source holds the values as.
    pub stored: Stored,
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

    /// Bytes that the values take.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Floats(floats) => size_of_val(floats.as_slice()) as u64,
        }
    }

    /// Place of the first NaN or infinity; bytes hold none.
    pub fn first_non_finite(&self) -> Option<usize> {
        match self {
            Self::Bytes(_) => None,
            Self::Floats(floats) => floats.iter().position(|value| !value.is_finite()),
        }
    }

    /// The values as the model sees them; bytes become `byte / 255`.
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            Self::Bytes(bytes) => bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect(),
            Self::Floats(floats) => floats.clone(),
        }
    }

    /// The least and the greatest value as the model sees them (bytes over 255).
    ///
    /// `(0.0, 0.0)` without values. A NaN is skipped; see [`Values::first_non_finite`].
    pub fn range(&self) -> (f32, f32) {
        let range = match self {
            Self::Bytes(bytes) => {
                let least = bytes.iter().copied().min().unwrap_or(0);
                let most = bytes.iter().copied().max().unwrap_or(0);
                (f32::from(least) / 255.0, f32::from(most) / 255.0)
            }
            Self::Floats(floats) => floats.iter().fold(
                (f32::INFINITY, f32::NEG_INFINITY),
                |(least, most), &value| (least.min(value), most.max(value)),
            ),
        };
        if range.0 > range.1 { (0.0, 0.0) } else { range }
    }

    /// Those of some images of `size` values each.
    fn of(&self, size: usize, indices: &[usize]) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Bytes(gather(bytes, size, indices)),
            Self::Floats(floats) => Self::Floats(gather(floats, size, indices)),
        }
    }
}

impl Images {
    /// Images in memory, without labels and names.
    pub fn new(shape: ImageShape, values: Values) -> Self {
        let stored = match values {
            Values::Bytes(_) => Stored::BYTES,
            Values::Floats(_) => Stored::FLOATS,
        };
        Self {
            shape,
            storage: Storage::Memory(values),
            labels: None,
            names: None,
            rows: None,
            stored,
        }
    }

    /// Number of images; 0 where the shape holds no value.
    pub fn len(&self) -> usize {
        match &self.storage {
            Storage::Memory(values) => {
                let images = values.len().checked_div(self.shape.values());
                images.unwrap_or(0)
            }
            Storage::Files(files) => files.len(),
        }
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether they stay in their files.
    pub fn are_in_files(&self) -> bool {
        matches!(self.storage, Storage::Files(_))
    }

    /// Whether values are bytes, which stand for 0..=1.
    pub fn are_bytes(&self) -> bool {
        match &self.storage {
            Storage::Memory(values) => matches!(values, Values::Bytes(_)),
            Storage::Files(files) => files.are_bytes(),
        }
    }

    /// Bytes that the values take in memory.
    pub fn bytes(&self) -> u64 {
        let values = (self.len() as u64).saturating_mul(self.shape.values() as u64);
        match self.are_bytes() {
            true => values,
            false => values.saturating_mul(size_of::<f32>() as u64),
        }
    }

    /// All values, in memory.
    ///
    /// # Errors
    /// Those of [`Images::read`]; [`crate::Error::Device`] where there is no memory for all.
    pub fn values(&self) -> Result<Cow<'_, Values>> {
        match &self.storage {
            Storage::Memory(values) => Ok(Cow::Borrowed(values)),
            Storage::Files(files) => {
                let needs = format!("{} images of {}", self.len(), self.shape);
                check_memory(&needs, self.bytes(), "a split with fewer images")?;
                let all: Vec<usize> = (0..self.len()).collect();
                files.read(&all).map(Cow::Owned)
            }
        }
    }

    /// The same images, in memory.
    ///
    /// # Errors
    /// As [`Images::values`].
    pub fn in_memory(self) -> Result<Self> {
        let values = match self.storage {
            Storage::Memory(values) => values,
            Storage::Files(_) => self.values()?.into_owned(),
        };
        Ok(Self {
            storage: Storage::Memory(values),
            ..self
        })
    }

    /// Values of the images at `indices`, in that order.
    ///
    /// # Errors
    /// Of images in files, [`crate::Error::Data`] where a file is no longer what it was, [`crate::Error::Io`] where it
    /// cannot be read.
    ///
    /// # Panics
    /// If an index is not below [`Images::len`], as indexing a slice does.
    pub fn read(&self, indices: &[usize]) -> Result<Values> {
        match &self.storage {
            Storage::Memory(values) => Ok(values.of(self.shape.values(), indices)),
            Storage::Files(files) => files.read(indices),
        }
    }

    /// Gives all values to `take`, in order: those in memory at once, those in files some whole images after the other.
    ///
    /// # Errors
    /// As [`Images::read`]; those of `take`.
    pub(crate) fn each_block(&self, mut take: impl FnMut(&Values) -> Result<()>) -> Result<()> {
        let files = match &self.storage {
            Storage::Memory(values) => return take(values),
            Storage::Files(_) if self.is_empty() => return Ok(()),
            Storage::Files(files) => files,
        };
        // Enough for all threads, where that is not too much: pictures are decoded.
        let (size, threads) = (
            self.bytes() / self.len().max(1) as u64,
            rayon::current_num_threads(),
        );
        let least = (MOST_BLOCK / size).min(4 * threads as u64);
        let images = (BLOCK / size).max(least).max(1) as usize;
        let mut indices = Vec::with_capacity(images);
        for start in (0..self.len()).step_by(images) {
            indices.clear();
            indices.extend(start..(start + images).min(self.len()));
            take(&files.read(&indices)?)?;
        }
        Ok(())
    }

    /// The values of one image, `[height, width, channels]`; bytes become `byte / 255`.
    ///
    /// # Errors
    /// As [`Images::read`].
    ///
    /// # Panics
    /// As [`Images::read`].
    pub fn image_f32(&self, index: usize) -> Result<Vec<f32>> {
        Ok(self.read(&[index])?.to_f32())
    }

    /// The values of all images as the model sees them; bytes become `byte / 255`.
    ///
    /// # Errors
    /// As [`Images::values`].
    pub fn to_f32(&self) -> Result<Vec<f32>> {
        Ok(self.values()?.to_f32())
    }

    /// The first `count` images, or all where there are fewer.
    ///
    /// # Errors
    /// As [`Images::select`].
    pub fn first(&self, count: usize) -> Result<Self> {
        let indices: Vec<usize> = (0..count.min(self.len())).collect();
        self.select(&indices)
    }

    /// Indices of `count` images (of all where there are fewer) to show: classes take turns, in a random order, and so do
    /// the images of each; without labels all are one class. The same for a seed, everywhere and for ever.
    pub fn varied(&self, count: usize, seed: u64) -> Vec<usize> {
        let mut classes: Vec<(u32, Vec<usize>)> = Vec::new();
        let mut places = HashMap::new();
        for index in super::split::shuffled(self.len(), seed) {
            let class = self.labels.as_ref().map_or(0, |labels| labels[index]);
            let place = *places.entry(class).or_insert_with(|| {
                classes.push((class, Vec::new()));
                classes.len() - 1
            });
            classes[place].1.push(index);
        }
        let most = classes.iter().map(|(_, images)| images.len()).max();
        let turns = (0..most.unwrap_or(0)).flat_map(|turn| {
            let images = classes.iter();
            images.filter_map(move |(_, images)| images.get(turn).copied())
        });
        turns.take(count).collect()
    }

    /// The images at `indices`, in that order, without labels, names and rows: those in files stay there.
    ///
    /// # Errors
    /// As [`Images::read`].
    pub(super) fn part(&self, indices: &[usize]) -> Result<Self> {
        let storage = match &self.storage {
            Storage::Memory(_) => Storage::Memory(self.read(indices)?),
            Storage::Files(files) => Storage::Files(files.part(indices)),
        };
        Ok(Self {
            storage,
            stored: self.stored,
            ..Self::new(self.shape, Values::Bytes(Vec::new()))
        })
    }

    /// These images and then others of the same shape, in memory; with labels, names and rows if both have them.
    pub(super) fn followed_by(self, others: Self) -> Result<Self> {
        if self.is_empty() {
            return Ok(others);
        }
        let values = match (&*self.values()?, &*others.values()?) {
            (Values::Bytes(own), Values::Bytes(more)) => Values::Bytes([&own[..], more].concat()),
            (own, more) => Values::Floats([own.to_f32(), more.to_f32()].concat()),
        };
        Ok(Self {
            shape: self.shape,
            storage: Storage::Memory(values),
            labels: both(self.labels, others.labels),
            names: both(self.names, others.names),
            rows: both(self.rows, others.rows),
            stored: self.stored,
        })
    }

    /// The images at `indices`, in that order, in memory, with their labels, names and rows.
    ///
    /// # Errors
    /// As [`Images::read`].
    ///
    /// # Panics
    /// As [`Images::read`].
    pub fn select(&self, indices: &[usize]) -> Result<Self> {
        let of = |labels: &Vec<u32>| gather(labels, 1, indices);
        Ok(Self {
            shape: self.shape,
            storage: Storage::Memory(self.read(indices)?),
            labels: self.labels.as_ref().map(of),
            names: self.names.as_ref().map(|names| gather(names, 1, indices)),
            rows: self.rows.as_ref().map(|rows| gather(rows, 1, indices)),
            stored: self.stored,
        })
    }

    /// The least and the greatest value as the model sees them, as [`Values::range`].
    ///
    /// # Errors
    /// As [`Images::read`].
    pub fn value_range(&self) -> Result<(f32, f32)> {
        if let Storage::Files(files) = &self.storage
            && let Some(known) = files.range()
        {
            return Ok(known);
        }
        let mut range = None;
        self.each_block(|values| {
            let found = values.range();
            let joined = range.map_or(found, |known| super::scaling::join(known, found));
            range = Some(joined);
            Ok(())
        })?;
        Ok(range.unwrap_or_default())
    }
}

fn gather<T: Clone>(values: &[T], size: usize, indices: &[usize]) -> Vec<T> {
    let mut chosen = Vec::with_capacity(indices.len() * size);
    for &index in indices {
        chosen.extend_from_slice(&values[index * size..(index + 1) * size]);
    }
    chosen
}

/// One list and then another, if there are both.
fn both<T: Clone>(own: Option<Vec<T>>, more: Option<Vec<T>>) -> Option<Vec<T>> {
    own.zip(more).map(|(own, more)| [own, more].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(values: &[u8], labels: &[u32]) -> Images {
        Images {
            labels: Some(labels.to_vec()),
            ..Images::new(ImageShape::new(1, 2, 1), Values::Bytes(values.to_vec()))
        }
    }

    #[test]
    fn the_first_images_keep_their_values_and_labels() {
        let all = images(&[0, 51, 102, 255, 1, 2], &[7, 8, 9]);
        let two = all.first(2).expect("in memory");
        assert_eq!(
            *two.values().expect("in memory"),
            Values::Bytes(vec![0, 51, 102, 255])
        );
        assert_eq!(two.labels, Some(vec![7, 8]));
        assert_eq!(two.to_f32().expect("in memory"), [0.0, 0.2, 0.4, 1.0]);
        assert_eq!(all.first(10).expect("in memory").len(), 3);
    }

    #[test]
    fn images_to_show_are_of_all_classes_however_the_data_are_ordered() {
        let labels: Vec<u32> = (0..100).map(|i| i / 40).collect();
        let images = images(&[0; 200], &labels);
        let chosen = images.varied(6, 3);
        let mut classes: Vec<u32> = chosen.iter().map(|&i| labels[i]).collect();
        classes[..3].sort_unstable();
        classes[3..].sort_unstable();
        assert_eq!(classes, [0, 1, 2, 0, 1, 2]);
        assert_eq!(chosen, images.varied(6, 3));
        assert_ne!(chosen, images.varied(6, 4));
        let mut all = images.varied(1000, 3);
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        let unlabelled = Images::new(images.shape, Values::Bytes(vec![0; 200]));
        assert_ne!(unlabelled.varied(6, 3), [0, 1, 2, 3, 4, 5]);
        assert_eq!(unlabelled.varied(6, 3).len(), 6);
    }

    #[test]
    fn images_that_follow_others_keep_values_and_labels() {
        let all = images(&[1, 2], &[5]).followed_by(images(&[3, 4], &[6]));
        let all = all.expect("in memory");
        assert_eq!(
            *all.values().expect("in memory"),
            Values::Bytes(vec![1, 2, 3, 4])
        );
        assert_eq!(all.labels, Some(vec![5, 6]));
        let mixed = Images {
            storage: Storage::Memory(Values::Floats(vec![0.5, 2.0])),
            ..images(&[], &[7])
        };
        let all = images(&[0, 255], &[5]).followed_by(mixed);
        let expected = Values::Floats(vec![0.0, 1.0, 0.5, 2.0]);
        assert_eq!(
            *all.expect("in memory").values().expect("in memory"),
            expected
        );
    }
}
