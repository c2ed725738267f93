//! Images of a batch mirrored and shifted at random.

use super::lib;
use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};
use crate::rng::{self, Draws};
use crate::shape::ImageShape;

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Images of the batch.
        rows: u32,
        /// Values of an image.
        values: u32,
        /// Pixels of a line of an image.
        width: u32,
        /// Values of a pixel.
        channels: u32,
        /// Most pixels of a shift.
        crop: u32,
        /// Low word of the seed.
        key_low: u32,
        /// High word of the seed.
        key_high: u32,
        /// [`rng::Purpose`] of the draws.
        purpose: u32,
        /// Number of the first row within the whole batch.
        first: u32,
    }
}

/// Each image shifted by up to `crop` pixels along both axes, and with selector `FLIP` mirrored left to right with
/// probability 1/2. What comes in at a border is the image reflected there, the border itself not repeated.
///
/// Bindings: counters `[step, …]`, input and out `[rows, values]`.
pub static KERNEL: Kernel = Kernel {
    name: "augment",
    bindings: &[
        Binding::words("counters"),
        Binding::read("input"),
        Binding::write("out"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        let p: Params = call.params();
        elementwise(
            &[lib::PHILOX, include_str!("../../shaders/augment.wgsl")],
            (p.rows * p.values).div_ceil(4),
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for `rows` images; `crop` is less than their height and their width.
pub fn call(rows: usize, image: ImageShape, flip: bool, crop: usize, draws: Draws) -> Call {
    let [key_low, key_high] = rng::key(draws.seed);
    let params = Params {
        rows: rows as u32,
        values: image.values() as u32,
        width: image.width as u32,
        channels: image.channels as u32,
        crop: crop as u32,
        key_low,
        key_high,
        purpose: draws.purpose as u32,
        first: draws.first as u32,
    };
    Call::new(params, &[("FLIP", u32::from(flip))])
}

/// How an image is moved.
#[derive(Clone, Copy)]
struct Move {
    mirrored: bool,
    down: i32,
    right: i32,
}

impl Move {
    /// Of a row of the batch.
    fn drawn(p: &Params, flip: bool, step: u32, row: u32) -> Self {
        let key = [p.key_low, p.key_high];
        let four = rng::draw(key, p.purpose, step, p.first.wrapping_add(row));
        let shift = |bits| rng::below(bits, 2 * p.crop + 1) as i32 - p.crop as i32;
        Self {
            mirrored: flip && four[0] >= 1 << 31,
            down: shift(four[1]),
            right: shift(four[2]),
        }
    }
}

/// A place within `size`, reflected at the first and the last one.
fn reflected(at: i32, size: usize) -> usize {
    let last = size as i32 - 1;
    (last - (last - at.abs()).abs()) as usize
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [counters, input, out] = bind(bound);
    let p: Params = call.params();
    let (step, flip) = (counters.words()[0], call.selector("FLIP") != 0);
    let input = input.floats();
    let (values, width, channels) = (p.values as usize, p.width as usize, p.channels as usize);
    let line = width * channels;
    let height = values / line;
    parallel::chunks(
        out.floats_mut(),
        values,
        #[inline(always)]
        |(first, out)| {
            for (i, image) in out.chunks_mut(values).enumerate() {
                let row = first / values + i;
                let by = Move::drawn(&p, flip, step, row as u32);
                let from = &input[row * values..][..values];
                for (y, out) in image.chunks_mut(line).enumerate() {
                    let from = &from[reflected(y as i32 + by.down, height) * line..][..line];
                    for (x, pixel) in out.chunks_mut(channels).enumerate() {
                        let x = if by.mirrored { width - 1 - x } else { x };
                        let at = reflected(x as i32 + by.right, width) * channels;
                        pixel.copy_from_slice(&from[at..][..channels]);
                    }
                }
            }
        },
    );
}
