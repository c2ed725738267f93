//! Twice as many rows and columns, then a convolution of 3×3 taps: `weight` `[outputs, channels, 3, 3]` and `bias`
//! `[outputs]`, as PyTorch's `nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(channels, outputs, 3, padding=1))`, which
//! leaves no pattern of squares as a transposed convolution may (Odena, Dumoulin and Olah 2016). It is computed as a
//! transposed convolution all the same, by weights that are merged before it ([`crate::ops::merge_taps`]). A last row or
//! column may be left out, so that it gives odd sizes too.

use super::convolution::{forward_by, gradient_by, input_gradient_by, map, parameters, sizes};
use super::transposed_convolution::{BACK, FORWARD, gradient_of};
use crate::graph::{
    Attribute, Attrs, Axes, Described, Fusion, Inferred, Init, Layer, Learns, Lowering, Node,
    Operators, Torch, Wanted, arenas,
};
use crate::kernel::Window;
use crate::ops::{merge_taps, merge_taps_backward};
use crate::plan::Slice;

/// The record.
pub static LAYER: Layer = Layer {
    name: "up",
    infer,
    fusion: Fusion::Product,
    forward,
    input_gradient,
    learning: Some(Learns {
        gradient: Some(gradient),
        update: None,
    }),
    onnx,
    torch,
};

/// To so many channels, and to a map of this size: twice that of the input, or one row or column less.
pub fn attrs(channels: usize, [height, width]: [usize; 2]) -> Attrs {
    Attrs::new(&[("channels", channels), ("height", height), ("width", width)])
}

fn infer(attrs: &Attrs, inputs: &[&[usize]]) -> Result<Inferred, String> {
    let [height, width, channels] = map(inputs)?;
    let [outputs, to_height, to_width] =
        ["channels", "height", "width"].map(|name| attrs.get(name));
    let fits = |from: usize, to: usize| to == 2 * from || to + 1 == 2 * from;
    if !fits(height, to_height) || !fits(width, to_width) {
        return Err(format!(
            "twice {height}×{width} is not {to_height}×{to_width}, nor with a row or column less"
        ));
    }
    let init = Init::Uniform {
        fan_in: channels * 9,
    };
    let weight = Wanted {
        name: "1.weight",
        shape: vec![outputs, channels, 3, 3],
        // As a transposed convolution has it.
        axes: Some(Axes {
            sizes: vec![channels, 3, 3, outputs],
            order: vec![3, 0, 1, 2],
        }),
        init,
    };
    let bias = Wanted {
        name: "1.bias",
        shape: vec![outputs],
        axes: None,
        init,
    };
    Ok(Inferred {
        dims: vec![to_height, to_width, outputs],
        parameters: vec![weight, bias],
    })
}

/// The geometry of the transposed convolution.
fn window(lower: &Lowering<'_>, node: &Node) -> Window {
    Window {
        images: lower.rows,
        map: sizes(lower, node.output),
        out: sizes(lower, node.inputs[0]),
        kernel: 4,
        stride: 2,
        pad: 1,
    }
}

/// Values of the merged weights.
fn merged(window: &Window) -> usize {
    16 * window.out[2] * window.map[2]
}

fn forward(lower: &mut Lowering<'_>, node: &Node) {
    let [weight, bias] = parameters(lower, node, arenas::PARAMETERS);
    let window = window(lower, node);
    let name = format!("{} merged weight", node.label());
    let taps = lower.transient(name.clone(), merged(&window));
    let call = merge_taps::call(window.out[2], window.map[2]);
    lower.step(name, &merge_taps::KERNEL, call, &[weight, taps]);
    lower.keep(node, taps);
    forward_by(lower, node, &window, FORWARD, [taps, bias]);
}

fn gradient(lower: &mut Lowering<'_>, node: &Node, d_output: Slice) {
    let [weight, bias] = parameters(lower, node, arenas::GRADIENT);
    let window = window(lower, node);
    let label = format!("{} gradient", node.label());
    let taps = lower.transient(format!("{label}, merged weight"), merged(&window));
    gradient_by(lower, node, &window, d_output, [taps, bias], gradient_of);
    lower.step(
        format!("{label} of the taps"),
        &merge_taps_backward::KERNEL,
        merge_taps_backward::call(window.out[2], window.map[2]),
        &[taps, weight],
    );
}

fn input_gradient(lower: &mut Lowering<'_>, node: &Node, d_output: Slice, place: usize) -> Slice {
    let (window, taps) = (window(lower, node), lower.kept(node));
    input_gradient_by(lower, node, &window, BACK, taps, (d_output, place))
}

/// Rows and columns that are left out: none, or one.
fn left_out(of: &Described<'_>) -> [usize; 2] {
    [0, 1].map(|axis| 2 * of.input_dims[axis] - of.output_dims[axis])
}

/// Rows and columns are doubled along axes of their own, of size 1 before.
fn onnx(operators: &mut Operators, of: &Described<'_>) {
    let [weight, bias] = ["weight", "bias"].map(|last| format!("{}.1.{last}", of.name));
    let (&[height, width, channels], &[to_height, to_width, outputs]) =
        (of.input_dims, of.output_dims)
    else {
        return;
    };
    operators.parameter(&weight, &[outputs, channels, 3, 3]);
    operators.parameter(&bias, &[outputs]);
    let map = operators.channels_first(&of.inputs[0]);
    let output = operators.made_channels_first(of.output);
    let mut sizes = |name, sizes: &[usize]| operators.sizes(of.output, name, sizes);
    let apart = sizes("apart_shape", &[0, channels, height, 1, width, 1]);
    let twice = sizes("twice", &[1, 1, 1, 2, 1, 2]);
    let doubled = sizes("doubled_shape", &[0, channels, 2 * height, 2 * width]);
    let (none, ends, axes) = (
        sizes("first", &[0, 0]),
        sizes("end", &[to_height, to_width]),
        sizes("axes", &[2, 3]),
    );
    let x = operators.step("Reshape", &[&map, &apart], of.output, "apart");
    let x = operators.step("Expand", &[&x, &twice], of.output, "expanded");
    let x = operators.step("Reshape", &[&x, &doubled], of.output, "doubled");
    let attributes = [
        ("kernel_shape", Attribute::Ints(vec![3; 2])),
        ("pads", Attribute::Ints(vec![1; 4])),
    ];
    let inputs = [&*x, &weight, &bias];
    let x = operators.step_with("Conv", &inputs, of.output, "whole", &attributes);
    operators.node("Slice", &[&x, &none, &ends, &axes], &output, &[]);
}

fn torch(of: &Described<'_>) -> Torch {
    let [down, across] = left_out(of).map(|rows| -(rows as i64));
    let cut = match (down, across) {
        (0, 0) => String::new(),
        _ => format!("    nn.ZeroPad2d((0, {across}, 0, {down})),\n"),
    };
    Torch::OfMaps(format!(
        "nn.Sequential(\n    nn.Upsample(scale_factor=2),\n    nn.Conv2d({}, {}, 3, padding=1),\n{cut})",
        of.input_dims[2], of.output_dims[2]
    ))
}
