use super::*;
use crate::rng::{Purpose, Stream};

/// Four standard errors: one of ten thousand estimates is further off by chance, and the seeds are fixed.
const ERRORS: f64 = 4.0;

fn gaussian(weight: f64, mean: &[f64], covariance: &[f64]) -> Component {
    Component::new(weight, mean.to_vec(), covariance.to_vec()).expect("a Gaussian")
}

fn three() -> Mixture {
    Mixture::new(vec![
        gaussian(0.5, &[0.0, 0.0], &[1.0, 0.7, 0.7, 1.0]),
        gaussian(0.3, &[6.0, -3.0], &[0.3, 0.0, 0.0, 2.0]),
        gaussian(0.2, &[-4.0, 7.0], &[2.0, -0.5, -0.5, 0.5]),
    ])
    .expect("a mixture")
}

/// Codes whose dimensions are of unlike scales, in loose groups.
fn grouped(count: usize, latent: usize) -> Vec<f32> {
    let mut stream = Stream::new(11, Purpose::Tuning, 0);
    let value = |at: usize| {
        let (code, dim) = (at / latent, at % latent);
        (1 + dim) as f32 * (stream.normal() + ((code % 4) * (dim + 1) % 5) as f32)
    };
    (0..count * latent).map(value).collect()
}

#[test]
fn the_mixture_that_codes_were_drawn_from_is_found() {
    let (truth, count) = (three(), 30_000);
    let codes = truth.draw(9, count);
    for seed in 1..=5 {
        let fit = Fit::of(&codes, 2, 3, seed).expect("a fit");
        assert!(fit.converged && fit.codes == count);
        for one in truth.components() {
            let far = |other: &&Component| {
                let pairs = one.mean().iter().zip(other.mean());
                pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>()
            };
            let all = fit.mixture.components().iter();
            let found = all.min_by(|a, b| far(a).total_cmp(&far(b)));
            let found = found.expect("a component");
            let near = |found: f64, expected: f64, variance: f64, count: f64| {
                let error = (variance / count).sqrt();
                let off = (found - expected).abs();
                assert!(off < ERRORS * error, "seed {seed}: {found}, {expected}");
            };
            let weight = one.weight();
            near(
                found.weight(),
                weight,
                weight * (1.0 - weight),
                count as f64,
            );
            let own = weight * count as f64;
            for i in 0..2 {
                let variance = |i: usize| one.covariance()[3 * i];
                near(found.mean()[i], one.mean()[i], variance(i), own);
                for j in 0..2 {
                    let expected = one.covariance()[2 * i + j];
                    let of_product = variance(i) * variance(j) + expected * expected;
                    near(found.covariance()[2 * i + j], expected, of_product, own);
                }
            }
        }
    }
}

/// ½ λ Σ tr(D Σ⁻¹), which is taken from the log likelihood.
fn penalty(state: &State, codes: &Codes<'_>) -> f64 {
    let dims = codes.dims();
    let lambda = RIDGE * codes.len() as f64 / state.components.len() as f64;
    let trace = |one: &Component| -> f64 {
        let columns = (0..dims).map(|column| {
            // L x = e, whose length is an element of the inverse's diagonal.
            let mut solved = vec![0.0; dims];
            for (i, row) in one.factor().chunks_exact(dims).enumerate() {
                let known: f64 = row[..i].iter().zip(&solved).map(|(a, b)| a * b).sum();
                solved[i] = (f64::from(u8::from(i == column)) - known) / row[i];
            }
            codes.variance[column] * solved.iter().map(|v| v * v).sum::<f64>()
        });
        columns.sum()
    };
    0.5 * lambda * state.components.iter().map(trace).sum::<f64>()
}

