//! Runs beside each other: their figures, what differs in their configurations, and which losses mean the same.

mod groups;
mod page;
mod picture;
mod row;
#[cfg(test)]
mod tests;

use std::path::Path;

use serde::Serialize;

use self::row::{COLUMNS, NONE};
pub use self::row::{Losses, Row};
use super::Run;
use super::table::{aligned, plain};
use crate::error::{Error, Result};
use crate::model::objectives::{OBJECTIVES, Objective};
use crate::model::words;
use crate::train::metrics::Epoch;

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
    /// What is compared: `test loss`, or `negative ELBO` where runs weight or hold the KL differently.
    pub figure: &'static str,
    /// Unit of the losses.
    pub unit: &'static str,
    /// What sets it apart from other groups.
    pub apart: Vec<String>,
    /// The unit with what has to be said of the figure.
    #[serde(skip)]
    pub(super) caption: String,
    #[serde(skip)]
    pub(super) objective: &'static Objective,
    #[serde(skip)]
    pub(super) runs: Vec<usize>,
}

impl Group {
    /// What sets it apart, and what its figure is in.
    fn words(&self) -> Vec<String> {
        let apart = self.apart.iter().filter(|part| *part != self.unit);
        apart.chain([&self.caption]).cloned().collect()
    }
}

