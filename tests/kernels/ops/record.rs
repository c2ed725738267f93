//! Cases of `record`.

use ::elbo::ops::record::{self, Columns};

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

/// Rows of the log.
const ROWS: usize = 5;

fn case(name: &str, [threads, row]: [usize; 2], columns: Columns, last: bool, ends: usize) -> Case {
    let seed = (10 * threads + row) as u64;
    let partials = values(seed, 4 * threads, -5.0, 50.0);
    let magnitude = |column: usize| -> f64 {
        let values = partials.iter().skip(column).step_by(4);
        values.map(|v| f64::from(v.abs())).sum()
    };
    // A lane's sum, then the sum of as many lanes as have one.
    let length = threads.div_ceil(64) + threads.min(64);
    let mut log = vec![0.0; columns.width * ROWS];
    for term in 0..columns.terms {
        log[columns.width * row + columns.first + term] = magnitude(term);
    }
    // A gradient of sigma that nobody asks for stays as it is.
    let d_log_sigma = match last {
        true => Operand::output(1, Tolerance::walk(length, magnitude(3))),
        false => Operand::update(vec![0.75], Tolerance::exact()),
    };
    let earlier = vec![0.25; log.len()];
    Case::new(
        name,
        &record::KERNEL,
        record::call(threads as u32, columns, last, last.then_some(ends)),
        vec![
            Operand::input(partials),
            Operand::words(vec![41, 500, row as u32]),
            // Other rows, and other terms, stay as they are.
            Operand::update(earlier, Tolerance::walks(length, log)),
            d_log_sigma,
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    // One partial sum and few; a workgroup's lanes less one, all, one more; primes; the most there are.
    [1, 2, 3, 5, 63, 64, 65, 251, 509, 1009, 2003, 4001, 8192]
        .into_iter()
        // The first, a middle and the last row of a log of five.
        .flat_map(|threads| [0, 2, 4].map(|row| (threads, row)))
        .flat_map(|(threads, row)| {
            // A loss of one term, of two, and of five in two parts, of which the last counts the step.
            [(1, 0, 1), (2, 0, 2), (3, 0, 5), (2, 3, 5)].map(|(terms, first, width)| {
                let columns = Columns {
                    terms,
                    first,
                    width,
                };
                let last = first + terms == width;
                // Of the rows of the log of a step, the last counts it.
                let ends = if row == 4 { 0 } else { 17 };
                let name = format!("{threads} partials into row {row}, {columns:?}");
                case(&name, [threads, row], columns, last, ends)
            })
        })
        .collect()
}

#[test]
fn losses_go_into_their_row_of_the_log_and_the_step_is_counted() {
    verify(&cases());
}