#[test]
fn what_is_maximised_never_falls() {
    // Also so few codes that a Gaussian would shrink to one of them.
    for (count, latent, components) in [(3000, 5, 6), (60, 3, 12), (40, 7, 40), (257, 1, 3)] {
        let values = grouped(count, latent);
        let codes = Codes::new(&values, latent);
        let mut state = State::first(&codes, components, 3).expect("a beginning");
        let mut last = f64::NEG_INFINITY;
        for iteration in 0..60 {
            let sums = state.sums(&codes);
            let now = sums.log_likelihood - penalty(&state, &codes);
            let rounding = count as f64 * f64::EPSILON * now.abs();
            assert!(
                now >= last - rounding,
                "{count} codes, iteration {iteration}: {last} to {now}"
            );
            last = now;
            state = state.improved(&codes, &sums).expect("a mixture");
        }
    }
}

#[test]
fn one_gaussian_has_mean_and_covariance_of_the_codes() {
    let (count, latent) = (1000, 6);
    let codes = grouped(count, latent);
    let fit = Fit::of(&codes, latent, 1, 1).expect("a fit");
    assert_eq!((fit.iterations, fit.converged), (1, true));
    let [one] = fit.mixture.components() else {
        panic!("one Gaussian");
    };
    assert_eq!(one.weight(), 1.0);
    let value = |code: usize, dim: usize| f64::from(codes[code * latent + dim]);
    let n = count as f64;
    let mean: Vec<f64> = (0..latent)
        .map(|dim| (0..count).map(|code| value(code, dim)).sum::<f64>() / n)
        .collect();
    for i in 0..latent {
        assert!((one.mean()[i] - mean[i]).abs() < 1e-12 * n, "mean {i}");
        for j in 0..latent {
            let product = |code| (value(code, i) - mean[i]) * (value(code, j) - mean[j]);
            let expected = (0..count).map(product).sum::<f64>() / n;
            let ridge = if i == j { 1.0 + RIDGE } else { 1.0 };
            let found = one.covariance()[i * latent + j];
            assert!(
                (found - ridge * expected).abs() < 1e-12 * n,
                "{i}, {j}: {found}"
            );
        }
    }
}

/// Log density of a code under a component with its weight, by Gauss's elimination of the covariance.
fn log_density(one: &Component, code: &[f32]) -> f64 {
    let dims = code.len();
    let mut rows: Vec<Vec<f64>> = one.covariance().chunks(dims).map(<[f64]>::to_vec).collect();
    for (i, row) in rows.iter_mut().enumerate() {
        row.push(f64::from(code[i]) - one.mean()[i]);
    }
    let (mut log_determinant, mut square) = (0.0, 0.0);
    for i in 0..dims {
        let pivot = rows[i].clone();
        log_determinant += pivot[i].ln();
        // What is left of x − mean is at right angles to what was taken before.
        square += pivot[dims] * pivot[dims] / pivot[i];
        for row in rows.iter_mut().skip(i + 1) {
            let share = row[i] / pivot[i];
            row.iter_mut()
                .zip(&pivot)
                .for_each(|(a, b)| *a -= share * b);
        }
    }
    one.weight().ln() - 0.5 * (square + log_determinant + dims as f64 * TAU.ln())
}

