//! A model on a device: its runtime, its data, and passes over a split.

mod feed;
mod measure;
mod see;
mod split;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use self::feed::Feed;
use crate::error::{Error, Result};
use crate::model::plans::{self, Mode, Model, Source, Task, buffers};
use crate::model::units::SUMS;
use crate::model::{Allocation, Loss, MemoryUse, Units};
use crate::plan::{Plan, PlanId, Runtime, Shared, buffer_bytes};

/// Most images of a batch where nothing is learned: enough to fill a device.
const ROWS: usize = 512;

/// Most codes of such a batch, where an image has several.
pub(crate) const SAMPLE_ROWS: usize = 4096;

/// Most values of a layer's output in such a batch, 32 MiB of floats: large images go in small batches.
const BATCH_VALUES: usize = 1 << 23;

/// Values of one buffer that kernels can number with 32 bits, with room for rounding up.
const MOST_VALUES: usize = 1 << 31;

/// What a prepared plan was made for.
#[derive(PartialEq, Eq, Hash)]
struct PlanKey {
    task: Task,
    /// Images, and samples of each.
    size: [usize; 2],
    /// The split that it reads.
    source: Option<Source>,
}

/// A model's parameters on a device, with what every pass needs.
pub(crate) struct Session {
    pub(crate) runtime: Box<dyn Runtime>,
    pub(crate) model: Model,
    pub(crate) seed: u64,
    /// How plans run in which nothing is learned.
    pub(crate) mode: Mode,
    prepared: HashMap<PlanKey, PlanId>,
    /// Elements of each shared buffer.
    allocated: HashMap<Shared, usize>,
    /// What brings images of a split that does not lie on the device as a whole.
    feeds: HashMap<&'static str, Feed>,
}

/// What a pass over a split measured.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) loss: Loss,
    /// Of a VAE.
    pub(crate) units: Option<Units>,
}

/// What runs whole batches of a split, and the batch of its rest. Plans of [`Session::passes`] are there until others of the
/// task and the split are asked for.
#[derive(Clone, Copy)]
pub(crate) struct Passes<P = PlanId> {
    pub(crate) rows: usize,
    pub(crate) images: usize,
    pub(crate) whole: P,
    pub(crate) rest: Option<P>,
}

impl<P> Passes<P> {
    /// Whole batches.
    pub(crate) fn whole_batches(&self) -> usize {
        self.images / self.rows
    }

    /// All batches.
    pub(crate) fn batches(&self) -> usize {
        self.images.div_ceil(self.rows)
    }

    /// Step of the first batch of a pass: no two batches of different passes share their noise.
    pub(crate) fn first_step(&self, pass: u32) -> u32 {
        pass.wrapping_mul(self.batches() as u32)
    }
}

impl Passes {
    /// Plan and rows of every batch in turn.
    pub(crate) fn each(&self) -> impl Iterator<Item = (PlanId, usize)> + use<> {
        let whole = std::iter::repeat_n((self.whole, self.rows), self.whole_batches());
        let left = self.images % self.rows;
        whole.chain(self.rest.map(|plan| (plan, left)))
    }
}

impl Session {
    /// Puts parameters on a device.
    pub(crate) fn new(
        runtime: Box<dyn Runtime>,
        model: Model,
        arena: &[f32],
        seed: u64,
    ) -> Result<Self> {
        let mut session = Self::with_room(runtime, model, seed)?;
        session.write_parameters(arena)?;
        Ok(session)
    }

    /// Room for parameters on a device.
    pub(crate) fn with_room(runtime: Box<dyn Runtime>, model: Model, seed: u64) -> Result<Self> {
        let len = model.parameters().len;
        let mut session = Self {
            runtime,
            model,
            seed,
            mode: Mode::Run,
            prepared: HashMap::new(),
            allocated: HashMap::new(),
            feeds: HashMap::new(),
        };
        session.allocate(buffers::PARAMETERS, len)?;
        session.allocate(buffers::LOG_SIGMA, 1)?;
        let spec = session.model.spec();
        if spec.has_prior() && !spec.is_variational() {
            let heads = 2 * spec.latent.values();
            session.allocate(buffers::PRIOR_HEADS, heads)?;
        }
        Ok(session)
    }

    /// Puts parameters into their room.
    pub(crate) fn write_parameters(&mut self, arena: &[f32]) -> Result<()> {
        self.runtime.write(buffers::PARAMETERS, 0, arena)?;
        let log_sigma = [self.model.spec().log_sigma()];
        self.runtime.write(buffers::LOG_SIGMA, 0, &log_sigma)
    }

    /// Makes a shared buffer.
    pub(crate) fn allocate(&mut self, buffer: Shared, len: usize) -> Result<()> {
        if self.runtime.allocate(buffer, len)? {
            // They refer to the buffer that it replaced.
            self.release(|_, plan| plan.uses(buffer));
        }
        let known = self.allocated.entry(buffer).or_default();
        *known = len.max(*known);
        Ok(())
    }

