//! A convolution of a map `[height, width, channels]`: `weight` `[outputs, channels, kernel, kernel]` and `bias` `[outputs]`,
//! as PyTorch's `nn.Conv2d` of as many zeros around the map as `(kernel - 1) / 2`, rounded down.

use std::ops::Range;

use crate::graph::{
    Attribute, Attrs, Axes, Described, Fusion, Inferred, Init, Layer, Learns, Lowering, Node,
    Operators, Torch, Wanted, arenas, numbered,
};
use crate::kernel::Window;
use crate::ops::activation::IDENTITY;
use crate::ops::{convolution, sum_parts};
use crate::plan::{Shared, Slice};

/// The record.
pub static LAYER: Layer = Layer {
    name: "convolution",
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

/// A convolution to so many channels by windows of `kernel` × `kernel` pixels, `stride` pixels from each other.
pub fn attrs(channels: usize, kernel: usize, stride: usize) -> Attrs {
    Attrs::new(&[
        ("channels", channels),
        ("kernel", kernel),
        ("stride", stride),
    ])
}

/// Zeros on each side of a map.
pub(super) fn pad(kernel: usize) -> usize {
    (kernel.saturating_sub(1)) / 2
}

/// Windows along a map of so many rows or columns; `None` where there is no place for one.
pub fn size(size: usize, kernel: usize, stride: usize) -> Option<usize> {
    let places = size.checked_add(2 * pad(kernel))?.checked_sub(kernel)?;
    Some(places.checked_div(stride)? + 1)
}

/// How weights lie in the arena, `[outputs, kernel, kernel, channels]`, and in PyTorch.
pub(super) fn weight([outputs, channels]: [usize; 2], kernel: usize, init: Init) -> Wanted {
    Wanted {
        name: "weight",
        shape: vec![outputs, channels, kernel, kernel],
        axes: Some(Axes {
            sizes: vec![outputs, kernel, kernel, channels],
            order: vec![0, 3, 1, 2],
        }),
        init,
    }
}

/// The map that a convolution takes; in words, why there is none.
pub(super) fn map(inputs: &[&[usize]]) -> Result<[usize; 3], String> {
    match *inputs {
        [&[height, width, channels]] => Ok([height, width, channels]),
        [&[values]] => Err(format!(
            "a convolution needs a map of height, width and channels, and gets {values} values; `linear 7x7x64` makes a map"
        )),
        _ => Err(format!("expected one map, got {inputs:?}")),
    }
}

fn infer(attrs: &Attrs, inputs: &[&[usize]]) -> Result<Inferred, String> {
    let [height, width, channels] = map(inputs)?;
    let [outputs, kernel, stride] = ["channels", "kernel", "stride"].map(|name| attrs.get(name));
    let sizes = [height, width].map(|rows| size(rows, kernel, stride));
    let [Some(out_height), Some(out_width)] = sizes else {
        return Err(format!(
            "a kernel of {kernel}×{kernel} does not fit into {height}×{width} with {} zeros on each side",
            pad(kernel)
        ));
    };
    let init = Init::Uniform {
        fan_in: channels * kernel * kernel,
    };
    Ok(Inferred {
        dims: vec![out_height, out_width, outputs],
        parameters: vec![
            weight([outputs, channels], kernel, init),
            Wanted {
                name: "bias",
                shape: vec![outputs],
                axes: None,
                init,
            },
        ],
    })
}

/// The geometry of a node whose windows are cut from `map` and make `out`.
pub(super) fn window(
    lower: &Lowering<'_>,
    node: &Node,
    [map, out]: [crate::graph::Value; 2],
) -> Window {
    let sizes = |value| match *lower.dims(value) {
        [height, width, channels] => [height, width, channels],
        ref other => panic!("{}: no map: {other:?}", node.label()),
    };
    let kernel = node.attrs.get("kernel");
    Window {
        images: lower.rows,
        map: sizes(map),
        out: sizes(out),
        kernel,
        stride: node.attrs.get("stride"),
        pad: pad(kernel),
    }
}

/// Weight and bias, in an arena.
pub(super) fn parameters(lower: &mut Lowering<'_>, node: &Node, arena: Shared) -> [Slice; 2] {
    [0, 1].map(|place| lower.parameter(node.parameters.start + place, arena))
}

fn forward(lower: &mut Lowering<'_>, node: &Node) {
    let input = lower.value(node.inputs[0]);
    let [weight, bias] = parameters(lower, node, arenas::PARAMETERS);
    let window = window(lower, node, [node.inputs[0], node.output]);
    let (out, activation) = lower.output(node);
    let widths = [window.map, window.out].map(|sizes| sizes.iter().product());
    for (i, images) in lower.groups(&widths).into_iter().enumerate() {
        let [input, out] = of_images([input, out], &images, widths);
        lower.product(
            numbered(&node.label(), i),
            &convolution::CONVOLUTION,
            convolution::convolution(&window.of_images(images.len()), activation),
            &[input, weight, out, bias],
        );
    }
}

/// What slices of maps have of some images.
pub(super) fn of_images<const N: usize>(
    maps: [Slice; N],
    images: &Range<usize>,
    widths: [usize; N],
) -> [Slice; N] {
    std::array::from_fn(|i| maps[i].rows(images.clone(), widths[i]))
}

fn gradient(lower: &mut Lowering<'_>, node: &Node, d_output: Slice) {
    let input = lower.value(node.inputs[0]);
    let to = parameters(lower, node, arenas::GRADIENT);
    let window = window(lower, node, [node.inputs[0], node.output]);
    let widths = [window.map, window.out].map(|sizes| sizes.iter().product());
    let (groups, label) = (lower.groups(&widths), format!("{} gradient", node.label()));
    lower.sum_of_groups(&label, &groups, to, |lower, label, images, to| {
        let [input, d_output] = of_images([input, d_output], &images, widths);
        gradient_of(
            lower,
            label,
            &window.of_images(images.len()),
            [input, d_output],
            to,
        );
    });
}

/// The gradient of weight and bias by some images.
fn gradient_of(
    lower: &mut Lowering<'_>,
    label: &str,
    window: &Window,
    [input, d_output]: [Slice; 2],
    [weight, bias]: [Slice; 2],
) {
    let parts = window.parts();
    let of_parts = |lower: &mut Lowering<'_>, whole: Slice, name: &str| match parts {
        1 => whole,
        _ => lower.transient(format!("{label}, {name} in parts"), parts * whole.len),
    };
    let [weights, biases] =
        [(weight, "weight"), (bias, "bias")].map(|(whole, name)| of_parts(lower, whole, name));
    lower.product(
        label,
        &convolution::WEIGHT_GRADIENT,
        convolution::weight_gradient(window),
        &[d_output, input, weights, biases],
    );
    if parts > 1 {
        lower.step(
            format!("{label} sum"),
            &sum_parts::KERNEL,
            sum_parts::call([parts, weight.len], [parts, bias.len]),
            &[weights, biases, weight, bias],
        );
    }
}

