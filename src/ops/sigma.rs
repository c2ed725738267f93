//! The most likely sigma of a Gaussian likelihood, of a batch and of an epoch (Rybkin, Daniilidis & Levine 2021).

use crate::kernel::{Binding, Bound, Call, ELEMENTWISE_GROUP, Kernel, Real, bind, elementwise};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Rows of partial sums.
        threads: u32,
        /// Values of the batch: rows · values of an image.
        values: u32,
        /// Images of the batch.
        rows: u32,
    }
}

/// Least variance of a batch, of a sigma of 10⁻⁴: a fortieth of the step between two levels of an 8-bit image.
pub const LEAST_VARIANCE: f64 = 1e-8;

/// `batch = ½ ln s` of the batch's mean squared error s, and `log_sigma = ½ ln mean` of that of the epoch so far.
///
/// Bindings: partials `[threads, 4]` (squared errors in the first column), counters `[step, position, row]`, batch `[1]`,
/// mean `[1]`, log_sigma `[1]`. Where position is 0 an epoch begins, and what mean was does not matter.
pub static KERNEL: Kernel = Kernel {
    name: "sigma",
    bindings: &[
        Binding::read("partials"),
        Binding::words("counters"),
        Binding::write("batch"),
        Binding::update("mean"),
        Binding::write("log_sigma"),
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

/// The call for partial sums of a batch of `rows` images of `values` values.
pub fn call(threads: u32, [rows, values]: [usize; 2]) -> Call {
    let params = Params {
        threads,
        values: (rows * values) as u32,
        rows: rows as u32,
    };
    Call::new(params, &[])
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [partials, counters, batch, mean, log_sigma] = bind(bound);
    let p: Params = call.params();
    let errors = partials.floats().iter().step_by(4);
    let total: f64 = errors.map(|error| error.wide()).sum();
    let error = total / f64::from(p.values);
    let s = if error < LEAST_VARIANCE {
        LEAST_VARIANCE
    } else {
        error
    };
    let mean = &mut mean.floats_mut()[0];
    let before = mean.wide();
    let after = match counters.words()[1] {
        0 => s,
        position => before + (s - before) * f64::from(p.rows) / f64::from(position + p.rows),
    };
    batch.floats_mut()[0] = F::new(0.5 * s.ln());
    *mean = F::new(after);
    log_sigma.floats_mut()[0] = F::new(0.5 * after.ln());
}
