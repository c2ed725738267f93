//! The gradient of the importance-weighted bound for the encoder's heads (Burda, Grosse & Salakhutdinov 2016; doubly
//! reparameterised: Tucker, Lawson, Gu & Maddison 2019).

use super::{bounded, inside, lib};
use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Images.
        images: u32,
        /// Samples of each.
        samples: u32,
        /// Values of a latent code.
        latent: u32,
    }
}

/// The gradient for the heads from that for the codes through the decoder, with the prior's and the posterior's own; with
/// selector `DREG` by the doubly reparameterised estimator.
///
/// Bindings: heads `[images, 2·latent]`, epsilon and d_z `[images, samples, latent]`, weights `[images, samples]`, d_heads
/// `[images, 2·latent]`.
pub static KERNEL: Kernel = Kernel {
    name: "importance_backward",
    bindings: &[
        Binding::read("heads"),
        Binding::read("epsilon"),
        Binding::read("d_z"),
        Binding::read("weights"),
        Binding::write("d_heads"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        let p: Params = call.params();
        elementwise(
            &[
                lib::EXP,
                lib::LATENT,
                include_str!("../../shaders/importance_backward.wgsl"),
            ],
            p.images * p.latent,
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for `images` images with `samples` codes of `latent` values each.
pub fn call([images, samples, latent]: [usize; 3], dreg: bool) -> Call {
    let params = Params {
        images: images as u32,
        samples: samples as u32,
        latent: latent as u32,
    };
    Call::new(params, &[("DREG", u32::from(dreg))])
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [heads, epsilon, d_z, weights, d_heads] = bind(bound);
    let p: Params = call.params();
    let (samples, latent) = (p.samples as usize, p.latent as usize);
    let (heads, epsilon) = (heads.floats(), epsilon.floats());
    let (d_z, weights) = (d_z.floats(), weights.floats());
    let (dreg, half) = (call.selector("DREG") != 0, F::new(0.5));
    let own = if dreg { F::ZERO } else { -half };
    parallel::chunks_of(
        samples,
        d_heads.floats_mut(),
        2 * latent,
        #[inline(always)]
        |(first, gradients)| {
            for (i, gradient) in gradients.chunks_mut(2 * latent).enumerate() {
                let image = first / (2 * latent) + i;
                let (mu, raw) = heads[image * 2 * latent..][..2 * latent].split_at(latent);
                let (sums, stretched) = gradient.split_at_mut(latent);
                sums.fill(F::ZERO);
                stretched.fill(F::ZERO);
                for row in image * samples..(image + 1) * samples {
                    let weight = weights[row];
                    let epsilon = &epsilon[row * latent..][..latent];
                    let d_z = &d_z[row * latent..][..latent];
                    let of_heads = mu.iter().zip(raw).zip(epsilon).zip(d_z);
                    let sums = sums.iter_mut().zip(stretched.iter_mut());
                    for ((sum, stretched), (((&mu, &raw), &e), &d_z)) in sums.zip(of_heads) {
                        let sigma = (half * bounded(raw)).exp();
                        let z = mu + sigma * e;
                        let g = match dreg {
                            true => weight * (d_z + weight * (z - e / sigma)),
                            false => d_z + weight * z,
                        };
                        *sum += g;
                        *stretched += g * e;
                    }
                }
                for (d, &raw) in stretched.iter_mut().zip(raw) {
                    let sigma = (half * bounded(raw)).exp();
                    *d = (half * sigma * *d + own) * inside(raw);
                }
            }
        },
    );
}
