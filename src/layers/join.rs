//! Two values side by side: the second one behind the first, of maps their channels.

use crate::graph::{
    Attribute, Attrs, Described, Fusion, Inferred, Layer, Lowering, Node, Operators, Torch,
    numbered,
};
use crate::ops::{join, part};
use crate::plan::Slice;

/// The record.
pub static LAYER: Layer = Layer {
    name: "join",
    infer,
    fusion: Fusion::Apart,
    forward,
    input_gradient,
    learning: None,
    onnx,
    torch: |_| Torch::Joined,
};

fn infer(_: &Attrs, inputs: &[&[usize]]) -> Result<Inferred, String> {
    let dims = match *inputs {
        [&[a], &[b]] => vec![a + b],
        [&[height, width, a], &[of_b, wide, b]] if [height, width] == [of_b, wide] => {
            vec![height, width, a + b]
        }
        _ => {
            return Err(format!(
                "expected two inputs of one size each, or two maps of as many rows and columns, got {inputs:?}"
            ));
        }
    };
    Ok(Inferred {
        dims,
        parameters: Vec::new(),
    })
}

/// Pixels of a row, 1 where it is no map, and columns of the two inputs.
fn sizes(lower: &Lowering<'_>, node: &Node) -> (usize, [usize; 2]) {
    let columns = [0, 1].map(|place| {
        let dims = lower.dims(node.inputs[place]);
        dims[dims.len() - 1]
    });
    let width = lower.width(node.output);
    (width / (columns[0] + columns[1]), columns)
}

fn forward(lower: &mut Lowering<'_>, node: &Node) {
    let [a, b] = [0, 1].map(|place| lower.value(node.inputs[place]));
    let (pixels, columns) = sizes(lower, node);
    let (out, _) = lower.output(node);
    let all = [a, b, out];
    for (i, rows) in lower.groups(&all).into_iter().enumerate() {
        let slices = lower.of_rows(all, &rows);
        let call = join::call(rows.len() * pixels, columns);
        lower.step(numbered(&node.label(), i), &join::KERNEL, call, &slices);
    }
}

fn input_gradient(lower: &mut Lowering<'_>, node: &Node, d_output: Slice, place: usize) -> Slice {
    let (pixels, columns) = sizes(lower, node);
    let name = format!("{} gradient of input {}", node.label(), place + 1);
    let len = lower.rows * pixels * columns[place];
    let d_input = lower.transient(name.clone(), len);
    let (first, width) = (place * columns[0], columns[0] + columns[1]);
    let both = [d_output, d_input];
    for (i, rows) in lower.groups(&both).into_iter().enumerate() {
        let slices = lower.of_rows(both, &rows);
        let call = part::call(rows.len() * pixels, width, [first, columns[place]]);
        lower.step(numbered(&name, i), &part::KERNEL, call, &slices);
    }
    d_input
}

fn onnx(operators: &mut Operators, of: &Described<'_>) {
    let inputs: Vec<&str> = of.inputs.iter().map(String::as_str).collect();
    for input in &inputs {
        operators.channels_last(input);
    }
    let last = [("axis", Attribute::Int(-1))];
    operators.node("Concat", &inputs, of.output, &last);
}
