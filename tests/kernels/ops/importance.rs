//! Cases of `importance`.

use ::elbo::ops::importance;

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

/// Terms of −log w of `images` images with `samples` samples each.
fn case(name: &str, images: usize, samples: usize, terms: Vec<f32>) -> Case {
    let mut partials = Vec::new();
    let mut weights = Vec::new();
    for image in terms.chunks(2 * samples) {
        let sizes = |column: usize| {
            image
                .iter()
                .skip(column)
                .step_by(2)
                .map(|v| f64::from(v.abs()))
        };
        let [first, second] = [0, 1].map(|column| sizes(column).sum::<f64>() / samples as f64);
        // log w is a sum, and its distance from the largest a difference: both err by the size of the terms.
        let largest = sizes(0)
            .zip(sizes(1))
            .map(|(a, b)| a + b)
            .fold(0.0, f64::max);
        let log_w: Vec<f64> = image
            .chunks(2)
            .map(|t| -f64::from(t[0]) - f64::from(t[1]))
            .collect();
        let most = log_w.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let off: Vec<f64> = log_w.iter().map(|log_w| most - log_w).collect();
        let sum: f64 = off.iter().map(|off| (-off).exp()).sum();
        // The exponent's error of a weight and of the others in the sum, exp by WGSL's rule, the sum, a quotient of 2.5.
        let relative = 2.0 * 3.0 * largest + samples as f64 + 5.0;
        weights.extend(off.iter().map(|off| {
            let exp = 2.0 * (3.0 + 2.0 * off);
            (-off).exp() / sum * (relative + exp + 6.0)
        }));
        let below = off.iter().sum::<f64>() / samples as f64;
        let chain = samples as f64 + 2.0;
        // A logarithm within 3 ULP, or 2^-21 near 1.
        let gain = relative
            + 6.0
            + 8.0
            + 2.0 * (sum / samples as f64).ln().abs() * 3.0
            + chain * (below + 3.0 * largest);
        partials.extend([chain * first, chain * second, gain, 0.0]);
    }
    Case::new(
        format!("{name}, {images} images, {samples} samples"),
        &importance::KERNEL,
        importance::call(images, samples),
        vec![
            Operand::input(terms),
            Operand::output(
                images * samples,
                Tolerance::sums(1, weights).and(Tolerance::vanishing(1e-36)),
            ),
            Operand::output(4 * images, Tolerance::sums(1, partials)),
        ],
    )
}

/// Reconstructions about 80 nats and KLs about 20, a few nats from sample to sample.
fn usual(images: usize, samples: usize) -> Vec<f32> {
    let count = images * samples;
    let (reconstruction, kl) = (values(3, count, 78.0, 83.0), values(4, count, 15.0, 25.0));
    reconstruction
        .into_iter()
        .zip(kl)
        .flat_map(|(a, b)| [a, b])
        .collect()
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // One of each; one sample of many images; a workgroup of 64 images less one, whole, one more; primes; three
    // workgroups; more samples than one thread of the twin takes.
    for (images, samples) in [
        (1, 1),
        (9, 1),
        (1, 50),
        (63, 2),
        (64, 5),
        (65, 3),
        (13, 7),
        (150, 4),
        (3, 5000),
    ] {
        cases.push(case("usual", images, samples, usual(images, samples)));
    }
    // Weights that f32 cannot hold, and one beside which the others are nothing.
    let far = values(7, 2 * 5 * 6, -200.0, 900.0);
    cases.push(case("far apart", 5, 6, far));
    let mut broken = usual(3, 4);
    broken[1] = f32::NAN;
    broken[2 * 4 + 5] = f32::NAN;
    cases.push(case("NaN in the first sample and in another", 3, 4, broken));
    cases
}

#[test]
fn weights_and_bounds_of_images_match_the_oracle() {
    verify(&cases());
}
