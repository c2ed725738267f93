//! Cases of `reparameterize`, and the encoder's heads that its gradient shares.

use ::elbo::ops::reparameterize;
use ::elbo::rng::{self, Draws, Purpose};

use crate::harness::{Case, GUARD, Operand, agree, same_rows, values, verify};
use crate::run;
use crate::tolerance::Tolerance;

/// Roundings of a draw relative to its radius: logarithm within 3 ULP (halved by the root), root within
/// 2.5 ULP, angle, sine or cosine by a polynomial, product.
const ROUNDINGS: usize = 12;

/// `[rows, 2·latent]`: mu within ±3, logvar within ±`reach`.
pub(super) fn heads(seed: u64, rows: usize, latent: usize, reach: f32) -> Vec<f32> {
    let mu = values(seed, rows * latent, -3.0, 3.0);
    let logvar = values(seed + 1, rows * latent, -reach, reach);
    (0..rows)
        .flat_map(|row| {
            let range = row * latent..(row + 1) * latent;
            [&mu[range.clone()], &logvar[range]].concat()
        })
        .collect()
}

/// Bound of logvar, which exp(logvar/2) sees.
pub(super) fn bounded(logvar: f32) -> f64 {
    f64::from(logvar).clamp(-30.0, 30.0)
}

/// The radius of Box-Muller that draw i is a part of, which is at least its size.
fn radius(seed: u64, step: u32, i: usize) -> f64 {
    let four = rng::draw(rng::key(seed), Purpose::Epsilon as u32, step, i as u32 / 4);
    (-2.0 * (1.0 - f64::from(rng::unit(four[i % 4 / 2 * 2]))).ln()).sqrt()
}

/// Where noise comes from.
#[derive(Clone, Copy)]
enum Noise {
    Given,
    /// Of a seed, at a step.
    Drawn(u64, u32),
    /// The same from a row of the whole batch on.
    Part(u64, u32, usize),
}

