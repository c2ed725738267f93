//! Cases of the four kernels of `matmul`.
//!
//! Why these shapes: tiles are 16×8 (registers), 32×32 and 64×64 (workgroup memory, 16 and 32 of k at
//! a time), 16×16 and 32×32 with k split (128 and 64 of k a turn), 64×64 (cooperative matrices) and 32×64
//! (subgroups); operands and result are each read or written four at a time where
//! their stored rows are a multiple of four long, otherwise one at a time.
//!
//! A software driver takes seconds to compile a core. There every core runs all shapes with all
//! operands wide or all narrow; other mixes and activations run on one core (`Case::on_one_core`).

use ::elbo::ops::activation::{GELU, IDENTITY, RELU, SIGMOID, SILU, TANH, derivative_needs_input};
use ::elbo::ops::matmul;

use super::activation::{ALL, error, slope};
use crate::harness::{Case, Operand, agree, values, verify};
use crate::tolerance::Tolerance;

/// Σ |terms| of each value of the product, and the largest |value|.
fn magnitudes(
    [m, n, k]: [usize; 3],
    a: impl Fn(usize, usize) -> f32,
    b: impl Fn(usize, usize) -> f32,
) -> (Vec<f64>, f64) {
    let mut sums = Vec::with_capacity(m * n);
    let mut most = 0.0f64;
    for row in 0..m {
        for column in 0..n {
            let terms = (0..k).map(|i| f64::from(a(row, i)) * f64::from(b(i, column)));
            let (sum, magnitude) = terms.fold((0.0, 0.0), |(sum, magnitude), term: f64| {
                (sum + term, magnitude + term.abs())
            });
            sums.push(magnitude);
            most = most.max(sum.abs());
        }
    }
    (sums, most)
}

/// Whether all sizes are multiples of four, or none is.
fn uniform(sizes: &[usize]) -> bool {
    let wide = sizes.iter().filter(|size| size.is_multiple_of(4)).count();
    wide == 0 || wide == sizes.len()
}

pub(crate) fn product([m, n, k]: [usize; 3], transpose_a: bool, transpose_b: bool) -> Case {
    let (a, b) = (values(1, m * k, -1.0, 1.0), values(2, k * n, -1.0, 1.0));
    let (magnitudes, _) = magnitudes(
        [m, n, k],
        |row, i| {
            a[if transpose_a {
                i * m + row
            } else {
                row * k + i
            }]
        },
        |i, column| {
            b[if transpose_b {
                column * k + i
            } else {
                i * n + column
            }]
        },
    );
    let of = |transposed| if transposed { "ᵀ" } else { "" };
    let case = Case::new(
        format!("a{}·b{}, {m}×{n}×{k}", of(transpose_a), of(transpose_b)),
        &matmul::MATMUL,
        matmul::matmul([m, n, k], transpose_a, transpose_b),
        vec![
            Operand::input(a),
            Operand::input(b),
            Operand::output(m * n, Tolerance::sums(k, magnitudes)),
        ],
    );
    if uniform(&[m, n, k]) {
        case
    } else {
        case.on_one_core()
    }
}

pub(crate) fn linear(rows: usize, inputs: usize, outputs: usize, activation: u32) -> Case {
    let a = values(3, rows * inputs, -1.0, 1.0);
    let b = values(4, outputs * inputs, -0.5, 0.5);
    let bias = values(5, outputs, -1.0, 1.0);
    let (mut sums, most) = magnitudes(
        [rows, outputs, inputs],
        |row, i| a[row * inputs + i],
        |i, column| b[column * inputs + i],
    );
    for (i, sum) in sums.iter_mut().enumerate() {
        *sum = (*sum + f64::from(bias[i % outputs].abs())) * slope(activation);
    }
    let tolerance = Tolerance::sums(inputs + 1, sums).and(error(activation, most + 1.0));
    let case = Case::new(
        format!("{rows} rows, {inputs} to {outputs}, activation {activation}"),
        &matmul::LINEAR,
        matmul::linear(rows, inputs, outputs, activation),
        vec![
            Operand::input(a),
            Operand::input(b),
            Operand::output(rows * outputs, tolerance),
            Operand::input(bias),
        ],
    );
    if activation == RELU && uniform(&[inputs, outputs]) {
        case
    } else {
        case.on_one_core()
    }
}

/// What was saved of an activation: its output, or its input.
pub(super) fn saved(activation: u32, len: usize) -> Vec<f32> {
    let (low, high) = match activation {
        SIGMOID => (0.0, 1.0),
        TANH => (-1.0, 1.0),
        _ if derivative_needs_input(activation) => (-4.0, 4.0),
        _ => (-2.0, 2.0),
    };
    let mut values = values(6, len, low, high);
    // ReLU saves zeros, where the derivative is 0 by definition.
    if len > 2 && activation <= RELU {
        values[len / 2] = 0.0;
    }
    values
}

/// Roundings of a derivative at |x| ≤ 4, in U, and the product's with it.
pub(super) fn derivative_error(activation: u32) -> usize {
    1 + match activation {
        IDENTITY | RELU => 0,
        // s·(1 + x·(1 − s)): s within 7 ULP, its slope 1 + x·(1 − 2s) at most 5 and so small where s is
        // inexact, then four roundings.
        SILU => 40,
        // ½·x·(1 − t²)·inner with t within 4 ULP: ½·4·2.5·2·8, and the roundings.
        GELU => 100,
        _ => 4,
    }
}

