//! The state of a trainer: out of the device's memory, and back into it.
//!
//! A state that is past is wanted for a checkpoint, or to search for a value that is not finite: seldom. So a small state
//! is copied on the device, and read from there only when it is wanted. If the device is lost, so is the copy: the
//! last checkpoint stays.

use std::borrow::Cow;
use std::time::Instant;

use super::Trainer;
use crate::error::{Error, Result};
use crate::model::Weights;
use crate::model::plans::{Mode, buffers};
use crate::model::session::Session;
use crate::ops::copy;
use crate::plan::{Builder, PlanId, Shared};
use crate::train::pace::Clock;
use crate::train::{Observer, Position, State};

/// Bytes of the largest state of which others are held in memory beside it. Of a larger one the last good state is on the
/// host, which may have more memory than the device, and the best one is written at once: to compute its epochs takes as
/// long as that.
const MOST_HELD: usize = 256 << 20;

/// The last good state.
pub(super) enum Good {
    /// It lies on the device, in the copies.
    Device(Position),
    /// It lies on the host.
    Host(State),
}

impl Good {
    fn position(&self) -> &Position {
        match self {
            Self::Device(position) => position,
            Self::Host(state) => &state.position,
        }
    }
}

/// The state after the best epoch, while it waits for a checkpoint.
pub(super) enum Waiting {
    /// None waits.
    None,
    /// It is the last good state.
    Good,
    /// It is past.
    Past(Box<State>),
}

/// A plan that copies the state on the device, unless that is too large.
pub(super) fn copying(session: &mut Session) -> Result<Option<PlanId>> {
    if held_bytes(session) == 0 {
        return Ok(None);
    }
    let len = session.model.parameters().len;
    let mut builder = Builder::new("copy state");
    let pairs = buffers::STATE.into_iter().zip(buffers::GOOD);
    for (from, to) in pairs.take(arenas(session)) {
        session.allocate(to, len)?;
        let slices = [from, to].map(|buffer| builder.shared(buffer, len));
        builder.step(to.to_string(), &copy::KERNEL, copy::call(len), &slices);
    }
    session.runtime.prepare(builder.finish()).map(Some)
}

/// Whether an average of the parameters is kept.
fn has_average(session: &Session) -> bool {
    session.mode == Mode::RunAverage
}

/// Arenas of a state.
pub(super) fn arenas(session: &Session) -> usize {
    buffers::STATE.len() - usize::from(!has_average(session))
}

/// Bytes of a state on the host.
pub(super) fn state_bytes(session: &Session) -> usize {
    arenas(session) * session.model.parameters().count() * size_of::<f32>()
}

/// Bytes of a state; 0 where it is too large to be held beside another.
fn held_bytes(session: &Session) -> usize {
    let bytes = state_bytes(session);
    if bytes > MOST_HELD { 0 } else { bytes }
}

/// Bytes that states take on the host at most: the one that is held there where the device has no copy, the best one, and
/// one that is written to a checkpoint, of which two arenas lie there a second time for a while.
pub(super) fn most_on_host(session: &Session, is_copied: bool) -> u64 {
    let arena = session.model.parameters().count() * size_of::<f32>();
    let good = if is_copied { 0 } else { state_bytes(session) };
    (good + held_bytes(session) + state_bytes(session) + 2 * arena) as u64
}

impl Trainer {
    /// Whether the last good state is that of the epoch with the lowest test loss.
    pub(super) fn is_best(&self) -> bool {
        let position = self.good.position();
        position
            .best
            .is_some_and(|best| best.step == position.steps)
    }

    /// Bytes that a state waiting for its checkpoint may take; 0 where it would be too large.
    pub(super) fn held_bytes(&self) -> usize {
        held_bytes(&self.session)
    }

    /// Holds the last good state, if it is the best so far, until a checkpoint is made; `waits` says that none is made now.
    /// Whatever was held is the best no more.
    pub(super) fn hold_best(&mut self, waits: bool) {
        if self.is_best() && self.ranks.is_first() {
            self.best = match waits && self.held_bytes() > 0 {
                true => Waiting::Good,
                false => Waiting::None,
            };
        }
    }

    /// Has the observer keep the last good state. Before it that of the best epoch, if it waits: a state names its best
    /// epoch, so that no checkpoint may be without that one.
    pub(super) fn keep(&mut self, clock: &mut Clock, observer: &mut dyn Observer) -> Result<()> {
        if !self.ranks.is_first() {
            return Ok(());
        }
        if let Waiting::Past(best) = &self.best {
            observer.checkpoint(best)?;
            self.best = Waiting::None;
        }
        observer.checkpoint(self.good_state()?.as_ref())?;
        self.best = Waiting::None;
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
            average: has_average(&self.session).then(|| weights.clone()),
            ..self.good_state()?.into_owned()
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
        if batches > self.steps.batches() {
            return Err(Error::config(
                format!(
                    "the state is {batches} steps into an epoch of {}",
                    self.steps.batches()
                ),
                "the data and the `batch-size = …` that the state is of",
            ));
        }
        state.position.check(&self.options)?;
        if state.average.is_some() != has_average(&self.session) {
            let (has, option) = match state.average {
                Some(_) => ("an", "an `ema = …`"),
                None => ("no", "no `ema = …`"),
            };
            return Err(Error::config(
                format!("the state has {has} average of the parameters"),
                format!("{option}, as the state is of"),
            ));
        }
        self.write(state)?;
        self.position = state.position.clone();
        self.before = state.position.seconds;
        self.start = Instant::now();
        (self.best, self.is_unkept) = (Waiting::None, false);
        self.refresh()
    }

