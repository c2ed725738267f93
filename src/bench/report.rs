//! Every step of training beside what the device can do, the whole step, and the memory.

use std::collections::HashMap;

use serde::Serialize;

use super::{Roofs, Subject};
use crate::device::Device;
use crate::error::Result;
use crate::model::{Allocation, MemoryUse};

/// A step of the training plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepReport {
    /// What it computes in the model's words: `fc1`.
    pub step: String,
    /// Its kernel.
    pub kernel: &'static str,
    /// Which variant of the kernel runs, where the device has a choice.
    pub core: Option<String>,
    /// Seconds by itself, median.
    pub seconds: f64,
    /// Share of the sum of all steps.
    pub share: f64,
    /// Operations of a matrix product, two a multiply-add; 0 for a kernel whose time is that of its memory.
    pub operations: u64,
    /// Bytes that it has to read and write.
    pub bytes: u64,
    /// Seconds that it would take at the roof.
    pub floor_seconds: f64,
    /// `seconds / floor_seconds`.
    pub over_floor: f64,
}

/// What `elbo bench` measures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The device's name.
    pub device: String,
    /// What was measured.
    #[serde(flatten)]
    pub subject: Subject,
    /// What the images are.
    pub data: String,
    /// Training and test images.
    pub images: [usize; 2],
    /// What the device can do at most.
    pub roofs: Roofs,
    /// Every step of the plan, in order.
    pub steps: Vec<StepReport>,
    /// Seconds of all steps, each by itself.
    pub sum_seconds: f64,
    /// Seconds of a whole step of training among many in a row, median.
    pub step_seconds: f64,
    /// Training images per second at that.
    pub images_per_s: f64,
    /// What training holds in the device's memory.
    pub device_memory: Vec<Allocation>,
    /// What it holds in the host's beside that.
    pub host_memory: Vec<Allocation>,
}

impl Report {
    /// Measures training on a device.
    ///
    /// # Errors
    /// [`crate::Error::Config`] where a size is not usable, [`crate::Error::Device`].
    pub fn measure(subject: &Subject, device: Device) -> Result<Self> {
        subject.validate()?;
        let name = device.name();
        let dataset = subject.images();
        let mut trainer = subject.trainer(subject.open(device), &dataset)?;
        let id = trainer.plan()?;
        let plan = trainer.runtime().plan(id).clone();
        let cores: HashMap<String, String> = trainer.choices().into_iter().collect();
        let (device_memory, host_memory) = (trainer.device_memory(), trainer.host_memory());

        let roofs = Roofs::measure(trainer.runtime(), &plan.steps)?;
        // Before the steps by themselves, which leave values without meaning.
        let step_seconds = trainer.time_training()?.median;
        let mut times = Vec::with_capacity(plan.steps.len());
        for index in 0..plan.steps.len() {
            times.push(trainer.time_step(index)?.median);
        }
        // Again, because the speed of a shared machine drifts.
        let roofs = roofs.better(&Roofs::measure(trainer.runtime(), &plan.steps)?);

        let sum_seconds = times.iter().sum();
        let timed = plan.steps.iter().zip(times);
        let steps = timed.map(|(step, seconds)| {
            let (operations, bytes) = (step.operations(), step.bytes());
            let floor_seconds = roofs.floor(operations, bytes);
            let choice = format!("{}: {}", plan.name, step.label);
            StepReport {
                step: step.label.clone(),
                kernel: step.kernel.name,
                core: cores.get(&choice).cloned(),
                seconds,
                share: seconds / sum_seconds,
                operations,
                bytes,
                floor_seconds,
                over_floor: seconds / floor_seconds,
            }
        });
        let steps = steps.collect();
        let images = [dataset.train.len(), dataset.test.len()];
        let data = images.iter().sum::<usize>() * subject.model.image.values();
        let data = Allocation {
            name: "data set".to_owned(),
            used_for: MemoryUse::Images,
            bytes: data as u64,
        };
        Ok(Self {
            device: name,
            subject: subject.clone(),
            data: dataset.name,
            images,
            roofs,
            steps,
            sum_seconds,
            step_seconds,
            images_per_s: subject.batch_size as f64 / step_seconds,
            device_memory,
            host_memory: [vec![data], host_memory].concat(),
        })
    }
}
