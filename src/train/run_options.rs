//! What a user can choose of a run, as options and as the keys of a configuration.

use std::path::Path;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::data::{self, DataOptions};
use crate::model::ModelOptions;
use crate::option::{self, defaults};
use crate::plan::Tune;
use crate::train::{Checkpoints, InitFrom, Record, TrainOptions};

/// What a user can choose of a run: the options of `elbo train` that its configuration keeps.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunOptions {
    /// What is trained.
    #[command(flatten)]
    #[serde(flatten)]
    pub model: ModelOptions,
    /// Where the images come from.
    #[command(flatten)]
    #[serde(flatten)]
    pub data: DataConfig,
    /// How it is trained.
    #[command(flatten)]
    #[serde(flatten)]
    pub train: TrainOptions,
    /// Which checkpoints are kept.
    #[command(flatten)]
    #[serde(flatten)]
    pub checkpoints: Checkpoints,
    /// On what.
    #[command(flatten)]
    #[serde(flatten)]
    pub compute: Compute,
}

/// Where to compute, and how to find the fastest way there.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Compute {
    /// Where to compute: auto (a hardware GPU if there is one, otherwise the CPU), cpu, gpu (the best one), gpu:N (by
    /// its index in `elbo devices`) or gpu:NAME (a part of its name)
    #[arg(
        long,
        value_name = "DEVICE",
        default_value = "auto",
        help_heading = "Run"
    )]
    pub device: String,
    /// How long to measure a GPU's matrix product kernels before training, to choose the fastest
    #[arg(long, value_enum, default_value_t = Tune::Quick, help_heading = "Run")]
    pub tune: Tune,
}

impl Default for Compute {
    fn default() -> Self {
        defaults()
    }
}

/// Keys of a configuration that are no options: the images' size, the classes, and where a run comes from.
const OTHER_KEYS: [&str; 4] = ["image", "classes", INIT_FROM, RECORD];
pub(super) const INIT_FROM: &str = "init-from";
pub(super) const RECORD: &str = "record";

/// Reads the text of a configuration as a table of its keys, any of which may be left out.
///
/// # Errors
/// In words: the line and the key at fault.
pub fn read_table(text: &str) -> std::result::Result<toml::Table, String> {
    let old = |table: &toml::Table| {
        ["model", "data"]
            .iter()
            .any(|key| table.get(*key).is_some_and(toml::Value::is_table))
    };
    if toml::from_str(text).is_ok_and(|table| old(&table)) {
        return Err("an earlier version wrote it, whose keys stand in sections; now each is named as its option of \
                    training is and stands in none"
            .into());
    }
    let options = option::known::<RunOptions>()
        .into_iter()
        .map(|known| known.name);
    let names: Vec<String> = options.chain(OTHER_KEYS.map(str::to_owned)).collect();
    let table = option::read(text, &names, |table| {
        option::from_table::<RunOptions>(table)?;
        if let Some(from) = table.get(INIT_FROM) {
            InitFrom::deserialize(from.clone())?;
        }
        if let Some(record) = table.get(RECORD) {
            Record::deserialize(record.clone())?;
        }
        Ok(())
    });
    table.map_err(|fault| fault.to_string())
}

/// Where the images of a run come from and how they are read.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataConfig {
    /// Images to train on: digits (built in), mnist, fashion-mnist, or the path of a folder of pictures or of a file
    #[arg(
        id = "data",
        long = "data",
        value_name = "NAME|PATH",
        default_value = "digits",
        help_heading = "Data"
    )]
    #[serde(rename = "data")]
    pub source: String,
    /// How they are read.
    #[command(flatten)]
    #[serde(flatten)]
    pub options: DataOptions,
}

impl Default for DataConfig {
    fn default() -> Self {
        defaults()
    }
}

impl DataConfig {
    /// Makes the source and the cache mean the same from every working folder.
    #[must_use]
    pub fn anchored(self) -> Self {
        let cache = self
            .options
            .cache
            .map(|folder| std::path::absolute(&folder).unwrap_or(folder));
        Self {
            source: anchored(&self.source),
            options: DataOptions {
                cache,
                ..self.options
            },
        }
    }
}

/// A source that means the same from every working folder: a path becomes absolute.
pub fn anchored(source: &str) -> String {
    let path = Path::new(source);
    if data::names().all(|name| name != source)
        && path.exists()
        && let Ok(absolute) = std::path::absolute(path)
        && let Some(text) = absolute.to_str()
    {
        return text.to_owned();
    }
    source.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_of_the_data_lists_every_name() {
        let command = DataConfig::augment_args(clap::Command::new("train"));
        let option = command
            .get_arguments()
            .find(|option| option.get_long() == Some("data"));
        let help = option
            .and_then(|option| option.get_help())
            .expect("its help");
        let help = help.to_string();
        let listed: Vec<&str> = help.split([' ', ',', ':']).collect();
        for name in data::names() {
            assert!(listed.contains(&name), "{name}: {help}");
        }
    }

    #[test]
    fn a_path_is_anchored_and_a_name_is_not() {
        let anchored = |source: &str| {
            DataConfig {
                source: source.into(),
                ..DataConfig::default()
            }
            .anchored()
            .source
        };
        assert_eq!(anchored("digits"), "digits");
        assert_eq!(anchored("no-such-thing"), "no-such-thing");
        assert!(Path::new(&anchored("src")).is_absolute());
    }
}
