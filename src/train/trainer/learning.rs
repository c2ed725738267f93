//! The steps of an epoch, with looks at their losses.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::steps::sum_of_shards;
use super::{Ending, Trainer};
use crate::error::Result;
use crate::model::session::add_rows;
use crate::train::metrics::Report;
use crate::train::pace::Clock;
use crate::train::{Observer, Progress};

/// Time between two looks at the losses of a running epoch.
const LOOK: Duration = Duration::from_millis(300);

/// What comes after some steps. Of what several processes want, the greatest is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    /// More steps.
    Steps,
    /// A checkpoint, then more steps.
    Checkpoint,
    /// The clock stops training.
    Stop,
    /// The observer does.
    BreakOff,
}

impl Trainer {
    /// The steps that are left of the running epoch, unless the observer breaks off or the clock says to stop.
    pub(super) fn learn(
        &mut self,
        clock: &mut Clock,
        started: Instant,
        observer: &mut dyn Observer,
    ) -> Result<ControlFlow<Ending>> {
        let batches = self.steps.batches();
        let (whole, first) = (self.steps.whole_batches(), self.position.batches);
        let mut chunk = 1;
        while self.position.batches < batches {
            let from = Instant::now();
            let done = self.position.batches;
            let left = usize::try_from(clock.steps_left(self.position.steps)).unwrap_or(usize::MAX);
            let times = match done < whole {
                true => chunk.min(whole - done).min(left.max(1)),
                false => 1,
            };
            let times = self.ranks.of_first(times as u64)? as usize;
            self.run_steps(done, times)?;
            let losses = self.losses(done, times)?;
            let is_finite = |row: &[f64]| row.iter().all(|v| v.is_finite());
            if let Some(bad) = losses.iter().position(|row| !is_finite(row)) {
                let found = self.diagnose(done + bad)?;
                return self.ranks.agree(Err(found));
            }
            // As many steps at once as fill the time to the next look; slow starts count less this way.
            let per_step = from.elapsed().as_secs_f64() / times as f64;
            let fitting = (LOOK.as_secs_f64() / per_step.max(1e-9)) as usize;
            chunk = fitting.clamp(1, 2 * times.max(8));
            let images = self.steps.images_in(done + times) - self.steps.images_in(first);
            let images_per_s = images as f64 / started.elapsed().as_secs_f64().max(1e-9);
            self.count(&losses, images_per_s, observer)?;
            let images_done = self.steps.images_in(self.position.batches);
            let progress = Progress {
                epoch: self.position.epochs + 1,
                step: self.position.steps,
                images_done,
                images: self.steps.images,
                loss: self
                    .session
                    .mean_loss(&self.position.epoch_sums, images_done),
                images_per_s,
            };
            let breaks_off = observer.progress(&progress).is_break();
            match self.next(clock, breaks_off)? {
                Next::Steps => {}
                Next::Checkpoint => {
                    self.refresh()?;
                    self.keep(clock, observer)?;
                }
                Next::Stop => return Ok(ControlFlow::Break(Ending::Stopped)),
                Next::BreakOff => return Ok(ControlFlow::Break(Ending::BrokenOff)),
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Runs steps of a kind in a row, from one of the running epoch on.
    pub(super) fn run_steps(&mut self, first: usize, times: usize) -> Result<()> {
        let (end, rows) = (first + times, self.steps.rows);
        let mut batch = first;
        while batch < end {
            self.session.fetch(&self.train, batch * rows)?;
            let most = match self.train.window {
                0 => end,
                window => (batch * rows / window + 1) * (window / rows),
            };
            let times = end.min(most) - batch;
            let step = self.steps.of(batch);
            step.run(&mut self.session, &self.ranks, times)?;
            batch += times;
        }
        Ok(())
    }

    /// What comes after the steps so far.
    fn next(&self, clock: &Clock, breaks_off: bool) -> Result<Next> {
        let steps = self.position.steps;
        // At the end of the epoch its test comes first.
        let is_within = self.position.batches < self.steps.batches() && self.ranks.is_first();
        let own = match breaks_off {
            true => Next::BreakOff,
            false if is_within && clock.stops(steps) => Next::Stop,
            false if is_within && clock.is_due(steps) => Next::Checkpoint,
            false => Next::Steps,
        };
        let all = [Next::Steps, Next::Checkpoint, Next::Stop, Next::BreakOff];
        Ok(all[self.ranks.greatest(own as u64)? as usize])
    }

    /// The terms of the loss of steps that are done, each summed over its batch: shard by shard as their gradients are.
    fn losses(&mut self, done: usize, times: usize) -> Result<Vec<Vec<f64>>> {
        let terms = self.session.terms();
        let [first, end] = [done, done + times].map(|batches| self.steps.log_rows_in(batches));
        let log = self.train.log();
        let runtime = &mut self.session.runtime;
        let rows = runtime.read(log, terms * first, terms * (end - first))?;
        let rows: Vec<f64> = rows.into_iter().map(f64::from).collect();
        let step = self.steps.of(done);
        let steps = rows.chunks(terms * step.log_rows);
        let own: Vec<f64> = steps.flat_map(|rows| sum_of_shards(rows, terms)).collect();
        let all = self.ranks.gather_numbers(&own)?;
        let of_step = |i: usize| {
            let present = all[..step.present].iter();
            let rows = present.flat_map(|sums| &sums[terms * i..][..terms]);
            sum_of_shards(&rows.copied().collect::<Vec<f64>>(), terms)
        };
        Ok((0..times).map(of_step).collect())
    }

    /// Adds the losses of steps that are done, and reports where a report is due.
    fn count(
        &mut self,
        losses: &[Vec<f64>],
        images_per_s: f64,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let terms = self.session.terms();
        self.position.epoch_sums.resize(terms, 0.0);
        self.position.report_sums.resize(terms, 0.0);
        for row in losses {
            let batch = self.position.batches;
            let images = self.steps.images_in(batch + 1) - self.steps.images_in(batch);
            let position = &mut self.position;
            add_rows(&mut position.epoch_sums, row);
            add_rows(&mut position.report_sums, row);
            position.report_images += images;
            position.batches += 1;
            position.steps += 1;
            if !position
                .steps
                .is_multiple_of(u64::from(self.options.log_every))
            {
                continue;
            }
            let sums = std::mem::replace(&mut position.report_sums, vec![0.0; terms]);
            let images = std::mem::take(&mut position.report_images);
            let loss = self.session.mean_loss(&sums, images);
            let rates = self.rates(batch);
            observer.report(&Report {
                epoch: self.position.epochs + 1,
                step: self.position.steps,
                loss,
                learning_rate: rates.learning_rate,
                kl_weight: rates.kl_weight,
                kl_target: rates.kl_target,
                images_per_s,
                seconds: self.seconds(),
            })?;
        }
        Ok(())
    }
}
