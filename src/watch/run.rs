//! A run as it can be watched: its configuration and what it has measured so far.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

use crate::error::Result;
use crate::model::objectives::Term;
use crate::model::words;
use crate::train::metrics::{Epoch, Line, Report};
use crate::train::{RunConfig, RunFolder};

/// Whether a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// A process trains it.
    Running,
    /// Every epoch that was asked for is done, or the test loss no longer fell.
    Finished,
    /// It ended before its last epoch; only whoever trained it knows.
    Stopped,
    /// Epochs are missing, and nobody trains it.
    Unfinished,
}

impl Status {
    /// A word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Unfinished => "unfinished",
        }
    }
}

/// What a run folder says of its run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The folder's name.
    pub name: String,
    /// The folder, as it was given.
    pub path: PathBuf,
    /// What the run was made from.
    pub config: RunConfig,
    /// What it has measured, in order; of a long run some of it, as [`RunFolder::lines`] says.
    pub lines: Vec<Line>,
    /// Hash of its data, once there is a checkpoint that has it.
    pub data: Option<String>,
    /// Step of its last checkpoint.
    pub saved: Option<u64>,
    /// Whether it goes on.
    pub status: Status,
    /// When its last line was written.
    pub written: Option<SystemTime>,
}

impl Run {
    /// Reads the folder of a run, also of one that has not measured anything yet.
    ///
    /// # Errors
    /// [`crate::Error::Model`] where it is not one or is damaged, [`crate::Error::Io`] where it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let folder = RunFolder::open(path)?;
        let config = folder.config().clone();
        let lines = folder.lines()?;
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let name = absolute.file_name().unwrap_or(path.as_os_str());
        let mut run = Self {
            name: name.to_string_lossy().into_owned(),
            path: path.to_owned(),
            config,
            lines,
            data: folder.data_hash(),
            saved: folder.last_step(),
            status: Status::Unfinished,
            written: fs::metadata(folder.metrics_file())
                .and_then(|found| found.modified())
                .ok(),
        };
        if folder.is_running() {
            run.status = Status::Running;
        } else if run.is_over() {
            run.status = Status::Finished;
        }
        Ok(run)
    }

    /// Whether all epochs are done, or the test loss has not fallen for as long as was asked for.
    fn is_over(&self) -> bool {
        let options = &self.config.train;
        let stale = match (self.best(), self.last()) {
            (Some(best), Some(last)) => last.epoch - best.epoch,
            _ => 0,
        };
        self.epochs_done() >= options.epochs || options.patience > 0 && stale >= options.patience
    }

    /// The finished epochs.
    pub fn epochs(&self) -> impl DoubleEndedIterator<Item = &Epoch> {
        self.lines.iter().filter_map(|line| match line {
            Line::Epoch(epoch) => Some(epoch),
            Line::Report(_) => None,
        })
    }

    /// The reports within epochs.
    pub fn reports(&self) -> impl DoubleEndedIterator<Item = &Report> {
        self.lines.iter().filter_map(|line| match line {
            Line::Report(report) => Some(report),
            Line::Epoch(_) => None,
        })
    }

    /// The last finished epoch.
    pub fn last(&self) -> Option<&Epoch> {
        self.epochs().next_back()
    }

    /// The epoch of the lowest test loss, the first of equals.
    pub fn best(&self) -> Option<&Epoch> {
        self.epochs()
            .min_by(|a, b| a.test.total.total_cmp(&b.test.total))
    }

    /// How many epochs are finished.
    pub fn epochs_done(&self) -> u32 {
        self.last().map_or(0, |last| last.epoch)
    }

    /// Seconds of training so far.
    pub fn seconds(&self) -> Option<f64> {
        self.lines.last().map(|line| match line {
            Line::Epoch(epoch) => epoch.seconds,
            Line::Report(report) => report.seconds,
        })
    }

    /// Training images per second: the median of the epochs, without one the last report's.
    pub fn images_per_s(&self) -> Option<f64> {
        let mut speeds: Vec<f64> = self.epochs().map(|epoch| epoch.images_per_s).collect();
        speeds.sort_by(f64::total_cmp);
        let median = speeds.get(speeds.len() / 2).copied();
        median.or_else(|| self.reports().next_back().map(|report| report.images_per_s))
    }

    /// The terms of its loss where there are several.
    pub fn terms(&self) -> &'static [Term] {
        self.config.model.objective().parts()
    }

    /// Whether the model is a VAE, whose codes have a prior.
    pub fn is_vae(&self) -> bool {
        self.config.model.is_variational()
    }

    /// What the loss is: `loss` or, where it is one of a bound, `negative ELBO`.
    pub fn loss_name(&self) -> String {
        match words::bound(&self.config.model) {
            Some(bound) => format!("negative {bound}"),
            None => "loss".to_owned(),
        }
    }
}

