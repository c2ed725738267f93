//! Half a model as layers in their order, under names: what both formats say of it.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::graph::{Described, Node};
use crate::model::Model;
use crate::model::latents::Head;

/// Half of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// `images` to `mu` and `logvar` of q(z|x), or to the `code` of an autoencoder
    Encoder,
    /// `z` to the `means` of p(x|z)
    Decoder,
}

impl Part {
    /// Both, in the order of computation.
    pub const ALL: [Self; 2] = [Self::Encoder, Self::Decoder];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Encoder => "encoder",
            Self::Decoder => "decoder",
        }
    }

    /// The name of its file.
    pub fn file(self) -> &'static str {
        match self {
            Self::Encoder => "encoder.onnx",
            Self::Decoder => "decoder.onnx",
        }
    }

    /// The name of what it takes.
    pub(super) fn input(self) -> &'static str {
        match self {
            Self::Encoder => "images",
            Self::Decoder => "z",
        }
    }

    /// Its nodes, in order.
    fn nodes(self, model: &Model) -> Vec<&Node> {
        let net = model.net();
        let (from, to) = match self {
            Self::Encoder => (net.image, net.posterior),
            Self::Decoder => (net.code, net.mean),
        };
        model.graph().leading_to(to, |value| value == from)
    }

    /// Bytes of its parameters.
    pub(super) fn bytes(self, model: &Model) -> u64 {
        let nodes = self.nodes(model).into_iter();
        let parameters = nodes.flat_map(|node| node.parameters.clone());
        let values = |index: usize| {
            model.graph().parameters()[index]
                .shape
                .iter()
                .product::<usize>()
        };
        4 * parameters.map(values).sum::<usize>() as u64
    }

    /// Gives each of its layers to `visit`, those that end the encoder with what they give.
    ///
    /// # Errors
    /// [`Error::Config`] where the encoder does not end in a layer for each of its outputs.
    pub(super) fn walk(
        self,
        model: &Model,
        mut visit: impl FnMut(&Described<'_>, Option<&Head>),
    ) -> Result<()> {
        let net = model.net();
        let heads = model.spec().kind.latent().heads;
        let name = |value| match model.graph().producer(value) {
            _ if value == net.image || value == net.code => self.input().to_owned(),
            // What the decoder ends in, whatever layer that is.
            _ if value == net.mean => "means".to_owned(),
            Some(node) => node.label(),
            None => model.graph().info(value).name.clone(),
        };
        for node in self.nodes(model) {
            let ends = node.output == net.posterior;
            if node.names.len() != if ends { heads.len() } else { 1 } {
                return Err(Error::config(
                    format!("{} cannot be exported: layers side by side", node.label()),
                    "a model whose encoder ends in a layer for each of its outputs",
                ));
            }
            let inputs: Vec<String> = node.inputs.iter().map(|&value| name(value)).collect();
            let mut output = model.graph().info(node.output).dims.clone();
            output[0] /= node.names.len();
            for (index, own) in node.names.iter().enumerate() {
                let head = heads.get(index).filter(|_| ends);
                let out = head.map_or_else(|| name(node.output), |head| head.name.to_owned());
                let described = Described {
                    node,
                    name: own,
                    inputs: &inputs,
                    output: &out,
                    input_dims: &model.graph().info(node.inputs[0]).dims,
                    output_dims: &output,
                };
                visit(&described, head);
            }
        }
        Ok(())
    }
}

/// A layer as the description of a model has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Layer {
    /// Its name; its parameters are `<name>.weight`, `<name>.bias` and the like.
    name: String,
    /// Its kind.
    layer: &'static str,
    /// What makes it in PyTorch; empty where it is no module there.
    torch: String,
    /// Names of what it takes.
    inputs: Vec<String>,
    /// Name of what it gives.
    output: String,
}

/// All layers of half a model, in order.
///
/// # Errors
/// As [`Part::walk`].
pub(super) fn layers(model: &Model, part: Part) -> Result<Vec<Layer>> {
    let mut all = Vec::new();
    part.walk(model, |of, _| {
        all.push(Layer {
            name: of.name.to_owned(),
            layer: of.node.layer.name,
            torch: (of.node.layer.torch)(of),
            inputs: of.inputs.to_vec(),
            output: of.output.to_owned(),
        });
    })?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Likelihood, ModelKind, ModelSpec};

    fn lines(spec: &ModelSpec, part: Part) -> Vec<String> {
        let model = Model::new(spec).expect("a model");
        let line = |layer: Layer| {
            let Layer {
                name,
                torch,
                inputs,
                output,
                ..
            } = layer;
            format!("{}: {name} = {torch} of {}", output, inputs.join(", "))
        };
        let all = layers(&model, part).expect("layers");
        all.into_iter().map(line).collect()
    }

    #[test]
    fn layers_are_named_and_in_order() {
        let mut spec = ModelSpec::reference();
        spec.encoder = [8].into();
        assert_eq!(
            lines(&spec, Part::Encoder),
            [
                "flatten: flatten = nn.Flatten() of images",
                "fc1: fc1 = nn.Linear(784, 8) of flatten",
                "fc1 activation: fc1 activation = nn.ReLU() of fc1",
                "mu: fc21 = nn.Linear(8, 20) of fc1 activation",
                "logvar: fc22 = nn.Linear(8, 20) of fc1 activation",
            ]
        );
        assert_eq!(
            lines(&spec, Part::Decoder),
            [
                "fc3: fc3 = nn.Linear(20, 8) of z",
                "fc3 activation: fc3 activation = nn.ReLU() of fc3",
                "fc4: fc4 = nn.Linear(8, 784) of fc3 activation",
                "unflatten: unflatten = nn.Unflatten(1, (28, 28, 1)) of fc4",
                "means: means = nn.Sigmoid() of unflatten",
            ]
        );
        spec.kind = ModelKind::Ae;
        spec.likelihood = Likelihood::LinearSquaredError;
        let encoder = lines(&spec, Part::Encoder);
        assert_eq!(
            encoder[3..],
            ["code: fc2 = nn.Linear(8, 20) of fc1 activation"]
        );
        let decoder = lines(&spec, Part::Decoder);
        assert_eq!(
            decoder[3..],
            ["means: unflatten = nn.Unflatten(1, (28, 28, 1)) of fc4"]
        );
    }

    #[test]
    fn layers_hold_all_parameters_of_a_model() {
        let spec = ModelSpec::reference();
        let model = Model::new(&spec).expect("a model");
        let bytes: u64 = Part::ALL.map(|part| part.bytes(&model)).iter().sum();
        assert_eq!(bytes, 4 * spec.parameter_count());
    }
}
