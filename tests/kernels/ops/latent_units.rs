//! Cases of `latent_units`.

use ::elbo::ops::latent_units;

use super::reparameterize::{bounded, heads};
use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

pub(crate) fn case(name: String, rows: usize, latent: usize, heads: Vec<f32>, add: bool) -> Case {
    let earlier = values(7, 4 * latent, -2.0, 90.0);
    // A lane's sum, the sum of the lanes, and the earlier one.
    let chain = (rows.div_ceil(64) + 64 + 1) as f64;
    let mut magnitudes: Vec<f64> = earlier.iter().map(|v| f64::from(v.abs())).collect();
    for head in heads.chunks(2 * latent) {
        for j in 0..latent {
            let mu = f64::from(head[j].abs());
            let logvar = bounded(head[latent + j]);
            let variance = logvar.exp();
            // exp within 3 + 2·|logvar| ULP; a square, three sums and a product.
            let terms = 0.5 * (variance + mu * mu + 1.0 + logvar.abs());
            magnitudes[4 * j] += (chain + 5.0) * terms + variance * (3.0 + 2.0 * logvar.abs());
            magnitudes[4 * j + 1] += chain * mu;
            magnitudes[4 * j + 2] += (chain + 1.0) * mu * mu;
            magnitudes[4 * j + 3] += 1.0;
        }
    }
    Case::new(
        name,
        &latent_units::KERNEL,
        latent_units::call(rows, latent, add),
        vec![
            Operand::input(heads),
            Operand::update(earlier, Tolerance::sums(1, magnitudes)),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // One value; a workgroup's lanes less one, all, one more; primes; a batch of training and one of a test.
    for (rows, latent) in [
        (1, 1),
        (63, 2),
        (64, 3),
        (65, 3),
        (37, 11),
        (128, 20),
        (512, 70),
    ] {
        for add in [false, true] {
            let heads = heads(rows as u64, rows, latent, 6.0);
            let name = format!("{rows} rows of {latent}, add {add}");
            cases.push(case(name, rows, latent, heads, add));
        }
    }
    let extremes = vec![0.5, -0.5, 1.0, 0.0, 31.0, -31.0, 30.0, 500.0];
    cases.push(case(
        "logvar beyond its bound".into(),
        1,
        4,
        extremes,
        false,
    ));
    let broken = vec![f32::NAN, 0.0, 1.0, 0.0, f32::NAN, 0.0];
    cases.push(case("NaN in mu and in logvar".into(), 1, 3, broken, true));
    cases
}

#[test]
fn sums_of_each_latent_value_match_the_oracle() {
    verify(&cases());
}
