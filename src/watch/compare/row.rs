//! A run as a row of a table, or as an object.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Loss, words};
use crate::train::metrics::Epoch;
use crate::watch::{Run, Status};

/// What stands where a run has no such figure.
pub(super) const NONE: &str = "–";

/// Name of the column of models.
pub(super) const MODEL: &str = "model";

/// A column of words: its name and its text.
pub(super) type Column = (&'static str, fn(&Row) -> String);

/// Columns that are left out where they are the same in all rows.
pub(super) const COLUMNS: [Column; 4] = [
    // The weight of the KL has a column of its own where it differs.
    (MODEL, |row| match row.differs.contains_key("beta") {
        true => row.layers.clone(),
        false => row.model.clone(),
    }),
    ("parameters", |row| words::grouped(row.parameters)),
    ("data", |row| row.data.clone()),
    ("device", |row| row.device.clone()),
];

/// A run in a table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its folder's name, or the path where names are equal.
    pub run: String,
    /// Model in words.
    pub model: String,
    /// The same without the weight of the KL.
    #[serde(skip)]
    pub(super) layers: String,
    /// Number of parameters.
    pub parameters: u64,
    /// Name of the data set.
    pub data: String,
    /// Hash of its images; none before the run's first checkpoint.
    pub data_sha256: Option<String>,
    /// Unit of the losses.
    pub unit: &'static str,
    /// Whether the loss is the negative ELBO.
    pub loss_is_negative_elbo: bool,
    /// The epoch of the lowest figure that its group compares.
    pub best: Option<Losses>,
    /// The last epoch.
    pub last: Option<Losses>,
    /// Finished epochs.
    pub epochs: u32,
    /// Epochs that were asked for.
    pub epochs_asked: u32,
    /// Training images per second.
    pub images_per_s: Option<f64>,
    /// The device's name.
    pub device: String,
    /// Seconds of training.
    pub seconds: Option<f64>,
    /// Whether it goes on.
    pub status: Status,
    /// Configuration values that are not the same in all runs.
    pub differs: BTreeMap<String, String>,
}

/// Test losses after an epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Losses {
    /// Epoch, counted from 1.
    pub epoch: u32,
    /// The loss and its terms.
    #[serde(flatten)]
    pub loss: Loss,
    /// None where the terms do not add up to it.
    pub negative_elbo: Option<f64>,
}

impl Losses {
    pub(super) fn of(run: &Run, epoch: &Epoch) -> Self {
        Self {
            epoch: epoch.epoch,
            loss: epoch.test.clone(),
            negative_elbo: run.config.model.objective().negative_elbo(&epoch.test),
        }
    }
}

impl Row {
    /// The text of a column of words, or of a setting.
    pub(super) fn text(&self, name: &str) -> String {
        let column = COLUMNS.iter().find(|column| column.0 == name);
        match column {
            Some((_, of)) => of(self),
            None => self.differs.get(name).map_or(NONE.to_owned(), Clone::clone),
        }
    }
}
