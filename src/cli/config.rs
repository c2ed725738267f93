//! Which value of an option counts: the flag's, the configuration file's, that of a run to start from, or the default.
//!
//! Each of them but the defaults is a table of keys; they are laid over each other and read once.

use std::fs;
use std::path::Path;

use toml::{Table, Value};

use super::train::TrainArgs;
use crate::error::{Error, Result};
use crate::model::{ModelKind, ModelOptions, ModelSpec, NetOptions};
use crate::number::counted;
use crate::option;
use crate::shape::ImageShape;
use crate::train::{
    Checkpoints, Compute, DataConfig, Decay, InitFrom, RunConfig, RunOptions, TrainOptions,
    read_table,
};

/// Key of the parameters that a run starts from.
const INIT_FROM: &str = "init-from";

/// A run, but for the size of its images, which the data tell.
#[derive(Debug, PartialEq)]
pub(super) struct Resolved {
    pub(super) compute: Compute,
    pub(super) data: DataConfig,
    pub(super) model: ModelOptions,
    pub(super) train: TrainOptions,
    pub(super) checkpoints: Checkpoints,
    /// Size that the configuration file says the images have, unless a flag changes the images.
    pub(super) expected_image: Option<ImageShape>,
    /// Whether somebody asked for the number of images in a batch.
    batch_is_given: bool,
}

impl Resolved {
    /// Checks of the model what does not need the images' size.
    pub(super) fn check_model(&self) -> Result<()> {
        let mut options = self.model.clone();
        let needs_images = options.net.needs_images();
        if needs_images {
            options.net = NetOptions::default();
        }
        // Whether a sigma has a Gaussian waits for them too, where nobody said what the loss is.
        if options.likelihood.is_none() {
            options.sigma = None;
        }
        let spec = model(&options)?;
        match needs_images || spec.is_of_maps() {
            true => spec.check_values()?,
            false => spec.validate()?,
        }
        self.train.check_model(&spec)
    }

    /// The batch, where nobody asked for another: all training images where there are fewer than in the usual one.
    pub(super) fn fit_batch(&mut self, images: usize) -> Option<String> {
        if self.batch_is_given || images >= self.train.batch_size || images == 0 {
            return None;
        }
        self.train.batch_size = images;
        let count = counted(images as u64, "training image");
        Some(format!(
            "a batch has all {count}: --batch-size chooses another number"
        ))
    }
}

/// Reads a configuration file.
pub(super) fn read(path: &Path) -> Result<Table> {
    let text = fs::read_to_string(path).map_err(Error::io(path, "read the configuration"))?;
    parse(&text, path)
}

/// The configuration of a run.
pub(super) fn of(run: &RunConfig) -> Result<Table> {
    parse(&run.to_toml()?, Path::new("the run's config.toml"))
}

fn parse(text: &str, path: &Path) -> Result<Table> {
    read_table(text).map_err(|fault| {
        Error::config(
            format!("--config {}: {fault}", path.display()),
            "the keys of a run's config.toml, each of which may be left out",
        )
    })
}

/// The parameters that a configuration starts from, taken out of it.
pub(super) fn take_init_from(file: &mut Table) -> Result<Option<InitFrom>> {
    let Some(found) = file.remove(INIT_FROM) else {
        return Ok(None);
    };
    found.try_into().map(Some).map_err(unusable)
}

/// A configuration, with a run's model in the place of what it does not say of its own.
pub(super) fn with_model(file: Table, run: &RunConfig) -> Result<Table> {
    let mut both = option::table(&ModelOptions {
        image: None,
        ..ModelOptions::from(&run.model)
    })
    .map_err(unusable)?;
    forget_objective(&mut both, &file);
    both.extend(file);
    Ok(both)
}

fn unusable(reason: impl std::fmt::Display) -> Error {
    Error::internal(format!("the options do not make a configuration: {reason}"))
}

/// What the command line gives.
pub(super) fn flags(args: &TrainArgs) -> Result<Table> {
    args.options.table().map_err(unusable)
}

/// Flag over file over default.
pub(super) fn merge(args: &TrainArgs, mut file: Table) -> Result<Resolved> {
    let flags = flags(args)?;
    forget(&mut file, &flags);
    // What says how data are read may change the size of their images.
    let reads = option::known::<DataConfig>().into_iter();
    if reads
        .map(|known| known.name)
        .any(|key| flags.contains_key(&key))
    {
        file.remove("image");
    }
    let mut all = file;
    all.extend(flags.clone());
    let options: RunOptions = option::from_table(&all).map_err(unusable)?;
    check_steps_down(&options.train, &flags)?;
    Ok(Resolved {
        compute: options.compute,
        data: options.data,
        train: options.train,
        checkpoints: options.checkpoints,
        expected_image: options.model.image,
        model: options.model,
        batch_is_given: all.contains_key("batch-size"),
    })
}

