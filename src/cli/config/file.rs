//! What a configuration file says.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::cli::model::LikelihoodName;
use crate::data::Binarize;
use crate::device::Precision;
use crate::error::{Error, Result};
use crate::model::{Activation, ModelKind};
use crate::plan::Tune;
use crate::shape::ImageShape;
use crate::train::{InitFrom, KlWeight, LearningRate, Record, RunConfig, Span, toml_fault};

/// What `--config` takes: the file of a [`crate::train::RunConfig`], any part of which may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(in crate::cli) struct FileConfig {
    pub(super) device: Option<String>,
    pub(super) tune: Option<Tune>,
    pub(super) data: FileData,
    pub(super) model: FileModel,
    pub(super) train: FileTrain,
    pub(super) checkpoints: FileCheckpoints,
    pub(in crate::cli) init_from: Option<InitFrom>,
    /// What an earlier run happened to use; it decides nothing.
    #[serde(rename = "record")]
    _record: Option<Record>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct FileData {
    pub(super) source: Option<String>,
    pub(super) image_size: Option<(usize, usize)>,
    pub(super) channels: Option<usize>,
    pub(super) test_fraction: Option<f64>,
    pub(super) split_seed: Option<u64>,
    pub(super) mirrors: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(in crate::cli) struct FileModel {
    pub(super) kind: Option<ModelKind>,
    pub(super) image: Option<ImageShape>,
    pub(super) hidden: Option<Vec<usize>>,
    pub(super) latent: Option<usize>,
    pub(super) activation: Option<Activation>,
    pub(super) likelihood: Option<FileLikelihood>,
    pub(super) beta: Option<f32>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct FileLikelihood {
    pub(super) name: LikelihoodName,
    pub(super) sigma: Option<f32>,
    pub(super) learned: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct FileTrain {
    pub(super) epochs: Option<u32>,
    pub(super) batch_size: Option<usize>,
    pub(super) learning_rate: Option<f32>,
    pub(super) learning_rate_schedule: LearningRate,
    pub(super) kl_schedule: KlWeight,
    pub(super) free_bits: Option<f32>,
    pub(super) patience: Option<u32>,
    pub(super) log_every: Option<u32>,
    pub(super) pictures_every: Option<u32>,
    pub(super) weight_decay: Option<f32>,
    pub(super) grad_clip: Option<f32>,
    pub(super) binarize: Option<Binarize>,
    pub(super) seed: Option<u64>,
    pub(super) precision: Option<Precision>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct FileCheckpoints {
    pub(super) every: Option<Span>,
    pub(super) keep: Option<usize>,
}

impl FileConfig {
    /// Reads a configuration file.
    pub(in crate::cli) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(Error::io(path, "read the configuration"))?;
        Self::parse(&text, path)
    }

    /// The configuration of a run.
    pub(in crate::cli) fn of(run: &RunConfig) -> Result<Self> {
        Self::parse(&run.to_toml()?, Path::new("the run's config.toml"))
    }

    /// Its model, for images of any size.
    pub(in crate::cli) fn into_model(self) -> FileModel {
        FileModel {
            image: None,
            ..self.model
        }
    }

    /// Leaves out what weighs the KL of a variational model that a flag has replaced: it says nothing about an
    /// autoencoder. One that is the file's own is refused for it.
    pub(super) fn forget_kl(&mut self) {
        if self.model.kind != Some(ModelKind::Ae) {
            self.model.beta = None;
            self.train.kl_schedule = KlWeight::default();
            self.train.free_bits = None;
        }
    }

    /// The same, with a model in the place of what it does not say of its own.
    pub(in crate::cli) fn with_model(mut self, model: FileModel) -> Self {
        let own = self.model;
        self.model = FileModel {
            kind: own.kind.or(model.kind),
            image: own.image.or(model.image),
            hidden: own.hidden.or(model.hidden),
            latent: own.latent.or(model.latent),
            activation: own.activation.or(model.activation),
            likelihood: own.likelihood.or(model.likelihood),
            beta: own.beta.or(model.beta),
        };
        self
    }

    pub(in crate::cli) fn parse(text: &str, path: &Path) -> Result<Self> {
        toml::from_str(text).map_err(|e| {
            Error::config(
                format!("--config {}: {}", path.display(), toml_fault(text, &e)),
                "the keys of a run's config.toml, each of which may be left out",
            )
        })
    }
}
