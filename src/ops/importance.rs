//! The importance-weighted bound of images (Burda, Grosse & Salakhutdinov 2016), from the terms of its samples.

use rayon::prelude::*;

use super::lib;
use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Images.
        images: u32,
        /// Samples of each.
        samples: u32,
    }
}

/// `−log (1/K Σ w)` of each image with the normalised weights of its samples, from both parts of their `−log w`.
///
/// Bindings: terms `[images, samples, 2]` as [`super::log_weight`] leaves them, weights `[images, samples]`, partials
/// `[images, 4]`: the means of both terms, and what has to be added to their sum for the bound, 0 at most.
pub static KERNEL: Kernel = Kernel {
    name: "importance",
    bindings: &[
        Binding::read("terms"),
        Binding::write("weights"),
        Binding::write("partials"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        elementwise(
            &[lib::EXP, include_str!("../../shaders/importance.wgsl")],
            call.params::<Params>().images,
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for `images` images of `samples` samples each.
pub fn call(images: usize, samples: usize) -> Call {
    let params = Params {
        images: images as u32,
        samples: samples as u32,
    };
    Call::new(params, &[])
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [terms, weights, partials] = bind(bound);
    let p: Params = call.params();
    let (samples, terms) = (p.samples as usize, terms.floats());
    parallel::parts(
        weights.floats_mut(),
        samples,
        partials.floats_mut().par_chunks_mut(4),
        #[inline(always)]
        |(image, (weights, partials))| {
            let terms = &terms[image * 2 * samples..][..2 * samples];
            partials.copy_from_slice(&weigh(weights, terms));
        },
    );
}

/// log w of a sample.
#[inline(always)]
fn log_weight<F: Real>(terms: &[F]) -> F {
    -(terms[0] + terms[1])
}

/// The weights of an image's samples; gives its row of partial sums.
#[inline(always)]
fn weigh<F: Real>(weights: &mut [F], terms: &[F]) -> [F; 4] {
    let samples = F::new(weights.len() as f64);
    // What is no number is never the largest, unless it is the first.
    let all = terms.chunks(2).map(log_weight);
    let largest = all.reduce(|a, b| if b > a { b } else { a });
    let largest = largest.unwrap_or(F::ZERO);
    let (mut means, mut sum, mut below) = ([F::ZERO; 2], F::ZERO, F::ZERO);
    for (weight, terms) in weights.iter_mut().zip(terms.chunks(2)) {
        means[0] += terms[0];
        means[1] += terms[1];
        let off = log_weight(terms) - largest;
        *weight = off.exp();
        sum += *weight;
        below += -off;
    }
    weights
        .iter_mut()
        .for_each(|weight| *weight = *weight / sum);
    let gain = F::new((sum / samples).wide().ln()) + below / samples;
    [means[0] / samples, means[1] / samples, -gain, F::ZERO]
}
