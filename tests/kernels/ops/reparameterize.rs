//! Cases of `reparameterize`, and the encoder's heads that its gradient shares.

use ::elbo::ops::reparameterize;

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

/// `[rows, 2·latent]`: mu within ±3, logvar within ±`reach`.
pub(super) fn heads(seed: u64, rows: usize, latent: usize, reach: f32) -> Vec<f32> {
    let mu = values(seed, rows * latent, -3.0, 3.0);
    let logvar = values(seed + 1, rows * latent, -reach, reach);
    (0..rows)
        .flat_map(|row| {
            let range = row * latent..(row + 1) * latent;
            [&mu[range.clone()], &logvar[range]].concat()
        })
        .collect()
}

/// Bound of logvar, which exp(logvar/2) sees.
pub(super) fn bounded(logvar: f32) -> f64 {
    f64::from(logvar).clamp(-30.0, 30.0)
}

fn case(name: String, rows: usize, latent: usize, samples: usize, heads: Vec<f32>) -> Case {
    let epsilon = values(9, rows * latent, -3.0, 3.0);
    // exp of half the logvar is within 3 + |logvar| ULP; a product and a sum follow.
    let magnitudes = (0..rows * latent)
        .map(|i| {
            let head = &heads[i / latent / samples * 2 * latent..];
            let logvar = bounded(head[latent + i % latent]);
            let spread = (0.5 * logvar).exp() * f64::from(epsilon[i].abs());
            f64::from(head[i % latent].abs()) + spread * (2.0 * (3.0 + logvar.abs()) + 2.0)
        })
        .collect();
    Case::new(
        name,
        &reparameterize::KERNEL,
        reparameterize::call(rows, latent, samples),
        vec![
            Operand::input(heads),
            Operand::input(epsilon),
            Operand::output(rows * latent, Tolerance::sums(1, magnitudes)),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // One value; a workgroup of 64 less one, whole, one more; primes; several samples for a row of
    // heads, as in evaluation; more than one thread of the twin takes.
    for (rows, latent, samples) in [
        (1, 1, 1),
        (9, 7, 1),
        (16, 4, 1),
        (13, 5, 1),
        (37, 11, 1),
        (15, 3, 5),
        (128, 20, 1),
        (300, 20, 1),
        (900, 7, 3),
    ] {
        let name = format!("{rows} rows of {latent}, {samples} samples");
        let heads = heads(rows as u64, rows / samples, latent, 6.0);
        cases.push(case(name, rows, latent, samples, heads));
    }
    // Both sides of the bound of logvar, on it, and where exp would overflow without it.
    let extremes = vec![0.5, -0.5, 1.0, 0.0, 31.0, -31.0, 30.0, 500.0];
    cases.push(case("logvar beyond its bound".into(), 1, 4, 1, extremes));
    let broken = vec![f32::NAN, 0.0, 1.0, 0.0, f32::NAN, 0.0];
    cases.push(case("NaN in mu and in logvar".into(), 1, 3, 1, broken));
    cases
}

#[test]
fn codes_match_the_oracle_within_and_beyond_the_bound_of_logvar() {
    verify(&cases());
}
