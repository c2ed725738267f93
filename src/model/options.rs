//! The options that describe a model, and what they make of it.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::{Deserialize, Deserializer, Serialize};

use super::nets::{self, NetOptions};
use super::objectives::{OBJECTIVES, Objective};
use super::{
    Activation, Condition, ConditionName, Estimator, LatentKind, LatentShape, Levels, Likelihood,
    ModelKind, ModelSpec, Sigma, suits,
};
use crate::error::Result;
use crate::option::{defaults, number, positive};
use crate::shape::ImageShape;

/// What a user says of a model.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct ModelOptions {
    /// What to train
    #[arg(long, value_enum, default_value_t = ModelKind::Vae, help_heading = "Model")]
    pub model: ModelKind,
    /// Size of an image, which the data tell.
    #[arg(skip)]
    #[serde(with = "crate::shape::text", skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageShape>,
    /// The layers.
    #[command(flatten)]
    #[serde(flatten)]
    pub net: NetOptions,
    /// Number of latent dimensions; or with convolutions a map of them, 8x8x4 for 4 channels of 8x8 [default: 20, for maps
    /// 128]
    #[arg(long, value_name = "NUMBER|HxWxC", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latent: Option<LatentShape>,
    /// What is made of a code before it is decoded; of an ae [default: continuous]
    #[arg(long, value_enum, help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latent_kind: Option<LatentKind>,
    /// Levels of each channel of a code of the kind fsq: with 8,5,5,5 it is one of 1000 [default: 8,5,5,5]
    #[arg(long, value_name = "NUMBER,…", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub levels: Option<Levels>,
    /// Activation function after every hidden layer [default: relu; silu for convolutions that --net sizes]
    #[arg(long, value_enum, help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// Reconstruction loss [default: for an ae squared-error; for a vae bernoulli where the data are rows of values, binary
    /// ones or grey images of up to 28x28, and gaussian for all others]
    #[arg(long, value_enum, help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likelihood: Option<LikelihoodName>,
    /// Standard deviation of the gaussian likelihood, in units of the values; `learned` makes it a parameter that
    /// starts at 1, `learned:0.1` one that starts there; `optimal` takes the root mean squared error of each batch
    /// (Rybkin et al. 2021) [default: 1 for rows of values and grey images of up to 28x28, optimal for all others]
    #[arg(
        long,
        value_name = "NUMBER|learned|optimal",
        allow_negative_numbers = true,
        help_heading = "Model"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sigma: Option<Sigma>,
    /// Weight of the KL, or with the objective beta-tc of the total correlation; the loss is the negative ELBO only at 1
    /// [default: 1; for beta-tc 6, for mmd 0, with a capacity 10]
    #[arg(
        long,
        value_name = "WEIGHT",
        value_parser = number::<f32>,
        allow_negative_numbers = true,
        help_heading = "Model"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta: Option<f32>,
    /// Nats at which the KL is held, by a penalty of --beta on its distance; the target rises from 0 by --kl-warmup or
    /// --kl-cycles, or else over the first half of training (Burgess et al. 2018) [default: none]
    #[arg(
        long,
        value_name = "NATS",
        value_parser = number::<f32>,
        allow_negative_numbers = true,
        help_heading = "Model"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<f32>,
    /// What training minimises. Of a vae: the negative ELBO; that of the importance-weighted bound, iwae (Burda et al. 2016);
    /// the ELBO with a weight on the total correlation, beta-tc (Chen et al. 2018); with a discrepancy between codes and
    /// prior, mmd (Zhao et al. 2019). Of an ae: the reconstruction; with that discrepancy, wae (Tolstikhin et al. 2018)
    /// [default: elbo for a vae, reconstruction for an ae]
    #[arg(
        long,
        value_name = "NAME",
        value_parser = PossibleValuesParser::new(OBJECTIVES.iter().map(|known| known.name)).try_map(|name| named(&name)),
        help_heading = "Model"
    )]
    #[serde(
        deserialize_with = "named_objective",
        skip_serializing_if = "Option::is_none"
    )]
    pub objective: Option<&'static Objective>,
    /// Weight of the discrepancy of the objectives mmd and wae [default: 100]
    #[arg(
        long,
        value_name = "WEIGHT",
        value_parser = number::<f32>,
        allow_negative_numbers = true,
        help_heading = "Model"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mmd_weight: Option<f32>,
    /// Samples of the code of an image whose weights the objective iwae takes [default: 5]
    #[arg(
        long,
        value_name = "SAMPLES",
        value_parser = positive::<usize>,
        help_heading = "Model"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub importance: Option<usize>,
    /// How the objective iwae estimates its gradient [default: reparameterized]
    #[arg(long, value_enum, help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient: Option<Estimator>,
    /// What the model is told beside an image, its encoder and its decoder: with class the class of each image, so that new
    /// images of a class can be decoded (Kingma et al. 2014, Sohn et al. 2015) [default: nothing]
    #[arg(long, value_enum, help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<ConditionName>,
    /// Names of the classes, which the data tell.
    #[arg(skip)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
}