    /// What it holds on the device: shared buffers by name, then the memories of its plans. Shaders, and what
    /// the driver keeps for itself, are not in it.
    pub(crate) fn memory(&self) -> Vec<Allocation> {
        let shared = self.allocated.iter().map(|(&buffer, &len)| Allocation {
            name: buffer.to_string(),
            used_for: MemoryUse::of(buffer),
            bytes: buffer_bytes(len),
        });
        let mut all: Vec<_> = shared.collect();
        all.sort_by(|a, b| (a.used_for, &a.name).cmp(&(b.used_for, &b.name)));
        all.push(Allocation {
            name: "transient buffers of the plans".to_owned(),
            used_for: MemoryUse::Activations,
            bytes: self.runtime.memory(),
        });
        all
    }

    /// Gives back the plans of which `is_over` says so.
    fn release(&mut self, is_over: impl Fn(&PlanKey, &Plan) -> bool) {
        let runtime = &mut self.runtime;
        self.prepared.retain(|key, &mut id| {
            let is_over = is_over(key, runtime.plan(id));
            if is_over {
                runtime.release(id);
            }
            !is_over
        });
    }

    /// Gives back the plans of a task on a split that are of other sizes than these: images, and samples of each. Or else
    /// a session that is asked for many different numbers would hold the memory of all of them. A plan for one row stays:
    /// it is small, and the page asks for one in turn with many.
    pub(crate) fn keep_sizes(
        &mut self,
        task: &Task,
        source: Option<&Source>,
        sizes: &[[usize; 2]],
    ) {
        let split = source.map(|source| source.split);
        self.release(|key, _| {
            let same = key.task == *task && key.source.map(|source| source.split) == split;
            same && key.size != [1, 1] && !sizes.contains(&key.size)
        });
    }

    /// A plan, prepared once for each task, number of images, samples of an image, and split.
    pub(crate) fn prepare(
        &mut self,
        task: &Task,
        mode: Mode,
        size: [usize; 2],
        source: Option<&Source>,
    ) -> Result<PlanId> {
        let key = PlanKey {
            task: *task,
            size,
            source: source.copied(),
        };
        if let Some(&plan) = self.prepared.get(&key) {
            return Ok(plan);
        }
        let plan = self
            .runtime
            .prepare(self.model.plan(task, mode, size, source))?;
        self.prepared.insert(key, plan);
        Ok(plan)
    }

    /// Plans for all batches of `rows` of a number of images.
    pub(crate) fn passes(
        &mut self,
        task: &Task,
        mode: Mode,
        images: usize,
        rows: usize,
        source: Option<&Source>,
    ) -> Result<Passes> {
        let rows = rows.min(images);
        let rest = images % rows;
        let samples = self.model.samples(task);
        self.keep_sizes(task, source, &[[rows, samples], [rest, samples]]);
        let mut plan = |rows| self.prepare(task, mode, [rows, samples], source);
        Ok(Passes {
            rows,
            images,
            whole: plan(rows)?,
            rest: (rest > 0).then(|| plan(rest)).transpose()?,
        })
    }

    /// Checks that a batch of `rows` fits what kernels can number.
    pub(crate) fn check_rows(&self, rows: usize) -> Result<()> {
        check_rows(&self.model, rows)
    }

    /// Rows of a batch where nothing is learned: at most `most`, fewer where layers are wide.
    pub(crate) fn rows_within(&self, most: usize) -> usize {
        (BATCH_VALUES / self.model.widest()).clamp(1, most)
    }

    /// Most images of a batch where nothing is learned.
    pub(crate) fn batch_rows(&self) -> usize {
        self.rows_within(ROWS)
    }

    /// Images of a batch of a task where nothing is learned, of a number of them.
    pub(crate) fn rows_of(&self, task: &Task, images: usize) -> usize {
        let codes = self.rows_within(SAMPLE_ROWS);
        let rows = (codes / self.model.samples(task)).clamp(1, self.batch_rows());
        rows.min(images)
    }

    /// Plans that measure a split.
    pub(crate) fn evaluation(&mut self, source: &Source) -> Result<Passes> {
        let rows = self.rows_of(&plans::EVALUATE, source.images);
        if self.model.spec().is_variational() {
            self.allocate(buffers::UNITS, SUMS * self.model.spec().latent.values())?;
        }
        self.passes(
            &plans::EVALUATE,
            self.mode,
            source.images,
            rows,
            Some(source),
        )
    }

    /// Terms of the objective: numbers of a row of the log.
    pub(crate) fn terms(&self) -> usize {
        self.model.spec().objective().terms.len()
    }

    /// Mean losses per image of sums of the terms over `images`.
    pub(crate) fn mean_loss(&self, sums: &[f64], images: usize) -> Loss {
        let means: Vec<f64> = sums.iter().map(|sum| sum / images as f64).collect();
        Loss::new(self.model.spec(), &means)
    }

