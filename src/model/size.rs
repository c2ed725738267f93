//! How many parameters a specification asks for.

use crate::model::ModelSpec;
use crate::model::nets::Net;

/// Most parameters of a model: kernels number them with 32 bits, with room for rounding up.
pub const MOST_PARAMETERS: u64 = 1 << 31;

impl ModelSpec {
    /// Parameters of the model's graph; `u64::MAX` where they are beyond counting, 0 where its layers do not go together.
    pub fn parameter_count(&self) -> u64 {
        // So many units have more parameters than that, and what a graph computes of its sizes may overflow.
        let decoder = self.decoder_blocks();
        let mut widths = [
            self.encoder.sizes(),
            decoder.sizes(),
            vec![self.latent.values()],
        ]
        .concat();
        widths.push(self.image.values());
        if widths.iter().any(|&width| width as u64 > MOST_PARAMETERS) {
            return u64::MAX;
        }
        let Ok(net) = Net::new(self) else { return 0 };
        let parameters = net.graph.parameters().iter();
        let counts = parameters.map(|parameter| {
            let sizes = parameter.shape.iter().map(|&size| size as u64);
            sizes.fold(1, u64::saturating_mul)
        });
        counts.fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Likelihood, ModelKind, Sigma};

    #[test]
    fn the_reference_model_has_the_parameters_of_its_layers() {
        let encoder = 784 * 400 + 400 + 2 * (400 * 20 + 20);
        let decoder = 20 * 400 + 400 + 400 * 784 + 784;
        assert_eq!(ModelSpec::reference().parameter_count(), encoder + decoder);
    }

    #[test]
    fn an_autoencoder_has_one_code_layer_and_a_learned_sigma_is_one_parameter() {
        let mut spec = ModelSpec::reference();
        let vae = spec.parameter_count();
        spec.kind = ModelKind::Ae;
        assert_eq!(spec.parameter_count(), vae - (400 * 20 + 20));
        spec.kind = ModelKind::Vae;
        spec.likelihood = Likelihood::Gaussian {
            sigma: Sigma::Learned(1.0),
        };
        assert_eq!(spec.parameter_count(), vae + 1);
    }

    #[test]
    fn a_size_beyond_counting_saturates() {
        let mut spec = ModelSpec::reference();
        spec.encoder = [usize::MAX, usize::MAX].into();
        assert_eq!(spec.parameter_count(), u64::MAX);
    }
}
