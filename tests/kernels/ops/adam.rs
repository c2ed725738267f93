//! Cases of `adam`.

use ::elbo::ops::adam;

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

const RATE: f32 = 1e-3;
/// Gradient scale: clipped and averaged over a batch.
const SCALE: f32 = 1.0 / 128.0;
const DECAY: f32 = 0.01;

fn case(name: &str, len: usize, step: u32, decay: f32, scale: f32) -> Case {
    let gradient = values(2, len, -50.0, 50.0);
    let first = values(3, len, -0.5, 0.5);
    let second = values(4, len, 1e-3, 0.2);
    let parameters = values(1, len, -1.0, 1.0);
    let reach = 50.0 * f64::from(scale);
    // m and v: a difference, two products and a sum of values no larger than these; v's square twice.
    let m_error = Tolerance::sum(4, 2.0 * reach.max(0.5));
    let v_error = Tolerance::sum(6, (reach * reach).max(0.2));
    // The update is at most rate·m/√v: here below 0.5·31.6·rate, and 10 times that where the bias
    // corrections differ (t = 1). Its chain: step size (exp, quotient), root (exp, root), m, √v, quotient.
    let update = 10.0 * f64::from(RATE) * 32.0 * reach.max(0.5);
    let p_error = Tolerance::sum(24, update).and(Tolerance::sum(4, 1.0));
    Case::new(
        name,
        &adam::KERNEL,
        adam::call(len, decay),
        vec![
            Operand::update(parameters, p_error),
            Operand::input(gradient),
            Operand::update(first, m_error),
            Operand::update(second, v_error),
            Operand::words(vec![step, 77, 5]),
            Operand::input(vec![RATE, scale]),
        ],
    )
}

/// The first step from moments of zero, where every parameter moves by the learning rate.
fn first_step() -> Case {
    let len = 37;
    let rate = f64::from(RATE);
    // The moments are one product each (and the square's); the update's chain as in `case`.
    Case::new(
        "the first step, from moments of zero",
        &adam::KERNEL,
        adam::call(len, 0.0),
        vec![
            Operand::update(vec![0.0; len], Tolerance::sum(24, rate)),
            Operand::input(values(8, len, 0.5, 2.0)),
            Operand::update(vec![0.0; len], Tolerance::ulps(1.0)),
            Operand::update(vec![0.0; len], Tolerance::ulps(1.5)),
            Operand::words(vec![1, 0, 0]),
            Operand::input(vec![RATE, 1.0]),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![first_step()];
    // One value; a vec4 and its neighbours; a workgroup of 64 vec4 and its neighbours; a prime.
    for len in [1, 3, 4, 5, 255, 256, 257, 1009] {
        cases.push(case(&format!("{len} values"), len, 100, 0.0, SCALE));
    }
    // t = 1: 1 − β^t cancels; t = 10,000: it is 1. Steps 500 and 700 lie on both sides of the shader's
    // switch between polynomial and exponential for β2.
    for step in [1, 2, 500, 700, 10_000] {
        cases.push(case(&format!("step {step}, decay"), 61, step, DECAY, 1.0));
    }
    cases
}

#[test]
fn updates_match_the_oracle_from_the_first_step_to_the_ten_thousandth() {
    verify(&cases());
}
