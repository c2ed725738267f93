//! The training loop.

mod diagnosis;
mod keeping;
mod learning;
mod measurement;
mod pictures;
mod room;
mod sharing;
mod steps;
mod whole;

pub use diagnosis::DIVERGENCE_HINT;
pub use room::{DeviceMemory, Executor, check_room};
pub use whole::train;

use keeping::{Good, Waiting};
use pictures::Shown;
use room::Room;
use sharing::alike;
use steps::Steps;
pub(super) use steps::{MOST_SHARDS, Maker};

use std::ops::ControlFlow;
use std::time::Instant;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::data::Dataset;
use crate::error::Result;
use crate::model::plans::{Source, buffers};
use crate::model::session::{Measured, Passes, Session};
use crate::model::{Model, ModelSpec, Weights};
use crate::plan::{PlanId, Runtime};
use crate::ranks::Ranks;
use crate::train::concern::Guess;
use crate::train::pace::Clock;
use crate::train::{Best, Course, EpochRecord, Observer, Pace, Position, Start, TrainOptions};

/// Why training came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All epochs are done.
    Finished,
    /// The test loss did not fall for as many epochs as were asked for.
    Stale,
    /// The length after which to stop has gone by.
    Stopped,
    /// The observer broke off.
    BrokenOff,
}

/// What is scheduled.
struct Rates {
    learning_rate: f64,
    kl_weight: f64,
    kl_target: Option<f64>,
}

/// A model in training.
pub struct Trainer {
    session: Session,
    ranks: Ranks,
    options: TrainOptions,
    train: Source,
    test: Source,
    steps: Steps,
    evaluation: Passes,
    shown: Shown,
    guess: Guess,
    order: Vec<u32>,
    /// Learning rate and relative KL weight of each step of the running epoch, `[batches, 2]`.
    schedule: Vec<f32>,
    position: Position,
    start: Instant,
    /// Seconds of training before `start`.
    before: f64,
    /// The last state whose losses were finite, no older than the start of the running epoch.
    good: Good,
    /// Copies the state on the device to where the last good one lies; `None` where that lies on the host.
    copying: Option<PlanId>,
    /// The state after the epoch with the lowest test loss, where no checkpoint holds it yet.
    best: Waiting,
    /// Whether the observer knows of the last good state, and no checkpoint holds it yet.
    is_unkept: bool,
}

impl Trainer {
    /// A model with initial parameters on a device, with its data. `shown_seed`, in a run that of its split, chooses the test
    /// images whose reconstructions [`Trainer::pictures`] gives, by [`crate::data::Images::varied`].
    ///
    /// # Errors
    /// [`crate::Error::Config`] where an option or size is not usable, [`crate::Error::Device`] where the device refuses.
    pub fn new(
        runtime: Box<dyn Runtime>,
        spec: &ModelSpec,
        options: &TrainOptions,
        dataset: &Dataset,
        shown_seed: u64,
    ) -> Result<Self> {
        Self::among(&Ranks::alone(), runtime, spec, options, dataset, shown_seed)
    }

    /// The same, as one of several processes, all of which make theirs. Each has its part of every batch. All observers are
    /// told the same, but pictures and checkpoints are for that of the first one; any of them can stop training.
    ///
    /// # Errors
    /// As [`Trainer::new`]; [`crate::Error::Process`] where another process failed.
    pub fn among(
        ranks: &Ranks,
        runtime: Box<dyn Runtime>,
        spec: &ModelSpec,
        options: &TrainOptions,
        dataset: &Dataset,
        shown_seed: u64,
    ) -> Result<Self> {
        let fused = runtime.fuses_updates();
        Self::make(ranks, runtime, spec, options, dataset, shown_seed, fused)
    }

