use super::*;
use crate::model::{Estimator, LatentKind, Levels, LikelihoodName};
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
            |o| o.latent_kind = Some(LatentKind::Fsq),
            "`latent-kind = fsq`: the codes of a variational",
            "`model = ae`",
        ),
        (
            |o| {
                o.model = ModelKind::Ae;
                o.latent_kind = Some(LatentKind::Fsq);
                objective(o, "wae");
            },
            "`latent-kind = fsq`: `objective = wae` holds",
            "`objective = reconstruction`",
        ),
        (
            |o| {
                o.model = ModelKind::Ae;
                o.levels = Some(Levels::usual());
            },
            "`levels = 8,5,5,5`",
            "`latent-kind = fsq`",
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
