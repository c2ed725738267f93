//! From a graph to the steps of a plan.
//!
//! A layer knows its steps; only this file knows how they go together: gradients of a value that is used twice are added;
//! an activation goes into the norm before it, with its derivative; or into the product before it where its derivative is a
//! function of its output, and its derivative into the input gradient of the product behind it; the gradient of a parameter
//! and the update by it are one step where nothing has to stand between.

mod groups;
mod updates;

use super::{Fusion, Graph, Node, Parameters, Value};
use crate::kernel::{Call, Kernel, Precision};
use crate::ops::{activation, copy};
use crate::plan::{Builder, MAX_BOUND, Plan, Shared, Slice};

/// The runtime's buffers of what is learned. The first five are arenas of one layout.
pub mod arenas {
    use crate::plan::Shared;

    /// Arena of parameters.
    pub const PARAMETERS: Shared = Shared::floats("parameters");
    /// Arena of gradients of the batch's summed loss.
    pub const GRADIENT: Shared = Shared::floats("gradient");
    /// Arena of Adam's first moments.
    pub const FIRST: Shared = Shared::floats("first moment");
    /// Arena of Adam's second moments.
    pub const SECOND: Shared = Shared::floats("second moment");
    /// Arena of averages of the parameters, where one is kept.
    pub const AVERAGE: Shared = Shared::floats("average of the parameters");
    /// `[learning rate, gradient scale, relative KL weight]`
    pub const SCALARS: Shared = Shared::floats("scalars");
    /// Values of [`SCALARS`].
    pub const SCALAR_COUNT: usize = 3;
}

/// How parameters learn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Learning {
    /// The counters, whose first is the step.
    pub counters: Shared,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Bound of the mean gradient's norm; 0 = none.
    pub grad_clip: f32,
    /// Whether the gradient of a parameter and the update by it are one step where they can be.
    pub fused: bool,
    /// Decay of the average of the parameters that is kept; 0 = none is.
    pub ema: f32,
}

/// An activation before a product.
struct Before {
    selector: u32,
    /// What its derivative needs.
    saved: Slice,
    /// What it is an activation of.
    value: Value,
}

/// Steps of a plan in the making, for values of a graph.
pub struct Lowering<'a> {
    graph: &'a Graph,
    parameters: &'a Parameters,
    plan: Builder,
    /// Rows of the values that are computed next.
    pub rows: usize,
    /// What the operands of the matrix products are rounded to.
    pub precision: Precision,
    /// The arena that parameters are read from: their own, or that of their averages.
    pub reads: Shared,
    learning: Option<Learning>,
    /// Of each value: itself, where it is asked for, its gradient, and how many gradients that is the sum of.
    slices: Vec<Option<Slice>>,
    places: Vec<Option<Slice>>,
    gradients: Vec<Option<Slice>>,
    contributions: Vec<usize>,
    /// Of each value: what its node keeps for the way back.
    kept: Vec<Option<Slice>>,
    /// Of each parameter: whether it has its update.
    updated: Vec<bool>,
    /// Whether a layer has asked for the activation whose derivative is its to apply.
    has_asked: bool,
    /// Most floats of a map that a step binds.
    pub most_bound: usize,
}

impl<'a> Lowering<'a> {
    /// No step so far.
    pub fn new(graph: &'a Graph, parameters: &'a Parameters, name: impl Into<String>) -> Self {
        let values = graph.values().len();
        Self {
            graph,
            parameters,
            plan: Builder::new(name),
            rows: 0,
            precision: Precision::F32,
            reads: arenas::PARAMETERS,
            learning: None,
            slices: vec![None; values],
            places: vec![None; values],
            gradients: vec![None; values],
            contributions: vec![0; values],
            kept: vec![None; values],
            updated: vec![false; graph.parameters().len()],
            has_asked: false,
            most_bound: MAX_BOUND,
        }
    }

    /// The plan of all steps.
    pub fn finish(self) -> Plan {
        self.plan.finish()
    }

    /// What the parameters learn by.
    pub fn learn_by(&mut self, learning: Learning) {
        self.learning = Some(learning);
    }

    // What steps are made of.

    /// A buffer that the runtime keeps.
    pub fn shared(&mut self, shared: Shared, len: usize) -> Slice {
        self.plan.shared(shared, len)
    }

    /// A buffer of floats that lives within one run.
    pub fn transient(&mut self, name: impl Into<String>, len: usize) -> Slice {
        self.plan.transient(name, len)
    }

    /// Adds a step.
    pub fn step(
        &mut self,
        label: impl Into<String>,
        kernel: &'static Kernel,
        call: Call,
        slices: &[Slice],
    ) {
        self.plan.step(label, kernel, call, slices);
    }

    /// Adds a step that is a matrix product.
    pub fn product(
        &mut self,
        label: impl Into<String>,
        kernel: &'static Kernel,
        call: Call,
        slices: &[Slice],
    ) {
        self.plan
            .step(label, kernel, call.rounded(self.precision), slices);
    }

