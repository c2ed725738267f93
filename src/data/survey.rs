//! Extremes, ends and spreads of the values of images, in a few passes over them on all cores.
//!
//! A data set of 55 million bytes takes a few milliseconds: loops are over neighbouring values, so that they become
//! vector instructions. Work is shared out by columns or counted in whole numbers, so that no result depends on the
//! number of threads.

use rayon::prelude::*;

use super::{Images, Values};
use crate::error::Result;

/// Values of a row that one task looks after, at least.
const BLOCK: usize = 64;

/// What one pass over a split finds: its values are as they are stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Survey {
    pub(super) extremes: Extremes,
    /// The least and the greatest value, and how many there are of each.
    ends: [(f32, usize); 2],
    /// Whether every image is the same as the first.
    pub(super) are_alike: bool,
}

impl Survey {
    /// Of images that hold a value; `None` without any. `pass` gets all values, some whole images after the other.
    ///
    /// # Errors
    /// Those of [`Images::read`].
    pub(super) fn of(images: &Images, mut pass: impl FnMut(&Values)) -> Result<Option<Self>> {
        let width = images.shape.values();
        if width == 0 || images.is_empty() {
            return Ok(None);
        }
        let mut all: Option<Self> = None;
        let first = images.read(&[0])?;
        images.each_block(|values| {
            pass(values);
            let block = Self::of_block(values, &first, width);
            all = Some(match all.take() {
                Some(known) => known.and(block),
                None => block,
            });
            Ok(())
        })?;
        Ok(all)
    }

    fn of_block(values: &Values, first: &Values, width: usize) -> Self {
        let extremes = Extremes::of(values, width);
        let range = extremes.range();
        let [least, most] = count_ends(values, range);
        Self {
            extremes,
            ends: [(range.0, least), (range.1, most)],
            are_alike: match (values, first) {
                (Values::Bytes(values), Values::Bytes(first)) => repeats(values, first),
                (Values::Floats(values), Values::Floats(first)) => repeats(values, first),
                _ => false,
            },
        }
    }

    /// Of these images and others of their split.
    fn and(self, other: Self) -> Self {
        let [least, most] = self.ends;
        let [other_least, other_most] = other.ends;
        let joined =
            |own: (f32, usize), other: (f32, usize), is_beyond: bool| match own.0 == other.0 {
                true => (own.0, own.1 + other.1),
                false if is_beyond => other,
                false => own,
            };
        Self {
            extremes: self.extremes.with(other.extremes),
            ends: [
                joined(least, other_least, other_least.0 < least.0),
                joined(most, other_most, other_most.0 > most.0),
            ],
            are_alike: self.are_alike && other.are_alike,
        }
    }

    /// The least and the greatest value.
    pub(super) fn range(&self) -> (f32, f32) {
        (self.ends[0].0, self.ends[1].0)
    }

    /// How many values are equal to the least and the greatest one of all splits.
    pub(super) fn at_ends(&self, (least, most): (f32, f32)) -> [usize; 2] {
        let count = |(end, count): (f32, usize), wanted| if end == wanted { count } else { 0 };
        [count(self.ends[0], least), count(self.ends[1], most)]
    }
}

/// Whether values are those of an image again and again.
fn repeats<T: PartialEq>(values: &[T], image: &[T]) -> bool {
    values.chunks(image.len()).all(|other| other == image)
}

/// The least and the greatest value, as stored, at each place of an image.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Extremes {
    least: Vec<f32>,
    most: Vec<f32>,
    /// Whether they are stored as bytes.
    are_bytes: bool,
}

/// Mean and standard deviation of the values at one place of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Moments {
    pub(super) mean: f64,
    pub(super) deviation: f64,
}

impl Extremes {
    /// Of images of `width` values, of which there is at least one.
    fn of(values: &Values, width: usize) -> Self {
        let (least, most) = match values {
            Values::Bytes(bytes) => {
                let (least, most) = extremes(bytes, width);
                let floats = |bytes: Vec<u8>| bytes.into_iter().map(f32::from).collect();
                (floats(least), floats(most))
            }
            Values::Floats(floats) => extremes(floats, width),
        };
        Self {
            least,
            most,
            are_bytes: matches!(values, Values::Bytes(_)),
        }
    }

