//! Runs beside each other: their figures, what differs in their configurations, and which losses mean the same.

mod groups;
mod page;
mod picture;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::table::aligned;
use super::{Run, Status};
use crate::error::{Error, Result};
use crate::model::words;
use crate::train::metrics::Epoch;

/// What stands where a run has no such figure.
const NONE: &str = "–";

/// A column that is left out where it is the same in all rows: its name and its text.
type SharedColumn = (&'static str, fn(&Row) -> String);

/// Some runs, in the order given.
#[derive(Clone, Debug)]
pub struct Comparison {
    pub(super) runs: Vec<Run>,
    /// The runs as a table has them.
    pub(super) rows: Vec<Row>,
    /// The runs by what their losses mean, as indices.
    pub(super) groups: Vec<Group>,
}

/// Runs whose losses mean the same.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// Names of its runs.
    pub names: Vec<String>,
    /// What is compared: `test loss`, or `negative ELBO` where runs weight the KL differently.
    pub figure: &'static str,
    /// Unit of the losses.
    pub unit: &'static str,
    /// What sets it apart from other groups.
    pub apart: Vec<String>,
    #[serde(skip)]
    pub(super) runs: Vec<usize>,
}

/// A run in a table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its folder's name, or the path where names are equal.
    pub run: String,
    /// Model in words.
    pub model: String,
    /// Number of parameters.
    pub parameters: u64,
    /// Name of the data set.
    pub data: String,
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Losses {
    /// Epoch, counted from 1.
    pub epoch: u32,
    /// reconstruction + beta·KL
    pub loss: f64,
    /// −log p(x|z), or the squared error.
    pub reconstruction: f64,
    /// KL, not weighted; none for an autoencoder.
    pub kl: Option<f64>,
    /// reconstruction + KL; none for an autoencoder.
    pub negative_elbo: Option<f64>,
}

impl Losses {
    fn of(run: &Run, epoch: &Epoch) -> Self {
        let vae = run.is_vae();
        Self {
            epoch: epoch.epoch,
            loss: epoch.test_loss,
            reconstruction: epoch.test_reconstruction,
            kl: vae.then_some(epoch.test_kl),
            negative_elbo: vae.then_some(epoch.test_reconstruction + epoch.test_kl),
        }
    }
}

impl Group {
    /// The figure of an epoch that this group compares.
    pub(super) fn value(&self, epoch: &Epoch) -> f64 {
        match self.figure {
            ELBO => epoch.test_reconstruction + epoch.test_kl,
            _ => epoch.test_loss,
        }
    }
}

const LOSS: &str = "test loss";
const ELBO: &str = "negative ELBO";

impl Comparison {
    /// Reads the folders of some runs.
    ///
    /// # Errors
    /// [`Error::Config`] without a run; as [`Run::read`].
    pub fn read(folders: &[impl AsRef<Path>]) -> Result<Self> {
        let runs = folders.iter().map(|folder| Run::read(folder.as_ref()));
        Self::of(runs.collect::<Result<_>>()?)
    }

    /// Some runs beside each other.
    ///
    /// # Errors
    /// [`Error::Config`] without a run.
    pub fn of(runs: Vec<Run>) -> Result<Self> {
        if runs.is_empty() {
            return Err(Error::config(
                "no run to compare",
                "the folders of two runs; `elbo runs` lists them",
            ));
        }
        let groups = groups::of(&runs);
        let mut rows = Vec::new();
        let differing = groups::differing(&runs)?;
        for (i, (run, differs)) in runs.iter().zip(differing).enumerate() {
            let group = groups.iter().find(|group| group.runs.contains(&i));
            let value = |epoch: &&Epoch| group.map_or(epoch.test_loss, |group| group.value(epoch));
            let best = run.epochs().min_by(|a, b| value(a).total_cmp(&value(b)));
            rows.push(Row {
                run: name(&runs, i),
                model: words::model(&run.config.model),
                parameters: run.config.model.parameter_count(),
                data: run.config.record.data.clone(),
                unit: words::unit(&run.config.model),
                loss_is_negative_elbo: words::is_elbo(&run.config.model),
                best: best.map(|epoch| Losses::of(run, epoch)),
                last: run.last().map(|epoch| Losses::of(run, epoch)),
                epochs: run.epochs_done(),
                epochs_asked: run.config.train.epochs,
                images_per_s: run.images_per_s(),
                device: run.config.record.device.clone(),
                seconds: run.seconds(),
                status: run.status,
                differs,
            });
        }
        Ok(Self { runs, rows, groups })
    }

