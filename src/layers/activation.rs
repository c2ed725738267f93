//! A nonlinearity, element by element.

use serde::{Deserialize, Serialize};

use crate::graph::{
    Attribute, Attrs, Described, Fusion, Inferred, Layer, Lowering, Node, Operators, Torch,
};
use crate::ops::activation::{self, GELU_CUBIC, GELU_SCALE, LEAK};
use crate::ops::activation_backward;
use crate::plan::Slice;

/// The record.
pub static LAYER: Layer = Layer {
    name: "activation",
    infer,
    fusion: Fusion::Activation(|attrs| attrs.get("function") as u32),
    forward,
    input_gradient,
    learning: None,
    onnx,
    torch,
};

/// What is applied to each value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// max(x, 0)
    Relu,
    /// x where x > 0, else 0.01·x
    LeakyRelu,
    /// tanh(x)
    Tanh,
    /// 1/(1 + exp(−x))
    Sigmoid,
    /// x·sigmoid(x)
    Silu,
    /// x·Φ(x), by the tanh approximation (Hendrycks & Gimpel 2016)
    Gelu,
}

impl Activation {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Relu,
        Self::LeakyRelu,
        Self::Tanh,
        Self::Sigmoid,
        Self::Silu,
        Self::Gelu,
    ];

    /// The selector of the kernels that apply it.
    pub fn selector(self) -> u32 {
        match self {
            Self::Relu => activation::RELU,
            Self::LeakyRelu => activation::LEAKY_RELU,
            Self::Tanh => activation::TANH,
            Self::Sigmoid => activation::SIGMOID,
            Self::Silu => activation::SILU,
            Self::Gelu => activation::GELU,
        }
    }

    /// Its name in a text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::LeakyRelu => "leaky relu",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
            Self::Silu => "silu",
            Self::Gelu => "gelu",
        }
    }

    /// What a layer is told.
    pub fn attrs(self) -> Attrs {
        Attrs::new(&[("function", self.selector() as usize)])
    }

    fn of(attrs: &Attrs) -> Self {
        let selector = attrs.get("function") as u32;
        let found = Self::ALL
            .into_iter()
            .find(|known| known.selector() == selector);
        found.expect("the selector of an activation")
    }
}

fn infer(_: &Attrs, inputs: &[&[usize]]) -> Result<Inferred, String> {
    let &[input] = inputs else {
        return Err(format!("expected one input, got {inputs:?}"));
    };
    Ok(Inferred {
        dims: input.to_vec(),
        parameters: Vec::new(),
    })
}

fn forward(lower: &mut Lowering<'_>, node: &Node) {
    let input = lower.value(node.inputs[0]);
    let (out, _) = lower.output(node);
    let selector = Activation::of(&node.attrs).selector();
    let call = |len| activation::call(selector, len);
    lower.elementwise(&node.label(), &activation::KERNEL, call, &[input, out]);
}

fn input_gradient(lower: &mut Lowering<'_>, node: &Node, d_output: Slice, _: usize) -> Slice {
    let selector = Activation::of(&node.attrs).selector();
    let saved = lower.saved(node, selector);
    let name = format!("{} input gradient", node.label());
    let d_input = lower.transient(name.clone(), d_output.len);
    lower.elementwise(
        &name,
        &activation_backward::KERNEL,
        |len| activation_backward::call(selector, len),
        &[d_output, saved, d_input],
    );
    d_input
}

fn onnx(operators: &mut Operators, of: &Described<'_>) {
    let (inputs, output) = operators.in_one_order(of.inputs, of.output);
    let activation = Activation::of(&of.node.attrs);
    apply(operators, activation, &inputs[0], &output);
}

/// The operators of an activation. GELU is made of smaller ones: it is one of ONNX's only from opset 20 on.
pub fn apply(operators: &mut Operators, activation: Activation, x: &str, out: &str) {
    match activation {
        Activation::Relu => operators.node("Relu", &[x], out, &[]),
        Activation::LeakyRelu => {
            operators.node(
                "LeakyRelu",
                &[x],
                out,
                &[("alpha", Attribute::Float(LEAK as f32))],
            );
        }
        Activation::Tanh => operators.node("Tanh", &[x], out, &[]),
        Activation::Sigmoid => operators.node("Sigmoid", &[x], out, &[]),
        Activation::Silu => {
            let gate = operators.step("Sigmoid", &[x], out, "gate");
            operators.node("Mul", &[x, &gate], out, &[]);
        }
        Activation::Gelu => {
            // x/2·(1 + tanh(scale·x + scale·cubic·x³))
            let scale = operators.scalar("gelu.scale", GELU_SCALE);
            let cubic = operators.scalar("gelu.cubic", GELU_SCALE * GELU_CUBIC);
            let one = operators.scalar("gelu.one", 1.0);
            let half = operators.scalar("gelu.half", 0.5);
            let square = operators.step("Mul", &[x, x], out, "square");
            let term = operators.step("Mul", &[&square, &cubic], out, "term");
            let slope = operators.step("Add", &[&term, &scale], out, "slope");
            let inner = operators.step("Mul", &[&slope, x], out, "inner");
            let tanh = operators.step("Tanh", &[&inner], out, "tanh");
            let gate = operators.step("Add", &[&tanh, &one], out, "gate");
            let halved = operators.step("Mul", &[x, &half], out, "half");
            operators.node("Mul", &[&halved, &gate], out, &[]);
        }
    }
}

fn torch(of: &Described<'_>) -> Torch {
    let (leaky, leaked) = (
        format!("nn.LeakyReLU({LEAK})"),
        format!("F.leaky_relu({{}}, {LEAK})"),
    );
    let (module, function) = match Activation::of(&of.node.attrs) {
        Activation::Relu => ("nn.ReLU()", "F.relu({})"),
        Activation::LeakyRelu => (&*leaky, &*leaked),
        Activation::Tanh => ("nn.Tanh()", "torch.tanh({})"),
        Activation::Sigmoid => ("nn.Sigmoid()", "torch.sigmoid({})"),
        Activation::Silu => ("nn.SiLU()", "F.silu({})"),
        Activation::Gelu => (
            "nn.GELU(approximate=\"tanh\")",
            "F.gelu({}, approximate=\"tanh\")",
        ),
    };
    Torch::OfEach {
        module: module.to_owned(),
        function: function.to_owned(),
    }
}
