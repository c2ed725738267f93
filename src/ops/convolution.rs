//! Convolutions and their transposes: products whose operands are read where they lie in the maps, in five kernels.
//!
//! A [`Window`] has the geometry. [`CONVOLUTION`] goes from its map to its out, [`TRANSPOSED`] the other way; the input
//! gradient of each is the other's product, times the derivative of the activation before it. The gradient of the weights
//! is the same for both. Dumoulin and Visin 2016 have the arithmetic of kernels, strides and pads.

use super::activation::{IDENTITY, activate, times_derivative};
use super::matmul::with_operands;
use super::product::{self, Product, Store};
use crate::kernel::{Binding, Bound, Call, Capabilities, Kernel, Real, Variant, Window, bind};

macro_rules! part {
    ($name:literal) => {
        include_str!(concat!("../../shaders/convolution/", $name, ".wgsl"))
    };
}

crate::params! {
    /// Parameters of the kernels here.
    pub struct Params {
        /// Rows of the product of a part.
        m: u32,
        /// Its columns.
        n: u32,
        /// Length of its longest sum.
        k: u32,
        /// Parts: phases of the stride, or parts of the images.
        parts: u32,
        /// Images of a part, where parts are of the images; else all.
        images: u32,
        /// Height of the map.
        height: u32,
        /// Its width.
        width: u32,
        /// Its channels.
        channels: u32,
        /// Height of out.
        out_height: u32,
        /// Its width.
        out_width: u32,
        /// Its channels.
        features: u32,
        /// Rows and columns of the kernel.
        kernel: u32,
        /// Pixels between windows.
        stride: u32,
        /// Zeros before the map.
        pad: u32,
        /// Reciprocal of the channels.
        by_channels: f32,
        /// Of the features.
        by_features: f32,
        /// Of the kernel's columns.
        by_kernel: f32,
        /// Of the width of out.
        by_out_width: f32,
        /// Of its pixels.
        by_out_pixels: f32,
    }
}

/// Bindings of the products of a map: weights are `[features, kernel, kernel, channels]`.
const fn bindings(side: Binding) -> [Binding; 4] {
    [
        Binding::read("a"),
        Binding::read("b"),
        Binding::write("c"),
        side,
    ]
}

/// What an activation saved, as many values as the result has; nothing without one.
fn saved(call: &Call, sizes: impl Fn(&Params) -> [u32; 4]) -> usize {
    match call.selector("ACTIVATION") {
        IDENTITY => 0,
        _ => sizes(&call.params())
            .map(|size| size as usize)
            .iter()
            .product(),
    }
}

/// `c = activate(a ⋆ b + side)`: from a map to out; the side is the bias `[features]`. Selector `ACTIVATION`.
pub static CONVOLUTION: Kernel = Kernel {
    name: "convolution",
    bindings: &bindings(Binding::read("side")),
    fields: Params::FIELDS,
    multiply_adds,
    variants: |call, device| over_windows(call, device, Store::Activation),
    twin: convolve::<f32>,
    oracle: convolve::<f64>,
};

/// The transpose, from out to a map; the side is the bias `[channels]`. Selector `ACTIVATION`.
pub static TRANSPOSED: Kernel = Kernel {
    name: "transposed_convolution",
    bindings: &bindings(Binding::read("side")),
    fields: Params::FIELDS,
    multiply_adds,
    variants: |call, device| over_phases(call, device, Store::Activation),
    twin: convolve_transposed::<f32>,
    oracle: convolve_transposed::<f64>,
};

/// From the gradient of out to that of the map, times the derivative of the activation before it. Selector `ACTIVATION`.
pub static INPUT_GRADIENT: Kernel = Kernel {
    name: "convolution_input_gradient",
    bindings: &bindings(
        Binding::read("side")
            .touching(|call| saved(call, |p| [p.images, p.height, p.width, p.channels])),
    ),
    fields: Params::FIELDS,
    multiply_adds,
    variants: |call, device| over_phases(call, device, Store::Derivative),
    twin: gradient_of_map::<f32>,
    oracle: gradient_of_map::<f64>,
};

/// The same of the transpose: from the gradient of the map to that of out.
pub static TRANSPOSED_INPUT_GRADIENT: Kernel = Kernel {
    name: "transposed_convolution_input_gradient",
    bindings: &bindings(
        Binding::read("side")
            .touching(|call| saved(call, |p| [p.images, p.out_height, p.out_width, p.features])),
    ),
    fields: Params::FIELDS,
    multiply_adds,
    variants: |call, device| over_windows(call, device, Store::Derivative),
    twin: gradient_of_out::<f32>,
    oracle: gradient_of_out::<f64>,
};

