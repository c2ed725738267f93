//! Whether a device computes what the CPU computes.

use crate::data::{Augment, digits};
use crate::device::{Device, Selection};
use crate::error::Result;
use crate::kernel::Precision;
use crate::model::ModelSpec;
use crate::plan::{self, Difference, Tune};
use crate::train::{TrainOptions, Trainer};

/// A whole batch and a shorter one.
const BATCH: usize = 96;
const IMAGES: usize = BATCH + 37;

/// Trains small models for a step on the CPU and on a device, step by step of their plans, and gives
/// how far each result is from the CPU's ([`plan::compare`]). Where the device has f16, the first one again with that.
///
/// # Errors
/// [`crate::Error::Device`] where the device failed.
pub fn check(selection: &Selection) -> Result<Vec<Difference>> {
    let dataset = digits::generate(IMAGES, BATCH, 0);
    let mut all = Vec::new();
    let device = Device::open(selection)?;
    let offered = |(_, precision): &(ModelSpec, Precision)| {
        *precision == Precision::F32 || device.offers_half()
    };
    for (spec, precision) in models().into_iter().filter(offered) {
        let options = TrainOptions {
            batch_size: BATCH,
            grad_clip: 1.0,
            precision,
            ema: 0.5,
            augment: Augment {
                flip: true,
                crop: 4,
            },
            ..TrainOptions::default()
        };
        let trainer = |device| {
            let runtime = plan::open(device, Tune::Quick);
            Trainer::with_updates(runtime, &spec, &options, &dataset, 0, false)
        };
        let mut reference = trainer(Device::Cpu)?;
        let mut tested = trainer(precision.open(selection)?)?;
        all.extend(reference.compare(&mut tested)?);
    }
    Ok(all)
}

/// The reference model, in both precisions, one that is different in everything, and one of convolutions.
fn models() -> [(ModelSpec, Precision); 4] {
    [
        (ModelSpec::reference(), Precision::F32),
        (ModelSpec::odd(), Precision::F32),
        (ModelSpec::of_convolutions(), Precision::F32),
        (ModelSpec::reference(), Precision::F16),
    ]
}
