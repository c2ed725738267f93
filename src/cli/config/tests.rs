//! Tests of configurations.

use std::time::SystemTime;

use clap::Parser;

use super::*;
use crate::data::{Augment, Binarize, DataOptions};
use crate::kernel::Precision;
use crate::model::{Activation, Likelihood, ModelKind, NetName, Sigma};
use crate::number::Bytes;
use crate::plan::Tune;
use crate::train::{KlWeight, LearningRate, Record, Span};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: TrainArgs,
}

fn merged(flags: &str, text: &str) -> Result<Resolved> {
    let words = std::iter::once("train").chain(flags.split_whitespace());
    let line = Line::try_parse_from(words).expect("options");
    merge(&line.args, parse(text, Path::new("some.toml"))?)
}

fn resolve(flags: &str, text: &str) -> Resolved {
    merged(flags, text).expect("a resolved run")
}

#[test]
fn without_flags_and_file_the_reference_model_is_trained_on_the_digits() {
    let resolved = resolve("", "");
    let reference = ModelSpec {
        image: ImageShape::UNKNOWN,
        ..ModelSpec::reference()
    };
    assert_eq!(model(&resolved.model).expect("a model"), reference);
    assert_eq!(resolved.train, TrainOptions::default());
    assert_eq!(resolved.data, DataConfig::default());
    assert_eq!(resolved.data.source, "digits");
    assert_eq!(resolved.compute.device, "auto");
    assert_eq!(resolved.compute.tune, Tune::Quick);
}

#[test]
fn a_flag_counts_over_the_file_and_the_file_over_the_default() {
    let text = "device = \"cpu\"\nlatent = 7\nhidden = [5, 6]\nlr = 0.25\nseed = 9";
    let resolved = resolve("--lr 0.5 --latent 3", text);
    assert_eq!(resolved.model.latent, Some(3.into()), "flag over file");
    assert_eq!(resolved.train.learning_rate, 0.5, "flag over file");
    assert_eq!(
        resolved.model.net.hidden,
        Some(vec![5, 6]),
        "file over default"
    );
    assert_eq!(resolved.train.seed, 9, "file over default");
    assert_eq!(resolved.compute.device, "cpu", "file over default");
    assert_eq!(resolved.train.batch_size, 128, "default");
    // The default, asked for, counts over the file too.
    assert_eq!(resolve("--latent 20", text).model.latent, Some(20.into()));
}

#[test]
fn the_configuration_of_a_run_resolves_to_the_same_run() {
    let run = RunConfig {
        compute: Compute {
            device: "gpu:1".into(),
            tune: Tune::Full,
        },
        data: DataConfig {
            source: "/photos".into(),
            options: DataOptions {
                image_size: Some((8, 9)),
                channels: Some(3),
                test_fraction: 0.3,
                seed: 5,
                mirrors: vec!["http://localhost/".into()],
                ..DataOptions::default()
            },
        },
        model: ModelSpec {
            kind: ModelKind::Vae,
            image: ImageShape::new(8, 9, 3),
            encoder: [12, 11].into(),
            latent: 2.into(),
            activation: Activation::Gelu,
            likelihood: Likelihood::Gaussian {
                sigma: Sigma::Learned(0.3),
            },
            beta: 0.5,
            ..ModelSpec::reference()
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
            device_memory: Some(Bytes(3_000_000_000)),
            weight_decay: 0.1,
            grad_clip: 0.2,
            binarize: Binarize::Fixed,
            seed: 4,
            precision: Precision::F16,
            ema: 0.9,
            shards: 2,
            augment: Augment {
                flip: true,
                crop: 5,
            },
        },
        checkpoints: Checkpoints {
            every: Some(Span::Minutes(3.0)),
            keep: 8,
        },
        init_from: None,
        record: Record::new("CPU (2 threads)", "photos", SystemTime::UNIX_EPOCH),
    };
    let resolved = resolve("", &run.to_toml().expect("a TOML text"));
    assert_eq!(resolved.compute, run.compute);
    assert_eq!(resolved.data, run.data);
    assert_eq!(resolved.train, run.train);
    assert_eq!(resolved.checkpoints, run.checkpoints);
    assert_eq!(resolved.expected_image, Some(run.model.image));
    let model = resolved.model.spec(run.model.image);
    assert_eq!(model.expect("a model"), run.model);
}

#[test]
fn another_objective_forgets_the_settings_of_the_one_before() {
    let file = "objective = \"iwae\"\nimportance = 7\ngradient = \"dreg\"";
    let kept = resolve("--epochs 3", file);
    assert_eq!(kept.model.importance, Some(7));
    let other = resolve("--objective beta-tc", file);
    assert_eq!(other.model.importance, None);
    assert_eq!(model(&other.model).expect("a model").beta, 6.0);
    let of_elbo = "beta = 1.0\nsigma = \"optimal\"\nlikelihood = \"gaussian\"\nfree-bits = 0.5";
    let weighed = resolve("--objective iwae", of_elbo);
    assert_eq!((weighed.model.beta, weighed.model.sigma), (None, None));
    assert_eq!(weighed.train.free_bits, 0.0);
    let held = resolve("--capacity 20", of_elbo);
    assert_eq!(model(&held.model).expect("a model").beta, 10.0);
    let given = resolve("--capacity 20 --beta 4", of_elbo);
    assert_eq!(given.model.beta, Some(4.0));
    let same = resolve("--objective elbo", "beta = 3.0");
    assert_eq!(same.model.beta, Some(3.0));
}

