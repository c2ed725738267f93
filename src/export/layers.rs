//! A model as layers with names, inputs and outputs: what both formats say of it.

use serde::Serialize;

use crate::model::{Activation, ModelKind, ModelSpec, Parameters};

/// A linear layer, `weight` `[outputs, inputs]` and `bias` `[outputs]`, and what is applied to its outputs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Layer {
    /// Its parameters are `<name>.weight` and `<name>.bias`.
    pub(super) name: String,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) activation: Option<Activation>,
}

impl Layer {
    /// Bytes of its parameters.
    pub(super) fn bytes(&self) -> u64 {
        let rows = self.outputs as u64;
        4 * rows * (self.inputs as u64 + 1)
    }
}

/// A layer that ends the encoder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Head {
    /// What it gives: `mu` and `logvar` of q(z|x), or the `code` of an autoencoder.
    pub(super) output: &'static str,
    #[serde(flatten)]
    pub(super) layer: Layer,
}

/// All layers, each stack in the order of computation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Layers {
    /// The encoder's hidden layers.
    pub(super) encoder: Vec<Layer>,
    /// What follows the last of them, side by side.
    pub(super) heads: Vec<Head>,
    /// From z to the means of p(x|z).
    pub(super) decoder: Vec<Layer>,
}

impl Layers {
    pub(super) fn new(spec: &ModelSpec) -> Self {
        let tensors = Parameters::new(spec).tensors;
        let weights = tensors.into_iter().filter_map(|tensor| {
            let name = tensor.name.strip_suffix(".weight")?.to_owned();
            match *tensor.shape {
                [outputs, inputs] => Some(Layer {
                    name,
                    inputs,
                    outputs,
                    activation: Some(spec.activation),
                }),
                _ => None,
            }
        });
        let mut encoder: Vec<Layer> = weights.collect();
        let outputs: &[&'static str] = match spec.kind {
            ModelKind::Vae => &["mu", "logvar"],
            ModelKind::Ae => &["code"],
        };
        let mut decoder = encoder.split_off(spec.hidden.len() + outputs.len());
        let heads = encoder.split_off(spec.hidden.len());
        if let Some(last) = decoder.last_mut() {
            last.activation = spec.likelihood.mean_activation();
        }
        let heads = outputs.iter().zip(heads).map(|(output, layer)| Head {
            output,
            layer: Layer {
                activation: None,
                ..layer
            },
        });
        Self {
            heads: heads.collect(),
            encoder,
            decoder,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Likelihood;

    fn names(layers: &[Layer]) -> Vec<&str> {
        layers.iter().map(|layer| layer.name.as_str()).collect()
    }

    #[test]
    fn layers_are_told_apart_by_what_they_do() {
        let mut spec = ModelSpec::reference();
        spec.hidden = vec![8, 6];
        let layers = Layers::new(&spec);
        assert_eq!(names(&layers.encoder), ["fc1", "fc2"]);
        assert_eq!(names(&layers.decoder), ["fc4", "fc5", "fc6"]);
        let heads: Vec<_> = layers
            .heads
            .iter()
            .map(|head| (head.output, &*head.layer.name))
            .collect();
        assert_eq!(heads, [("mu", "fc31"), ("logvar", "fc32")]);
        assert!(
            layers
                .heads
                .iter()
                .all(|head| head.layer.activation.is_none())
        );
        let sizes = |layer: &Layer| (layer.inputs, layer.outputs, layer.activation);
        let relu = Some(Activation::Relu);
        let decoder: Vec<_> = layers.decoder.iter().map(sizes).collect();
        assert_eq!(
            decoder,
            [
                (20, 6, relu),
                (6, 8, relu),
                (8, 784, Some(Activation::Sigmoid))
            ]
        );
        spec.kind = ModelKind::Ae;
        spec.likelihood = Likelihood::LinearSquaredError;
        let layers = Layers::new(&spec);
        assert_eq!(
            (layers.heads[0].output, &*layers.heads[0].layer.name),
            ("code", "fc3")
        );
        assert_eq!(layers.decoder[2].activation, None);
    }

    #[test]
    fn layers_hold_all_parameters_of_a_model() {
        let spec = ModelSpec::reference();
        let layers = Layers::new(&spec);
        let heads = layers.heads.iter().map(|head| &head.layer);
        let bytes: u64 = layers
            .encoder
            .iter()
            .chain(heads)
            .chain(&layers.decoder)
            .map(Layer::bytes)
            .sum();
        assert_eq!(bytes, 4 * spec.parameter_count());
    }
}
