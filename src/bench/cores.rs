//! Every core of the matrix product on the shapes of a model, beside each other and the CPU's.

use serde::Serialize;

use super::Subject;
use crate::data::Dataset;
use crate::device::{Device, Selection};
use crate::error::Result;
use crate::kernel::Capabilities;
use crate::plan::{Choice, GpuRuntime, Plan, Runtime};
use crate::train::Trainer;

/// A matrix product of a training step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Product {
    /// The step.
    pub step: String,
    /// Its kernel.
    pub kernel: &'static str,
    /// Operations, two a multiply-add.
    pub operations: u64,
}

/// The speed of one core on every product.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Core {
    /// Name of the variant, or `CPU`.
    pub name: String,
    /// Operations per second on each product, by the least of several times.
    pub operations_per_s: Vec<f64>,
}

/// All cores on all products.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cores {
    /// The device's name.
    pub device: String,
    /// What was measured.
    #[serde(flatten)]
    pub subject: Subject,
    /// Products of a training step, in its order.
    pub products: Vec<Product>,
    /// The CPU, and each core that the device offers.
    pub cores: Vec<Core>,
}

impl Cores {
    /// Measures the CPU and each core that the device of `selection` offers for training. `every`: also those
    /// that are hopeless on a software driver.
    ///
    /// # Errors
    /// [`crate::Error::Config`] where a size is not usable, [`crate::Error::Device`].
    pub fn measure(subject: &Subject, selection: &Selection, every: bool) -> Result<Self> {
        subject.validate()?;
        let dataset = subject.images();
        let (plan, cpu) = core(subject, &dataset, subject.open(Device::Cpu), "CPU")?;
        let products = plan.steps.iter().filter(|step| step.operations() > 0);
        let products: Vec<_> = products.collect();
        let device = subject.precision.open(selection)?;
        let name = device.name();
        let mut cores = vec![cpu];
        if let Device::Gpu(gpu) = device {
            let able = Capabilities::from(gpu.as_ref());
            let wanted = Capabilities {
                software: able.software && !every,
                ..able
            };
            let names = |device: &Capabilities| -> Vec<String> {
                let variants = products
                    .first()
                    .map(|step| (step.kernel.variants)(&step.call, device));
                let variants = variants.into_iter().flatten();
                variants.map(|variant| variant.name.to_string()).collect()
            };
            let wanted = names(&wanted);
            let all = names(&Capabilities {
                software: false,
                ..able
            });
            for (index, core_name) in all.iter().enumerate() {
                if !wanted.contains(core_name) {
                    continue;
                }
                // A runtime keeps to one choice.
                let Device::Gpu(gpu) = subject.precision.open(selection)? else {
                    break;
                };
                let runtime = Box::new(GpuRuntime::new(*gpu, Choice::Fixed(index)));
                cores.push(core(subject, &dataset, runtime, core_name)?.1);
            }
        }
        Ok(Self {
            device: name,
            subject: subject.clone(),
            products: products
                .into_iter()
                .map(|step| Product {
                    step: step.label.clone(),
                    kernel: step.kernel.name,
                    operations: step.operations(),
                })
                .collect(),
            cores,
        })
    }
}

/// One runtime on the products of a training step.
fn core(
    subject: &Subject,
    dataset: &Dataset,
    runtime: Box<dyn Runtime>,
    name: &str,
) -> Result<(Plan, Core)> {
    // The products of every core have to be the same ones.
    let (model, options) = (&subject.model, subject.options());
    let mut trainer = Trainer::with_updates(runtime, model, &options, dataset, 0, false)?;
    let id = trainer.plan()?;
    let plan = trainer.runtime().plan(id).clone();
    let mut speeds = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        if step.operations() > 0 {
            let seconds = trainer.time_step(index)?.least;
            speeds.push(step.operations() as f64 / seconds);
        }
    }
    let core = Core {
        name: name.to_owned(),
        operations_per_s: speeds,
    };
    Ok((plan, core))
}
