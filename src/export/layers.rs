//! Half a model as layers in their order, under names: what formats are written from.

use crate::error::{Error, Result};
use crate::graph::{Described, Node, Value};
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

    /// The classes that it takes beside, as values.
    pub(super) fn class(self, model: &Model) -> Option<Value> {
        let (of_image, of_code) = model.net().classes?;
        Some(match self {
            Self::Encoder => of_image,
            Self::Decoder => of_code,
        })
    }

    /// Its nodes, in order.
    fn nodes(self, model: &Model) -> Vec<&Node> {
        let net = model.net();
        let (from, ends) = match self {
            Self::Encoder => (net.image, &*net.heads),
            Self::Decoder => (net.code, std::slice::from_ref(&net.mean)),
        };
        let (mut known, mut nodes) = (vec![from], Vec::new());
        for &end in ends {
            let further = model
                .graph()
                .leading_to(end, |value| known.contains(&value));
            known.extend(further.iter().map(|node| node.output));
            nodes.extend(further);
        }
        nodes
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
            // What a head is made of may have its name among the parameters.
            Some(node) if heads.iter().any(|head| head.name == node.label()) => {
                format!("{}.unrounded", node.label())
            }
            Some(node) => node.label(),
            None => model.graph().info(value).name.clone(),
        };
        for node in self.nodes(model) {
            // Of all heads, or of one of them.
            let place = net.heads.iter().position(|&value| value == node.output);
            let of_node = match place {
                Some(_) if net.heads.len() == 1 => heads,
                Some(place) => &heads[place..=place],
                None => &[],
            };
            if node.names.len() != of_node.len().max(1) {
                return Err(Error::config(
                    format!("{} cannot be exported: layers side by side", node.label()),
                    "a model whose encoder ends in a layer for each of its outputs",
                ));
            }
            let inputs: Vec<String> = node.inputs.iter().map(|&value| name(value)).collect();
            let mut output = model.graph().info(node.output).dims.clone();
            output[0] /= node.names.len();
            for (index, own) in node.names.iter().enumerate() {
                let head = of_node.get(index);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelSpec;

    #[test]
    fn layers_hold_all_parameters_of_a_model() {
        let spec = ModelSpec::reference();
        let model = Model::new(&spec).expect("a model");
        let bytes: u64 = Part::ALL.map(|part| part.bytes(&model)).iter().sum();
        assert_eq!(bytes, 4 * spec.parameter_count());
    }
}
