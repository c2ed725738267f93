//! Images in memory.

use std::collections::HashMap;

use super::Stored;
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
}

impl Images {
    /// Images without labels and names.
    pub fn new(shape: ImageShape, values: Values) -> Self {
        let stored = match values {
            Values::Bytes(_) => Stored::BYTES,
            Values::Floats(_) => Stored::FLOATS,
        };
        Self {
            shape,
            values,
            labels: None,
            names: None,
            rows: None,
            stored,
        }
    }

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
        self.select(&[index]).to_f32()
    }

    /// The values of all images as the model sees them; bytes become `byte / 255`.
    pub fn to_f32(&self) -> Vec<f32> {
        self.values.to_f32()
    }

    /// The first `count` images, or all where there are fewer.
    pub fn first(&self, count: usize) -> Self {
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

    /// These images and then others of the same shape; with labels, names and rows if both have them.
    pub(super) fn followed_by(self, others: Self) -> Self {
        let values = match (self.values, others.values) {
            (Values::Bytes(mut bytes), Values::Bytes(more)) => {
                bytes.extend(more);
                Values::Bytes(bytes)
            }
            (own, more) => Values::Floats([own.to_f32(), more.to_f32()].concat()),
        };
        Self {
            shape: self.shape,
            values,
            labels: both(self.labels, others.labels),
            names: both(self.names, others.names),
            rows: both(self.rows, others.rows),
            stored: self.stored,
        }
    }

    /// The images at `indices`, in that order, with their labels, names and rows.
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
            names: self.names.as_ref().map(|names| gather(names, 1, indices)),
            rows: self.rows.as_ref().map(|rows| gather(rows, 1, indices)),
            stored: self.stored,
        }
    }

    /// The least and the greatest value as the model sees them (bytes over 255).
    ///
    /// `(0.0, 0.0)` without values. A NaN is skipped; see [`Images::first_non_finite`].
    pub fn value_range(&self) -> (f32, f32) {
        let range = match &self.values {
            Values::Bytes(bytes) => {
                let least = bytes.iter().copied().min().unwrap_or(0);
                let most = bytes.iter().copied().max().unwrap_or(0);
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
        let at = self.values.first_non_finite()?;
        let size = self.shape.values();
        Some((at.checked_div(size)?, at.checked_rem(size)?))
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
        let two = all.first(2);
        assert_eq!(two.values, Values::Bytes(vec![0, 51, 102, 255]));
        assert_eq!(two.labels, Some(vec![7, 8]));
        assert_eq!(two.to_f32(), [0.0, 0.2, 0.4, 1.0]);
        assert_eq!(all.first(10).len(), 3);
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
        let unlabelled = Images::new(images.shape, images.values);
        assert_ne!(unlabelled.varied(6, 3), [0, 1, 2, 3, 4, 5]);
        assert_eq!(unlabelled.varied(6, 3).len(), 6);
    }

    #[test]
    fn images_that_follow_others_keep_values_and_labels() {
        let all = images(&[1, 2], &[5]).followed_by(images(&[3, 4], &[6]));
        assert_eq!(all.values, Values::Bytes(vec![1, 2, 3, 4]));
        assert_eq!(all.labels, Some(vec![5, 6]));
        let mixed = Images {
            values: Values::Floats(vec![0.5, 2.0]),
            ..images(&[], &[7])
        };
        let all = images(&[0, 255], &[5]).followed_by(mixed);
        assert_eq!(all.values, Values::Floats(vec![0.0, 1.0, 0.5, 2.0]));
    }
}
