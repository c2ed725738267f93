//! Adds up a gradient of weights and bias that was made in parts.

use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Parts of the weight.
        parts: u32,
        /// Values of the weight.
        weights: u32,
        /// Parts of the bias.
        bias_parts: u32,
        /// Values of the bias.
        biases: u32,
    }
}

/// Sums over parts.
///
/// Bindings: weights `[parts, weights]`, biases `[bias_parts, biases]`; weight, bias.
pub static KERNEL: Kernel = Kernel {
    name: "sum_parts",
    bindings: &[
        Binding::read("weights"),
        Binding::read("biases"),
        Binding::write("weight"),
        Binding::write("bias"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        let p: Params = call.params();
        elementwise(
            &[include_str!("../../shaders/sum_parts.wgsl")],
            p.weights + p.biases,
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for a weight and a bias, each as parts and values.
pub fn call([parts, weights]: [usize; 2], [bias_parts, biases]: [usize; 2]) -> Call {
    let params = Params {
        parts: parts as u32,
        weights: weights as u32,
        bias_parts: bias_parts as u32,
        biases: biases as u32,
    };
    Call::new(params, &[])
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [weights, biases, weight, bias] = bind(bound);
    let p: Params = call.params();
    for (parts, partials, sums) in [
        (p.parts, weights.floats(), weight.floats_mut()),
        (p.bias_parts, biases.floats(), bias.floats_mut()),
    ] {
        let len = sums.len();
        parallel::chunks_of(
            parts as usize,
            sums,
            1,
            #[inline(always)]
            |(first, sums)| {
                sums.fill(F::ZERO);
                for part in 0..parts as usize {
                    let values = &partials[part * len + first..];
                    let pairs = sums.iter_mut().zip(values);
                    pairs.for_each(|(sum, &value)| *sum += value);
                }
            },
        );
    }
}
