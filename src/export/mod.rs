//! A trained model for other programs: files of ONNX and of safetensors, and arrays that flow through it.

mod layers;
mod onnx;
mod safetensors;
mod stream;

use crate::data::Binarize;
use crate::model::{ModelSpec, Weights};

pub use onnx::{Part, onnx};
pub use safetensors::safetensors;
pub use stream::{decode, encode};

/// A trained model, with what someone else has to know to use it.
#[derive(Clone, Copy, Debug)]
pub struct Trained<'a> {
    /// What the model is.
    pub spec: &'a ModelSpec,
    /// Its parameters.
    pub weights: &'a Weights,
    /// What training did to the images' values. Exported models take images as they are.
    pub binarize: Binarize,
}

impl Trained<'_> {
    /// The Gaussian likelihood's standard deviation as it was learned, or as it was given.
    fn sigma(&self) -> Option<f32> {
        match self.spec.likelihood {
            crate::model::Likelihood::Gaussian { sigma, .. } => {
                let learned = self.weights.get("log_sigma");
                Some(learned.map_or(sigma, |(_, values)| values[0].exp()))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Activation, Likelihood, ModelKind, ModelSpec, Parameters, Weights};
    use crate::shape::ImageShape;

    /// A small model with two hidden layers, of images whose sizes differ.
    pub(super) fn model(
        kind: ModelKind,
        likelihood: Likelihood,
        activation: Activation,
    ) -> ModelSpec {
        ModelSpec {
            kind,
            image: ImageShape::new(3, 2, 2),
            hidden: vec![7, 5],
            latent: 4,
            activation,
            likelihood,
            beta: 1.0,
        }
    }

    /// Initial parameters, with a logvar beyond its bound.
    pub(super) fn weights(spec: &ModelSpec) -> Weights {
        let parameters = Parameters::new(spec);
        let mut arena = parameters.initial(spec, 1);
        let head = format!("fc{}2.bias", spec.hidden.len() + 1);
        let mut tensors = parameters.tensors.iter();
        if let Some(bias) = tensors.find(|tensor| tensor.name == head) {
            arena[bias.offset] = -200.0;
        }
        Weights::from_arena(&parameters, &arena)
    }
}
