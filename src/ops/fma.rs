//! Multiply-adds and nothing else: the peak by which `elbo bench` judges the matrix products.

use pulp::{Arch, Simd, WithSimd};

use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

/// Multiply-adds of a value in one pass of the shader's loop.
pub const BLOCK: usize = 8;

/// Vectors that the twin works on at once. Two units that take four cycles need eight; there are sixteen
/// registers where vectors have eight lanes, and two hold the constants.
const VECTORS: usize = 10;

/// Values that are a multiple of ten vectors of four, eight and sixteen lanes.
pub const UNIT: usize = 160 * 32;

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Values.
        count: u32,
        /// Times that [`BLOCK`] multiply-adds are done to each.
        blocks: u32,
        /// What a value is multiplied by, between −1 and 1.
        factor: f32,
        /// What is added.
        term: f32,
    }
}

/// `out` = the value of `input` after `blocks · 8` times `x = x · factor + term`, `[count]` each.
pub static KERNEL: Kernel = Kernel {
    name: "fma",
    bindings: &[Binding::read("input"), Binding::write("out")],
    fields: Params::FIELDS,
    multiply_adds: |call| {
        let p: Params = call.params();
        u64::from(p.count) * u64::from(p.blocks) * BLOCK as u64
    },
    variants: |call, _| {
        elementwise(
            &[include_str!("../../shaders/fma.wgsl")],
            call.params::<Params>().count.div_ceil(8),
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for `blocks` times [`BLOCK`] multiply-adds to each of `count` values.
pub fn call(count: usize, blocks: usize) -> Call {
    let params = Params {
        count: count as u32,
        blocks: blocks as u32,
        factor: 0.75,
        term: 0.25,
    };
    Call::new(params, &[])
}

/// A float whose multiply-adds round once.
trait Fused: Real {
    /// Does `times` times `x = x · factor + term` to every value.
    fn repeat(values: &mut [Self], factor: Self, term: Self, times: usize);
}

impl Fused for f64 {
    fn repeat(values: &mut [Self], factor: Self, term: Self, times: usize) {
        for value in values {
            for _ in 0..times {
                *value = value.mul_add(factor, term);
            }
        }
    }
}

impl Fused for f32 {
    fn repeat(values: &mut [Self], factor: Self, term: Self, times: usize) {
        Arch::new().dispatch(Repeat {
            values,
            factor,
            term,
            times,
        });
    }
}

/// [`Fused::repeat`] in vectors by name. From loops over arrays the compiler makes loads and stores of each
/// link of a chain.
struct Repeat<'a> {
    values: &'a mut [f32],
    factor: f32,
    term: f32,
    times: usize,
}

impl WithSimd for Repeat<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let factor = simd.splat_f32s(self.factor);
        let term = simd.splat_f32s(self.term);
        let (vectors, rest) = S::as_mut_simd_f32s(self.values);
        let (many, few) = vectors.as_chunks_mut::<VECTORS>();
        for place in many {
            let mut chains = *place;
            for _ in 0..self.times {
                for chain in &mut chains {
                    *chain = simd.mul_add_f32s(*chain, factor, term);
                }
            }
            *place = chains;
        }
        for chain in few {
            for _ in 0..self.times {
                *chain = simd.mul_add_f32s(*chain, factor, term);
            }
        }
        for value in rest {
            for _ in 0..self.times {
                *value = value.mul_add(self.factor, self.term);
            }
        }
    }
}

fn twin<F: Fused>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [input, out] = bind(bound);
    let p: Params = call.params();
    let wide = |value: f32| F::new(f64::from(value));
    let (factor, term) = (wide(p.factor), wide(p.term));
    let times = BLOCK * p.blocks as usize;
    let input = input.floats();
    parallel::chunks(
        out.floats_mut(),
        UNIT,
        #[inline(always)]
        |(first, out)| {
            out.copy_from_slice(&input[first..first + out.len()]);
            F::repeat(out, factor, term, times);
        },
    );
}