    /// The runs as the tables have them.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The runs by what their losses mean.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// What has to be said before figures are compared; nothing where all mean the same.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.groups.len() > 1 {
            let groups = self.groups.iter().map(|group| {
                let names = group.names.join(", ");
                format!("{names}: {}", group.apart.join(", "))
            });
            let groups: Vec<String> = groups.collect();
            notes.push(format!(
                "NOT COMPARABLE with each other, as their losses mean different things: {}",
                groups.join("; ")
            ));
        }
        for group in self.groups.iter().filter(|group| group.figure == ELBO) {
            notes.push(format!(
                "{} weight the KL differently, so their losses are not comparable: the negative ELBO, \
                 reconstruction + KL, is compared",
                group.names.join(", ")
            ));
        }
        notes
    }

    /// The tables and notes as lines of text.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = self.notes();
        let shared = self.shared();
        for (name, value) in &shared {
            lines.push(format!("{name}: {value}"));
        }
        for group in &self.groups {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            if self.groups.len() > 1 {
                lines.push(format!("{}:", group.apart.join(", ")));
            }
            let (head, rows) = self.table(group);
            let numbers: Vec<bool> = head.iter().map(|name| is_number(name)).collect();
            let head: Vec<&str> = head.iter().map(String::as_str).collect();
            lines.extend(aligned(&head, &rows, &numbers));
        }
        lines
    }

    /// What is the same in all of several runs and need not stand in each row.
    pub(super) fn shared(&self) -> Vec<(&'static str, String)> {
        let columns: [SharedColumn; 5] = [
            ("model", |row| row.model.clone()),
            ("parameters", |row| words::grouped(row.parameters)),
            ("data", |row| row.data.clone()),
            ("device", |row| row.device.clone()),
            ("losses", |row| row.unit.to_owned()),
        ];
        let same = |of: fn(&Row) -> String| {
            let values: BTreeSet<String> = self.rows.iter().map(of).collect();
            values.into_iter().next().filter(|first| {
                let own = |row: &Row| of(row) == *first;
                self.rows.iter().all(own)
            })
        };
        columns
            .into_iter()
            .filter_map(|(name, of)| Some((name, same(of)?)))
            .collect()
    }

    /// The table of a group: names of the columns, and a row for each run. What all runs share is left out.
    pub(super) fn table(&self, group: &Group) -> (Vec<String>, Vec<Vec<String>>) {
        let shared: Vec<&str> = self.shared().into_iter().map(|(name, _)| name).collect();
        let differing: BTreeSet<&String> = self
            .rows
            .iter()
            .flat_map(|row| row.differs.keys())
            .collect();
        let vae = group.runs.iter().any(|&run| self.runs[run].is_vae());
        let mut head: Vec<String> = vec!["run".into()];
        let optional = ["model", "parameters", "data"];
        let optional: Vec<&str> = optional
            .into_iter()
            .filter(|name| !shared.contains(name))
            .collect();
        head.extend(optional.iter().map(|&name| name.to_owned()));
        head.push(format!("best {}", group.figure));
        head.push("at epoch".into());
        head.push(format!("last {}", group.figure));
        if vae {
            head.extend(["reconstruction".into(), "KL".into()]);
        }
        head.extend(["epochs", "images/s", "seconds"].map(str::to_owned));
        if !shared.contains(&"device") {
            head.push("device".into());
        }
        head.extend(differing.iter().map(|&name| name.clone()));
        let row = |&i: &usize| {
            let (row, run) = (&self.rows[i], &self.runs[i]);
            let number = |value: f64| words::number(&run.config.model, value);
            let figure = |losses: &Losses| match (group.figure, losses.negative_elbo) {
                (ELBO, Some(elbo)) => number(elbo),
                _ => number(losses.loss),
            };
            let of = |losses: Option<Losses>, text: &dyn Fn(&Losses) -> String| {
                losses.as_ref().map_or(NONE.to_owned(), text)
            };
            let mut cells = vec![row.run.clone()];
            cells.extend(optional.iter().map(|&name| match name {
                "model" => row.model.clone(),
                "parameters" => words::grouped(row.parameters),
                _ => row.data.clone(),
            }));
            cells.push(of(row.best, &figure));
            cells.push(of(row.best, &|best| best.epoch.to_string()));
            cells.push(of(row.last, &figure));
            if vae {
                cells.push(of(row.last, &|last| number(last.reconstruction)));
                cells.push(of(row.last, &|last| last.kl.map_or(NONE.into(), number)));
            }
            cells.push(format!("{}/{}", row.epochs, row.epochs_asked));
            let speed = row.images_per_s;
            cells.push(speed.map_or(NONE.into(), |speed| words::grouped(speed as u64)));
            cells.push(row.seconds.map_or(NONE.into(), |s| format!("{s:.1}")));
            if !shared.contains(&"device") {
                cells.push(row.device.clone());
            }
            cells.extend(differing.iter().map(|&name| {
                let value = row.differs.get(name);
                value.map_or(NONE.into(), Clone::clone)
            }));
            cells
        };
        (head, group.runs.iter().map(row).collect())
    }

    /// One object with all of it.
    ///
    /// # Errors
    /// [`Error::Config`] where it has no form as JSON.
    pub fn json(&self) -> Result<String> {
        let all = serde_json::json!({
            "runs": self.rows, "groups": self.groups, "notes": self.notes(),
        });
        serde_json::to_string(&all)
            .map_err(|e| Error::config(format!("--json: {e}"), "the table, without --json"))
    }

    /// A page with tables and curves, for a file of its own.
    pub fn html(&self) -> String {
        page::html(self)
    }

    /// A picture of the curves, as the bytes of a PNG file.
    ///
    /// # Errors
    /// [`Error::Config`] where it cannot be encoded.
    pub fn png(&self) -> Result<Vec<u8>> {
        picture::png(self)
    }
}

