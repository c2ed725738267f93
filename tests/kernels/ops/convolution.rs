//! Cases of the five kernels of `convolution`.
//!
//! Why these shapes: maps of any number of channels are read four channels at a time where that is possible, phases of
//! strides beyond 1 have taps of their own, and tiles end in the middle of an image. A software driver takes seconds to
//! compile a core, so the others run on one (`Case::on_one_core`).

use ::elbo::kernel::{Real, Window};
use ::elbo::ops::activation::{IDENTITY, RELU, SILU, TANH};
use ::elbo::ops::convolution;

use super::activation::{error, slope};
use super::matmul::{derivative_error, saved};
use crate::harness::{Case, Data, Operand, agree, values, verify};
use crate::tolerance::Tolerance;

/// A convolution of so many images of `[height, width, channels]` to features, by a kernel with stride and pad.
pub(crate) fn window(
    images: usize,
    map: [usize; 3],
    features: usize,
    [kernel, stride, pad]: [usize; 3],
) -> Window {
    let size = |size: usize| (size + 2 * pad - kernel) / stride + 1;
    Window {
        images,
        map,
        out: [size(map[0]), size(map[1]), features],
        kernel,
        stride,
        pad,
    }
}

/// Values of maps, outs and weights.
fn lens(window: &Window) -> [usize; 3] {
    let weights = window.out[2] * window.kernel * window.kernel * window.map[2];
    let [map, out] = [window.map, window.out].map(|sizes| sizes.iter().product::<usize>());
    [window.images * map, window.images * out, weights]
}

fn magnitudes(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value.abs())).collect()
}

fn name(window: &Window, activation: u32) -> String {
    let Window {
        images,
        map: [height, width, channels],
        out: [.., features],
        kernel,
        stride,
        pad,
    } = window;
    format!(
        "{images} images of {height}×{width}×{channels} to {features}, k{kernel} /{stride} p{pad}, activation {activation}"
    )
}

/// Which way a product goes.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    ToOut,
    ToMap,
}

/// The sums of the magnitudes of each value's terms.
fn sums(window: &Window, way: Way, from: &[f32], weights: &[f32]) -> Vec<f64> {
    let (from, weights) = (magnitudes(from), magnitudes(weights));
    let [map, out, _] = lens(window);
    match way {
        Way::ToOut => {
            let mut sums = vec![0.0; out];
            f64::convolve(window, &from, &weights, &mut sums, &|_, _| ());
            sums
        }
        Way::ToMap => {
            let mut sums = vec![0.0; map];
            f64::convolve_transposed(window, &from, &weights, &mut sums, &|_, _| ());
            sums
        }
    }
}

/// Operands from one map to the other, with their magnitudes and the most terms of a value.
fn operands(window: &Window, way: Way) -> ([Vec<f32>; 2], Vec<f64>, usize) {
    let [map, out, weights] = lens(window);
    let taps = window.kernel * window.kernel;
    let (len, terms) = match way {
        Way::ToOut => (map, taps * window.map[2]),
        Way::ToMap => (out, taps * window.out[2]),
    };
    let from = values(1, len, -1.0, 1.0);
    let weights = values(2, weights, -0.5, 0.5);
    let sums = sums(window, way, &from, &weights);
    ([from, weights], sums, terms)
}

fn forward(window: &Window, way: Way, activation: u32) -> Case {
    let ([from, weights], mut sums, terms) = operands(window, way);
    let (kernel, call, channels) = match way {
        Way::ToOut => (
            &convolution::CONVOLUTION,
            convolution::convolution(window, activation),
            window.out[2],
        ),
        Way::ToMap => (
            &convolution::TRANSPOSED,
            convolution::transposed(window, activation),
            window.map[2],
        ),
    };
    let bias = values(3, channels, -1.0, 1.0);
    let mut most = 0.0f64;
    for (i, sum) in sums.iter_mut().enumerate() {
        let magnitude = *sum + f64::from(bias[i % channels].abs());
        most = most.max(magnitude);
        *sum = magnitude * slope(activation);
    }
    let len = sums.len();
    let tolerance = Tolerance::sums(terms + 1, sums).and(error(activation, most));
    let output = Operand::output(len, tolerance);
    let inputs = [from, weights, bias].map(Operand::input);
    let [from, weights, bias] = inputs;
    Case::new(
        name(window, activation),
        kernel,
        call,
        vec![from, weights, output, bias],
    )
}

fn backward(window: &Window, way: Way, activation: u32) -> Case {
    let ([from, weights], mut sums, terms) = operands(window, way);
    let (kernel, call) = match way {
        Way::ToOut => (
            &convolution::TRANSPOSED_INPUT_GRADIENT,
            convolution::transposed_input_gradient(window, activation),
        ),
        Way::ToMap => (
            &convolution::INPUT_GRADIENT,
            convolution::input_gradient(window, activation),
        ),
    };
    sums.iter_mut().for_each(|sum| *sum *= slope(activation));
    let len = sums.len();
    let saved = match activation {
        IDENTITY => vec![0.0],
        _ => saved(activation, len),
    };
    let tolerance = Tolerance::sums(terms + derivative_error(activation), sums);
    let operands = vec![
        Operand::input(from),
        Operand::input(weights),
        Operand::output(len, tolerance),
        Operand::input(saved),
    ];
    Case::new(name(window, activation), kernel, call, operands)
}

