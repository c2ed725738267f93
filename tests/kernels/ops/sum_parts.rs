//! Cases of `sum_parts`.

use ::elbo::ops::sum_parts;

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

/// Parts of `[parts, len]`, and what they add up to.
fn sums([parts, len]: [usize; 2], seed: u64) -> (Operand, Operand) {
    let all = values(seed, parts * len, -2.0, 2.0);
    let mut sums = vec![0.0; len];
    for (i, value) in all.iter().enumerate() {
        sums[i % len] += f64::from(value.abs());
    }
    (
        Operand::input(all),
        Operand::output(len, Tolerance::walks(parts, sums)),
    )
}

fn case(weight: [usize; 2], bias: [usize; 2]) -> Case {
    let ((weights, weight_sums), (biases, bias_sums)) = (sums(weight, 1), sums(bias, 2));
    Case::new(
        format!("{weight:?} and {bias:?}"),
        &sum_parts::KERNEL,
        sum_parts::call(weight, bias),
        vec![weights, biases, weight_sums, bias_sums],
    )
}

pub(super) fn cases() -> Vec<Case> {
    // One value each; weights that end within a workgroup of 64, with it, and behind it; a prime.
    vec![
        case([1, 1], [1, 1]),
        case([3, 63], [2, 5]),
        case([16, 64], [16, 640]),
        case([5, 65], [7, 1]),
        case([4, 20_011], [256, 3]),
    ]
}

#[test]
fn sums_over_parts_match_the_oracle() {
    verify(&cases());
}
