//! Gradient of the reparameterisation.

use super::{bounded, inside, lib};
use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

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
                lib::EXP,
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

/// Time of a value beside that of an addition.
const EXP: usize = 2;

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [heads, epsilon, d_z, d_heads] = bind(bound);
    let latent = call.params::<Params>().latent as usize;
    let (heads, epsilon, d_z) = (heads.floats(), epsilon.floats(), d_z.floats());
    let half = F::new(0.5);
    parallel::chunks_of(
        EXP,
        d_heads.floats_mut(),
        2 * latent,
        #[inline(always)]
        |(first, gradients)| {
            for (i, gradient) in gradients.chunks_mut(2 * latent).enumerate() {
                let row = first / (2 * latent) + i;
                let raw = &heads[row * 2 * latent..][latent..2 * latent];
                let epsilon = &epsilon[row * latent..][..latent];
                let d_z = &d_z[row * latent..][..latent];
                let (d_mu, d_raw) = gradient.split_at_mut(latent);
                for (d, &g) in d_mu.iter_mut().zip(d_z) {
                    *d += g;
                }
                for (((d, &g), &raw), &epsilon) in d_raw.iter_mut().zip(d_z).zip(raw).zip(epsilon) {
                    let deviation = (half * bounded(raw)).exp();
                    *d += half * g * epsilon * deviation * inside(raw);
                }
            }
        },
    );
}
