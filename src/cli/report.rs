//! Watches training: writes the run folder and shows progress.

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::{bar, note, result, text};
use crate::error::Result;
use crate::model::{Allocation, Weights};
use crate::train::{EpochRecord, Observer, Pictures, Progress, RunFolder};

/// Seconds between two lines of progress where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Keeps a run and shows it: a bar on a terminal, otherwise plain lines.
pub(super) struct Reporter {
    folder: RunFolder,
    /// On a terminal only.
    bar: Option<ProgressBar>,
    /// When the last line of progress was written; the first comes at once.
    last_line: Option<Instant>,
    last_epoch: Option<EpochRecord>,
}

impl Reporter {
    pub(super) fn new(folder: RunFolder) -> Self {
        let terminal = io::stderr().is_terminal();
        Self {
            folder,
            bar: terminal.then(|| bar("{prefix} [{bar:30}] {pos}/{len} images, {msg}")),
            last_line: None,
            last_epoch: None,
        }
    }

    /// Ends the display; prints the results, or says what is left of a run that failed.
    pub(super) fn finish(self, completed: bool) -> anyhow::Result<()> {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let path = self.folder.path().display();
        let last = match &self.last_epoch {
            Some(last) if completed => last,
            Some(last) => {
                let epoch = last.epoch;
                note(format_args!("the model of epoch {epoch} is kept in {path}"));
                return Ok(());
            }
            None => return Ok(self.folder.discard()?),
        };
        let spec = &self.folder.config().model;
        result(format_args!("run: {path}"))?;
        result(format_args!("train: {}", text::loss(spec, &last.train)))?;
        result(format_args!("test: {}", text::loss(spec, &last.test)))
    }

    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(line)),
            None => note(line),
        }
    }

    fn progress_line(&self, progress: &Progress) -> String {
        format!(
            "epoch {}/{}: {}/{} images, loss {}, {} images/s",
            progress.epoch,
            self.folder.config().train.epochs,
            progress.images_done,
            progress.images,
            text::number(&self.folder.config().model, progress.loss.total),
            text::grouped(progress.images_per_s as u64)
        )
    }

    fn epoch_line(&self, record: &EpochRecord) -> String {
        let run = self.folder.config();
        format!(
            "epoch {}/{}: train loss {}, test loss {} ({}), {} images/s, {:.1} s",
            record.epoch,
            run.train.epochs,
            text::number(&run.model, record.train.total),
            text::number(&run.model, record.test.total),
            text::parts(&run.model, &record.test),
            text::grouped(record.images_per_s as u64),
            record.seconds
        )
    }
}

impl Observer for Reporter {
    fn started(&mut self, variants: &[(String, String)], memory: &[Allocation]) -> Result<()> {
        self.line(&format!("device memory: {}", text::memory(memory)));
        self.folder.record_device(variants, memory)
    }

    fn progress(&mut self, progress: &Progress) -> ControlFlow<()> {
        match &self.bar {
            Some(bar) => {
                bar.set_length(progress.images as u64);
                bar.set_position(progress.images_done as u64);
                bar.set_prefix(format!(
                    "epoch {}/{}",
                    progress.epoch,
                    self.folder.config().train.epochs
                ));
                bar.set_message(format!(
                    "loss {}, {} images/s",
                    text::number(&self.folder.config().model, progress.loss.total),
                    text::grouped(progress.images_per_s as u64)
                ));
            }
            None if self
                .last_line
                .is_none_or(|last| last.elapsed() >= LINE_EVERY) =>
            {
                self.last_line = Some(Instant::now());
                note(self.progress_line(progress));
            }
            None => {}
        }
        ControlFlow::Continue(())
    }

    fn epoch(
        &mut self,
        record: &EpochRecord,
        pictures: &Pictures,
        weights: &Weights,
    ) -> Result<()> {
        self.folder.record(record, pictures, weights)?;
        self.line(&self.epoch_line(record));
        self.last_line = Some(Instant::now());
        self.last_epoch = Some(*record);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Loss, ModelSpec};
    use crate::train::{DataConfig, Record, RunConfig, TrainOptions};

    #[test]
    fn an_epochs_line_holds_its_test_loss_and_its_speed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = RunConfig {
            device: "cpu".into(),
            tune: Default::default(),
            data: DataConfig::default(),
            model: ModelSpec::reference(),
            train: TrainOptions::default(),
            record: Record {
                version: "0".into(),
                device: "CPU".into(),
                data: "digits".into(),
                started: "2026-01-31T23:59:59Z".into(),
                kernels: Default::default(),
                device_memory: Default::default(),
            },
        };
        let run = RunFolder::create(folder.path(), config).expect("an empty folder");
        let loss = |total| Loss {
            reconstruction: total - 25.0,
            kl: 25.0,
            total,
        };
        let line = Reporter::new(run).epoch_line(&EpochRecord {
            epoch: 3,
            step: 1407,
            train: loss(106.31),
            test: loss(105.59),
            images_per_s: 51_234.4,
            seconds: 12.34,
        });
        for part in [
            "3/10",
            "train loss 106.31",
            "test loss 105.59",
            "reconstruction 80.59 + KL 25.00",
            "51,234 images/s",
            "12.3 s",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }
}
