//! A linear layer, y = x·Wᵀ + b: `weight` `[outputs, inputs]` and `bias` `[outputs]`, as PyTorch's `nn.Linear`.

use crate::graph::{
    Attribute, Attrs, Described, Fusion, Inferred, Init, Layer, Learns, Lowering, Node, Operators,
    Wanted, arenas,
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
        gradient,
        update: Some(update),
    }),
    onnx,
    torch,
};

/// A layer of so many outputs.
pub fn attrs(outputs: usize) -> Attrs {
    Attrs::new(&[("outputs", outputs)])
}

fn infer(attrs: &Attrs, inputs: &[&[usize]]) -> Result<Inferred, String> {
    let &[&[inputs]] = inputs else {
        return Err(format!("expected one input of one size, got {inputs:?}"));
    };
    let outputs = attrs.get("outputs");
    let init = Init::Uniform { fan_in: inputs };
    Ok(Inferred {
        dims: vec![outputs],
        parameters: vec![
            Wanted {
                name: "weight",
                shape: vec![outputs, inputs],
                init,
            },
            Wanted {
                name: "bias",
                shape: vec![outputs],
                init,
            },
        ],
    })
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
    let (inputs, outputs) = (of.input_dims[0], of.output_dims[0]);
    operators.parameter(&weight, &[outputs, inputs]);
    operators.parameter(&bias, &[outputs]);
    let transposed = [("transB", Attribute::Int(1))];
    operators.node(
        "Gemm",
        &[&of.inputs[0], &weight, &bias],
        of.output,
        &transposed,
    );
}

fn torch(of: &Described<'_>) -> String {
    format!("nn.Linear({}, {})", of.input_dims[0], of.output_dims[0])
}
