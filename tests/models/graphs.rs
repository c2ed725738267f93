//! Every layer of the registry in graphs of its own: gradients against finite differences, updates with and without a
//! gradient in memory, both executors, and what a value that is used twice comes to.

mod levels;
mod maps;
mod others;

use elbo::graph::{Graph, Learning, Lowering, Parameters, Value, arenas};
use elbo::layers::{Activation, LAYERS, activation, add, join, linear, reshape};
use elbo::model::plans::Update;
use elbo::model::{Likelihood, Model, ModelKind, ModelSpec, Sigma};
use elbo::ops::{adam, copy};
use elbo::plan::{CpuRuntime, Home, MAX_BOUND, Plan, Runtime, Shared};

use crate::support::{Wide, byte_source, devices, small};

const ROWS: usize = 3;
/// Step of the differences, whose error is of order STEP⁴.
const STEP: f64 = 1e-4;
/// Of gradients of about 1, at double precision.
const LIMIT: f64 = 1e-9;

const X: Shared = Shared::floats("x");
const Y: Shared = Shared::floats("y");
const D_X: Shared = Shared::floats("d_x");
const D_Y: Shared = Shared::floats("d_y");
const COUNTERS: Shared = Shared::words("counters");

/// A graph with one input and one output, and how it is lowered.
struct Case {
    name: String,
    graph: Graph,
    input: Value,
    output: Value,
    rows: usize,
    /// Most floats of a map that a step binds.
    most_bound: usize,
}

impl Case {
    /// Numbers of all rows of a value.
    fn len(&self, value: Value) -> usize {
        self.rows * self.graph.info(value).len()
    }
}

/// Adds layers to a graph by names that count.
struct Sketch {
    graph: Graph,
    count: usize,
}

impl Sketch {
    fn new(dims: &[usize]) -> (Self, Value) {
        let mut graph = Graph::default();
        let input = graph.input("image", dims);
        (Self { graph, count: 0 }, input)
    }

    fn name(&mut self) -> [String; 1] {
        self.count += 1;
        [format!("layer{}", self.count)]
    }

    fn linear(&mut self, x: Value, outputs: usize) -> Value {
        self.linear_to(x, &[outputs])
    }

    /// A linear layer whose outputs are a map.
    fn map(&mut self, x: Value, sizes: [usize; 3]) -> Value {
        self.linear_to(x, &sizes)
    }

    fn linear_to(&mut self, x: Value, sizes: &[usize]) -> Value {
        let name = self.name();
        let attrs = linear::attrs(sizes);
        let made = self.graph.node(&linear::LAYER, attrs, &name, &[x]);
        made.expect("a linear layer")
    }

    fn activation(&mut self, x: Value, function: Activation) -> Value {
        let name = self.name();
        let made = self
            .graph
            .node(&activation::LAYER, function.attrs(), &name, &[x]);
        made.expect("an activation")
    }

    fn add(&mut self, a: Value, b: Value) -> Value {
        let name = self.name();
        let made = self
            .graph
            .node(&add::LAYER, Default::default(), &name, &[a, b]);
        made.expect("a sum")
    }

    fn join(&mut self, a: Value, b: Value) -> Value {
        let name = self.name();
        let made = self
            .graph
            .node(&join::LAYER, Default::default(), &name, &[a, b]);
        made.expect("two values side by side")
    }

    fn reshape(&mut self, x: Value, dims: &[usize]) -> Value {
        let name = self.name();
        let made = self
            .graph
            .node(&reshape::LAYER, reshape::attrs(dims), &name, &[x]);
        made.expect("other sizes")
    }

    fn case(self, name: impl Into<String>, input: Value, output: Value) -> Case {
        let mut graph = self.graph;
        graph.output(output);
        Case {
            name: name.into(),
            graph,
            input,
            output,
            rows: ROWS,
            most_bound: MAX_BOUND,
        }
    }
}

/// An activation between two products, and one that no product can apply.
fn with_activation(function: Activation) -> [Case; 2] {
    let (mut sketch, x) = Sketch::new(&[5]);
    let h = sketch.linear(x, 6);
    let h = sketch.activation(h, function);
    let y = sketch.linear(h, 4);
    let between = sketch.case(format!("{function:?} between products"), x, y);
    let (mut sketch, x) = Sketch::new(&[5]);
    let h = sketch.activation(x, function);
    let h = sketch.linear(h, 5);
    let sum = sketch.add(h, x);
    let y = sketch.activation(sum, function);
    [between, sketch.case(format!("{function:?} apart"), x, y)]
}