/// `1:02 h`, `3:05 min`, `42.1 s`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{}:{:02} min", whole / 60, whole % 60),
        _ => format!("{}:{:02} h", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{Loss, ModelSpec};
    use crate::train::{Record, TrainOptions};

    fn loss(reconstruction: f64) -> Loss {
        Loss::new(&ModelSpec::reference(), &[reconstruction, 25.0])
    }

    /// An epoch whose losses follow from its number.
    pub(in crate::watch) fn epoch(number: u32) -> Epoch {
        let reconstruction = 80.0 + 20.0 / f64::from(number);
        Epoch {
            epoch: number,
            step: 10 * u64::from(number),
            train: loss(reconstruction + 1.0),
            test: loss(reconstruction),
            learning_rate: 1e-3,
            kl_weight: 1.0,
            kl_target: None,
            active_units: Some(2),
            kl_per_unit: vec![0.001, 20.0, 4.999],
            sigma: None,
            astray: false,
            images_per_s: 1000.0 * f64::from(number),
            seconds: 2.0 * f64::from(number),
        }
    }

    pub(in crate::watch) fn report(step: u64) -> Line {
        let reconstruction = 80.0 + 400.0 / (step as f64);
        Line::Report(Report {
            epoch: (step.saturating_sub(1) / 10 + 1) as u32,
            step,
            loss: loss(reconstruction),
            learning_rate: 1e-3,
            kl_weight: 1.0,
            kl_target: None,
            images_per_s: 1000.0,
            seconds: step as f64 / 5.0,
        })
    }

    /// A run of the reference model (three latent dimensions) with reports and some epochs of those asked for.
    pub(in crate::watch) fn run(done: u32, asked: u32) -> Run {
        let mut lines = Vec::new();
        for number in 1..=done {
            for step in 1..=5 {
                lines.push(report(10 * u64::from(number - 1) + 2 * step));
            }
            lines.push(Line::Epoch(epoch(number)));
        }
        let model = ModelSpec {
            latent: 3.into(),
            ..ModelSpec::reference()
        };
        let record = Record {
            started: "2026-01-31T23:59:59Z".into(),
            ..Record::new("CPU (2 threads)", "digits", SystemTime::UNIX_EPOCH)
        };
        Run {
            name: "run".into(),
            path: "runs/run".into(),
            config: RunConfig {
                train: TrainOptions {
                    epochs: asked,
                    ..TrainOptions::default()
                },
                ..RunConfig::new(model, record)
            },
            lines,
            status: Status::Finished,
            data: None,
            saved: None,
            written: None,
        }
    }

    /// Writes a run as a folder that [`Run::read`] reads.
    pub(in crate::watch) fn write(run: &Run, path: &Path) {
        let folder = RunFolder::create(path, run.config.clone()).expect("a run folder");
        let lines = run.lines.iter().map(serde_json::to_string);
        let lines: Vec<String> = lines.collect::<Result<_, _>>().expect("JSON");
        fs::write(folder.metrics_file(), lines.join("\n") + "\n").expect("the metrics");
    }

    #[test]
    fn a_run_folder_reads_back() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a-run");
        write(&run(3, 5), &path);
        let read = Run::read(&path).expect("a run");
        assert_eq!(read.name, "a-run");
        assert_eq!(read.lines, run(3, 5).lines);
        assert_eq!(read.status, Status::Unfinished);
        assert_eq!((read.epochs_done(), read.reports().count()), (3, 15));
        assert!(read.written.is_some());
        assert_eq!(read.images_per_s(), Some(2000.0));
        assert_eq!(read.seconds(), Some(6.0));
        let path = folder.path().join("whole");
        write(&run(5, 5), &path);
        let read = Run::read(&path).expect("a run");
        assert_eq!(read.status, Status::Finished);
    }

    #[test]
    fn a_run_without_a_line_has_no_figures() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("new");
        RunFolder::create(&path, run(0, 2).config).expect("a run folder");
        let read = Run::read(&path).expect("a run");
        assert_eq!((read.lines.len(), read.epochs_done()), (0, 0));
        assert!(read.last().is_none() && read.best().is_none());
        assert!(read.images_per_s().is_none() && read.seconds().is_none());
    }

    #[test]
    fn the_best_epoch_is_not_always_the_last() {
        let mut run = run(2, 2);
        let worse = Epoch {
            test: loss(175.0),
            ..epoch(3)
        };
        run.lines.push(Line::Epoch(worse));
        assert_eq!(run.best().map(|best| best.epoch), Some(2));
        assert_eq!(run.last().map(|last| last.epoch), Some(3));
    }

    #[test]
    fn only_a_loss_that_is_the_negative_elbo_is_called_so() {
        let mut run = run(2, 2);
        assert_eq!(run.loss_name(), "negative ELBO");
        // Losses are weighted by the whole of beta, whatever a schedule says.
        run.lines.push(Line::Epoch(Epoch {
            kl_weight: 0.5,
            kl_target: None,
            ..epoch(3)
        }));
        assert_eq!(run.loss_name(), "negative ELBO");
        run.config.model.beta = 4.0;
        assert_eq!(run.loss_name(), "loss");
        run.config.model.beta = 1.0;
        run.config.model.kind = crate::model::ModelKind::Ae;
        assert_eq!(run.loss_name(), "loss");
    }

    #[test]
    fn durations_are_in_the_unit_that_suits_them() {
        let seen = [0.04, 59.4, 61.0, 3600.0, 3725.0].map(duration);
        let expected = ["0.0 s", "59.4 s", "1:01 min", "1:00 h", "1:02 h"];
        assert_eq!(seen, expected);
    }
}
