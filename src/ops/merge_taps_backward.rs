//! The gradient of the weights that [`super::merge_taps`] merges.

pub use super::merge_taps::call;
use super::merge_taps::{Params, merged_taps};
use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

/// `d_weight = Mᵀ · d_merged · M` of each pair of channels.
///
/// Bindings: d_merged `[channels, 4, 4, features]`, d_weight `[channels, 3, 3, features]`.
pub static KERNEL: Kernel = Kernel {
    name: "merge_taps_backward",
    bindings: &[Binding::read("d_merged"), Binding::write("d_weight")],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        let p: Params = call.params();
        let text = include_str!("../../shaders/merge_taps_backward.wgsl");
        elementwise(&[text], p.channels * 9 * p.features)
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [d_merged, d_weight] = bind(bound);
    let features = call.params::<Params>().features as usize;
    let d_merged = d_merged.floats();
    parallel::chunks(
        d_weight.floats_mut(),
        features,
        #[inline(always)]
        |(first, d_weight)| {
            for (i, sums) in d_weight.chunks_mut(features).enumerate() {
                let tap = first / features + i;
                let (channel, tap) = (tap / 9, tap % 9);
                sums.fill(F::ZERO);
                for y in merged_taps(tap / 3) {
                    for x in merged_taps(tap % 3) {
                        let from = &d_merged[(16 * channel + 4 * y + x) * features..];
                        let pairs = sums.iter_mut().zip(from);
                        pairs.for_each(|(sum, &value)| *sum += value);
                    }
                }
            }
        },
    );
}
