//! What a schedule says for the step at hand.

use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Rows of the schedule.
        steps: u32,
        /// Rows of the log in a step.
        rows: u32,
    }
}

/// Takes the learning rate and the relative KL weight of this step out of an epoch's schedule.
///
/// Bindings: counters `[step, position, row]`, schedule `[steps, 2]` (learning rate, relative KL weight), scalars
/// `[learning rate, gradient scale, relative KL weight]`.
pub static KERNEL: Kernel = Kernel {
    name: "schedule",
    bindings: &[
        Binding::words("counters"),
        // One row.
        Binding::read("schedule").touching(|_| 2),
        Binding::update("scalars"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |_, _| elementwise(&[include_str!("../../shaders/schedule.wgsl")], 1),
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for an epoch of `steps`, each of which has so many rows of the log.
pub fn call(steps: usize, rows: usize) -> Call {
    let [steps, rows] = [steps, rows].map(|count| count as u32);
    Call::new(Params { steps, rows }, &[])
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [counters, schedule, scalars] = bind(bound);
    let p: Params = call.params();
    let row = (counters.words()[2] / p.rows).min(p.steps - 1) as usize;
    let now = &schedule.floats()[2 * row..][..2];
    let scalars = scalars.floats_mut();
    (scalars[0], scalars[2]) = (now[0], now[1]);
}
