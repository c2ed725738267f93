//! Cases of `sigma`.

use ::elbo::ops::sigma::{self, LEAST_VARIANCE};

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::{Tolerance, walk};

/// Rows and values of a batch.
const SIZE: [usize; 2] = [17, 29];

/// What half a logarithm may be off by: `error` of its operand, relative and in U, and what WGSL allows `log`, which is
/// 3 ULP, or 2⁻²¹ near 1.
fn half_log(operand: f64, error: f64) -> Tolerance {
    let near = match (0.5..=2.0).contains(&operand) {
        true => 8.0,
        false => 0.0,
    };
    Tolerance::ulps(3.0).and(Tolerance::sum(1, 0.5 * (error + near)))
}

/// Partial sums of squared errors beside columns that do not matter; mean squared errors of the epoch before.
fn case(name: impl Into<String>, errors: Vec<f32>, position: u32, before: f32) -> Case {
    let threads = errors.len();
    let [rows, width] = SIZE;
    let others = values(threads as u64, 3 * threads, -9.0, 9.0);
    let partials = errors.iter().zip(others.chunks(3));
    let partials = partials.flat_map(|(&error, others)| [&[error][..], others].concat());
    let partials: Vec<f32> = partials.collect();
    // Sums of what is not negative, a lane's and one of the lanes; a quotient of 2.5 ULP.
    let of_batch = walk(threads.div_ceil(64) + threads.min(64)) + 5.0;
    let total: f64 = errors.iter().copied().map(f64::from).sum();
    let error = total / (rows * width) as f64;
    let (s, of_batch) = match error < LEAST_VARIANCE {
        // Which is rounded too.
        true => (LEAST_VARIANCE, 1.0),
        false => (error, of_batch),
    };
    let (before, share) = match position {
        0 => (0.0, 1.0),
        _ => {
            let share = rows as f64 / (f64::from(position) + rows as f64);
            (f64::from(before), share)
        }
    };
    let after = before + (s - before) * share;
    // Beside it a difference, the share's quotient, a product and a sum.
    let steps = match position {
        0 => 0.0,
        _ => 7.0 * (s - before).abs() * share + after,
    };
    let of_mean = of_batch * s * share + steps;
    Case::new(
        name,
        &sigma::KERNEL,
        sigma::call(threads as u32, SIZE),
        vec![
            Operand::input(partials),
            Operand::words(vec![41, position, 3]),
            Operand::output(1, half_log(s, of_batch)),
            Operand::update(
                vec![before_of(position, before)],
                Tolerance::sum(1, of_mean),
            ),
            Operand::output(1, half_log(after, of_mean / after)),
        ],
    )
}

/// What an epoch finds at its beginning is that of the one before, or nothing.
fn before_of(position: u32, before: f64) -> f32 {
    if position == 0 {
        f32::NAN
    } else {
        before as f32
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // One partial sum and few; a workgroup's lanes less one, all, one more; primes; the most there are.
    for threads in [1, 2, 3, 5, 63, 64, 65, 251, 1009, 8192] {
        // The first batch of an epoch, the second, one of many.
        for position in [0, 17, 60_000] {
            let errors = values(threads as u64 + 1, threads, 0.0, 9.0);
            let name = format!("{threads} partials after {position} images");
            cases.push(case(name, errors, position, 0.3));
        }
    }
    // One rounding of each kind, in many places; and variances around 1.
    for seed in 0..32 {
        let small = values(seed, 1, 0.01, 9.0);
        cases.push(case(format!("small errors, {seed}"), small, 34, 0.004));
        let large = values(seed, 1, 250.0, 1000.0);
        cases.push(case(format!("large errors, {seed}"), large, 34, 1.1));
    }
    cases.push(case("no error", vec![0.0; 9], 0, 0.3));
    cases.push(case("no error in mid-epoch", vec![0.0; 9], 34, 0.3));
    cases.push(case("errors near the least", vec![1e-6; 3], 34, 1e-8));
    cases.push(case("an error that is NaN", vec![1.0, f32::NAN], 34, 0.3));
    cases
}

#[test]
fn sigmas_match_the_oracle_at_the_beginning_and_within_an_epoch() {
    verify(&cases());
}