/// The model that flags alone describe.
pub(super) fn model(options: &ModelOptions) -> Result<ModelSpec> {
    options.spec(ImageShape::UNKNOWN)
}

/// Drops what the file says of a model or likelihood that a flag has replaced: it says nothing about this one. What
/// does not fit the file's own is refused for it.
fn forget(file: &mut Table, flags: &Table) {
    let replaced = |key: &str, old: &Value| flags.get(key).is_some_and(|new| new != old);
    let vae = Value::String("vae".into());
    let ae = Value::String("ae".into());
    let old = file.get("model").unwrap_or(&vae).clone();
    if old != ae && flags.get("model") == Some(&ae) {
        for key in ["beta", "kl-warmup", "kl-cycles", "free-bits"] {
            file.remove(key);
        }
    }
    if replaced("model", &old) {
        for key in OF_OBJECTIVE.iter().chain(&["objective"]) {
            file.remove(*key);
        }
    }
    forget_objective(file, flags);
    forget_layers(file, flags);
    let other = file
        .get("likelihood")
        .is_some_and(|old| replaced("likelihood", old));
    if other {
        file.remove("sigma");
    }
    for (flag, key) in [("standardize", "scale"), ("scale", "standardize")] {
        if flags.contains_key(flag) {
            file.remove(key);
        }
    }
}

/// What a model has of its objective: another one has another default of it, or none.
const OF_OBJECTIVE: [&str; 5] = ["beta", "capacity", "mmd-weight", "importance", "gradient"];

/// Drops what the file says of an objective that a flag has replaced; and of the weight of a KL that is to be held now.
fn forget_objective(file: &mut Table, flags: &Table) {
    let name = |table: &Table| {
        table
            .get("objective")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let default = match file.get("model").and_then(Value::as_str) {
        Some("ae") => ModelKind::Ae.objective().name,
        _ => ModelKind::Vae.objective().name,
    };
    let old = name(file).unwrap_or_else(|| default.to_owned());
    if name(flags).is_some_and(|new| new != old) {
        for key in OF_OBJECTIVE
            .iter()
            .chain(&["kl-warmup", "kl-cycles", "free-bits"])
        {
            file.remove(*key);
        }
        // It was the default, perhaps, which may be another now.
        if file.get("sigma").and_then(Value::as_str) == Some("optimal") {
            file.remove("sigma");
        }
    }
    if flags.contains_key("capacity") && !file.contains_key("capacity") {
        file.remove("beta");
    }
}

/// Drops what the file says of layers that flags say anew. Those of a decoder were made for the others.
fn forget_layers(file: &mut Table, flags: &Table) {
    let replaced: Vec<&[&str]> = [
        ("net", &["hidden", "width", "blocks", "encoder"][..]),
        ("encoder", &["net", "hidden", "width", "blocks"]),
        ("hidden", &["width", "encoder"]),
        ("width", &["hidden", "encoder"]),
        ("blocks", &["encoder"]),
    ]
    .into_iter()
    .filter(|(key, _)| {
        flags
            .get(*key)
            .is_some_and(|new| file.get(*key) != Some(new))
    })
    .map(|(_, others)| others)
    .collect();
    if !replaced.is_empty() {
        file.remove("decoder");
    }
    for key in replaced.concat() {
        file.remove(key);
    }
}

fn check_steps_down(train: &TrainOptions, flags: &Table) -> Result<()> {
    let given = ["lr-step-every", "lr-step-factor"];
    let given = given.iter().any(|key| flags.contains_key(*key));
    if given && train.learning_rate_schedule.decay != Decay::Step {
        return Err(Error::config(
            "--lr-step-every and --lr-step-factor belong to --lr-schedule step, and the schedule is another",
            "--lr-schedule step, or neither of them",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
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
        assert_eq!(resolved.model.latent, Some(3), "flag over file");
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
        assert_eq!(resolve("--latent 20", text).model.latent, Some(20));
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
                latent: 2,
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
                "1", "a", "cpu", "vae", "relu", "gaussian", "none", "constant", "f32", "full",
                "nchw", "range", "white", "elbo", "mlp", "linear 1", "dreg",
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
}
