//! Codes, and clusters of them to begin a fit with.

use rayon::prelude::*;

use super::Uniform;
use crate::rng::Purpose;

/// Rounds in which clusters are mended: few, as they are a beginning only.
const MOST_ROUNDS: usize = 20;
/// Codes of a piece of work.
const PIECE: usize = 1024;

/// Codes in f64 about their mean, without the dimensions in which they are all the same.
pub(super) struct Codes<'a> {
    values: &'a [f32],
    /// Dimensions of a code.
    latent: usize,
    /// Those in which codes differ.
    pub(super) varying: Vec<usize>,
    /// Mean of each dimension, `[latent]`.
    pub(super) mean: Vec<f64>,
    /// Variance of each of the varying dimensions.
    pub(super) variance: Vec<f64>,
}

impl<'a> Codes<'a> {
    /// Those of `values`, `[codes, latent]`, of which there is one at least.
    pub(super) fn new(values: &'a [f32], latent: usize) -> Self {
        let count = (values.len() / latent) as f64;
        let (mut mean, first) = (vec![0.0; latent], &values[..latent]);
        let mut varies = vec![false; latent];
        for code in values.chunks_exact(latent) {
            for (at, &value) in code.iter().enumerate() {
                mean[at] += f64::from(value);
                varies[at] |= value != first[at];
            }
        }
        for (at, mean) in mean.iter_mut().enumerate() {
            *mean = match varies[at] {
                true => *mean / count,
                false => first[at].into(),
            };
        }
        let mut codes = Self {
            values,
            latent,
            varying: (0..latent).filter(|&at| varies[at]).collect(),
            mean,
            variance: Vec::new(),
        };
        let mut squares = vec![0.0; codes.dims()];
        let mut row = vec![0.0; codes.dims()];
        for at in 0..codes.len() {
            codes.read(at, &mut row);
            for (sum, value) in squares.iter_mut().zip(&row) {
                *sum += value * value;
            }
        }
        codes.variance = squares.iter().map(|sum| sum / count).collect();
        codes
    }

    /// Number of codes.
    pub(super) fn len(&self) -> usize {
        self.values.len() / self.latent
    }

    /// Number of dimensions in which they differ.
    pub(super) fn dims(&self) -> usize {
        self.varying.len()
    }

    /// Value of a varying dimension of a code.
    #[inline(always)]
    pub(super) fn value(&self, code: usize, dim: usize) -> f64 {
        let at = self.varying[dim];
        f64::from(self.values[code * self.latent + at]) - self.mean[at]
    }

    fn read(&self, code: usize, row: &mut [f64]) {
        for (dim, value) in row.iter_mut().enumerate() {
            *value = self.value(code, dim);
        }
    }
}

/// A partition of codes.
pub(super) struct Clusters {
    /// The cluster of each code.
    pub(super) labels: Vec<usize>,
    /// Codes of each cluster; some may have none.
    pub(super) counts: Vec<usize>,
    /// Mean of each, `[clusters, dims]`.
    pub(super) centres: Vec<f64>,
}

impl Clusters {
    /// So many, by k-means (Lloyd 1982) from centres that are chosen one after another among the codes, each by its squared
    /// distance from the nearest one before it: k-means++ (Arthur & Vassilvitskii 2007).
    pub(super) fn of(codes: &Codes<'_>, count: usize, seed: u64) -> Self {
        let centres = first_centres(codes, count, seed);
        let mut clusters = Self {
            labels: vec![0; codes.len()],
            counts: vec![0; count],
            centres,
        };
        for _ in 0..MOST_ROUNDS {
            if !clusters.assign(codes) {
                break;
            }
            clusters.centre(codes);
        }
        clusters
    }

    /// Puts each code to the nearest centre, of equally near ones to the first; whether that changed anything. The sum of
    /// the counts is 0 before the first time.
    fn assign(&mut self, codes: &Codes<'_>) -> bool {
        let dims = codes.dims();
        let is_first = self.counts.iter().all(|&count| count == 0);
        let centres = &self.centres;
        let pieces = self.labels.par_chunks_mut(PIECE).enumerate();
        let changed = pieces.map(|(piece, labels)| {
            let mut row = vec![0.0; dims];
            let mut changed = false;
            for (at, label) in labels.iter_mut().enumerate() {
                codes.read(piece * PIECE + at, &mut row);
                let mut nearest = (f64::INFINITY, 0);
                for (number, centre) in centres.chunks_exact(dims).enumerate() {
                    let far = distance(&row, centre);
                    if far < nearest.0 {
                        nearest = (far, number);
                    }
                }
                changed |= *label != nearest.1;
                *label = nearest.1;
            }
            changed
        });
        changed.reduce(|| false, |a, b| a | b) || is_first
    }

