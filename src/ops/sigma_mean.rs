//! The most likely sigma of a Gaussian likelihood, of the images of an epoch so far.

use super::sigma::variance;
use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Values of the batch: rows · values of an image.
        values: u32,
        /// Images of the batch.
        rows: u32,
    }
}

/// `log_sigma = ½ ln mean` of the mean squared error of the epoch so far, which the batch's is added to.
///
/// Bindings: counters `[step, position, row]` (position behind the batch), total `[1]` (of the batch's squared errors; 0
/// afterwards), mean `[1]`, log_sigma `[1]`. In the first batch of an epoch, what mean was does not matter.
pub static KERNEL: Kernel = Kernel {
    name: "sigma_mean",
    bindings: &[
        Binding::words("counters"),
        Binding::update("total"),
        Binding::update("mean"),
        Binding::write("log_sigma"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |_, _| elementwise(&[include_str!("../../shaders/sigma_mean.wgsl")], 1),
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for a batch of `rows` images of `values` values.
pub fn call([rows, values]: [usize; 2]) -> Call {
    let params = Params {
        values: (rows * values) as u32,
        rows: rows as u32,
    };
    Call::new(params, &[])
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [counters, total, mean, log_sigma] = bind(bound);
    let p: Params = call.params();
    let (total, mean) = (&mut total.floats_mut()[0], &mut mean.floats_mut()[0]);
    let s = variance(total.wide(), p.values);
    let (before, position) = (mean.wide(), counters.words()[1]);
    let after = match position <= p.rows {
        true => s,
        false => before + (s - before) * f64::from(p.rows) / f64::from(position),
    };
    *mean = F::new(after);
    log_sigma.floats_mut()[0] = F::new(0.5 * after.ln());
    *total = F::ZERO;
}
