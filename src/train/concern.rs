//! What is wrong with a run that goes on all the same: its losses and codes are numbers, and say nothing good.

use crate::data::{Images, Values};
use crate::error::Result;
use crate::model::{Likelihood, Loss, ModelSpec, Sigma, words};
use crate::train::metrics::Epoch;
use crate::train::{DIVERGENCE_HINT, RunConfig};

/// What is wrong with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// Its test loss is far beyond that of a model which has learned nothing.
    Astray,
    /// No latent dimension of its VAE says anything about an image.
    Collapsed,
}

/// Losses of a model that gives the same picture for every image: a loss far beyond them is of no use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Guess {
    /// Test loss beyond which training is astray.
    most: f64,
    /// Sigma beyond which it is, where training finds it.
    most_sigma: f64,
}

/// How many times further off than a guess a loss has to be. A model that learns is below a guess after its first steps,
/// and one whose learning rate is too high for it by far is beyond it by many orders of magnitude.
const FAR: f64 = 10.0;

/// The same of a sigma, which is the root of a squared error.
const FAR_SIGMA: f64 = 30.0;

/// Least mean square of the values that a guess is held to have missed: a model that has not yet learned misses values
/// that are all about zero by as much.
const LEAST_SQUARE: f64 = 0.25;

impl Guess {
    /// For a model of these images.
    ///
    /// # Errors
    /// Those of [`Images::read`].
    pub(super) fn new(spec: &ModelSpec, images: &Images) -> Result<Self> {
        let square = mean_square(images)?.max(LEAST_SQUARE);
        let normal = |sigma: f64| {
            0.5 * (std::f64::consts::TAU * sigma * sigma).ln() + 0.5 * square / (sigma * sigma)
        };
        let per_value = match spec.likelihood {
            Likelihood::Bernoulli => std::f64::consts::LN_2,
            Likelihood::Gaussian {
                sigma: Sigma::Fixed(sigma) | Sigma::Learned(sigma),
            } => normal(f64::from(sigma)),
            Likelihood::Gaussian {
                sigma: Sigma::Optimal,
            } => normal(square.sqrt()),
            Likelihood::SquaredError | Likelihood::LinearSquaredError => square,
        };
        // A likelihood's loss may be about zero or below: a nat per value is then the least that counts.
        let scale = match spec.likelihood.is_squared_error() {
            true => per_value,
            false => per_value.abs().max(1.0),
        };
        let found = spec.likelihood.found_sigma().map(Sigma::initial);
        Ok(Self {
            most: (per_value + FAR * scale) * spec.image.values() as f64,
            most_sigma: FAR_SIGMA * f64::from(found.unwrap_or(1.0)).max(square.sqrt()),
        })
    }

    /// Whether a test loss is far beyond it. A term counts by its weight, the KL by that which it had in the last step, but
    /// not by more than 1: a KL that is weighed a thousandfold is no sign of a fault.
    pub(super) fn is_far_below(
        &self,
        spec: &ModelSpec,
        test: &Loss,
        weight: f64,
        sigma: Option<f32>,
    ) -> bool {
        let terms = spec.objective().terms.iter();
        let counted = terms.map(|term| {
            let weight = match term.is_kl() {
                true => weight,
                false => term.weight(spec).into(),
            };
            weight.min(1.0) * test.term(term)
        });
        counted.sum::<f64>() > self.most || sigma.is_some_and(|s| f64::from(s) > self.most_sigma)
    }
}

/// Mean square of values as the model sees them.
fn mean_square(images: &Images) -> Result<f64> {
    let (mut of_bytes, mut of_floats) = (0_u64, 0.0);
    images.each_block(|values| {
        match values {
            Values::Bytes(bytes) => {
                let squares = bytes.iter().map(|&byte| u64::from(byte) * u64::from(byte));
                of_bytes += squares.sum::<u64>();
            }
            Values::Floats(values) => {
                let squares = values.iter().map(|&v| f64::from(v) * f64::from(v));
                of_floats = squares.fold(of_floats, |sum, square| sum + square);
            }
        }
        Ok(())
    })?;
    let values = images.len() * images.shape.values();
    Ok((of_bytes as f64 / (255.0 * 255.0) + of_floats) / values.max(1) as f64)
}

