//! The same numbers under other sizes: no step, as rows lie in memory one number behind the other.

use crate::graph::{
    Attribute, Attrs, Described, Fusion, Inferred, Layer, Lowering, Node, Operators,
};

/// The record.
pub static LAYER: Layer = Layer {
    name: "reshape",
    infer,
    fusion: Fusion::View,
    forward,
    input_gradient: |_, _, d_output, _| d_output,
    learning: None,
    onnx,
    torch,
};

/// Names of up to four sizes.
const SIZES: [&str; 4] = ["first", "second", "third", "fourth"];

/// A layer whose outputs have these sizes, four at most.
pub fn attrs(dims: &[usize]) -> Attrs {
    let numbers: Vec<_> = SIZES.into_iter().zip(dims.iter().copied()).collect();
    Attrs::new(&numbers)
}

fn infer(attrs: &Attrs, inputs: &[&[usize]]) -> Result<Inferred, String> {
    let dims: Vec<usize> = attrs.numbers().collect();
    match *inputs {
        [input] if input.iter().product::<usize>() == dims.iter().product::<usize>() => {
            Ok(Inferred {
                dims,
                parameters: Vec::new(),
            })
        }
        _ => Err(format!(
            "expected one input of as many values as {dims:?}, got {inputs:?}"
        )),
    }
}

fn forward(lower: &mut Lowering<'_>, node: &Node) {
    let input = lower.value(node.inputs[0]);
    lower.set(node.output, input);
}

fn onnx(operators: &mut Operators, of: &Described<'_>) {
    let input = &*of.inputs[0];
    operators.channels_last(input);
    if of.output_dims.len() == 1 {
        return operators.node(
            "Flatten",
            &[input],
            of.output,
            &[("axis", Attribute::Int(1))],
        );
    }
    // A size of 0 is that of the input: the batch.
    let sizes = std::iter::once(0).chain(of.output_dims.iter().map(|&size| size as i64));
    let shape = format!("{}.shape", of.output);
    operators.integers(&shape, &sizes.collect::<Vec<i64>>());
    operators.node("Reshape", &[input, &shape], of.output, &[]);
}

fn torch(of: &Described<'_>) -> String {
    match *of.output_dims {
        [_] => "nn.Flatten()".to_owned(),
        _ => {
            let sizes: Vec<String> = of.output_dims.iter().map(ToString::to_string).collect();
            format!("nn.Unflatten(1, ({}))", sizes.join(", "))
        }
    }
}