fn input_gradient(lower: &mut Lowering<'_>, node: &Node, d_output: Slice, place: usize) -> Slice {
    let window = window(lower, node, [node.inputs[0], node.output]);
    let name = format!("{} input gradient", node.label());
    let d_input = lower.transient(name.clone(), lower.value(node.inputs[0]).len);
    let [weight, _] = parameters(lower, node, arenas::PARAMETERS);
    let before = lower.before(node, place);
    let widths = [window.map, window.out].map(|sizes| sizes.iter().product());
    for (i, images) in lower.groups(&widths).into_iter().enumerate() {
        let [d_input, d_output] = of_images([d_input, d_output], &images, widths);
        let (activation, saved) = saved_of(before, &images, widths[0], weight);
        lower.product(
            numbered(&name, i),
            &convolution::INPUT_GRADIENT,
            convolution::input_gradient(&window.of_images(images.len()), activation),
            &[d_output, weight, d_input, saved],
        );
    }
    d_input
}

/// The activation before a layer, and what it saved of some images. Without one nothing was saved, and another operand takes
/// that place.
pub(super) fn saved_of(
    before: Option<(u32, Slice)>,
    images: &Range<usize>,
    width: usize,
    other: Slice,
) -> (u32, Slice) {
    match before {
        Some((activation, saved)) => (activation, saved.rows(images.clone(), width)),
        None => (IDENTITY, other),
    }
}

/// The attributes that a convolution and its transpose share.
pub(super) fn attributes(attrs: &Attrs) -> Vec<(&'static str, Attribute)> {
    let [kernel, stride] = ["kernel", "stride"].map(|name| attrs.get(name));
    let ints = |value: usize, count| Attribute::Ints(vec![value as i64; count]);
    vec![
        ("kernel_shape", ints(kernel, 2)),
        ("strides", ints(stride, 2)),
        ("pads", ints(pad(kernel), 4)),
    ]
}

fn onnx(operators: &mut Operators, of: &Described<'_>) {
    let [weight, bias] = ["weight", "bias"].map(|last| format!("{}.{last}", of.name));
    let kernel = of.node.attrs.get("kernel");
    let [channels, outputs] = [of.input_dims[2], of.output_dims[2]];
    operators.parameter(&weight, &[outputs, channels, kernel, kernel]);
    operators.parameter(&bias, &[outputs]);
    let map = operators.channels_first(&of.inputs[0]);
    let output = operators.made_channels_first(of.output);
    let attributes = attributes(&of.node.attrs);
    operators.node("Conv", &[&map, &weight, &bias], &output, &attributes);
}

/// What PyTorch's convolutions are made with, without what they have anyway.
pub(super) fn arguments(of: &Described<'_>) -> String {
    let [kernel, stride] = ["kernel", "stride"].map(|name| of.node.attrs.get(name));
    let mut text = format!("{}, {}, {kernel}", of.input_dims[2], of.output_dims[2]);
    if stride > 1 {
        text += &format!(", stride={stride}");
    }
    if pad(kernel) > 0 {
        text += &format!(", padding={}", pad(kernel));
    }
    text
}

fn torch(of: &Described<'_>) -> Torch {
    Torch::OfMaps(format!("nn.Conv2d({})", arguments(of)))
}