    /// Those of both.
    pub(super) fn with(mut self, other: Self) -> Self {
        for (least, other) in self.least.iter_mut().zip(other.least) {
            *least = least.min(other);
        }
        for (most, other) in self.most.iter_mut().zip(other.most) {
            *most = most.max(other);
        }
        self
    }

    /// The least and the greatest value at any place.
    pub(super) fn range(&self) -> (f32, f32) {
        let least = self.least.iter().copied().fold(f32::INFINITY, f32::min);
        let most = self.most.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        (least, most)
    }

    /// Two images: the least values, and the greatest ones.
    pub(super) fn as_images(&self) -> Values {
        let values = [&self.least[..], &self.most].concat();
        match self.are_bytes {
            true => Values::Bytes(values.into_iter().map(|value| value as u8).collect()),
            false => Values::Floats(values),
        }
    }

    /// Places at which all images have the same value.
    pub(super) fn constant(&self) -> Vec<usize> {
        let places = self.least.iter().zip(&self.most).enumerate();
        places
            .filter_map(|(place, (least, most))| (least == most).then_some(place))
            .collect()
    }
}

/// Least and greatest value of each column of rows of `width`, of which there is at least one.
fn extremes<T: Copy + PartialOrd + Send + Sync>(values: &[T], width: usize) -> (Vec<T>, Vec<T>) {
    let first = values[..width].to_vec();
    let (mut least, mut most) = (first.clone(), first);
    let block = width.div_ceil(rayon::current_num_threads()).max(BLOCK);
    let blocks = least.par_chunks_mut(block).zip(most.par_chunks_mut(block));
    blocks.enumerate().for_each(|(index, (least, most))| {
        for row in values.chunks_exact(width) {
            let row = &row[index * block..][..least.len()];
            for ((least, most), &value) in least.iter_mut().zip(most.iter_mut()).zip(row) {
                *least = if value < *least { value } else { *least };
                *most = if value > *most { value } else { *most };
            }
        }
    });
    (least, most)
}

/// How many values are equal to each of two numbers.
fn count_ends(values: &Values, (least, most): (f32, f32)) -> [usize; 2] {
    match values {
        Values::Bytes(bytes) => {
            // A number that is no byte is none of them.
            let count = |end: f32| match f32::from(end as u8) == end {
                true => count(bytes, end as u8),
                false => 0,
            };
            [count(least), count(most)]
        }
        Values::Floats(floats) => [count(floats, least), count(floats, most)],
    }
}

fn count<T: Copy + PartialEq + Send + Sync>(values: &[T], wanted: T) -> usize {
    /// As many as a byte can count.
    const RUN: usize = 255;
    let equal = |run: &[T]| {
        let found = run.iter().map(|&value| u8::from(value == wanted));
        usize::from(found.sum::<u8>())
    };
    let chunks = values.par_chunks(RUN << 8);
    chunks
        .map(|chunk| chunk.chunks(RUN).map(equal).sum::<usize>())
        .sum()
}

/// Mean and deviation at each place of an image, in double precision; of bytes as they are stored.
///
/// # Errors
/// Those of [`Images::read`].
pub(super) fn moments(images: &Images) -> Result<Vec<Moments>> {
    let width = images.shape.values();
    let count = images.len().max(1) as f64;
    let mut found = vec![Moments::default(); width];
    // The mean first: a difference of sums of squares would lose a small spread about a large mean.
    images.each_block(|values| {
        each_column(values, &mut found, |column, value| column.mean += value);
        Ok(())
    })?;
    found.iter_mut().for_each(|column| column.mean /= count);
    images.each_block(|values| {
        each_column(values, &mut found, |column, value| {
            column.deviation += (value - column.mean).powi(2);
        });
        Ok(())
    })?;
    for column in &mut found {
        column.deviation = (column.deviation / count).sqrt();
    }
    Ok(found)
}

/// Adds the values at each place of an image, in their order.
fn each_column(
    values: &Values,
    found: &mut [Moments],
    add: impl Fn(&mut Moments, f64) + Send + Sync,
) {
    match values {
        Values::Bytes(bytes) => each_column_of(bytes, found, add),
        Values::Floats(floats) => each_column_of(floats, found, add),
    }
}