pub(crate) fn weight_gradient(window: &Window) -> Case {
    let [map, out, weights] = lens(window);
    let (parts, features) = (window.parts(), window.out[2]);
    let (from, to) = (values(4, out, -1.0, 1.0), values(5, map, -1.0, 1.0));
    let mut partials = vec![0.0; parts * weights];
    let mut sums = vec![0.0; parts * features];
    let magnitudes = [&from, &to].map(|values| magnitudes(values));
    f64::window_gradient(
        window,
        &magnitudes[0],
        &magnitudes[1],
        &mut partials,
        &mut sums,
    );
    let terms = window.images.div_ceil(parts) * window.out[0] * window.out[1];
    let outputs =
        [partials, sums].map(|sums| Operand::output(sums.len(), Tolerance::sums(terms, sums)));
    let [partials, sums] = outputs;
    let operands = vec![Operand::input(from), Operand::input(to), partials, sums];
    let call = convolution::weight_gradient(window);
    Case::new(
        name(window, IDENTITY),
        &convolution::WEIGHT_GRADIENT,
        call,
        operands,
    )
}

/// A convolution and its transpose.
pub(crate) fn there_and_back(window: &Window) -> [Case; 2] {
    [Way::ToOut, Way::ToMap].map(|way| forward(window, way, RELU))
}

/// Shapes that every core runs: all channels wide, all narrow.
fn on_every_core() -> [Window; 2] {
    [
        window(3, [9, 7, 8], 36, [3, 2, 1]),
        window(3, [7, 9, 3], 33, [4, 2, 1]),
    ]
}

/// Further shapes: what is special about each stands beside it.
fn others() -> Vec<Window> {
    vec![
        // One pixel, one tap.
        window(1, [1, 1, 1], 1, [1, 1, 0]),
        // A kernel of 1, wide and narrow.
        window(2, [5, 4, 12], 20, [1, 1, 0]),
        window(2, [5, 4, 5], 6, [1, 1, 0]),
        // Stride 1, all of the pad used; a kernel of 5.
        window(2, [8, 8, 4], 4, [3, 1, 1]),
        window(2, [6, 7, 4], 5, [5, 1, 2]),
        // Mixed widths.
        window(2, [8, 6, 1], 32, [3, 2, 1]),
        window(2, [6, 8, 32], 3, [3, 1, 1]),
        window(2, [6, 8, 4], 3, [4, 2, 1]),
        // A stride of 3; one beyond the kernel, so that phases have no tap; windows that leave out the last rows.
        window(2, [10, 11, 4], 8, [3, 3, 1]),
        window(2, [9, 8, 4], 8, [2, 3, 0]),
        window(3, [8, 9, 2], 3, [1, 2, 0]),
        // More parts than images to share; images that no part has.
        window(5, [4, 4, 8], 64, [3, 1, 1]),
        window(9, [3, 3, 64], 64, [3, 1, 1]),
        // One part only.
        window(2, [4, 4, 128], 128, [3, 2, 1]),
    ]
}

fn both(make: impl Fn(&Window, u32) -> Case) -> Vec<Case> {
    let wide = on_every_core();
    let mut cases: Vec<Case> = wide.iter().map(|window| make(window, RELU)).collect();
    let others = others();
    let rest = others.iter().map(|window| make(window, RELU).on_one_core());
    cases.extend(rest);
    for activation in [IDENTITY, TANH, SILU] {
        cases.push(make(&wide[0], activation).on_one_core());
    }
    cases.push(make(&wide[0], RELU).in_half());
    cases
}

fn forwards() -> Vec<Case> {
    both(|window, activation| forward(window, Way::ToOut, activation))
}

fn transposed() -> Vec<Case> {
    both(|window, activation| forward(window, Way::ToMap, activation))
}

fn input_gradients() -> Vec<Case> {
    both(|window, activation| backward(window, Way::ToMap, activation))
}

fn transposed_input_gradients() -> Vec<Case> {
    both(|window, activation| backward(window, Way::ToOut, activation))
}

fn weight_gradients() -> Vec<Case> {
    let mut cases: Vec<Case> = on_every_core().iter().map(weight_gradient).collect();
    let others = others();
    cases.extend(
        others
            .iter()
            .map(|window| weight_gradient(window).on_one_core()),
    );
    cases.push(weight_gradient(&on_every_core()[0]).in_half());
    cases
}

pub(super) fn cases() -> Vec<Case> {
    [
        forwards(),
        transposed(),
        input_gradients(),
        transposed_input_gradients(),
        weight_gradients(),
    ]
    .concat()
}

#[test]
fn convolutions_match_the_oracle() {
    verify(&forwards());
}

#[test]
fn transposed_convolutions_match_the_oracle() {
    verify(&transposed());
}

#[test]
fn input_gradients_of_convolutions_match_the_oracle() {
    verify(&input_gradients());
}

#[test]
fn input_gradients_of_transposed_convolutions_match_the_oracle() {
    verify(&transposed_input_gradients());
}

#[test]
fn weight_gradients_of_convolutions_match_the_oracle() {
    verify(&weight_gradients());
}

#[test]
fn a_nan_at_the_border_reaches_the_windows_that_cover_it() {
    let window = window(2, [5, 6, 4], 8, [3, 1, 1]);
    let mut case = forward(&window, Way::ToOut, RELU);
    if let Data::Floats(map) = &mut case.operands[0].data {
        let last = map.len() - 1;
        map[last] = f32::NAN;
    }
    case.name += ", NaN in the last pixel";
    agree(&[case]);
}