fn cases() -> Vec<Case> {
    let mut all: Vec<Case> = Activation::ALL
        .into_iter()
        .flat_map(with_activation)
        .collect();
    // A residual block: what goes round it is read twice, and so is the activation.
    let (mut sketch, x) = Sketch::new(&[5]);
    let h = sketch.linear(x, 4);
    let h = sketch.activation(h, Activation::Tanh);
    let inner = sketch.linear(h, 4);
    let inner = sketch.activation(inner, Activation::Silu);
    let inner = sketch.linear(inner, 4);
    let sum = sketch.add(inner, h);
    let y = sketch.linear(sum, 2);
    all.push(sketch.case("a residual block", x, y));
    // Three readers, one of which reads it twice.
    let (mut sketch, x) = Sketch::new(&[4]);
    let h = sketch.linear(x, 4);
    let twice = sketch.add(h, h);
    let other = sketch.linear(h, 4);
    let y = sketch.add(twice, other);
    all.push(sketch.case("three readers", x, y));
    let (mut sketch, x) = Sketch::new(&[2, 3, 1]);
    let flat = sketch.reshape(x, &[6]);
    let h = sketch.linear(flat, 8);
    let h = sketch.reshape(h, &[2, 2, 2]);
    let h = sketch.activation(h, Activation::Relu);
    let h = sketch.reshape(h, &[8]);
    let h = sketch.linear(h, 6);
    let y = sketch.reshape(h, &[3, 2]);
    all.push(sketch.case("other sizes", x, y));
    // Values side by side, one of which another reads too, and behind an activation.
    let (mut sketch, x) = Sketch::new(&[5]);
    let h = sketch.linear(x, 3);
    let h = sketch.activation(h, Activation::Tanh);
    let both = sketch.join(h, x);
    let inner = sketch.linear(both, 3);
    let sum = sketch.add(inner, h);
    let y = sketch.join(sum, both);
    all.push(sketch.case("values side by side", x, y));
    // Maps side by side: as a class is joined to an image.
    let (mut sketch, x) = Sketch::new(&[2, 3, 2]);
    let h = sketch.map(x, [2, 3, 1]);
    let both = sketch.join(x, h);
    let y = sketch.linear(both, 4);
    all.push(sketch.case("maps side by side", x, y));
    all.extend(levels::cases());
    all.extend(maps::convolutions());
    all.extend(maps::norms());
    all.push(maps::doubled());
    all
}

/// Numbers between -1 and 1 that look like none in particular.
fn numbers(seed: usize, count: usize) -> Vec<f64> {
    let wave = |i: usize| (1.7 * i as f64 + 0.9 * seed as f64).sin();
    // As floats have them, so that both executors get the same.
    (0..count).map(|i| f64::from(wave(i) as f32)).collect()
}

/// Output, gradient of the input, and gradients of the parameters, of the sum of the outputs times `d_output`.
fn plan(case: &Case, fused: bool) -> (Plan, Parameters) {
    let parameters = Parameters::new(&case.graph);
    let mut lower = Lowering::new(&case.graph, &parameters, "a graph");
    lower.rows = case.rows;
    lower.most_bound = case.most_bound;
    lower.learn_by(Learning {
        counters: COUNTERS,
        weight_decay: 0.1,
        grad_clip: 0.0,
        fused,
        ema: 0.0,
    });
    let [x, y, d_x, d_y] = [
        (X, case.input),
        (Y, case.output),
        (D_X, case.input),
        (D_Y, case.output),
    ]
    .map(|(buffer, value)| lower.shared(buffer, case.len(value)));
    lower.set(case.input, x);
    lower.forward(case.output, Some(y));
    let found = lower.backward(case.output, d_y, Some(case.input));
    let found = found.expect("a gradient of the input");
    lower.step(
        "gradient",
        &copy::KERNEL,
        copy::call(found.len),
        &[found, d_x],
    );
    lower.update();
    (lower.finish(), parameters)
}

/// The plan on a runtime, with its buffers.
fn prepare(
    runtime: &mut dyn Runtime,
    case: &Case,
    plan: Plan,
    parameters: &Parameters,
) -> elbo::plan::PlanId {
    let (inputs, outputs) = (case.len(case.input), case.len(case.output));
    for (buffer, len) in [
        (X, inputs),
        (D_X, inputs),
        (Y, outputs),
        (D_Y, outputs),
        (COUNTERS, 3),
        (arenas::PARAMETERS, parameters.len),
        (arenas::GRADIENT, parameters.len),
        (arenas::FIRST, parameters.len),
        (arenas::SECOND, parameters.len),
        (arenas::SCALARS, arenas::SCALAR_COUNT),
    ] {
        runtime.allocate(buffer, len.max(1)).expect("memory");
    }
    runtime
        .write_words(COUNTERS, 0, &[1, 0, 0])
        .expect("counters");
    let narrow = |values: Vec<f64>| values.iter().map(|&v| v as f32).collect::<Vec<f32>>();
    let write = |runtime: &mut dyn Runtime, buffer, values: &[f32]| {
        runtime.write(buffer, 0, values).expect("values")
    };
    // Beyond where functions bend.
    let wide = numbers(1, inputs).iter().map(|value| 3.0 * value).collect();
    write(runtime, X, &narrow(wide));
    write(runtime, D_Y, &narrow(numbers(2, outputs)));
    write(runtime, arenas::PARAMETERS, &parameters.initial(3));
    // No learning, where a step is repeated.
    write(runtime, arenas::SCALARS, &[0.0, 1.0, 1.0]);
    runtime.prepare(plan).expect("a plan")
}

