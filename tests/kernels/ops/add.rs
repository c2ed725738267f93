//! Cases of `add`.

use ::elbo::ops::add;

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

fn case(len: usize) -> Case {
    let seed = len as u64;
    Case::new(
        format!("{len} values"),
        &add::KERNEL,
        add::call(len),
        vec![
            Operand::input(values(seed, len, -8.0, 8.0)),
            Operand::input(values(seed + 1, len, -8.0, 8.0)),
            // Both round the exact sum once.
            Operand::output(len, Tolerance::exact()),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    // One value; a vec4 less one, whole, and one more; a workgroup of 64 vec4 less one, whole, and one
    // more; more than the twin's calling thread adds alone, a prime.
    [1, 3, 4, 5, 255, 256, 257, 20_011].map(case).into()
}

#[test]
fn sums_match_the_oracle() {
    verify(&cases());
}
