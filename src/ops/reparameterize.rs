//! The reparameterisation z = mu + exp(logvar/2)·epsilon (Kingma & Welling 2014, eq. 10).

use super::{bounded, lib};
use crate::kernel::{Access, Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};
use crate::rng::{self, Draws, Purpose};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Rows of z.
        rows: u32,
        /// Values of a latent code.
        latent: u32,
        /// Rows of z per row of heads.
        samples: u32,
        /// Low word of the seed.
        key_low: u32,
        /// High word of the seed.
        key_high: u32,
        /// [`Purpose`] of the stream.
        purpose: u32,
        /// Number of the first row of z within the whole batch of codes.
        first: u32,
    }
}

impl Params {
    /// Where the first row's elements begin in the stream: the block of four, and the place in it.
    fn begin(&self) -> [u32; 2] {
        let element = self.first.wrapping_mul(self.latent);
        [element / 4, element % 4]
    }
}

/// Latent codes from the encoder's heads and noise. With selector `DRAW`, value i of epsilon is element
/// first·latent + i of the stream (seed, purpose, step); otherwise it is what epsilon holds.
///
/// Bindings: counters `[step, …]`, heads `[rows / samples, 2·latent]`, epsilon `[rows, latent]`, z `[rows, latent]`.
pub static KERNEL: Kernel = Kernel {
    name: "reparameterize",
    bindings: &[
        Binding::words("counters"),
        Binding::read("heads"),
        Binding::update("epsilon").used(|call| match call.selector("DRAW") {
            0 => Access::Read,
            _ => Access::Write,
        }),
        Binding::write("z"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        let p: Params = call.params();
        elementwise(
            &[
                lib::PHILOX,
                lib::NORMAL,
                lib::EXP,
                lib::LATENT,
                include_str!("../../shaders/reparameterize.wgsl"),
            ],
            (p.begin()[1] + p.rows * p.latent).div_ceil(4),
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for `rows` codes, `samples` for each row of heads, with noise that is drawn; without it, with what epsilon
/// holds.
pub fn call(rows: usize, latent: usize, samples: usize, noise: Option<Draws>) -> Call {
    let draws = noise.unwrap_or(Draws {
        seed: 0,
        purpose: Purpose::Epsilon,
        first: 0,
    });
    let [key_low, key_high] = rng::key(draws.seed);
    let params = Params {
        rows: rows as u32,
        latent: latent as u32,
        samples: samples as u32,
        key_low,
        key_high,
        purpose: draws.purpose as u32,
        first: draws.first as u32,
    };
    Call::new(params, &[("DRAW", u32::from(noise.is_some()))])
}

/// Time of a value beside that of an addition.
const BOX_MULLER: usize = 16;

/// Fills epsilon from the stream of the call.
fn draw<F: Real>(p: &Params, step: u32, epsilon: &mut [F]) {
    let key = [p.key_low, p.key_high];
    let [block, skipped] = p.begin();
    // The first row may begin inside a block; from the next one on it goes by whole blocks.
    let begun = ((4 - skipped) % 4) as usize;
    let (head, rest) = epsilon.split_at_mut(begun.min(epsilon.len()));
    let of_head = rng::normal(rng::draw(key, p.purpose, step, block));
    for (value, &normal) in head.iter_mut().zip(&of_head[skipped as usize..]) {
        *value = F::new(normal);
    }
    let block = block + u32::from(skipped > 0);
    parallel::chunks_of(
        BOX_MULLER,
        rest,
        4,
        #[inline(always)]
        |(first, epsilon)| {
            for (i, values) in epsilon.chunks_mut(4).enumerate() {
                let block = block.wrapping_add((first / 4 + i) as u32);
                let bits = rng::draw(key, p.purpose, step, block);
                for (value, normal) in values.iter_mut().zip(rng::normal(bits)) {
                    *value = F::new(normal);
                }
            }
        },
    );
}

/// Time of a value beside that of an addition.
const EXP: usize = 4;

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [counters, heads, epsilon, z] = bind(bound);
    let p: Params = call.params();
    if call.selector("DRAW") != 0 {
        draw(&p, counters.words()[0], epsilon.floats_mut());
    }
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
