//! Cases of `reparameterize_backward`.

use ::elbo::ops::reparameterize_backward;

use super::reparameterize::{bounded, heads};
use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

fn case(name: String, rows: usize, latent: usize, heads: Vec<f32>) -> Case {
    let epsilon = values(9, rows * latent, -3.0, 3.0);
    let d_z = values(10, rows * latent, -2.0, 2.0);
    let earlier = values(11, 2 * rows * latent, -1.0, 1.0);
    // d_mu: one sum. d_logvar: exp of half the logvar within 3 + |logvar| ULP, three products, a sum.
    let magnitudes = (0..2 * rows * latent)
        .map(|i| {
            let (row, j) = (i / (2 * latent), i % (2 * latent));
            let gradient = |j: usize| f64::from(d_z[row * latent + j].abs());
            let before = f64::from(earlier[i].abs());
            if j < latent {
                return before + gradient(j);
            }
            let logvar = bounded(heads[i]);
            let noise = f64::from(epsilon[row * latent + j - latent].abs());
            let through = 0.5 * gradient(j - latent) * noise * (0.5 * logvar).exp();
            before + through * (2.0 * (3.0 + logvar.abs()) + 4.0)
        })
        .collect();
    Case::new(
        name,
        &reparameterize_backward::KERNEL,
        reparameterize_backward::call(rows, latent),
        vec![
            Operand::input(heads),
            Operand::input(epsilon),
            Operand::input(d_z),
            Operand::update(earlier, Tolerance::sums(1, magnitudes)),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // One value; a workgroup of 64 less one, whole, one more; primes; a usual batch; more than one thread of the
    // twin takes.
    for (rows, latent) in [
        (1, 1),
        (9, 7),
        (16, 4),
        (13, 5),
        (37, 11),
        (128, 20),
        (300, 20),
    ] {
        let heads = heads(rows as u64, rows, latent, 6.0);
        cases.push(case(
            format!("{rows} rows of {latent}"),
            rows,
            latent,
            heads,
        ));
    }
    // Beyond the bound of logvar its gradient is zero: d_heads keeps what it held.
    let extremes = vec![0.5, -0.5, 1.0, 0.0, 31.0, -31.0, 30.0, 500.0];
    cases.push(case("logvar beyond its bound".into(), 1, 4, extremes));
    let broken = vec![f32::NAN, 0.0, 1.0, 0.0, f32::NAN, 0.0];
    cases.push(case("NaN in mu and in logvar".into(), 1, 3, broken));
    cases
}

#[test]
fn gradients_match_the_oracle_and_vanish_beyond_the_bound_of_logvar() {
    verify(&cases());
}