    /// Seconds that were waited so far for images which do not lie on the device.
    pub(crate) fn waited(&self) -> f64 {
        self.feeds.values().map(Feed::waited).sum()
    }

    /// Sets a split's counters: the step, and the place in the split as `[images, batches]` before it.
    pub(crate) fn seek(
        &mut self,
        source: &Source,
        step: u32,
        [images, batches]: [usize; 2],
    ) -> Result<()> {
        let counters = [step, images as u32, batches as u32];
        self.runtime.write_words(source.counters(), 0, &counters)
    }

    /// Runs a plan per batch over a split, and gives what each leaves in `output` (with
    /// `width` values a row) to `take`.
    pub(crate) fn sweep(
        &mut self,
        task: &Task,
        source: &Source,
        output: Shared,
        width: usize,
        mut take: impl FnMut(&mut dyn Runtime, &[f32]) -> Result<()>,
    ) -> Result<()> {
        let rows = self.rows_of(task, source.images);
        self.allocate_batch(rows)?;
        let passes = self.passes(task, self.mode, source.images, rows, Some(source))?;
        let mut position = 0;
        for (plan, rows) in passes.each() {
            let batch = (position / passes.rows) as u32;
            self.seek(source, batch, [position, 0])?;
            self.fetch(source, position)?;
            self.runtime.run(plan, 1)?;
            let values = self.runtime.read(output, 0, rows * width)?;
            take(self.runtime.as_mut(), &values)?;
            position += rows;
        }
        Ok(())
    }

    /// Buffers that the host reads a batch from or writes it to.
    pub(crate) fn allocate_batch(&mut self, rows: usize) -> Result<()> {
        let values = self.model.spec().image.values();
        let latent = self.model.spec().latent.values();
        if self.model.spec().condition.is_some() {
            self.allocate(buffers::CLASSES, rows)?;
        }
        for (buffer, width) in [
            (buffers::CODES, latent),
            (buffers::ZEROS, latent),
            (buffers::HEADS, self.model.head_values()),
            (buffers::DECODED, values),
            (buffers::SEEN, values),
        ] {
            self.allocate(buffer, rows * width)?;
        }
        Ok(())
    }

    /// Decodes codes `[count, latent]` to means `[count, values]`; `classes` has the number of each one's class, or nothing
    /// where the model is told none.
    pub(crate) fn decode(&mut self, codes: &[f32], classes: &[u32]) -> Result<Vec<f32>> {
        let (latent, values) = (
            self.model.spec().latent.values(),
            self.model.spec().image.values(),
        );
        let count = codes.len() / latent;
        let rows = self.rows_of(&plans::DECODE, count);
        self.allocate_batch(rows)?;
        let passes = self.passes(&plans::DECODE, self.mode, count, rows, None)?;
        let mut decoded = Vec::with_capacity(count * values);
        let (mut codes, mut classes) = (codes, classes);
        for (plan, rows) in passes.each() {
            let (batch, rest) = codes.split_at(rows * latent);
            codes = rest;
            if !classes.is_empty() {
                let (batch, rest) = classes.split_at(rows);
                classes = rest;
                self.runtime.write_words(buffers::CLASSES, 0, batch)?;
            }
            self.runtime.write(buffers::CODES, 0, batch)?;
            self.runtime.run(plan, 1)?;
            decoded.extend(self.runtime.read(buffers::DECODED, 0, rows * values)?);
        }
        Ok(decoded)
    }

    /// Logarithm of the likelihood's sigma, given or found.
    pub(crate) fn log_sigma(&mut self) -> Result<f32> {
        match self.found_log_sigma()? {
            Some(found) => Ok(found),
            None => Ok(self.model.spec().log_sigma()),
        }
    }

    /// The same where training finds it.
    pub(crate) fn found_log_sigma(&mut self) -> Result<Option<f32>> {
        let Some(tensor) = self.model.log_sigma() else {
            return Ok(None);
        };
        let arena = self.mode.parameters();
        let value = self.runtime.read(arena, tensor.offset, 1)?;
        Ok(value.first().copied())
    }
}

/// Adds rows of terms, as a log has them, to sums of each: one after another, so that it does not matter how many are added
/// at once.
pub(crate) fn add_rows<T: Copy + Into<f64>>(sums: &mut [f64], rows: &[T]) {
    for row in rows.chunks(sums.len()) {
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum += value.into();
        }
    }
}

/// Checks that a batch of `rows` of a model fits what kernels can number.
pub(crate) fn check_rows(model: &Model, rows: usize) -> Result<()> {
    let widest = model.widest();
    if rows
        .checked_mul(widest)
        .is_none_or(|values| values > MOST_VALUES)
    {
        return Err(Error::config(
            format!(
                "`batch-size = {rows}`: a layer of {widest} values would have over 2^31 of them"
            ),
            format!("`batch-size = {}`", (MOST_VALUES / widest).max(1)),
        ));
    }
    Ok(())
}
