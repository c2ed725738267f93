//! Watches training: writes the run folder and shows progress.

mod results;

pub(super) use results::results;

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::signals::Signals;
use super::{bar, note, text, warn};
use crate::data::Dataset;
use crate::device;
use crate::error::{Error, Result};
use crate::model::Units;
use crate::train::metrics::{Epoch, Line, Report};
use crate::train::{
    Concern, DIVERGENCE_HINT, Ending, EpochRecord, Observer, Pictures, Progress, RunConfig,
    RunFolder, Start, State,
};
use crate::watch::Status;
use crate::watch::report::Renewal;
use crate::watch::tensorboard::EventWriter;

/// Seconds between two lines of progress where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// What is shown of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// Nothing but results and errors.
    pub(super) quiet: bool,
    /// Every line of the metrics on stdout, and the end as JSON.
    pub(super) json: bool,
}

/// Keeps a run and shows it: a bar on a terminal, otherwise plain lines.
pub(super) struct Reporter<'a> {
    folder: RunFolder,
    data: &'a Dataset,
    signals: Signals,
    shown: Shown,
    /// The page of the run.
    page: Renewal,
    /// What TensorBoard reads, from the start of training on.
    events: Option<EventWriter>,
    /// Whether the run was there before.
    resumed: bool,
    /// Hash of the data, once it is needed.
    fingerprint: Option<String>,
    /// On a terminal only.
    bar: Option<ProgressBar>,
    /// When the last line of progress was written; the first comes at once.
    last_line: Option<Instant>,
    /// Whether it has been said that log-variances are beyond their bound.
    bound_is_said: bool,
    /// What has been said to be wrong with the run.
    said: Vec<Concern>,
    /// The last epoch.
    before: Option<Epoch>,
    /// Step of the last checkpoint.
    kept: Option<u64>,
    /// Whether somebody reads stdout.
    reader_is_there: bool,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(
        folder: RunFolder,
        data: &'a Dataset,
        signals: Signals,
        shown: Shown,
    ) -> Self {
        let terminal = io::stderr().is_terminal() && !shown.quiet;
        let bar = terminal.then(|| bar("{prefix} [{bar:30}] {pos}/{len} images, {msg}"));
        if let Some(bar) = &bar {
            signals.go_beside(bar);
        }
        Self {
            page: Renewal::new(folder.path()),
            events: None,
            folder,
            data,
            signals,
            shown,
            resumed: false,
            fingerprint: None,
            bar,
            last_line: None,
            bound_is_said: false,
            said: Vec::new(),
            before: None,
            kept: None,
            reader_is_there: true,
        }
    }

    /// The same for a run that goes on, with the hash of its data.
    pub(super) fn resuming(self, fingerprint: String) -> Self {
        Self {
            resumed: true,
            fingerprint: Some(fingerprint),
            ..self
        }
    }

    /// What the run was made from.
    pub(super) fn config(&self) -> &RunConfig {
        self.folder.config()
    }

    /// What the last checkpoint of the run holds; `None` before the first one.
    pub(super) fn last_state(&self) -> Result<Option<State>> {
        Ok(self.folder.last_state()?.map(|saved| saved.state))
    }

    /// Says what the device was lost at, which of how many times in a row, and takes back what was measured since the
    /// checkpoint to go on from.
    pub(super) fn go_on(
        &mut self,
        what: &str,
        from: Option<&State>,
        (losses, most): (u32, u32),
    ) -> Result<()> {
        let position = from.map(|state| state.position.clone());
        let place = match &position {
            Some(position) => format!("the checkpoint of step {}", position.steps),
            None => "the start".to_owned(),
        };
        self.say(&format!(
            "warning: {what}\n  it is opened again, and training goes on from {place} (try {losses} of {most})"
        ));
        self.resumed |= position.is_some();
        self.before = None;
        let position = position.unwrap_or_default();
        let mut config = self.folder.config().clone();
        let device = config.record.device.clone();
        config.record.go_on(&position, device);
        self.folder.go_on(&position, config)
    }

    /// Ends the display; prints the results, or says what is left of a run that failed.
    pub(super) fn finish(mut self, outcome: Result<Ending>) -> anyhow::Result<ExitCode> {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let ending = match outcome {
            Ok(ending) => ending,
            Err(error) => {
                self.after_failure(&error);
                return Err(error.into());
            }
        };
        if self.kept.is_some() {
            self.renew_page(match ending {
                Ending::Finished | Ending::Stale => Status::Finished,
                Ending::Stopped | Ending::BrokenOff => Status::Stopped,
            });
        }
        let path = self.folder.path();
        // From here on the end of the run says it.
        let _ = self.signals.first_to_say();
        let signal = self
            .signals
            .received()
            .filter(|_| ending == Ending::BrokenOff);
        let step = self.kept.unwrap_or_default();
        let resume = format!("`elbo train --resume {}` goes on", path.display());
        match (ending, signal) {
            (Ending::Finished, _) => {}
            (Ending::Stale, _) => self.say(&format!(
                "stopped early: no lower test loss for {}; best.safetensors has the model with the lowest",
                text::counted(u64::from(self.folder.config().train.patience), "epoch")
            )),
            (Ending::Stopped, _) => self.say(&format!("stopped at step {step}, which is saved; {resume}")),
            // Not even --quiet is silent about a run that was cut short.
            (Ending::BrokenOff, signal) => note(format_args!(
                "stopped by {} at step {step}, which is saved in {}; {resume}",
                signal.map_or("a signal to another process", |(name, _)| name),
                path.display()
            )),
        }
        let printed = results(&self.folder, ending, self.shown);
        match signal {
            // Whoever reads the results may have been stopped by the same key.
            Some((_, code)) => Ok(ExitCode::from(code)),
            None => printed.map(|()| ExitCode::SUCCESS),
        }
    }

    /// Renews the page. It can be made again at any time, so that a fault with it is no reason to stop.
    fn renew_page(&mut self, status: Status) {
        if let Err(error) = self.page.renew(status) {
            log::warn!("{error}");
        }
    }

    /// Says what is left of a run that failed; a new one that has kept nothing leaves its name free.
    fn after_failure(mut self, error: &Error) {
        let path = self.folder.path().to_owned();
        let how = match error {
            // To go on would be to fail again.
            Error::NotFinite { .. } | Error::Diverged { .. } => {
                format!("`elbo train --init-from {}` starts from it", path.display())
            }
            _ => format!(
                "`elbo train --resume {}` goes on from there",
                path.display()
            ),
        };
        match self
            .folder
            .progressed()
            .map(|progressed| progressed.position)
        {
            Ok(Some(position)) => {
                self.renew_page(Status::Stopped);
                note(format_args!(
                    "the model of step {} is kept in {}; {how}",
                    position.steps,
                    path.display()
                ));
            }
            Ok(None) if self.resumed => {}
            Ok(None) => {
                if let Err(error) = self.folder.discard() {
                    warn(error);
                }
            }
            Err(error) => warn(error),
        }
    }

    /// A line for whoever watches, beside the bar.
    fn say(&self, line: &str) {
        match &self.bar {
            _ if self.shown.quiet => {}
            Some(bar) => bar.suspend(|| note(line)),
            None => note(line),
        }
    }

    /// Says what is wrong with a run that goes on, each once.
    fn say_concern(&mut self, epoch: Epoch) {
        let run = self.folder.config();
        let epochs: Vec<&Epoch> = self.before.iter().chain([&epoch]).collect();
        if let Some(concern) = Concern::of(&epochs)
            && !self.said.contains(&concern)
        {
            let (what, hint) = (concern.in_words(run, &epoch), concern.hint(run));
            self.say(&format!("warning: {what}; try: {hint}"));
            self.said.push(concern);
        }
        self.before = Some(epoch);
    }

    /// A line of the metrics, in their file and on stdout where that is asked for.
    fn keep(&mut self, line: &Line) -> Result<()> {
        self.folder.append(line)?;
        if let Some(events) = &mut self.events {
            events.line(line)?;
        }
        if self.shown.json && self.reader_is_there {
            let text = serde_json::to_string(line).map_err(io::Error::from);
            if let Err(e) = text.and_then(|text| writeln!(io::stdout(), "{text}")) {
                // No reason to stop: the lines are in their file.
                self.reader_is_there = false;
                if e.kind() != io::ErrorKind::BrokenPipe {
                    self.say(&format!("warning: stdout: cannot write the metrics: {e}"));
                }
            }
        }
        Ok(())
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
        let sigma = record.sigma.map(|sigma| format!(", sigma {sigma:.4}"));
        let waiting = record
            .waiting
            .map(|share| format!(" ({:.0} % of the time waiting for images)", 100.0 * share));
        format!(
            "epoch {}/{}: train loss {}, test loss {} ({}{}){}, {} images/s{}, {:.1} s",
            record.epoch,
            run.train.epochs,
            text::number(&run.model, record.train.total),
            text::number(&run.model, record.test.total),
            text::parts(&run.model, &record.test),
            text::caution(&run.model),
            sigma.unwrap_or_default(),
            text::grouped(record.images_per_s as u64),
            waiting.unwrap_or_default(),
            record.seconds
        )
    }

    /// What a run that goes on elsewhere has to know.
    fn differences(&self, start: &Start<'_>) {
        let record = &self.folder.config().record;
        let device = |name: &String| device::computes(name) == device::computes(&record.device);
        let earlier = match record.resumed.as_slice() {
            [.., before, _] => &before.device,
            _ => return,
        };
        if !device(earlier) {
            self.say(&format!(
                "the run so far was on {earlier}: what follows is the same up to rounding"
            ));
            return;
        }
        let changed = start.variants.iter().find(|(step, variant)| {
            record
                .kernels
                .get(step)
                .is_some_and(|known| known != variant)
        });
        if let Some((step, variant)) = changed {
            self.say(&format!(
                "warning: another kernel than before was chosen for {step} ({variant}): what follows is the same up \
                 to rounding"
            ));
        }
    }
}

