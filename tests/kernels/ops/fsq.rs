//! Cases of `fsq` and `fsq_backward`.

use ::elbo::ops::fsq;

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

/// Of one channel and of several, of even and odd numbers of levels, the least and the most of both.
const LEVELS: [&[u32]; 4] = [
    &[2],
    &[8, 5, 5, 5],
    &[3, 255, 4],
    &[2, 3, 4, 5, 6, 7, 9, 254],
];

/// Codes: one; around a workgroup; three workgroups or more.
const CODES: [usize; 4] = [1, 16, 65, 200];

fn name(codes: usize, levels: &[u32]) -> String {
    let levels: Vec<String> = levels.iter().map(u32::to_string).collect();
    format!("{codes} codes of levels {}", levels.join(" "))
}

fn forward(codes: usize, levels: &[u32], rounded: bool) -> Case {
    let len = codes * levels.len();
    let z = values(len as u64, len, -4.0, 4.0);
    let rounding = if rounded { "rounded" } else { "as they are" };
    // A level over its unit, rounded once; what is not rounded is a tangent of a sum.
    let tolerance = match rounded {
        true => Tolerance::ulps_at(1.0, 1.0),
        false => Tolerance::ulps_at(12.0, 1.0),
    };
    Case::new(
        format!("{}, {rounding}", name(codes, levels)),
        &fsq::KERNEL,
        fsq::call(len, levels, rounded),
        vec![Operand::input(z), Operand::output(len, tolerance)],
    )
}

fn backward(codes: usize, levels: &[u32]) -> Case {
    let len = codes * levels.len();
    let d_out = values(len as u64 + 1, len, -1.0, 1.0);
    let z = values(len as u64 + 2, len, -4.0, 4.0);
    Case::new(
        name(codes, levels),
        &fsq::BACKWARD,
        fsq::backward_call(len, levels),
        vec![
            Operand::input(d_out),
            Operand::input(z),
            Operand::output(len, Tolerance::ulps_at(12.0, 1.0)),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for codes in CODES {
        for levels in LEVELS {
            cases.push(forward(codes, levels, true));
            cases.push(forward(codes, levels, false));
            cases.push(backward(codes, levels));
        }
    }
    cases
}

#[test]
fn codes_are_rounded_as_the_oracle_rounds_them() {
    verify(&cases());
}