fn each_column_of<T: Copy + Into<f64> + Send + Sync>(
    values: &[T],
    found: &mut [Moments],
    add: impl Fn(&mut Moments, f64) + Send + Sync,
) {
    let width = found.len();
    let block = width
        .div_ceil(rayon::current_num_threads())
        .clamp(1, 4 * BLOCK);
    let blocks = found.par_chunks_mut(block).enumerate();
    blocks.for_each(|(index, columns)| {
        for row in values.chunks_exact(width) {
            let row = &row[index * block..][..columns.len()];
            for (column, &value) in columns.iter_mut().zip(row) {
                add(column, value.into());
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::ImageShape;

    #[test]
    fn extremes_and_constants_are_those_of_each_place() {
        let shape = ImageShape::new(1, 3, 1);
        let bytes = Images::new(shape, Values::Bytes(vec![4, 7, 0, 4, 9, 255, 4, 8, 3]));
        let of = |images: &Images| {
            Survey::of(images, |_| ())
                .expect("in memory")
                .map(|found| found.extremes)
        };
        let found = of(&bytes).expect("values");
        assert_eq!(found.range(), (0.0, 255.0));
        assert_eq!(found.constant(), [0]);
        let floats = Images::new(shape, Values::Floats(vec![-2.0, 1.0, 5.0, 0.5, 1.0, 5.0]));
        let found = of(&floats).expect("values");
        assert_eq!(found.range(), (-2.0, 5.0));
        assert_eq!(found.constant(), [1, 2]);
        assert_eq!(of(&bytes.first(0).expect("none")), None);
    }

    /// Wide rows are shared out in blocks; each length at which a block may begin or end.
    #[test]
    fn every_column_of_a_wide_row_is_looked_at() {
        for width in [1, 63, 64, 65, 127, 128, 129, 257, 1031] {
            let row = |add: usize| (0..width).map(move |i| ((i * 7 + add) % 251) as f32);
            let values: Vec<f32> = row(0).chain(row(3)).collect();
            let (least, most) = extremes(&values, width);
            let shape = ImageShape::new(1, width, 1);
            let images = Images::new(shape, Values::Floats(values));
            let moments = moments(&images).expect("in memory");
            for (i, (a, b)) in row(0).zip(row(3)).enumerate() {
                assert_eq!((least[i], most[i]), (a.min(b), a.max(b)), "{i} of {width}");
                assert_eq!(moments[i].mean, f64::from(a + b) / 2.0, "{i} of {width}");
                let deviation = f64::from((a - b).abs()) / 2.0;
                assert!((moments[i].deviation - deviation).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn ends_are_counted_beyond_what_a_byte_holds() {
        let zeros = [vec![0; 100_003], vec![255; 517], vec![7; 70_000]].concat();
        let ends = |values: &Values| count_ends(values, (0.0, 255.0));
        let floats = zeros.iter().map(|&byte| f32::from(byte)).collect();
        assert_eq!(ends(&Values::Bytes(zeros)), [100_003, 517]);
        assert_eq!(ends(&Values::Floats(floats)), [100_003, 517]);
        assert_eq!(
            count_ends(&Values::Bytes(vec![0, 1]), (-1.0, 0.5)),
            [0, 0],
            "no bytes"
        );
    }

    #[test]
    fn a_small_spread_about_a_large_mean_is_kept() {
        let values: Vec<f32> = (0..1000).map(|i| 1e6 + (i % 2) as f32).collect();
        let images = Images::new(ImageShape::new(1, 1, 1), Values::Floats(values));
        let found = moments(&images).expect("in memory")[0];
        assert!((found.deviation - 0.5).abs() < 1e-9, "{found:?}");
    }

    /// Whatever block an image is in.
    #[test]
    fn a_survey_of_parts_is_that_of_all() {
        let first = Values::Bytes(vec![3, 9]);
        let whole = vec![3, 9, 3, 9, 1, 9, 3, 9, 9, 1, 3, 12];
        let of = |values: &[u8]| Survey::of_block(&Values::Bytes(values.to_vec()), &first, 2);
        let all = of(&whole);
        assert_eq!(all.at_ends((1.0, 12.0)), [2, 1]);
        assert_eq!(all.at_ends((0.0, 12.0)), [0, 1]);
        for cut in (2..whole.len()).step_by(2) {
            let (one, other) = whole.split_at(cut);
            assert_eq!(of(one).and(of(other)), all, "{cut}");
        }
        assert!(!all.are_alike && of(&whole[..4]).are_alike);
        assert!(!of(&whole[..4]).and(of(&whole[4..])).are_alike);
    }
}
