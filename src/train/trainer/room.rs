//! What training takes place in: buffers and plans on a device, and what they come to before any is there.

use super::keeping;
use super::steps::{Maker, Steps};
use crate::data::{Dataset, Images};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::host::{Supply, check_memory, in_words};
use crate::model::plans::{EVALUATE, Mode, Source, buffers};
use crate::model::session::{Passes, Session};
use crate::model::{Allocation, Model, ModelSpec, words};
use crate::plan::{PlanId, Predicted, Runtime};
use crate::ranks::Ranks;
use crate::rng::Purpose;
use crate::train::TrainOptions;

/// Buffers and plans of a trainer.
pub(super) struct Room {
    pub(super) train: Source,
    pub(super) test: Source,
    pub(super) steps: Steps,
    pub(super) evaluation: Passes,
    /// As in the trainer.
    pub(super) copying: Option<PlanId>,
}

impl Room {
    /// Makes them, with nothing in them yet.
    pub(super) fn make(
        ranks: &Ranks,
        session: &mut Session,
        options: &TrainOptions,
        dataset: &Dataset,
        fused: bool,
    ) -> Result<Self> {
        session.check_rows(options.batch_size)?;
        let shards = options.shards_for(&session.model)?;
        ranks.check_shards(shards)?;
        let [of_train, of_test] = windows(session, options, dataset)?;
        let draws = (options.binarize, Purpose::Binarisation);
        let train = session.place("train", &dataset.train, draws, of_train)?;
        let draws = (options.binarize, Purpose::EvaluationBinarisation);
        let test = session.place("test", &dataset.test, draws, of_test)?;
        let len = session.model.parameters().len;
        session.allocate(buffers::GRADIENT, len)?;
        session.allocate(buffers::FIRST, len)?;
        session.allocate(buffers::SECOND, len)?;
        session.allocate(buffers::SCALARS, buffers::SCALAR_COUNT)?;
        if options.ema > 0.0 {
            session.allocate(buffers::AVERAGE, len)?;
            session.mode = Mode::RunAverage;
        }
        let count = dataset.train.len();
        let batches = count.div_ceil(options.batch_size);
        let update = options.update(session.model.spec(), fused, batches);
        if update.schedule.is_some() {
            session.allocate(train.schedule(), 2 * batches)?;
        }
        let maker = Maker {
            source: &train,
            update,
            shards,
            ranks,
        };
        Ok(Self {
            steps: maker.steps(session, options.batch_size)?,
            evaluation: session.evaluation(&test)?,
            copying: keeping::copying(session)?,
            train,
            test,
        })
    }

    /// Puts first parameters, images and settings into them.
    pub(super) fn fill(
        &self,
        session: &mut Session,
        options: &TrainOptions,
        dataset: &Dataset,
    ) -> Result<()> {
        let arena = session.model.parameters().initial(options.seed);
        session.write_parameters(&arena)?;
        if options.ema > 0.0 {
            session.runtime.write(buffers::AVERAGE, 0, &arena)?;
        }
        session.fill_from(&self.train, &dataset.train)?;
        session.fill_from(&self.test, &dataset.test)?;
        let scalars = [options.learning_rate, 1.0, 1.0];
        session.runtime.write(buffers::SCALARS, 0, &scalars)
    }
}

/// Bytes of a window of images, where a device does not have all: enough that a copy takes long beside its start.
const WINDOW: u64 = 32 << 20;
/// Share of the memory that is left which a window takes at most: there are windows of two splits on the device and two of
/// each on their way.
const SHARE: u64 = 32;

/// Most bytes of a window.
fn most_of_window() -> u64 {
    Supply::now().map_or(WINDOW, |left| (left.bytes / SHARE).min(WINDOW))
}

/// The images to learn from, in a message.
const TRAINING: &str = "training";