    /// Puts a state's arenas on the device.
    pub(super) fn write(&mut self, state: &State) -> Result<()> {
        let parts = [&state.weights, &state.first, &state.second];
        let parts = parts.into_iter().chain(&state.average);
        for (buffer, tensors) in buffers::STATE.into_iter().zip(parts) {
            let arena = tensors.to_arena(self.session.model.parameters())?;
            self.session.runtime.write(buffer, 0, &arena)?;
        }
        Ok(())
    }

    /// The state as it is now, from which [`Trainer::restore`] goes on.
    ///
    /// # Errors
    /// [`Error::NotFinite`] where a parameter is not finite; [`Error::Device`].
    pub fn state(&mut self) -> Result<State> {
        self.refresh()?;
        Ok(self.good_state()?.into_owned())
    }

    /// Makes the state as it is now the last good one.
    pub(super) fn refresh(&mut self) -> Result<()> {
        let mut position = self.position.clone();
        position.seconds = self.seconds();
        let is_best = position
            .best
            .is_some_and(|best| best.step == position.steps);
        if matches!(self.best, Waiting::Good) && !is_best {
            let state = self.good_state()?.into_owned();
            self.best = Waiting::Past(Box::new(state));
        }
        self.good = match self.copying {
            Some(plan) => {
                self.session.runtime.run(plan, 1)?;
                Good::Device(position)
            }
            None => {
                let state = read(&mut self.session, buffers::STATE, position)?;
                Good::Host(self.finite(state)?)
            }
        };
        Ok(())
    }

    /// The last good state on the host.
    ///
    /// # Errors
    /// [`Error::NotFinite`] where a parameter is not finite, [`Error::Device`].
    pub(super) fn good_state(&mut self) -> Result<Cow<'_, State>> {
        match &self.good {
            Good::Host(state) => Ok(Cow::Borrowed(state)),
            Good::Device(position) => {
                let state = read(&mut self.session, buffers::GOOD, position.clone())?;
                self.finite(state).map(Cow::Owned)
            }
        }
    }

    fn finite(&self, state: State) -> Result<State> {
        match state.weights.first_not_finite() {
            Some(name) => Err(self.not_finite(state.position.steps, name)),
            None => Ok(state),
        }
    }
}

/// Reads a state from its buffers.
fn read(
    session: &mut Session,
    [weights, first, second, average]: [Shared; 4],
    position: Position,
) -> Result<State> {
    Ok(State {
        weights: arena(session, weights)?,
        first: arena(session, first)?,
        second: arena(session, second)?,
        average: has_average(session)
            .then(|| arena(session, average))
            .transpose()?,
        position,
    })
}

/// Reads what is laid out as the parameters are.
pub(super) fn arena(session: &mut Session, buffer: Shared) -> Result<Weights> {
    let parameters = session.model.parameters();
    let arena = session.runtime.read(buffer, 0, parameters.len)?;
    Ok(Weights::from_arena(parameters, &arena))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::digits;
    use crate::device::Device;
    use crate::model::ModelSpec;
    use crate::plan::{self, Tune};
    use crate::train::{Pace, Span, TrainOptions};

    /// The checkpoints of a run, without what a clock measured.
    #[derive(Default)]
    struct Kept(Vec<State>);

    impl Observer for Kept {
        fn checkpoint(&mut self, state: &State) -> Result<()> {
            let mut state = state.clone();
            state.position.seconds = 0.0;
            self.0.push(state);
            Ok(())
        }
    }

    /// A run whose test loss falls at first and then rises, with one checkpoint at its end.
    fn run(on_device: bool) -> Vec<State> {
        let spec = ModelSpec {
            encoder: [64].into(),
            latent: 2.into(),
            ..ModelSpec::reference()
        };
        let options = TrainOptions {
            epochs: 40,
            batch_size: 16,
            learning_rate: 3e-3,
            ..TrainOptions::default()
        };
        let dataset = digits::generate(32, 32, 1);
        let runtime = plan::open(Device::Cpu, Tune::Quick);
        let mut trainer = Trainer::new(runtime, &spec, &options, &dataset, 0).expect("a trainer");
        if !on_device {
            trainer.copying = None;
            trainer.refresh().expect("a state");
        }
        let pace = Pace {
            checkpoint_every: Some(Span::Epochs(100.0)),
            stop_after: None,
        };
        let mut kept = Kept::default();
        trainer.run(&pace, &mut kept).expect("a run");
        kept.0
    }

    #[test]
    fn a_best_state_that_is_past_is_kept_before_the_last_one_wherever_states_lie() {
        let kept = run(true);
        let steps: Vec<u64> = kept.iter().map(|state| state.position.steps).collect();
        let best = kept[0].position.best.expect("a best epoch");
        assert_eq!(steps, [best.step, 80]);
        assert!(best.epoch < 40);
        assert!(kept == run(false));
    }
}
