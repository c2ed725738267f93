//! The state of a trainer: out of the device's memory, and back into it.

use std::time::Instant;

use super::Trainer;
use crate::error::{Error, Result};
use crate::model::Weights;
use crate::model::plans::names;
use crate::train::pace::Clock;
use crate::train::{Observer, State};

/// Bytes of the largest state of which a second one waits in memory for its checkpoint. A larger one is written at once: to
/// compute its epochs takes as long as to write it.
const MOST_HELD: usize = 256 << 20;

impl Trainer {
    /// Whether the last good state is that of the epoch with the lowest test loss.
    pub(super) fn is_best(&self) -> bool {
        let position = &self.good.position;
        position
            .best
            .is_some_and(|best| best.step == position.steps)
    }

    /// Bytes that a state waiting for its checkpoint may take; 0 where it would be too large.
    pub(super) fn held_bytes(&self) -> usize {
        let bytes = 3 * self.session.model.parameters().count() * size_of::<f32>();
        if bytes > MOST_HELD { 0 } else { bytes }
    }

    /// Holds the last good state, if it is the best so far, until a checkpoint is made; `waits` says that none is made now.
    /// Whatever was held is the best no more.
    pub(super) fn hold_best(&mut self, waits: bool) {
        if self.is_best() {
            let holds = waits && self.held_bytes() > 0;
            self.best = holds.then(|| self.good.clone());
        }
    }

    /// Has the observer keep the last good state. Before it that of the best epoch, if it waits: a state names its best
    /// epoch, so that no checkpoint may be without that one.
    pub(super) fn keep(&mut self, clock: &mut Clock, observer: &mut dyn Observer) -> Result<()> {
        if let Some(best) = &self.best
            && best.position.steps != self.good.position.steps
        {
            observer.checkpoint(best)?;
        }
        observer.checkpoint(&self.good)?;
        self.best = None;
        self.is_unkept = false;
        clock.made();
        Ok(())
    }

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
        (self.best, self.is_unkept) = (None, false);
        Ok(())
    }

    /// Puts a state's arenas on the device.
    pub(super) fn write(&mut self, state: &State) -> Result<()> {
        for (name, tensors) in [
            (names::PARAMETERS, &state.weights),
            (names::FIRST, &state.first),
            (names::SECOND, &state.second),
        ] {
            let arena = tensors.to_arena(self.session.model.parameters())?;
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
        let parameters = self.session.model.parameters();
        let arena = self.session.runtime.read(name, 0, parameters.len)?;
        Ok(Weights::from_arena(parameters, &arena))
    }
}