/// What a plan leaves: output, gradient of the input, gradients of the parameters.
fn results(runtime: &mut dyn Runtime, case: &Case, parameters: &Parameters) -> [Vec<f32>; 3] {
    [
        (Y, case.len(case.output)),
        (D_X, case.len(case.input)),
        (arenas::GRADIENT, parameters.len),
    ]
    .map(|(buffer, len)| runtime.read(buffer, 0, len.max(1)).expect("results"))
}

/// The largest difference between the gradients that a plan finds and finite differences.
fn worst(case: &Case, plan: Plan, parameters: &Parameters) -> f64 {
    let mut runtime = CpuRuntime::<f64>::new();
    let id = prepare(&mut runtime, case, plan, parameters);
    let outputs = case.len(case.output);
    let weights = numbers(2, outputs);
    let loss = |runtime: &mut CpuRuntime<f64>, buffer: Shared, at: usize, shift: f64| {
        let before = runtime.floats(buffer)[at];
        runtime.floats(buffer)[at] = before + shift;
        runtime.run(id, 1).expect("a run");
        let y = runtime.wide(Y, outputs);
        runtime.floats(buffer)[at] = before;
        y.iter().zip(&weights).map(|(y, w)| y * w).sum::<f64>()
    };
    runtime.run(id, 1).expect("a run");
    let inputs = case.len(case.input);
    let d_x = runtime.wide(D_X, inputs);
    let gradient = runtime.wide(arenas::GRADIENT, parameters.len.max(1));
    let of_inputs = d_x.iter().enumerate().map(|(at, &found)| (X, at, found));
    let tensors = parameters.tensors.iter();
    let places = tensors.flat_map(|tensor| tensor.offset..tensor.offset + tensor.len());
    let of_parameters = places.map(|at| (arenas::PARAMETERS, at, gradient[at]));
    let mut most = 0.0_f64;
    for (buffer, at, found) in of_inputs.chain(of_parameters) {
        let mut at_shift = |shift| loss(&mut runtime, buffer, at, shift);
        let near = at_shift(STEP) - at_shift(-STEP);
        let far = at_shift(2.0 * STEP) - at_shift(-2.0 * STEP);
        let expected = (8.0 * near - far) / (12.0 * STEP);
        most = most.max((found - expected).abs());
    }
    most
}

#[test]
fn every_layer_of_the_registry_has_a_graph() {
    let cases = cases();
    for layer in LAYERS {
        let has = |case: &Case| {
            case.graph
                .nodes()
                .iter()
                .any(|node| node.layer.name == layer.name)
        };
        assert!(cases.iter().any(has), "{}", layer.name);
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    for case in cases() {
        let (plan, parameters) = plan(&case, false);
        let worst = worst(&case, plan, &parameters);
        println!("{}: {worst:e}", case.name);
        assert!(worst <= LIMIT, "{}: {worst:e}", case.name);
    }
}

#[test]
fn finite_differences_find_a_gradient_that_is_not_added() {
    let case = cases()
        .into_iter()
        .find(|case| case.name == "three readers");
    let case = case.expect("the case");
    let (mut plan, parameters) = plan(&case, false);
    let sums = plan.steps.iter().enumerate();
    let of_gradients =
        sums.filter(|(_, step)| step.kernel.name == "add" && step.label.contains("gradient"));
    let places: Vec<usize> = of_gradients.map(|(place, _)| place).collect();
    assert_eq!(
        places.len(),
        2,
        "the gradients of three uses are added by two steps"
    );
    let slices = &mut plan.steps[places[1]].slices;
    slices[1] = slices[0];
    assert!(worst(&case, plan, &parameters) > 1e3 * LIMIT);
}

#[test]
fn both_executors_compute_the_same() {
    for case in cases() {
        let mut reference = CpuRuntime::<f64>::new();
        let (whole, parameters) = plan(&case, false);
        let id = prepare(&mut reference, &case, whole, &parameters);
        reference.run(id, 1).expect("a run");
        let expected = results(&mut reference, &case, &parameters);
        for (device, mut runtime) in devices() {
            let (whole, _) = plan(&case, false);
            let id = prepare(runtime.as_mut(), &case, whole, &parameters);
            runtime.run(id, 1).expect("a run");
            let found = results(runtime.as_mut(), &case, &parameters);
            for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                // Sums of a few dozen products of numbers up to about 1.
                assert!(
                    (found - expected).abs() <= 1e-5,
                    "{}: {device}: {found}, {expected}",
                    case.name
                );
            }
        }
    }
}

