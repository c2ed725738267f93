//! Cases of `activation`, and what the fused activations of `matmul` share with it.

use ::elbo::ops::activation::{self, GELU, IDENTITY, LEAKY_RELU, RELU, SIGMOID, SILU, TANH};

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

pub(super) const ALL: [(u32, &str); 7] = [
    (IDENTITY, "identity"),
    (RELU, "relu"),
    (LEAKY_RELU, "leaky relu"),
    (TANH, "tanh"),
    (SIGMOID, "sigmoid"),
    (SILU, "silu"),
    (GELU, "gelu"),
];

/// Smaller results may vanish: the smallest normal f32, twice, times the input for SiLU and GELU.
fn vanishing(reach: f64) -> Tolerance {
    Tolerance::vanishing(2.0 * f64::from(f32::MIN_POSITIVE) * reach.max(1.0))
}

/// Error of an activation of |x| ≤ `reach`.
pub(super) fn error(activation: u32, reach: f64) -> Tolerance {
    // Beyond exp: a sum, a quotient (2.5 ULP in WGSL) and two products.
    let sigmoid = Tolerance::exp(reach).and(Tolerance::ulps(5.5));
    match activation {
        // The constant and the product are rounded.
        LEAKY_RELU => Tolerance::ulps(1.0),
        // Absolute near 0: tanh may be made of exponentials there.
        TANH => Tolerance::ulps_at(4.0, 1.0),
        SIGMOID | SILU => sigmoid.and(vanishing(reach)),
        // tanh's absolute error, and its argument's four roundings, which its slope of at most
        // x·(1 − tanh²) < 1.5 passes on; times x/2.
        GELU => Tolerance::ulps_at(4.0 + 3.0, 0.5 * reach),
        _ => Tolerance::exact(),
    }
}

/// The steepest slope of an activation, by which it passes an error of its input on.
pub(super) fn slope(activation: u32) -> f64 {
    match activation {
        SILU => 1.1,
        GELU => 1.13,
        _ => 1.0,
    }
}

pub(crate) fn case(name: &str, activation: u32, input: Vec<f32>) -> Case {
    let reach = input.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    Case::new(
        name,
        &activation::KERNEL,
        activation::call(activation, input.len()),
        vec![
            Operand::input(input.clone()),
            Operand::output(input.len(), error(activation, reach.into())),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (activation, name) in ALL {
        // One value; a vec4 less one, whole, and one more; a workgroup of 64 vec4 less one, whole, and
        // one more; a prime over several workgroups.
        for len in [1, 3, 4, 5, 255, 256, 257, 1009] {
            let input = values(len as u64, len, -8.0, 8.0);
            cases.push(case(&format!("{name}, {len} values"), activation, input));
        }
        // Where exponentials overflow or vanish, and both zeros.
        let extremes = vec![
            0.0, -0.0, 100.0, -100.0, 44.0, -44.0, 88.5, -88.5, 1e4, -1e4,
        ];
        cases.push(case(&format!("{name}, extremes"), activation, extremes));
        let mut broken = values(3, 11, -2.0, 2.0);
        broken[1] = f32::NAN;
        broken[10] = f32::NAN;
        cases.push(case(&format!("{name}, NaN"), activation, broken));
    }
    cases
}

#[test]
fn activations_match_the_oracle_and_keep_nan() {
    verify(&cases());
}
