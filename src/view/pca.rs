//! Principal components (Pearson 1901; Hotelling 1933).

use crate::error::{Error, Result};

/// More latent dimensions than this take minutes.
const MOST_VALUES: usize = 2048;
/// Rotations stop where no two rows are further from a right angle than this cosine.
const RIGHT_ANGLE: f64 = 1e-13;
/// Jacobi's method converges quadratically; it has never been seen to take twenty sweeps.
const MOST_SWEEPS: usize = 60;

/// The two directions in which codes vary most.
#[derive(Clone, Debug)]
pub struct Plane {
    /// Mean of the codes.
    mean: Vec<f64>,
    /// Unit vectors at right angles, the one of more variance first; its largest value is positive.
    axes: [Vec<f64>; 2],
    /// Share of the whole variance that lies along each, 0 to 1.
    pub shares: [f64; 2],
}

impl Plane {
    /// That of `codes`, `[images, latent]`.
    ///
    /// # Errors
    /// As [`Plane::check`].
    pub fn of(codes: &[f32], latent: usize) -> Result<Self> {
        Self::check(latent)?;
        let (mean, covariance) = moments(codes, latent);
        let total: f64 = (0..latent).map(|i| covariance[i * latent + i]).sum();
        let mut components = eigen(covariance, latent, 2);
        let [first, second] = [components.remove(0), components.remove(0)];
        let share = |variance: f64| if total > 0.0 { variance / total } else { 0.0 };
        Ok(Self {
            mean,
            shares: [share(first.0), share(second.0)],
            axes: [first.1, second.1],
        })
    }

    /// Refuses codes of fewer than two dimensions, and of very many.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn check(latent: usize) -> Result<()> {
        match latent {
            2..=MOST_VALUES => Ok(()),
            _ => Err(Error::config(
                format!("a plane of codes of {latent} dimensions: expected 2 to {MOST_VALUES}"),
                "a model of fewer latent dimensions",
            )),
        }
    }

    /// Mean of the codes, which lies in the middle of the plane.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Unit vectors at right angles, the one of more variance first.
    pub fn axes(&self) -> [&[f64]; 2] {
        self.axes.each_ref().map(Vec::as_slice)
    }

    /// Where each of `codes` lies in the plane.
    pub fn project(&self, codes: &[f32]) -> Vec<[f64; 2]> {
        let place = |code: &[f32]| {
            self.axes.each_ref().map(|axis| {
                let parts = code.iter().zip(&self.mean).zip(axis);
                parts
                    .map(|((value, mean), along)| (f64::from(*value) - mean) * along)
                    .sum()
            })
        };
        codes.chunks_exact(self.mean.len()).map(place).collect()
    }
}

/// Mean, and covariance `[latent, latent]`, of `codes`.
fn moments(codes: &[f32], latent: usize) -> (Vec<f64>, Vec<f64>) {
    let count = (codes.len() / latent).max(1) as f64;
    let mut mean = vec![0.0; latent];
    for code in codes.chunks_exact(latent) {
        for (sum, &value) in mean.iter_mut().zip(code) {
            *sum += f64::from(value);
        }
    }
    mean.iter_mut().for_each(|sum| *sum /= count);
    let mut covariance = vec![0.0; latent * latent];
    let mut centred = vec![0.0; latent];
    for code in codes.chunks_exact(latent) {
        for ((value, &given), mean) in centred.iter_mut().zip(code).zip(&mean) {
            *value = f64::from(given) - mean;
        }
        for (row, &a) in covariance.chunks_exact_mut(latent).zip(&centred) {
            for (sum, &b) in row.iter_mut().zip(&centred) {
                *sum += a * b;
            }
        }
    }
    covariance.iter_mut().for_each(|sum| *sum /= count);
    (mean, covariance)
}

