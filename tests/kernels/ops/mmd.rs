//! Cases of the kernels of `mmd`.

use ::elbo::ops::mmd::{BACKWARD, KERNEL, SCALES, backward_call, call};

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::{Tolerance, walk};

/// The kernel and its slope at a squared distance.
fn kernel(latent: usize, square: f64) -> [f64; 2] {
    let widths = SCALES.map(|scale| 2.0 * latent as f64 * scale);
    [
        widths.iter().map(|c| c / (c + square)).sum(),
        widths.iter().map(|c| c / (c + square).powi(2)).sum(),
    ]
}

/// A quotient within 2.5 ULP and a product: the error of one of the seven values of a kernel.
const TERM_ERROR: f64 = 2.0 * 2.5 + 1.0;

/// Twice a quotient, three products and the chain of the sum: the error of a slope.
const SLOPE_ERROR: f64 = 2.0 * 2.0 * 2.5 + 5.0 + 7.0;

fn cases_of(name: &str, rows: usize, latent: usize, z: &[f32]) -> Vec<Case> {
    let draws = values(3, rows * latent, -2.0, 2.0);
    let square = |a: &[f32], b: &[f32], i: usize, k: usize| {
        let pairs = a[i * latent..][..latent]
            .iter()
            .zip(&b[k * latent..][..latent]);
        pairs
            .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
            .sum::<f64>()
    };
    // A squared distance is a chain of squares, of differences; the kernel hardly moves with it.
    let chain = latent as f64 + 3.0;
    // Squared errors of the seven values, which do not know of each other.
    let value = |square: f64| {
        let widths = SCALES.map(|scale| 2.0 * latent as f64 * scale);
        let terms = widths.map(|c| (TERM_ERROR * c / (c + square)).powi(2));
        let [_, slope] = kernel(latent, square);
        terms.iter().sum::<f64>() + (slope * square * walk(latent)).powi(2)
    };
    let slope = |square: f64| {
        let slope = kernel(latent, square)[1];
        slope * (SLOPE_ERROR + 2.0 * chain)
    };
    let (mut slopes, mut partials) = (Vec::new(), Vec::new());
    let others = (rows as f64 - 1.0).max(1.0);
    for i in 0..rows {
        let (mut of_terms, mut size) = (0.0_f64, 0.0);
        for k in 0..rows {
            let [among, across, drawn] = [
                square(z, z, i, k),
                square(z, &draws, i, k),
                square(&draws, &draws, i, k),
            ];
            let counts = if i == k { 0.0 } else { 1.0 };
            slopes.extend([counts * slope(among), counts * slope(across)]);
            of_terms += counts * (value(among) + value(drawn) + 4.0 * value(across));
            let of = |square: f64| kernel(latent, square)[0];
            size += counts * (of(among) + of(drawn));
        }
        // The sums grow evenly: their roundings are a third of those of the last in the square.
        let sum = (walk(1) * of_terms.sqrt()).hypot(walk(rows.div_ceil(3)) * size);
        partials.extend([sum / others, 0.0, 0.0, 0.0]);
    }
    let given = values(4, 2 * rows * rows, -0.5, 0.0);
    let gradients = (0..rows * latent).map(|at| {
        let (i, j) = (at / latent, at % latent);
        let pulls = (0..rows).map(|k| {
            let slope = |part: usize| f64::from(given[2 * (i * rows + k) + part].abs());
            let off = |other: f32| (f64::from(z[at]) - f64::from(other)).abs();
            slope(0) * off(z[k * latent + j]) + slope(1) * off(draws[k * latent + j])
        });
        pulls.sum::<f64>() * 2.5 * 4.0 / others * (walk(rows) + 6.0)
    });
    let input = |values: &[f32]| Operand::input(values.to_vec());
    let name = format!("{name}{rows} rows of {latent}");
    let forward = vec![
        input(z),
        input(&draws),
        Operand::output(2 * rows * rows, Tolerance::sums(1, slopes)),
        Operand::output(4 * rows, Tolerance::sums(1, partials)),
    ];
    let backward = vec![
        input(z),
        input(&draws),
        input(&given),
        Operand::output(rows * latent, Tolerance::sums(1, gradients.collect())),
    ];
    vec![
        Case::new(&name, &KERNEL, call(rows, latent), forward),
        Case::new(&name, &BACKWARD, backward_call(rows, latent, 2.5), backward),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    // One row, which has no pair; a workgroup of 64 rows less one, whole, one more; primes; several workgroups.
    let sizes = [
        (1, 1),
        (2, 1),
        (3, 2),
        (2, 3),
        (63, 2),
        (64, 4),
        (65, 3),
        (13, 7),
        (150, 20),
    ];
    let mut cases: Vec<Case> = sizes
        .into_iter()
        .flat_map(|(rows, latent)| cases_of("", rows, latent, &values(2, rows * latent, -3.0, 3.0)))
        .collect();
    let mut broken = values(2, 5 * 3, -3.0, 3.0);
    broken[4] = f32::NAN;
    cases.extend(cases_of("NaN in a code, ", 5, 3, &broken));
    cases
}

#[test]
fn discrepancies_and_their_gradients_match_the_oracle() {
    verify(&cases());
}
