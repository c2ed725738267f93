//! Cases of `sigma`.

use ::elbo::ops::sigma::{self, LEAST_VARIANCE};

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::{Tolerance, walk};

/// Values of a batch.
const VALUES: usize = 17 * 29;

/// What half a logarithm may be off by: `error` of its operand, relative and in U, and what WGSL allows `log`, which is
/// 3 ULP, or 2⁻²¹ near 1.
pub(super) fn half_log(operand: f64, error: f64) -> Tolerance {
    let near = match (0.5..=2.0).contains(&operand) {
        true => 8.0,
        false => 0.0,
    };
    Tolerance::ulps(3.0).and(Tolerance::sum(1, 0.5 * (error + near)))
}

/// Partial sums of squared errors beside columns that do not matter.
fn case(name: impl Into<String>, errors: Vec<f32>) -> Case {
    let threads = errors.len();
    let others = values(threads as u64, 3 * threads, -9.0, 9.0);
    let partials = errors.iter().zip(others.chunks(3));
    let partials = partials.flat_map(|(&error, others)| [&[error][..], others].concat());
    let partials: Vec<f32> = partials.collect();
    // Sums of what is not negative, a lane's and one of the lanes; a quotient of 2.5 ULP.
    let length = threads.div_ceil(64) + threads.min(64);
    let of_batch = walk(length) + 5.0;
    let total: f64 = errors.iter().copied().map(f64::from).sum();
    let error = total / VALUES as f64;
    let (s, of_batch) = match error < LEAST_VARIANCE {
        // Which is rounded too.
        true => (LEAST_VARIANCE, 1.0),
        false => (error, of_batch),
    };
    Case::new(
        name,
        &sigma::KERNEL,
        sigma::call(threads as u32, VALUES),
        vec![
            Operand::input(partials),
            Operand::output(1, half_log(s, of_batch)),
            Operand::output(1, Tolerance::walk(length, total)),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // One partial sum and few; a workgroup's lanes less one, all, one more; primes; the most there are.
    for threads in [1, 2, 3, 5, 63, 64, 65, 251, 1009, 8192] {
        let errors = values(threads as u64 + 1, threads, 0.0, 9.0);
        cases.push(case(format!("{threads} partials"), errors));
    }
    // One rounding of each kind, in many places; and variances around 1.
    for seed in 0..32 {
        let small = values(seed, 1, 0.01, 9.0);
        cases.push(case(format!("small errors, {seed}"), small));
        let large = values(seed, 1, 250.0, 1000.0);
        cases.push(case(format!("large errors, {seed}"), large));
    }
    cases.push(case("no error", vec![0.0; 9]));
    cases.push(case("errors near the least", vec![1e-6; 3]));
    cases.push(case("an error that is NaN", vec![1.0, f32::NAN]));
    cases
}

#[test]
fn sigmas_of_batches_match_the_oracle() {
    verify(&cases());
}
