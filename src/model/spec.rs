//! What a model is, as plain data that can be saved and compared.

use serde::{Deserialize, Serialize};

use crate::data::{Binarize, Images};
use crate::error::{Error, Result};
use crate::layers::Activation;
use crate::model::latents::{Latent, LatentShape, Levels, gaussian, point};
use crate::model::nets::blocks::Blocks;
use crate::model::nets::{Net, presets};
use crate::model::objectives::Objective;
use crate::model::{Condition, Estimator, MOST_PARAMETERS, ModelOptions, Sigma, suits};
use crate::ops::likelihood;
use crate::option::check_amount;
use crate::shape::ImageShape;

/// Autoencoder or variational autoencoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// Variational autoencoder (Kingma & Welling 2014): maximises the ELBO.
    Vae,
    /// Autoencoder: minimises the reconstruction loss.
    Ae,
}

impl ModelKind {
    /// Its name in a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::Vae => "variational autoencoder",
            Self::Ae => "autoencoder",
        }
    }

    /// Its name where letters are few: `VAE`.
    pub fn short(self) -> &'static str {
        match self {
            Self::Vae => "VAE",
            Self::Ae => "AE",
        }
    }

    /// What lies between its encoder and its decoder.
    pub fn latent(self) -> &'static Latent {
        match self {
            Self::Vae => &gaussian::LATENT,
            Self::Ae => &point::LATENT,
        }
    }
}

/// p(x|z), whose negative logarithm is the reconstruction loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name", deny_unknown_fields)]
pub enum Likelihood {
    /// Independent Bernoulli values; the decoder's outputs are logits.
    Bernoulli,
    /// N(output, sigma²) for each value, with −½·log(2π·sigma²) kept.
    Gaussian {
        /// Standard deviation of a value.
        sigma: Sigma,
    },
    /// ‖x − sigmoid(output)‖², the loss of a plain autoencoder of values in [0, 1]; not a likelihood.
    SquaredError,
    /// ‖x − output‖², for values of any range; not a likelihood.
    LinearSquaredError,
}

impl Likelihood {
    /// The selector of the kernels that compute it.
    pub(super) fn selector(&self) -> u32 {
        match self {
            Self::Bernoulli => likelihood::BERNOULLI,
            Self::Gaussian { .. } => likelihood::GAUSSIAN,
            Self::SquaredError => likelihood::SIGMOID_SQUARED_ERROR,
            Self::LinearSquaredError => likelihood::SQUARED_ERROR,
        }
    }

    /// Its name in a text.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bernoulli => "Bernoulli",
            Self::Gaussian { .. } => "Gaussian",
            Self::SquaredError | Self::LinearSquaredError => "squared error",
        }
    }

    /// The standard deviation of a Gaussian.
    pub fn sigma(&self) -> Option<Sigma> {
        match *self {
            Self::Gaussian { sigma } => Some(sigma),
            _ => None,
        }
    }

    /// The same where training finds it: it is a tensor of the model then.
    pub fn found_sigma(&self) -> Option<Sigma> {
        self.sigma()
            .filter(|sigma| !matches!(sigma, Sigma::Fixed(_)))
    }

    /// Whether its sigma learns by a gradient.
    pub fn learns_sigma(&self) -> bool {
        matches!(self.sigma(), Some(Sigma::Learned(_)))
    }

    /// Whether the loss is a squared error rather than a negative log-likelihood.
    pub fn is_squared_error(&self) -> bool {
        matches!(self, Self::SquaredError | Self::LinearSquaredError)
    }

    /// What makes the mean of p(x|z) of a decoder's output.
    pub fn mean_activation(&self) -> Option<Activation> {
        match self {
            Self::Bernoulli | Self::SquaredError => Some(Activation::Sigmoid),
            Self::Gaussian { .. } | Self::LinearSquaredError => None,
        }
    }
}

/// Everything that determines a model's parameters and loss.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ModelSpec {
    /// AE or VAE.
    pub kind: ModelKind,
    /// Size of an image.
    pub image: ImageShape,
    /// The encoder's layers between image and heads.
    pub encoder: Blocks,
    /// The decoder's between code and image; `None`: the encoder's in reverse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoder: Option<Blocks>,
    /// Sizes of the latent code.
    pub latent: LatentShape,
    /// Levels that each channel of the code is rounded to; `None` where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub levels: Option<Levels>,
    /// Nonlinearity after every hidden layer.
    pub activation: Activation,
    /// Reconstruction loss.
    pub likelihood: Likelihood,
    /// Weight of the KL, or of the total correlation; the negative loss is the ELBO only at 1.
    pub beta: f32,
    /// Nats that the KL is held at, by Huber's loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<f32>,
    /// Weight of the discrepancy between codes and prior, where the objective has one.
    pub mmd_weight: f32,
    /// What training minimises; `None`: what a model of the kind does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective: Option<&'static Objective>,
    /// Samples of the code of an image, where the objective weighs several.
    pub importance: usize,
    /// How the gradient of their bound is estimated.
    pub gradient: Estimator,
    /// What it is told beside an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
}

