//! Gradient of the reparameterisation.

use super::{bounded, inside, lib};
use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Rows of z.
        rows: u32,
        /// Values of a latent code.
        latent: u32,
    }
}

/// Adds the gradient through z to that of the KL.
///
/// Bindings: heads `[rows, 2·latent]`, epsilon and d_z `[rows, latent]`, d_heads `[rows, 2·latent]`.
pub static KERNEL: Kernel = Kernel {
    name: "reparameterize_backward",
    bindings: &[
        Binding::read("heads"),
        Binding::read("epsilon"),
        Binding::read("d_z"),
        Binding::update("d_heads"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        let p: Params = call.params();
        elementwise(
            &[
                lib::LATENT,
                include_str!("../../shaders/reparameterize_backward.wgsl"),
            ],
            p.rows * p.latent,
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for `rows` codes.
pub fn call(rows: usize, latent: usize) -> Call {
    let params = Params {
        rows: rows as u32,
        latent: latent as u32,
    };
    Call::new(params, &[])
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [heads, epsilon, d_z, d_heads] = bind(bound);
    let latent = call.params::<Params>().latent as usize;
    let (heads, epsilon, d_z) = (heads.floats(), epsilon.floats(), d_z.floats());
    let half = F::new(0.5);
    for (row, gradient) in d_heads.floats_mut().chunks_mut(2 * latent).enumerate() {
        let head = &heads[row * 2 * latent..][..2 * latent];
        for j in 0..latent {
            let g = d_z[row * latent + j];
            let raw = head[latent + j];
            let deviation = (half * bounded(raw)).exp();
            gradient[j] += g;
            gradient[latent + j] += half * g * epsilon[row * latent + j] * deviation * inside(raw);
        }
    }
}