/// Whether a column of the table has numbers.
pub(super) fn is_number(name: &str) -> bool {
    let numbers = [
        "parameters",
        "at epoch",
        "reconstruction",
        "KL",
        "epochs",
        "images/s",
        "seconds",
    ];
    numbers.contains(&name) || name.starts_with("best ") || name.starts_with("last ")
}

/// What a run is called: its folder's name, or its path where another has the same name.
fn name(runs: &[Run], i: usize) -> String {
    let run = &runs[i];
    match runs.iter().filter(|other| other.name == run.name).count() {
        1 => run.name.clone(),
        _ => run.path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Binarize;
    use crate::model::{Likelihood, ModelKind};
    use crate::watch::run::tests::run;

    fn named(name: &str, change: impl FnOnce(&mut Run)) -> Run {
        let mut run = run(3, 3);
        run.name = name.into();
        run.path = format!("runs/{name}").into();
        change(&mut run);
        run
    }

    fn comparison(runs: Vec<Run>) -> Comparison {
        Comparison::of(runs).expect("runs")
    }

    #[test]
    fn what_is_the_same_stands_once_and_what_differs_in_columns() {
        let both = comparison(vec![
            named("a", |_| {}),
            named("b", |run| run.config.train.learning_rate = 0.003),
        ]);
        let lines = both.lines();
        let text = lines.join("\n");
        assert_eq!(text.matches("VAE 784-400-3-400-784").count(), 1, "{text}");
        assert_eq!(text.matches("CPU (2 threads)").count(), 1, "{text}");
        assert!(both.notes().is_empty(), "{text}");
        let row = |name: &str| {
            let line = lines.iter().find(|line| line.starts_with(name));
            line.expect("a row").split_whitespace().collect::<Vec<_>>()
        };
        assert!(
            row("run").ends_with(&["seconds", "train.learning-rate"]),
            "{text}"
        );
        let expected = [
            "b", "111.67", "3", "111.67", "86.67", "25.00", "3/3", "2,000", "6.0", "0.003",
        ];
        assert_eq!(row("b"), expected, "{text}");
        assert_eq!(both.rows()[0].differs["train.learning-rate"], "0.001");
        assert_eq!(both.rows()[0].differs.len(), 1);
    }

    #[test]
    fn losses_of_different_meaning_are_told_apart() {
        let squared: fn(&mut Run) = |run| {
            run.config.model.kind = ModelKind::Ae;
            run.config.model.likelihood = Likelihood::SquaredError;
        };
        let binarised: fn(&mut Run) = |run| run.config.train.binarize = Binarize::Fixed;
        let other: fn(&mut Run) = |run| run.config.record.data = "mnist".into();
        let gaussian: fn(&mut Run) = |run| {
            run.config.model.likelihood = Likelihood::Gaussian {
                sigma: 1.0,
                learned: false,
            };
        };
        for (change, words) in [
            (squared, "squared error per image"),
            (binarised, "binarised once"),
            (other, "mnist"),
            (gaussian, "Gaussian density"),
        ] {
            let both = comparison(vec![
                named("a", |_| {}),
                named("b", change),
                named("c", |_| {}),
            ]);
            let notes = both.notes().join("\n");
            assert!(notes.starts_with("NOT COMPARABLE"), "{words}: {notes}");
            assert!(notes.contains(words), "{words}: {notes}");
            assert_eq!(both.groups()[0].names, ["a", "c"]);
            assert_eq!(both.groups()[1].names, ["b"]);
        }
    }

    #[test]
    fn weights_of_the_kl_are_compared_by_the_elbo() {
        let both = comparison(vec![
            named("a", |_| {}),
            named("b", |run| run.config.model.beta = 4.0),
        ]);
        assert_eq!(both.groups().len(), 1);
        assert_eq!(both.groups()[0].figure, "negative ELBO");
        let text = both.lines().join("\n");
        assert!(text.contains("weight the KL differently"), "{text}");
        assert!(text.contains("model.beta"), "{text}");
    }

    #[test]
    fn the_json_has_what_the_table_has() {
        let both = comparison(vec![
            named("a", |_| {}),
            named("b", |run| {
                run.config.model.kind = ModelKind::Ae;
                run.lines.clear();
            }),
        ]);
        let json = both.json().expect("JSON");
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json["runs"][0]["last"]["kl"], 25.0);
        assert_eq!(json["runs"][0]["best"]["epoch"], 3);
        assert_eq!(json["runs"][0]["status"], "finished");
        assert!(json["runs"][1]["last"].is_null());
        assert_eq!(json["groups"].as_array().map(Vec::len), Some(2));
        assert_eq!(json["notes"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn runs_of_one_name_are_called_by_their_paths() {
        let both = comparison(vec![
            named("a", |_| {}),
            named("a", |run| run.path = "old/a".into()),
        ]);
        assert_eq!(both.rows()[0].run, "runs/a");
        assert_eq!(both.rows()[1].run, "old/a");
        assert!(Comparison::of(Vec::new()).is_err());
    }
}
