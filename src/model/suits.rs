//! Which choices go together: the one table that says so.

use clap::ValueEnum;

use crate::error::{Error, Result};
use crate::model::objectives::OBJECTIVES;
use crate::model::{Likelihood, ModelKind, ModelOptions, ModelSpec, Sigma};

/// Choices of training that only some models have.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choices {
    /// Whether the weight of the KL changes from step to step.
    pub kl_schedule: bool,
    /// Whether some nats of the KL are free.
    pub free_bits: bool,
    /// Parts of a batch whose gradients are added; 0 where nothing is said of it.
    pub shards: usize,
    /// Images of a batch; 0 where nothing is said of it.
    pub batch_size: usize,
}

/// What somebody chose.
struct Chosen<'a> {
    model: &'a ModelOptions,
    training: Choices,
}

/// A choice that goes with some models only.
struct Rule {
    /// It, as a setting; `None` where nobody made it.
    choice: fn(&Chosen<'_>) -> Option<String>,
    /// Whether a model goes with it.
    suits: fn(&ModelSpec) -> bool,
    /// Why the others do not.
    why: fn(&ModelSpec) -> String,
    /// What does.
    hint: fn(&ModelSpec) -> String,
}

/// The table.
static RULES: &[Rule] = &[
    Rule {
        choice: |chosen| {
            chosen
                .model
                .objective
                .map(|o| format!("`objective = {}`", o.name))
        },
        suits: |spec| spec.objective().has_prior == spec.is_variational(),
        why: |spec| format!("not of the {}", spec.kind.text()),
        hint: |spec| {
            let own = OBJECTIVES
                .iter()
                .filter(|known| known.has_prior == spec.is_variational());
            let names: Vec<String> = own
                .map(|known| format!("`objective = {}`", known.name))
                .collect();
            names.join(", ")
        },
    },
    Rule {
        choice: |chosen| {
            chosen
                .model
                .importance
                .map(|k| format!("`importance = {k}`"))
        },
        suits: is_weighed,
        why: |spec| {
            format!(
                "`objective = {}` has one sample of the code of an image",
                spec.objective().name
            )
        },
        hint: |_| "`objective = iwae`, or no `importance = …`".to_owned(),
    },
    Rule {
        choice: |chosen| {
            chosen
                .model
                .gradient
                .map(|estimator| format!("`gradient = {estimator}`"))
        },
        suits: is_weighed,
        why: |spec| {
            format!(
                "`objective = {}` has one gradient only",
                spec.objective().name
            )
        },
        hint: |_| "`objective = iwae`, or no `gradient = …`".to_owned(),
    },
    Rule {
        choice: |chosen| {
            let weight = chosen.model.beta.filter(|&beta| beta != 1.0);
            weight.map(|beta| format!("`beta = {beta}`"))
        },
        suits: |spec| spec.objective().beta.is_some(),
        why: |spec| match spec.is_variational() {
            true => format!(
                "`objective = {}` is a bound whose KL has no weight",
                spec.objective().name
            ),
            false => "an autoencoder has no KL to weight".to_owned(),
        },
        hint: |_| "`model = vae` with `objective = elbo`, or no `beta = …`".to_owned(),
    },
    Rule {
        choice: |chosen| {
            let training = chosen.training;
            (training.kl_schedule || training.free_bits)
                .then(|| "`free-bits = …`, `kl-warmup = …`, `kl-cycles = …`".to_owned())
        },
        suits: |spec| spec.objective().weighs_kl() && spec.beta > 0.0,
        why: |spec| match spec.is_variational() {
            true if spec.objective().weighs_kl() => {
                "they weigh a KL that has a weight, and it is 0".to_owned()
            }
            true => format!(
                "they weigh the KL, and in `objective = {}` it has no weight of its own",
                spec.objective().name
            ),
            false => "they weigh the KL, and an autoencoder has none".to_owned(),
        },
        hint: |_| {
            "`model = vae` with `objective = elbo` and `beta = 1`, or none of these".to_owned()
        },
    },
    Rule {
        choice: |chosen| {
            chosen
                .model
                .capacity
                .map(|nats| format!("`capacity = {nats}`"))
        },
        suits: |spec| spec.objective().weighs_kl(),
        why: |spec| match spec.is_variational() {
            true => format!(
                "in `objective = {}` the KL has no weight of its own",
                spec.objective().name
            ),
            false => "an autoencoder has no KL to hold".to_owned(),
        },
        hint: |_| {
            "`model = vae` with `objective = elbo` or `objective = mmd`, or no `capacity = …`"
                .to_owned()
        },
    },
    Rule {
        choice: |chosen| {
            chosen
                .training
                .free_bits
                .then(|| "`free-bits = …`".to_owned())
        },
        suits: |spec| spec.capacity.is_none(),
        why: |_| "a KL that is held at a capacity has no free bits".to_owned(),
        hint: |_| "one of `capacity = …` and `free-bits = …`".to_owned(),
    },
    Rule {
        choice: |chosen| {
            chosen
                .model
                .mmd_weight
                .map(|weight| format!("`mmd-weight = {weight}`"))
        },
        suits: |spec| spec.objective().takes_mmd(),
        why: |spec| {
            format!(
                "`objective = {}` has no discrepancy to weigh",
                spec.objective().name
            )
        },
        hint: |spec| match spec.is_variational() {
            true => "`objective = mmd`, or no `mmd-weight = …`".to_owned(),
            false => "`objective = wae`, or no `mmd-weight = …`".to_owned(),
        },
    },
    Rule {
        choice: |chosen| {
            let shards = chosen.training.shards;
            (shards > 1).then(|| format!("`shards = {shards}`"))
        },
        suits: |spec| !spec.objective().of_batch && spec.capacity.is_none(),
        why: |spec| {
            let what = match spec.capacity {
                Some(_) => "a capacity".to_owned(),
                None => format!("`objective = {}`", spec.objective().name),
            };
            format!(
                "{what} is of all images of a batch, so that those of its parts do not add up to it"
            )
        },
        hint: |_| {
            "`shards = 1` and one process, or `objective = elbo` or `objective = iwae` without `capacity = …`"
                .to_owned()
        },
    },
    Rule {
        choice: |chosen| (chosen.training.batch_size == 1).then(|| "`batch-size = 1`".to_owned()),
        suits: |spec| !spec.objective().of_batch,
        why: |spec| {
            format!(
                "`objective = {}` compares the images of a batch, of which one has no other",
                spec.objective().name
            )
        },
        hint: |_| "`batch-size = 128`".to_owned(),
    },
    Rule {
        choice: |chosen| {
            let classes = &chosen.model.classes;
            (!classes.is_empty()).then(|| format!("`classes` {classes:?}"))
        },
        suits: |spec| spec.condition.is_some(),
        why: |_| "they are names for a model that is told the class of an image".to_owned(),
        hint: |_| "`condition = class` with them, or a configuration without `classes`".to_owned(),
    },
    Rule {
        choice: |chosen| chosen.model.sigma.map(|sigma| format!("`sigma = {sigma}`")),
        suits: |spec| matches!(spec.likelihood, Likelihood::Gaussian { .. }),
        why: |_| "it belongs to `likelihood = gaussian`, and the likelihood is another".to_owned(),
        hint: |_| "`likelihood = gaussian`, or no `sigma = …`".to_owned(),
    },
    Rule {
        choice: |chosen| {
            let optimal = chosen.model.sigma.filter(|&sigma| sigma == Sigma::Optimal);
            optimal.map(|_| "`sigma = optimal`".to_owned())
        },
        suits: |spec| !is_weighed(spec),
        why: |spec| {
            format!(
                "it is the likeliest one where all codes count alike, and `objective = {}` weighs them",
                spec.objective().name
            )
        },
        hint: |_| "`sigma = learned:0.1`, or `objective = elbo`".to_owned(),
    },
    Rule {
        choice: |chosen| {
            let name = chosen.model.likelihood?.to_possible_value()?;
            Some(format!("`likelihood = {}`", name.get_name()))
        },
        suits: |spec| !spec.likelihood.is_squared_error() || spec.kind == ModelKind::Ae,
        why: |_| "the loss of an autoencoder, not a likelihood".to_owned(),
        hint: |_| "`likelihood = gaussian` (with `sigma = …`), or `model = ae`".to_owned(),
    },
];

fn is_weighed(spec: &ModelSpec) -> bool {
    spec.objective().weighs_codes
}

/// Checks that what somebody said of a model goes with the model that came of it.
pub(super) fn check(options: &ModelOptions, spec: &ModelSpec) -> Result<()> {
    check_chosen(options, Choices::default(), spec)
}

impl ModelSpec {
    /// Checks that choices of training go with the model.
    ///
    /// # Errors
    /// [`Error::Config`] with the choice, and with models that have it.
    pub fn check_training(&self, training: Choices) -> Result<()> {
        check_chosen(&ModelOptions::from(self), training, self)
    }
}

fn check_chosen(model: &ModelOptions, training: Choices, spec: &ModelSpec) -> Result<()> {
    let chosen = Chosen { model, training };
    for rule in RULES {
        if let Some(choice) = (rule.choice)(&chosen)
            && !(rule.suits)(spec)
        {
            let what = format!("{choice}: {}", (rule.why)(spec));
            return Err(Error::config(what, (rule.hint)(spec)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Estimator, LikelihoodName};
    use crate::shape::ImageShape;

    /// What somebody says, and part of the message that refuses it.
    type Said = (fn(&mut ModelOptions), &'static str, &'static str);

    fn objective(options: &mut ModelOptions, name: &str) {
        options.objective = OBJECTIVES.iter().find(|known| known.name == name).copied();
        assert!(options.objective.is_some(), "{name}");
    }

    fn assert_refused<const N: usize>(said: [Said; N]) {
        for (say, what, hint) in said {
            let mut options = ModelOptions::default();
            say(&mut options);
            let spec = options.spec(ImageShape::new(28, 28, 1));
            let error = spec.expect_err(what).to_string();
            assert!(
                error.contains(what) && error.contains(hint),
                "{what}: {error}"
            );
        }
    }

    #[test]
    fn objectives_refuse_the_settings_of_others() {
        assert_refused([
            (
                |o| objective(o, "wae"),
                "`objective = wae`: not of",
                "`objective = elbo`",
            ),
            (
                |o| o.importance = Some(5),
                "`importance = 5`",
                "`objective = iwae`",
            ),
            (
                |o| o.gradient = Some(Estimator::Dreg),
                "`gradient = dreg`",
                "`objective = iwae`",
            ),
            (
                |o| o.mmd_weight = Some(2.0),
                "`mmd-weight = 2`",
                "`objective = mmd`",
            ),
            (
                |o| {
                    objective(o, "iwae");
                    o.beta = Some(2.0);
                },
                "`beta = 2`: `objective = iwae` is a bound",
                "`objective = elbo`",
            ),
            (
                |o| {
                    objective(o, "iwae");
                    o.capacity = Some(2.0);
                },
                "`capacity = 2`",
                "`objective = elbo`",
            ),
        ]);
    }

    #[test]
    fn likelihoods_and_autoencoders_refuse_what_they_do_not_have() {
        assert_refused([
            (
                |o| {
                    objective(o, "iwae");
                    o.likelihood = Some(LikelihoodName::Gaussian);
                    o.sigma = Some(Sigma::Optimal);
                },
                "`sigma = optimal`",
                "`sigma = learned:0.1`",
            ),
            (
                |o| o.sigma = Some(Sigma::Fixed(2.0)),
                "`sigma = 2`",
                "`likelihood = gaussian`",
            ),
            (
                |o| o.likelihood = Some(LikelihoodName::SquaredError),
                "`likelihood = squared-error`",
                "`model = ae`",
            ),
            (
                |o| {
                    o.model = ModelKind::Ae;
                    o.beta = Some(2.0);
                },
                "an autoencoder has no KL",
                "`model = vae`",
            ),
            (
                |o| {
                    o.model = ModelKind::Ae;
                    o.capacity = Some(2.0);
                },
                "an autoencoder has no KL",
                "`model = vae`",
            ),
            (
                |o| {
                    o.model = ModelKind::Ae;
                    objective(o, "iwae");
                },
                "`objective = iwae`: not of",
                "`objective = reconstruction`",
            ),
        ]);
    }

    #[test]
    fn training_that_a_model_does_not_have_is_refused_with_what_does() {
        let of = |name: &str, change: fn(&mut ModelOptions)| {
            let mut options = ModelOptions::default();
            objective(&mut options, name);
            change(&mut options);
            options.spec(ImageShape::new(28, 28, 1)).expect("a model")
        };
        let capacity = of("elbo", |options| options.capacity = Some(3.0));
        let scheduled = Choices {
            kl_schedule: true,
            ..Choices::default()
        };
        let free = Choices {
            free_bits: true,
            ..Choices::default()
        };
        let shards = Choices {
            shards: 4,
            ..Choices::default()
        };
        let alone = Choices {
            batch_size: 1,
            ..Choices::default()
        };
        for (spec, training, what) in [
            (of("iwae", |_| {}), scheduled, "`kl-warmup = …`"),
            (of("beta-tc", |_| {}), free, "`free-bits = …`"),
            (
                of("beta-tc", |_| {}),
                shards,
                "`shards = 4`: `objective = beta-tc` is of all",
            ),
            (of("mmd", |_| {}), shards, "`shards = 4`: `objective = mmd`"),
            (capacity.clone(), shards, "`shards = 4`: a capacity"),
            (capacity.clone(), free, "`free-bits = …`: a KL that is held"),
            (
                of("beta-tc", |_| {}),
                alone,
                "`batch-size = 1`: `objective = beta-tc` compares",
            ),
            (of("mmd", |_| {}), scheduled, "it is 0"),
        ] {
            let error = spec.check_training(training).expect_err(what).to_string();
            assert!(error.contains(what), "{what}: {error}");
        }
        for (spec, training) in [
            (capacity, scheduled),
            (of("mmd", |options| options.beta = Some(0.5)), scheduled),
            (of("iwae", |_| {}), shards),
        ] {
            spec.check_training(training).expect("what goes together");
        }
    }
}
