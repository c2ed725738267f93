//! What the trainer tells whoever watches it.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::{Allocation, Loss, Weights};

/// A look at a running epoch, at most a few times a second.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Epoch, counted from 1.
    pub epoch: u32,
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
#[derive(Clone, Copy, Debug)]
pub struct EpochRecord {
    /// Epoch, counted from 1.
    pub epoch: u32,
    /// Optimiser steps since the start of training.
    pub step: u64,
    /// Mean over the epoch's training batches, each before its update.
    pub train: Loss,
    /// Mean over the test images after the epoch.
    pub test: Loss,
    /// Training images per second.
    pub images_per_s: f64,
    /// Seconds since the start of training.
    pub seconds: f64,
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

/// Watches a training run. The trainer calls `epoch` with the parameters after every epoch, so that
/// the last good model can be kept.
pub trait Observer {
    /// Called before the first epoch with the kernel variants in use, (plan and step, variant), which are none
    /// on the CPU device, and with what training holds in the device's memory.
    ///
    /// # Errors
    /// Whatever keeps the observer from recording them; it stops training.
    fn started(&mut self, variants: &[(String, String)], memory: &[Allocation]) -> Result<()> {
        let _ = (variants, memory);
        Ok(())
    }

    /// Called while an epoch runs; `Break` stops training after this call.
    fn progress(&mut self, progress: &Progress) -> ControlFlow<()>;

    /// Called after each epoch.
    ///
    /// # Errors
    /// Whatever keeps the observer from recording the epoch; it stops training.
    fn epoch(&mut self, record: &EpochRecord, pictures: &Pictures, weights: &Weights)
    -> Result<()>;
}