/// Weight by which a capacity holds the KL: more than what a nat of it takes off the reconstruction. One of 100 makes the KL's
/// own noise the gradient that Adam follows (`docs/losses.md`).
const HOLDING: f32 = 10.0;

impl Default for ModelOptions {
    fn default() -> Self {
        defaults()
    }
}

impl ModelOptions {
    /// The model that they describe, for images of a size.
    ///
    /// # Errors
    /// [`crate::Error::Config`] where two of them do not go together.
    pub fn spec(&self, image: ImageShape) -> Result<ModelSpec> {
        let encoder = self.net.encoder(image, self.latent)?;
        let latent = self.latent.unwrap_or(match encoder.take_map() {
            true => 128.into(),
            false => 20.into(),
        });
        // The convolutions of photographs end at a far lower loss with it.
        let activation = match encoder.take_map() && self.net.encoder.is_none() {
            true => Activation::Silu,
            false => Activation::Relu,
        };
        let objective = self.objective.unwrap_or_else(|| self.model.objective());
        let samples = if objective.weighs_codes { 5 } else { 1 };
        let spec = ModelSpec {
            kind: self.model,
            image,
            encoder,
            decoder: self.net.decoder.clone(),
            latent,
            levels: match self.latent_kind {
                Some(LatentKind::Fsq) => Some(self.levels.clone().unwrap_or_else(Levels::usual)),
                _ => None,
            },
            activation: self.activation.unwrap_or(activation),
            likelihood: self.chosen_likelihood(image),
            beta: self.beta.unwrap_or(match self.capacity {
                Some(_) => HOLDING,
                None => objective.beta.unwrap_or(1.0),
            }),
            capacity: self.capacity,
            mmd_weight: self.mmd_weight.unwrap_or(match objective.takes_mmd() {
                true => 100.0,
                false => 1.0,
            }),
            objective: self.objective,
            importance: self.importance.unwrap_or(samples),
            gradient: self.gradient.unwrap_or_default(),
            condition: self
                .condition
                .map(|ConditionName::Class| Condition::new(self.classes.clone())),
        };
        suits::check(self, &spec)?;
        Ok(spec)
    }

    /// The same for data of zeros and ones: what such values are likely under, where nobody said another.
    #[must_use]
    pub fn of_binary_data(self) -> Self {
        let is_open = self.model == ModelKind::Vae && self.sigma.is_none();
        Self {
            likelihood: self
                .likelihood
                .or(is_open.then_some(LikelihoodName::Bernoulli)),
            ..self
        }
    }

