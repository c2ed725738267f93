//! Importance weights of latent samples (Burda, Grosse & Salakhutdinov 2016, eq. 8).

use super::{bounded, by_lanes, lib, likelihood};
use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, parallel};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Samples in all: images · samples.
        rows: u32,
        /// Values of an image.
        values: u32,
        /// Values of a latent code.
        latent: u32,
        /// Samples of an image.
        samples: u32,
    }
}

/// The parts of `−log w = −log p(x|z) + (log q(z|x) − log p(z))` of each sample, in nats; selector `LIKELIHOOD`.
///
/// Bindings: x `[rows / samples, values]`, outputs `[rows, values]`, heads `[rows / samples, 2·latent]`,
/// epsilon and z `[rows, latent]`, log_sigma `[1]`, terms `[rows, 2]`.
pub static KERNEL: Kernel = Kernel {
    name: "log_weight",
    bindings: &[
        Binding::read("x"),
        Binding::read("outputs"),
        Binding::read("heads"),
        Binding::read("epsilon"),
        Binding::read("z"),
        Binding::read("log_sigma"),
        Binding::write("terms"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, device| {
        by_lanes(
            device,
            &[
                lib::EXP,
                lib::LATENT,
                lib::LIKELIHOOD,
                include_str!("../../shaders/log_weight.wgsl"),
            ],
            call.params::<Params>().rows,
            LANES,
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// Lanes of a row on hardware.
const LANES: u32 = 64;

/// The call for `images` images with `samples` samples each.
pub fn call(likelihood: u32, images: usize, samples: usize, values: usize, latent: usize) -> Call {
    let params = Params {
        rows: (images * samples) as u32,
        values: values as u32,
        latent: latent as u32,
        samples: samples as u32,
    };
    Call::new(params, &[("LIKELIHOOD", likelihood)])
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [x, outputs, heads, epsilon, z, log_sigma, terms] = bind(bound);
    let p: Params = call.params();
    let (values, latent, samples) = (p.values as usize, p.latent as usize, p.samples as usize);
    let (x, outputs, heads) = (x.floats(), outputs.floats(), heads.floats());
    let (epsilon, z, log_sigma) = (epsilon.floats(), z.floats(), log_sigma.floats()[0]);
    let kind = call.selector("LIKELIHOOD");
    parallel::chunks_of(
        values,
        terms.floats_mut(),
        2,
        #[inline(always)]
        |(first, terms)| {
            for (i, terms) in terms.chunks_mut(2).enumerate() {
                let row = first / 2 + i;
                let image = row / samples;
                terms[0] = likelihood::loss(
                    kind,
                    &x[image * values..][..values],
                    &outputs[row * values..][..values],
                    log_sigma,
                );
                let logvar = &heads[image * 2 * latent + latent..][..latent];
                let codes = epsilon[row * latent..][..latent]
                    .iter()
                    .zip(&z[row * latent..][..latent]);
                terms[1] = codes
                    .zip(logvar)
                    .map(|((&e, &z), &logvar)| F::new(0.5) * (z * z - e * e - bounded(logvar)))
                    .sum();
            }
        },
    );
}
