//! Standard normal values: Philox and Box-Muller.

use super::lib;
use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};
use crate::rng;

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Values.
        count: u32,
        /// Low word of the seed.
        key_low: u32,
        /// High word of the seed.
        key_high: u32,
        /// [`rng::Purpose`] of the stream.
        purpose: u32,
    }
}

/// `out[i] ~ N(0, 1)`, element i of the stream (seed, purpose, step).
///
/// Bindings: counters `[step, …]`, out `[count]`.
pub static KERNEL: Kernel = Kernel {
    name: "normal",
    bindings: &[Binding::words("counters"), Binding::write("out")],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        elementwise(
            &[lib::PHILOX, include_str!("../../shaders/normal.wgsl")],
            call.params::<Params>().count.div_ceil(4),
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for `count` values.
pub fn call(count: usize, seed: u64, purpose: rng::Purpose) -> Call {
    let key = rng::key(seed);
    let params = Params {
        count: count as u32,
        key_low: key[0],
        key_high: key[1],
        purpose: purpose as u32,
    };
    Call::new(params, &[])
}

/// Time of a value beside that of an addition.
const BOX_MULLER: usize = 16;

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [counters, out] = bind(bound);
    let p: Params = call.params();
    let step = counters.words()[0];
    parallel::chunks_of(
        BOX_MULLER,
        out.floats_mut(),
        4,
        #[inline(always)]
        |(first, out)| {
            for (i, values) in out.chunks_mut(4).enumerate() {
                let block = (first / 4 + i) as u32;
                let four =
                    rng::draw([p.key_low, p.key_high], p.purpose, step, block).map(rng::unit);
                // Elements 0 and 1 are the cosine and sine of the first pair, 2 and 3 of the second.
                for (values, pair) in values.chunks_mut(2).zip(four.chunks(2)) {
                    let (u, v) = (1.0 - f64::from(pair[0]), f64::from(pair[1]));
                    let radius = (-2.0 * u.ln()).sqrt();
                    let (sin, cos) = (std::f64::consts::TAU * v).sin_cos();
                    for (value, part) in values.iter_mut().zip([cos, sin]) {
                        *value = F::new(radius * part);
                    }
                }
            }
        },
    );
}
