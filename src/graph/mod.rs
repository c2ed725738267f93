//! Models as graphs of layers: plain data between a specification and plans.
//!
//! A [`Graph`] has values, parameters, and nodes that make values of values. What a node computes is its [`Layer`]'s
//! affair alone: sizes, parameters with their first values, steps, gradients, operators of ONNX and a line of PyTorch.
//! [`Lowering`] turns a part of a graph into the steps of a plan.

mod lower;
mod operators;
mod parameters;
mod torch;

pub(crate) use lower::numbered;
pub use lower::{Learning, Lowering, arenas};
pub use operators::{Attribute, Constant, Operator, Operators};
pub use parameters::{Parameters, Tensor};
pub use torch::Torch;

use crate::plan::Slice;

/// A value of a graph, by its place among its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Value(usize);

/// What is known of a value before anything is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueInfo {
    /// Its name, for the buffers of plans: `image`, `fc1 output`.
    pub name: String,
    /// Sizes of a row: `[height, width, channels]`, or `[values]`.
    pub dims: Vec<usize>,
}

impl ValueInfo {
    /// Numbers of a row.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether a row holds nothing; never the case in a valid model.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How a parameter begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Uniform in ±1/√fan_in, as PyTorch's `nn.Linear` has it for weights and biases.
    Uniform {
        /// Inputs of each output.
        fan_in: usize,
    },
    /// The same number everywhere.
    Constant(f32),
}

/// How a tensor of a file lies in the arena. PyTorch has the channels of a map before its pixels, this program behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axes {
    /// Sizes in the arena.
    pub sizes: Vec<usize>,
    /// Which of these axes are the tensor's, one after another.
    pub order: Vec<usize>,
}

/// A parameter that a layer asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The last part of its name: `weight`.
    pub name: &'static str,
    /// Its sizes as PyTorch has them.
    pub shape: Vec<usize>,
    /// How it lies in the arena, where that is another order.
    pub axes: Option<Axes>,
    /// Its first values.
    pub init: Init,
}

/// A parameter of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterInfo {
    /// The tensors that it consists of, equal shares of its first size: `fc1.weight`, or `fc21.weight` and
    /// `fc22.weight`.
    pub tensors: Vec<String>,
    /// Its sizes as PyTorch has them.
    pub shape: Vec<usize>,
    /// How it lies in the arena, where that is another order.
    pub axes: Option<Axes>,
    /// Its first values.
    pub init: Init,
}

/// Numbers that say what a layer is, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attrs(Vec<(&'static str, usize)>);

impl Attrs {
    /// None but these.
    pub fn new(numbers: &[(&'static str, usize)]) -> Self {
        Self(numbers.to_vec())
    }

    /// The number of a name.
    ///
    /// # Panics
    /// Where there is none, which is a fault of the layer that asks.
    pub fn get(&self, name: &str) -> usize {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found
            .map(|(_, number)| *number)
            .expect("a number that the layer was made with")
    }

    /// All numbers, in their order.
    pub fn numbers(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().map(|(_, number)| *number)
    }
}

/// What follows from the sizes of a layer's inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Inferred {
    /// Sizes of a row of its output.
    pub dims: Vec<usize>,
    /// Its parameters.
    pub parameters: Vec<Wanted>,
}

/// What the steps of a layer can do beside its own work.
#[derive(Clone, Copy, Debug)]
pub enum Fusion {
    /// Nothing.
    Apart,
    /// It has no step: its output is its input under other sizes.
    View,
    /// A product. Its forward step applies the activation that [`Lowering::output`] names, and its input gradient the
    /// derivative of the activation that [`Lowering::before`] names.
    Product,
    /// A norm. Its forward step applies any activation that [`Lowering::output`] names, and its step back the derivative
    /// of the one that [`Lowering::applied`] names, which it computes anew from its own input.
    Norm,
    /// An activation: its selector in [`crate::ops::activation`].
    Activation(fn(&Attrs) -> u32),
}

/// The record of a kind of layer.
pub struct Layer {
    /// Its name.
    pub name: &'static str,
    /// Sizes and parameters, from the sizes of the inputs.
    ///
    /// # Errors
    /// In words, what does not go together.
    pub infer: fn(&Attrs, &[&[usize]]) -> Result<Inferred, String>,
    /// What its steps can do for its neighbours.
    pub fusion: Fusion,
    /// Computes the output.
    pub forward: fn(&mut Lowering<'_>, &Node),
    /// Computes the gradient of an input, given by its place, from that of the output.
    pub input_gradient: fn(&mut Lowering<'_>, &Node, Slice, usize) -> Slice,
    /// What learns; `None` for a layer without parameters.
    pub learning: Option<Learns>,
    /// Writes its operators of ONNX: those of one of its names, from named inputs to a named output.
    pub onnx: fn(&mut Operators, &Described<'_>),
    /// What it is in PyTorch, by one of its names.
    pub torch: fn(&Described<'_>) -> Torch,
}

/// How a layer's parameters learn, from the gradient of its output.
#[derive(Clone, Copy)]
pub struct Learns {
    /// Computes the gradient of its parameters; `None` where the step of [`Layer::input_gradient`] does.
    pub gradient: Option<fn(&mut Lowering<'_>, &Node, Slice)>,
    /// The same and the update by it in one step, without a gradient in memory.
    pub update: Option<fn(&mut Lowering<'_>, &Node, Slice)>,
}

impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Layer").field(&self.name).finish()
    }
}

/// A use of a layer.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it computes.
    pub layer: &'static Layer,
    /// What it is told.
    pub attrs: Attrs,
    /// Its name; several where its outputs are shared out equally to several names, which others see as layers side by
    /// side.
    pub names: Vec<String>,
    /// What it reads.
    pub inputs: Vec<Value>,
    /// Places of its parameters among those of the graph, one behind the other.
    pub parameters: std::ops::Range<usize>,
    /// What it makes.
    pub output: Value,
}

impl Node {
    /// Its names as one: `fc21|fc22`.
    pub fn label(&self) -> String {
        self.names.join("|")
    }
}

/// A node as others see it, by one of its names.
#[derive(Clone, Copy, Debug)]
pub struct Described<'a> {
    /// The node.
    pub node: &'a Node,
    /// The name.
    pub name: &'a str,
    /// Names of the inputs.
    pub inputs: &'a [String],
    /// Name of the output.
    pub output: &'a str,
    /// Sizes of a row of the first input.
    pub input_dims: &'a [usize],
    /// Sizes of a row of this part of the output.
    pub output_dims: &'a [usize],
}

/// Values, and the nodes that make them, each after those that it needs.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    values: Vec<ValueInfo>,
    parameters: Vec<ParameterInfo>,
    nodes: Vec<Node>,
    /// Values that others than nodes read.
    outputs: Vec<Value>,
}

impl Graph {
    /// A value that comes from elsewhere.
    pub fn input(&mut self, name: &str, dims: &[usize]) -> Value {
        self.values.push(ValueInfo {
            name: name.to_owned(),
            dims: dims.to_vec(),
        });
        Value(self.values.len() - 1)
    }