impl Group {
    /// The figure of an epoch that this group compares.
    pub(super) fn value(&self, epoch: &Epoch) -> f64 {
        match self.figure {
            ELBO => self
                .objective
                .negative_elbo(&epoch.test)
                .unwrap_or(f64::NAN),
            _ => epoch.test.total,
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
                "the folders of two runs; list the runs to see them",
            ));
        }
        let groups = groups::of(&runs);
        let mut rows = Vec::new();
        let differing = groups::differing(&runs)?;
        for (i, (run, differs)) in runs.iter().zip(differing).enumerate() {
            let group = groups.iter().find(|group| group.runs.contains(&i));
            let value = |epoch: &&Epoch| group.map_or(epoch.test.total, |group| group.value(epoch));
            let best = run.epochs().min_by(|a, b| value(a).total_cmp(&value(b)));
            rows.push(Row {
                run: name(&runs, i),
                model: words::model(&run.config.model),
                layers: words::layers(&run.config.model),
                parameters: run.config.model.parameter_count(),
                data: run.config.record.data.clone(),
                data_sha256: run.data.clone(),
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
            let terms = group.objective.terms.iter();
            let weighted = terms.filter(|term| term.weight.is_some());
            let weighted: Vec<&str> = weighted.map(|term| term.text).collect();
            notes.push(format!(
                "{} weight or hold the {} differently, so their losses are not comparable: the negative ELBO, {}, is compared",
                group.names.join(", "),
                weighted.join(" and the "),
                group.objective.elbo_in_words()
            ));
        }
        notes
    }

    /// The tables and notes as lines of text.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = self.notes();
        let all = self.facts();
        lines.extend(all.iter().map(|(name, value)| format!("{name}: {value}")));
        for group in &self.groups {
            if self.groups.len() > 1 {
                lines.push(String::new());
                lines.push(format!("{}:", group.apart.join(", ")));
            }
            lines.push(format!("losses: {}", group.caption));
            let own = self.facts_of(group);
            lines.extend(own.iter().map(|(name, value)| format!("{name}: {value}")));
            let (head, rows) = self.table(group);
            let numbers: Vec<bool> = head.iter().map(|name| is_number(name)).collect();
            let head: Vec<&str> = head.iter().map(String::as_str).collect();
            lines.push(String::new());
            lines.extend(aligned(&head, &rows, &numbers));
        }
        lines.iter().map(|line| plain(line)).collect()
    }

    /// What is the same in all runs, so that it need not stand in each row: names and values.
    pub(super) fn facts(&self) -> Vec<(String, String)> {
        let all: Vec<usize> = (0..self.rows.len()).collect();
        self.said_of(&all)
    }

    /// The same of a group, without what is the same in all runs.
    pub(super) fn facts_of(&self, group: &Group) -> Vec<(String, String)> {
        let all = self.facts();
        let mut own = self.said_of(&group.runs);
        own.retain(|fact| !all.contains(fact));
        own
    }

    /// What is the same in some runs and applies to them.
    fn said_of(&self, runs: &[usize]) -> Vec<(String, String)> {
        let mut facts = self.same(runs);
        facts.retain(|(_, value)| value != NONE);
        facts
    }

    fn same(&self, runs: &[usize]) -> Vec<(String, String)> {
        let columns = COLUMNS.iter().map(|column| column.0.to_owned());
        let settings = self.rows[0].differs.keys().cloned();
        let of = |name: &String, run: usize| self.rows[run].text(name);
        columns
            .chain(settings)
            .filter(|name| runs.iter().all(|&run| of(name, run) == of(name, runs[0])))
            .map(|name| {
                let value = of(&name, runs[0]);
                (name, value)
            })
            .collect()
    }

    /// Names of the columns of words, and of the settings, that a group's runs do not share.
    fn differing(&self, group: &Group) -> [Vec<String>; 2] {
        let shared = self.same(&group.runs);
        let differs = |name: &String| shared.iter().all(|(other, _)| other != name);
        let columns = COLUMNS.iter().map(|column| column.0.to_owned());
        let settings = self.rows[0].differs.keys().cloned();
        [
            columns.filter(&differs).collect(),
            settings.filter(&differs).collect(),
        ]
    }

    /// The table of a group: names of the columns, and a row for each run, without what its runs share.
    pub(super) fn table(&self, group: &Group) -> (Vec<String>, Vec<Vec<String>>) {
        let [before, after] = self.differing(group);
        let mut head = vec!["run".to_owned()];
        head.extend(before.iter().cloned());
        head.push(format!("best {}", group.figure));
        head.push("at epoch".into());
        head.push(format!("last {}", group.figure));
        head.extend(
            group
                .objective
                .parts()
                .iter()
                .map(|term| term.text.to_owned()),
        );
        head.extend(["epochs", "images/s", "seconds"].map(str::to_owned));
        head.extend(after.iter().cloned());
        let row = |&run: &usize| {
            let row = &self.rows[run];
            let mut cells = vec![row.run.clone()];
            cells.extend(before.iter().map(|name| row.text(name)));
            cells.extend(self.figures(run, group));
            cells.extend(after.iter().map(|name| row.text(name)));
            cells
        };
        (head, group.runs.iter().map(row).collect())
    }

    /// The cells of a run's figures.
    fn figures(&self, run: usize, group: &Group) -> Vec<String> {
        let (row, spec) = (&self.rows[run], &self.runs[run].config.model);
        let number = |value: f64| words::number(spec, value);
        let figure = |losses: &Losses| match (group.figure, losses.negative_elbo) {
            (ELBO, Some(elbo)) => number(elbo),
            _ => number(losses.loss.total),
        };
        let of = |losses: &Option<Losses>, text: &dyn Fn(&Losses) -> String| {
            losses.as_ref().map_or(NONE.to_owned(), text)
        };
        let mut cells = vec![
            of(&row.best, &figure),
            of(&row.best, &|best| best.epoch.to_string()),
            of(&row.last, &figure),
        ];
        let term = |term| of(&row.last, &|last| number(last.loss.term(term)));
        cells.extend(group.objective.parts().iter().map(term));
        cells.push(format!("{}/{}", row.epochs, row.epochs_asked));
        let speed = row.images_per_s;
        cells.push(speed.map_or(NONE.into(), |speed| words::grouped(speed as u64)));
        cells.push(row.seconds.map_or(NONE.into(), |s| format!("{s:.1}")));
        cells
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
            .map_err(|e| Error::internal(format!("runs cannot be compared in JSON: {e}")))
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
    let numbers = ["parameters", "at epoch", "epochs", "images/s", "seconds"];
    let mut terms = OBJECTIVES.iter().flat_map(|objective| objective.terms);
    numbers.contains(&name)
        || terms.any(|term| term.text == name)
        || name.starts_with("best ")
        || name.starts_with("last ")
}

/// What a run is called: its folder's name, or its path where another has the same name.
fn name(runs: &[Run], i: usize) -> String {
    let run = &runs[i];
    match runs.iter().filter(|other| other.name == run.name).count() {
        1 => run.name.clone(),
        _ => run.path.display().to_string(),
    }
}
