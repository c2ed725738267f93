//! What training takes place in: buffers and plans on a device, and what they come to before any is there.

use super::keeping;
use super::steps::{Maker, Steps};
use crate::data::Dataset;
use crate::device::Device;
use crate::error::Result;
use crate::host::check_memory;
use crate::model::plans::{Mode, Source, buffers};
use crate::model::session::{Passes, Session};
use crate::model::{Allocation, Model, ModelSpec, words};
use crate::plan::{PlanId, Predicted};
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
    /// Makes them with nothing in them yet, on all processes by the choices of kernels that the first one has made.
    pub(super) fn make_alike(
        ranks: &Ranks,
        session: &mut Session,
        options: &TrainOptions,
        dataset: &Dataset,
        fused: bool,
    ) -> Result<Self> {
        let make = |session: &mut Session| Self::make(ranks, session, options, dataset, fused);
        let first = ranks.is_first().then(|| make(session)).transpose();
        let first = ranks.agree(first)?;
        let choices = ranks.from_first(|| Ok(session.runtime.remembered()))?;
        if let Some(room) = first {
            return Ok(room);
        }
        session.runtime.remember(&choices);
        make(session)
    }

    fn make(
        ranks: &Ranks,
        session: &mut Session,
        options: &TrainOptions,
        dataset: &Dataset,
        fused: bool,
    ) -> Result<Self> {
        session.check_rows(options.batch_size)?;
        ranks.check_shards(options.shards)?;
        let binarize = options.binarize;
        let train = session.place("train", &dataset.train, binarize, Purpose::Binarisation)?;
        let purpose = Purpose::EvaluationBinarisation;
        let test = session.place("test", &dataset.test, binarize, purpose)?;
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
        let update = options.update(fused, batches);
        if update.schedule.is_some() {
            session.allocate(train.schedule(), 2 * batches)?;
        }
        let maker = Maker {
            source: &train,
            update,
            shards: options.shards,
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
        session.fill(&self.train, &dataset.train)?;
        session.fill(&self.test, &dataset.test)?;
        let scalars = [options.learning_rate, 1.0, 1.0];
        session.runtime.write(buffers::SCALARS, 0, &scalars)
    }
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

/// Refuses training for which the host has not got the memory, before any is taken and anything is written. Images that
/// are loaded already count as taken. `fused` as for [`super::Trainer::with_updates`]; `processes` train on the machine.
///
/// # Errors
/// [`crate::Error::Device`] with what is needed and what is left; [`crate::Error::Config`] for what
/// [`super::Trainer::new`] refuses.
pub fn check_room(
    spec: &ModelSpec,
    options: &TrainOptions,
    dataset: &Dataset,
    fused: bool,
    device: DeviceMemory,
    processes: usize,
) -> Result<()> {
    // Lengths are the same on every device; the limits of this one are looked at when it is asked for them.
    let runtime = Box::new(Predicted::new(Device::Cpu));
    let mut session = Session::with_room(runtime, Model::new(spec)?, options.seed)?;
    let room = Room::make(&Ranks::alone(), &mut session, options, dataset, fused)?;
    let on_device = session.memory();
    let on_host = keeping::most_on_host(&session, room.copying.is_some());
    let (needed, parts) = match device {
        DeviceMemory::Host => {
            let on_device_bytes = Allocation::total(&on_device);
            let parts = format!(
                "{}, and {} for checkpoints",
                words::memory(&on_device),
                words::mebibytes(on_host)
            );
            (on_device_bytes + on_host, parts)
        }
        DeviceMemory::Own => (
            on_host,
            "parameters on their way to a checkpoint".to_owned(),
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
