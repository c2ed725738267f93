//! What the trainer tells whoever watches it.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::{Allocation, Loss, Units};
use crate::train::metrics::{self, Report};
use crate::train::{Position, State};

/// What is known when training starts or goes on.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// Where it starts.
    pub position: &'a Position,
    /// The kernel variants in use, (plan and step, variant); none on the CPU device.
    pub variants: &'a [(String, String)],
    /// What training holds in the device's memory.
    pub memory: &'a [Allocation],
    /// Training images that lie on the device at once, where they are not all.
    pub window: Option<usize>,
}

/// A look at a running epoch, at most a few times a second.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Epoch, counted from 1.
    pub epoch: u32,
    /// Optimiser steps since the start of training.
    pub step: u64,
    /// Images done in this epoch.
    pub images_done: usize,
    /// Images of this epoch.
    pub images: usize,
    /// Mean loss over this epoch so far.
    pub loss: Loss,
    /// Training images per second in this epoch.
    pub images_per_s: f64,
}

/// A finished epoch.
#[derive(Clone, Debug)]
pub struct EpochRecord {
    /// Epoch, counted from 1.
    pub epoch: u32,
    /// Optimiser steps since the start of training.
    pub step: u64,
    /// Mean over the epoch's training batches, each before its update.
    pub train: Loss,
    /// Mean over the test images after the epoch.
    pub test: Loss,
    /// Adam's step size in the last step.
    pub learning_rate: f64,
    /// Weight of the KL in the last step.
    pub kl_weight: f64,
    /// What the KL was held at in the last step, nats; absent where it is not.
    pub kl_target: Option<f64>,
    /// What each latent dimension of a VAE carries, over the test images.
    pub units: Option<Units>,
    /// The sigma of a Gaussian likelihood, where training finds it.
    pub sigma: Option<f32>,
    /// Whether the test loss is far beyond that of one grey picture for all images.
    pub astray: bool,
    /// Training images per second.
    pub images_per_s: f64,
    /// Share of the steps' time in which the device waited for images, where these lie on the host.
    pub waiting: Option<f64>,
    /// Seconds of training, those before a stop included.
    pub seconds: f64,
}

impl From<&EpochRecord> for metrics::Epoch {
    fn from(record: &EpochRecord) -> Self {
        Self {
            epoch: record.epoch,
            step: record.step,
            train: record.train.clone(),
            test: record.test.clone(),
            learning_rate: record.learning_rate,
            kl_weight: record.kl_weight,
            kl_target: record.kl_target,
            active_units: record.units.as_ref().map(Units::active),
            kl_per_unit: record
                .units
                .as_ref()
                .map_or_else(Vec::new, |u| u.kl.clone()),
            sigma: record.sigma,
            astray: record.astray,
            images_per_s: record.images_per_s,
            seconds: record.seconds,
        }
    }
}

/// Pictures of a model after an epoch; images as means in the range that the model gives, laid out
/// as [`crate::data::Values`].
#[derive(Clone, Debug)]
pub struct Pictures {
    /// Decoded from the same draws of the prior every time. Empty for an autoencoder, which has no prior.
    pub samples: Vec<f32>,
    /// Test images as the model sees them (after binarisation).
    pub originals: Vec<f32>,
    /// Their reconstructions.
    pub reconstructions: Vec<f32>,
}

/// Watches a training run, and keeps what it is given. Each call does nothing unless it is implemented.
pub trait Observer {
    /// Called before the first step.
    ///
    /// # Errors
    /// Whatever keeps the observer from recording it; it stops training.
    fn started(&mut self, start: &Start<'_>) -> Result<()> {
        let _ = start;
        Ok(())
    }

    /// Called a few times a second while an epoch runs; `Break` stops training after this call, with a checkpoint.
    fn progress(&mut self, progress: &Progress) -> ControlFlow<()> {
        let _ = progress;
        ControlFlow::Continue(())
    }

    /// Asked while the test images are measured; where it says yes, training stops, with a checkpoint from before
    /// the test.
    fn wants_to_stop(&self) -> bool {
        false
    }

    /// Called whenever as many steps are done as [`crate::train::TrainOptions::log_every`] says.
    ///
    /// # Errors
    /// As [`Observer::started`].
    fn report(&mut self, report: &Report) -> Result<()> {
        let _ = report;
        Ok(())
    }

    /// Called after each epoch, with pictures where they are due.
    ///
    /// # Errors
    /// As [`Observer::started`].
    fn epoch(&mut self, record: &EpochRecord, pictures: Option<&Pictures>) -> Result<()> {
        let _ = (record, pictures);
        Ok(())
    }

    /// Called where a checkpoint is due, after [`Observer::epoch`] of the same step.
    ///
    /// # Errors
    /// As [`Observer::started`].
    fn checkpoint(&mut self, state: &State) -> Result<()> {
        let _ = state;
        Ok(())
    }
}

/// A closure is told of each epoch, and of nothing else.
impl<F: FnMut(&EpochRecord)> Observer for F {
    fn epoch(&mut self, record: &EpochRecord, _: Option<&Pictures>) -> Result<()> {
        self(record);
        Ok(())
    }
}
