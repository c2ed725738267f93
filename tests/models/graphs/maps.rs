//! Graphs of layers that take and give maps.

use elbo::graph::Value;
use elbo::layers::{Activation, convolution, group_norm, transposed_convolution, up};
use elbo::plan::{CpuRuntime, Runtime, Step};

use super::{Case, Sketch, plan, prepare, results};
use crate::support::devices;

impl Sketch {
    fn conv(&mut self, x: Value, channels: usize, [kernel, stride]: [usize; 2]) -> Value {
        let name = self.name();
        let attrs = convolution::attrs(channels, kernel, stride);
        let made = self.graph.node(&convolution::LAYER, attrs, &name, &[x]);
        made.expect("a convolution")
    }

    fn norm(&mut self, x: Value, groups: usize) -> Value {
        let name = self.name();
        let attrs = group_norm::attrs(groups);
        let made = self.graph.node(&group_norm::LAYER, attrs, &name, &[x]);
        made.expect("a norm")
    }

    fn up(&mut self, x: Value, channels: usize, to: [usize; 2]) -> Value {
        let name = self.name();
        let attrs = up::attrs(channels, to);
        let made = self.graph.node(&up::LAYER, attrs, &name, &[x]);
        made.expect("a doubled map")
    }

    fn deconv(
        &mut self,
        x: Value,
        channels: usize,
        [kernel, stride]: [usize; 2],
        to: [usize; 2],
    ) -> Value {
        let name = self.name();
        let attrs = transposed_convolution::attrs(channels, kernel, stride, to);
        let layer = &transposed_convolution::LAYER;
        let made = self.graph.node(layer, attrs, &name, &[x]);
        made.expect("a transposed convolution")
    }
}

/// Convolutions there and back, of odd sizes, with activations that go into them and one that does not, through a
/// residual block, with linear layers between maps.
pub(super) fn convolutions() -> [Case; 3] {
    let (mut sketch, x) = Sketch::new(&[5, 6, 2]);
    let h = sketch.conv(x, 3, [3, 2]);
    let h = sketch.activation(h, Activation::Tanh);
    let h = sketch.conv(h, 4, [3, 1]);
    let h = sketch.activation(h, Activation::Silu);
    let h = sketch.deconv(h, 3, [4, 2], [6, 6]);
    let h = sketch.activation(h, Activation::Tanh);
    let y = sketch.conv(h, 1, [1, 1]);
    let there = sketch.case("convolutions", x, y);
    let (mut sketch, x) = Sketch::new(&[3, 3, 2]);
    let h = sketch.deconv(x, 2, [3, 2], [5, 6]);
    let h = sketch.activation(h, Activation::Tanh);
    let inner = sketch.conv(h, 3, [3, 1]);
    let inner = sketch.activation(inner, Activation::Tanh);
    let inner = sketch.conv(inner, 2, [3, 1]);
    let y = sketch.add(inner, h);
    let residual = sketch.case("a residual block of convolutions", x, y);
    let (mut sketch, x) = Sketch::new(&[4, 4, 2]);
    let h = sketch.conv(x, 3, [4, 2]);
    let h = sketch.activation(h, Activation::Tanh);
    let h = sketch.linear(h, 5);
    let h = sketch.activation(h, Activation::Tanh);
    let h = sketch.map(h, [2, 2, 3]);
    let h = sketch.activation(h, Activation::Tanh);
    let y = sketch.deconv(h, 2, [4, 2], [4, 4]);
    [
        there,
        residual,
        sketch.case("linear layers between maps", x, y),
    ]
}

/// A norm that applies an activation, whose derivative the convolution behind it must not apply once more.
fn with_norm(function: Activation) -> Case {
    let (mut sketch, x) = Sketch::new(&[2, 3, 2]);
    let h = sketch.conv(x, 4, [3, 1]);
    let h = sketch.norm(h, 2);
    let h = sketch.activation(h, function);
    let y = sketch.conv(h, 3, [1, 1]);
    sketch.case(format!("{function:?} behind a norm"), x, y)
}

/// A residual block that begins with a norm, which adds the gradient of what goes round it.
fn residual_of_norms() -> Case {
    let (mut sketch, x) = Sketch::new(&[3, 2, 2]);
    let h = sketch.conv(x, 4, [3, 1]);
    let inner = sketch.norm(h, 2);
    let inner = sketch.activation(inner, Activation::Silu);
    let inner = sketch.conv(inner, 6, [3, 1]);
    let inner = sketch.norm(inner, 3);
    let inner = sketch.activation(inner, Activation::Tanh);
    let inner = sketch.conv(inner, 4, [1, 1]);
    let y = sketch.add(inner, h);
    sketch.case("a residual block of norms", x, y)
}

