//! Cases of `column_sums`.

use ::elbo::ops::column_sums;

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

fn case(rows: usize, columns: usize) -> Case {
    let parts = column_sums::parts(rows, columns);
    let share = rows.div_ceil(parts);
    let all = values(1, rows * columns, -2.0, 2.0);
    let mut sums = vec![0.0; parts * columns];
    for (i, value) in all.iter().enumerate() {
        let (row, column) = (i / columns, i % columns);
        sums[row / share * columns + column] += f64::from(value.abs());
    }
    Case::new(
        format!("{rows} rows of {columns}"),
        &column_sums::KERNEL,
        column_sums::call(rows, columns),
        vec![
            Operand::input(all),
            Operand::output(parts * columns, Tolerance::walks(share, sums)),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    // One value; rows around those of a part; parts around a workgroup's sums; a last part of fewer rows, and ones of none;
    // many rows of one value; more columns than sums are worth.
    [
        [1, 1],
        [31, 3],
        [32, 3],
        [33, 3],
        [63 * 32, 1],
        [65 * 32 + 1, 1],
        [1000, 33],
        [20_011, 1],
        [70, 9000],
    ]
    .map(|[rows, columns]| case(rows, columns))
    .into()
}

#[test]
fn sums_over_rows_match_the_oracle() {
    verify(&cases());
}
