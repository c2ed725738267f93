//! Cases of `join`.

use ::elbo::ops::join;

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

fn case([rows, left, right]: [usize; 3]) -> Case {
    let seed = (rows * left + right) as u64;
    Case::new(
        format!("{rows} rows of {left} and {right}"),
        &join::KERNEL,
        join::call(rows, [left, right]),
        vec![
            Operand::input(values(seed, rows * left, -8.0, 8.0)),
            Operand::input(values(seed + 1, rows * right, -8.0, 8.0)),
            Operand::output(rows * (left + right), Tolerance::exact()),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    // One value each; around four values; a workgroup of 256 values and its neighbours; three workgroups and more, the wider
    // one on either side; an image and ten classes.
    [
        [1, 1, 1],
        [1, 1, 2],
        [1, 3, 2],
        [5, 31, 20],
        [16, 13, 3],
        [1, 250, 7],
        [97, 2, 9],
        [97, 9, 2],
        [7, 784, 10],
    ]
    .map(case)
    .into()
}

#[test]
fn tables_side_by_side_match_the_oracle_exactly() {
    verify(&cases());
}
