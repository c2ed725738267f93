//! A linear layer, y = x·Wᵀ + b: `weight` `[outputs, inputs]` and `bias` `[outputs]`, as PyTorch's `nn.Linear`. What it takes
//! and gives may be maps. In files their values are in PyTorch's order, channels before pixels.

use crate::graph::{
    Attribute, Attrs, Axes, Described, Fusion, Inferred, Init, Layer, Learns, Lowering, Node,
    Operators, Torch, Wanted, arenas,
};
use crate::ops::{matmul, weight_update};
use crate::plan::{Shared, Slice};

/// Places of the parameters among those of the node.
const WEIGHT: usize = 0;
const BIAS: usize = 1;

/// The record.
pub static LAYER: Layer = Layer {
    name: "linear",
    infer,
    fusion: Fusion::Product,
    forward,
    input_gradient,
    learning: Some(Learns {
        gradient: Some(gradient),
        update: Some(update),
    }),
    onnx,
    torch,
};

/// Names of the sizes of its outputs.
const SIZES: [&str; 3] = ["outputs", "width", "channels"];

/// A layer whose outputs have these sizes: one, or height, width and channels.
pub fn attrs(outputs: &[usize]) -> Attrs {
    let numbers: Vec<_> = SIZES.into_iter().zip(outputs.iter().copied()).collect();
    Attrs::new(&numbers)
}

fn infer(attrs: &Attrs, inputs: &[&[usize]]) -> Result<Inferred, String> {
    let &[input @ ([_] | [_, _, _])] = inputs else {
        return Err(format!(
            "expected one input of one size, or a map, got {inputs:?}"
        ));
    };
    let dims: Vec<usize> = attrs.numbers().collect();
    let [inputs, outputs] = [input, &dims].map(|sizes| sizes.iter().product::<usize>());
    let init = Init::Uniform { fan_in: inputs };
    Ok(Inferred {
        parameters: vec![
            Wanted {
                name: "weight",
                shape: vec![outputs, inputs],
                axes: axes(&[&dims, input]),
                init,
            },
            Wanted {
                name: "bias",
                shape: vec![outputs],
                axes: axes(&[&dims]),
                init,
            },
        ],
        dims,
    })
}

/// How a tensor lies in the arena whose sizes are those of values or maps; `None` where no map is among them.
fn axes(of: &[&[usize]]) -> Option<Axes> {
    let sizes = of.concat();
    let order = of.iter().fold(Vec::new(), |mut order, sizes| {
        let first = order.len();
        match sizes.len() {
            3 => order.extend([first + 2, first, first + 1]),
            _ => order.push(first),
        }
        order
    });
    (order.len() > of.len()).then_some(Axes { sizes, order })
}

/// Rows, inputs and outputs.
fn sizes(lower: &Lowering<'_>, node: &Node) -> [usize; 3] {
    let width = |value| lower.width(value);
    [lower.rows, width(node.inputs[0]), width(node.output)]
}

fn parameters(lower: &mut Lowering<'_>, node: &Node, arena: Shared) -> [Slice; 2] {
    [WEIGHT, BIAS].map(|place| lower.parameter(node.parameters.start + place, arena))
}

fn forward(lower: &mut Lowering<'_>, node: &Node) {
    let input = lower.value(node.inputs[0]);
    let [weight, bias] = parameters(lower, node, arenas::PARAMETERS);
    let [rows, inputs, outputs] = sizes(lower, node);
    let (out, activation) = lower.output(node);
    let call = matmul::linear(rows, inputs, outputs, activation);
    lower.product(
        node.label(),
        &matmul::LINEAR,
        call,
        &[input, weight, out, bias],
    );
}

fn gradient(lower: &mut Lowering<'_>, node: &Node, d_output: Slice) {
    let input = lower.value(node.inputs[0]);
    let [weight, bias] = parameters(lower, node, arenas::GRADIENT);
    let [rows, inputs, outputs] = sizes(lower, node);
    lower.product(
        format!("{} gradient", node.label()),
        &matmul::WEIGHT_GRADIENT,
        matmul::weight_gradient(rows, inputs, outputs),
        &[d_output, input, weight, bias],
    );
}

fn input_gradient(lower: &mut Lowering<'_>, node: &Node, d_output: Slice, place: usize) -> Slice {
    let [rows, inputs, outputs] = sizes(lower, node);
    let name = format!("{} input gradient", node.label());
    let d_input = lower.transient(name.clone(), rows * inputs);
    let [weight, _] = parameters(lower, node, arenas::PARAMETERS);
    match lower.before(node, place) {
        Some((activation, saved)) => lower.product(
            name,
            &matmul::INPUT_GRADIENT,
            matmul::input_gradient(rows, inputs, outputs, activation),
            &[d_output, weight, d_input, saved],
        ),
        None => lower.product(
            name,
            &matmul::MATMUL,
            matmul::matmul([rows, inputs, outputs], false, false),
            &[d_output, weight, d_input],
        ),
    }
    d_input
}

fn update(lower: &mut Lowering<'_>, node: &Node, d_output: Slice) {
    let input = lower.value(node.inputs[0]);
    let [parameters, first, second] = [arenas::PARAMETERS, arenas::FIRST, arenas::SECOND]
        .map(|arena| lower.all_parameters(node, arena));
    let bias = lower.parameter(node.parameters.start + BIAS, arenas::PARAMETERS);
    let ([counters, scalars], weight_decay) = lower.rates();
    let [rows, inputs, outputs] = sizes(lower, node);
    let bias = bias.offset - parameters.offset;
    lower.product(
        format!("{} update", node.label()),
        &weight_update::KERNEL,
        weight_update::call(rows, inputs, outputs, bias, weight_decay),
        &[
            d_output, input, parameters, first, second, counters, scalars,
        ],
    );
}

fn onnx(operators: &mut Operators, of: &Described<'_>) {
    let [weight, bias] = ["weight", "bias"].map(|last| format!("{}.{last}", of.name));
    let [inputs, outputs] = [of.input_dims, of.output_dims].map(|sizes| sizes.iter().product());
    operators.parameter(&weight, &[outputs, inputs]);
    operators.parameter(&bias, &[outputs]);
    let input = match of.input_dims.len() {
        1 => of.inputs[0].clone(),
        _ => {
            let map = operators.channels_first(&of.inputs[0]);
            let flat = [("axis", Attribute::Int(1))];
            operators.step_with("Flatten", &[&map], of.output, "flat", &flat)
        }
    };
    let transposed = [("transB", Attribute::Int(1))];
    let inputs = [&*input, &weight, &bias];
    match *of.output_dims {
        [height, width, channels] => {
            let flat = operators.step_with("Gemm", &inputs, of.output, "values", &transposed);
            let map = operators.made_channels_first(of.output);
            let shape = operators.sizes(of.output, "shape", &[0, channels, height, width]);
            operators.node("Reshape", &[&flat, &shape], &map, &[]);
        }
        _ => operators.node("Gemm", &inputs, of.output, &transposed),
    }
}

fn torch(of: &Described<'_>) -> Torch {
    let [inputs, outputs] =
        [of.input_dims, of.output_dims].map(|sizes| sizes.iter().product::<usize>());
    Torch::OfValues(format!("nn.Linear({inputs}, {outputs})"))
}
