//! Cases of `fma`.

use ::elbo::ops::fma;

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

/// Largest |x| of the inputs. A chain x · 0.75 + 0.25 stays below it.
const REACH: f32 = 8.0;

/// The roundings of a chain from `x` on, in U. A device may round product and sum apart; every later link shrinks
/// what is off by 0.75.
fn roundings(x: f32, links: usize) -> f64 {
    let (_, error) = (0..links).fold((f64::from(x), 0.0), |(x, error), _| {
        let product = 0.75 * x;
        let sum = product + 0.25;
        (sum, 0.75 * error + product.abs() + sum.abs())
    });
    error
}

fn case(len: usize, blocks: usize) -> Case {
    let input = values(len as u64, len, -REACH, REACH);
    let errors = input.iter().map(|&x| roundings(x, 8 * blocks));
    let tolerance = Tolerance::sums(1, errors.collect());
    Case::new(
        format!("{len} values, {blocks} blocks"),
        &fma::KERNEL,
        fma::call(len, blocks),
        vec![Operand::input(input), Operand::output(len, tolerance)],
    )
}

pub(super) fn cases() -> Vec<Case> {
    // One value; a vec4 less one, whole, and one more; an invocation's eight values less one, whole, and one
    // more; a workgroup of 64 times eight less one, whole, and one more; a prime beyond the twin's unit and
    // what its calling thread does alone.
    [1, 3, 4, 5, 7, 8, 9, 511, 512, 513, 20_011]
        .map(|len| case(len, 1))
        .into_iter()
        // No link at all, and as many as a measurement may take.
        .chain([case(9, 0), case(9, 3), case(513, 1000)])
        .collect()
}

#[test]
fn chains_of_multiply_adds_match_the_oracle() {
    verify(&cases());
}
