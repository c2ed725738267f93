//! Everything that determines a run, as plain data that is saved with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::run_options::{INIT_FROM, RECORD};
use crate::data::{Look, Reading};
use crate::draw::Shades;
use crate::error::{Error, Result};
use crate::model::{ModelOptions, ModelSpec};
use crate::option;
use crate::train::{
    Checkpoints, Compute, DataConfig, Position, RunOptions, TrainOptions, read_table, utc,
};

/// A run, fully resolved: what `config.toml` of a run folder holds.
///
/// The same file serves as a configuration that repeats the run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunConfig {
    /// The device that was asked for, and how its kernels are chosen.
    pub compute: Compute,
    /// Where the images come from.
    pub data: DataConfig,
    /// The model.
    pub model: ModelSpec,
    /// How it is trained.
    pub train: TrainOptions,
    /// Which checkpoints are kept.
    pub checkpoints: Checkpoints,
    /// The parameters that it started from, where they were not random ones.
    pub init_from: Option<InitFrom>,
    /// What happened to be used.
    pub record: Record,
}

/// Parameters that a run started from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct InitFrom {
    /// The file.
    pub file: PathBuf,
    /// Its hash.
    pub sha256: String,
}

/// What a run used, beyond what was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Record {
    /// The program's version.
    pub version: String,
    /// The device's name.
    pub device: String,
    /// Short name of the data set.
    pub data: String,
    /// How the data's numbers became the values that the model saw; others are taken in the same way.
    #[serde(default)]
    pub reading: Reading,
    /// Names of a table's columns; empty for other data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// What these values are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Look>,
    /// Start of the run, UTC, as `2026-01-31T23:59:59Z`.
    pub started: String,
    /// Kernel variant of each step of each plan, where the device had a choice.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kernels: BTreeMap<String, String>,
    /// Bytes of the device's memory that training holds, by what they are for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub device_memory: BTreeMap<String, u64>,
    /// Where the run went on after a stop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resumed: Vec<Resumed>,
}

impl Record {
    /// Of a run that this program starts now.
    pub fn new(device: impl Into<String>, data: impl Into<String>, started: SystemTime) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            device: device.into(),
            data: data.into(),
            reading: Reading::default(),
            columns: Vec::new(),
            values: None,
            started: utc(started),
            kernels: BTreeMap::new(),
            device_memory: BTreeMap::new(),
            resumed: Vec::new(),
        }
    }

    /// Notes that the run goes on from `position`, on `device`.
    pub fn go_on(&mut self, position: &Position, device: String) {
        self.resumed.push(Resumed {
            at: utc(SystemTime::now()),
            step: position.steps,
            device: std::mem::replace(&mut self.device, device),
            version: env!("CARGO_PKG_VERSION").into(),
        });
    }
}

/// A place where a run went on after a stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Resumed {
    /// When, UTC.
    pub at: String,
    /// After how many steps.
    pub step: u64,
    /// On which device.
    pub device: String,
    /// By which version of the program.
    pub version: String,
}

impl RunConfig {
    /// Whether its data have exactly two values, as far as is known.
    pub fn is_binary(&self) -> bool {
        self.record.values.as_ref().is_some_and(|look| look.binary)
    }

    /// A run of a model in which everything else is by default.
    pub fn new(model: ModelSpec, record: Record) -> Self {
        let RunOptions {
            data,
            train,
            checkpoints,
            compute,
            ..
        } = RunOptions::default();
        Self {
            compute,
            data,
            model,
            train,
            checkpoints,
            init_from: None,
            record,
        }
    }

    /// Which values its pictures show as black and white, and whether two channels are grey and alpha.
    pub fn shades(&self) -> Shades {
        let range = self.record.reading.range;
        let shades = range.map_or_else(Shades::default, |(least, greatest)| {
            Shades::of(least, greatest)
        });
        shades.with_grey_alpha(self.has_alpha())
    }

    /// Whether the last channel of its images is alpha: that of four, and that of two where these were asked for as grey
    /// and alpha. An array may have two channels of any meaning.
    pub fn has_alpha(&self) -> bool {
        match self.model.image.channels {
            4 => true,
            2 => self.data.options.channels == Some(2),
            _ => false,
        }
    }