    /// An arena; for that of the parameters the one that they are read from.
    pub fn arena(&mut self, arena: Shared) -> Slice {
        let arena = match arena {
            arenas::PARAMETERS => self.reads,
            other => other,
        };
        self.shared(arena, self.parameters.len)
    }

    /// A parameter of the graph, in an arena.
    pub fn parameter(&mut self, parameter: usize, arena: Shared) -> Slice {
        let arena = self.arena(arena);
        self.parameters.slice(parameter, arena)
    }

    // What layers ask for.

    /// Numbers of a row of a value.
    pub fn width(&self, value: Value) -> usize {
        self.graph.info(value).len()
    }

    /// Sizes of a row of a value.
    pub fn dims(&self, value: Value) -> &[usize] {
        &self.graph.info(value).dims
    }

    /// A value that has been computed.
    ///
    /// # Panics
    /// Where it has not, which is a fault of the caller.
    pub fn value(&self, value: Value) -> Slice {
        let found = self.slices[value.0];
        found.unwrap_or_else(|| panic!("{} is not computed yet", self.graph.info(value).name))
    }

    /// Says where a value is.
    pub fn set(&mut self, value: Value, slice: Slice) {
        self.slices[value.0] = Some(slice);
    }

    /// Where a node's output goes, and the selector of the activation that its last instruction applies.
    pub fn output(&mut self, node: &Node) -> (Slice, u32) {
        let follower = self.fused_activation(node);
        let (value, selector) = follower.unwrap_or((node.output, activation::IDENTITY));
        let slice = match self.places[value.0] {
            Some(place) => place,
            None => {
                let info = self.graph.info(node.output);
                self.plan
                    .transient(info.name.clone(), self.rows * info.len())
            }
        };
        self.set(value, slice);
        (slice, selector)
    }

    /// The activation that a product or a norm applies itself, and what that is the value of.
    fn fused_activation(&self, node: &Node) -> Option<(Value, u32)> {
        let takes_any = match node.layer.fusion {
            Fusion::Norm => true,
            Fusion::Product => false,
            _ => return None,
        };
        if self.graph.readers(node.output) != 1 {
            return None;
        }
        let follower = self.graph.consumers(node.output).next()?;
        let Fusion::Activation(selector) = follower.layer.fusion else {
            return None;
        };
        let selector = selector(&follower.attrs);
        let fits = takes_any || !activation::derivative_needs_input(selector);
        fits.then_some((follower.output, selector))
    }

    /// The selector of the activation that a norm has applied, whose derivative its step back applies.
    pub fn applied(&mut self, node: &Node) -> u32 {
        self.has_asked = true;
        let applied = self.fused_activation(node);
        applied.map_or(activation::IDENTITY, |(_, selector)| selector)
    }

    /// Whether the norm before an activation applies it and its derivative.
    fn is_in_norm(&self, node: &Node) -> bool {
        let before = self.graph.producer(node.inputs[0]);
        before.is_some_and(|before| {
            matches!(before.layer.fusion, Fusion::Norm)
                && matches!(self.fused_activation(before), Some((value, _)) if value == node.output)
        })
    }

    /// Keeps what a node's step forward makes for its step back.
    pub fn keep(&mut self, node: &Node, slice: Slice) {
        self.kept[node.output.0] = Some(slice);
    }

    /// What a node's step forward has kept.
    ///
    /// # Panics
    /// Where it has kept nothing, which is a fault of its layer.
    pub fn kept(&self, node: &Node) -> Slice {
        self.kept[node.output.0].unwrap_or_else(|| panic!("{} kept nothing", node.label()))
    }

    /// The gradient of an input as far as others have contributed to it, which the node's own step is to add: it is taken
    /// away here.
    pub fn gradient_so_far(&mut self, node: &Node, place: usize) -> Option<Slice> {
        self.gradients[node.inputs[place].0].take()
    }

    /// The activation before an input of a product, whose derivative its input gradient applies: its selector, and
    /// what the derivative needs.
    pub fn before(&mut self, node: &Node, input: usize) -> Option<(u32, Slice)> {
        self.has_asked = true;
        let before = self.activation_before(node, input)?;
        Some((before.selector, before.saved))
    }

    fn activation_before(&self, node: &Node, input: usize) -> Option<Before> {
        let value = node.inputs[input];
        if !matches!(node.layer.fusion, Fusion::Product) || self.graph.readers(value) != 1 {
            return None;
        }
        let producer = self.graph.producer(value)?;
        let Fusion::Activation(selector) = producer.layer.fusion else {
            return None;
        };
        if self.is_in_norm(producer) {
            return None;
        }
        Some(Before {
            selector: selector(&producer.attrs),
            saved: self.saved(producer, selector(&producer.attrs)),
            value: producer.inputs[0],
        })
    }

    /// What the derivative of an activation needs.
    pub fn saved(&self, node: &Node, selector: u32) -> Slice {
        match activation::derivative_needs_input(selector) {
            true => self.value(node.inputs[0]),
            false => self.value(node.output),
        }
    }

    /// A node's parameters, with the padding between them, in an arena.
    pub fn all_parameters(&mut self, node: &Node, arena: Shared) -> Slice {
        let arena = self.arena(arena);
        self.parameters.span(node.parameters.clone(), arena)
    }

