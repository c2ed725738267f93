//! The runs of a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::table::aligned;
use super::{Run, Status};
use crate::error::{Error, Result};
use crate::model::words;
use crate::train::{RunFolder, utc};

/// A run, or a folder that is a damaged one.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The folder's name.
    pub name: String,
    /// The folder. As JSON, letters that are none are replaced: such a name is no reason to list nothing.
    #[serde(serialize_with = "as_text")]
    pub path: PathBuf,
    /// Start of the run, UTC; of a damaged one, the last change of its folder.
    pub started: String,
    /// What the run folder says.
    #[serde(flatten)]
    pub found: Found,
}

fn as_text<S: Serializer>(path: &Path, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// What a run folder says.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Found {
    /// A run.
    Run(Summary),
    /// A folder with a configuration, which cannot be read.
    Damaged {
        /// Why.
        fault: String,
    },
}

/// A run in one line.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Model in words.
    pub model: String,
    /// Name of the data set.
    pub data: String,
    /// Finished epochs.
    pub epochs: u32,
    /// Epochs that were asked for.
    pub epochs_asked: u32,
    /// Test loss after the last epoch.
    pub last_test_loss: Option<f64>,
    /// The lowest test loss.
    pub best_test_loss: Option<f64>,
    /// The same as text, with as many digits as suit it.
    #[serde(skip)]
    losses: [Option<String>; 2],
    /// Unit of the losses.
    pub unit: &'static str,
    /// The same as text, with what has to be said of them.
    #[serde(skip)]
    unit_of_loss: String,
    /// Whether the loss is the negative ELBO.
    pub loss_is_negative_elbo: bool,
    /// Whether the run goes on.
    pub status: Status,
    /// Step of its last checkpoint.
    pub saved_step: Option<u64>,
    /// Seconds since it last wrote a line.
    pub written_seconds_ago: Option<u64>,
}

/// The runs of a folder, the newest last: subfolders that hold a configuration. Others are skipped.
///
/// # Errors
/// [`Error::Config`] where there is no such folder, or where it is itself a run's; [`Error::Io`] where it cannot be
/// read.
pub fn runs(folder: &Path) -> Result<Vec<Entry>> {
    if !folder.is_dir() {
        return Err(Error::config(
            format!("{}: there is no such folder", folder.display()),
            "the folder that holds run folders; training makes them under runs",
        ));
    }
    if RunFolder::is_one(folder) {
        return Err(Error::config(
            format!("{}: is a run itself", folder.display()),
            "the folder above, or a report of this run",
        ));
    }
    let now = SystemTime::now();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder, "read the folder"))? {
        let path = entry.map_err(Error::io(folder, "read the folder"))?.path();
        if RunFolder::is_one(&path) {
            found.push(Entry::read(path, now));
        }
    }
    found.sort_by(|a, b| (&a.started, &a.name).cmp(&(&b.started, &b.name)));
    Ok(found)
}

impl Entry {
    fn read(path: PathBuf, now: SystemTime) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.into_owned();
        match Run::read(&path) {
            Ok(run) => Self {
                name,
                path,
                started: run.config.record.started.clone(),
                found: Found::Run(Summary::of(&run, now)),
            },
            Err(error) => {
                let changed = fs::metadata(&path).and_then(|found| found.modified());
                // The reason alone: the path stands beside it, and what to try is for one run.
                let fault = match error {
                    Error::Model { path, what, .. } => {
                        let file = path.file_name().unwrap_or_default().to_string_lossy();
                        format!("{file}: {what}")
                    }
                    other => other.to_string(),
                };
                Self {
                    name,
                    path,
                    started: utc(changed.unwrap_or(SystemTime::UNIX_EPOCH)),
                    found: Found::Damaged {
                        fault: fault.replace('\n', " "),
                    },
                }
            }
        }
    }
}

impl Summary {
    fn of(run: &Run, now: SystemTime) -> Self {
        let spec = &run.config.model;
        let last = run.last().map(|epoch| epoch.test.total);
        let best = run.best().map(|epoch| epoch.test.total);
        let text = |loss: Option<f64>| loss.map(|loss| words::number(spec, loss));
        let since = run.written.and_then(|at| now.duration_since(at).ok());
        Self {
            model: words::model(spec),
            data: run.config.record.data.clone(),
            epochs: run.epochs_done(),
            epochs_asked: run.config.train.epochs,
            last_test_loss: last,
            best_test_loss: best,
            losses: [text(last), text(best)],
            unit: words::unit(spec),
            unit_of_loss: words::unit_of_loss(spec),
            loss_is_negative_elbo: words::is_elbo(spec),
            status: run.status,
            saved_step: run.saved,
            written_seconds_ago: since.map(|since| since.as_secs()),
        }
    }

    /// `finished`, or `unfinished, saved at step 901, last line 5 s ago`.
    fn status(&self) -> String {
        let name = self.status.name();
        if self.status == Status::Finished {
            return name.to_owned();
        }
        let saved = match self.saved_step {
            Some(step) => format!("saved at step {}", words::grouped(step)),
            None => "nothing saved yet".to_owned(),
        };
        match self.written_seconds_ago {
            Some(ago) => format!("{name}, {saved}, last line {} ago", age(ago)),
            None => format!("{name}, {saved}"),
        }
    }
}

