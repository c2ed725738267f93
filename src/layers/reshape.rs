//! The same numbers under other sizes: no step, as rows lie in memory one number behind the other.

use crate::graph::{
    Attribute, Attrs, Described, Fusion, Inferred, Layer, Lowering, Node, Operators, Torch,
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
    let shape = operators.sizes(of.output, "shape", &[&[0], of.output_dims].concat());
    operators.node("Reshape", &[input, &shape], of.output, &[]);
}

/// The order of the numbers stays that of this program, where channels come last.
fn torch(of: &Described<'_>) -> Torch {
    let from = match *of.input_dims {
        [_] => "",
        [_, _, channels] if channels > 1 => ".movedim(1, -1).flatten(1)",
        _ => ".flatten(1)",
    };
    let to = match *of.output_dims {
        [_] => String::new(),
        [height, width, 1] => format!(".unflatten(1, (1, {height}, {width}))"),
        [height, width, channels] => {
            format!(".unflatten(1, ({height}, {width}, {channels})).movedim(-1, 1)")
        }
        ref sizes => {
            let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
            format!(".unflatten(1, ({}))", sizes.join(", "))
        }
    };
    Torch::Method(format!("{from}{to}"))
}