/// Every way in which norms and activations can be beside each other.
pub(super) fn norms() -> Vec<Case> {
    let mut all: Vec<Case> = Activation::ALL.into_iter().map(with_norm).collect();
    all.push(residual_of_norms());
    // Behind an activation, with none of its own; one whose output is read twice, before an activation; on the input.
    let (mut sketch, x) = Sketch::new(&[2, 3, 4]);
    let h = sketch.norm(x, 1);
    let h = sketch.conv(h, 3, [3, 1]);
    let h = sketch.activation(h, Activation::Tanh);
    let h = sketch.norm(h, 3);
    let inner = sketch.activation(h, Activation::Gelu);
    let sum = sketch.add(inner, h);
    let y = sketch.norm(sum, 1);
    all.push(sketch.case("norms by themselves", x, y));
    all
}

/// Doubled maps, with a row or a column left out, that apply an activation and its derivative.
pub(super) fn doubled() -> Case {
    let (mut sketch, x) = Sketch::new(&[2, 2, 3]);
    let h = sketch.conv(x, 2, [3, 1]);
    let h = sketch.activation(h, Activation::Tanh);
    let h = sketch.up(h, 4, [4, 3]);
    let h = sketch.activation(h, Activation::Tanh);
    let h = sketch.norm(h, 2);
    let y = sketch.up(h, 2, [7, 6]);
    sketch.case("doubled maps", x, y)
}

#[test]
fn a_norm_applies_what_is_behind_it_and_adds_what_goes_round_it() {
    let case = residual_of_norms();
    let (plan, _) = plan(&case, false);
    let count = |kernel: &str| {
        let steps = plan.steps.iter();
        steps.filter(|step| step.kernel.name == kernel).count()
    };
    let counts = ["group_norm", "group_norm_backward", "add"].map(count);
    assert_eq!(counts, [2, 2, 1]);
    assert_eq!(["activation", "activation_backward"].map(count), [0, 0]);
    // Of the two input gradients of convolutions behind norms none applies a derivative.
    let of_input = plan
        .steps
        .iter()
        .filter(|step| step.kernel.name == "convolution_input_gradient");
    assert!(
        of_input
            .clone()
            .all(|step| step.call.selector("ACTIVATION") == 0)
    );
    let skips = plan.steps.iter().map(|step| step.call.selector("SKIP"));
    assert_eq!(skips.sum::<u32>(), 1);
}

/// Maps that no step can bind at once, as a device may not bind more: steps go over some images after others.
#[test]
fn steps_that_are_cut_by_images_compute_the_same() {
    let cases = convolutions().into_iter().chain(norms()).chain([doubled()]);
    for mut case in cases {
        case.rows = 150;
        let mut reference = CpuRuntime::<f64>::new();
        let (whole, parameters) = plan(&case, false);
        let steps = whole.steps.len();
        let id = prepare(&mut reference, &case, whole, &parameters);
        reference.run(id, 1).expect("a run");
        let expected = results(&mut reference, &case, &parameters);
        let widths = case.graph.values().iter().map(|value| value.len());
        case.most_bound = 64 * widths.max().expect("values");
        for (device, mut runtime) in devices() {
            let (cut, _) = plan(&case, false);
            assert!(cut.steps.len() >= 2 * steps - 4, "{}", case.name);
            for step in cut.steps.iter().filter(|step| is_of_maps(step)) {
                let longest = step.slices.iter().map(|slice| slice.len).max();
                assert!(longest <= Some(case.most_bound), "{}", step.label);
            }
            let id = prepare(runtime.as_mut(), &case, cut, &parameters);
            runtime.run(id, 1).expect("a run");
            let found = results(runtime.as_mut(), &case, &parameters);
            for (found, expected) in found.iter().zip(&expected) {
                let most = expected.iter().fold(1.0_f32, |most, v| most.max(v.abs()));
                for (a, b) in found.iter().zip(expected) {
                    let error = (a - b).abs();
                    assert!(error <= 1e-5 * most, "{}: {device}: {a}, {b}", case.name);
                }
            }
        }
    }
}

/// Whether a step computes maps from maps.
fn is_of_maps(step: &Step) -> bool {
    let kernels = ["convolution", "group_norm", "activation", "add"];
    let name = step.kernel.name;
    kernels.iter().any(|kernel| name.contains(kernel)) && !name.contains("weight")
}
