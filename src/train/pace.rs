//! When a checkpoint is due, and when a run is to stop before its end.

use std::time::{Duration, Instant};

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::option::{self, defaults};
use crate::train::Span;

/// Least time from one checkpoint to the next where nobody asks for another pace: a sync of a disk takes 5 to 50 ms, so
/// that this is at most a hundredth of training, and nobody misses the seconds that a kill costs.
const PAUSE: Duration = Duration::from_secs(5);

/// Which checkpoints a run keeps.
#[derive(Args, Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checkpoints {
    /// How often to keep a checkpoint: 1epoch, 500steps, 10minutes; there is also one at the end and at a stop
    /// [default: after an epoch, where 5 seconds have passed since the last one]
    #[arg(
        id = "checkpoint_every",
        long = "checkpoint-every",
        value_name = "LENGTH",
        help_heading = "Run"
    )]
    #[serde(rename = "checkpoint-every", skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// Number of checkpoints to keep, the newest; the one with the lowest test loss is kept as well
    #[arg(long, value_name = "NUMBER", value_parser = option::positive::<usize>, default_value_t = 1, help_heading = "Run")]
    pub keep: usize,
}

impl Default for Checkpoints {
    fn default() -> Self {
        defaults()
    }
}

impl Checkpoints {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] with the option at fault.
    pub fn validate(&self) -> Result<()> {
        if let Some(every) = self.every.filter(|every| every.is_zero()) {
            return Err(Error::config(
                format!("`checkpoint-every = {every}`: expected more than nothing"),
                "`checkpoint-every = 1epoch`, 500steps or 10minutes",
            ));
        }
        if self.keep == 0 {
            return Err(Error::config(
                "`keep = 0`: a run keeps at least its last checkpoint",
                "`keep = 1`",
            ));
        }
        Ok(())
    }
}

/// What paces a run: how often a checkpoint is made, and after which length it stops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// How often a checkpoint is made, as [`Checkpoints::every`].
    pub checkpoint_every: Option<Span>,
    /// Length after which training stops, counted from where it starts or goes on.
    pub stop_after: Option<Span>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            checkpoint_every: Checkpoints::default().every,
            stop_after: None,
        }
    }
}

impl Pace {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] with the option at fault.
    pub fn validate(&self) -> Result<()> {
        match self.stop_after {
            Some(span) if span.is_zero() => Err(Error::config(
                format!("`stop-after = {span}`: expected more than nothing"),
                "`stop-after = 500steps` or 30minutes",
            )),
            _ => Ok(()),
        }
    }
}

/// A pace under way, from [`Trainer::clock`](crate::train::Trainer::clock). A run that goes on from an earlier state keeps
/// it: what was to stop it still does.
pub struct Clock {
    /// Steps from one checkpoint to the next.
    every_steps: Option<u64>,
    every_time: Option<Duration>,
    /// Least time between two checkpoints at ends of epochs.
    pause: Option<Duration>,
    stop_step: Option<u64>,
    stop_time: Option<Instant>,
    last_checkpoint: Instant,
}

fn duration(minutes: f64) -> Duration {
    Duration::try_from_secs_f64(60.0 * minutes).unwrap_or(Duration::MAX)
}

impl Clock {
    /// From `step` on, where an epoch has `batches`.
    pub(super) fn start(pace: &Pace, step: u64, batches: usize) -> Self {
        let now = Instant::now();
        let time = |span| match span {
            Span::Minutes(minutes) => Some(duration(minutes)),
            Span::Epochs(_) | Span::Steps(_) => None,
        };
        let (every, stop) = (pace.checkpoint_every, pace.stop_after);
        let every_steps = every.and_then(|span| span.steps(batches));
        Self {
            every_steps: every_steps.map(|n| n.max(1)),
            every_time: every.and_then(time),
            pause: every.is_none().then_some(PAUSE),
            // Half a step is one: a run that goes on again and again has to get on.
            stop_step: stop
                .and_then(|span| span.steps(batches))
                .map(|n| step.saturating_add(n.max(1))),
            stop_time: stop
                .and_then(time)
                .and_then(|length| now.checked_add(length)),
            last_checkpoint: now,
        }
    }