/// Steps before which codes that say nothing may only be new.
const FIRST_STEPS: u64 = 200;

/// A KL of all latent dimensions that is as good as none, nats.
const NO_KL: f64 = 0.001;

/// Whether the posterior of the last two of these epochs has collapsed onto the prior, and does not come back: no latent
/// dimension is active though the KL counts, and the KL does not rise or is nothing.
fn has_collapsed(epochs: &[&Epoch]) -> bool {
    let is_idle = |epoch: &Epoch| epoch.active_units == Some(0) && epoch.kl_weight > 0.0;
    let kl = |epoch: &Epoch| epoch.kl_per_unit.iter().sum::<f64>();
    let [.., before, last] = epochs else {
        return false;
    };
    let stays = kl(last) < NO_KL || kl(last) < 1.1 * kl(before);
    is_idle(before) && is_idle(last) && last.step >= FIRST_STEPS && stays
}

/// Learning rates above it are seldom of use: they drive codes to where they learn nothing, or losses out of sight.
const HIGH_RATE: f32 = 0.01;

/// Learning rates below it leave codes about where they began.
const LOW_RATE: f32 = 1e-5;

impl Concern {
    /// What is wrong with a run after the last of these epochs, which follow one another. A loss that is astray is worse
    /// than codes that say nothing, which it brings with it at times.
    pub fn of(epochs: &[&Epoch]) -> Option<Self> {
        match epochs.last() {
            Some(last) if last.astray => Some(Self::Astray),
            _ => has_collapsed(epochs).then_some(Self::Collapsed),
        }
    }

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Astray => "astray",
            Self::Collapsed => "collapsed",
        }
    }

    /// What is wrong after an epoch, in words.
    pub fn in_words(self, run: &RunConfig, epoch: &Epoch) -> String {
        match self {
            Self::Astray => format!(
                "training goes astray: the test loss after epoch {}, {}, is far beyond that of one grey picture for all images",
                epoch.epoch,
                loss(&run.model, epoch.test.total)
            ),
            Self::Collapsed => format!(
                "none of the {} latent dimensions is active after epoch {}: the posterior has collapsed onto the prior, and \
                 codes say nothing about their images",
                run.model.latent.values(),
                epoch.epoch
            ),
        }
    }

    /// What helps.
    pub fn hint(self, run: &RunConfig) -> String {
        let given = run.train.learning_rate;
        match self {
            Self::Astray if given > HIGH_RATE => {
                return "a smaller `lr = …` or `grad-clip = 1`".to_owned();
            }
            Self::Astray => return DIVERGENCE_HINT.to_owned(),
            Self::Collapsed => {}
        }
        let rate = match given {
            _ if given > HIGH_RATE => "a smaller `lr = …`, ",
            _ if given < LOW_RATE => "a larger `lr = …`, ",
            _ => "",
        };
        let sigma = match run.model.likelihood.sigma() {
            Some(Sigma::Fixed(_)) => "`sigma = optimal`, ",
            _ => "",
        };
        let kl = match run.model.objective().weighs_kl() {
            true => "a smaller `beta = …`, `kl-warmup = …` or `free-bits = …`",
            false => "`objective = elbo` with `kl-warmup = …` or `free-bits = …`",
        };
        format!("{rate}{sigma}{kl}")
    }
}

/// A loss with its unit, which is short whatever its size.
fn loss(spec: &ModelSpec, loss: f64) -> String {
    let number = match loss.abs() < 1e6 {
        true => words::number(spec, loss),
        false => format!("{loss:.1e}"),
    };
    format!("{number} {}", words::unit(spec))
}

