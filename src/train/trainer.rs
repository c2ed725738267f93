//! The training loop.

use crate::data::Dataset;
use crate::device::Device;
use crate::error::Result;
use crate::model::{ModelSpec, Weights};
use crate::train::{Observer, TrainOptions};

/// A model in training.
pub struct Trainer {}

/// Trains a model on a data set and reports to `observer`; returns the trained parameters.
///
/// # Errors
/// See [`crate::Error`].
pub fn train(
    _device: Device,
    _spec: &ModelSpec,
    _options: &TrainOptions,
    _dataset: &Dataset,
    _observer: &mut dyn Observer,
) -> Result<Weights> {
    todo!()
}
