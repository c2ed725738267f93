//! Finite scalar quantisation: each channel becomes one of a few numbers between -1 and 1 ([`crate::ops::fsq`]). The gradient
//! goes through as if nothing were rounded.

use crate::graph::{
    Attrs, Described, Fusion, Inferred, Layer, Lowering, Node, Operators, Torch, numbered,
};
use crate::ops::fsq::{self, MOST_CHANNELS};
use crate::plan::Slice;

/// The record.
pub static LAYER: Layer = Layer {
    name: "fsq",
    infer,
    fusion: Fusion::Apart,
    forward,
    input_gradient,
    learning: None,
    onnx,
    torch,
};

const LEVELS: [&str; MOST_CHANNELS] = [
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth",
];
const ROUNDED: &str = "rounded";

/// A layer whose channels have these levels in turn, eight at most. One that does not round is what the gradient is of.
pub fn attrs(levels: &[u32], rounded: bool) -> Attrs {
    let levels = levels.iter().map(|&own| own as usize);
    let numbers = LEVELS.into_iter().zip(levels);
    let all: Vec<_> = std::iter::once((ROUNDED, usize::from(rounded)))
        .chain(numbers)
        .collect();
    Attrs::new(&all)
}

fn levels(node: &Node) -> Vec<u32> {
    let numbers = node.attrs.numbers().skip(1);
    numbers.map(|number| number as u32).collect()
}

fn infer(attrs: &Attrs, inputs: &[&[usize]]) -> Result<Inferred, String> {
    let channels = attrs.numbers().count() - 1;
    match *inputs {
        [input @ &[.., last]] if last % channels == 0 => Ok(Inferred {
            dims: input.to_vec(),
            parameters: Vec::new(),
        }),
        _ => Err(format!(
            "expected one input of a multiple of {channels} channels, got {inputs:?}"
        )),
    }
}

fn forward(lower: &mut Lowering<'_>, node: &Node) {
    let input = lower.value(node.inputs[0]);
    let (out, _) = lower.output(node);
    let (levels, rounded) = (levels(node), node.attrs.get(ROUNDED) != 0);
    let both = [input, out];
    for (i, rows) in lower.groups(&both).into_iter().enumerate() {
        let slices = lower.of_rows(both, &rows);
        let call = fsq::call(slices[0].len, &levels, rounded);
        lower.step(numbered(&node.label(), i), &fsq::KERNEL, call, &slices);
    }
}

fn input_gradient(lower: &mut Lowering<'_>, node: &Node, d_output: Slice, _: usize) -> Slice {
    let input = lower.value(node.inputs[0]);
    let name = format!("{} input gradient", node.label());
    let d_input = lower.transient(name.clone(), d_output.len);
    let levels = levels(node);
    let all = [d_output, input, d_input];
    for (i, rows) in lower.groups(&all).into_iter().enumerate() {
        let slices = lower.of_rows(all, &rows);
        let call = fsq::backward_call(slices[0].len, &levels);
        lower.step(numbered(&name, i), &fsq::BACKWARD, call, &slices);
    }
    d_input
}

/// A number for each channel of a row, under a name.
fn row(
    operators: &mut Operators,
    of: &Described<'_>,
    name: &str,
    number: impl Fn(u32) -> f64,
) -> String {
    let levels = levels(of.node);
    let channels = of.output_dims[of.output_dims.len() - 1];
    let values = (0..channels).map(|at| number(levels[at % levels.len()]) as f32);
    operators.floats(&format!("{}.{name}", of.output), values.collect())
}

fn onnx(operators: &mut Operators, of: &Described<'_>) {
    operators.channels_last(&of.inputs[0]);
    let bounds = fsq::Channel::<f64>::of;
    let shift = row(operators, of, "shift", |own| bounds(own).shift);
    let half = row(operators, of, "half", |own| bounds(own).half);
    let offset = row(operators, of, "offset", |own| bounds(own).offset);
    let unit = row(operators, of, "unit", |own| bounds(own).unit);
    let out = of.output;
    let shifted = operators.step("Add", &[&of.inputs[0], &shift], out, "shifted");
    let tanh = operators.step("Tanh", &[&shifted], out, "tanh");
    let scaled = operators.step("Mul", &[&tanh, &half], out, "scaled");
    let bounded = operators.step("Sub", &[&scaled, &offset], out, "bounded");
    let level = operators.step("Round", &[&bounded], out, "level");
    operators.node("Div", &[&level, &unit], out, &[]);
}

fn torch(of: &Described<'_>) -> Torch {
    let levels: Vec<String> = levels(of.node).iter().map(u32::to_string).collect();
    Torch::Own {
        module: format!("FSQ([{}])", levels.join(", ")),
        definition: concat!(
            "class FSQ(nn.Module):\n",
            "    \"\"\"Each channel as one of a few levels between -1 and 1 (Mentzer et al. 2023).\"\"\"\n\n",
            "    def __init__(self, levels):\n",
            "        super().__init__()\n",
            "        self.levels = levels\n\n",
            "    def forward(self, z):\n",
            "        levels = torch.tensor(self.levels, device=z.device).repeat(z.shape[1] // len(self.levels))\n",
            "        levels = levels.view(1, -1, *[1] * (z.dim() - 2))\n",
            "        offset = 0.5 * (1 - levels % 2)\n",
            "        half = 0.5 * (levels - 1) * 1.001\n",
            "        bounded = half * torch.tanh(z + torch.atanh(offset.double() / half).to(z.dtype)) - offset\n",
            "        # The gradient goes through as if nothing were rounded.\n",
            "        return (bounded + (bounded.round() - bounded).detach()) / (levels // 2)",
        ),
    }
}
