//! Cases of `part`.

use ::elbo::ops::part;

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

fn case([rows, width, first, count]: [usize; 4]) -> Case {
    Case::new(
        format!("{rows} rows of {width}, {count} from {first} on"),
        &part::KERNEL,
        part::call(rows, width, [first, count]),
        vec![
            Operand::input(values(width as u64, rows * width, -8.0, 8.0)),
            Operand::output(rows * count, Tolerance::exact()),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    // One value; around four values; a workgroup of 256 values and its neighbours; three workgroups and more; the first
    // columns, the last, and some between.
    [
        [1, 1, 0, 1],
        [1, 5, 2, 3],
        [2, 4, 0, 2],
        [1, 9, 4, 5],
        [5, 60, 9, 51],
        [16, 19, 3, 16],
        [1, 300, 43, 257],
        [97, 11, 2, 9],
        [7, 794, 0, 784],
    ]
    .map(case)
    .into()
}

#[test]
fn columns_of_a_table_match_the_oracle_exactly() {
    verify(&cases());
}
