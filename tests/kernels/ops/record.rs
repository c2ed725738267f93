//! Cases of `record`.

use ::elbo::ops::record;

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

fn case(name: &str, threads: usize, row: u32) -> Case {
    let partials = values(threads as u64, 4 * threads, -5.0, 50.0);
    let magnitude = partials.iter().map(|v| f64::from(v.abs())).sum();
    // A lane's sum, then the sum of the lanes.
    let tolerance = Tolerance::sum(threads.div_ceil(64) + 64, magnitude);
    Case::new(
        name,
        &record::KERNEL,
        record::call(threads as u32, 17),
        vec![
            Operand::input(partials),
            Operand::words(vec![41, 500, row]),
            Operand::update(vec![0.25; 10], tolerance.clone()),
            Operand::output(1, tolerance),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    // One partial sum; a workgroup's lanes less one, all, one more; a prime; the most there are.
    [1, 63, 64, 65, 1009, 8192]
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
