//! A trained model for other programs: files of ONNX and of safetensors, a program of PyTorch, and arrays that flow through
//! it.

mod layers;
mod onnx;
mod pytorch;
mod safetensors;
mod stream;

use crate::data::{Binarize, Reading, Scaling};
use crate::model::{Model, ModelSpec, Weights};

pub use layers::Part;
pub use onnx::onnx;
pub use pytorch::pytorch;
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
    /// How the numbers of its source became the values that it saw. Exported models take such values.
    pub reading: &'a Reading,
}

impl Trained<'_> {
    /// What an exported model takes and gives, in a line.
    pub fn values_in_words(&self) -> String {
        let scaling = self.reading.of_source();
        match (scaling.shift.as_slice(), scaling.scale.as_slice()) {
            (&[0.0], &[1.0]) => "values as the data hold them".to_owned(),
            (&[0.0], &[divisor]) => format!("values of the data / {divisor}"),
            (&[offset], &[divisor]) => format!("(values of the data - {offset}) / {divisor}"),
            _ => "(values of the data - offset) / divisor, each value by its own".to_owned(),
        }
    }

    /// What the decoder gives.
    fn means_in_words(&self) -> &'static str {
        match self.spec.likelihood.mean_activation() {
            Some(_) => "means of p(x|z), from 0 to 1",
            None => "means of p(x|z), of the values that the encoder takes",
        }
    }

    fn source_scaling(&self) -> SourceScaling {
        let Scaling { shift, scale } = self.reading.of_source();
        SourceScaling {
            offset: shift,
            divisor: scale,
        }
    }

    /// The Gaussian likelihood's standard deviation as training found it, or as it was given.
    fn sigma(&self, model: &Model) -> Option<f32> {
        let given = self.spec.likelihood.sigma()?.initial();
        let found = model.log_sigma();
        let found = found.and_then(|tensor| self.weights.get(&tensor.name));
        Some(found.map_or(given, |(_, values)| values[0].exp()))
    }
}

/// What others apply to numbers as the data hold them, before an exported model takes them: (number − offset) /
/// divisor. One entry counts for all values, otherwise there is one for each value of an image.
#[derive(Debug, serde::Serialize)]
struct SourceScaling {
    offset: Vec<f32>,
    divisor: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use crate::model::{Activation, Likelihood, Model, ModelKind, ModelSpec, Weights};
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
            encoder: [7, 5].into(),
            latent: 4.into(),
            activation,
            likelihood,
            ..ModelSpec::reference()
        }
    }

    /// Initial parameters, with a logvar beyond its bound.
    pub(super) fn weights(spec: &ModelSpec) -> Weights {
        let model = Model::new(spec).expect("a model");
        let parameters = model.parameters();
        let mut arena = parameters.initial(1);
        let head = format!("fc{}2.bias", spec.encoder.len() + 1);
        let mut tensors = parameters.tensors.iter();
        if let Some(bias) = tensors.find(|tensor| tensor.name == head) {
            arena[bias.offset] = -200.0;
        }
        Weights::from_arena(parameters, &arena)
    }
}
