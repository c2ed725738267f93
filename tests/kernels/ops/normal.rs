//! Cases of `normal`.

use ::elbo::ops::normal;
use ::elbo::rng::{self, Purpose};

use crate::harness::{Case, GUARD, Operand, verify};
use crate::run;
use crate::tolerance::Tolerance;

/// Roundings of a draw relative to its radius: logarithm within 3 ULP (halved by the root), root within
/// 2.5 ULP, angle, sine or cosine by a polynomial, product.
const ROUNDINGS: usize = 12;

/// The radius of Box-Muller that draw i is a part of.
fn radius(seed: u64, step: u32, i: usize) -> f64 {
    let four = rng::draw(rng::key(seed), Purpose::Epsilon as u32, step, i as u32 / 4);
    (-2.0 * (1.0 - f64::from(rng::unit(four[i % 4 / 2 * 2]))).ln()).sqrt()
}

fn case(count: usize, seed: u64, step: u32) -> Case {
    let radii = (0..count).map(|i| radius(seed, step, i)).collect();
    Case::new(
        format!("{count} draws of step {step}"),
        &normal::KERNEL,
        normal::call(count, seed, Purpose::Epsilon),
        vec![
            Operand::words(vec![step, 77, 5]),
            Operand::output(count, Tolerance::sums(ROUNDINGS, radii)),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    // One draw; a block of Philox and its neighbours; a workgroup of 64 blocks and its neighbours; a
    // prime; the twin's threads.
    let mut cases: Vec<Case> = [1, 3, 4, 5, 255, 256, 257, 1009, 20_011]
        .map(|count| case(count, 7, 3))
        .into();
    // Every bit of the seed and of the step matters.
    cases.push(case(64, u64::MAX, u32::MAX));
    cases.push(case(64, 1 << 32, 0));
    cases
}

#[test]
fn draws_match_the_oracle() {
    verify(&cases());
}

#[test]
fn draws_have_the_moments_of_a_normal_distribution() {
    const COUNT: usize = 100_000;
    let case = case(COUNT, 7, 3);
    verify(std::slice::from_ref(&case));
    // What the devices agree with is the oracle, so its moments are theirs.
    let draws = run::oracle(&case)[1].wide(GUARD..GUARD + COUNT);
    let mean_of = |f: &dyn Fn(f64) -> f64| draws.iter().map(|&x| f(x)).sum::<f64>() / COUNT as f64;
    // Four standard errors of each moment of COUNT draws: those of x, x² and x⁴ are 1, √2 and √96.
    let error = 4.0 / (COUNT as f64).sqrt();
    let (mean, variance, kurtosis) = (
        mean_of(&|x| x),
        mean_of(&|x| x * x),
        mean_of(&|x| x.powi(4)),
    );
    println!("mean {mean:.5}, variance {variance:.5}, fourth moment {kurtosis:.5}");
    assert!(mean.abs() < error, "mean {mean}");
    assert!((variance - 1.0).abs() < error * 2f64.sqrt(), "{variance}");
    assert!((kurtosis - 3.0).abs() < error * 96f64.sqrt(), "{kurtosis}");
    // Neighbours of a pair and of a block are independent.
    for lag in 1..=4 {
        let pairs = draws.iter().zip(&draws[lag..]);
        let correlation = pairs.map(|(a, b)| a * b).sum::<f64>() / COUNT as f64;
        assert!(correlation.abs() < error, "lag {lag}: {correlation}");
    }
}