    fn chosen_likelihood(&self, image: ImageShape) -> Likelihood {
        let are_photographs = nets::are_photographs(image);
        let name = self.likelihood.unwrap_or(match self.model {
            ModelKind::Vae if are_photographs => LikelihoodName::Gaussian,
            ModelKind::Vae => LikelihoodName::Bernoulli,
            ModelKind::Ae => LikelihoodName::SquaredError,
        });
        match name {
            LikelihoodName::Bernoulli => Likelihood::Bernoulli,
            LikelihoodName::SquaredError => Likelihood::SquaredError,
            LikelihoodName::LinearSquaredError => Likelihood::LinearSquaredError,
            LikelihoodName::Gaussian => Likelihood::Gaussian {
                sigma: self.sigma.unwrap_or(match are_photographs {
                    // No sigma is the likeliest one of codes that are weighed.
                    true if self.weighs_codes() => Sigma::Learned(0.1),
                    true => Sigma::Optimal,
                    false => Sigma::Fixed(1.0),
                }),
            },
        }
    }

    /// Whether it is to weigh several samples of a code.
    fn weighs_codes(&self) -> bool {
        self.objective
            .is_some_and(|objective| objective.weighs_codes)
    }
}

impl From<&ModelSpec> for ModelOptions {
    fn from(spec: &ModelSpec) -> Self {
        let (likelihood, sigma) = match spec.likelihood {
            Likelihood::Bernoulli => (LikelihoodName::Bernoulli, None),
            Likelihood::SquaredError => (LikelihoodName::SquaredError, None),
            Likelihood::LinearSquaredError => (LikelihoodName::LinearSquaredError, None),
            Likelihood::Gaussian { sigma } => (LikelihoodName::Gaussian, Some(sigma)),
        };
        let objective = spec.objective();
        Self {
            model: spec.kind,
            image: Some(spec.image),
            net: NetOptions::from(spec),
            latent: Some(spec.latent),
            latent_kind: spec.levels.as_ref().map(|_| LatentKind::Fsq),
            levels: spec.levels.clone(),
            activation: Some(spec.activation),
            likelihood: Some(likelihood),
            sigma,
            beta: (objective.beta.is_some() || spec.beta != 1.0).then_some(spec.beta),
            capacity: spec.capacity,
            mmd_weight: (objective.takes_mmd() || spec.mmd_weight != 1.0)
                .then_some(spec.mmd_weight),
            objective: spec.objective,
            importance: (objective.weighs_codes || spec.importance != 1).then_some(spec.importance),
            gradient: (objective.weighs_codes || spec.gradient != Estimator::default())
                .then_some(spec.gradient),
            condition: spec.condition.as_ref().map(|_| ConditionName::Class),
            classes: spec
                .condition
                .as_ref()
                .map_or_else(Vec::new, |condition| condition.classes().to_vec()),
        }
    }
}

/// The objective of a name.
fn named(name: &str) -> Result<&'static Objective, String> {
    let found = OBJECTIVES.iter().find(|known| known.name == name).copied();
    found.ok_or_else(|| {
        let known: Vec<&str> = OBJECTIVES.iter().map(|known| known.name).collect();
        format!("{name:?} is no objective; there are {}", known.join(", "))
    })
}

fn named_objective<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'static Objective>, D::Error> {
    let name = String::deserialize(deserializer)?;
    named(&name).map(Some).map_err(serde::de::Error::custom)
}