    /// A parameter that belongs to no node. Returns its place.
    pub fn parameter(&mut self, name: &str, shape: &[usize], init: Init) -> usize {
        self.parameters.push(ParameterInfo {
            tensors: vec![name.to_owned()],
            shape: shape.to_vec(),
            axes: None,
            init,
        });
        self.parameters.len() - 1
    }

    /// A use of a layer. Returns what it makes.
    ///
    /// # Errors
    /// In words, what does not go together.
    pub fn node(
        &mut self,
        layer: &'static Layer,
        attrs: Attrs,
        names: &[String],
        inputs: &[Value],
    ) -> Result<Value, String> {
        let sizes: Vec<&[usize]> = inputs
            .iter()
            .map(|&value| &*self.info(value).dims)
            .collect();
        let label = names.join("|");
        let Inferred { dims, parameters } =
            (layer.infer)(&attrs, &sizes).map_err(|reason| format!("{label}: {reason}"))?;
        let first = self.parameters.len();
        for Wanted {
            name,
            shape,
            axes,
            init,
        } in parameters
        {
            self.parameters.push(ParameterInfo {
                tensors: names.iter().map(|own| format!("{own}.{name}")).collect(),
                shape,
                axes,
                init,
            });
        }
        let output = self.input(&format!("{label} output"), &dims);
        self.nodes.push(Node {
            layer,
            attrs,
            names: names.to_vec(),
            inputs: inputs.to_vec(),
            parameters: first..self.parameters.len(),
            output,
        });
        Ok(output)
    }

    /// Says that others than nodes read a value.
    pub fn output(&mut self, value: Value) {
        self.outputs.push(value);
    }

    /// How many read a value.
    pub fn readers(&self, value: Value) -> usize {
        let others = self.outputs.iter().filter(|&&output| output == value);
        self.consumers(value).count() + others.count()
    }

    /// What is known of a value.
    pub fn info(&self, value: Value) -> &ValueInfo {
        &self.values[value.0]
    }

    /// All values.
    pub fn values(&self) -> &[ValueInfo] {
        &self.values
    }

    /// All parameters.
    pub fn parameters(&self) -> &[ParameterInfo] {
        &self.parameters
    }

    /// All nodes, each after those that it needs.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Lets the parameters of the layer that makes a value be 0 at first, so that the value is.
    pub fn start_at_zero(&mut self, value: Value) {
        let producer = self.nodes.iter().find(|node| node.output == value);
        if let Some(own) = producer.map(|node| node.parameters.clone()) {
            for parameter in &mut self.parameters[own] {
                parameter.init = Init::Constant(0.0);
            }
        }
    }

    /// The node that makes a value; `None` for one that comes from elsewhere.
    pub fn producer(&self, value: Value) -> Option<&Node> {
        self.nodes.iter().find(|node| node.output == value)
    }

    /// The nodes that read a value, each as often as it does.
    pub fn consumers(&self, value: Value) -> impl Iterator<Item = &Node> {
        self.nodes.iter().flat_map(move |node| {
            let times = node.inputs.iter().filter(|&&input| input == value).count();
            std::iter::repeat_n(node, times)
        })
    }

    /// Nodes that a value depends on, in order, as far as the values that are `known`.
    pub fn leading_to(&self, to: Value, known: impl Fn(Value) -> bool) -> Vec<&Node> {
        let mut needed = vec![false; self.values.len()];
        needed[to.0] = true;
        let mut found = Vec::new();
        for node in self.nodes.iter().rev() {
            if needed[node.output.0] && !known(node.output) {
                found.push(node);
                node.inputs.iter().for_each(|input| needed[input.0] = true);
            }
        }
        found.reverse();
        found
    }
}
