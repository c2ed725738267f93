//! Training from the first step to the last.

use super::Trainer;
use crate::data::Dataset;
use crate::error::Result;
use crate::model::{ModelSpec, Weights};
use crate::plan::Runtime;
use crate::train::{Observer, Pace, TrainOptions};

/// Trains a model on a data set and reports to `observer`; returns the trained parameters, or
/// their average where one is kept.
///
/// ```
/// use elbo::data::digits;
/// use elbo::device::Device;
/// use elbo::model::{Activation, ModelSpec};
/// use elbo::plan::{self, Tune};
/// use elbo::train::{EpochRecord, TrainOptions, train};
///
/// let spec = ModelSpec {
///     encoder: [16].into(),
///     latent: 2.into(),
///     activation: Activation::Silu,
///     ..ModelSpec::reference()
/// };
/// let options = TrainOptions {
///     epochs: 2,
///     batch_size: 32,
///     ..TrainOptions::default()
/// };
/// let dataset = digits::generate(256, 64, 0);
/// let runtime = plan::open(Device::Cpu, Tune::Quick);
/// let mut losses = Vec::new();
/// let mut watch = |epoch: &EpochRecord| losses.push(epoch.test.total);
/// let weights = train(runtime, &spec, &options, &dataset, &mut watch)?;
/// assert!(losses[1] < losses[0], "nats per image: {losses:?}");
/// assert_eq!(weights.get("fc1.weight").expect("a layer").0, [16, 784]);
/// # Ok::<(), elbo::Error>(())
/// ```
///
/// # Errors
/// See [`Trainer::new`] and [`Trainer::run`].
pub fn train(
    runtime: Box<dyn Runtime>,
    spec: &ModelSpec,
    options: &TrainOptions,
    dataset: &Dataset,
    observer: &mut dyn Observer,
) -> Result<Weights> {
    let mut trainer = Trainer::new(runtime, spec, options, dataset, 0)?;
    trainer.run(&Pace::default(), observer)?;
    trainer.model()
}
