//! The reparameterisation z = mu + exp(logvar/2)·epsilon (Kingma & Welling 2014, eq. 10).

use super::{bounded, lib};
use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Rows of z.
        rows: u32,
        /// Values of a latent code.
        latent: u32,
        /// Rows of z per row of heads.
        samples: u32,
    }
}

/// Latent codes from the encoder's heads and noise.
///
/// Bindings: heads `[rows / samples, 2·latent]`, epsilon `[rows, latent]`, z `[rows, latent]`.
pub static KERNEL: Kernel = Kernel {
    name: "reparameterize",
    bindings: &[
        Binding::read("heads"),
        Binding::read("epsilon"),
        Binding::write("z"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        let p: Params = call.params();
        elementwise(
            &[
                lib::LATENT,
                include_str!("../../shaders/reparameterize.wgsl"),
            ],
            p.rows * p.latent,
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for `rows` codes, `samples` for each row of heads.
pub fn call(rows: usize, latent: usize, samples: usize) -> Call {
    let params = Params {
        rows: rows as u32,
        latent: latent as u32,
        samples: samples as u32,
    };
    Call::new(params, &[])
}

/// Time of a value beside that of an addition.
const EXP: usize = 4;

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [heads, epsilon, z] = bind(bound);
    let p: Params = call.params();
    let (latent, samples) = (p.latent as usize, p.samples as usize);
    let (heads, epsilon) = (heads.floats(), epsilon.floats());
    let half = F::new(0.5);
    parallel::chunks_of(
        EXP,
        z.floats_mut(),
        latent,
        #[inline(always)]
        |(first, z)| {
            for (i, z) in z.chunks_mut(latent).enumerate() {
                let row = first / latent + i;
                let (mu, raw) = heads[row / samples * 2 * latent..][..2 * latent].split_at(latent);
                let epsilon = &epsilon[row * latent..][..latent];
                for (((z, &mu), &raw), &epsilon) in z.iter_mut().zip(mu).zip(raw).zip(epsilon) {
                    *z = mu + (half * bounded(raw)).exp() * epsilon;
                }
            }
        },
    );
}