    /// The same, with the update of a layer in one step with its gradient or apart from it: two trainers whose
    /// steps are to be compared need the same.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn with_updates(
        runtime: Box<dyn Runtime>,
        spec: &ModelSpec,
        options: &TrainOptions,
        dataset: &Dataset,
        shown_seed: u64,
        fused: bool,
    ) -> Result<Self> {
        let alone = Ranks::alone();
        Self::make(&alone, runtime, spec, options, dataset, shown_seed, fused)
    }

    fn make(
        ranks: &Ranks,
        runtime: Box<dyn Runtime>,
        spec: &ModelSpec,
        options: &TrainOptions,
        dataset: &Dataset,
        shown_seed: u64,
        fused: bool,
    ) -> Result<Self> {
        let start = Instant::now();
        let model = Model::new(spec)?;
        let count = dataset.train.len();
        options.validate(count)?;
        options.check_model(spec)?;
        options
            .augment
            .check(dataset.train.shape, &dataset.reading)?;
        let mut session = Session::with_room(runtime, model, options.seed)?;
        let room = alike(ranks, &mut session, |session| {
            Room::make(ranks, session, options, dataset, fused)
        })?;
        room.fill(&mut session, options, dataset)?;
        let mut trainer = Self {
            options: options.clone(),
            train: room.train,
            test: room.test,
            evaluation: room.evaluation,
            shown: Shown::choose(&dataset.test, shown_seed)?,
            guess: Guess::new(spec, &dataset.test)?,
            order: (0..count as u32).collect(),
            schedule: vec![0.0; 2 * room.steps.batches()],
            steps: room.steps,
            position: Position::default(),
            start,
            before: 0.0,
            good: Good::Device(Position::default()),
            copying: room.copying,
            best: Waiting::None,
            is_unkept: false,
            session,
            ranks: ranks.clone(),
        };
        trainer.refresh()?;
        Ok(trainer)
    }

    /// Where training is.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Seconds of training, those before a stop included.
    fn seconds(&self) -> f64 {
        self.before + self.start.elapsed().as_secs_f64()
    }

    /// The kernels' variants in use, for the run's record: (step, variant).
    pub fn choices(&self) -> Vec<(String, String)> {
        self.session.runtime.choices()
    }

    /// The runtime, to look at buffers.
    pub fn runtime(&mut self) -> &mut dyn Runtime {
        self.session.runtime.as_mut()
    }

    /// The parameters as they are now, which training goes on with.
    ///
    /// # Errors
    /// [`crate::Error::Device`].
    pub fn weights(&mut self) -> Result<Weights> {
        keeping::arena(&mut self.session, buffers::PARAMETERS)
    }

    /// The parameters that tests, pictures and exports go by: their average, where one is kept.
    ///
    /// # Errors
    /// [`crate::Error::Device`].
    pub fn model(&mut self) -> Result<Weights> {
        let arena = self.session.mode.parameters();
        keeping::arena(&mut self.session, arena)
    }

    /// A clock that starts where training is.
    pub fn clock(&self, pace: &Pace) -> Clock {
        Clock::start(pace, self.position.steps, self.steps.batches())
    }

    /// Trains at a pace that starts now, see [`Trainer::run_by`].
    ///
    /// # Errors
    /// As [`Trainer::run_by`].
    pub fn run(&mut self, pace: &Pace, observer: &mut dyn Observer) -> Result<Ending> {
        let mut clock = self.clock(pace);
        self.run_by(&mut clock, observer)
    }

    /// Trains until the end, a stop by the clock, or until the observer breaks off; each of them leaves a checkpoint. A
    /// failure leaves one of the last epoch's end where that has none and can still be read from the device.
    ///
    /// # Errors
    /// [`crate::Error::NotFinite`] with the step and the tensor where a loss or a parameter is not finite;
    /// [`crate::Error::Diverged`] where the test loss after an epoch is beyond 10⁹ nats per value; the observer's
    /// errors; [`crate::Error::Device`]; [`crate::Error::Lost`].
    pub fn run_by(&mut self, clock: &mut Clock, observer: &mut dyn Observer) -> Result<Ending> {
        observer.started(&Start {
            position: &self.position,
            variants: &self.choices(),
            memory: &self.device_memory(),
            window: (self.train.window > 0).then(|| self.train.window.min(self.train.images)),
        })?;
        let outcome = self.run_to_end(clock, observer);
        if outcome.is_err() && self.is_unkept {
            // The failure is what the caller has to know, whatever becomes of this.
            let _ = self.keep(clock, observer);
        }
        outcome
    }

    fn run_to_end(&mut self, clock: &mut Clock, observer: &mut dyn Observer) -> Result<Ending> {
        // A run that is over already has its checkpoint.
        let mut kept = self.position.steps > 0;
        let ending = loop {
            if let Some(ending) = self.ending(clock)? {
                break ending;
            }
            kept = false;
            let record = match self.advance(clock, observer)? {
                ControlFlow::Continue(record) => record,
                ControlFlow::Break(ending) => break ending,
            };
            let is_last = self.position.ending(&self.options).is_some();
            let are_due = is_last || self.options.leaves_pictures(record.epoch);
            let are_due = are_due && self.ranks.is_first();
            let pictures = are_due.then(|| self.pictures()).transpose()?;
            observer.epoch(&record, pictures.as_ref())?;
            self.is_unkept = true;
            let is_due = clock.is_due_after_epoch(self.position.steps, Instant::now());
            kept = self.ending(clock)?.is_some() || is_due;
            self.hold_best(!kept);
            if kept || self.is_best() && matches!(self.best, Waiting::None) {
                self.keep(clock, observer)?;
                kept = true;
            }
        };
        if !kept {
            self.refresh()?;
            self.keep(clock, observer)?;
        }
        Ok(ending)
    }

    /// Whether training ends between two epochs.
    fn ending(&self, clock: &Clock) -> Result<Option<Ending>> {
        let stops = clock.stops(self.position.steps);
        let stops = self.ranks.of_first(u64::from(stops))? > 0;
        let by_itself = self.position.ending(&self.options);
        Ok(by_itself.or(stops.then_some(Ending::Stopped)))
    }

    /// Runs what is left of the running epoch and measures the test images. `None` where the observer broke off.
    ///
    /// # Errors
    /// As [`Trainer::run`].
    pub fn epoch(&mut self, observer: &mut dyn Observer) -> Result<Option<EpochRecord>> {
        let never = Pace {
            checkpoint_every: Some(crate::train::Span::Minutes(f64::MAX)),
            stop_after: None,
        };
        let mut clock = self.clock(&never);
        let advanced = self.advance(&mut clock, observer)?;
        Ok(advanced.continue_value())
    }

    /// The same, with checkpoints on the way, and how training ended where it did.
    fn advance(
        &mut self,
        clock: &mut Clock,
        observer: &mut dyn Observer,
    ) -> Result<ControlFlow<Ending, EpochRecord>> {
        self.begin()?;
        let (started, waited) = (Instant::now(), self.session.waited());
        let first = self.position.batches;
        if let ControlFlow::Break(ending) = self.learn(clock, started, observer)? {
            return Ok(ControlFlow::Break(ending));
        }
        let is_fed = self.train.window > 0;
        let waiting = is_fed
            .then(|| (self.session.waited() - waited) / started.elapsed().as_secs_f64().max(1e-9));
        let learned = self.steps.images - self.steps.images_in(first);
        let images_per_s = learned as f64 / started.elapsed().as_secs_f64().max(1e-9);
        let epoch = self.position.epochs + 1;
        let go_on = || !observer.wants_to_stop();
        let measured = self.session.measure_among(
            &self.ranks,
            self.options.shards,
            &self.test,
            &self.evaluation,
            epoch,
            go_on,
        )?;
        let Some(Measured { loss: test, units }) = measured else {
            return Ok(ControlFlow::Break(Ending::BrokenOff));
        };
        // The state before this epoch is the last good one.
        self.check_diverged(&test, units.as_ref())?;
        let train = self
            .session
            .mean_loss(&self.position.epoch_sums, self.steps.images);
        let Rates {
            learning_rate,
            kl_weight,
            kl_target,
        } = self.rates(self.steps.batches() - 1);
        let steps = self.position.steps;
        let earlier = self.position.best;
        let mut position = Position {
            epochs: epoch,
            steps,
            best: earlier,
            ..Position::default()
        };
        if test.total.is_finite() && earlier.is_none_or(|best| test.total < best.test_loss) {
            position.best = Some(Best {
                epoch,
                step: steps,
                test_loss: test.total,
            });
        }
        self.position = position;
        // Nobody has been told of it.
        self.is_unkept = false;
        if !test.total.is_finite() {
            let found = self.diagnose_test(epoch)?;
            return self.ranks.agree(Err(found));
        }
        self.check_alike()?;
        self.refresh()?;
        let sigma = self.session.found_log_sigma()?.map(f32::exp);
        Ok(ControlFlow::Continue(EpochRecord {
            epoch,
            step: steps,
            train,
            learning_rate,
            kl_weight,
            kl_target,
            units,
            astray: self.is_astray(&test, kl_weight, sigma),
            test,
            sigma,
            images_per_s,
            waiting,
            seconds: self.seconds(),
        }))
    }

    /// Draws the order of the running epoch's images, writes its schedule, and sets the counters.
    fn begin(&mut self) -> Result<()> {
        let epoch = self.position.epochs + 1;
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed);
        rng.set_stream(u64::from(epoch));
        for (i, place) in self.order.iter_mut().enumerate() {
            *place = i as u32;
        }
        self.order.shuffle(&mut rng);
        self.session.set_order(&self.train, &self.order)?;

        let batches = self.steps.batches();
        let course = Course {
            batches,
            epochs: self.options.epochs,
        };
        let first = self.position.steps - self.position.batches as u64;
        let spec = self.session.model.spec();
        let kl = self.options.kl_schedule_of(spec);
        let is_scheduled = self.options.is_scheduled(spec);
        for (step, row) in (first..).zip(self.schedule.chunks_mut(2)) {
            let rate = self.options.learning_rate_schedule.share(step, course)?;
            row[0] = (f64::from(self.options.learning_rate) * rate) as f32;
            row[1] = kl.share(step, course)? as f32;
        }
        if is_scheduled {
            let schedule = self.train.schedule();
            self.session.runtime.write(schedule, 0, &self.schedule)?;
        }
        self.seek(self.position.steps, self.position.batches)
    }

    /// Sets the counters to a step that is so many batches into the running epoch.
    fn seek(&mut self, step: u64, batches: usize) -> Result<()> {
        let place = [
            self.steps.images_in(batches),
            self.steps.log_rows_in(batches),
        ];
        self.session.seek(&self.train, step as u32, place)
    }

    /// What is scheduled, in a step of the running epoch.
    fn rates(&self, batch: usize) -> Rates {
        let [learning_rate, share] = [0, 1].map(|i| f64::from(self.schedule[2 * batch + i]));
        let spec = self.session.model.spec();
        let beta = f64::from(spec.beta);
        let held = spec.capacity.map(f64::from);
        Rates {
            learning_rate,
            kl_weight: match spec.objective().weighs_kl() {
                true if held.is_some() => beta,
                true => beta * share,
                false => 1.0,
            },
            kl_target: held.map(|nats| nats * share),
        }
    }
}
