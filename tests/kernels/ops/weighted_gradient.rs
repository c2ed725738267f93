//! Cases of `weighted_gradient`.

use ::elbo::ops::likelihood::GAUSSIAN;
use ::elbo::ops::weighted_gradient;

use super::elbo::{LIKELIHOODS, errors};
use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::{Tolerance, walk};

const LOG_SIGMA: f32 = -0.5;

fn case(name: &str, likelihood: u32, [images, samples, width]: [usize; 3], broken: bool) -> Case {
    let rows = images * samples;
    let x = values(1, images * width, 0.0, 1.0);
    let mut outputs = values(2, rows * width, -8.0, 8.0);
    let weights = values(3, rows, 0.0, 1.0);
    if broken {
        outputs[width] = f32::NAN;
    }
    let sigma = likelihood == GAUSSIAN;
    let call = weighted_gradient::call(likelihood, images, samples, width, sigma);
    let threads = call.params::<weighted_gradient::Params>().threads as usize;
    // The twin sums columns of a row, joins them, and adds rows up; the shader sums its turn of groups of four.
    let of_twin = width.div_ceil(16) + width.min(16) + rows.min(4096_usize.div_ceil(width));
    let of_shader = 4 * (rows * width.div_ceil(4)).div_ceil(threads);
    // Of sums that grow evenly, whose roundings are a third of those of the last in the square.
    let chain = walk((of_twin.max(of_shader.min(rows * width)) - 1).div_ceil(3));
    let (mut gradients, mut of_values, mut of_sigma) = (Vec::new(), 0.0_f64, 0.0);
    for row in 0..rows {
        let weight = f64::from(weights[row]);
        for j in 0..width {
            let (x, y) = (x[row / samples * width + j], outputs[row * width + j]);
            let errors = errors(likelihood, x, y, LOG_SIGMA);
            // A product with the weight: of a value that is within 1 of x − y, or the gradient's own error many times.
            let size = 2.0 * f64::from((x - y).abs()) + 1.0;
            gradients.push(weight * (errors.gradient + 4.0 * size));
            of_values += (weight * (errors.sigma + errors.sigma_terms)).powi(2);
            of_sigma += weight * errors.sigma_terms;
        }
    }
    let partials = match sigma {
        true => Operand::partials(
            threads,
            4,
            Tolerance::sums(
                1,
                vec![
                    0.0,
                    0.0,
                    0.0,
                    (walk(1) * of_values.sqrt()).hypot(chain * of_sigma),
                ],
            ),
        ),
        false => Operand::update(values(5, 4, -1.0, 1.0), Tolerance::exact()),
    };
    Case::new(
        format!("{name}, {images} images, {samples} samples, {width} values"),
        &weighted_gradient::KERNEL,
        call,
        vec![
            Operand::input(x),
            Operand::input(outputs),
            Operand::input(weights),
            Operand::input(vec![LOG_SIGMA]),
            Operand::output(rows * width, Tolerance::sums(1, gradients)),
            partials,
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (likelihood, name) in LIKELIHOODS {
        // One of everything; a vec4 of values and its neighbours; primes; an invocation's values and one more; several
        // workgroups; more than one thread of the twin takes.
        for size in [
            [1, 1, 1],
            [2, 1, 1],
            [1, 3, 1],
            [1, 1, 2],
            [9, 7, 3],
            [16, 4, 4],
            [13, 5, 5],
            [7, 11, 29],
            [3, 1, 33],
            [50, 5, 64],
            [2, 9, 784],
        ] {
            cases.push(case(name, likelihood, size, false));
        }
        cases.push(case(&format!("{name}, NaN"), likelihood, [3, 2, 5], true));
    }
    cases
}

#[test]
fn weighted_gradients_match_the_oracle_for_every_likelihood() {
    verify(&cases());
}