/// The `count` largest eigenvalues, the largest first, each with its unit vector, of a symmetric matrix without negative ones.
///
/// Jacobi's method on one side (Hestenes 1958): rows are turned in pairs until all are at right angles. Row i of the
/// result is then the i-th eigenvalue times its vector. Unlike the method on both sides it goes through memory in
/// order, and keeps one matrix.
fn eigen(mut matrix: Vec<f64>, size: usize, count: usize) -> Vec<(f64, Vec<f64>)> {
    for _ in 0..MOST_SWEEPS {
        let mut turned = false;
        for q in 1..size {
            let (above, from_q) = matrix.split_at_mut(q * size);
            let row_q = &mut from_q[..size];
            for row_p in above.chunks_exact_mut(size) {
                turned |= turn(row_p, row_q);
            }
        }
        if !turned {
            break;
        }
    }
    let mut found: Vec<(f64, Vec<f64>)> = matrix
        .chunks_exact(size)
        .map(|row| (row.iter().map(|v| v * v).sum::<f64>().sqrt(), row.to_vec()))
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    // Before vectors of no length are made up, each of which takes as long as all that came before.
    found.truncate(count);
    for at in 0..found.len() {
        let (before, rest) = found.split_at_mut(at);
        let (value, vector) = &mut rest[0];
        if *value > 0.0 {
            vector.iter_mut().for_each(|part| *part /= *value);
        } else {
            *vector = completing(before, size);
        }
        let largest =
            vector.iter().copied().fold(
                0.0_f64,
                |most, part| {
                    if part.abs() > most.abs() { part } else { most }
                },
            );
        if largest < 0.0 {
            vector.iter_mut().for_each(|part| *part = -*part);
        }
    }
    found
}

