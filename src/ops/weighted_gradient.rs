//! The gradient of a reconstruction loss in which each row has a weight of its own.

use super::{lib, likelihood, sum_threads};
use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Rows of outputs: images · samples.
        rows: u32,
        /// Values of an image.
        values: u32,
        /// Samples of an image.
        samples: u32,
        /// Invocations; each makes one row of partial sums.
        threads: u32,
    }
}

/// The gradient of −Σ weight · log p(x|z) for the decoder's outputs and, with selector `SIGMA`, for log sigma; selector
/// `LIKELIHOOD`.
///
/// Bindings: x `[rows / samples, values]`, outputs `[rows, values]`, weights `[rows]`, log_sigma `[1]`, d_outputs
/// `[rows, values]`, partials `[threads, 4]`, with the gradient of log sigma in the last column.
pub static KERNEL: Kernel = Kernel {
    name: "weighted_gradient",
    bindings: &[
        Binding::read("x"),
        Binding::read("outputs"),
        Binding::read("weights"),
        Binding::read("log_sigma"),
        Binding::write("d_outputs"),
        Binding::partial("partials").touching(|call| match call.selector("SIGMA") {
            0 => 0,
            _ => 4 * call.params::<Params>().threads as usize,
        }),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        elementwise(
            &[
                lib::EXP,
                lib::LIKELIHOOD,
                include_str!("../../shaders/weighted_gradient.wgsl"),
            ],
            call.params::<Params>().threads,
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for `images` images of `values` values with `samples` samples each, and for log sigma where `sigma`.
pub fn call(likelihood: u32, images: usize, samples: usize, values: usize, sigma: bool) -> Call {
    let params = Params {
        rows: (images * samples) as u32,
        values: values as u32,
        samples: samples as u32,
        threads: sum_threads(images * samples * values),
    };
    let selectors = [("LIKELIHOOD", likelihood), ("SIGMA", u32::from(sigma))];
    Call::new(params, &selectors)
}

/// Least values of a partial sum on the CPU.
const SHARE: usize = 4096;

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [x, outputs, weights, log_sigma, d_outputs, partials] = bind(bound);
    let p: Params = call.params();
    let (values, samples) = (p.values as usize, p.samples as usize);
    let (x, outputs, weights) = (x.floats(), outputs.floats(), weights.floats());
    let (kind, log_sigma) = (call.selector("LIKELIHOOD"), log_sigma.floats()[0]);
    // Whole rows, no more parts than there are invocations.
    let rows = (p.rows as usize).div_ceil(p.threads as usize);
    let rows = rows.max(SHARE.div_ceil(values));
    F::scratch((p.rows as usize).div_ceil(rows), |found| {
        found.fill(F::ZERO);
        parallel::parts(
            d_outputs.floats_mut(),
            rows * values,
            &mut *found,
            #[inline(always)]
            |(i, (gradients, found))| {
                for (row, gradient) in (i * rows..).zip(gradients.chunks_mut(values)) {
                    let x = &x[row / samples * values..][..values];
                    let outputs = &outputs[row * values..][..values];
                    let (_, of_sigma) =
                        likelihood::with_gradient(kind, x, outputs, log_sigma, gradient);
                    gradient.iter_mut().for_each(|g| *g *= weights[row]);
                    *found += weights[row] * of_sigma;
                }
            },
        );
        if call.selector("SIGMA") != 0 {
            let partials = partials.floats_mut();
            partials.fill(F::ZERO);
            for (row, &mut found) in partials.chunks_mut(4).zip(found) {
                row[3] = found;
            }
        }
    });
}