    /// Moves each centre to the mean of its codes; one without any stays.
    fn centre(&mut self, codes: &Codes<'_>) {
        let dims = codes.dims();
        let mut sums = vec![0.0; self.centres.len()];
        self.counts.fill(0);
        for (code, &label) in self.labels.iter().enumerate() {
            self.counts[label] += 1;
            let sum = &mut sums[label * dims..][..dims];
            for (dim, sum) in sum.iter_mut().enumerate() {
                *sum += codes.value(code, dim);
            }
        }
        let each = self.centres.chunks_exact_mut(dims);
        for ((centre, sum), &count) in each.zip(sums.chunks_exact(dims)).zip(&self.counts) {
            if count > 0 {
                let mean = sum.iter().map(|sum| sum / count as f64);
                centre
                    .iter_mut()
                    .zip(mean)
                    .for_each(|(to, mean)| *to = mean);
            }
        }
    }

    /// Covariance within the clusters, `[dims, dims]`, its lower half.
    pub(super) fn within(&self, codes: &Codes<'_>) -> Vec<f64> {
        let dims = codes.dims();
        let mut sums = vec![0.0; dims * dims];
        let mut row = vec![0.0; dims];
        for (code, &label) in self.labels.iter().enumerate() {
            codes.read(code, &mut row);
            let centre = &self.centres[label * dims..][..dims];
            row.iter_mut().zip(centre).for_each(|(a, b)| *a -= b);
            for (i, sums) in sums.chunks_exact_mut(dims).enumerate() {
                let value = row[i];
                for (sum, other) in sums.iter_mut().zip(&row[..=i]) {
                    *sum += value * other;
                }
            }
        }
        let count = codes.len() as f64;
        sums.iter_mut().for_each(|sum| *sum /= count);
        sums
    }
}

/// Whether any piece changed; all of them are gone through.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b));
    squares.sum()
}

fn first_centres(codes: &Codes<'_>, count: usize, seed: u64) -> Vec<f64> {
    let dims = codes.dims();
    let mut uniform = Uniform::new(seed, Purpose::Fit, 0);
    let mut nearest = vec![1.0; codes.len()];
    let mut centres = vec![0.0; count * dims];
    for number in 0..count {
        // Where there are fewer different codes than centres, the last ones are the first code again, and have no codes.
        let chosen = uniform.choice(nearest.iter().copied());
        let centre = &mut centres[number * dims..][..dims];
        codes.read(chosen, centre);
        let pieces = nearest.par_chunks_mut(PIECE).enumerate();
        pieces.for_each(|(piece, nearest)| {
            let mut row = vec![0.0; dims];
            for (at, nearest) in nearest.iter_mut().enumerate() {
                codes.read(piece * PIECE + at, &mut row);
                let far = distance(&row, centre);
                *nearest = if number == 0 { far } else { nearest.min(far) };
            }
        });
    }
    centres
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_dimensions_are_left_out() {
        // 0.1 has no exact sum: a mean of it need not be it.
        let values: Vec<f32> = (0..1000).flat_map(|i| [0.1, i as f32, 7.0]).collect();
        let codes = Codes::new(&values, 3);
        assert_eq!((codes.len(), codes.dims()), (1000, 1));
        assert_eq!(codes.mean, [f64::from(0.1_f32), 499.5, 7.0]);
        assert_eq!(codes.value(3, 0), -496.5);
        // Of whole numbers below n: (n² − 1)/12.
        assert_eq!(codes.variance, [999_999.0 / 12.0]);
    }

    #[test]
    fn clusters_that_lie_apart_are_found_whatever_the_seed() {
        let corners = [[0.0, 0.0], [50.0, 0.0], [0.0, 50.0], [50.0, 50.0]];
        let values: Vec<f32> = (0..4000)
            .flat_map(|i| corners[i % 4].map(|at| at + (i / 4 % 7) as f32))
            .collect();
        let codes = Codes::new(&values, 2);
        for seed in 0..20 {
            let clusters = Clusters::of(&codes, 4, seed);
            assert_eq!(clusters.counts, [1000; 4], "{seed}");
            let labels = clusters.labels.iter().enumerate();
            for (code, label) in labels {
                assert_eq!(*label, clusters.labels[code % 4], "{seed}");
            }
            // The values 0 to 6 by turns: (49 − 1)/12, but for the last turn, which is not whole.
            let within = clusters.within(&codes);
            assert!((within[0] - 4.0).abs() < 0.02, "{within:?}");
            assert_eq!(within[0], within[2]);
        }
    }

    #[test]
    fn fewer_different_codes_than_clusters_leave_some_empty() {
        let values: Vec<f32> = (0..30).map(|i| (i % 3) as f32).collect();
        let clusters = Clusters::of(&Codes::new(&values, 1), 5, 1);
        let mut counts = clusters.counts.clone();
        counts.sort_unstable();
        assert_eq!(counts, [0, 0, 10, 10, 10]);
        assert_eq!(clusters.within(&Codes::new(&values, 1)), [0.0]);
    }
}
