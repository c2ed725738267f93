//! All that training goes on from.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::Weights;
use crate::number::counted;
use crate::train::{Ending, TrainOptions};

/// The state of training between two steps. With the model, the options and the data it determines all that
/// follows: randomness is a function of seed and step.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Parameters.
    pub weights: Weights,
    /// Adam's first moments, under the names of the parameters.
    pub first: Weights,
    /// Adam's second moments.
    pub second: Weights,
    /// The average of the parameters, where one is kept.
    pub average: Option<Weights>,
    /// Where training is.
    pub position: Position,
}

impl State {
    /// The parameters that tests, pictures and exports go by: their average, where one is kept.
    pub fn model(&self) -> &Weights {
        self.average.as_ref().unwrap_or(&self.weights)
    }
}

/// Where training is, and what it knows of the way there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Finished epochs.
    pub epochs: u32,
    /// Steps of the running epoch that are done.
    pub batches: usize,
    /// Optimiser steps since the start of training.
    pub steps: u64,
    /// The terms of the objective, summed over the images of these batches.
    pub epoch_sums: Vec<f64>,
    /// The same over the images since the last report of this epoch.
    pub report_sums: Vec<f64>,
    /// Those images.
    pub report_images: usize,
    /// The epoch with the lowest test loss so far.
    pub best: Option<Best>,
    /// Seconds of training.
    pub seconds: f64,
}

impl Position {
    /// Why training with these options ends here, if it does.
    pub fn ending(&self, options: &TrainOptions) -> Option<Ending> {
        if self.batches > 0 {
            return None;
        }
        if self.epochs >= options.epochs {
            return Some(Ending::Finished);
        }
        (options.patience > 0 && self.stale() >= options.patience).then_some(Ending::Stale)
    }

    /// Checks that training with these options can go on from here.
    ///
    /// # Errors
    /// [`Error::Config`] where it is beyond their epochs.
    pub fn check(&self, options: &TrainOptions) -> Result<()> {
        let needed = self.epochs + u32::from(self.batches > 0);
        if needed > options.epochs {
            return Err(Error::config(
                format!(
                    "`epochs = {}`: {} and {} are done already",
                    options.epochs,
                    counted(u64::from(self.epochs), "epoch"),
                    counted(self.batches as u64, "step")
                ),
                format!("`epochs = {needed}` or more"),
            ));
        }
        Ok(())
    }

    /// Epochs since the lowest test loss.
    pub fn stale(&self) -> u32 {
        self.best
            .map_or(0, |best| self.epochs - best.epoch.min(self.epochs))
    }
}

/// The epoch with the lowest test loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Epoch, counted from 1.
    pub epoch: u32,
    /// Optimiser steps at its end.
    pub step: u64,
    /// Its test loss, per image.
    pub test_loss: f64,
}
