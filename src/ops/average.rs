//! An exponential moving average of parameters (Polyak & Juditsky 1992; its start as in TensorFlow).

use super::lib;
use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Values of the arena.
        count: u32,
        /// 1 − decay
        rest: f32,
    }
}

/// `average += (parameters − average) · (1 − d)` with `d = min(decay, (1 + t) / (10 + t))` at step t.
///
/// Bindings: parameters, average `[count]`, counters `[step, …]` (already counting this step).
pub static KERNEL: Kernel = Kernel {
    name: "average",
    bindings: &[
        Binding::read("parameters"),
        Binding::update("average"),
        Binding::words("counters"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, device| {
        elementwise(
            &[
                lib::four(device),
                include_str!("../../shaders/average.wgsl"),
            ],
            call.params::<Params>().count.div_ceil(4),
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for `count` parameters.
pub fn call(count: usize, decay: f32) -> Call {
    let params = Params {
        count: count as u32,
        rest: (1.0 - f64::from(decay)) as f32,
    };
    Call::new(params, &[])
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [parameters, average, counters] = bind(bound);
    let p: Params = call.params();
    let of_start = 9.0 / (10.0 + f64::from(counters.words()[0]));
    let share = F::new(f64::from(p.rest).max(of_start));
    let parameters = parameters.floats();
    parallel::chunks(
        average.floats_mut(),
        1,
        #[inline(always)]
        |(first, average)| {
            let parameters = &parameters[first..][..average.len()];
            for (average, &parameter) in average.iter_mut().zip(parameters) {
                *average = *average + (parameter - *average) * share;
            }
        },
    );
}
