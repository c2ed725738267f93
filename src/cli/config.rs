//! Which value counts: the flag's, the configuration file's, or the default.

mod file;

pub(super) use file::{FileConfig, FileModel};

use file::{FileCheckpoints, FileData, FileLikelihood, FileTrain};

use super::model::{LikelihoodName, ModelArgs, Sigma};
use super::train::TrainArgs;
use crate::error::{Error, Result};
use crate::model::{Likelihood, ModelKind, ModelSpec};
use crate::plan::Tune;
use crate::shape::ImageShape;
use crate::train::{Checkpoints, DataConfig, Decay, KlWeight, LearningRate, TrainOptions};

/// Stands for the images' size until they are loaded.
const UNKNOWN_IMAGE: ImageShape = ImageShape::new(1, 1, 1);

/// A run, but for the size of its images, which the data tells.
#[derive(Debug, PartialEq)]
pub(super) struct Resolved {
    /// As `--device` takes it.
    pub(super) device: String,
    pub(super) tune: Tune,
    pub(super) data: DataConfig,
    /// Its `image` stands for an unknown one.
    pub(super) model: ModelSpec,
    pub(super) train: TrainOptions,
    pub(super) checkpoints: Checkpoints,
    /// Size that the configuration file says the images have, unless a flag changes the images.
    pub(super) expected_image: Option<ImageShape>,
}

/// Flag over file over default.
pub(super) fn merge(args: &TrainArgs, mut file: FileConfig) -> Result<Resolved> {
    if args.model.model == Some(ModelKind::Ae) {
        file.forget_kl();
    }
    let train = train(args, &file.train);
    let steps_down = args.lr_step_every.is_some() || args.lr_step_factor.is_some();
    if steps_down && train.learning_rate_schedule.decay != Decay::Step {
        return Err(Error::config(
            "--lr-step-every and --lr-step-factor belong to --lr-schedule step, and the schedule is another",
            "--lr-schedule step, or neither of them",
        ));
    }
    let other_images = args.data.is_some() || args.image_size.is_some() || args.channels.is_some();
    let expected_image = file.model.image.filter(|_| !other_images);
    Ok(Resolved {
        device: args
            .device
            .clone()
            .or(file.device)
            .unwrap_or_else(|| "auto".into()),
        tune: args.tune.or(file.tune).unwrap_or_default(),
        data: data(args, file.data),
        model: model(&args.model, file.model)?,
        train,
        checkpoints: checkpoints(args, &file.checkpoints),
        expected_image,
    })
}

fn data(args: &TrainArgs, file: FileData) -> DataConfig {
    let default = DataConfig::default();
    DataConfig {
        source: args.data.clone().or(file.source).unwrap_or(default.source),
        image_size: args
            .image_size
            .map(|size| (size.height, size.width))
            .or(file.image_size),
        channels: args.channels.or(file.channels),
        test_fraction: args
            .test_fraction
            .or(file.test_fraction)
            .unwrap_or(default.test_fraction),
        split_seed: file.split_seed.unwrap_or(default.split_seed),
        mirrors: if args.mirror.is_empty() {
            file.mirrors
        } else {
            args.mirror.clone()
        },
    }
}

/// The model, whose `image` stands for an unknown one.
pub(super) fn model(args: &ModelArgs, file: FileModel) -> Result<ModelSpec> {
    let default = ModelSpec::reference();
    let kind = args.model.or(file.kind).unwrap_or(default.kind);
    let beta = args.beta.or(file.beta).unwrap_or(default.beta);
    if kind == ModelKind::Ae && beta != 1.0 {
        return Err(Error::config(
            format!("--beta {beta}: an autoencoder has no KL to weigh"),
            "--model vae, or no --beta",
        ));
    }
    Ok(ModelSpec {
        kind,
        image: UNKNOWN_IMAGE,
        hidden: args
            .hidden
            .clone()
            .or(file.hidden)
            .unwrap_or(default.hidden),
        latent: args.latent.or(file.latent).unwrap_or(default.latent),
        activation: args
            .activation
            .or(file.activation)
            .unwrap_or(default.activation),
        likelihood: likelihood(kind, args, file.likelihood)?,
        beta,
    })
}

