//! Models of every layer, whose exports are computed with.

use clap::ValueEnum;
use elbo::model::{Activation, Condition, LatentShape, Likelihood, ModelKind, ModelSpec, Sigma};
use elbo::shape::ImageShape;

/// Every activation with every loss as VAE and AE, small; the reference model; one of rows of values; residual ones.
pub(super) fn models() -> Vec<ModelSpec> {
    let gaussian = |sigma| Likelihood::Gaussian { sigma };
    let squared = [Likelihood::SquaredError, Likelihood::LinearSquaredError];
    let (fixed, learned) = (Sigma::Fixed(0.5), Sigma::Learned(0.5));
    let both = [Likelihood::Bernoulli, gaussian(fixed), gaussian(learned)];
    let mut all = vec![ModelSpec::reference()];
    for &activation in Activation::value_variants() {
        for kind in [ModelKind::Vae, ModelKind::Ae] {
            let own = squared.into_iter().filter(|_| kind == ModelKind::Ae);
            all.extend(both.into_iter().chain(own).map(|likelihood| ModelSpec {
                kind,
                image: ImageShape::new(4, 3, 2),
                encoder: [9, 7, 8].into(),
                latent: 5.into(),
                activation,
                likelihood,
                ..ModelSpec::reference()
            }));
        }
    }
    all.push(ModelSpec {
        image: ImageShape::new(1, 11, 1),
        encoder: [6].into(),
        ..ModelSpec::reference()
    });
    let layers = |text: &str| text.parse().expect("layers");
    for kind in [ModelKind::Vae, ModelKind::Ae] {
        all.push(ModelSpec {
            kind,
            image: ImageShape::new(4, 3, 2),
            encoder: layers("linear 9, residual(linear 5, residual(linear 5), linear 9), linear 7"),
            decoder: Some(layers("residual(linear 8, linear 5), linear 6")),
            latent: 5.into(),
            activation: Activation::Silu,
            likelihood: gaussian(learned),
            ..ModelSpec::reference()
        });
    }
    all
}

/// The same model, told one of three classes.
fn told(spec: ModelSpec) -> ModelSpec {
    let names = ["cat", "a\"\"\"b\\N", "eel\n\u{200b}"].map(str::to_owned);
    ModelSpec {
        condition: Some(Condition::new(names.to_vec())),
        ..spec
    }
}

/// A model whose codes are maps.
fn of_map(kind: ModelKind) -> ModelSpec {
    ModelSpec {
        kind,
        image: ImageShape::new(6, 5, 2),
        encoder: "conv 8 k3 /2, norm 4, conv 5 k3".parse().expect("layers"),
        latent: LatentShape::Map([3, 3, 2]),
        ..ModelSpec::reference()
    }
}

/// The same model with codes of levels.
fn of_levels(spec: ModelSpec, levels: &str) -> ModelSpec {
    ModelSpec {
        levels: Some(levels.parse().expect("levels")),
        ..spec
    }
}

/// Models of maps: every layer that takes one, and linear layers beside them. Models that are told a class.
pub(super) fn maps() -> Vec<ModelSpec> {
    let layers = |text: &str| text.parse().expect("layers");
    let encoder = "conv 8 k3 /2, norm 4, residual(norm 2, conv 6 k3, norm 3, conv 8 k1), linear 9";
    let decoder = "linear 9, linear 3x3x6, norm 3, tanh, up 4 to 6x5, norm 2, deconv 4 k3 *1, up 3, conv 2 k4 /2";
    let spec = |kind, activation, decoder| ModelSpec {
        kind,
        image: ImageShape::new(6, 5, 2),
        encoder: layers(encoder),
        decoder,
        latent: 5.into(),
        activation,
        ..ModelSpec::reference()
    };
    vec![
        spec(ModelKind::Vae, Activation::Silu, None),
        spec(ModelKind::Vae, Activation::Gelu, Some(layers(decoder))),
        spec(ModelKind::Ae, Activation::Relu, None),
        told(spec(ModelKind::Vae, Activation::Silu, None)),
        told(ModelSpec::reference()),
        of_map(ModelKind::Vae),
        of_map(ModelKind::Ae),
        told(of_map(ModelKind::Vae)),
        of_levels(of_map(ModelKind::Ae), "5,2"),
        of_levels(
            ModelSpec {
                kind: ModelKind::Ae,
                latent: 12.into(),
                ..ModelSpec::reference()
            },
            "8,5,6",
        ),
    ]
}
