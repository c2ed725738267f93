//! Measures a model on a device: every step of training beside what the device can do ([`Report`]), the cores
//! of the matrix product beside each other ([`Cores`]), and how time grows with each size ([`Growth`]).
//!
//! Images are the built-in digits where they have that shape: a product on the CPU leaves out their zeros. Of
//! another shape they are random bytes, of which few are zero.

mod chart;
mod cores;
mod growth;
mod report;
mod roofs;

pub use chart::picture;
pub use cores::{Core, Cores, Product};
pub use growth::{Axis, CLIFF, Growth, Point};
pub use report::{Report, StepReport};
pub use roofs::{Bandwidth, Roofs};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Serialize;

use crate::data::{Dataset, Images, Values, digits};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::kernel::Precision;
use crate::model::session::check_rows;
use crate::model::{Model, ModelSpec};
use crate::plan::{self, Runtime, Tune};
use crate::train::{TrainOptions, Trainer};

/// Images of the built-in digits and of MNIST, so that memory is that of training on them.
const TRAIN: usize = 60_000;
const TEST: usize = 10_000;

/// Most bytes of training images, where they are larger than digits.
const MOST_BYTES: usize = 64 << 20;

/// What is measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Subject {
    /// The model.
    pub model: ModelSpec,
    /// Images a step.
    pub batch_size: usize,
    /// What the operands of matrix products are rounded to.
    pub precision: Precision,
    /// How long to look for the fastest cores before the measurements.
    pub tune: Tune,
}

impl Subject {
    /// Checks the model and the batch size.
    ///
    /// # Errors
    /// [`crate::Error::Config`] with the option at fault.
    pub fn validate(&self) -> Result<()> {
        // Before there are images for it.
        check_rows(&Model::new(&self.model)?, self.batch_size)?;
        if self.model.condition.is_some() {
            return Err(Error::config(
                "`condition = class`: the images that are measured with have no classes",
                "no `condition = …`; it adds a small product to each half of the model",
            ));
        }
        self.options().validate(self.batch_size.max(TRAIN))
    }

    fn options(&self) -> TrainOptions {
        TrainOptions {
            batch_size: self.batch_size,
            precision: self.precision,
            ..TrainOptions::default()
        }
    }

    /// The built-in digits, or random bytes: as many as digits, fewer where they are large, a batch at least.
    fn images(&self) -> Dataset {
        let shape = self.model.image;
        if shape == digits::SHAPE {
            return digits::generate(TRAIN.max(self.batch_size), TEST, 0);
        }
        let most = MOST_BYTES / shape.values();
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut split = |count: usize| {
            let mut bytes = vec![0; count * shape.values()];
            rng.fill_bytes(&mut bytes);
            Images::new(shape, Values::Bytes(bytes))
        };
        let train = split(TRAIN.min(most).max(self.batch_size));
        Dataset::new("random bytes", train, split(TEST.min(most).max(1)))
    }

    fn open(&self, device: Device) -> Box<dyn Runtime> {
        plan::open(device, self.tune)
    }

    fn trainer(&self, runtime: Box<dyn Runtime>, images: &Dataset) -> Result<Trainer> {
        Trainer::new(runtime, &self.model, &self.options(), images, 0)
    }
}
