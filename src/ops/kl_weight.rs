//! The weight of the KL's gradient where it varies: warm-up and free bits.

use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Rows of the heads.
        rows: u32,
        /// Values of a latent code.
        latent: u32,
        /// Nats of each latent dimension's KL that are free.
        free: f32,
    }
}

/// Multiplies the gradient of beta · KL by the relative KL weight, and by 0 where the mean KL of a latent dimension over
/// the batch is within the free bits (Kingma et al. 2016, eq. 15).
///
/// Bindings: units `[latent, 4]` as [`super::latent_units`] leaves them, scalars `[learning rate, gradient scale,
/// relative KL weight]`, d_heads `[rows, 2·latent]`.
pub static KERNEL: Kernel = Kernel {
    name: "kl_weight",
    bindings: &[
        Binding::read("units"),
        Binding::read("scalars"),
        Binding::update("d_heads"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        let p: Params = call.params();
        elementwise(
            &[include_str!("../../shaders/kl_weight.wgsl")],
            p.rows * 2 * p.latent,
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for `rows` heads with `free` nats of each latent dimension free.
pub fn call(rows: usize, latent: usize, free: f32) -> Call {
    let params = Params {
        rows: rows as u32,
        latent: latent as u32,
        free,
    };
    Call::new(params, &[])
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [units, scalars, d_heads] = bind(bound);
    let p: Params = call.params();
    let share = scalars.floats()[2];
    let bound = F::new(f64::from(p.free * p.rows as f32));
    let units = units.floats();
    for gradients in d_heads.floats_mut().chunks_mut(p.latent as usize) {
        for (gradient, unit) in gradients.iter_mut().zip(units.chunks(4)) {
            *gradient *= if unit[0] <= bound { F::ZERO } else { share };
        }
    }
}
