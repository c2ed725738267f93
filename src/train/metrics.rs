//! `metrics.jsonl`: what a run measured, a JSON object a line.

mod reading;
mod thinned;

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_with::with_prefix;

use crate::error::{Error, Result};
use crate::model::Loss;

pub(super) use reading::{Extent, scan};
pub(super) use thinned::Thinned;

/// A line of `metrics.jsonl`; its field `kind` is `report` or `epoch`.
///
/// Two runs of equal configuration on one device differ in `seconds` and `images_per_s` only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Line {
    /// Some steps of a running epoch.
    Report(Report),
    /// A finished epoch.
    Epoch(Epoch),
}

/// The steps since the last report, or since the start of the epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Epoch, counted from 1.
    pub epoch: u32,
    /// Optimiser steps since the start of training.
    pub step: u64,
    /// Mean over the images of these steps, each before its update: fields `loss`, and one for each term of the
    /// objective (`reconstruction`, `kl`).
    #[serde(flatten)]
    pub loss: Loss,
    /// Adam's step size in the last of these steps.
    pub learning_rate: f64,
    /// Weight of the KL in the last of these steps.
    pub kl_weight: f64,
    /// What the KL was held at in the last of these steps, nats; absent where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl_target: Option<f64>,
    /// Training images per second since the start of the epoch, or since training went on in it.
    pub images_per_s: f64,
    /// Seconds of training, those before a stop included.
    pub seconds: f64,
}

/// An epoch and the test after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Epoch, counted from 1.
    pub epoch: u32,
    /// Optimiser steps since the start of training.
    pub step: u64,
    /// Mean over the epoch's batches, each before its update: fields `train_loss`, `train_reconstruction`, ….
    #[serde(flatten, with = "train")]
    pub train: Loss,
    /// Mean over the test images after the epoch: fields `test_loss`, `test_reconstruction`, ….
    #[serde(flatten, with = "test")]
    pub test: Loss,
    /// Adam's step size in the last step.
    pub learning_rate: f64,
    /// Weight of the KL in the last step.
    pub kl_weight: f64,
    /// What the KL was held at in the last step, nats; absent where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl_target: Option<f64>,
    /// Latent dimensions whose mean varies over the test images by a variance above 0.01 (Burda et al. 2016);
    /// absent for an autoencoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_units: Option<usize>,
    /// KL of each latent dimension, mean over the test images, nats; empty for an autoencoder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kl_per_unit: Vec<f64>,
    /// The standard deviation of a Gaussian likelihood that training finds, learned or optimal, in units of the values
    /// as the model sees them; absent where it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma: Option<f32>,
    /// Whether the test loss is far beyond that of one grey picture for all images; absent where it is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub astray: bool,
    /// Training images per second.
    pub images_per_s: f64,
    /// Seconds of training, those before a stop included.
    pub seconds: f64,
}

with_prefix!(train "train_");
with_prefix!(test "test_");

impl Line {
    /// The line's text with its end, for the file at `path`.
    pub(super) fn text(&self, path: &Path) -> Result<String> {
        let text = serde_json::to_string(self);
        let text = text.map_err(|e| Error::io(path, "encode a line")(e.into()))?;
        // JSON has no number for it, and no reader of the line would know one.
        if text.contains("null") {
            let reason = format!("a number in it is not finite: {text}");
            return Err(Error::io(path, "encode a line")(std::io::Error::other(
                reason,
            )));
        }
        Ok(text + "\n")
    }

    /// Reads a whole `metrics.jsonl`. A last line without an end, which a kill may leave, is left out.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::Model`] with the number of a line that is not one.
    pub fn read(path: &Path) -> Result<Vec<Self>> {
        let mut lines = Vec::new();
        scan(path, |_, line| lines.push(line))?.whole(path, u64::MAX)?;
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn report(step: u64) -> Line {
        Line::Report(Report {
            epoch: 1,
            step,
            loss: Loss {
                total: 0.1 + 0.2,
                terms: [
                    ("reconstruction".into(), 100.0 / 3.0),
                    ("kl".into(), 5e-324),
                ]
                .into(),
            },
            learning_rate: 1e-3,
            kl_weight: 0.7,
            kl_target: None,
            images_per_s: 1e5,
            seconds: 2.5,
        })
    }

    #[test]
    fn lines_read_back_to_the_last_bit() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("metrics.jsonl");
        let lines = [report(100), report(200)];
        let text: Vec<String> = lines
            .iter()
            .map(|line| serde_json::to_string(line).expect("JSON"))
            .collect();
        fs::write(&path, format!("{}\n{}\n{{\"kind\":\"rep", text[0], text[1])).expect("a file");
        assert_eq!(Line::read(&path).expect("two lines"), lines);
    }

    #[test]
    fn a_number_that_is_not_finite_is_refused_before_it_is_written() {
        let path = Path::new("metrics.jsonl");
        report(1).text(path).expect("finite numbers");
        for value in [f64::NAN, f64::INFINITY] {
            let Line::Report(mut bad) = report(1) else {
                panic!("a report");
            };
            bad.images_per_s = value;
            let error = Line::Report(bad).text(path).expect_err("no number");
            assert!(error.to_string().contains("not finite"), "{error}");
        }
    }

    #[test]
    fn a_damaged_line_is_named_by_its_number() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("metrics.jsonl");
        fs::write(&path, "{\"kind\":\"report\"}\n").expect("a file");
        let error = Line::read(&path).expect_err("fields are missing");
        assert!(error.to_string().contains("line 1"), "{error}");
        assert_eq!(error.exit_code(), 3);
    }

    #[test]
    fn all_damaged_lines_before_a_checkpoint_are_named_with_the_way_to_go_on() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("metrics.jsonl");
        let line = report(1).text(&path).expect("a line");
        let text = format!("{line}{{\n{line}[\n{line}\0\n");
        fs::write(&path, &text).expect("a file");
        let mut lines = Vec::new();
        let found = scan(&path, |_, line| lines.push(line)).expect("a line");
        assert_eq!((lines.len(), found.len), (1, line.len() as u64));
        let damage = found.damage.expect("damaged lines");
        let error = |known| damage.error(&path, known).to_string();
        // The last one lies behind the checkpoint.
        let two = error(text.len() as u64 - 2);
        for part in ["line 2", "(2 such lines: 2, 4)", "sed -i '2d;4d'"] {
            assert!(two.contains(part), "no {part:?} in {two}");
        }
        let one = error(line.len() as u64 + 2);
        assert!(one.contains("sed -i '2d'"), "{one}");
        let behind = error(line.len() as u64);
        assert!(behind.contains("`resume = …`"), "{behind}");
    }
}
