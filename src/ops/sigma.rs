//! The most likely sigma of a Gaussian likelihood, of a batch (Rybkin, Daniilidis & Levine 2021).

use crate::kernel::{Binding, Bound, Call, ELEMENTWISE_GROUP, Kernel, Real, bind, elementwise};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Rows of partial sums.
        threads: u32,
        /// Values of the batch: rows · values of an image.
        values: u32,
    }
}

/// Least variance of a batch, of a sigma of 10⁻⁴: a fortieth of the step between two levels of an 8-bit image.
pub const LEAST_VARIANCE: f64 = 1e-8;

/// `batch = ½ ln s` of the batch's mean squared error s, and the sum of the squared errors.
///
/// Bindings: partials `[threads, 4]` (squared errors in the first column), batch `[1]`, total `[1]`.
pub static KERNEL: Kernel = Kernel {
    name: "sigma",
    bindings: &[
        Binding::read("partials"),
        Binding::write("batch"),
        Binding::write("total"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |_, _| {
        elementwise(
            &[include_str!("../../shaders/sigma.wgsl")],
            ELEMENTWISE_GROUP,
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for partial sums of `values` values.
pub fn call(threads: u32, values: usize) -> Call {
    let values = values as u32;
    Call::new(Params { threads, values }, &[])
}

/// A mean squared error, at least [`LEAST_VARIANCE`]; NaN stays NaN.
pub(super) fn variance(total: f64, values: u32) -> f64 {
    let error = total / f64::from(values);
    if error < LEAST_VARIANCE {
        LEAST_VARIANCE
    } else {
        error
    }
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [partials, batch, total] = bind(bound);
    let p: Params = call.params();
    let errors = partials.floats().iter().step_by(4);
    let all: f64 = errors.map(|error| error.wide()).sum();
    batch.floats_mut()[0] = F::new(0.5 * variance(all, p.values).ln());
    total.floats_mut()[0] = F::new(all);
}