/// From a = out (or its gradient) and b = the map (or its gradient) to the gradient of the weights, and the sums over
/// pixels of a, which are the gradient of a convolution's bias: for each part of the images, `c[parts, features, kernel,
/// kernel, channels]` and `row_sums[parts, features]`.
pub static WEIGHT_GRADIENT: Kernel = Kernel {
    name: "convolution_weight_gradient",
    bindings: &[
        Binding::read("a"),
        Binding::read("b"),
        Binding::write("c"),
        Binding::write("row_sums"),
    ],
    fields: Params::FIELDS,
    multiply_adds,
    variants: |call, device| {
        let p: Params = call.params();
        let map = match p.channels.is_multiple_of(4) {
            true => part!("b_patches_vec4"),
            false => part!("b_patches_scalar"),
        };
        let texts = vec![
            part!("params"),
            part!("gradient"),
            product::load_a(p.m),
            map,
        ];
        product(&p, texts, Store::Gradient).variants(call, device)
    },
    twin: gradient_of_weights::<f32>,
    oracle: gradient_of_weights::<f64>,
};

/// The call of [`CONVOLUTION`].
pub fn convolution(window: &Window, activation: u32) -> Call {
    let selectors = [("ACTIVATION", activation), ("TRANSPOSE_B", 1)];
    call(window, windows(window), [1, window.images], &selectors)
}

/// The call of [`TRANSPOSED`].
pub fn transposed(window: &Window, activation: u32) -> Call {
    let parts = [window.stride * window.stride, window.images];
    call(window, phases(window), parts, &[("ACTIVATION", activation)])
}

/// The call of [`INPUT_GRADIENT`].
pub fn input_gradient(window: &Window, activation: u32) -> Call {
    transposed(window, activation)
}

/// The call of [`TRANSPOSED_INPUT_GRADIENT`].
pub fn transposed_input_gradient(window: &Window, activation: u32) -> Call {
    convolution(window, activation)
}

/// The call of [`WEIGHT_GRADIENT`].
pub fn weight_gradient(window: &Window) -> Call {
    let [height, width, features] = window.out;
    let size = [
        features,
        taps(window) * window.map[2],
        window.images * height * width,
    ];
    let parts = window.parts();
    let parts = [parts, window.images.div_ceil(parts)];
    call(window, size, parts, &[("TRANSPOSE_A", 1)])
}

fn taps(window: &Window) -> usize {
    window.kernel * window.kernel
}

/// Rows, columns and sums of the product over windows.
fn windows(window: &Window) -> [usize; 3] {
    let [height, width, features] = window.out;
    [
        window.images * height * width,
        features,
        taps(window) * window.map[2],
    ]
}

/// The same of a phase.
fn phases(window: &Window) -> [usize; 3] {
    let [height, width, channels] = window.map;
    let pixels = height.div_ceil(window.stride) * width.div_ceil(window.stride);
    [
        window.images * pixels,
        channels,
        taps(window) * window.out[2],
    ]
}

/// From here on quotients by a reciprocal of f32 may be wrong.
const WIDE: usize = 1 << 21;

fn call(
    window: &Window,
    [m, n, k]: [usize; 3],
    [parts, images]: [usize; 2],
    selectors: &[(&'static str, u32)],
) -> Call {
    let ([height, width, channels], [out_height, out_width, features]) = (window.map, window.out);
    let by = |value: usize| 1.0 / value as f32;
    let params = Params {
        m: m as u32,
        n: n as u32,
        k: k as u32,
        parts: parts as u32,
        images: images as u32,
        height: height as u32,
        width: width as u32,
        channels: channels as u32,
        out_height: out_height as u32,
        out_width: out_width as u32,
        features: features as u32,
        kernel: window.kernel as u32,
        stride: window.stride as u32,
        pad: window.pad as u32,
        by_channels: by(channels),
        by_features: by(features),
        by_kernel: by(window.kernel),
        by_out_width: by(out_width),
        by_out_pixels: by(out_height * out_width),
    };
    let mut selectors = selectors.to_vec();
    if k >= WIDE {
        selectors.push(("WIDE", 1));
    }
    Call::new(params, &selectors)
}

/// The geometry of a call.
fn window(call: &Call) -> Window {
    let p: Params = call.params();
    let of = |sizes: [u32; 3]| sizes.map(|size| size as usize);
    Window {
        images: images(call) as usize,
        map: of([p.height, p.width, p.channels]),
        out: of([p.out_height, p.out_width, p.features]),
        kernel: p.kernel as usize,
        stride: p.stride as usize,
        pad: p.pad as usize,
    }
}

/// Images of a call. Where parts are of the images, k are their pixels.
fn images(call: &Call) -> u32 {
    let p: Params = call.params();
    match call.selector("TRANSPOSE_A") {
        0 => p.images,
        _ => p.k / (p.out_height * p.out_width),
    }
}

fn multiply_adds(call: &Call) -> u64 {
    let Window {
        images,
        map: [.., channels],
        out,
        kernel,
        ..
    } = window(call);
    let of_a_feature = kernel * kernel * channels;
    (images * out.iter().product::<usize>() * of_a_feature) as u64
}

fn product(p: &Params, texts: Vec<&'static str>, store: Store) -> Product {
    Product {
        size: [p.m, p.n],
        parts: p.parts,
        texts,
        store,
    }
}

/// The loader of patches of a map of so many channels.
fn load_patches(channels: u32) -> &'static str {
    match channels.is_multiple_of(4) {
        true => part!("a_vec4"),
        false => part!("a_scalar"),
    }
}

fn over_windows(call: &Call, device: &Capabilities, store: Store) -> Vec<Variant> {
    let p: Params = call.params();
    let texts = vec![
        part!("params"),
        part!("windows"),
        load_patches(p.channels),
        product::load_b(p.k),
    ];
    product(&p, texts, store).variants(call, device)
}

fn over_phases(call: &Call, device: &Capabilities, store: Store) -> Vec<Variant> {
    let p: Params = call.params();
    let weights = match [p.channels, p.features]
        .iter()
        .all(|size| size.is_multiple_of(4))
    {
        true => part!("b_phases_vec4"),
        false => part!("b_phases_scalar"),
    };
    let texts = vec![
        part!("params"),
        part!("phases"),
        load_patches(p.features),
        weights,
    ];
    product(&p, texts, store).variants(call, device)
}

/// Adds the bias to each row of `values`, and applies the activation.
#[inline(always)]
fn add_bias<F: Real>(activation: u32, bias: &[F], values: &mut [F]) {
    for row in values.chunks_mut(bias.len()) {
        for (value, &bias) in row.iter_mut().zip(bias) {
            *value += bias;
        }
    }
    activate(activation, values);
}

/// Multiplies rows from `row` on, of `width` values each, by the derivative of an activation.
#[inline(always)]
fn through<F: Real>(activation: u32, saved: &[F], first: usize, values: &mut [F]) {
    if activation != IDENTITY {
        times_derivative(activation, values, &saved[first..][..values.len()]);
    }
}

/// From a map to out, of which whole rows go to `finish(first row, values)`.
fn to_out<F: Real>(
    call: &Call,
    operands: [&[F]; 2],
    out: &mut [F],
    finish: impl Fn(usize, &mut [F]) + Sync,
) {
    let window = window(call);
    with_operands(call, operands, |map, weights| {
        F::convolve(&window, map, weights, out, &finish);
    });
}

/// From out to a map.
fn to_map<F: Real>(
    call: &Call,
    operands: [&[F]; 2],
    map: &mut [F],
    finish: impl Fn(usize, &mut [F]) + Sync,
) {
    let window = window(call);
    with_operands(call, operands, |out, weights| {
        F::convolve_transposed(&window, out, weights, map, &finish);
    });
}

fn convolve<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [map, weights, out, bias] = bind(bound);
    let (bias, activation) = (bias.floats(), call.selector("ACTIVATION"));
    to_out(
        call,
        [map.floats(), weights.floats()],
        out.floats_mut(),
        #[inline(always)]
        |_, values| add_bias(activation, bias, values),
    );
}