#[test]
fn the_likelihood_and_an_iteration_are_those_of_plain_loops() {
    let (count, latent, components) = (700, 4, 3);
    let values = grouped(count, latent);
    let codes = Codes::new(&values, latent);
    let mut state = State::first(&codes, components, 5).expect("a beginning");
    for _ in 0..3 {
        let sums = state.sums(&codes);
        state = state.improved(&codes, &sums).expect("a mixture");
    }
    let sums = state.sums(&codes);
    let next = state.improved(&codes, &sums).expect("a mixture");
    let [before, after] = [state, next].map(|state| state.expanded(&codes).expect("a mixture"));
    let mut likelihood = 0.0;
    let mut masses = vec![0.0; components];
    let mut firsts = vec![vec![0.0; latent]; components];
    for code in values.chunks(latent) {
        let densities = before
            .components()
            .iter()
            .map(|one| log_density(one, code).exp());
        let densities: Vec<f64> = densities.collect();
        let sum: f64 = densities.iter().sum();
        likelihood += sum.ln();
        for (number, density) in densities.iter().enumerate() {
            masses[number] += density / sum;
            for (first, value) in firsts[number].iter_mut().zip(code) {
                *first += density / sum * f64::from(*value);
            }
        }
    }
    let near = |found: f64, expected: f64| {
        assert!(
            (found - expected).abs() < 1e-10 * expected.abs().max(1.0),
            "{found}, {expected}"
        );
    };
    near(sums.log_likelihood, likelihood);
    for (number, one) in after.components().iter().enumerate() {
        near(one.weight(), masses[number] / count as f64);
        for (mean, first) in one.mean().iter().zip(&firsts[number]) {
            near(*mean, first / masses[number]);
        }
    }
}

/// The moments of a mixture that maximises the likelihood are those of its codes, but for the ridge.
#[test]
fn the_whole_mixture_has_the_moments_of_the_codes() {
    let (count, latent, components) = (5000, 3, 7);
    let codes = grouped(count, latent);
    let fit = Fit::of(&codes, latent, components, 2).expect("a fit");
    let moment = |f: &dyn Fn(&[f64]) -> f64| {
        let values = codes.chunks(latent).map(|code| {
            let code: Vec<f64> = code.iter().copied().map(f64::from).collect();
            f(&code)
        });
        values.sum::<f64>() / count as f64
    };
    for i in 0..latent {
        let all = fit.mixture.components().iter();
        let mean: f64 = all.map(|one| one.weight() * one.mean()[i]).sum();
        let expected = moment(&|code| code[i]);
        assert!((mean - expected).abs() < 1e-9, "{mean}, {expected}");
        for j in 0..latent {
            let all = fit.mixture.components().iter();
            let second = all.map(|one| {
                one.weight() * (one.covariance()[i * latent + j] + one.mean()[i] * one.mean()[j])
            });
            let (found, expected) = (second.sum::<f64>(), moment(&|code| code[i] * code[j]));
            let ridge = RIDGE * moment(&|code| code[i] * code[i]);
            assert!((found - expected).abs() < ridge, "{found}, {expected}");
        }
    }
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let codes = grouped(2500, 5);
    let fit = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.expect("threads");
        pool.install(|| Fit::of(&codes, 5, 4, 8).expect("a fit"))
    };
    let one = fit(1);
    assert!(one.iterations > 2);
    for threads in [2, 3, 7] {
        assert_eq!(fit(threads), one, "{threads} threads");
    }
    let other = Fit::of(&codes, 5, 4, 9).expect("a fit");
    assert_ne!(other, one, "another seed");
}

#[test]
fn the_scale_of_the_codes_does_not_matter() {
    let (latent, codes) = (3, grouped(1500, 3));
    let plain = Fit::of(&codes, latent, 3, 4).expect("a fit");
    // By powers of two, which round nothing.
    for power in [-60, -20, 40] {
        let scale = 2.0_f64.powi(power);
        let scaled: Vec<f32> = codes
            .iter()
            .map(|v| (f64::from(*v) * scale) as f32)
            .collect();
        let fit = Fit::of(&scaled, latent, 3, 4).expect("a fit");
        assert_eq!(fit.iterations, plain.iterations);
        let expected = plain.log_likelihood - latent as f64 * scale.ln();
        assert!((fit.log_likelihood - expected).abs() < 1e-9, "{power}");
        let pairs = fit
            .mixture
            .components()
            .iter()
            .zip(plain.mixture.components());
        for (one, other) in pairs {
            for (a, b) in one.mean().iter().zip(other.mean()) {
                assert!((a / scale - b).abs() < 1e-9, "{power}: {a}, {b}");
            }
        }
    }
}