impl ModelSpec {
    /// The reference model, 784-400-20-400-784 with ReLU and Bernoulli likelihood (the VAE of
    /// PyTorch's examples).
    pub fn reference() -> Self {
        Self {
            kind: ModelKind::Vae,
            image: ImageShape::new(28, 28, 1),
            encoder: [400].into(),
            decoder: None,
            latent: 20.into(),
            levels: None,
            activation: Activation::Relu,
            likelihood: Likelihood::Bernoulli,
            beta: 1.0,
            capacity: None,
            mmd_weight: 1.0,
            objective: None,
            importance: 1,
            gradient: Estimator::default(),
            condition: None,
        }
    }

    /// A model with everything in which it can differ from the reference one: widths that no tile divides, a residual
    /// block, a decoder that is no mirror, points for codes, an activation whose derivative needs its input, a likelihood
    /// with a parameter.
    pub fn odd() -> Self {
        Self {
            kind: ModelKind::Ae,
            encoder: presets::of_values(&[67], 1),
            decoder: Some([35, 67].into()),
            latent: 7.into(),
            activation: Activation::Gelu,
            likelihood: Likelihood::Gaussian {
                sigma: Sigma::Learned(0.5),
            },
            ..Self::reference()
        }
    }

    /// A model of a few convolutions and residual blocks for the same images, of numbers of channels that no vector has,
    /// with a sigma that is found from each batch.
    pub fn of_convolutions() -> Self {
        let reference = Self::reference();
        Self {
            encoder: presets::of_maps(reference.image, 10, 1, None),
            likelihood: Likelihood::Gaussian {
                sigma: Sigma::Optimal,
            },
            ..reference
        }
    }