    /// The text of `config.toml`.
    ///
    /// # Errors
    /// [`Error::Internal`] where a value has no place in TOML.
    pub fn to_toml(&self) -> Result<String> {
        self.written().map_err(|e| {
            Error::internal(format!(
                "the run's configuration cannot be written as TOML: {e}"
            ))
        })
    }

    fn written(&self) -> std::result::Result<String, toml::ser::Error> {
        let mut text = String::from(
            "# The options that this run was made from; a new run with this file as its `config` repeats it.\n",
        );
        for part in [
            toml::to_string(&ModelOptions::from(&self.model))?,
            toml::to_string(&self.data)?,
            toml::to_string(&self.train)?,
            toml::to_string(&self.checkpoints)?,
            toml::to_string(&self.compute)?,
        ] {
            text += "\n";
            text += &part;
        }
        let mut rest = toml::Table::new();
        if let Some(from) = &self.init_from {
            rest.insert(INIT_FROM.into(), toml::Value::try_from(from)?);
        }
        rest.insert(RECORD.into(), toml::Value::try_from(&self.record)?);
        Ok(text + "\n" + &toml::to_string(&rest)?)
    }

    /// Where `other` differs in what was asked for: not in what happened to be used.
    ///
    /// # Errors
    /// [`Error::Config`] where a value has no place in TOML.
    pub fn differences(&self, other: &Self) -> Result<Vec<Change>> {
        let table = |config: &Self| -> Result<toml::Table> {
            let mut table: toml::Table =
                toml::from_str(&config.to_toml()?).map_err(|e| Error::internal(e.to_string()))?;
            table.remove("record");
            Ok(table)
        };
        let mut found = Vec::new();
        compare("", &table(self)?, &table(other)?, &mut found);
        Ok(found)
    }

    /// Reads the text of the `config.toml` that lies at `path`.
    ///
    /// # Errors
    /// [`Error::Model`] with the line and the key at fault.
    pub fn from_toml(text: &str, path: &Path) -> Result<Self> {
        let wrong = |what: String| {
            let hint = "the folder of a run that this version of the program made";
            Error::model(path, what, hint)
        };
        let table = read_table(text).map_err(wrong)?;
        let part = |key: &str| table.get(key).cloned();
        let missing = |key: &str| wrong(format!("it has no `{key}`"));
        let broken = |e: toml::de::Error| wrong(e.message().to_owned());
        let options: RunOptions = option::from_table(&table).map_err(broken)?;
        let image = options.model.image.ok_or_else(|| missing("image"))?;
        let record = part(RECORD).ok_or_else(|| missing(RECORD))?;
        let from = part(INIT_FROM).map(InitFrom::deserialize).transpose();
        Ok(Self {
            model: options
                .model
                .spec(image)
                .map_err(|e| wrong(e.to_string()))?,
            compute: options.compute,
            data: options.data,
            train: options.train,
            checkpoints: options.checkpoints,
            init_from: from.map_err(broken)?,
            record: Record::deserialize(record).map_err(broken)?,
        })
    }
}

/// A value that two configurations have otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its key, as `model.latent`.
    pub key: String,
    /// In the one, as TOML; `nothing` where it is absent.
    pub one: String,
    /// In the other.
    pub other: String,
}