fn likelihood(
    kind: ModelKind,
    args: &ModelArgs,
    file: Option<FileLikelihood>,
) -> Result<Likelihood> {
    let name = args
        .likelihood
        .or(file.map(|f| f.name))
        .unwrap_or(match kind {
            ModelKind::Vae => LikelihoodName::Bernoulli,
            ModelKind::Ae => LikelihoodName::SquaredError,
        });
    // A sigma beside another likelihood that a flag has replaced says nothing about this one.
    let (file_sigma, file_learned) = match file {
        Some(f) if f.name == name => (f.sigma, f.learned),
        _ => (None, None),
    };
    if name != LikelihoodName::Gaussian {
        if args.sigma.is_some() || file_sigma.is_some() || file_learned.is_some() {
            return Err(Error::config(
                "--sigma belongs to --likelihood gaussian, and the likelihood is another",
                "--likelihood gaussian, or no --sigma",
            ));
        }
        return Ok(match name {
            LikelihoodName::SquaredError => Likelihood::SquaredError,
            LikelihoodName::LinearSquaredError => Likelihood::LinearSquaredError,
            _ => Likelihood::Bernoulli,
        });
    }
    let (sigma, learned) = match args.sigma {
        Some(Sigma::Fixed(sigma)) => (sigma, false),
        Some(Sigma::Learned) => (1.0, true),
        None => (file_sigma.unwrap_or(1.0), file_learned.unwrap_or(false)),
    };
    Ok(Likelihood::Gaussian { sigma, learned })
}

fn train(args: &TrainArgs, file: &FileTrain) -> TrainOptions {
    let default = TrainOptions::default();
    let (rate, kl) = (file.learning_rate_schedule, file.kl_schedule);
    TrainOptions {
        epochs: args.epochs.or(file.epochs).unwrap_or(default.epochs),
        batch_size: args
            .batch_size
            .or(file.batch_size)
            .unwrap_or(default.batch_size),
        learning_rate: args
            .lr
            .or(file.learning_rate)
            .unwrap_or(default.learning_rate),
        learning_rate_schedule: LearningRate {
            warm_up: args.lr_warmup.unwrap_or(rate.warm_up),
            decay: args.lr_schedule.unwrap_or(rate.decay),
            step_every: args.lr_step_every.unwrap_or(rate.step_every),
            step_factor: args.lr_step_factor.unwrap_or(rate.step_factor),
        },
        kl_schedule: KlWeight {
            warm_up: args.kl_warmup.unwrap_or(kl.warm_up),
            cycles: args.kl_cycles.unwrap_or(kl.cycles),
        },
        free_bits: args
            .free_bits
            .or(file.free_bits)
            .unwrap_or(default.free_bits),
        patience: args.patience.or(file.patience).unwrap_or(default.patience),
        log_every: args
            .log_every
            .or(file.log_every)
            .unwrap_or(default.log_every),
        pictures_every: args.pictures_every.or(file.pictures_every),
        weight_decay: args
            .weight_decay
            .or(file.weight_decay)
            .unwrap_or(default.weight_decay),
        grad_clip: args
            .grad_clip
            .or(file.grad_clip)
            .unwrap_or(default.grad_clip),
        binarize: args.binarize.or(file.binarize).unwrap_or(default.binarize),
        seed: args.seed.or(file.seed).unwrap_or(default.seed),
        precision: args
            .precision
            .or(file.precision)
            .unwrap_or(default.precision),
    }
}

