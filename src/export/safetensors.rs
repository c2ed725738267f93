//! Parameters as safetensors, with a description of the model beside them.

use serde::Serialize;

use super::{SourceScaling, Trained};
use crate::data::Binarize;
use crate::error::{Error, Result};
use crate::model::{LatentShape, Model, ModelSpec};

/// The only key of the metadata. With more of them the bytes of two equal files differ.
const KEY: &str = "elbo";

/// What the description holds: what the parameters are of, and the values that the model takes.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct About<'a> {
    program: &'static str,
    version: &'static str,
    /// Sizes of an image in an array.
    image: Vec<usize>,
    latent: LatentShape,
    /// Standard deviation of a Gaussian likelihood, as it is after training.
    sigma: Option<f32>,
    binarize: Binarize,
    #[serde(flatten)]
    scaling: SourceScaling,
    model: &'a ModelSpec,
}

/// The parameters under their names in a run folder, and in the metadata, under the key `elbo`, a JSON object that
/// describes the model: its options, the sizes of an image, and `offset` and `divisor` of the values: the model takes
/// (number of the data − offset) / divisor.
///
/// # Errors
/// [`Error::Config`] where the parameters cannot be laid out.
pub fn safetensors(trained: &Trained<'_>) -> Result<Vec<u8>> {
    let model = Model::new(trained.spec)?;
    let about = About {
        program: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        image: trained.spec.image.sizes(),
        latent: trained.spec.latent,
        sigma: trained.sigma(&model),
        binarize: trained.binarize,
        scaling: trained.source_scaling(),
        model: trained.spec,
    };
    let about = serde_json::to_string(&about).map_err(failed)?;
    trained.weights.to_bytes_with(KEY, about).map_err(failed)
}

fn failed(reason: impl std::fmt::Display) -> Error {
    Error::internal(format!(
        "the parameters cannot be laid out with their description: {reason}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Reading, Scaling};
    use crate::export::tests::{model, weights};
    use crate::model::{Activation, Likelihood, ModelKind, Sigma};
    use safetensors::SafeTensors;

    #[test]
    fn a_file_holds_the_parameters_and_describes_the_model() {
        let likelihood = Likelihood::Gaussian {
            sigma: Sigma::Learned(0.5),
        };
        let spec = model(ModelKind::Vae, likelihood, Activation::LeakyRelu);
        let weights = weights(&spec);
        let reading = Reading {
            scaling: Some(Scaling {
                shift: vec![-1.5],
                scale: vec![4.0],
            }),
            ..Reading::default()
        };
        let trained = Trained {
            spec: &spec,
            weights: &weights,
            binarize: Binarize::None,
            reading: &reading,
        };
        let bytes = safetensors(&trained).expect("a file");
        assert_eq!(safetensors(&trained).expect("again"), bytes);
        let file = SafeTensors::deserialize(&bytes).expect("a whole file");
        assert_eq!(file.len(), weights.iter().count());
        for (name, shape, values) in weights.iter() {
            let tensor = file.tensor(name).expect(name);
            assert_eq!(tensor.shape(), shape, "{name}");
            assert_eq!(
                tensor.data(),
                bytemuck::cast_slice::<f32, u8>(values),
                "{name}"
            );
        }
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
        let about = header.metadata().as_ref().expect("metadata");
        assert_eq!(about.len(), 1);
        let about: serde_json::Value = serde_json::from_str(&about[KEY]).expect("JSON");
        assert_eq!(about["image"], serde_json::json!([3, 2, 2]));
        assert_eq!(about["binarize"], "none");
        assert_eq!(about["offset"], serde_json::json!([-1.5]));
        assert_eq!(about["divisor"], serde_json::json!([4.0]));
        let (_, log_sigma) = weights.get("log_sigma").expect("a learned sigma");
        let sigma = about["sigma"].as_f64().expect("a number");
        assert!(
            (sigma - f64::from(log_sigma[0]).exp()).abs() < 1e-6,
            "{sigma}"
        );
        let written = serde_json::to_value(&spec).expect("JSON");
        assert_eq!(about["model"], written);
    }
}