/// Names of the reconstruction losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LikelihoodName {
    /// Independent Bernoulli values; the decoder gives logits
    Bernoulli,
    /// N(output, sigma²) for each value
    Gaussian,
    /// ‖x − sigmoid(output)‖², the loss of a plain autoencoder of values in [0, 1]
    SquaredError,
    /// ‖x − output‖², for values of any range
    LinearSquaredError,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NetName;

    #[test]
    fn without_options_the_reference_model_is_described() {
        let reference = ModelSpec::reference();
        let described = ModelOptions::default().spec(reference.image);
        assert_eq!(described.expect("a model"), reference);
    }

    #[test]
    fn a_model_is_described_by_its_own_options() {
        let gaussian = |sigma| Likelihood::Gaussian { sigma };
        let residual = "linear 6, residual(linear 3, linear 6)";
        for (likelihood, encoder, decoder) in [
            (Likelihood::Bernoulli, "linear 5, linear 6", None),
            (gaussian(Sigma::Learned(0.1)), residual, None),
            (gaussian(Sigma::Fixed(1.0)), "linear 9", Some(residual)),
            (gaussian(Sigma::Optimal), "linear 9", None),
        ] {
            let spec = ModelSpec {
                likelihood,
                encoder: encoder.parse().expect("layers"),
                decoder: decoder.map(|text: &str| text.parse().expect("layers")),
                ..ModelSpec::reference()
            };
            let options = ModelOptions::from(&spec);
            assert_eq!(options.spec(spec.image).expect("the model"), spec);
        }
    }

    #[test]
    fn an_encoder_is_said_once() {
        let said = |change: fn(&mut ModelOptions)| {
            let mut options = ModelOptions::default();
            change(&mut options);
            let spec = options.spec(ImageShape::new(28, 28, 1));
            spec.map(|spec| spec.encoder.to_string())
        };
        let residual = said(|options| {
            options.net.net = Some(NetName::Resnet);
            options.net.hidden = Some(vec![8, 5]);
        });
        assert_eq!(
            residual.expect("layers"),
            "linear 8, residual(linear 8, linear 8), linear 5, residual(linear 5, linear 5)"
        );
        let twice = said(|options| {
            options.net.encoder = Some([7].into());
            options.net.hidden = Some(vec![8]);
        });
        let error = twice.expect_err("both");
        assert!(
            error
                .to_string()
                .contains("`encoder = …` beside `hidden = …`"),
            "{error}"
        );
        let own = said(|options| options.net.encoder = Some([7].into()));
        assert_eq!(own.expect("layers"), "linear 7");
    }

    #[test]
    fn the_default_likelihood_follows_the_model_and_its_data() {
        let of = |model, sigma| ModelOptions {
            model,
            sigma,
            ..ModelOptions::default()
        };
        let likelihood = |options: ModelOptions, image: [usize; 3]| {
            let [height, width, channels] = image;
            let spec = options.spec(ImageShape::new(height, width, channels));
            spec.expect("a model").likelihood
        };
        let gaussian = |sigma| Likelihood::Gaussian { sigma };
        let (vae, row, photograph) = (ModelKind::Vae, [1, 9, 1], [32, 48, 3]);
        let error = Likelihood::SquaredError;
        assert_eq!(likelihood(of(ModelKind::Ae, None), row), error);
        assert_eq!(likelihood(of(ModelKind::Ae, None), photograph), error);
        assert_eq!(likelihood(of(vae, None), row), Likelihood::Bernoulli);
        let optimal = gaussian(Sigma::Optimal);
        assert_eq!(likelihood(of(vae, None), photograph), optimal);
        let learned = Some(Sigma::Learned(0.1));
        let own = gaussian(Sigma::Learned(0.1));
        assert_eq!(likelihood(of(vae, learned), photograph), own);
        // Zeros and ones, where no sigma is asked for.
        let binary = of(vae, None).of_binary_data();
        assert_eq!(likelihood(binary, photograph), Likelihood::Bernoulli);
        let binary = of(vae, learned).of_binary_data();
        assert_eq!(likelihood(binary, photograph), own);
        let named = ModelOptions {
            likelihood: Some(LikelihoodName::Gaussian),
            ..of(vae, None)
        };
        assert_eq!(likelihood(named.clone(), row), gaussian(Sigma::Fixed(1.0)));
        assert_eq!(likelihood(named, photograph), optimal);
    }

    #[test]
    fn sigma_without_a_gaussian_is_refused() {
        let options = ModelOptions {
            sigma: Some(Sigma::Fixed(0.5)),
            ..ModelOptions::default()
        };
        let error = options.spec(ImageShape::new(1, 1, 1));
        let error = error.expect_err("sigma of a Bernoulli");
        assert!(error.to_string().contains("`sigma = 0.5`"), "{error}");
    }
}