fn checkpoints(args: &TrainArgs, file: &FileCheckpoints) -> Checkpoints {
    let default = Checkpoints::default();
    Checkpoints {
        every: args
            .checkpoint_every
            .or(file.every)
            .unwrap_or(default.every),
        keep: args.keep.or(file.keep).unwrap_or(default.keep),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::SystemTime;

    use super::*;
    use crate::data::Binarize;
    use crate::device::Precision;
    use crate::model::Activation;
    use crate::train::{Record, RunConfig, Span};

    fn file(text: &str) -> FileConfig {
        FileConfig::parse(text, Path::new("some.toml")).expect("a configuration")
    }

    fn with_model(model: ModelArgs) -> TrainArgs {
        TrainArgs {
            model,
            ..TrainArgs::default()
        }
    }

    fn resolve(args: &TrainArgs, text: &str) -> Resolved {
        merge(args, file(text)).expect("a resolved run")
    }

    #[test]
    fn without_flags_and_file_the_reference_model_is_trained_on_the_digits() {
        let resolved = resolve(&TrainArgs::default(), "");
        let reference = ModelSpec {
            image: UNKNOWN_IMAGE,
            ..ModelSpec::reference()
        };
        assert_eq!(resolved.model, reference);
        assert_eq!(resolved.train, TrainOptions::default());
        assert_eq!(resolved.data, DataConfig::default());
        assert_eq!(resolved.device, "auto");
        assert_eq!(resolved.tune, Tune::Quick);
    }

    #[test]
    fn a_flag_counts_over_the_file_and_the_file_over_the_default() {
        let args = TrainArgs {
            lr: Some(0.5),
            ..with_model(ModelArgs {
                latent: Some(3),
                ..ModelArgs::default()
            })
        };
        let text = "device = \"cpu\"\n[model]\nlatent = 7\nhidden = [5, 6]\n[train]\nlearning-rate = 0.25\nseed = 9";
        let resolved = resolve(&args, text);
        assert_eq!(resolved.model.latent, 3, "flag over file");
        assert_eq!(resolved.train.learning_rate, 0.5, "flag over file");
        assert_eq!(resolved.model.hidden, [5, 6], "file over default");
        assert_eq!(resolved.train.seed, 9, "file over default");
        assert_eq!(resolved.device, "cpu", "file over default");
        assert_eq!(resolved.train.batch_size, 128, "default");
    }

    #[test]
    fn the_configuration_of_a_run_resolves_to_the_same_run() {
        let run = RunConfig {
            device: "gpu:1".into(),
            tune: Tune::Full,
            data: DataConfig {
                source: "/photos".into(),
                image_size: Some((8, 9)),
                channels: Some(3),
                test_fraction: 0.3,
                split_seed: 5,
                mirrors: vec!["http://localhost/".into()],
            },
            model: ModelSpec {
                kind: ModelKind::Vae,
                image: ImageShape::new(8, 9, 3),
                hidden: vec![12, 11],
                latent: 2,
                activation: Activation::Gelu,
                likelihood: Likelihood::Gaussian {
                    sigma: 0.3,
                    learned: true,
                },
                beta: 0.5,
            },
            train: TrainOptions {
                epochs: 2,
                batch_size: 3,
                learning_rate: 3e-4,
                learning_rate_schedule: LearningRate {
                    warm_up: Span::Steps(3),
                    decay: Decay::Cosine,
                    step_every: Span::Epochs(7.0),
                    step_factor: 0.7,
                },
                kl_schedule: KlWeight {
                    warm_up: Span::Epochs(0.5),
                    cycles: 2,
                },
                free_bits: 0.3,
                patience: 6,
                log_every: 9,
                pictures_every: Some(4),
                weight_decay: 0.1,
                grad_clip: 0.2,
                binarize: Binarize::Fixed,
                seed: 4,
                precision: Precision::F16,
            },
            checkpoints: Checkpoints {
                every: Span::Minutes(3.0),
                keep: 8,
            },
            init_from: None,
            record: Record::new("CPU (2 threads)", "photos", SystemTime::UNIX_EPOCH),
        };
        let text = run.to_toml().expect("a TOML text");
        let resolved = resolve(&TrainArgs::default(), &text);
        assert_eq!(resolved.device, run.device);
        assert_eq!(resolved.tune, run.tune);
        assert_eq!(resolved.data, run.data);
        assert_eq!(resolved.train, run.train);
        assert_eq!(resolved.checkpoints, run.checkpoints);
        assert_eq!(resolved.expected_image, Some(run.model.image));
        let model = ModelSpec {
            image: run.model.image,
            ..resolved.model
        };
        assert_eq!(model, run.model);
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        for (text, key) in [
            ("epochs = 3", "epochs"),
            ("[train]\nepoch = 3", "epoch"),
            ("[model]\nlatents = 3", "latents"),
            (
                "[model.likelihood]\nname = \"gaussian\"\nsigme = 3",
                "sigme",
            ),
        ] {
            let error = FileConfig::parse(text, Path::new("some.toml")).expect_err(text);
            let message = error.to_string();
            assert!(message.contains(&format!("`{key}`")), "{message}");
            assert!(message.contains("some.toml"), "{message}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn the_default_likelihood_follows_the_model() {
        let args = with_model(ModelArgs {
            model: Some(ModelKind::Ae),
            ..ModelArgs::default()
        });
        assert_eq!(
            resolve(&args, "").model.likelihood,
            Likelihood::SquaredError
        );
    }

    #[test]
    fn steps_down_without_their_schedule_are_refused() {
        let args = TrainArgs {
            lr_step_factor: Some(0.5),
            ..TrainArgs::default()
        };
        let error = merge(&args, FileConfig::default()).expect_err("a constant rate");
        assert!(error.to_string().contains("--lr-schedule step"), "{error}");
        let text = "[train.learning-rate-schedule]\ndecay = \"step\"";
        let resolved = resolve(&args, text);
        assert_eq!(resolved.train.learning_rate_schedule.step_factor, 0.5);
    }

    #[test]
    fn a_learned_sigma_starts_at_one() {
        let args = with_model(ModelArgs {
            likelihood: Some(LikelihoodName::Gaussian),
            sigma: Some(Sigma::Learned),
            ..ModelArgs::default()
        });
        let expected = Likelihood::Gaussian {
            sigma: 1.0,
            learned: true,
        };
        assert_eq!(resolve(&args, "").model.likelihood, expected);
    }

    #[test]
    fn sigma_without_a_gaussian_is_refused() {
        let args = with_model(ModelArgs {
            sigma: Some(Sigma::Fixed(0.5)),
            ..ModelArgs::default()
        });
        let error = merge(&args, FileConfig::default()).expect_err("sigma of a Bernoulli");
        assert!(error.to_string().contains("--sigma"), "{error}");
    }

    #[test]
    fn a_flag_for_another_likelihood_drops_the_sigma_of_the_file() {
        let args = with_model(ModelArgs {
            likelihood: Some(LikelihoodName::Bernoulli),
            ..ModelArgs::default()
        });
        let text = "[model.likelihood]\nname = \"gaussian\"\nsigma = 0.5";
        assert_eq!(resolve(&args, text).model.likelihood, Likelihood::Bernoulli);
    }

    #[test]
    fn beta_of_an_autoencoder_is_refused() {
        let args = with_model(ModelArgs {
            model: Some(ModelKind::Ae),
            beta: Some(4.0),
            ..ModelArgs::default()
        });
        assert!(merge(&args, FileConfig::default()).is_err());
    }

    #[test]
    fn other_data_on_the_command_line_drop_the_image_size_of_the_file() {
        let text = "[model.image]\nheight = 8\nwidth = 8\nchannels = 1";
        let args = TrainArgs {
            data: Some("mnist".into()),
            ..TrainArgs::default()
        };
        assert_eq!(resolve(&args, text).expected_image, None);
    }
}
