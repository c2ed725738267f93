//! Cases of `sigma_mean`.

use ::elbo::ops::sigma::LEAST_VARIANCE;
use ::elbo::ops::sigma_mean;

use super::sigma::half_log;
use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

/// Rows and values of a batch.
const SIZE: [usize; 2] = [17, 29];

/// The sum of a batch's squared errors, at a position behind it; the mean squared error of the epoch before.
fn case(name: impl Into<String>, total: f32, position: u32, before: f32) -> Case {
    let [rows, width] = SIZE;
    let error = f64::from(total) / (rows * width) as f64;
    // A quotient of 2.5 ULP, or a constant that is rounded.
    let (s, of_batch) = match error < LEAST_VARIANCE {
        true => (LEAST_VARIANCE, 1.0),
        false => (error, 5.0),
    };
    let is_first = position as usize <= rows;
    let (start, share) = match is_first {
        true => (0.0, 1.0),
        false => (f64::from(before), rows as f64 / f64::from(position)),
    };
    let after = start + (s - start) * share;
    // Beside it a difference, the share's quotient, a product and a sum.
    let steps = match is_first {
        true => 0.0,
        false => 7.0 * (s - start).abs() * share + after,
    };
    let of_mean = of_batch * s * share + steps;
    // What an epoch finds at its beginning is that of the one before, or nothing.
    let before = if is_first { f32::NAN } else { before };
    Case::new(
        name,
        &sigma_mean::KERNEL,
        sigma_mean::call(SIZE),
        vec![
            Operand::words(vec![41, position, 3]),
            Operand::update(vec![total], Tolerance::exact()),
            Operand::update(vec![before], Tolerance::sum(1, of_mean)),
            Operand::output(1, half_log(after, of_mean / after)),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        case("the first batch", 80.0, 17, 0.3),
        case("the second batch", 80.0, 34, 0.3),
        case("one of many", 80.0, 60_000, 0.3),
        case("no error", 0.0, 17, 0.3),
        case("no error in mid-epoch", 0.0, 34, 0.3),
        case("errors near the least", 3e-6, 34, 1e-8),
        case("an error that is NaN", f32::NAN, 34, 0.3),
    ];
    // One rounding of each kind, in many places; and variances around 1.
    for seed in 0..32 {
        let small = values(seed, 1, 0.01, 9.0)[0];
        cases.push(case(format!("small errors, {seed}"), small, 51, 0.004));
        let large = values(seed, 1, 250.0, 1000.0)[0];
        cases.push(case(format!("large errors, {seed}"), large, 51, 1.1));
    }
    cases
}

#[test]
fn means_match_the_oracle_at_the_beginning_and_within_an_epoch() {
    verify(&cases());
}