/// Turns two rows in their plane until they are at right angles; says whether they were not.
fn turn(p: &mut [f64], q: &mut [f64]) -> bool {
    let (mut square_p, mut square_q, mut product) = (0.0, 0.0, 0.0);
    for (a, b) in p.iter().zip(q.iter()) {
        square_p += a * a;
        square_q += b * b;
        product += a * b;
    }
    if product.abs() <= RIGHT_ANGLE * (square_p * square_q).sqrt() || product == 0.0 {
        return false;
    }
    // The smaller of the two angles, by its tangent.
    let half = (square_q - square_p) / (2.0 * product);
    let tangent = half.signum() / (half.abs() + half.hypot(1.0));
    let cosine = tangent.hypot(1.0).recip();
    let sine = cosine * tangent;
    for (a, b) in p.iter_mut().zip(q) {
        (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
    }
    true
}

/// A unit vector at right angles to all of `vectors`, of which there are fewer than `size`.
fn completing(vectors: &[(f64, Vec<f64>)], size: usize) -> Vec<f64> {
    let rests = (0..size).map(|axis| {
        let mut rest = vec![0.0; size];
        rest[axis] = 1.0;
        // Twice, as the first pass leaves rounding of the parts that it takes away.
        for (_, vector) in vectors.iter().chain(vectors) {
            let share: f64 = rest.iter().zip(vector).map(|(a, b)| a * b).sum();
            rest.iter_mut()
                .zip(vector)
                .for_each(|(a, b)| *a -= share * b);
        }
        let length = rest.iter().map(|v| v * v).sum::<f64>().sqrt();
        (length, rest)
    });
    let longest = rests.max_by(|a, b| a.0.total_cmp(&b.0));
    let (length, rest) = longest.unwrap_or((1.0, Vec::new()));
    rest.into_iter().map(|part| part / length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    fn assert_near(found: &[f64], expected: &[f64], tolerance: f64) {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() <= tolerance, "{found:?} {expected:?}");
        }
    }

    #[test]
    fn many_values_without_variance_take_no_time() {
        let plane = Plane::of(&[1.5; MOST_VALUES], MOST_VALUES).expect("a plane");
        assert_eq!(plane.shares, [0.0; 2]);
        let length = |axis: &[f64]| axis.iter().map(|v| v * v).sum::<f64>();
        assert_near(
            &plane.axes.each_ref().map(|axis| length(axis)),
            &[1.0; 2],
            1e-12,
        );
    }

    #[test]
    fn eigenvectors_of_a_matrix_by_hand_are_found() {
        // 2 + √2, 2 and 2 − √2, with (1, √2, 1)/2, (1, 0, −1)/√2 and (1, −√2, 1)/2.
        let matrix = vec![2.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0, 1.0, 2.0];
        let found = eigen(matrix, 3, 3);
        let (root, half) = (2_f64.sqrt(), 0.5);
        let values: Vec<f64> = found.iter().map(|(value, _)| *value).collect();
        assert_near(&values, &[2.0 + root, 2.0, 2.0 - root], 1e-14);
        assert_near(&found[0].1, &[half, half * root, half], 1e-14);
        let sign = found[1].1[0].signum();
        assert_near(
            &found[1].1,
            &[sign * half * root, 0.0, -sign * half * root],
            1e-14,
        );
        assert_near(&found[2].1, &[-half, half * root, -half], 1e-14);
    }

    #[test]
    fn eigenvectors_rebuild_a_random_covariance_of_prime_size() {
        let size = 37;
        let mut stream = Stream::new(3, Purpose::Tuning, 0);
        let codes: Vec<f32> = (0..size * 60)
            .map(|i| stream.normal() * (1 + i % size) as f32)
            .collect();
        let (_, covariance) = moments(&codes, size);
        let found = eigen(covariance.clone(), size, size);
        let mut rebuilt = vec![0.0; size * size];
        for (value, vector) in &found {
            for (row, a) in rebuilt.chunks_exact_mut(size).zip(vector) {
                row.iter_mut()
                    .zip(vector)
                    .for_each(|(sum, b)| *sum += value * a * b);
            }
        }
        // Rounding of the largest value, some 40 terms to a sum.
        assert_near(&rebuilt, &covariance, 40.0 * f64::EPSILON * found[0].0);
        for (i, (_, a)) in found.iter().enumerate() {
            for (j, (_, b)) in found.iter().enumerate() {
                let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                assert_near(&[product], &[f64::from(u8::from(i == j))], 1e-12);
            }
        }
        assert!(found.windows(2).all(|pair| pair[0].0 >= pair[1].0));
    }

    #[test]
    fn a_plane_by_hand_is_found() {
        // Variance 8 along (3, 4)/5, 2 along (−4, 3)/5, and 0 along the third axis, about (1, 2, 3).
        let (a, b) = ([0.6, 0.8], [-0.8, 0.6]);
        let mut codes = Vec::new();
        for (along, across) in [(4.0, 0.0), (-4.0, 0.0), (0.0, 2.0), (0.0, -2.0)] {
            codes.push((1.0 + along * a[0] + across * b[0]) as f32);
            codes.push((2.0 + along * a[1] + across * b[1]) as f32);
            codes.push(3.0);
        }
        let plane = Plane::of(&codes, 3).expect("three values");
        assert_near(&plane.shares, &[0.8, 0.2], 1e-6);
        assert_near(&plane.axes[0], &[0.6, 0.8, 0.0], 1e-6);
        assert_near(
            &plane.axes[1].iter().map(|v| v.abs()).collect::<Vec<_>>(),
            &[0.8, 0.6, 0.0],
            1e-6,
        );
        let places = plane.project(&codes);
        assert_near(&[places[0][0], places[1][0]], &[4.0, -4.0], 1e-6);
        assert_near(&[places[2][1].abs(), places[2][0]], &[2.0, 0.0], 1e-6);
    }

    #[test]
    fn codes_that_are_all_alike_or_on_a_line_still_have_a_plane() {
        let alike = Plane::of(&[1.5; 12], 3).expect("three values");
        assert_eq!(alike.shares, [0.0, 0.0]);
        assert!(
            alike
                .project(&[1.5; 12])
                .iter()
                .all(|place| *place == [0.0, 0.0])
        );
        let line: Vec<f32> = (0..5).flat_map(|i| [i as f32, -(i as f32), 0.0]).collect();
        let plane = Plane::of(&line, 3).expect("three values");
        assert_near(&plane.shares, &[1.0, 0.0], 1e-12);
        let [first, second] = &plane.axes;
        let product: f64 = first.iter().zip(second).map(|(a, b)| a * b).sum();
        let square: f64 = second.iter().map(|v| v * v).sum();
        assert_near(&[product, square], &[0.0, 1.0], 1e-12);
    }

    #[test]
    fn a_single_value_has_no_plane() {
        assert!(Plane::of(&[1.0, 2.0], 1).is_err());
    }
}