pub(crate) fn input_gradient(rows: usize, inputs: usize, outputs: usize, activation: u32) -> Case {
    let a = values(7, rows * outputs, -1.0, 1.0);
    let b = values(8, outputs * inputs, -0.5, 0.5);
    let (mut sums, _) = magnitudes(
        [rows, inputs, outputs],
        |row, i| a[row * outputs + i],
        |i, column| b[i * inputs + column],
    );
    sums.iter_mut().for_each(|sum| *sum *= slope(activation));
    let length = outputs + derivative_error(activation);
    let case = Case::new(
        format!("{rows} rows, {outputs} back to {inputs}, activation {activation}"),
        &matmul::INPUT_GRADIENT,
        matmul::input_gradient(rows, inputs, outputs, activation),
        vec![
            Operand::input(a),
            Operand::input(b),
            Operand::output(rows * inputs, Tolerance::sums(length, sums)),
            Operand::input(saved(activation, rows * inputs)),
        ],
    );
    if activation == RELU && uniform(&[inputs, outputs]) {
        case
    } else {
        case.on_one_core()
    }
}

pub(crate) fn weight_gradient(rows: usize, inputs: usize, outputs: usize) -> Case {
    let a = values(9, rows * outputs, -1.0, 1.0);
    let b = values(10, rows * inputs, -1.0, 1.0);
    let (sums, _) = magnitudes(
        [outputs, inputs, rows],
        |row, i| a[i * outputs + row],
        |i, column| b[i * inputs + column],
    );
    let row_sums = (0..outputs)
        .map(|j| (0..rows).map(|i| f64::from(a[i * outputs + j].abs())).sum())
        .collect();
    let case = Case::new(
        format!("{outputs}×{inputs} from {rows} rows"),
        &matmul::WEIGHT_GRADIENT,
        matmul::weight_gradient(rows, inputs, outputs),
        vec![
            Operand::input(a),
            Operand::input(b),
            Operand::output(outputs * inputs, Tolerance::sums(rows, sums)),
            Operand::output(outputs, Tolerance::sums(rows, row_sums)),
        ],
    );
    if uniform(&[inputs, outputs]) {
        case
    } else {
        case.on_one_core()
    }
}

/// Sizes around the tiles of every core, for kernels whose transposition is fixed.
const SHAPES: [[usize; 3]; 14] = [
    // One value, and a sum of one.
    [1, 1, 1],
    [5, 9, 1],
    // 16×8, less one and one more.
    [15, 7, 3],
    [16, 8, 4],
    [17, 9, 5],
    // 32×64 and 32×32, less one and one more; k around a slice of 16.
    [31, 63, 15],
    [32, 64, 16],
    [33, 65, 17],
    // 64×64, less one and one more; k around a slice of 32.
    [63, 31, 31],
    [64, 64, 32],
    [65, 33, 33],
    // Primes.
    [37, 101, 53],
    // A last short batch of a usual layer, and a long sum.
    [5, 40, 200],
    [3, 11, 1001],
];

pub(super) fn products() -> Vec<Case> {
    let mut cases = Vec::new();
    // Every transposition with every mix of vec4 and scalar operands and result, each past one tile of
    // 32 with a tail.
    for (transpose_a, transpose_b) in [(false, false), (true, false), (false, true), (true, true)] {
        for m in [36, 37] {
            for n in [68, 69] {
                for k in [20, 21] {
                    cases.push(product([m, n, k], transpose_a, transpose_b));
                }
            }
        }
        cases.push(product([1, 1, 1], transpose_a, transpose_b));
        cases.push(product([37, 101, 53], transpose_a, transpose_b));
        cases.push(product([68, 36, 100], transpose_a, transpose_b).in_half());
        cases.push(
            product([37, 69, 53], transpose_a, transpose_b)
                .in_half()
                .on_one_core(),
        );
    }
    cases
}

pub(super) fn linears() -> Vec<Case> {
    let mut cases = Vec::new();
    for [m, n, k] in SHAPES {
        cases.push(linear(m, k, n, RELU));
    }
    // Every activation behind one tile with tails; SHAPES has the narrow operands.
    for (activation, _) in ALL {
        cases.push(linear(18, 12, 20, activation));
    }
    cases.push(linear(36, 100, 68, RELU).in_half());
    cases
}

pub(super) fn input_gradients() -> Vec<Case> {
    let mut cases = Vec::new();
    for [m, n, k] in SHAPES {
        cases.push(input_gradient(m, n, k, RELU));
    }
    // As above.
    for (activation, _) in ALL {
        cases.push(input_gradient(18, 20, 12, activation));
    }
    cases.push(input_gradient(36, 68, 100, RELU).in_half());
    cases
}

pub(super) fn weight_gradients() -> Vec<Case> {
    let mut cases: Vec<Case> = SHAPES
        .iter()
        .map(|&[m, n, k]| weight_gradient(k, n, m))
        .collect();
    // The last short batch of a layer.
    cases.push(weight_gradient(5, 100, 40));
    cases.push(weight_gradient(36, 100, 68).in_half());
    cases
}

pub(super) fn cases() -> Vec<Case> {
    [products(), linears(), input_gradients(), weight_gradients()].concat()
}

#[test]
fn products_of_every_transposition_and_operand_width_match_the_oracle() {
    verify(&products());
}

#[test]
fn linear_tail_rows_and_every_activation_match_the_oracle() {
    verify(&linears());
}

#[test]
fn input_gradients_match_the_oracle_through_every_activation() {
    verify(&input_gradients());
}

#[test]
fn weight_gradients_and_row_sums_match_the_oracle() {
    verify(&weight_gradients());
}

#[test]
fn products_keep_nan() {
    let mut case = linear(18, 13, 21, RELU);
    if let crate::harness::Data::Floats(a) = &mut case.operands[0].data {
        a[13 * 17 + 12] = f32::NAN;
    }
    case.name += ", NaN in the last row";
    agree(&[case]);
}
