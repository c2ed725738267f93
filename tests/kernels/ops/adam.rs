//! Cases of `adam`.

use ::elbo::ops::adam::{self, BETA1, BETA2, EPSILON};

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

pub(super) const RATE: f32 = 1e-3;
/// Gradient scale: clipped and averaged over a batch.
pub(super) const SCALE: f32 = 1.0 / 128.0;
pub(super) const DECAY: f32 = 0.01;

/// Roundings of an update: step size (a difference with exp, 13; a quotient, 5), root (half of that),
/// second moment's root (6), quotient (5), sum and products (4).
pub(super) const UPDATE: f64 = 42.0;

fn case(name: &str, len: usize, step: u32, decay: f32, scale: f32) -> Case {
    let parameters = values(1, len, -1.0, 1.0);
    let gradient = values(2, len, -50.0, 50.0);
    let first = values(3, len, -0.5, 0.5);
    let second = values(4, len, 1e-3, 0.2);
    let wide = |values: &[f32], i: usize| f64::from(values[i]).abs();
    let (rate1, rate2) = (1.0 - BETA1, 1.0 - BETA2);
    // Absolute values of what the moments are summed from.
    let scaled = |i| wide(&gradient, i) * f64::from(scale);
    let m = |i| wide(&first, i) + rate1 * (scaled(i) + wide(&first, i));
    let v = |i| wide(&second, i) + rate2 * (scaled(i).powi(2) + wide(&second, i));
    let steps = f64::from(step);
    let (size, root) = (1.0 - BETA1.powf(steps), (1.0 - BETA2.powf(steps)).sqrt());
    let p = |i| {
        let update = f64::from(RATE) / size * m(i) / (v(i).sqrt() / root + EPSILON);
        UPDATE * update + 4.0 * wide(&parameters, i)
    };
    let each =
        |length, f: &dyn Fn(usize) -> f64| Tolerance::sums(length, (0..len).map(f).collect());
    let (p_error, m_error, v_error) = (each(1, &p), each(4, &m), each(6, &v));
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
            Operand::update(vec![0.0; len], Tolerance::sum(UPDATE as usize, rate)),
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