/// Seconds in the largest unit that suits them.
fn age(seconds: u64) -> String {
    match seconds {
        0..100 => format!("{seconds} s"),
        100..6000 => format!("{} min", seconds / 60),
        6000..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// The runs as lines of text.
pub fn lines(entries: &[Entry]) -> Vec<String> {
    let head = [
        "run",
        "started",
        "model",
        "data",
        "epochs",
        "last loss",
        "best loss",
        "unit",
        "status",
    ];
    let row = |entry: &Entry| {
        let started = entry.started.replace('T', " ").replace('Z', "");
        match &entry.found {
            Found::Run(run) => {
                let [last, best] = run.losses.clone().map(|loss| loss.unwrap_or("–".into()));
                vec![
                    entry.name.clone(),
                    started,
                    run.model.clone(),
                    run.data.clone(),
                    format!("{}/{}", run.epochs, run.epochs_asked),
                    last,
                    best,
                    run.unit_of_loss.clone(),
                    run.status(),
                ]
            }
            Found::Damaged { fault } => {
                let mut cells = vec![String::new(); head.len()];
                cells[0] = entry.name.clone();
                cells[1] = started;
                cells[8] = format!("DAMAGED: {fault}");
                cells
            }
        }
    };
    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    let numbers = [false, false, false, false, true, true, true, false, false];
    aligned(&head, &rows, &numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::run::tests::{run, write};

    fn two_runs() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut newer = run(2, 2);
        newer.config.record.started = "2026-02-01T00:00:00Z".into();
        write(&newer, &folder.path().join("a-newer"));
        write(&run(1, 3), &folder.path().join("b-older"));
        folder
    }

    #[test]
    fn runs_are_listed_with_the_newest_last_and_others_are_skipped() {
        let folder = two_runs();
        fs::create_dir(folder.path().join("empty")).expect("a folder");
        fs::write(folder.path().join("notes.txt"), "").expect("a file");
        let found = runs(folder.path()).expect("the runs");
        let names: Vec<&str> = found.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["b-older", "a-newer"]);
        let text = lines(&found).join("\n");
        let row = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.expect("a row").to_owned()
        };
        assert!(row("a-newer").ends_with("finished"), "{text}");
        assert!(
            row("a-newer").contains("2/2     115.00     115.00  nats per image"),
            "{text}"
        );
        assert!(
            row("b-older").contains("unfinished, nothing saved yet, last line "),
            "{text}"
        );
        let json = serde_json::to_value(&found).expect("JSON");
        assert_eq!(json[1]["last_test_loss"], 115.0);
        assert_eq!(json[1]["status"], "finished");
    }

    #[test]
    fn a_loss_that_is_no_elbo_is_listed_as_such() {
        let folder = two_runs();
        let mut weighted = run(2, 2);
        weighted.config.model.beta = 4.0;
        write(&weighted, &folder.path().join("c"));
        let text = lines(&runs(folder.path()).expect("the runs"));
        let said = |name: &str| {
            let row = text
                .iter()
                .find(|line| line.starts_with(name))
                .expect("a row");
            row.contains("nats per image; not the ELBO") && row.contains("likelihood, beta 4")
        };
        assert_eq!(["a-newer", "b-older", "c"].map(said), [false, false, true]);
    }

    #[test]
    fn a_damaged_run_is_listed_with_the_reason() {
        let folder = two_runs();
        let broken = folder.path().join("broken");
        fs::create_dir(&broken).expect("a folder");
        fs::write(broken.join("config.toml"), "device = 3\n").expect("a file");
        fs::write(folder.path().join("a-newer/metrics.jsonl"), "{}\n").expect("a file");
        let found = runs(folder.path()).expect("the runs");
        assert_eq!(found.len(), 3);
        let text = lines(&found).join("\n");
        assert!(text.contains("DAMAGED: config.toml: line 1"), "{text}");
        assert!(text.contains("DAMAGED: metrics.jsonl: line 1"), "{text}");
        let json = serde_json::to_string(&found).expect("JSON");
        assert_eq!(json.matches("\"fault\"").count(), 2, "{json}");
    }

    #[test]
    #[cfg(unix)]
    fn a_folder_whose_name_is_no_text_is_listed_as_well() {
        use std::os::unix::ffi::OsStrExt;

        let folder = two_runs();
        let name = std::ffi::OsStr::from_bytes(b"c\xff");
        write(&run(1, 1), &folder.path().join(name));
        let found = runs(folder.path()).expect("the runs");
        let json = serde_json::to_value(&found).expect("JSON");
        let names = [0, 1, 2].map(|i| json[i]["name"].as_str().expect("a name"));
        assert!(names.contains(&"c\u{fffd}"), "{json}");
        let paths = [0, 1, 2].map(|i| json[i]["path"].as_str().expect("a path"));
        assert!(
            paths.iter().any(|path| path.ends_with("/c\u{fffd}")),
            "{json}"
        );
    }

    #[test]
    fn a_folder_that_holds_no_runs_is_said_so() {
        let folder = two_runs();
        let error = runs(&folder.path().join("none")).expect_err("no folder");
        assert!(error.to_string().contains("no such folder"), "{error}");
        let error = runs(&folder.path().join("a-newer")).expect_err("a run");
        assert!(error.to_string().contains("is a run itself"), "{error}");
        let empty = tempfile::tempdir().expect("a temporary folder");
        assert!(runs(empty.path()).expect("nothing").is_empty());
    }

    #[test]
    fn ages_are_in_the_unit_that_suits_them() {
        let seen = [5, 99, 100, 7200, 200_000].map(age);
        assert_eq!(seen, ["5 s", "99 s", "1 min", "2 h", "2 days"]);
    }
}