fn convolve_transposed<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [out, weights, map, bias] = bind(bound);
    let (bias, activation) = (bias.floats(), call.selector("ACTIVATION"));
    to_map(
        call,
        [out.floats(), weights.floats()],
        map.floats_mut(),
        #[inline(always)]
        |_, values| add_bias(activation, bias, values),
    );
}

fn gradient_of_map<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [d_out, weights, d_map, saved] = bind(bound);
    let (saved, activation) = (saved.floats(), call.selector("ACTIVATION"));
    let [.., channels] = window(call).map;
    to_map(
        call,
        [d_out.floats(), weights.floats()],
        d_map.floats_mut(),
        #[inline(always)]
        |row, values| through(activation, saved, row * channels, values),
    );
}

fn gradient_of_out<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [d_map, weights, d_out, saved] = bind(bound);
    let (saved, activation) = (saved.floats(), call.selector("ACTIVATION"));
    let [.., features] = window(call).out;
    to_out(
        call,
        [d_map.floats(), weights.floats()],
        d_out.floats_mut(),
        #[inline(always)]
        |row, values| through(activation, saved, row * features, values),
    );
}

fn gradient_of_weights<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [out, map, partials, sums] = bind(bound);
    let window = window(call);
    let (partials, sums) = (partials.floats_mut(), sums.floats_mut());
    with_operands(call, [out.floats(), map.floats()], |out, map| {
        F::window_gradient(&window, out, map, partials, sums);
    });
}

/// The texts that these products add to those of all.
pub(super) const SOURCES: &[&str] = &[
    part!("params"),
    part!("windows"),
    part!("phases"),
    part!("gradient"),
    part!("a_vec4"),
    part!("a_scalar"),
    part!("b_phases_vec4"),
    part!("b_phases_scalar"),
    part!("b_patches_vec4"),
    part!("b_patches_scalar"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// What shaders compute, in the same operations, each of which rounds as IEEE 754 has it. A quotient can only be wrong
    /// where the true one is about to change.
    #[test]
    fn quotients_by_a_reciprocal_are_exact_below_the_bound_for_every_divisor() {
        let quotient =
            |value: usize, by: usize| ((value as f32 + 0.5) * (1.0 / by as f32)) as usize;
        for by in 1..WIDE {
            for first in (by..WIDE).step_by(by) {
                for value in [first - 1, first] {
                    assert_eq!(quotient(value, by), value / by, "{value} / {by}");
                }
            }
        }
        let wrong = |value| quotient(value, 3) != value / 3;
        assert!((8 * WIDE..9 * WIDE).any(wrong), "a bound that is none");
    }
}
