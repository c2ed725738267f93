//! The options that describe a model.

use std::str::FromStr;

use clap::{Args, ValueEnum};

use crate::model::{Activation, ModelKind};

/// What a model is made of; what is left out has its default, or the value of a configuration file.
#[derive(Args, Debug, Default)]
pub(super) struct ModelArgs {
    /// What to train [default: vae]
    #[arg(long, value_enum, help_heading = "Model")]
    pub(super) model: Option<ModelKind>,
    /// Units of each hidden layer of the encoder, the decoder has them in reverse: 400, or 512,256
    /// [default: 400]
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "UNITS,…",
        help_heading = "Model"
    )]
    pub(super) hidden: Option<Vec<usize>>,
    /// Values of the latent code [default: 20]
    #[arg(long, value_name = "VALUES", help_heading = "Model")]
    pub(super) latent: Option<usize>,
    /// Nonlinearity after every hidden layer [default: relu]
    #[arg(long, value_enum, help_heading = "Model")]
    pub(super) activation: Option<Activation>,
    /// Reconstruction loss [default: bernoulli for a vae, squared-error for an ae]
    #[arg(long, value_enum, help_heading = "Model")]
    pub(super) likelihood: Option<LikelihoodName>,
    /// Standard deviation of the gaussian likelihood, in units of the values; `learned` makes it a
    /// parameter that starts at 1 [default: 1]
    #[arg(
        long,
        value_name = "NUMBER|learned",
        allow_negative_numbers = true,
        help_heading = "Model"
    )]
    pub(super) sigma: Option<Sigma>,
    /// Weight of the KL; the loss is the negative ELBO only at 1 [default: 1]
    #[arg(
        long,
        value_name = "WEIGHT",
        allow_negative_numbers = true,
        help_heading = "Model"
    )]
    pub(super) beta: Option<f32>,
}

/// Names of the reconstruction losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LikelihoodName {
    /// Independent Bernoulli values; the decoder gives logits
    Bernoulli,
    /// N(output, sigma²) for each value
    Gaussian,
    /// ‖x − sigmoid(output)‖², the loss of a plain autoencoder of values in [0, 1]
    SquaredError,
    /// ‖x − output‖², for values of any range
    LinearSquaredError,
}

/// What `--sigma` takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sigma {
    Fixed(f32),
    Learned,
}

impl FromStr for Sigma {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "learned" => Ok(Self::Learned),
            number => number
                .parse()
                .map(Self::Fixed)
                .map_err(|_| "expected a number above 0, or `learned`".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigma_is_a_number_or_learned() {
        assert_eq!("0.5".parse(), Ok(Sigma::Fixed(0.5)));
        assert_eq!("learned".parse(), Ok(Sigma::Learned));
        assert!("learn".parse::<Sigma>().is_err());
    }
}
