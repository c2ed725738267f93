//! Activations, as a kernel of their own (SiLU and GELU, whose derivative needs the input) and as
//! functions for the twins that fuse them.

use super::lib;
use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

/// `override ACTIVATION`: no activation.
pub const IDENTITY: u32 = 0;
/// max(x, 0)
pub const RELU: u32 = 1;
/// x where x > 0, else 0.01·x
pub const LEAKY_RELU: u32 = 2;
/// tanh(x)
pub const TANH: u32 = 3;
/// 1/(1 + exp(−x))
pub const SIGMOID: u32 = 4;
/// x·sigmoid(x)
pub const SILU: u32 = 5;
/// x·Φ(x), tanh approximation
pub const GELU: u32 = 6;

/// Slope of [`LEAKY_RELU`] below 0.
pub const LEAK: f64 = 0.01;
/// √(2/π), of [`GELU`].
pub const GELU_SCALE: f64 = 0.797_884_560_802_865_4;
/// Weight of the cube within [`GELU`].
pub const GELU_CUBIC: f64 = 0.044_715;

/// Whether the derivative is a function of the activation's input rather than of its output.
pub const fn derivative_needs_input(activation: u32) -> bool {
    matches!(activation, SILU | GELU)
}

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Values.
        count: u32,
    }
}

/// `out = activate(input)`; selector `ACTIVATION`.
pub static KERNEL: Kernel = Kernel {
    name: "activation",
    bindings: &[Binding::read("input"), Binding::write("out")],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        elementwise(
            &[
                lib::EXP,
                lib::ACTIVATION,
                include_str!("../../shaders/activation.wgsl"),
            ],
            call.params::<Params>().count.div_ceil(4),
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The activation of `count` values.
pub fn call(activation: u32, count: usize) -> Call {
    let count = count as u32;
    Call::new(Params { count }, &[("ACTIVATION", activation)])
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [input, out] = bind(bound);
    let input = input.floats();
    let activation = call.selector("ACTIVATION");
    parallel::chunks(
        out.floats_mut(),
        1,
        #[inline(always)]
        |(first, out)| {
            out.copy_from_slice(&input[first..first + out.len()]);
            activate(activation, out);
        },
    );
}

/// Replaces values by their activation.
#[inline(always)]
pub(crate) fn activate<F: Real>(activation: u32, values: &mut [F]) {
    // One loop per activation, so that each vectorises.
    match activation {
        RELU => values.iter_mut().for_each(|x| *x = x.positive()),
        LEAKY_RELU => values.iter_mut().for_each(|x| {
            *x = if *x <= F::ZERO { F::new(LEAK) * *x } else { *x };
        }),
        TANH => values.iter_mut().for_each(|x| *x = x.tanh()),
        SIGMOID => values.iter_mut().for_each(|x| *x = x.sigmoid()),
        SILU => values.iter_mut().for_each(|x| *x *= x.sigmoid()),
        GELU => values.iter_mut().for_each(|x| {
            *x = F::new(0.5) * *x * (F::ONE + gelu_inner(*x).tanh());
        }),
        _ => {}
    }
}

/// Multiplies values by the derivative of the activation, given what was saved of it: its output, or
/// its input where [`derivative_needs_input`].
#[inline(always)]
pub(crate) fn times_derivative<F: Real>(activation: u32, values: &mut [F], saved: &[F]) {
    let pairs = values.iter_mut().zip(saved);
    match activation {
        RELU => pairs.for_each(|(g, &s)| *g *= if s <= F::ZERO { F::ZERO } else { F::ONE }),
        LEAKY_RELU => {
            pairs.for_each(|(g, &s)| *g *= if s <= F::ZERO { F::new(LEAK) } else { F::ONE });
        }
        TANH => pairs.for_each(|(g, &s)| *g *= F::ONE - s * s),
        SIGMOID => pairs.for_each(|(g, &s)| *g *= s * (F::ONE - s)),
        SILU => pairs.for_each(|(g, &x)| {
            let s = x.sigmoid();
            *g *= s * (F::ONE + x * (F::ONE - s));
        }),
        GELU => pairs.for_each(|(g, &x)| {
            let t = gelu_inner(x).tanh();
            let inner = F::new(GELU_SCALE) * (F::ONE + F::new(3.0 * GELU_CUBIC) * x * x);
            *g *= F::new(0.5) * (F::ONE + t) + F::new(0.5) * x * (F::ONE - t * t) * inner;
        }),
        _ => {}
    }
}

#[inline(always)]
fn gelu_inner<F: Real>(x: F) -> F {
    F::new(GELU_SCALE) * (x + F::new(GELU_CUBIC) * x * x * x)
}