    /// Steps until a checkpoint is due or the run stops.
    pub(super) fn steps_left(&self, step: u64) -> u64 {
        let checkpoint = self
            .every_steps
            .map_or(u64::MAX, |every| every - step % every);
        let stop = self
            .stop_step
            .map_or(u64::MAX, |stop| stop.saturating_sub(step));
        checkpoint.min(stop)
    }

    /// Whether the run is to stop at this step.
    pub(super) fn stops(&self, step: u64) -> bool {
        self.stop_step.is_some_and(|stop| step >= stop)
            || self.stop_time.is_some_and(|stop| Instant::now() >= stop)
    }

    /// Whether a checkpoint of this step is due.
    pub(super) fn is_due(&self, step: u64) -> bool {
        self.every_steps
            .is_some_and(|every| step.is_multiple_of(every))
            || self
                .every_time
                .is_some_and(|every| self.last_checkpoint.elapsed() >= every)
    }

    /// Whether one is due at the end of an epoch, at this step.
    pub(super) fn is_due_after_epoch(&self, step: u64, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.last_checkpoint);
        self.is_due(step) || self.pause.is_some_and(|pause| since >= pause)
    }

    /// Notes that a checkpoint was made.
    pub(super) fn made(&mut self) {
        self.last_checkpoint = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(every: Span, stop: Option<Span>, step: u64) -> Clock {
        let pace = Pace {
            checkpoint_every: Some(every),
            stop_after: stop,
        };
        Clock::start(&pace, step, 10)
    }

    #[test]
    fn by_default_checkpoints_come_at_ends_of_epochs_with_a_pause_between() {
        let mut clock = Clock::start(&Pace::default(), 0, 10);
        let start = clock.last_checkpoint;
        assert!(!clock.is_due(10), "within an epoch");
        assert_eq!(clock.steps_left(3), u64::MAX);
        assert!(!clock.is_due_after_epoch(10, start + PAUSE / 2));
        assert!(clock.is_due_after_epoch(10, start + PAUSE));
        clock.last_checkpoint = start + PAUSE;
        assert!(!clock.is_due_after_epoch(20, start + PAUSE));
        assert!(clock.is_due_after_epoch(20, start + 2 * PAUSE));
    }

    #[test]
    fn a_pace_that_is_asked_for_knows_no_pause() {
        let every = |span| clock(span, None, 0);
        let epochs = every(Span::Epochs(1.0));
        let start = epochs.last_checkpoint;
        assert!(epochs.is_due_after_epoch(10, start));
        let late = start + 100 * PAUSE;
        assert!(!every(Span::Steps(7)).is_due_after_epoch(10, late));
    }

    #[test]
    fn checkpoints_fall_on_multiples_of_their_steps_wherever_a_run_goes_on() {
        let clock = clock(Span::Epochs(1.5), None, 7);
        assert_eq!(clock.steps_left(7), 8);
        assert!(!clock.is_due(14) && clock.is_due(15) && clock.is_due(30));
        assert!(!clock.stops(1_000_000));
    }

    #[test]
    fn a_stop_is_counted_from_where_a_run_goes_on() {
        let clock = clock(Span::Steps(100), Some(Span::Steps(5)), 7);
        assert_eq!(clock.steps_left(7), 5);
        assert!(!clock.stops(11) && clock.stops(12) && clock.stops(13));
    }

    #[test]
    fn minutes_go_by_the_clock() {
        let soon = clock(Span::Minutes(1e-9), Some(Span::Minutes(1e-9)), 0);
        std::thread::sleep(Duration::from_millis(1));
        assert!(soon.is_due(3) && soon.stops(3));
        let late = clock(Span::Minutes(1e300), Some(Span::Minutes(1e300)), 0);
        assert!(!late.is_due(3) && !late.stops(3));
        assert_eq!(late.steps_left(3), u64::MAX);
    }

    #[test]
    fn a_run_that_would_keep_nothing_is_refused() {
        let bad =
            |checkpoints: Checkpoints| checkpoints.validate().expect_err("refused").to_string();
        let keep = bad(Checkpoints {
            keep: 0,
            ..Checkpoints::default()
        });
        assert!(keep.contains("`keep = 0`"), "{keep}");
        let every = bad(Checkpoints {
            every: Some(Span::Steps(0)),
            keep: 1,
        });
        assert!(every.contains("`checkpoint-every = "), "{every}");
    }
}
