//! Looking at a trainer's plans: for benchmarks, and beside another device.

use std::time::Instant;

use super::Trainer;
use super::keeping::{self, Good};
use crate::error::{Error, Result};
use crate::model::{Allocation, MemoryUse};
use crate::plan::{self, Difference, PlanId, Times};

/// Seconds of a measurement of training, in which the ends of submissions count for little.
const LONG: f64 = 0.1;

impl Trainer {
    /// Runs a training step on whole batches, one on the rest and an evaluation on this trainer's device and
    /// on another's, and gives how far each result of the other is from this one's. Both must have been
    /// made of the same model, options and data; neither is of use afterwards.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn compare(&mut self, other: &mut Self) -> Result<Vec<Difference>> {
        for trainer in [&mut *self, &mut *other] {
            trainer.begin()?;
            trainer.session.seek(&trainer.test, 0, [0, 0])?;
            trainer.session.fetch(&trainer.test, 0)?;
        }
        // With the first position of a step's batch.
        let plans = |trainer: &Self| {
            let steps = [&trainer.steps.whole]
                .into_iter()
                .chain(&trainer.steps.rest);
            let starts = (0..).step_by(trainer.steps.rows);
            let plans = steps
                .zip(starts)
                .flat_map(|(step, start)| step.plans().map(move |plan| (plan, start)));
            plans
                .chain([(trainer.evaluation.whole, 0)])
                .collect::<Vec<_>>()
        };
        let mut all = Vec::new();
        for ((own, start), (others, _)) in plans(self).into_iter().zip(plans(other)) {
            for trainer in [&mut *self, &mut *other] {
                trainer.session.fetch(&trainer.train, start)?;
            }
            all.extend(plan::compare(
                (self.session.runtime.as_mut(), own),
                (other.session.runtime.as_mut(), others),
            )?);
        }
        Ok(all)
    }

    /// Sets the counters to the start of an epoch.
    fn rewind(&mut self) -> Result<()> {
        let step = self.position.steps as u32;
        self.session.seek(&self.train, step, [0, 0])?;
        self.session.fetch(&self.train, 0)
    }

    /// The plan of a step on a whole batch.
    ///
    /// # Errors
    /// [`Error::Config`] where a batch is several shards, whose step is several plans.
    pub fn plan(&self) -> Result<PlanId> {
        let none = || Error::config("a step of several shards is several plans", "`shards = 1`");
        self.steps.whole.plan().ok_or_else(none)
    }

    /// How often [`Trainer::plan`] may run before the counters are at the end of the images.
    pub fn steps_in_a_row(&self) -> u32 {
        let all = self.steps.whole_batches();
        match self.train.window {
            0 => all as u32,
            window => all.min(window / self.steps.rows) as u32,
        }
    }

    /// Seconds of step `index` of [`Trainer::plan`] by itself. The model is of no use afterwards.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn time_step(&mut self, index: usize) -> Result<Times> {
        self.rewind()?;
        let (plan, most) = (self.plan()?, self.steps_in_a_row());
        plan::time_step(self.session.runtime.as_mut(), plan, index, most)
    }

    /// Seconds of a step of training among many in a row. The model is of no use afterwards.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn time_training(&mut self) -> Result<Times> {
        let (plan, most) = (self.plan()?, self.steps_in_a_row());
        let log = self.train.log();
        plan::measure(most, LONG, |times| {
            self.rewind()?;
            let start = Instant::now();
            self.session.runtime.run(plan, times)?;
            self.session.runtime.read(log, 0, 1)?;
            Ok(start.elapsed().as_secs_f64())
        })
    }

    /// What training and testing hold in the device's memory. The pictures after an epoch add a little.
    pub fn device_memory(&self) -> Vec<Allocation> {
        self.session.memory()
    }

    /// What the trainer holds in the host's memory beside that: the last good state, from which steps that go wrong are
    /// repeated, where the device has no copy of it; the best one until a checkpoint has it, at times; the order of the
    /// images, and the images of the grids until the first of them. The data set is its owner's.
    pub fn host_memory(&self) -> Vec<Allocation> {
        let part = |name: &str, used_for, bytes| Allocation {
            name: name.to_owned(),
            used_for,
            bytes: bytes as u64,
        };
        let good = match self.good {
            Good::Device(_) => 0,
            Good::Host(_) => keeping::state_bytes(&self.session),
        };
        let all = [
            part("last good state", MemoryUse::Parameters, good),
            part(
                "best state without a checkpoint",
                MemoryUse::Parameters,
                self.held_bytes(),
            ),
            part("images of the grids", MemoryUse::Images, self.shown.bytes()),
            part(
                "images on their way to the device",
                MemoryUse::Images,
                (self.train.on_their_way() + self.test.on_their_way()) as usize,
            ),
            part(
                "order of the images",
                MemoryUse::Bookkeeping,
                size_of::<u32>() * self.order.len(),
            ),
        ];
        all.into_iter().filter(|part| part.bytes > 0).collect()
    }
}
