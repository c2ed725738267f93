//! Extremes, ends and spreads of the values of images, in a few passes over them on all cores.
//!
//! A data set of 55 million bytes takes a few milliseconds: loops are over neighbouring values, so that they become
//! vector instructions. Work is shared out by columns or counted in whole numbers, so that no result depends on the
//! number of threads.

use rayon::prelude::*;

use super::{Images, Values};

/// Values of a row that one task looks after, at least.
const BLOCK: usize = 64;

/// The least and the greatest value, as stored, at each place of an image.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Extremes {
    least: Vec<f32>,
    most: Vec<f32>,
}

/// Mean and standard deviation of the values at one place of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Moments {
    pub(super) mean: f64,
    pub(super) deviation: f64,
}

impl Extremes {
    /// Of images that hold a value; `None` without any.
    pub(super) fn of(images: &Images) -> Option<Self> {
        let width = images.shape.values();
        if width == 0 || images.is_empty() {
            return None;
        }
        let (least, most) = match &images.values {
            Values::Bytes(bytes) => {
                let (least, most) = extremes(bytes, width);
                let floats = |bytes: Vec<u8>| bytes.into_iter().map(f32::from).collect();
                (floats(least), floats(most))
            }
            Values::Floats(floats) => extremes(floats, width),
        };
        Some(Self { least, most })
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
pub(super) fn count_ends(values: &Values, (least, most): (f32, f32)) -> [usize; 2] {
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

/// Mean and deviation of each column of rows of `width`, in double precision; of bytes as they are stored.
pub(super) fn moments(values: &Values, width: usize) -> Vec<Moments> {
    match values {
        Values::Bytes(bytes) => moments_of(bytes, width),
        Values::Floats(floats) => moments_of(floats, width),
    }
}

fn moments_of<T: Copy + Into<f64> + Send + Sync>(values: &[T], width: usize) -> Vec<Moments> {
    let rows = values.len().checked_div(width).unwrap_or(0).max(1) as f64;
    let mut found = vec![Moments::default(); width];
    let block = width
        .div_ceil(rayon::current_num_threads())
        .clamp(1, 4 * BLOCK);
    let blocks = found.par_chunks_mut(block).enumerate();
    blocks.for_each(|(index, columns)| {
        let each = |add: &mut dyn FnMut(usize, f64)| {
            for row in values.chunks_exact(width) {
                for (column, &value) in row[index * block..][..block.min(width - index * block)]
                    .iter()
                    .enumerate()
                {
                    add(column, value.into());
                }
            }
        };
        // The mean first: a difference of sums of squares would lose a small spread about a large mean.
        each(&mut |column, value| columns[column].mean += value);
        columns.iter_mut().for_each(|column| column.mean /= rows);
        each(&mut |column, value| {
            let column = &mut columns[column];
            column.deviation += (value - column.mean).powi(2);
        });
        for column in columns {
            column.deviation = (column.deviation / rows).sqrt();
        }
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::ImageShape;

    #[test]
    fn extremes_and_constants_are_those_of_each_place() {
        let shape = ImageShape::new(1, 3, 1);
        let bytes = Images::new(shape, Values::Bytes(vec![4, 7, 0, 4, 9, 255, 4, 8, 3]));
        let found = Extremes::of(&bytes).expect("values");
        assert_eq!(found.range(), (0.0, 255.0));
        assert_eq!(found.constant(), [0]);
        let floats = Images::new(shape, Values::Floats(vec![-2.0, 1.0, 5.0, 0.5, 1.0, 5.0]));
        let found = Extremes::of(&floats).expect("values");
        assert_eq!(found.range(), (-2.0, 5.0));
        assert_eq!(found.constant(), [1, 2]);
        assert_eq!(Extremes::of(&bytes.first(0)), None);
    }

    /// Wide rows are shared out in blocks; each length at which a block may begin or end.
    #[test]
    fn every_column_of_a_wide_row_is_looked_at() {
        for width in [1, 63, 64, 65, 127, 128, 129, 257, 1031] {
            let row = |add: usize| (0..width).map(move |i| ((i * 7 + add) % 251) as f32);
            let values: Vec<f32> = row(0).chain(row(3)).collect();
            let (least, most) = extremes(&values, width);
            let moments = moments_of(&values, width);
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
        let found = moments_of(&values, 1)[0];
        assert!((found.deviation - 0.5).abs() < 1e-9, "{found:?}");
    }
}