    /// What training minimises.
    pub fn objective(&self) -> &'static Objective {
        self.objective.unwrap_or_else(|| self.kind.objective())
    }

    /// Whether its codes have a prior, and its loss a KL.
    pub fn is_variational(&self) -> bool {
        self.kind.latent().has_prior
    }

    /// Whether training holds its codes to a prior, N(0, I), which new ones can be drawn from: code by code, or all of them
    /// together.
    pub fn has_prior(&self) -> bool {
        self.is_variational() || self.objective().takes_mmd()
    }

    /// Logarithm of a Gaussian likelihood's (initial) sigma; 0 for the others, which do not use it.
    pub fn log_sigma(&self) -> f32 {
        let sigma = self.likelihood.sigma();
        sigma.map_or(0.0, |sigma| sigma.initial().ln())
    }

    /// Checks that the images' values are in [0, 1] where the decoder's outputs are, or where they are
    /// drawn from.
    ///
    /// # Errors
    /// [`Error::Config`] with the range that was found.
    pub fn check_range(&self, images: &Images, binarize: Binarize) -> Result<()> {
        let option = match self.likelihood {
            Likelihood::Bernoulli => "`likelihood = bernoulli`",
            Likelihood::SquaredError => "`likelihood = squared-error`, with its sigmoid,",
            _ if binarize != Binarize::None => "`binarize = …`",
            Likelihood::Gaussian { .. } | Likelihood::LinearSquaredError => return Ok(()),
        };
        if images.are_bytes() {
            return Ok(());
        }
        let (least, most) = images.value_range()?;
        if least >= 0.0 && most <= 1.0 {
            return Ok(());
        }
        let other = match self.kind {
            ModelKind::Vae => "gaussian",
            ModelKind::Ae => "linear-squared-error",
        };
        // Dividing does not help against negative values.
        let scale = match least >= 0.0 {
            true => "`scale = …` with the greatest value that there can be",
            false => "`scale = range`, where no test image reaches beyond the training images",
        };
        Err(Error::config(
            format!("{option} needs values in [0, 1], but the images reach from {least} to {most}"),
            format!(
                "{scale}; images in [0, 1] as x / 255 or bytes are, or a model of `likelihood = {other}` without `binarize = …`"
            ),
        ))
    }

    /// The decoder's layers between code and image.
    pub fn decoder_blocks(&self) -> Blocks {
        let mirrored = || {
            self.encoder
                .mirrored(&self.image.sizes(), self.latent.map().is_some())
        };
        self.decoder.clone().unwrap_or_else(mirrored)
    }

    /// The layers as the options that say them.
    fn layers_text(&self) -> String {
        let encoder = match self.encoder.widths() {
            Some(widths) => {
                let widths: Vec<String> = widths.iter().map(usize::to_string).collect();
                format!("`hidden = {}`", widths.join(","))
            }
            None => format!("`encoder = {:?}`", self.encoder.to_string()),
        };
        match &self.decoder {
            None => encoder,
            Some(decoder) => format!("{encoder}, `decoder = {:?}`", decoder.to_string()),
        }
    }

    /// Checks every size and value.
    ///
    /// # Errors
    /// [`Error::Config`] with the option at fault: a width, latent or image size of 0, no hidden layer, more
    /// than [`MOST_PARAMETERS`], sigma that is not positive, beta that is negative or not finite, a VAE with
    /// squared error.
    pub fn validate(&self) -> Result<()> {
        self.check_values()?;
        self.check_layers()
    }

    /// Whether its layers depend on the size of the images.
    pub fn is_of_maps(&self) -> bool {
        self.encoder.take_map() || self.decoder_blocks().give_map()
    }

    /// What [`ModelSpec::validate`] checks of the layers and the images that they take.
    fn check_layers(&self) -> Result<()> {
        if self.image.values() == 0 {
            return Err(Error::config(
                format!("images of {} have no values", self.image),
                "give images of at least 1×1×1",
            ));
        }
        // A mirror has zeros where the encoder's layers do not go together, which is told with their sizes.
        let given = std::iter::once(&self.encoder).chain(&self.decoder);
        for sizes in given.map(Blocks::sizes) {
            let (fault, hint) = match (sizes.is_empty(), sizes.contains(&0)) {
                (true, _) => (
                    "at least one layer has to have outputs of its own",
                    "`linear 400`, or `conv 32 k4 /2`",
                ),
                (_, true) => (
                    "every hidden layer needs at least one unit",
                    "`hidden = 400`, or a list such as `hidden = 512,256`",
                ),
                _ => continue,
            };
            let layers = self.layers_text();
            return Err(Error::config(format!("{layers}: {fault}"), hint));
        }
        let count = self.parameter_count();
        if count > MOST_PARAMETERS {
            let counted = match count {
                u64::MAX => format!("more than {MOST_PARAMETERS}"),
                count => count.to_string(),
            };
            return Err(Error::config(
                format!(
                    "{}, `latent = {}`: a model of {counted} parameters is too large, {MOST_PARAMETERS} is the most",
                    self.layers_text(),
                    self.latent
                ),
                "layers of fewer units, a smaller `latent = …`, or smaller images",
            ));
        }
        Net::new(self).map(drop)
    }

    /// Checks that the channels of a code share its levels out.
    fn check_levels(&self) -> Result<()> {
        let Some(levels) = &self.levels else {
            return Ok(());
        };
        let own = levels.of_channels().len();
        let mut sizes = self.latent.sizes();
        let Some(channels) = sizes.last_mut().filter(|channels| **channels % own != 0) else {
            return Ok(());
        };
        *channels = channels.next_multiple_of(own);
        let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
        Err(Error::config(
            format!(
                "`latent = {}`: its channels are no multiple of {own}, as many as `levels = {levels}` has",
                self.latent
            ),
            format!("`latent = {}`, or as many `levels = …`", sizes.join("x")),
        ))
    }

    /// Sizes of a code as `elbo encode` writes it: its values, or the whole numbers that it is.
    pub fn code_sizes(&self) -> Vec<usize> {
        let mut sizes = self.latent.sizes();
        if let (Some(levels), Some(channels)) = (&self.levels, sizes.last_mut()) {
            *channels /= levels.of_channels().len();
            if *channels == 1 {
                sizes.pop();
            }
        }
        sizes
    }

    /// What [`ModelSpec::validate`] checks without the images.
    ///
    /// # Errors
    /// As [`ModelSpec::validate`].
    pub fn check_values(&self) -> Result<()> {
        if self.latent.values() == 0 {
            return Err(Error::config(
                format!(
                    "`latent = {}`: the code needs at least one value",
                    self.latent
                ),
                "`latent = 20`, or a map such as `latent = 8x8x4`",
            ));
        }
        self.check_levels()?;
        check_amount(
            "beta",
            self.beta,
            "`beta = 1`, which makes the negative loss the ELBO",
        )?;
        check_amount("capacity", self.capacity.unwrap_or(0.0), "`capacity = 25`")?;
        check_amount("mmd-weight", self.mmd_weight, "`mmd-weight = 100`")?;
        if self.importance == 0 {
            return Err(Error::config(
                "`importance = 0`: a bound needs at least one sample",
                "`importance = 5`",
            ));
        }
        if let Some(condition) = &self.condition {
            condition.check_count()?;
        }
        suits::check(&ModelOptions::from(self), self)?;
        match self.likelihood {
            Likelihood::Gaussian { sigma }
                if !(sigma.initial().is_finite() && sigma.initial() > 0.0) =>
            {
                Err(Error::config(
                    format!("`sigma = {sigma}`: expected a finite number above 0"),
                    "`sigma = 1`, `sigma = learned` or `sigma = optimal`",
                ))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_refused_in_the_words_of_their_options() {
        let refused = |hidden: Vec<usize>| {
            let spec = ModelSpec {
                encoder: hidden.as_slice().into(),
                ..ModelSpec::reference()
            };
            spec.validate().expect_err("a bad size").to_string()
        };
        assert!(refused(vec![400, 0]).contains("`hidden = 400,0`:"));
        let large = refused(vec![60_000, 60_000]);
        assert!(
            large.contains("`hidden = 60000,60000`, `latent = 20`"),
            "{large}"
        );
        let beyond = refused(vec![usize::MAX, usize::MAX]);
        assert!(
            beyond.contains("of more than 2147483648 parameters"),
            "{beyond}"
        );
        assert!(
            !beyond.contains(&format!("of {} parameters", u64::MAX)),
            "{beyond}"
        );
    }
}