/// Adds the differences of two tables under `prefix`.
fn compare(prefix: &str, one: &toml::Table, other: &toml::Table, found: &mut Vec<Change>) {
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    for name in keys {
        let key = format!("{prefix}{name}");
        match (one.get(name), other.get(name)) {
            (Some(toml::Value::Table(one)), Some(toml::Value::Table(other))) => {
                compare(&format!("{key}."), one, other, found);
            }
            (one, other) if one != other => {
                let text = |value: Option<&toml::Value>| {
                    value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
                };
                found.push(Change {
                    key,
                    one: text(one),
                    other: text(other),
                });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Augment, Binarize, DataOptions};
    use crate::kernel::Precision;
    use crate::model::{Activation, Likelihood, ModelKind, Sigma};
    use crate::number::Bytes;
    use crate::plan::Tune;
    use crate::shape::ImageShape;
    use crate::train::{Decay, KlWeight, LearningRate, Span};

    fn config() -> RunConfig {
        let record = Record::new("CPU (2 threads)", "digits", SystemTime::UNIX_EPOCH);
        RunConfig::new(ModelSpec::reference(), record)
    }

    fn resumed() -> Resumed {
        Resumed {
            at: "2026-01-31T23:59:59Z".into(),
            step: 7,
            device: "CPU (2 threads)".into(),
            version: "0.1.0".into(),
        }
    }

    fn reread(config: &RunConfig) -> RunConfig {
        let text = config.to_toml().expect("a TOML text");
        RunConfig::from_toml(&text, Path::new("config.toml")).expect("the same configuration")
    }

    #[test]
    fn two_channels_are_grey_and_alpha_only_where_these_were_asked_for() {
        let has_alpha = |channels, asked| {
            let mut config = config();
            config.model.image = ImageShape::new(8, 8, channels);
            config.data.options.channels = asked;
            assert_eq!(reread(&config).has_alpha(), config.has_alpha());
            let two = Shades::default().with_grey_alpha(config.has_alpha());
            assert_eq!(config.shades(), two);
            config.has_alpha()
        };
        assert!(has_alpha(2, Some(2)));
        assert!(!has_alpha(2, None), "an array's two channels");
        assert!(!has_alpha(1, None) && !has_alpha(3, Some(3)));
        assert!(has_alpha(4, None) && has_alpha(4, Some(4)));
    }

    #[test]
    fn a_written_configuration_reads_back_equal() {
        let plain = config();
        assert_eq!(reread(&plain), plain);
        let full = RunConfig {
            compute: Compute {
                device: "gpu:\"odd\" name".into(),
                tune: Tune::Full,
            },
            data: DataConfig {
                source: "/images/with space".into(),
                options: DataOptions {
                    image_size: Some((32, 48)),
                    channels: Some(3),
                    test_fraction: 0.15,
                    seed: 7,
                    mirrors: vec!["http://localhost:1/a".into(), "http://localhost:1/b".into()],
                    ..DataOptions::default()
                },
            },
            model: ModelSpec {
                kind: ModelKind::Ae,
                image: ImageShape::new(32, 48, 3),
                encoder: [512, 256].into(),
                latent: 3.into(),
                activation: Activation::LeakyRelu,
                likelihood: Likelihood::Gaussian {
                    sigma: Sigma::Learned(0.1),
                },
                ..ModelSpec::reference()
            },
            train: TrainOptions {
                epochs: 3,
                batch_size: 7,
                learning_rate: 3e-4,
                learning_rate_schedule: LearningRate {
                    warm_up: Span::Steps(7),
                    decay: Decay::Step,
                    step_every: Span::Epochs(2.5),
                    step_factor: 0.3,
                },
                kl_schedule: KlWeight {
                    warm_up: Span::Epochs(0.1),
                    cycles: 3,
                },
                free_bits: 0.1,
                patience: 4,
                log_every: 5,
                pictures_every: Some(2),
                device_memory: Some(Bytes(4 << 30)),
                weight_decay: 1e-7,
                grad_clip: 0.7,
                binarize: Binarize::Dynamic,
                seed: u64::MAX,
                precision: Precision::F16,
                ema: 0.99,
                shards: 2,
                augment: Augment {
                    flip: true,
                    crop: 4,
                },
            },
            checkpoints: Checkpoints {
                every: Some(Span::Minutes(2.5)),
                keep: 3,
            },
            init_from: Some(InitFrom {
                file: "/runs/a/model.safetensors".into(),
                sha256: "0f".into(),
            }),
            record: Record {
                resumed: vec![resumed()],
                ..plain.record.clone()
            },
        };
        assert_eq!(reread(&full), full);
    }

    #[test]
    fn a_broken_configuration_names_the_file_the_line_and_the_key() {
        let text = config().to_toml().expect("a TOML text");
        let broken = text.replace("batch-size", "batch-sise");
        let line = broken
            .lines()
            .position(|l| l.contains("batch-sise"))
            .expect("the key")
            + 1;
        let error =
            RunConfig::from_toml(&broken, Path::new("run/config.toml")).expect_err("a typo");
        let message = error.to_string();
        for part in ["run/config.toml", &format!("line {line}"), "batch-sise"] {
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(error.exit_code(), 3);
    }
}