/// Says at the end of a run that its last epoch is astray, and which one was better; `None` where it is not.
pub fn ending_in_words(run: &RunConfig, epochs: &[&Epoch]) -> Option<String> {
    let last = epochs.last().filter(|last| last.astray)?;
    let lower = |a: &&&Epoch, b: &&&Epoch| a.test.total.total_cmp(&b.test.total);
    let best = epochs.iter().min_by(lower)?;
    let is_of_use = match best.astray {
        true => ", which is of no more use",
        false => ", whose parameters best.safetensors has",
    };
    Some(format!(
        "training went astray: the last test loss is {}; the lowest is that of epoch {}, {}{is_of_use}",
        loss(&run.model, last.test.total),
        best.epoch,
        loss(&run.model, best.test.total),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::objectives::OBJECTIVES;
    use crate::shape::ImageShape;
    use crate::train::Record;
    use std::time::SystemTime;

    fn spec(likelihood: Likelihood) -> ModelSpec {
        ModelSpec {
            likelihood,
            image: ImageShape::new(2, 5, 1),
            ..ModelSpec::reference()
        }
    }

    fn is_far(spec: &ModelSpec, values: Values, terms: &[f64], weight: f64) -> bool {
        let guess = Guess::new(spec, &Images::new(spec.image, values)).expect("in memory");
        guess.is_far_below(spec, &Loss::new(spec, terms), weight, None)
    }

    #[test]
    fn a_loss_is_astray_by_the_loss_of_a_guess() {
        let grey = || Values::Floats(vec![0.5; 10]);
        let bernoulli = spec(Likelihood::Bernoulli);
        // 6.9 nats a guess, and ten times a nat for each of ten values beyond it.
        assert!(!is_far(&bernoulli, grey(), &[90.0, 16.0], 1.0));
        assert!(is_far(&bernoulli, grey(), &[90.0, 17.0], 1.0));
        assert!(is_far(&bernoulli, grey(), &[3.4e9, 0.0], 1.0));
        // A KL counts as it is weighed, and no more than once.
        assert!(!is_far(&bernoulli, grey(), &[7.0, 1e4], 1e-3));
        assert!(!is_far(&bernoulli, grey(), &[7.0, 90.0], 1e3));
        assert!(is_far(&bernoulli, grey(), &[7.0, 1e4], 0.1));
        let sharp = spec(Likelihood::Gaussian {
            sigma: Sigma::Fixed(0.01),
        });
        // 12,500 nats a guess.
        assert!(!is_far(&sharp, grey(), &[1e5, 0.0], 1.0));
        assert!(is_far(&sharp, grey(), &[1.4e5, 0.0], 1.0));
        let squares = spec(Likelihood::LinearSquaredError);
        let large = || Values::Floats(vec![-20.0; 10]);
        assert!(is_far(&squares, grey(), &[28.0, 0.0], 1.0));
        assert!(!is_far(&squares, large(), &[4e4, 0.0], 1.0));
        assert!(is_far(&squares, large(), &[4.5e4, 0.0], 1.0));
        assert!(!is_far(
            &squares,
            Values::Bytes(vec![0; 10]),
            &[2.5, 0.0],
            1.0
        ));
    }

    #[test]
    fn a_sigma_that_hides_a_loss_is_astray_itself() {
        let spec = spec(Likelihood::Gaussian {
            sigma: Sigma::Optimal,
        });
        let images = Images::new(spec.image, Values::Bytes(vec![255; 10]));
        let guess = Guess::new(&spec, &images).expect("in memory");
        let is_far = |sigma| guess.is_far_below(&spec, &Loss::new(&spec, &[40.0, 1.0]), 1.0, sigma);
        assert!(!is_far(None) && !is_far(Some(25.0)));
        assert!(is_far(Some(35.0)));
    }

    fn epoch(epoch: u32, active: usize, kl: f64, weight: f64) -> Epoch {
        Epoch {
            epoch,
            step: 200 * u64::from(epoch),
            train: Loss::default(),
            test: Loss::default(),
            learning_rate: 1e-3,
            kl_weight: weight,
            kl_target: None,
            active_units: Some(active),
            kl_per_unit: vec![kl / 2.0; 2],
            sigma: None,
            astray: false,
            images_per_s: 1.0,
            seconds: 1.0,
        }
    }

    #[test]
    fn a_posterior_has_collapsed_where_its_codes_stay_idle() {
        let after = |[one, two]: [Epoch; 2]| Concern::of(&[&one, &two]);
        let idle = |number, kl| epoch(number, 0, kl, 1.0);
        assert_eq!(
            after([idle(1, 2.5), idle(2, 2.0)]),
            Some(Concern::Collapsed)
        );
        assert_eq!(
            after([idle(1, 1e-5), idle(2, 2e-5)]),
            Some(Concern::Collapsed)
        );
        // The first epoch, and those in which the KL rises.
        assert_eq!(Concern::of(&[&idle(1, 0.0)]), None);
        assert_eq!(after([idle(1, 0.1), idle(2, 0.3)]), None);
        assert_eq!(after([epoch(1, 3, 2.5, 1.0), idle(2, 2.0)]), None);
        // The KL does not count, too few steps, a dimension that is active.
        assert_eq!(after([idle(1, 0.0), epoch(2, 0, 0.0, 0.0)]), None);
        assert_eq!(after([epoch(1, 0, 0.0, 0.0), idle(2, 0.0)]), None);
        assert_eq!(after([idle(0, 0.0), idle(0, 0.0)]), None);
        assert_eq!(after([idle(1, 0.0), epoch(2, 1, 0.0, 1.0)]), None);
        assert_eq!(Concern::of(&[]), None);
        let astray = Epoch {
            astray: true,
            ..idle(2, 0.0)
        };
        assert_eq!(Concern::of(&[&astray]), Some(Concern::Astray));
    }

    #[test]
    fn what_helps_against_a_collapse_goes_by_the_learning_rate() {
        let record = Record::new("CPU", "digits", SystemTime::UNIX_EPOCH);
        let mut run = RunConfig::new(ModelSpec::reference(), record);
        for (rate, expected) in [
            (1e-7, "a larger `lr"),
            (1e-3, "a smaller `beta"),
            (0.1, "a smaller `lr"),
        ] {
            run.train.learning_rate = rate;
            let hint = Concern::Collapsed.hint(&run);
            assert!(hint.starts_with(expected), "{rate}: {hint}");
        }
    }

    #[test]
    fn what_helps_against_a_collapse_is_what_the_objective_takes() {
        let record = Record::new("CPU", "digits", SystemTime::UNIX_EPOCH);
        let mut run = RunConfig::new(ModelSpec::reference(), record);
        for objective in OBJECTIVES.iter().copied().filter(|known| known.has_prior) {
            run.model.objective = Some(objective);
            let hint = Concern::Collapsed.hint(&run);
            let is_of_elbo = hint.contains("`objective = elbo` with");
            assert_eq!(
                is_of_elbo,
                !objective.weighs_kl(),
                "{}: {hint}",
                objective.name
            );
        }
    }

    #[test]
    fn the_end_of_a_run_that_is_astray_names_the_best_epoch() {
        let record = Record::new("CPU", "digits", SystemTime::UNIX_EPOCH);
        let run = RunConfig::new(ModelSpec::reference(), record);
        let with = |number, total, astray| Epoch {
            test: Loss {
                total,
                ..Loss::default()
            },
            astray,
            ..epoch(number, 1, 1.0, 1.0)
        };
        let [good, bad, worse] = [
            with(1, 150.0, false),
            with(2, 3e8, true),
            with(3, 4e8, true),
        ];
        assert_eq!(ending_in_words(&run, &[&bad, &good]), None);
        let text = ending_in_words(&run, &[&good, &bad]).expect("astray");
        for part in ["3.0e8 nats", "epoch 1, 150.00 nats", "best.safetensors"] {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
        let text = ending_in_words(&run, &[&bad, &worse]).expect("astray");
        assert!(
            text.contains("epoch 2") && text.contains("no more use"),
            "{text}"
        );
    }
}
