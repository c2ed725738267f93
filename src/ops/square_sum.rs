//! First stage of the gradient's norm.

use super::sum_threads;
use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Values of the gradient.
        count: u32,
        /// Partial sums.
        threads: u32,
    }
}

/// Partial sums of squares.
///
/// Bindings: gradient `[count]`, partials `[threads]`.
pub static KERNEL: Kernel = Kernel {
    name: "square_sum",
    bindings: &[Binding::read("gradient"), Binding::partial("partials")],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        elementwise(
            &[include_str!("../../shaders/square_sum.wgsl")],
            call.params::<Params>().threads,
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for `count` values; [`sum_threads`] partial sums.
pub fn call(count: usize) -> Call {
    let params = Params {
        count: count as u32,
        threads: sum_threads(count),
    };
    Call::new(params, &[])
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [gradient, partials] = bind(bound);
    let gradient = gradient.floats();
    let share = gradient
        .len()
        .div_ceil(call.params::<Params>().threads as usize);
    parallel::chunks(
        partials.floats_mut(),
        1,
        #[inline(always)]
        |(first, partials)| {
            for (i, partial) in partials.iter_mut().enumerate() {
                let from = ((first + i) * share).min(gradient.len());
                let to = (from + share).min(gradient.len());
                *partial = gradient[from..to].iter().map(|&g| g * g).sum();
            }
        },
    );
}
