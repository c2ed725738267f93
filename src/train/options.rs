//! How to train, as plain data.

use serde::{Deserialize, Serialize};

use crate::data::Binarize;
use crate::device::Precision;
use crate::error::{Error, Result};
use crate::model::plans::Update;

/// How to train. Losses and gradients are sums over a batch, as in the reference job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TrainOptions {
    /// Passes over the training images.
    pub epochs: u32,
    /// Images a step; the last step of an epoch takes what is left.
    pub batch_size: usize,
    /// Adam's step size.
    pub learning_rate: f32,
    /// Decoupled weight decay (AdamW, Loshchilov & Hutter 2019), per step and unit of learning rate.
    pub weight_decay: f32,
    /// Upper bound of the norm of the gradient of the mean loss per image; 0 = no bound.
    pub grad_clip: f32,
    /// Binarisation of the images.
    pub binarize: Binarize,
    /// Seed of everything random.
    pub seed: u64,
    /// What the operands of the matrix products of a step are rounded to; tests are always f32.
    #[serde(default)]
    pub precision: Precision,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            epochs: 10,
            batch_size: 128,
            learning_rate: 1e-3,
            weight_decay: 0.0,
            grad_clip: 0.0,
            binarize: Binarize::None,
            seed: 1,
            precision: Precision::F32,
        }
    }
}

impl TrainOptions {
    /// What a plan has to know of them.
    pub(super) fn update(&self, fused: bool) -> Update {
        Update {
            weight_decay: self.weight_decay,
            grad_clip: self.grad_clip,
            fused,
            precision: self.precision,
        }
    }

    /// Checks every value, also against the number of training images.
    ///
    /// # Errors
    /// [`Error::Config`] with the option at fault.
    pub fn validate(&self, train_images: usize) -> Result<()> {
        if self.epochs == 0 {
            return Err(Error::config(
                "--epochs 0: expected at least one pass over the training images",
                "--epochs 10",
            ));
        }
        if self.batch_size == 0 || self.batch_size > train_images {
            return Err(Error::config(
                format!(
                    "--batch-size {}: expected 1 to {train_images}, the number of training images",
                    self.batch_size
                ),
                format!("--batch-size {}", train_images.clamp(1, 128)),
            ));
        }
        let finite = |name: &str, value: f32, least: f32| {
            if value.is_finite() && value >= least {
                Ok(())
            } else {
                Err(Error::config(
                    format!("--{name} {value}: expected a finite number, {least} or more"),
                    format!("elbo train --help, which gives the default of --{name}"),
                ))
            }
        };
        finite("lr", self.learning_rate, 0.0)?;
        finite("weight-decay", self.weight_decay, 0.0)?;
        finite("grad-clip", self.grad_clip, 0.0)
    }
}
