//! The gradient of an activation that no matrix product applies.

use super::activation::times_derivative;
use super::lib;
use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Values.
        count: u32,
    }
}

/// `d_input = d_output ∘ derivative(saved)`, `[count]` each; selector `ACTIVATION`. What is saved is the activation's
/// output, or its input where [`super::activation::derivative_needs_input`].
pub static KERNEL: Kernel = Kernel {
    name: "activation_backward",
    bindings: &[
        Binding::read("d_output"),
        Binding::read("saved"),
        Binding::write("d_input"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        elementwise(
            &[
                lib::EXP,
                lib::ACTIVATION,
                include_str!("../../shaders/activation_backward.wgsl"),
            ],
            call.params::<Params>().count.div_ceil(4),
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The gradient of the activation of `count` values.
pub fn call(activation: u32, count: usize) -> Call {
    let count = count as u32;
    Call::new(Params { count }, &[("ACTIVATION", activation)])
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [d_output, saved, d_input] = bind(bound);
    let (d_output, saved) = (d_output.floats(), saved.floats());
    let activation = call.selector("ACTIVATION");
    parallel::chunks(
        d_input.floats_mut(),
        1,
        #[inline(always)]
        |(first, d_input)| {
            let last = first + d_input.len();
            d_input.copy_from_slice(&d_output[first..last]);
            times_derivative(activation, d_input, &saved[first..last]);
        },
    );
}