#[test]
fn densities_that_are_no_numbers_of_an_f64_end_well() {
    // e^-900 and less: of 500 dimensions, and of codes far from all of the others.
    let wide = grouped(40, 500);
    let fit = Fit::of(&wide, 500, 2, 1).expect("a fit");
    assert!(fit.log_likelihood.is_finite());
    let mut far = grouped(500, 2);
    far.extend([1e30, -1e30, 3e30, 2e30]);
    let fit = Fit::of(&far, 2, 2, 1).expect("a fit");
    assert!(fit.log_likelihood.is_finite());
    assert!(
        fit.mixture
            .draw(1, 100)
            .iter()
            .all(|value| value.is_finite())
    );
}

#[test]
fn constant_and_dependent_dimensions_are_fitted_and_drawn() {
    let line = |i: usize| [i as f32, 0.1, -2.0 * i as f32];
    let codes: Vec<f32> = (0..900).flat_map(line).collect();
    let fit = Fit::of(&codes, 3, 2, 1).expect("a fit");
    let draws = fit.mixture.draw(1, 200);
    // The ridge moves a draw off the line, by a thousandth of the deviation, 260: four of these.
    for draw in draws.as_chunks::<3>().0 {
        assert_eq!(draw[1], 0.1);
        assert!((draw[2] + 2.0 * draw[0]).abs() < 4.0 * 1.5, "{draw:?}");
    }
    // Three different codes for five Gaussians: two are left without any.
    let few: Vec<f32> = (0..60).flat_map(|i| [(i % 3) as f32, 1.0]).collect();
    let fit = Fit::of(&few, 2, 5, 1).expect("a fit");
    let used = fit
        .mixture
        .components()
        .iter()
        .filter(|one| one.weight() > 0.0);
    assert_eq!(used.count(), 3);
    for draw in fit.mixture.draw(1, 50).as_chunks::<2>().0 {
        assert!(
            (draw[0] - draw[0].round()).abs() < 0.01 && draw[1] == 1.0,
            "{draw:?}"
        );
    }
}

#[test]
fn what_cannot_be_fitted_is_refused() {
    let codes = grouped(20, 2);
    let refused = |codes: &[f32], latent, components, words: &str| {
        let error = Fit::of(codes, latent, components, 1).expect_err(words);
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(words), "{error}");
    };
    refused(&codes, 2, 0, "`prior = mixture:0`: 20 codes make 1 to 20");
    refused(&codes, 2, 21, "`prior = mixture:21`: 20 codes");
    refused(&codes, 3, 2, "40 values are not codes of 3 each");
    refused(&[], 2, 1, "0 values");
    refused(&codes, 0, 1, "codes of 0 each");
    refused(&[0.5; 20], 2, 1, "all 10 codes are the same");
    let mut nan = codes;
    nan[7] = f32::NAN;
    refused(&nan, 2, 1, "code 3 is not finite");
}

#[test]
fn a_file_gives_back_what_was_fitted_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mixture.safetensors");
    let (own, other) = ([3; 32], [4; 32]);
    let load = |made_of| Fit::load(&path, made_of);
    assert_eq!(load(&own).expect("no file"), None);
    let fit = Fit::of(&grouped(300, 3), 3, 4, 6).expect("a fit");
    fit.save(&path, &own).expect("written");
    assert_eq!(load(&own).expect("a file").as_ref(), Some(&fit));
    assert_eq!(load(&other).expect("a file"), None);
    let whole = std::fs::read(&path).expect("a file");
    fit.save(&path, &own).expect("written again");
    assert_eq!(std::fs::read(&path).expect("a file"), whole);
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("a damaged file");
        let error = load(&own).expect_err("damaged");
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().contains("damaged"), "{error}");
    };
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 4;
        refused(&changed);
    }
    for length in [0, 7, 8, 300, whole.len() - 1] {
        refused(&whole[..length]);
    }
}
