//! Cases of `schedule`.

use ::elbo::ops::schedule;

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

/// An epoch of five steps.
const STEPS: usize = 5;

fn case(name: &str, row: u32, rows: usize) -> Case {
    Case::new(
        name,
        &schedule::KERNEL,
        schedule::call(STEPS, rows),
        vec![
            // Neither the step nor the position is the row.
            Operand::words(vec![41, 3, row]),
            Operand::input(values(1, 2 * STEPS, 0.0, 1.0)),
            // The scale of the gradient, in the middle, stays.
            Operand::update(vec![7.0, 0.5, 9.0], Tolerance::exact()),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("the first step", 0, 1),
        case("a step in the middle", 2, 1),
        case("the last step", 4, 1),
        case("past the end: the last step", 5, 1),
        case("the third shard of four in the second step", 6, 4),
    ]
}

#[test]
fn a_step_takes_its_row_of_the_schedule() {
    verify(&cases());
}
