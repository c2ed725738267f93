//! The training loop.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::data::{Dataset, Images, Values};
use crate::device::Precision;
use crate::error::{Error, Result};
use crate::kernel::Element;
use crate::model::plans::{self, Source, names};
use crate::model::session::{Passes, Session};
use crate::model::{Allocation, Loss, MemoryUse, ModelSpec, Parameters, Weights, prior};
use crate::plan::{self, Difference, PlanId, Runtime, Times};
use crate::rng::Purpose;
use crate::train::{EpochRecord, Observer, Pictures, Progress, TrainOptions};

/// Time between two looks at the losses of a running epoch.
const LOOK: Duration = Duration::from_millis(300);

/// Seconds of a measurement of training, in which the ends of submissions count for little.
const LONG: f64 = 0.1;

/// Images in the grids of samples and reconstructions.
const SAMPLES: usize = 64;
const RECONSTRUCTIONS: usize = 32;

/// All that a run of an epoch starts from; with it, an epoch can be run again exactly.
struct Snapshot {
    parameters: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    step: u64,
}

/// A model in training.
pub struct Trainer {
    session: Session,
    options: TrainOptions,
    train: Source,
    test: Source,
    passes: Passes,
    evaluation: Passes,
    shown: Images,
    order: Vec<u32>,
    epoch: u32,
    step: u64,
    start: Instant,
    good: Snapshot,
}

impl Trainer {
    /// A model with initial parameters on a device, with its data.
    ///
    /// # Errors
    /// [`Error::Config`] where an option or size is not usable, [`Error::Device`] where the device refuses.
    pub fn new(
        runtime: Box<dyn Runtime>,
        spec: &ModelSpec,
        options: &TrainOptions,
        dataset: &Dataset,
    ) -> Result<Self> {
        let fused = runtime.fuses_updates();
        Self::with_updates(runtime, spec, options, dataset, fused)
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
        fused: bool,
    ) -> Result<Self> {
        let start = Instant::now();
        spec.validate()?;
        let count = dataset.train.len();
        options.validate(count)?;
        let arena = Parameters::new(spec).initial(spec, options.seed);
        let mut session = Session::new(runtime, spec, &arena, options.seed)?;
        session.check_rows(options.batch_size)?;
        let binarize = options.binarize;
        let train = session.upload("train", &dataset.train, binarize, Purpose::Binarisation)?;
        let purpose = Purpose::EvaluationBinarisation;
        let test = session.upload("test", &dataset.test, binarize, purpose)?;
        let len = session.parameters.len;
        session.allocate(names::FIRST, Element::Float, len)?;
        session.allocate(names::SECOND, Element::Float, len)?;
        session.allocate(names::SCALARS, Element::Float, 2)?;
        let scalars = [options.learning_rate, 1.0];
        session.runtime.write(names::SCALARS, 0, &scalars)?;
        let update = options.update(fused);
        let make = |spec: &ModelSpec, parameters: &Parameters, rows| {
            plans::train(spec, parameters, rows, &train, update)
        };
        let passes = session.passes("train", count, options.batch_size, Some(&train), make)?;
        let evaluation = session.evaluation(&test)?;
        Ok(Self {
            options: options.clone(),
            train,
            test,
            passes,
            evaluation,
            shown: dataset.test.first(RECONSTRUCTIONS),
            order: (0..count as u32).collect(),
            epoch: 0,
            step: 0,
            start,
            good: Snapshot {
                parameters: arena,
                first: vec![0.0; len],
                second: vec![0.0; len],
                step: 0,
            },
            session,
        })
    }

    /// The kernels' variants in use, for the run's record: (step, variant).
    pub fn choices(&self) -> Vec<(String, String)> {
        self.session.runtime.choices()
    }

    /// The runtime, to look at buffers.
    pub fn runtime(&mut self) -> &mut dyn Runtime {
        self.session.runtime.as_mut()
    }