    // What models ask for.

    /// Computes a value from those that are there, into `place` where one is given.
    pub fn forward(&mut self, to: Value, place: Option<Slice>) -> Slice {
        let made = self.behind_views(to);
        self.places[made.0] = place;
        for node in self
            .graph
            .leading_to(to, |value| self.slices[value.0].is_some())
        {
            // It may have become the last instruction of the product before it.
            if self.slices[node.output.0].is_none() {
                (node.layer.forward)(self, node);
            }
        }
        let found = self.value(to);
        match place {
            Some(place) if place != found => {
                let label = format!("{} to its place", self.graph.info(to).name);
                self.elementwise(&label, &copy::KERNEL, copy::call, &[found, place]);
                self.set(to, place);
                place
            }
            _ => found,
        }
    }

    /// The value that is another one under other sizes, where nobody else reads it.
    fn behind_views(&self, value: Value) -> Value {
        match self.graph.producer(value) {
            Some(node)
                if matches!(node.layer.fusion, Fusion::View)
                    && self.graph.readers(node.inputs[0]) == 1 =>
            {
                self.behind_views(node.inputs[0])
            }
            _ => value,
        }
    }

    /// Computes the gradients of all parameters between a value and those that come from elsewhere, from the gradient
    /// of the value; also that of `wanted`, one of those that come from elsewhere, which it returns. What can be updated
    /// at once is.
    ///
    /// # Panics
    /// Where a step leaves out the derivative of an activation that is its to apply, which is a fault of its layer.
    pub fn backward(
        &mut self,
        from: Value,
        gradient: Slice,
        wanted: Option<Value>,
    ) -> Option<Slice> {
        self.contribute(from, gradient);
        let graph = self.graph;
        for node in graph.leading_to(from, |_| false).into_iter().rev() {
            // There is none where the product behind an activation applied its derivative too.
            if let Some(gradient) = self.gradients[node.output.0] {
                self.node_backward(node, gradient, wanted);
            }
        }
        self.gradients[wanted?.0]
    }

    fn node_backward(&mut self, node: &Node, gradient: Slice, wanted: Option<Value>) {
        if self.is_in_norm(node) {
            return self.contribute(node.inputs[0], gradient);
        }
        let learns = node.layer.learning.filter(|_| !node.parameters.is_empty());
        let update = learns.and_then(|learns| learns.update.filter(|_| self.updates_at_once(node)));
        let apart = learns.and_then(|learns| learns.gradient);
        if let (Some(gradient_of), None) = (apart, update) {
            gradient_of(self, node, gradient);
        }
        let learns_with_input = learns.is_some() && apart.is_none();
        for (place, &input) in node.inputs.iter().enumerate() {
            let matters = self.matters(input, wanted);
            if matters || learns_with_input {
                let of_input = self.input_gradient(node, gradient, place);
                if matters {
                    self.contribute(of_input.0, of_input.1);
                }
            }
        }
        // Not before the gradient of its input, which needs the parameters as they were.
        if let Some(update) = update {
            update(self, node, gradient);
            self.updated[node.parameters.clone()].fill(true);
        }
    }

    /// The gradient of an input, or of what the activation before it is of, and which of them it is.
    fn input_gradient(&mut self, node: &Node, gradient: Slice, place: usize) -> (Value, Slice) {
        let before = self
            .activation_before(node, place)
            .map(|before| before.value);
        let is_norm = matches!(node.layer.fusion, Fusion::Norm);
        let has_applied = is_norm && self.fused_activation(node).is_some();
        self.has_asked = before.is_none() && !has_applied;
        let found = (node.layer.input_gradient)(self, node, gradient, place);
        let name = node.layer.name;
        assert!(self.has_asked, "{name} leaves out a derivative");
        (before.unwrap_or(node.inputs[place]), found)
    }

    /// Whether anybody asks for the gradient of a value: parameters before it, or the caller.
    fn matters(&self, value: Value, wanted: Option<Value>) -> bool {
        let of_node = |node: &Node| {
            !node.parameters.is_empty()
                || node.inputs.iter().any(|&input| self.matters(input, wanted))
        };
        Some(value) == wanted || self.graph.producer(value).is_some_and(of_node)
    }

    /// Adds to the gradient of a value.
    pub fn contribute(&mut self, value: Value, gradient: Slice) {
        let (sum, count) = (self.gradients[value.0], self.contributions[value.0]);
        self.contributions[value.0] += 1;
        self.gradients[value.0] = Some(match sum {
            None => gradient,
            Some(sum) => {
                let label = numbered(&format!("{} gradient", self.graph.info(value).name), count);
                let out = self.transient(label.clone(), sum.len);
                self.add(&label, [sum, gradient], out);
                out
            }
        });
    }
}

/// A label for part `i` of a step that one dispatch does for most models.
pub(crate) fn numbered(label: &str, i: usize) -> String {
    match i {
        0 => label.to_owned(),
        _ => format!("{label} {}", i + 1),
    }
}
