//! Second stage of the loss sums; moves the training state on.

use crate::kernel::{Binding, Bound, Call, ELEMENTWISE_GROUP, Kernel, Real, bind, elementwise};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Rows of partial sums.
        threads: u32,
        /// Images of the batch.
        rows: u32,
    }
}

/// Sums the partial losses into a row of the log, and counts the step.
///
/// Bindings: partials `[threads, 4]`, counters `[step, position, row]`, log `[rows of the log, 2]`
/// (reconstruction and KL, nats summed over the batch), d_log_sigma `[1]`.
pub static KERNEL: Kernel = Kernel {
    name: "record",
    bindings: &[
        Binding::read("partials"),
        Binding::update_words("counters"),
        // One row.
        Binding::update("log").touching(|_| 2),
        Binding::write("d_log_sigma"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |_, _| {
        elementwise(
            &[include_str!("../../shaders/record.wgsl")],
            ELEMENTWISE_GROUP,
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for the partial sums of a batch of `rows` images.
pub fn call(threads: u32, rows: usize) -> Call {
    let rows = rows as u32;
    Call::new(Params { threads, rows }, &[])
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [partials, counters, log, d_log_sigma] = bind(bound);
    let p: Params = call.params();
    // Four rows side by side, so that no sum waits for the one before.
    let mut sums = [0.0; 16];
    for rows in partials.floats().chunks(16) {
        for (sum, value) in sums.iter_mut().zip(rows) {
            *sum += value.wide();
        }
    }
    let total: [f64; 3] = std::array::from_fn(|i| sums.iter().skip(i).step_by(4).sum());
    let counters = counters.words_mut();
    let at = 2 * counters[2] as usize;
    log.floats_mut()[at] = F::new(total[0]);
    log.floats_mut()[at + 1] = F::new(total[1]);
    d_log_sigma.floats_mut()[0] = F::new(total[2]);
    counters[0] += 1;
    counters[1] += p.rows;
    counters[2] += 1;
}
