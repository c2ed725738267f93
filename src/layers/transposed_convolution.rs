//! A transposed convolution of a map `[height, width, channels]`: `weight` `[channels, outputs, kernel, kernel]` and `bias`
//! `[outputs]`, as PyTorch's `nn.ConvTranspose2d`. It is the input gradient of a convolution, so it gives any size that
//! such a convolution takes.

use super::convolution::{
    Product, arguments, attributes, forward_by, gradient_by, input_gradient_by, map, pad,
    parameters, size, weight, window,
};
use crate::graph::{
    Attribute, Attrs, Described, Fusion, Inferred, Init, Layer, Learns, Lowering, Node, Operators,
    Torch, Wanted, arenas,
};
use crate::kernel::Window;
use crate::ops::{column_sums, convolution, sum_parts};
use crate::plan::Slice;

/// The record.
pub static LAYER: Layer = Layer {
    name: "transposed_convolution",
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

/// The way back of a convolution with this kernel and stride, from its result to a map of this size and so many channels.
pub fn attrs(channels: usize, kernel: usize, stride: usize, [height, width]: [usize; 2]) -> Attrs {
    Attrs::new(&[
        ("channels", channels),
        ("kernel", kernel),
        ("stride", stride),
        ("height", height),
        ("width", width),
    ])
}

fn infer(attrs: &Attrs, inputs: &[&[usize]]) -> Result<Inferred, String> {
    let [height, width, channels] = map(inputs)?;
    let [outputs, kernel, stride] = ["channels", "kernel", "stride"].map(|name| attrs.get(name));
    let to = ["height", "width"].map(|name| attrs.get(name));
    if to.map(|rows| size(rows, kernel, stride)) != [Some(height), Some(width)] {
        return Err(format!(
            "a transposed convolution from {height}×{width} to {}×{}: there is none of a kernel of {kernel} and a stride of \
             {stride}, as such a convolution of the latter does not give the former",
            to[0], to[1]
        ));
    }
    // As PyTorch has it, whose weight has the inputs first.
    let init = Init::Uniform {
        fan_in: outputs * kernel * kernel,
    };
    Ok(Inferred {
        dims: vec![to[0], to[1], outputs],
        parameters: vec![
            weight([channels, outputs], kernel, init),
            Wanted {
                name: "bias",
                shape: vec![outputs],
                axes: None,
                init,
            },
        ],
    })
}

/// A node's geometry.
fn geometry(lower: &Lowering<'_>, node: &Node) -> Window {
    window(lower, node, [node.output, node.inputs[0]])
}

/// From its input to its output.
pub(super) const FORWARD: Product = (&convolution::TRANSPOSED, convolution::transposed);
/// From the gradient of its output to that of its input.
pub(super) const BACK: Product = (
    &convolution::TRANSPOSED_INPUT_GRADIENT,
    convolution::transposed_input_gradient,
);

fn forward(lower: &mut Lowering<'_>, node: &Node) {
    let parameters = parameters(lower, node, arenas::PARAMETERS);
    let window = geometry(lower, node);
    forward_by(lower, node, &window, FORWARD, parameters);
}

fn gradient(lower: &mut Lowering<'_>, node: &Node, d_output: Slice) {
    let parameters = parameters(lower, node, arenas::GRADIENT);
    let window = geometry(lower, node);
    gradient_by(lower, node, &window, d_output, parameters, gradient_of);
}

/// The gradients of weight and bias by some images, to these slices.
pub(super) fn gradient_of(
    lower: &mut Lowering<'_>,
    label: &str,
    window: &Window,
    [input, d_output]: [Slice; 2],
    [weight, bias]: [Slice; 2],
) {
    let (rows, outputs) = (d_output.len / bias.len, bias.len);
    let [parts, bias_parts] = [window.parts(), column_sums::parts(rows, outputs)];
    let mut transient = |name, len| lower.transient(format!("{label}, {name}"), len);
    let weights = transient("weight in parts", parts * weight.len);
    // The sums over the input, which the product makes as well, are no gradient here.
    let unused = transient("sums of the input", parts * window.out[2]);
    let biases = transient("bias in parts", bias_parts * bias.len);
    lower.product(
        label,
        &convolution::WEIGHT_GRADIENT,
        convolution::weight_gradient(window),
        &[input, d_output, weights, unused],
    );
    lower.step(
        format!("{label} of the bias"),
        &column_sums::KERNEL,
        column_sums::call(rows, outputs),
        &[d_output, biases],
    );
    lower.step(
        format!("{label} sum"),
        &sum_parts::KERNEL,
        sum_parts::call([parts, weight.len], [bias_parts, bias.len]),
        &[weights, biases, weight, bias],
    );
}

fn input_gradient(lower: &mut Lowering<'_>, node: &Node, d_output: Slice, place: usize) -> Slice {
    let window = geometry(lower, node);
    let [weight, _] = parameters(lower, node, arenas::PARAMETERS);
    input_gradient_by(lower, node, &window, BACK, weight, (d_output, place))
}

/// Rows and columns that PyTorch and ONNX add to the smallest map that a transposed convolution gives.
fn added(of: &Described<'_>) -> [usize; 2] {
    let [kernel, stride] = ["kernel", "stride"].map(|name| of.node.attrs.get(name));
    [0, 1].map(|axis| {
        let least = stride * (of.input_dims[axis] - 1) + kernel - 2 * pad(kernel);
        of.output_dims[axis] - least
    })
}

fn onnx(operators: &mut Operators, of: &Described<'_>) {
    let [weight, bias] = ["weight", "bias"].map(|last| format!("{}.{last}", of.name));
    let kernel = of.node.attrs.get("kernel");
    let [channels, outputs] = [of.input_dims[2], of.output_dims[2]];
    operators.parameter(&weight, &[channels, outputs, kernel, kernel]);
    operators.parameter(&bias, &[outputs]);
    let map = operators.channels_first(&of.inputs[0]);
    let output = operators.made_channels_first(of.output);
    let mut attributes = attributes(&of.node.attrs);
    let added = added(of).map(|rows| rows as i64);
    attributes.push(("output_padding", Attribute::Ints(added.to_vec())));
    let inputs = [&*map, &weight, &bias];
    operators.node("ConvTranspose", &inputs, &output, &attributes);
}

fn torch(of: &Described<'_>) -> Torch {
    let added = match added(of) {
        [0, 0] => String::new(),
        [down, across] if down == across => format!(", output_padding={down}"),
        [down, across] => format!(", output_padding=({down}, {across})"),
    };
    Torch::OfMaps(format!("nn.ConvTranspose2d({}{added})", arguments(of)))
}
