//! Cases of `copy`.

use ::elbo::ops::copy;

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

fn case(len: usize) -> Case {
    Case::new(
        format!("{len} values"),
        &copy::KERNEL,
        copy::call(len),
        vec![
            Operand::input(values(len as u64, len, -8.0, 8.0)),
            Operand::output(len, Tolerance::exact()),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    // One value; a vec4 less one, whole, and one more; a workgroup of 64 vec4 less one, whole, and one
    // more; more than the twin's calling thread copies alone, a prime.
    [1, 3, 4, 5, 255, 256, 257, 20_011].map(case).into()
}

#[test]
fn copies_are_equal_to_their_inputs() {
    verify(&cases());
}
