//! Cases of `average`.

use ::elbo::ops::average;

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

fn case(len: usize, step: u32, decay: f32) -> Case {
    let parameters = values(1, len, -1.0, 1.0);
    let before = values(2, len, -1.0, 1.0);
    let share = (1.0 - f64::from(decay)).max(9.0 / (10.0 + f64::from(step)));
    // A difference, a product, and the share, of which a quotient is within 2.5 ULP; then the sum.
    let moves = parameters
        .iter()
        .zip(&before)
        .map(|(&parameter, &before)| share * (f64::from(parameter) - f64::from(before)).abs());
    let tolerance = Tolerance::sums(4, moves.collect()).and(Tolerance::ulps(0.5));
    Case::new(
        format!("{len} values, step {step}, decay {decay}"),
        &average::KERNEL,
        average::call(len, decay),
        vec![
            Operand::input(parameters),
            Operand::update(before, tolerance),
            Operand::words(vec![step, 77, 5]),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // One value; a vec4 and its neighbours; a workgroup of 64 vec4 and its neighbours; a prime, of more than two workgroups.
    for len in [1, 3, 4, 5, 255, 256, 257, 1009] {
        cases.push(case(len, 50, 0.9));
    }
    // The first step and the second; around the step from which on the decay counts, which is 80; long after it.
    for step in [1, 2, 79, 80, 81, 100_000] {
        cases.push(case(61, step, 0.9));
    }
    // Decays that round, near 1 and far from it.
    cases.extend([0.5, 0.999, 0.9999].map(|decay| case(61, 100_000, decay)));
    cases
}

#[test]
fn averages_match_the_oracle_from_the_first_step_to_the_hundred_thousandth() {
    verify(&cases());
}
