//! Which choices go together: the one table that says so.

#[cfg(test)]
mod tests;

use clap::ValueEnum;

use crate::error::{Error, Result};
use crate::model::objectives::OBJECTIVES;
use crate::model::{Condition, Likelihood, ModelKind, ModelOptions, ModelSpec, Sigma};

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
        choice: |chosen| {
            let kind = chosen.model.latent_kind?.to_possible_value()?;
            Some(format!("`latent-kind = {}`", kind.get_name()))
        },
        suits: |spec| spec.levels.is_none() || !spec.has_prior(),
        why: |spec| match spec.is_variational() {
            true => "the codes of a variational autoencoder are draws, which are no whole numbers"
                .to_owned(),
            false => format!(
                "`objective = {}` holds codes to a density, which whole numbers have none of",
                spec.objective().name
            ),
        },
        hint: |_| "`model = ae` with `objective = reconstruction`".to_owned(),
    },
    Rule {
        choice: |chosen| {
            let levels = chosen.model.levels.as_ref();
            levels.map(|levels| format!("`levels = {levels}`"))
        },
        suits: |spec| spec.levels.is_some(),
        why: |_| "they are those of codes that are rounded, and the model's are not".to_owned(),
        hint: |_| "`latent-kind = fsq` with `model = ae`".to_owned(),
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
            let known = Condition::new(classes.clone());
            (!classes.is_empty()).then(|| format!("`classes`, {}", known.in_words()))
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