    /// The parameters as they are now.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn weights(&mut self) -> Result<Weights> {
        let len = self.session.parameters.len;
        let arena = self.session.runtime.read(names::PARAMETERS, 0, len)?;
        Ok(Weights::from_arena(&self.session.parameters, &arena))
    }

    /// The parameters after the last finished epoch, which have been read back already.
    fn good_weights(&self) -> Weights {
        Weights::from_arena(&self.session.parameters, &self.good.parameters)
    }

    /// Runs the next epoch and measures the test images.
    ///
    /// # Errors
    /// [`Error::NotFinite`] with the step and the tensor where a loss or a parameter is not finite.
    /// `None` where the observer broke off.
    pub fn epoch(&mut self, observer: &mut dyn Observer) -> Result<Option<EpochRecord>> {
        self.epoch += 1;
        self.shuffle()?;
        let started = Instant::now();
        let Some((loss, images_per_s)) = self.learn(started, observer)? else {
            return Ok(None);
        };
        let test = self
            .session
            .measure(&self.test, &self.evaluation, self.epoch)?;
        self.keep()?;
        if !test.total.is_finite() {
            return Err(self.diagnose_test()?);
        }
        Ok(Some(EpochRecord {
            epoch: self.epoch,
            step: self.step,
            train: loss,
            test,
            images_per_s,
            seconds: self.start.elapsed().as_secs_f64(),
        }))
    }

    /// Draws the order of this epoch's images and sets the counters.
    fn shuffle(&mut self) -> Result<()> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed);
        rng.set_stream(u64::from(self.epoch));
        for (i, place) in self.order.iter_mut().enumerate() {
            *place = i as u32;
        }
        self.order.shuffle(&mut rng);
        let name = self.train.order_name();
        self.session.runtime.write_words(&name, 0, &self.order)?;
        self.session.rewind(&self.train, self.step as u32)
    }

    /// All steps of an epoch. Returns the mean loss and images per second, or `None` where the observer
    /// broke off.
    fn learn(
        &mut self,
        started: Instant,
        observer: &mut dyn Observer,
    ) -> Result<Option<(Loss, f64)>> {
        let batches = self.passes.batches();
        let mut log: Vec<f32> = Vec::with_capacity(2 * batches);
        let mut done = 0;
        let mut chunk = 1;
        while done < batches {
            let from = Instant::now();
            let whole = self.passes.whole_batches();
            let (plan, times) = if done < whole {
                (self.passes.whole, chunk.min(whole - done))
            } else {
                (self.passes.rest, 1)
            };
            let Some(plan) = plan else { break };
            self.session.runtime.run(plan, times as u32)?;
            let name = self.train.log_name();
            let rows = self.session.runtime.read(&name, 2 * done, 2 * times)?;
            if let Some(bad) = rows
                .chunks(2)
                .position(|row| !row.iter().all(|v| v.is_finite()))
            {
                return Err(self.diagnose(done + bad)?);
            }
            log.extend(rows);
            done += times;
            // As many steps at once as fill the time to the next look; slow starts count less this way.
            let per_step = from.elapsed().as_secs_f64() / times as f64;
            let fitting = (LOOK.as_secs_f64() / per_step.max(1e-9)) as usize;
            chunk = fitting.clamp(1, 2 * times.max(8));
            let images_done = (done * self.passes.rows).min(self.passes.images);
            let progress = Progress {
                epoch: self.epoch,
                images_done,
                images: self.passes.images,
                loss: self.session.mean_loss(&log, images_done),
                images_per_s: images_done as f64 / started.elapsed().as_secs_f64(),
            };
            if observer.progress(&progress) == ControlFlow::Break(()) {
                return Ok(None);
            }
        }
        self.step += batches as u64;
        let seconds = started.elapsed().as_secs_f64();
        let loss = self.session.mean_loss(&log, self.passes.images);
        Ok(Some((loss, self.passes.images as f64 / seconds)))
    }

    /// Keeps the state after an epoch as the last good one.
    fn keep(&mut self) -> Result<()> {
        let len = self.session.parameters.len;
        let runtime = &mut self.session.runtime;
        let snapshot = Snapshot {
            parameters: runtime.read(names::PARAMETERS, 0, len)?,
            first: runtime.read(names::FIRST, 0, len)?,
            second: runtime.read(names::SECOND, 0, len)?,
            step: self.step,
        };
        let weights = Weights::from_arena(&self.session.parameters, &snapshot.parameters);
        if let Some(name) = weights.first_not_finite() {
            return Err(self.not_finite(self.step, name));
        }
        self.good = snapshot;
        Ok(())
    }

    fn not_finite(&self, step: u64, tensor: &str) -> Error {
        let hint = "a smaller --lr, --grad-clip 1, or data without extreme values";
        let hint = match self.options.precision {
            Precision::F16 => format!("--precision f32, whose range is wider; {hint}"),
            Precision::F32 => hint.to_owned(),
        };
        Error::NotFinite {
            step,
            tensor: tensor.to_owned(),
            hint,
        }
    }

    /// Finds the tensor that spoilt the loss of a batch: runs the epoch again from its start, which gives
    /// the same values, up to that batch, and then looks at every result of its step.
    fn diagnose(&mut self, batch: usize) -> Result<Error> {
        let runtime = &mut self.session.runtime;
        runtime.write(names::PARAMETERS, 0, &self.good.parameters)?;
        runtime.write(names::FIRST, 0, &self.good.first)?;
        runtime.write(names::SECOND, 0, &self.good.second)?;
        let step = self.good.step;
        self.session.rewind(&self.train, step as u32)?;
        let whole = self.passes.whole_batches().min(batch);
        if let Some(plan) = self.passes.whole {
            self.session.runtime.run(plan, whole as u32)?;
        }
        let step = step + batch as u64 + 1;
        if let Some(name) = self.weights()?.first_not_finite() {
            return Ok(self.not_finite(step, name));
        }
        let plan = if batch < self.passes.whole_batches() {
            self.passes.whole
        } else {
            self.passes.rest
        };
        let fault = match plan {
            Some(plan) => plan::find_fault(self.session.runtime.as_mut(), plan)?,
            None => None,
        };
        Ok(match fault {
            Some(fault) => self.not_finite(step, &format!("{} (of {})", fault.buffer, fault.step)),
            None => self.not_finite(step, "the loss"),
        })
    }

    /// Finds the tensor that spoilt the test loss: measures again, and looks at every result.
    fn diagnose_test(&mut self) -> Result<Error> {
        let step = self.evaluation.first_step(self.epoch);
        self.session.rewind(&self.test, step)?;
        for (plan, _) in self.evaluation.each() {
            if let Some(fault) = plan::find_fault(self.session.runtime.as_mut(), plan)? {
                let tensor = format!("{} (of {}, test images)", fault.buffer, fault.step);
                return Ok(self.not_finite(self.step, &tensor));
            }
        }
        Ok(self.not_finite(self.step, "the test loss"))
    }

    /// Samples of the prior, always the same codes, and reconstructions of the first test images.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn pictures(&mut self) -> Result<Pictures> {
        let samples = if self.session.is_variational() {
            let codes = prior(self.options.seed, SAMPLES, self.session.spec.latent);
            self.session.decode(&codes)?
        } else {
            Vec::new()
        };
        let binarize = self.options.binarize;
        let purpose = Purpose::EvaluationBinarisation;
        let source = self
            .session
            .upload("shown", &self.shown, binarize, purpose)?;
        let mut pictures = Pictures {
            samples,
            originals: Vec::new(),
            reconstructions: Vec::new(),
        };
        let values = self.shown.shape.values();
        self.session.sweep(
            "reconstruct",
            &source,
            names::DECODED,
            values,
            |spec, parameters, rows| plans::reconstruct(spec, parameters, rows, &source),
            |runtime, batch| {
                pictures.reconstructions.extend_from_slice(batch);
                pictures
                    .originals
                    .extend(runtime.read(names::SEEN, 0, batch.len())?);
                Ok(())
            },
        )?;
        Ok(pictures)
    }

    /// Runs a training step on whole batches, one on the rest and an evaluation on this trainer's device and
    /// on another's, and gives how far each result of the other is from this one's. Both must have been
    /// made of the same model, options and data; neither is of use afterwards.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn compare(&mut self, other: &mut Self) -> Result<Vec<Difference>> {
        for trainer in [&mut *self, &mut *other] {
            trainer.shuffle()?;
            trainer.session.rewind(&trainer.test, 0)?;
        }
        let plans = |trainer: &Self| {
            let (train, test) = (trainer.passes, trainer.evaluation);
            [train.whole, train.rest, test.whole]
        };
        let mut all = Vec::new();
        for ids in plans(self).into_iter().zip(plans(other)) {
            if let (Some(own), Some(others)) = ids {
                all.extend(plan::compare(
                    (self.session.runtime.as_mut(), own),
                    (other.session.runtime.as_mut(), others),
                )?);
            }
        }
        Ok(all)
    }

    /// The plan of a step on a whole batch.
    ///
    /// # Errors
    /// [`Error::Config`] without a whole batch, which [`Trainer::new`] does not allow.
    pub fn plan(&self) -> Result<PlanId> {
        let none = || Error::config("no training images", "a data set with some");
        self.passes.whole.ok_or_else(none)
    }

    /// How often [`Trainer::plan`] may run before the counters are at the end of the images.
    pub fn steps_in_a_row(&self) -> u32 {
        self.passes.whole_batches() as u32
    }

    /// Seconds of step `index` of [`Trainer::plan`] by itself. The model is of no use afterwards.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn time_step(&mut self, index: usize) -> Result<Times> {
        self.session.rewind(&self.train, self.step as u32)?;
        let (plan, most) = (self.plan()?, self.steps_in_a_row());
        plan::time_step(self.session.runtime.as_mut(), plan, index, most)
    }

    /// Seconds of a step of training among many in a row. The model is of no use afterwards.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn time_training(&mut self) -> Result<Times> {
        let (plan, most) = (self.plan()?, self.steps_in_a_row());
        let (log, step) = (self.train.log_name(), self.step as u32);
        plan::measure(most, LONG, |times| {
            self.session.rewind(&self.train, step)?;
            let start = Instant::now();
            self.session.runtime.run(plan, times)?;
            self.session.runtime.read(&log, 0, 1)?;
            Ok(start.elapsed().as_secs_f64())
        })
    }

    /// What training and testing hold in the device's memory. The pictures after an epoch add a little.
    pub fn device_memory(&self) -> Vec<Allocation> {
        self.session.memory()
    }

    /// What the trainer holds in the host's memory beside that: the state after the last epoch, from which one
    /// that goes wrong is repeated, the order of the images, and the images of the grids. The data set is its
    /// owner's.
    pub fn host_memory(&self) -> Vec<Allocation> {
        let part = |name: &str, used_for, bytes| Allocation {
            name: name.to_owned(),
            used_for,
            bytes: bytes as u64,
        };
        let good = &self.good;
        let floats = good.parameters.len() + good.first.len() + good.second.len();
        let values = self.shown.len() * self.shown.shape.values();
        let shown = match self.shown.values {
            Values::Bytes(_) => values,
            Values::Floats(_) => size_of::<f32>() * values,
        };
        vec![
            part(
                "state after the last epoch",
                MemoryUse::Parameters,
                size_of::<f32>() * floats,
            ),
            part("images of the grids", MemoryUse::Images, shown),
            part(
                "order of the images",
                MemoryUse::Bookkeeping,
                size_of::<u32>() * self.order.len(),
            ),
        ]
    }
}

/// Trains a model on a data set and reports to `observer`; returns the trained parameters.
///
/// # Errors
/// See [`Trainer::new`] and [`Trainer::epoch`].
pub fn train(
    runtime: Box<dyn Runtime>,
    spec: &ModelSpec,
    options: &TrainOptions,
    dataset: &Dataset,
    observer: &mut dyn Observer,
) -> Result<Weights> {
    let mut trainer = Trainer::new(runtime, spec, options, dataset)?;
    observer.started(&trainer.choices(), &trainer.device_memory())?;
    for _ in 0..options.epochs {
        let Some(record) = trainer.epoch(observer)? else {
            break;
        };
        let pictures = trainer.pictures()?;
        observer.epoch(&record, &pictures, &trainer.good_weights())?;
    }
    trainer.weights()
}
