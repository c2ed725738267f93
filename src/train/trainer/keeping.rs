//! The state of a trainer: out of the device's memory, and back into it.

use std::time::Instant;

use super::Trainer;
use crate::error::{Error, Result};
use crate::model::Weights;
use crate::model::plans::names;
use crate::train::State;

impl Trainer {
    /// Starts from other parameters than the initial ones.
    ///
    /// # Errors
    /// [`Error::Config`] where they are not the model's; [`Error::Device`].
    pub fn start_from(&mut self, weights: &Weights) -> Result<()> {
        let state = State {
            weights: weights.clone(),
            ..self.good.clone()
        };
        self.restore(&state)
    }

    /// Goes on from a state of an earlier trainer of the same model, options and data: what follows is the same to
    /// the bit as if that one had gone on, on the same device.
    ///
    /// # Errors
    /// [`Error::Config`] where the state is not one of this model and these options; [`Error::Device`].
    pub fn restore(&mut self, state: &State) -> Result<()> {
        let batches = state.position.batches;
        if batches > self.passes.batches() {
            return Err(Error::config(
                format!(
                    "the state is {batches} steps into an epoch of {}",
                    self.passes.batches()
                ),
                "the data and the --batch-size that the state is of",
            ));
        }
        state.position.check(&self.options)?;
        self.write(state)?;
        self.position = state.position.clone();
        self.before = state.position.seconds;
        self.start = Instant::now();
        self.good = state.clone();
        Ok(())
    }

    /// Puts a state's arenas on the device.
    pub(super) fn write(&mut self, state: &State) -> Result<()> {
        for (name, tensors) in [
            (names::PARAMETERS, &state.weights),
            (names::FIRST, &state.first),
            (names::SECOND, &state.second),
        ] {
            let arena = tensors.to_arena(&self.session.parameters)?;
            self.session.runtime.write(name, 0, &arena)?;
        }
        Ok(())
    }

    /// The state as it is now, from which [`Trainer::restore`] goes on.
    ///
    /// # Errors
    /// [`Error::NotFinite`] where a parameter is not finite; [`Error::Device`].
    pub fn state(&mut self) -> Result<State> {
        self.refresh()?;
        Ok(self.good.clone())
    }

    /// Makes the state as it is now the last good one.
    pub(super) fn refresh(&mut self) -> Result<()> {
        let mut position = self.position.clone();
        position.seconds = self.seconds();
        let state = State {
            weights: self.arena(names::PARAMETERS)?,
            first: self.arena(names::FIRST)?,
            second: self.arena(names::SECOND)?,
            position,
        };
        if let Some(name) = state.weights.first_not_finite() {
            return Err(self.not_finite(self.position.steps, name));
        }
        self.good = state;
        Ok(())
    }

    pub(super) fn arena(&mut self, name: &str) -> Result<Weights> {
        let parameters = &self.session.parameters;
        let arena = self.session.runtime.read(name, 0, parameters.len)?;
        Ok(Weights::from_arena(parameters, &arena))
    }
}
