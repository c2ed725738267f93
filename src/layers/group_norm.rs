//! Group norm (Wu and He 2018) of a map `[height, width, channels]`: the values of each group of channels of an image are
//! brought to mean 0 and deviation 1, then scaled and shifted by `weight` and `bias` `[channels]`, as PyTorch's
//! `nn.GroupNorm`.

use super::convolution::{parameters, sizes};
use crate::graph::{
    Attribute, Attrs, Described, Fusion, Inferred, Init, Layer, Learns, Lowering, Node, Operators,
    Torch, Wanted, arenas, numbered,
};
use crate::ops::group_norm::{Groups, NORM_EPSILON};
use crate::ops::{group_norm, group_norm_backward, sum_parts};
use crate::plan::Slice;

/// The record.
pub static LAYER: Layer = Layer {
    name: "group_norm",
    infer,
    fusion: Fusion::Norm,
    forward,
    input_gradient,
    // One step makes the gradients of input and parameters.
    learning: Some(Learns {
        gradient: None,
        update: None,
    }),
    onnx,
    torch,
};

/// A norm of channels in so many groups.
pub fn attrs(groups: usize) -> Attrs {
    Attrs::new(&[("groups", groups)])
}

fn infer(attrs: &Attrs, inputs: &[&[usize]]) -> Result<Inferred, String> {
    let &[&[height, width, channels]] = inputs else {
        return Err(match *inputs {
            [&[values]] => format!(
                "a norm needs a map of height, width and channels, and gets {values} values; `linear 7x7x64` makes a map"
            ),
            _ => format!("expected one map, got {inputs:?}"),
        });
    };
    let groups = attrs.get("groups");
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Err(format!(
            "{groups} groups do not share out the {channels} channels of a map of {height}×{width}×{channels}"
        ));
    }
    let parameter = |name, value| Wanted {
        name,
        shape: vec![channels],
        axes: None,
        init: Init::Constant(value),
    };
    Ok(Inferred {
        dims: vec![height, width, channels],
        parameters: vec![parameter("weight", 1.0), parameter("bias", 0.0)],
    })
}

/// A node's geometry.
fn geometry(lower: &Lowering<'_>, node: &Node) -> Groups {
    let [height, width, channels] = sizes(lower, node.output);
    Groups {
        images: lower.rows,
        pixels: height * width,
        channels,
        groups: node.attrs.get("groups"),
    }
}

fn forward(lower: &mut Lowering<'_>, node: &Node) {
    let input = lower.value(node.inputs[0]);
    let [weight, bias] = parameters(lower, node, arenas::PARAMETERS);
    let groups = geometry(lower, node);
    let name = format!("{} mean and deviation", node.label());
    let stats = lower.transient(name, 2 * groups.images * groups.groups);
    lower.keep(node, stats);
    let (out, activation) = lower.output(node);
    let of_images = [input, out, stats];
    for (i, images) in lower.groups(&of_images).into_iter().enumerate() {
        let [input, out, stats] = lower.of_rows(of_images, &images);
        let call = group_norm::call(&groups.of_images(images.len()), activation);
        let slices = [input, weight, bias, out, stats];
        let label = numbered(&node.label(), i);
        lower.step(label, &group_norm::KERNEL, call, &slices);
    }
}

/// The gradients of the input and of the parameters.
fn input_gradient(lower: &mut Lowering<'_>, node: &Node, d_output: Slice, place: usize) -> Slice {
    let (input, stats) = (lower.value(node.inputs[place]), lower.kept(node));
    let both = lower.all_parameters(node, arenas::PARAMETERS);
    let bias = lower.parameter(node.parameters.start + 1, arenas::PARAMETERS);
    let (groups, activation) = (geometry(lower, node), lower.applied(node));
    let label = format!("{} gradient", node.label());
    let d_input = lower.transient(format!("{} input gradient", node.label()), input.len);
    let sums = groups.images * groups.channels;
    let [weights, biases] =
        ["weight", "bias"].map(|name| lower.transient(format!("{label}, {name} in parts"), sums));
    let skip = lower.gradient_so_far(node, place);
    let bias = bias.offset - both.offset;
    // Without a connection around the norm another operand takes that place.
    let skip_input = skip.unwrap_or(d_output);
    let of_images = [input, stats, d_output, skip_input, d_input, weights, biases];
    for (i, images) in lower.groups(&of_images).into_iter().enumerate() {
        let [input, stats, rest @ ..] = lower.of_rows(of_images, &images);
        let [d_output, skip_input, d_input, weights, biases] = rest;
        let groups = groups.of_images(images.len());
        let call = group_norm_backward::call(&groups, bias, activation, skip.is_some());
        let slices = [
            input, stats, both, d_output, skip_input, d_input, weights, biases,
        ];
        let label = numbered(&label, i);
        lower.step(label, &group_norm_backward::KERNEL, call, &slices);
    }
    let [weight, bias] = parameters(lower, node, arenas::GRADIENT);
    let parts = [groups.images, groups.channels];
    lower.step(
        format!("{label} sum"),
        &sum_parts::KERNEL,
        sum_parts::call(parts, parts),
        &[weights, biases, weight, bias],
    );
    d_input
}

/// ONNX has no group norm before opset 18, which computed it otherwise than PyTorch: groups as channels of an instance norm.
fn onnx(operators: &mut Operators, of: &Described<'_>) {
    let &[height, width, channels] = of.output_dims else {
        return;
    };
    let groups = of.node.attrs.get("groups");
    let map = operators.channels_first(&of.inputs[0]);
    let output = operators.made_channels_first(of.output);
    let grouped = [0, groups, channels / groups * height * width];
    let grouped = operators.sizes(of.output, "grouped_shape", &grouped);
    let whole = operators.sizes(of.output, "shape", &[0, channels, height, width]);
    let of_channels = operators.sizes(of.output, "parameter_shape", &[channels, 1, 1]);
    let one = operators.row(&format!("{}.one", of.output), 1.0, groups);
    let zero = operators.row(&format!("{}.zero", of.output), 0.0, groups);
    let x = operators.step("Reshape", &[&map, &grouped], of.output, "grouped");
    let epsilon = [("epsilon", Attribute::Float(NORM_EPSILON as f32))];
    let inputs = [&*x, &one, &zero];
    let x = operators.step_with(
        "InstanceNormalization",
        &inputs,
        of.output,
        "units",
        &epsilon,
    );
    let x = operators.step("Reshape", &[&x, &whole], of.output, "whole");
    let [weight, bias] = ["weight", "bias"].map(|last| {
        let name = format!("{}.{last}", of.name);
        operators.parameter(&name, &[channels]);
        let step = format!("of_channels.{last}");
        operators.step("Reshape", &[&name, &of_channels], of.output, &step)
    });
    let x = operators.step("Mul", &[&x, &weight], of.output, "scaled");
    operators.node("Add", &[&x, &bias], &output, &[]);
}

/// PyTorch's epsilon is [`NORM_EPSILON`] unless it is told another.
fn torch(of: &Described<'_>) -> Torch {
    let groups = of.node.attrs.get("groups");
    Torch::OfMaps(format!("nn.GroupNorm({groups}, {})", of.output_dims[2]))
}