impl Observer for Reporter<'_> {
    fn started(&mut self, start: &Start<'_>) -> Result<()> {
        self.say(&format!("device memory: {}", text::memory(start.memory)));
        if let Some(window) = start.window {
            let place = match self.data.train.are_in_files() {
                true => "in their files",
                false => "on the host",
            };
            self.say(&format!(
                "  the training images lie {place}, {} at a time on the device",
                text::grouped(window as u64)
            ));
        }
        self.differences(start);
        self.kept = self.resumed.then_some(start.position.steps);
        let done = start.position.steps;
        let spec = &self.folder.config().model;
        self.events = Some(EventWriter::create(self.folder.path(), spec, done)?);
        self.folder.record_device(start.variants, start.memory)?;
        if self.resumed && done > 0 {
            // The page of a run that stopped says so; the next epoch may be hours away.
            self.renew_page(Status::Running);
        }
        Ok(())
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
                self.say(&self.progress_line(progress));
            }
            None => {}
        }
        match self.wants_to_stop() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn wants_to_stop(&self) -> bool {
        self.signals.received().is_some()
    }

    fn report(&mut self, report: &Report) -> Result<()> {
        self.keep(&Line::Report(report.clone()))
    }

    fn epoch(&mut self, record: &EpochRecord, pictures: Option<&Pictures>) -> Result<()> {
        let epoch = Epoch::from(record);
        self.keep(&Line::Epoch(epoch.clone()))?;
        let written = match pictures {
            Some(pictures) => self.folder.write_pictures(record.epoch, pictures)?,
            None => Vec::new(),
        };
        if let Some(events) = &mut self.events {
            for (kind, png) in written {
                events.image(kind, record.step, png)?;
            }
        }
        self.renew_page(Status::Running);
        self.say(&self.epoch_line(record));
        self.say_concern(epoch);
        let beyond_bound = record.units.as_ref().and_then(Units::beyond_bound_in_words);
        if let Some(what) = beyond_bound
            && !std::mem::replace(&mut self.bound_is_said, true)
        {
            self.say(&format!("warning: {what}; try: {DIVERGENCE_HINT}"));
        }
        self.last_line = Some(Instant::now());
        Ok(())
    }

    fn checkpoint(&mut self, state: &State) -> Result<()> {
        let fingerprint = match &mut self.fingerprint {
            Some(known) => known,
            unknown => unknown.insert(self.data.fingerprint()?),
        };
        let keep = self.folder.config().checkpoints.keep;
        if let Some(events) = &mut self.events {
            events.flush()?;
        }
        self.folder.checkpoint(state, fingerprint, keep)?;
        self.kept = Some(state.position.steps);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::digits;
    use crate::model::{Loss, ModelSpec};
    use crate::train::{Record, RunConfig};
    use std::time::SystemTime;

    #[test]
    fn an_epochs_line_holds_its_test_loss_and_its_speed() {
        let loss = |total| Loss::new(&ModelSpec::reference(), &[total - 25.0, 25.0]);
        let data = digits::generate(1, 1, 0);
        let line = |beta| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let record = Record::new("CPU", "digits", SystemTime::UNIX_EPOCH);
            let mut config = RunConfig::new(ModelSpec::reference(), record);
            config.model.beta = beta;
            let run = RunFolder::create(folder.path(), config).expect("an empty folder");
            let signals = Signals::listen().expect("signals");
            let reporter = Reporter::new(run, &data, signals, Shown::default());
            reporter.epoch_line(&EpochRecord {
                epoch: 3,
                step: 1407,
                train: loss(106.31),
                test: loss(105.59),
                learning_rate: 1e-3,
                kl_weight: 1.0,
                kl_target: None,
                units: None,
                sigma: None,
                astray: false,
                images_per_s: 51_234.4,
                waiting: Some(0.034),
                seconds: 12.34,
            })
        };
        let plain = line(1.0);
        for part in [
            "3/10",
            "train loss 106.31",
            "test loss 105.59",
            "(reconstruction 80.59 + KL 25.00)",
            "51,234 images/s",
            "12.3 s",
            "3 % of the time waiting for images",
        ] {
            assert!(plain.contains(part), "{plain}");
        }
        let weighted = line(4.0);
        assert!(weighted.contains("KL 25.00; not the ELBO)"), "{weighted}");
    }
}
