//! Faults of convolutions and of the sums of their gradients.

use super::{Fault, fault};

/// Cases: wide and narrow maps, and one whose images lie in several parts.
const WIDE: &str = "2 images of 8×8×4 to 4, k3 /1 p1, activation 1";
const NARROW: &str = "3 images of 7×9×3 to 33, k4 /2 p1, activation 1";
const PARTS: &str = "5 images of 4×4×8 to 64, k3 /1 p1";

pub(super) const CONVOLUTIONS: &[Fault] = &[
    // The pad on one side only; padding that is no zero.
    fault(
        "convolution",
        WIDE,
        "let y = vec4<i32>(out_y * params.stride) - i32(params.pad);",
        "let y = vec4<i32>(out_y * params.stride);",
    ),
    fault(
        "convolution",
        WIDE,
        "select(vec4<f32>(0.0), rounded(floats(a[at])), inside)",
        "rounded(floats(a[at]))",
    ),
    fault(
        "convolution",
        NARROW,
        "select(vec4<f32>(0.0), rounded(found), taps.inside)",
        "rounded(found)",
    ),
    // A phase that begins at the wrong pixel; a kernel that is not turned; a pixel of another phase.
    fault(
        "transposed_convolution",
        NARROW,
        "(phase + params.pad) % params.stride",
        "phase % params.stride",
    ),
    fault(
        "convolution_input_gradient",
        NARROW,
        "columns.last_down - params.stride * down",
        "columns.last_down % params.stride + params.stride * down",
    ),
    fault(
        "transposed_convolution",
        NARROW,
        "* params.stride + part % params.stride",
        "* params.stride + part / params.stride",
    ),
    // The derivative left out.
    fault(
        "transposed_convolution_input_gradient",
        WIDE,
        "value * derivative(read_side(at, column))",
        "value",
    ),
    // Parts that have the pixels of those behind them too; windows without their stride.
    fault(
        "convolution_weight_gradient",
        PARTS,
        "min(params.k, (number + 1u) * params.images * pixels())",
        "params.k",
    ),
    fault(
        "convolution_weight_gradient",
        "3 images of 7×9×3 to 33, k4 /2 p1",
        "vec4<i32>(y * params.stride)",
        "vec4<i32>(y)",
    ),
    // A last row or part left out.
    fault("column_sums", "33 rows of 3", "row < end", "row + 1u < end"),
    fault(
        "sum_parts",
        "[3, 63] and [2, 5]",
        "part < params.parts",
        "part + 1u < params.parts",
    ),
    fault(
        "sum_parts",
        "[3, 63] and [2, 5]",
        "part < params.bias_parts",
        "part + 1u < params.bias_parts",
    ),
];
