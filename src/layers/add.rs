//! The sum of two values of the same sizes.

use crate::graph::{Attrs, Described, Fusion, Inferred, Layer, Lowering, Node, Operators, Torch};

/// The record.
pub static LAYER: Layer = Layer {
    name: "add",
    infer,
    fusion: Fusion::Apart,
    forward,
    // It is that of the output, for both.
    input_gradient: |_, _, d_output, _| d_output,
    learning: None,
    onnx,
    torch: |_| Torch::Around {
        class: "Residual",
        definition: RESIDUAL,
    },
};

/// A sum is no module of PyTorch's.
const RESIDUAL: &str = "\
class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)
";

fn infer(_: &Attrs, inputs: &[&[usize]]) -> Result<Inferred, String> {
    match *inputs {
        [a, b] if a == b => Ok(Inferred {
            dims: a.to_vec(),
            parameters: Vec::new(),
        }),
        _ => Err(format!(
            "expected two inputs of the same sizes, got {inputs:?}"
        )),
    }
}

fn forward(lower: &mut Lowering<'_>, node: &Node) {
    let [a, b] = [0, 1].map(|place| lower.value(node.inputs[place]));
    let (out, _) = lower.output(node);
    lower.add(&node.label(), [a, b], out);
}

fn onnx(operators: &mut Operators, of: &Described<'_>) {
    let (inputs, output) = operators.in_one_order(of.inputs, of.output);
    operators.node("Add", &[&inputs[0], &inputs[1]], &output, &[]);
}