/// A field whose key is not its flag would be lost when flags are laid over a file.
#[test]
fn every_flag_is_the_key_of_its_value() {
    for known in option::known::<RunOptions>() {
        let flag = format!("--{}", known.name);
        // One of these is a value of any option.
        let values = [
            "1", "a", "cpu", "vae", "relu", "gaussian", "none", "constant", "f32", "full", "nchw",
            "range", "white", "elbo", "mlp", "linear 1", "dreg", "class", "fsq", "8,5",
        ];
        let switch = Line::try_parse_from(["train", &flag]);
        let lines = values.map(|value| Line::try_parse_from(["train", &flag, value]));
        let line = lines.into_iter().chain([switch]).find_map(Result::ok);
        let line = line.unwrap_or_else(|| panic!("no value for {flag}: add one above"));
        let given = flags(&line.args).expect("a table");
        assert_eq!(given.keys().collect::<Vec<_>>(), [&known.name]);
    }
}

#[test]
fn a_batch_is_no_more_than_the_images_unless_somebody_asks_for_it() {
    let fitted = |flags: &str, text: &str, images| {
        let mut resolved = resolve(flags, text);
        let said = resolved.fit_batch(images).is_some();
        (resolved.train.batch_size, said)
    };
    assert_eq!(fitted("", "", 11), (11, true));
    assert_eq!(fitted("", "", 128), (128, false));
    assert_eq!(fitted("--batch-size 128", "", 11), (128, false));
    assert_eq!(fitted("", "batch-size = 128", 11), (128, false));
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    for (text, key) in [("epoch = 3", "epoch"), ("\nlatents = 3", "latents")] {
        let error = parse(text, Path::new("some.toml")).expect_err(text);
        let message = error.to_string();
        assert!(message.contains(&format!("`{key}`")), "{message}");
        assert!(message.contains("some.toml"), "{message}");
        assert_eq!(error.exit_code(), 2);
    }
}

#[test]
fn steps_down_without_their_schedule_are_refused() {
    let error = merged("--lr-step-factor 0.5", "").expect_err("a constant rate");
    assert!(error.to_string().contains("--lr-schedule step"), "{error}");
    let resolved = resolve("--lr-step-factor 0.5", "lr-schedule = \"step\"");
    assert_eq!(resolved.train.learning_rate_schedule.step_factor, 0.5);
}

#[test]
fn a_flag_for_another_likelihood_drops_the_sigma_of_the_file() {
    let text = "likelihood = \"gaussian\"\nsigma = 0.5";
    let of = |flags| {
        model(&resolve(flags, text).model)
            .expect("a model")
            .likelihood
    };
    assert_eq!(of("--likelihood bernoulli"), Likelihood::Bernoulli);
    let gaussian = Likelihood::Gaussian {
        sigma: Sigma::Fixed(0.5),
    };
    assert_eq!(of("--likelihood gaussian"), gaussian);
}

#[test]
fn a_flag_for_an_autoencoder_drops_the_weight_of_the_file_s_kl() {
    let text = "beta = 4.0\nkl-warmup = \"2\"\nfree-bits = 0.5";
    let resolved = resolve("--model ae", text);
    assert_eq!(resolved.model.beta, None);
    assert!(resolved.train.kl_schedule.is_constant());
    assert_eq!(resolved.train.free_bits, 0.0);
    // One that is the file's own is refused for it.
    let own = resolve("", &format!("model = \"ae\"\n{text}"));
    assert!(own.check_model().is_err());
}

#[test]
fn flags_for_layers_drop_those_of_the_file_that_they_replace() {
    let of = |flags: &str, text: &str| resolve(flags, text).model.net;
    let resnet = "net = \"resnet\"\nhidden = [9]\nblocks = 2\ndecoder = \"linear 9\"";
    let net = of("--blocks 3", resnet);
    assert_eq!(net.net, Some(NetName::Resnet));
    assert_eq!((net.hidden, net.blocks), (Some(vec![9]), Some(3)));
    assert_eq!(net.decoder, None);
    let net = of("--width 7", resnet);
    assert_eq!(
        (net.hidden, net.width, net.blocks),
        (None, Some(7), Some(2))
    );
    let only = NetOptions {
        net: Some(NetName::Mlp),
        ..NetOptions::default()
    };
    assert_eq!(of("--net mlp", resnet), only);
    // What the file says already is nothing new.
    assert_eq!(of("--blocks 2", resnet), of("", resnet));
}

#[test]
fn the_file_s_image_size_counts_unless_a_flag_changes_the_images() {
    let text = "image = \"8x8x1\"";
    let expected = Some(ImageShape::new(8, 8, 1));
    assert_eq!(resolve("", text).expected_image, expected);
    assert_eq!(resolve("--epochs 3", text).expected_image, expected);
    assert_eq!(resolve("--data mnist", text).expected_image, None);
}