#[test]
fn an_update_at_once_is_that_by_a_gradient_in_memory() {
    for case in cases() {
        let after = |fused: bool| {
            let (plan, parameters) = plan(&case, fused);
            let mut runtime = CpuRuntime::<f64>::new();
            let id = prepare(&mut runtime, &case, plan, &parameters);
            runtime.put(arenas::SCALARS, &[0.01, 1.0, 1.0]);
            runtime.run(id, 1).expect("a run");
            runtime.wide(arenas::PARAMETERS, parameters.len.max(1))
        };
        let (apart, at_once) = (after(false), after(true));
        for (a, b) in apart.iter().zip(&at_once) {
            assert!((a - b).abs() <= 1e-14, "{}: {a}, {b}", case.name);
        }
    }
}

/// How many steps write each value of the arena of parameters.
pub(crate) fn updates(plan: &Plan, len: usize) -> Vec<usize> {
    let mut counts = vec![0; len];
    for step in &plan.steps {
        for (slice, binding) in step.slices.iter().zip(step.kernel.bindings) {
            let writes = binding.access != elbo::kernel::Access::Read;
            if writes && plan.buffer(slice.buffer).home == Home::Shared(arenas::PARAMETERS) {
                counts[slice.offset..slice.offset + slice.len]
                    .iter_mut()
                    .for_each(|count| *count += 1);
            }
        }
    }
    counts
}

#[test]
fn every_parameter_of_a_graph_is_updated_by_one_step() {
    for case in cases() {
        for fused in [false, true] {
            let (plan, parameters) = plan(&case, fused);
            let counts = updates(&plan, parameters.len);
            for tensor in &parameters.tensors {
                let own = &counts[tensor.offset..tensor.offset + tensor.len()];
                assert!(
                    own.iter().all(|&count| count == 1),
                    "{}: {}",
                    case.name,
                    tensor.name
                );
            }
            let kernels = plan
                .steps
                .iter()
                .filter(|step| step.kernel.name == adam::KERNEL.name);
            // One for all, or for each row of parameters between those that are updated with their gradients.
            let at_once = case.graph.nodes().iter().filter(|node| {
                let learning = node.layer.learning.as_ref();
                fused && learning.is_some_and(|learns| learns.update.is_some())
            });
            let mut others = vec![true; case.graph.parameters().len()];
            at_once.for_each(|node| others[node.parameters.clone()].fill(false));
            let rows = others.split(|&other| !other).filter(|row| !row.is_empty());
            assert_eq!(kernels.count(), rows.count(), "{}", case.name);
        }
    }
}

#[test]
fn every_parameter_of_a_model_is_updated_by_one_step() {
    let gaussian = |sigma| Likelihood::Gaussian { sigma };
    let mut specs = Vec::new();
    for kind in [ModelKind::Vae, ModelKind::Ae] {
        for likelihood in [
            gaussian(Sigma::Fixed(0.5)),
            gaussian(Sigma::Learned(0.5)),
            gaussian(Sigma::Optimal),
            Likelihood::Bernoulli,
        ] {
            for activation in [Activation::Relu, Activation::Gelu] {
                for encoder in [
                    "linear 9, linear 7",
                    "linear 9, residual(linear 7, linear 9)",
                ] {
                    specs.push(ModelSpec {
                        likelihood,
                        activation,
                        encoder: encoder.parse().expect("layers"),
                        ..small(kind, 12, &[], 3)
                    });
                }
            }
        }
    }
    for spec in specs {
        let model = Model::new(&spec).expect("a model");
        for (fused, grad_clip) in [(false, 0.0), (true, 0.0), (true, 1.0)] {
            let update = Update {
                fused,
                grad_clip,
                ..Update::default()
            };
            let plan = model.train(4, &byte_source(8, 12, 1), update);
            let counts = updates(&plan, model.parameters().len);
            for tensor in &model.parameters().tensors {
                let own = &counts[tensor.offset..tensor.offset + tensor.len()];
                let once = own.iter().all(|&count| count == 1);
                assert!(once, "{spec:?}: {}", tensor.name);
            }
        }
    }
}
