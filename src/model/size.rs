//! How many parameters a specification asks for.

use crate::model::{ModelKind, ModelSpec};

/// Most parameters of a model: kernels number them with 32 bits, with room for rounding up.
pub const MOST_PARAMETERS: u64 = 1 << 31;

impl ModelSpec {
    /// Widths of the layers in the order of computation: input, hidden, latent, hidden reversed, output.
    pub fn widths(&self) -> Vec<usize> {
        let mut widths = vec![self.image.values()];
        widths.extend(&self.hidden);
        widths.push(self.latent);
        widths.extend(self.hidden.iter().rev());
        widths.push(self.image.values());
        widths
    }

    /// Parameters of the model: weights and biases of every linear layer (a VAE's encoder ends in
    /// two of them, mu and logvar), and sigma where it is learned. `u64::MAX` where it overflows.
    pub fn parameter_count(&self) -> u64 {
        let linear =
            |from: usize, to: usize| (from as u64).saturating_add(1).saturating_mul(to as u64);
        let chain: u64 = self
            .widths()
            .windows(2)
            .map(|pair| linear(pair[0], pair[1]))
            .fold(0, u64::saturating_add);
        let logvar = match (self.kind, self.hidden.last()) {
            (ModelKind::Vae, Some(&last)) => linear(last, self.latent),
            _ => 0,
        };
        let sigma = self.likelihood.learns_sigma();
        chain.saturating_add(logvar).saturating_add(sigma.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Likelihood;

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
            sigma: 1.0,
            learned: true,
        };
        assert_eq!(spec.parameter_count(), vae + 1);
    }

    #[test]
    fn a_size_beyond_counting_saturates() {
        let mut spec = ModelSpec::reference();
        spec.hidden = vec![usize::MAX, usize::MAX];
        assert_eq!(spec.parameter_count(), u64::MAX);
    }
}
