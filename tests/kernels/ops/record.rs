//! Cases of `record`.

use ::elbo::ops::record;

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

/// Rows of the log.
const ROWS: usize = 5;

fn case(name: &str, threads: usize, row: u32) -> Case {
    let seed = 10 * threads as u64 + u64::from(row);
    let partials = values(seed, 4 * threads, -5.0, 50.0);
    let magnitude = |column: usize| -> f64 {
        let values = partials.iter().skip(column).step_by(4);
        values.map(|v| f64::from(v.abs())).sum()
    };
    // A lane's sum, then the sum of as many lanes as have one.
    let length = threads.div_ceil(64) + threads.min(64);
    let mut log = vec![0.0; 2 * ROWS];
    log[2 * row as usize] = magnitude(0);
    log[2 * row as usize + 1] = magnitude(1);
    let of_sigma = Tolerance::walk(length, magnitude(2));
    Case::new(
        name,
        &record::KERNEL,
        record::call(threads as u32, 17),
        vec![
            Operand::input(partials),
            Operand::words(vec![41, 500, row]),
            // Other rows stay as they are.
            Operand::update(vec![0.25; 2 * ROWS], Tolerance::walks(length, log)),
            Operand::output(1, of_sigma),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    // One partial sum and few; a workgroup's lanes less one, all, one more; primes; the most there are.
    [1, 2, 3, 5, 63, 64, 65, 251, 509, 1009, 2003, 4001, 8192]
        .into_iter()
        // The first, a middle and the last row of a log of five.
        .flat_map(|threads| [0, 2, 4].map(|row| (threads, row)))
        .map(|(threads, row)| case(&format!("{threads} partials into row {row}"), threads, row))
        .collect()
}

#[test]
fn losses_go_into_their_row_of_the_log_and_the_step_is_counted() {
    verify(&cases());
}
