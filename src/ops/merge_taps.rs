//! The weights of a convolution behind a doubling of rows and columns, as those of one transposed convolution.
//!
//! Of the nine pixels that a window of the doubled map covers, only four are different ones: so its 3×3 taps come to 2×2 for
//! each of the four places within a pixel of the map, 16 multiply-adds in place of 36.

use std::ops::Range;

use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

crate::params! {
    /// Parameters of [`KERNEL`], and of the way back.
    pub struct Params {
        /// Channels of the map.
        channels: u32,
        /// Channels of the sums.
        features: u32,
    }
}

/// `merged = M · weight · Mᵀ` of each pair of channels.
///
/// Bindings: weight `[channels, 3, 3, features]`, merged `[channels, 4, 4, features]`.
pub static KERNEL: Kernel = Kernel {
    name: "merge_taps",
    bindings: &[Binding::read("weight"), Binding::write("merged")],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        let p: Params = call.params();
        let text = include_str!("../../shaders/merge_taps.wgsl");
        elementwise(&[text], p.channels * 16 * p.features)
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for weights from so many channels to so many.
pub fn call(channels: usize, features: usize) -> Call {
    let params = Params {
        channels: channels as u32,
        features: features as u32,
    };
    Call::new(params, &[])
}

/// The taps of the four along an axis that one of the three is part of.
#[inline(always)]
pub(super) fn merged_taps(tap: usize) -> Range<usize> {
    2 - tap..4 - tap
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [weight, merged] = bind(bound);
    let features = call.params::<Params>().features as usize;
    let weight = weight.floats();
    parallel::chunks(
        merged.floats_mut(),
        features,
        #[inline(always)]
        |(first, merged)| {
            for (i, sums) in merged.chunks_mut(features).enumerate() {
                let tap = first / features + i;
                let (channel, y, x) = (tap / 16, tap / 4 % 4, tap % 4);
                sums.fill(F::ZERO);
                for tap in 0..9 {
                    if merged_taps(tap / 3).contains(&y) && merged_taps(tap % 3).contains(&x) {
                        let from = &weight[(9 * channel + tap) * features..];
                        let pairs = sums.iter_mut().zip(from);
                        pairs.for_each(|(sum, &value)| *sum += value);
                    }
                }
            }
        },
    );
}
