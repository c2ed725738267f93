//! Batches: images by index from the data set on the device, optionally binarised.

use super::lib;
use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};
use crate::rng::{self, Draws};

/// `override BINARIZE`: values as they are.
pub const AS_IS: u32 = 0;
/// Each value drawn once, by (image, value).
pub const FIXED: u32 = 1;
/// Each value drawn anew, by (step, row of the whole batch, value).
pub const DYNAMIC: u32 = 2;

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Images of the batch.
        rows: u32,
        /// Values of an image.
        values: u32,
        /// Low word of the seed.
        key_low: u32,
        /// High word of the seed.
        key_high: u32,
        /// [`rng::Purpose`] of the binarisation.
        purpose: u32,
        /// Number of the first row within the whole batch.
        first: u32,
    }
}

/// `x[row] = images[order[position + first + row]]`; selectors `FLOATS` (images hold floats, not bytes), `BINARIZE`, and
/// `WINDOW`: where it is not 0, so many images lie there at once, in the order of their positions.
///
/// Bindings: images, order, counters `[step, position, row]`, x `[rows, values]`.
pub static KERNEL: Kernel = Kernel {
    name: "gather",
    bindings: &[
        Binding::words("images").touching(|call| {
            let p: Params = call.params();
            let elements = p.rows as usize * p.values as usize;
            match call.selector("FLOATS") {
                0 => elements.div_ceil(4),
                _ => elements,
            }
        }),
        Binding::words("order").touching(|call| call.params::<Params>().rows as usize),
        Binding::words("counters"),
        Binding::write("x"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, device| {
        let p: Params = call.params();
        let mut parts = vec![lib::PHILOX, include_str!("../../shaders/gather/head.wgsl")];
        if p.values.is_multiple_of(4) {
            parts.push(lib::four(device));
            parts.push(include_str!("../../shaders/gather/vec4.wgsl"));
        } else {
            parts.push(include_str!("../../shaders/gather/scalar.wgsl"));
        }
        elementwise(&parts, (p.rows * p.values).div_ceil(4))
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

impl Params {
    /// Of a batch of `rows` images of `values` values each.
    pub(crate) fn new(rows: usize, values: usize, draws: Draws) -> Self {
        let key = rng::key(draws.seed);
        Self {
            rows: rows as u32,
            values: values as u32,
            key_low: key[0],
            key_high: key[1],
            purpose: draws.purpose as u32,
            first: draws.first as u32,
        }
    }
}

/// The call for a batch of so many rows of so many values; `window` images lie on the device at once, or all where it is 0.
pub fn call(
    [rows, values]: [usize; 2],
    floats: bool,
    binarize: u32,
    draws: Draws,
    window: usize,
) -> Call {
    let params = Params::new(rows, values, draws);
    Call::new(
        params,
        &[
            ("FLOATS", u32::from(floats)),
            ("BINARIZE", binarize),
            ("WINDOW", window as u32),
        ],
    )
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [images, order, counters, x] = bind(bound);
    let p: Params = call.params();
    let (images, order, counters) = (images.words(), order.words(), counters.words());
    let floats = call.selector("FLOATS") != 0;
    let binarize = call.selector("BINARIZE");
    let window = call.selector("WINDOW") as usize;
    let values = p.values as usize;
    // The first byte is the least significant of its word in the shader; every platform that wgpu
    // reaches is little-endian.
    let bytes: &[u8] = bytemuck::cast_slice(images);
    parallel::chunks(
        x.floats_mut(),
        values,
        #[inline(always)]
        |(first, x)| {
            for (i, row) in x.chunks_mut(values).enumerate() {
                let batch_row = first / values + i;
                let position = counters[1] as usize + p.first as usize + batch_row;
                let image = order[position];
                let at = values * position.checked_rem(window).unwrap_or(image as usize);
                if floats {
                    for (out, &bits) in row.iter_mut().zip(&images[at..at + values]) {
                        *out = F::new(f64::from(f32::from_bits(bits)));
                    }
                } else {
                    for (out, &byte) in row.iter_mut().zip(&bytes[at..at + values]) {
                        *out = F::new(f64::from(f32::from(byte) / 255.0));
                    }
                }
                let place = [counters[0], batch_row as u32, image];
                draw(&p, binarize, place, row);
            }
        },
    );
}

/// Binarises a row of the batch that step `step` has, image `image` of its data set.
pub(crate) fn draw<F: Real>(
    p: &Params,
    binarize: u32,
    [step, batch_row, image]: [u32; 3],
    row: &mut [F],
) {
    let (step, first) = match binarize {
        AS_IS => return,
        FIXED => (image, 0),
        _ => {
            let row = p.first.wrapping_add(batch_row);
            (step, row.wrapping_mul(p.values))
        }
    };
    let mut block = u32::MAX;
    let mut four = [0; 4];
    for (j, value) in row.iter_mut().enumerate() {
        let element = first.wrapping_add(j as u32);
        if element / 4 != block {
            block = element / 4;
            four = rng::draw([p.key_low, p.key_high], p.purpose, step, block);
        }
        let u = f64::from(rng::unit(four[element as usize % 4]));
        *value = if u < value.wide() { F::ONE } else { F::ZERO };
    }
}
