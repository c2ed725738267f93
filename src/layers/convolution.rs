//! A convolution of a map `[height, width, channels]`: `weight` `[outputs, channels, kernel, kernel]` and `bias` `[outputs]`,
//! as PyTorch's `nn.Conv2d` of as many zeros around the map as `(kernel - 1) / 2`, rounded down.

use crate::graph::{
    Attribute, Attrs, Axes, Described, Fusion, Inferred, Init, Layer, Learns, Lowering, Node,
    Operators, Torch, Value, Wanted, arenas, numbered,
};
use crate::kernel::{Call, Kernel, Window};
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

/// Height, width and channels of a value that is a map.
pub(super) fn sizes(lower: &Lowering<'_>, map: Value) -> [usize; 3] {
    match *lower.dims(map) {
        [height, width, channels] => [height, width, channels],
        ref other => panic!("no map: {other:?}"),
    }
}

/// The geometry of a node whose windows are cut from `map` and make `out`.
pub(super) fn window(lower: &Lowering<'_>, node: &Node, [map, out]: [Value; 2]) -> Window {
    let kernel = node.attrs.get("kernel");
    Window {
        images: lower.rows,
        map: sizes(lower, map),
        out: sizes(lower, out),
        kernel,
        stride: node.attrs.get("stride"),
        pad: pad(kernel),
    }
}

/// A node's geometry.
fn geometry(lower: &Lowering<'_>, node: &Node) -> Window {
    window(lower, node, [node.inputs[0], node.output])
}

/// Weight and bias, in an arena.
pub(super) fn parameters(lower: &mut Lowering<'_>, node: &Node, arena: Shared) -> [Slice; 2] {
    [0, 1].map(|place| lower.parameter(node.parameters.start + place, arena))
}

/// A product from one map to another: its kernel, and its call for a geometry and the selector of an activation.
pub(super) type Product = (&'static Kernel, fn(&Window, u32) -> Call);

const FORWARD: Product = (&convolution::CONVOLUTION, convolution::convolution);
const BACK: Product = (&convolution::INPUT_GRADIENT, convolution::input_gradient);

fn forward(lower: &mut Lowering<'_>, node: &Node) {
    let parameters = parameters(lower, node, arenas::PARAMETERS);
    let window = geometry(lower, node);
    forward_by(lower, node, &window, FORWARD, parameters);
}

/// A node's output, by a product with this weight and bias.
pub(super) fn forward_by(
    lower: &mut Lowering<'_>,
    node: &Node,
    window: &Window,
    (kernel, call): Product,
    [weight, bias]: [Slice; 2],
) {
    let input = lower.value(node.inputs[0]);
    let (out, activation) = lower.output(node);
    let maps = [input, out];
    for (i, images) in lower.groups(&maps).into_iter().enumerate() {
        let [input, out] = lower.of_rows(maps, &images);
        let call = call(&window.of_images(images.len()), activation);
        let slices = [input, weight, out, bias];
        lower.product(numbered(&node.label(), i), kernel, call, &slices);
    }
}

fn gradient(lower: &mut Lowering<'_>, node: &Node, d_output: Slice) {
    let to = parameters(lower, node, arenas::GRADIENT);
    let window = geometry(lower, node);
    gradient_by(lower, node, &window, d_output, to, gradient_of);
}

/// Computes the gradients of weight and bias by some images, from the input and the gradient of the output.
pub(super) type GradientOf = fn(&mut Lowering<'_>, &str, &Window, [Slice; 2], [Slice; 2]);

/// The gradient of a node's weight and bias, to these slices.
pub(super) fn gradient_by(
    lower: &mut Lowering<'_>,
    node: &Node,
    window: &Window,
    d_output: Slice,
    to: [Slice; 2],
    gradient_of: GradientOf,
) {
    let label = format!("{} gradient", node.label());
    let maps = [lower.value(node.inputs[0]), d_output];
    lower.sum_of_groups(&label, maps, to, |lower, label, images, maps, to| {
        gradient_of(lower, label, &window.of_images(images), maps, to);
    });
}

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
    let window = geometry(lower, node);
    let [weight, _] = parameters(lower, node, arenas::PARAMETERS);
    input_gradient_by(lower, node, &window, BACK, weight, (d_output, place))
}

/// The gradient of the input of a node at a place, by a product of that of the output with this weight.
pub(super) fn input_gradient_by(
    lower: &mut Lowering<'_>,
    node: &Node,
    window: &Window,
    (kernel, call): Product,
    weight: Slice,
    (d_output, place): (Slice, usize),
) -> Slice {
    let name = format!("{} input gradient", node.label());
    let d_input = lower.transient(name.clone(), lower.value(node.inputs[0]).len);
    let before = lower.before(node, place);
    let maps = [d_output, d_input];
    for (i, images) in lower.groups(&maps).into_iter().enumerate() {
        let [d_output, d_input] = lower.of_rows(maps, &images);
        // Without an activation before it nothing was saved, and another operand takes that place.
        let (activation, saved) = before.map_or((IDENTITY, weight), |(activation, saved)| {
            (activation, saved.rows(images.clone(), window.images))
        });
        let call = call(&window.of_images(images.len()), activation);
        let slices = [d_output, weight, d_input, saved];
        lower.product(numbered(&name, i), kernel, call, &slices);
    }
    d_input
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
