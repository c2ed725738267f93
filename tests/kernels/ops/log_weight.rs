//! Cases of `log_weight`.

use ::elbo::ops::log_weight;

use super::elbo::{LIKELIHOODS, errors};
use super::reparameterize::{bounded, heads};
use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

const LOG_SIGMA: f32 = -0.5;

/// images · samples rows of `width` values and `latent` latent ones.
fn case(
    name: &str,
    likelihood: u32,
    [images, samples, width, latent]: [usize; 4],
    broken: bool,
) -> Case {
    let rows = images * samples;
    let x = values(1, images * width, 0.0, 1.0);
    let mut outputs = values(2, rows * width, -8.0, 8.0);
    let mut heads = heads(3, images, latent, 6.0);
    if broken {
        outputs[0] = f32::NAN;
        heads[(images - 1) * 2 * latent + latent] = f32::NAN;
    }
    let epsilon = values(5, rows * latent, -3.0, 3.0);
    let z = values(6, rows * latent, -3.0, 3.0);
    // The twin sums a column of sixteen and joins them, the shader one of four; both join at the end.
    let chain = (width.div_ceil(4) + 4).max(width.div_ceil(16) + 16) as f64 + 1.0;
    let magnitudes = (0..rows)
        .flat_map(|row| {
            let image = row / samples;
            let losses: f64 = (0..width)
                .map(|j| {
                    let (x, y) = (x[image * width + j], outputs[row * width + j]);
                    let errors = errors(likelihood, x, y, LOG_SIGMA);
                    chain * errors.loss_terms + errors.loss
                })
                .sum();
            let codes: f64 = (0..latent)
                .map(|j| {
                    let square = |v: f32| f64::from(v).powi(2);
                    let at = row * latent + j;
                    let logvar = bounded(heads[image * 2 * latent + latent + j]).abs();
                    let terms = 0.5 * (square(epsilon[at]) + square(z[at]) + logvar);
                    // A chain of `latent` sums; two squares and two sums.
                    (latent as f64 + 4.0) * terms
                })
                .sum();
            [losses, codes]
        })
        .collect();
    Case::new(
        format!("{name}, {images} images, {samples} samples, {width} values, latent {latent}"),
        &log_weight::KERNEL,
        log_weight::call(likelihood, images, samples, width, latent),
        vec![
            Operand::input(x),
            Operand::input(outputs),
            Operand::input(heads),
            Operand::input(epsilon),
            Operand::input(z),
            Operand::input(vec![LOG_SIGMA]),
            Operand::output(2 * rows, Tolerance::sums(1, magnitudes)),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (likelihood, name) in LIKELIHOODS {
        // One of everything; a vec4 of values and its neighbours; a workgroup of 64 weights and its
        // neighbours; primes; a long row.
        for shape in [
            [1, 1, 1, 1],
            [9, 7, 3, 2],
            [16, 4, 4, 4],
            [13, 5, 5, 1],
            [7, 11, 29, 13],
            // Several workgroups.
            [50, 5, 5, 3],
            [2, 3, 784, 20],
        ] {
            cases.push(case(name, likelihood, shape, false));
        }
        cases.push(case(
            &format!("{name}, NaN"),
            likelihood,
            [3, 2, 5, 2],
            true,
        ));
    }
    cases
}

#[test]
fn importance_weights_match_the_oracle_for_every_likelihood() {
    verify(&cases());
}