/// Images of the training and the test split that lie on the device at once, whole batches; 0 where all do. The test images
/// come first, where they take at most half. Of images that stay in files none lie there as a whole: a device may have its
/// memory of the host.
fn windows(session: &Session, options: &TrainOptions, dataset: &Dataset) -> Result<[usize; 2]> {
    let bound = session.runtime.most_bound();
    let memory = options.device_memory.map_or(u64::MAX, |bytes| bytes.0);
    let fits = |images: &Images, memory: u64| {
        // Kernels number values by 32 bits.
        let is_numbered = images.len() * images.shape.values() <= u32::MAX as usize;
        images.bytes() <= bound.min(memory) && is_numbered && !images.are_in_files()
    };
    let fits_test = fits(&dataset.test, memory / 2);
    let left = match fits_test {
        true => memory - dataset.test.bytes(),
        false => memory / 2,
    };
    let fits_train = fits(&dataset.train, left);
    let most = most_of_window();
    let window = |images: &Images, of: &str, rows: usize, memory: u64| {
        let rows = rows.min(images.len());
        let batch = images.bytes() / images.len() as u64 * rows as u64;
        let most = most.min(bound).min(memory);
        match most / batch.max(1) {
            0 if batch <= bound.min(memory) => Ok(rows),
            0 => Err(Error::config(
                format!(
                    "a batch of {rows} {of} images takes {} of the device's memory, and there is room for {} at most",
                    in_words(batch),
                    in_words(bound.min(memory))
                ),
                match of {
                    TRAINING => "a smaller `batch-size = …`, or more `device-memory = …`",
                    _ => "more `device-memory = …`, of which the test images have half",
                },
            )),
            batches => Ok(rows * images.len().div_ceil(rows).min(batches as usize)),
        }
    };
    let of_train = match fits_train {
        true => 0,
        false => window(&dataset.train, TRAINING, options.batch_size, left)?,
    };
    let of_test = match fits_test {
        true => 0,
        false => {
            let rows = session.rows_of(&EVALUATE, dataset.test.len());
            window(&dataset.test, "test", rows, memory / 2)?
        }
    };
    Ok([of_train, of_test])
}

/// Where the memory of a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceMemory {
    /// The host's, as that of the CPU device and of adapters that compute in software.
    Host,
    /// Its own, of which nobody says how large it is.
    Own,
}

impl DeviceMemory {
    /// That of a device.
    pub fn of(device: &Device) -> Self {
        match device {
            Device::Cpu => Self::Host,
            Device::Gpu(gpu) if gpu.is_software() => Self::Host,
            Device::Gpu(_) => Self::Own,
        }
    }
}

/// What training needs to know of a device before it has its memory.
#[derive(Clone, Copy, Debug)]
pub struct Executor {
    /// Where its memory is.
    pub memory: DeviceMemory,
    /// As [`Runtime::fuses_updates`].
    pub fuses_updates: bool,
    /// As [`Runtime::most_bound`].
    pub most_bound: u64,
}

impl Executor {
    /// A runtime with this memory.
    pub fn new(memory: DeviceMemory, runtime: &dyn Runtime) -> Self {
        Self {
            memory,
            fuses_updates: runtime.fuses_updates(),
            most_bound: runtime.most_bound(),
        }
    }
}

/// Refuses training for which the host has not got the memory, before any is taken and anything is written. Images that
/// are loaded already count as taken. `processes` like this one of `ranks` train on the machine.
///
/// # Errors
/// [`crate::Error::Device`] with what is needed and what is left; [`crate::Error::Config`] for what
/// [`super::Trainer::new`] refuses.
pub fn check_room(
    spec: &ModelSpec,
    options: &TrainOptions,
    dataset: &Dataset,
    device: Executor,
    ranks: &Ranks,
    processes: usize,
) -> Result<()> {
    // Lengths are the same on every device; the other limits of this one are looked at when it is asked for them.
    let runtime = Box::new(Predicted::within(device.most_bound));
    let mut session = Session::with_room(runtime, Model::new(spec)?, options.seed)?;
    let room = Room::make(ranks, &mut session, options, dataset, device.fuses_updates)?;
    let on_device = session.memory();
    let on_their_way = room.train.on_their_way() + room.test.on_their_way();
    let on_host = keeping::most_on_host(&session, room.copying.is_some()) + on_their_way;
    let and_images = if on_their_way > 0 {
        " and images on their way"
    } else {
        ""
    };
    let (needed, parts) = match device.memory {
        DeviceMemory::Host => {
            let on_device_bytes = Allocation::total(&on_device);
            let parts = format!(
                "{}, and {} for checkpoints{and_images}",
                words::memory(&on_device),
                words::mebibytes(on_host)
            );
            (on_device_bytes + on_host, parts)
        }
        DeviceMemory::Own => (
            on_host,
            format!("parameters on their way to a checkpoint{and_images}"),
        ),
    };
    let needs = match processes {
        1 => format!("training ({parts})"),
        _ => format!("training in {processes} processes ({parts}, each)"),
    };
    let needed = needed * processes as u64;
    let hint =
        "a smaller `batch-size = …`, a smaller net (`hidden = …`, `width = …`), or fewer images";
    check_memory(&needs, needed, hint)
}
