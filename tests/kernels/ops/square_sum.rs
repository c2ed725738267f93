//! Cases of `square_sum`.

use ::elbo::ops::{square_sum, sum_threads};

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

fn case(len: usize) -> Case {
    let threads = sum_threads(len) as usize;
    let gradient = values(len as u64, len, -3.0, 3.0);
    let sum = gradient.iter().map(|g| f64::from(g * g)).sum();
    // One invocation's chain: groups of four, each a dot product.
    let length = len.div_ceil(4).div_ceil(threads) + 4;
    // The twin's invocation sums a run of values one by one.
    let length = length.max(len.div_ceil(threads) + 1);
    Case::new(
        format!("{len} values"),
        &square_sum::KERNEL,
        square_sum::call(len),
        vec![
            Operand::input(gradient).padded_with_zeros(),
            Operand::partials(threads, 1, Tolerance::sum(length, sum)),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    // One value; a vec4 and its neighbours; an invocation's 32 values and their neighbours; a workgroup
    // of 64 invocations and its neighbours; a prime; more than 8,192 invocations' share.
    [1, 3, 4, 5, 31, 32, 33, 2047, 2048, 2049, 10_007, 300_007]
        .map(case)
        .into()
}

#[test]
fn sums_of_squares_match_the_oracle() {
    verify(&cases());
}
