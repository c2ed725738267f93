//! AdamW over the arena of all parameters (Kingma & Ba 2015; Loshchilov & Hutter 2019).

use rayon::prelude::*;

use super::lib;
use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

/// Decay of the first moment.
pub const BETA1: f64 = 0.9;
/// Decay of the second moment.
pub const BETA2: f64 = 0.999;
/// Added to the root of the second moment.
pub const EPSILON: f64 = 1e-8;

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Values of the arena.
        count: u32,
        /// ln β1
        log_beta1: f32,
        /// ln β2
        log_beta2: f32,
        /// 1 − β1
        rate1: f32,
        /// 1 − β2
        rate2: f32,
        /// Added to the root of the second moment.
        epsilon: f32,
        /// Decoupled weight decay, per unit of learning rate.
        decay: f32,
    }
}

/// One update of every parameter.
///
/// Bindings: parameters, gradient, first and second moment `[count]`, counters `[step, …]` (already
/// counting this step), scalars `[learning rate, gradient scale]`.
pub static KERNEL: Kernel = Kernel {
    name: "adam",
    bindings: &[
        Binding::update("parameters"),
        Binding::read("gradient"),
        Binding::update("first"),
        Binding::update("second"),
        Binding::words("counters"),
        Binding::read("scalars"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, device| {
        elementwise(
            &[
                lib::four(device),
                lib::ADAM,
                include_str!("../../shaders/adam.wgsl"),
            ],
            call.params::<Params>().count.div_ceil(4),
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for `count` parameters.
pub fn call(count: usize, decay: f32) -> Call {
    Call::new(params(count, decay), &[])
}

/// Parameters of an update of `count` parameters.
pub(super) fn params(count: usize, decay: f32) -> Params {
    Params {
        count: count as u32,
        log_beta1: BETA1.ln() as f32,
        log_beta2: BETA2.ln() as f32,
        rate1: (1.0 - BETA1) as f32,
        rate2: (1.0 - BETA2) as f32,
        epsilon: EPSILON as f32,
        decay,
    }
}

/// What all parameters of an update have in common.
#[derive(Clone, Copy)]
pub(super) struct Rates<F> {
    scale: F,
    step_size: F,
    inverse_root: F,
    decay: F,
    rate1: F,
    rate2: F,
    epsilon: F,
}

impl<F: Real> Rates<F> {
    pub(super) fn new(p: &Params, counters: &[u32], scalars: &[F]) -> Self {
        let wide = |value: f32| F::new(f64::from(value));
        let t = F::new(f64::from(counters[0]));
        let (rate, scale) = (scalars[0], scalars[1]);
        Self {
            scale,
            step_size: rate / (t * wide(p.log_beta1)).one_minus_exp(),
            inverse_root: F::ONE / (t * wide(p.log_beta2)).one_minus_exp().sqrt(),
            decay: rate * wide(p.decay),
            rate1: wide(p.rate1),
            rate2: wide(p.rate2),
            epsilon: wide(p.epsilon),
        }
    }

    /// Updates parameters and their moments.
    #[inline(always)]
    pub(super) fn update(self, [parameters, first, second]: [&mut [F]; 3], gradient: &[F]) {
        let moments = first.iter_mut().zip(second);
        for ((value, &g), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
            // All is loaded before anything is stored: the arenas lie pages apart, and a load behind a store to the
            // same place of another page waits for it.
            let (g, old) = (g * self.scale, *value);
            let new_m = *m + (g - *m) * self.rate1;
            let new_v = *v + (g * g - *v) * self.rate2;
            let root = new_v.sqrt() * self.inverse_root + self.epsilon;
            *value = old - self.decay * old - self.step_size * new_m / root;
            (*m, *v) = (new_m, new_v);
        }
    }
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [parameters, gradient, first, second, counters, scalars] = bind(bound);
    let rates = Rates::new(&call.params(), counters.words(), scalars.floats());
    let gradient = gradient.floats();
    // Three outputs: the moments are cut into the same parts as the parameters.
    let size = parameters
        .floats()
        .len()
        .div_ceil(4 * rayon::current_num_threads())
        .max(4096);
    let moments = first
        .floats_mut()
        .par_chunks_mut(size)
        .zip(second.floats_mut().par_chunks_mut(size));
    parallel::parts(
        parameters.floats_mut(),
        size,
        moments,
        #[inline(always)]
        |(i, (part, (first, second)))| {
            let gradient = &gradient[i * size..][..part.len()];
            rates.update([part, first, second], gradient);
        },
    );
}
