//! Cases of `importance_backward`.

use ::elbo::ops::importance_backward;

use super::reparameterize::{bounded, heads};
use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

fn case(name: &str, [images, samples, latent]: [usize; 3], dreg: bool, heads: Vec<f32>) -> Case {
    let rows = images * samples;
    let epsilon = values(9, rows * latent, -3.0, 3.0);
    let d_z = values(10, rows * latent, -2.0, 2.0);
    let weights = values(11, rows, 0.0, 1.0);
    let magnitudes = (0..2 * images * latent)
        .map(|i| {
            let (image, j) = (i / (2 * latent), i % latent);
            let head = &heads[image * 2 * latent..][..2 * latent];
            let logvar = bounded(head[latent + j]);
            let sigma = (0.5 * logvar).exp();
            // exp of half the logvar within 3 + |logvar| ULP.
            let exp = 2.0 * (3.0 + logvar.abs());
            let is_sum = i % (2 * latent) < latent;
            let gradients = (image * samples..(image + 1) * samples).map(|row| {
                let size = |values: &[f32], at: usize| f64::from(values[at].abs());
                let (e, d_z) = (
                    size(&epsilon, row * latent + j),
                    size(&d_z, row * latent + j),
                );
                let weight = size(&weights, row);
                let z = size(head, j) + sigma * e;
                let g = match dreg {
                    true => weight * (d_z + weight * (z + e / sigma)),
                    false => d_z + weight * z,
                };
                // The chain of the sum; two exps, a quotient, and five products and sums.
                let g = g * (samples as f64 + 2.0 * exp + 10.0);
                if is_sum { g } else { 0.5 * sigma * g * e }
            });
            let own = if is_sum { 0.0 } else { 1.0 };
            gradients.sum::<f64>() * if is_sum { 1.0 } else { 2.0 } + own
        })
        .collect();
    let rule = if dreg { "dreg" } else { "reparameterized" };
    Case::new(
        format!("{name}{images} images, {samples} samples, latent {latent}, {rule}"),
        &importance_backward::KERNEL,
        importance_backward::call([images, samples, latent], dreg),
        vec![
            Operand::input(heads),
            Operand::input(epsilon),
            Operand::input(d_z),
            Operand::input(weights),
            Operand::output(2 * images * latent, Tolerance::sums(1, magnitudes)),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for dreg in [false, true] {
        // One of each; a workgroup of 64 less one, whole, one more; primes; a usual batch; many samples.
        for size in [
            [1, 1, 1],
            [9, 2, 7],
            [16, 5, 4],
            [13, 1, 5],
            [37, 3, 11],
            [128, 5, 20],
            [2, 500, 3],
        ] {
            let heads = heads(size[0] as u64, size[0], size[2], 6.0);
            cases.push(case("", size, dreg, heads));
        }
        let extremes = vec![0.5, -0.5, 1.0, 0.0, 31.0, -31.0, 29.0, -500.0];
        cases.push(case("logvar beyond its bound, ", [1, 2, 4], dreg, extremes));
        let broken = vec![f32::NAN, 0.0, 1.0, 0.0, f32::NAN, 0.0];
        cases.push(case("NaN in mu and in logvar, ", [1, 3, 3], dreg, broken));
    }
    cases
}

#[test]
fn gradients_of_both_estimators_match_the_oracle() {
    verify(&cases());
}