fn case(name: String, [rows, latent, samples]: [usize; 3], heads: Vec<f32>, noise: Noise) -> Case {
    let count = rows * latent;
    let given = values(9, count, -3.0, 3.0);
    let size = |i: usize| match noise {
        Noise::Given => f64::from(given[i].abs()),
        Noise::Drawn(seed, step) => radius(seed, step, i),
        Noise::Part(seed, step, first) => radius(seed, step, first * latent + i),
    };
    let draws = |seed, first| {
        Some(Draws {
            seed,
            purpose: Purpose::Epsilon,
            first,
        })
    };
    let (draws, step, roundings) = match noise {
        Noise::Given => (None, 3, 0),
        Noise::Drawn(seed, step) => (draws(seed, 0), step, ROUNDINGS),
        Noise::Part(seed, step, first) => (draws(seed, first), step, ROUNDINGS),
    };
    let sizes: Vec<f64> = (0..count).map(size).collect();
    // exp of half the logvar is within 3 + |logvar| ULP; a product and a sum follow.
    let magnitudes = (0..count)
        .map(|i| {
            let head = &heads[i / latent / samples * 2 * latent..];
            let logvar = bounded(head[latent + i % latent]);
            let spread = (0.5 * logvar).exp() * sizes[i];
            let errors = 2.0 * (3.0 + logvar.abs()) + 2.0 + roundings as f64;
            f64::from(head[i % latent].abs()) + spread * errors
        })
        .collect();
    // What is given stays as it is; what is drawn takes its place.
    let epsilon = Operand::update(given, Tolerance::sums(roundings, sizes));
    Case::new(
        name,
        &reparameterize::KERNEL,
        reparameterize::call(rows, latent, samples, draws),
        vec![
            Operand::words(vec![step, 77, 5]),
            Operand::input(heads),
            epsilon,
            Operand::output(count, Tolerance::sums(1, magnitudes)),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // One value; a block of Philox and its neighbours, which may lie in two rows; a workgroup of 64 blocks less one
    // value, whole, one more; primes; several samples for a row of heads, as in evaluation; more than one thread of
    // the twin takes.
    for (rows, latent, samples) in [
        (1, 1, 1),
        (1, 3, 1),
        (2, 2, 1),
        (1, 5, 1),
        (17, 15, 1),
        (16, 16, 1),
        (257, 1, 1),
        (13, 5, 1),
        (37, 11, 1),
        (15, 3, 5),
        (128, 20, 1),
        (1009, 1, 1),
        (900, 7, 3),
    ] {
        let name = format!("{rows} rows of {latent}, {samples} samples");
        let heads = heads(rows as u64, rows / samples, latent, 6.0);
        cases.push(case(
            name,
            [rows, latent, samples],
            heads,
            Noise::Drawn(7, 3),
        ));
    }
    // Every bit of the seed and of the step matters.
    for (seed, step) in [(u64::MAX, u32::MAX), (1 << 32, 0)] {
        let name = format!("seed {seed}, step {step}");
        let noise = Noise::Drawn(seed, step);
        cases.push(case(name, [8, 8, 1], heads(5, 8, 8, 6.0), noise));
    }
    // From another row on: where a block of Philox begins, and at each place inside one; fewer values than what is left
    // of the block; as many as fill whole blocks and a workgroup of them; several samples; more than one thread takes.
    for (first, rows, latent, samples) in [
        (64, 13, 5, 1),
        (1, 1, 1, 1),
        (1, 2, 1, 1),
        (3, 13, 5, 1),
        (2, 37, 11, 1),
        (1, 37, 11, 1),
        (1, 255, 1, 1),
        (1, 257, 1, 1),
        (9, 15, 3, 5),
        (2700, 900, 7, 3),
        (901, 901, 7, 1),
    ] {
        let name = format!("{rows} rows of {latent} from row {first}, {samples} samples");
        let heads = heads(rows as u64, rows / samples, latent, 6.0);
        let noise = Noise::Part(7, 3, first);
        cases.push(case(name, [rows, latent, samples], heads, noise));
    }
    for (rows, latent) in [(13, 5), (900, 7)] {
        let heads = heads(rows as u64, rows, latent, 6.0);
        let name = format!("{rows} rows of {latent}, noise given");
        cases.push(case(name, [rows, latent, 1], heads, Noise::Given));
    }
    // Both sides of the bound of logvar, on it, and where exp would overflow without it.
    let extremes = vec![0.5, -0.5, 1.0, 0.0, 31.0, -31.0, 30.0, 500.0];
    let broken = vec![f32::NAN, 0.0, 1.0, 0.0, f32::NAN, 0.0];
    for noise in [Noise::Given, Noise::Drawn(7, 3)] {
        let name = "logvar beyond its bound".to_owned();
        cases.push(case(name, [1, 4, 1], extremes.clone(), noise));
        let name = "NaN in mu and in logvar".to_owned();
        cases.push(case(name, [1, 3, 1], broken.clone(), noise));
    }
    cases
}

#[test]
fn codes_match_the_oracle_within_and_beyond_the_bound_of_logvar() {
    verify(&cases());
}

#[test]
fn a_part_of_a_batch_has_the_codes_of_the_whole_batch() {
    // Cut where a block of Philox begins and inside one; of several samples, between images.
    for latent in [1, 2, 3, 5, 20] {
        for (images, samples) in [(64, 1), (61, 1), (1, 1), (127, 1), (64, 3), (61, 3)] {
            let (rows, first) = (128 * samples, images * samples);
            let heads = heads(1, 128, latent, 6.0);
            let rest = heads[images * 2 * latent..].to_vec();
            let name = |what| format!("{what} of {rows} rows of {latent} from row {first}");
            let whole = case(
                name("all"),
                [rows, latent, samples],
                heads,
                Noise::Drawn(7, 3),
            );
            let noise = Noise::Part(7, 3, first);
            let part = case(name("part"), [rows - first, latent, samples], rest, noise);
            // Noise and codes.
            for operand in [2, 3] {
                same_rows(&whole, &part, operand, first * latent);
            }
        }
    }
}

#[test]
fn noise_has_the_moments_of_a_normal_distribution() {
    const COUNT: usize = 100_000;
    // mu 0 and logvar 0: a code is its noise.
    let case = case(
        format!("{COUNT} draws"),
        [COUNT, 1, 1],
        vec![0.0; 2 * COUNT],
        Noise::Drawn(7, 3),
    );
    agree(std::slice::from_ref(&case));
    // What the devices agree with is the oracle, so its moments are theirs.
    let draws = run::oracle(&case)[3].wide(GUARD..GUARD + COUNT);
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
