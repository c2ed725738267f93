//! How to train, as plain data.

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::data::{Augment, Binarize};
use crate::error::{Error, Result};
use crate::kernel::Precision;
use crate::model::plans::Update;
use crate::model::{Choices, Model, ModelSpec};
use crate::number::Bytes;
use crate::option::{self, defaults};
use crate::plan::MAX_BOUND;
use crate::train::trainer::MOST_SHARDS;
use crate::train::{Decay, KlWeight, LearningRate};

/// How to train. Losses and gradients are sums over a batch, as in the reference job.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct TrainOptions {
    /// Draw each value as 0 or 1 with its grey level as the probability: never, once, or anew whenever an image is used
    #[arg(long, value_enum, default_value_t = Binarize::None, help_heading = "Data")]
    pub binarize: Binarize,
    /// How training images are moved.
    #[command(flatten)]
    #[serde(flatten)]
    pub augment: Augment,
    /// Passes over the training images
    #[arg(long, value_name = "EPOCHS", value_parser = option::positive::<u32>, default_value_t = 10, help_heading = "Training")]
    pub epochs: u32,
    /// Images per optimiser step; the last step of an epoch takes what is left
    #[arg(long, value_name = "IMAGES", value_parser = option::positive::<usize>, default_value_t = 128, help_heading = "Training")]
    pub batch_size: usize,
    /// Learning rate of Adam; with a schedule, its highest value
    #[arg(
        id = "lr",
        long = "lr",
        value_name = "RATE",
        value_parser = option::number::<f32>,
        default_value_t = 1e-3,
        help_heading = "Training"
    )]
    #[serde(rename = "lr")]
    pub learning_rate: f32,
    /// How the learning rate changes from step to step.
    #[command(flatten)]
    #[serde(flatten)]
    pub learning_rate_schedule: LearningRate,
    /// How the KL weight changes from step to step.
    #[command(flatten)]
    #[serde(flatten)]
    pub kl_schedule: KlWeight,
    /// KL of each latent dimension below which it is not penalised, nats, as a mean over the batch (Kingma et al. 2016);
    /// 0 turns this off
    #[arg(
        long,
        value_name = "NATS",
        value_parser = option::number::<f32>,
        default_value_t = 0.0,
        help_heading = "Training"
    )]
    pub free_bits: f32,
    /// Stop after this many epochs without a lower test loss; 0 is never
    #[arg(
        long,
        value_name = "EPOCHS",
        value_parser = option::count::<u32>,
        default_value_t = 0,
        help_heading = "Training"
    )]
    pub patience: u32,
    /// Decoupled weight decay (AdamW, Loshchilov & Hutter 2019), per step and unit of learning rate
    #[arg(
        long,
        value_name = "DECAY",
        value_parser = option::number::<f32>,
        default_value_t = 0.0,
        help_heading = "Training"
    )]
    pub weight_decay: f32,
    /// Upper bound of the norm of the gradient of the mean loss per image; 0 is no bound
    #[arg(
        long,
        value_name = "NORM",
        value_parser = option::number::<f32>,
        default_value_t = 0.0,
        help_heading = "Training"
    )]
    pub grad_clip: f32,
    /// Decay of an exponential moving average of the parameters, such as 0.999, that tests, pictures and the saved model go
    /// by, while training goes on with the parameters themselves; 0 keeps none
    #[arg(
        long,
        value_name = "DECAY",
        value_parser = option::number::<f32>,
        default_value_t = 0.0,
        help_heading = "Training"
    )]
    pub ema: f32,
    /// Parts of a batch, a power of two: their gradients are computed one after another, in the memory of one part, or by
    /// several processes, and added before the update; part of what a run is, as sums round by their order
    #[arg(long, value_name = "NUMBER", value_parser = option::positive::<usize>, default_value_t = 1, help_heading = "Training")]
    pub shards: usize,
    /// Seed of everything random; equal seeds on one device give equal results
    #[arg(
        long,
        value_name = "NUMBER",
        value_parser = option::seed::parse,
        default_value_t = 1,
        help_heading = "Training"
    )]
    #[serde(with = "option::seed")]
    pub seed: u64,
    /// Number format of the operands of matrix products in training; sums, weights, updates and tests stay f32
    #[arg(long, value_enum, default_value_t = Precision::F32, help_heading = "Training")]
    pub precision: Precision,
    /// Write a line of the metrics every N steps
    #[arg(long, value_name = "N", value_parser = option::positive::<u32>, default_value_t = 100, help_heading = "Run")]
    pub log_every: u32,
    /// Write pictures every N epochs, and after the last [default: 1; in runs of more than 100 epochs, so
    /// that about 100 have pictures]
    #[arg(long, value_name = "N", value_parser = option::positive::<u32>, help_heading = "Run")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pictures_every: Option<u32>,
    /// Most memory of the device for images, such as 4GB: those beyond it stay on the host, from where they come in time
    /// [default: as much as the device takes]
    #[arg(long, value_name = "BYTES", help_heading = "Run")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_memory: Option<Bytes>,
}

/// Epochs that leave pictures in a long run, where nothing else is asked for.
const PICTURES: u32 = 100;

impl Default for TrainOptions {
    fn default() -> Self {
        defaults()
    }
}

impl TrainOptions {
    /// Whether pictures are due after an epoch, counted from 1.
    pub(super) fn leaves_pictures(&self, epoch: u32) -> bool {
        let by_itself = self.epochs.div_ceil(PICTURES);
        epoch.is_multiple_of(self.pictures_every.unwrap_or(by_itself).max(1))
    }

    /// What goes by the number of epochs, so that it changes for a run that is made longer.
    pub fn goes_by_epochs(&self, spec: &ModelSpec) -> Vec<&'static str> {
        let cosine = self.learning_rate_schedule.decay == Decay::Cosine;
        let cycles = self.kl_schedule.cycles > 0;
        let capacity = spec.capacity.is_some() && self.kl_schedule.is_constant();
        [
            (cosine, "`lr-schedule = cosine`"),
            (cycles, "`kl-cycles = …`"),
            (capacity, "`capacity = …`"),
        ]
        .into_iter()
        .filter_map(|(is_so, option)| is_so.then_some(option))
        .collect()
    }

    /// Whether a step's learning rate or weight of the KL is another than that of the step before.
    pub(super) fn is_scheduled(&self, spec: &ModelSpec) -> bool {
        let kl = self.kl_schedule_of(spec);
        !(self.learning_rate_schedule.is_constant() && kl.is_constant())
    }

    /// How the weight of the KL changes, or of a model that holds it at a capacity its target: that rises over the first half
    /// of training where nobody says how.
    pub(super) fn kl_schedule_of(&self, spec: &ModelSpec) -> KlWeight {
        let asked = self.kl_schedule;
        match spec.capacity {
            Some(_) if asked.is_constant() => KlWeight { cycles: 1, ..asked },
            _ => asked,
        }
    }

    /// How the KL counts in training, in words, where it is not by beta alone.
    pub fn kl_in_words(&self, spec: &ModelSpec) -> Option<String> {
        let KlWeight { warm_up, cycles } = self.kl_schedule_of(spec);
        let what = match spec.capacity {
            Some(_) => "the target that it is held at",
            None => "its weight",
        };
        let mut parts = Vec::new();
        if cycles == 1 {
            parts.push(format!(
                "{what} rises from 0 over the first half of training"
            ));
        } else if cycles > 0 {
            parts.push(format!("{what} rises from 0 in each of {cycles} cycles"));
        } else if !warm_up.is_zero() {
            parts.push(format!("{what} rises from 0 over {warm_up}"));
        }
        if self.free_bits > 0.0 {
            parts.push(format!(
                "{} nats of each latent dimension are free",
                self.free_bits
            ));
        }
        let said = format!("the KL while training: {}", parts.join(", and "));
        (!parts.is_empty()).then_some(said)
    }

    /// What a plan has to know of them, where an epoch has `batches`.
    pub(super) fn update(&self, spec: &ModelSpec, fused: bool, batches: usize) -> Update {
        Update {
            augment: self.augment,
            schedule: self.is_scheduled(spec).then_some(batches),
            kl_share: !self.kl_schedule_of(spec).is_constant(),
            free_bits: self.free_bits,
            weight_decay: self.weight_decay,
            grad_clip: self.grad_clip,
            fused,
            precision: self.precision,
            ema: self.ema,
        }
    }

    /// Checks what only some models have.
    ///
    /// # Errors
    /// As [`ModelSpec::check_training`].
    pub fn check_model(&self, spec: &ModelSpec) -> Result<()> {
        spec.check_training(Choices {
            kl_schedule: !self.kl_schedule.is_constant(),
            free_bits: self.free_bits > 0.0,
            shards: self.shards,
            batch_size: self.batch_size,
        })
    }

    /// Parts of a batch: as many as are asked for, or more where the samples of their codes would be more than every device
    /// can bind at once.
    ///
    /// # Errors
    /// [`Error::Config`] where those of a single image are too many.
    pub(super) fn shards_for(&self, model: &Model) -> Result<usize> {
        let spec = model.spec();
        let samples = spec.objective().samples(spec);
        if samples == 1 {
            return Ok(self.shards);
        }
        let values = samples.saturating_mul(model.widest());
        let fits = |images: usize| images.saturating_mul(values) <= MAX_BOUND;
        let mut shards = self.shards;
        while !fits(self.batch_size.div_ceil(shards)) {
            if shards >= self.batch_size.min(MOST_SHARDS) {
                let most = MAX_BOUND / model.widest() / self.batch_size.div_ceil(shards);
                return Err(Error::config(
                    format!(
                        "`importance = {samples}`: samples of {} values each take more than {} MiB, the most that every \
                         device can bind",
                        model.widest(),
                        (4 * MAX_BOUND) >> 20
                    ),
                    format!("`importance = {}`", most.max(1)),
                ));
            }
            shards *= 2;
        }
        Ok(shards)
    }

    /// Checks every value, also against the number of training images.
    ///
    /// # Errors
    /// [`Error::Config`] with the option at fault.
    pub fn validate(&self, train_images: usize) -> Result<()> {
        if self.batch_size == 0 || self.batch_size > train_images {
            return Err(Error::config(
                format!(
                    "`batch-size = {}`: expected 1 to {train_images}, the number of training images",
                    self.batch_size
                ),
                format!("`batch-size = {}`", train_images.clamp(1, 128)),
            ));
        }
        self.check()
    }

    /// Checks what does not need the number of images.
    ///
    /// # Errors
    /// [`Error::Config`] with the option at fault.
    pub fn check(&self) -> Result<()> {
        if self.epochs == 0 {
            return Err(Error::config(
                "`epochs = 0`: expected at least one pass over the training images",
                "`epochs = 10`",
            ));
        }
        if !self.shards.is_power_of_two() || self.shards > MOST_SHARDS {
            let nearest = self.shards.clamp(1, MOST_SHARDS).next_power_of_two();
            return Err(Error::config(
                format!(
                    "`shards = {}`: expected a power of two, at most {MOST_SHARDS}",
                    self.shards
                ),
                format!("`shards = {nearest}`"),
            ));
        }
        if self.shards > self.batch_size {
            return Err(Error::config(
                format!(
                    "`shards = {}`: a batch of {} cannot have more parts than images",
                    self.shards, self.batch_size
                ),
                format!("`batch-size = {}`, or fewer shards", self.shards),
            ));
        }
        let usual = Self::default();
        let finite = |name: &str, value: f32, usual: f32| {
            option::check_amount(name, value, format!("`{name} = {usual}`, the default"))
        };
        finite("lr", self.learning_rate, usual.learning_rate)?;
        finite("weight-decay", self.weight_decay, usual.weight_decay)?;
        finite("grad-clip", self.grad_clip, usual.grad_clip)?;
        finite("free-bits", self.free_bits, usual.free_bits)?;
        if !(0.0..1.0).contains(&self.ema) {
            return Err(Error::config(
                format!(
                    "`ema = {}`: expected a decay below 1, or 0 for no average",
                    self.ema
                ),
                "`ema = 0.999`",
            ));
        }
        if self.pictures_every == Some(0) {
            return Err(Error::config(
                "`pictures-every = 0`: expected a number of epochs",
                "`pictures-every = 1`",
            ));
        }
        if self.log_every == 0 {
            return Err(Error::config(
                "`log-every = 0`: a report needs at least one step",
                "`log-every = 100`",
            ));
        }
        self.learning_rate_schedule.validate()?;
        self.kl_schedule.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Span;

    #[test]
    fn a_long_run_leaves_pictures_of_a_hundred_epochs() {
        let count = |epochs, pictures_every| {
            let options = TrainOptions {
                epochs,
                pictures_every,
                ..TrainOptions::default()
            };
            let due = (1..=epochs).filter(|&epoch| options.leaves_pictures(epoch));
            due.count()
        };
        assert_eq!([1, 10, 100].map(|epochs| count(epochs, None)), [1, 10, 100]);
        assert_eq!([101, 1000].map(|epochs| count(epochs, None)), [50, 100]);
        assert_eq!(count(1000, Some(1)), 1000);
        assert_eq!(count(1000, Some(3)), 333);
    }

    #[test]
    fn only_a_kl_that_does_not_count_by_beta_alone_is_put_in_words() {
        let mut options = TrainOptions::default();
        let spec = ModelSpec::reference();
        assert_eq!(options.kl_in_words(&spec), None);
        options.kl_schedule.warm_up = Span::Epochs(2.0);
        options.free_bits = 0.25;
        assert_eq!(
            options.kl_in_words(&spec).as_deref(),
            Some(
                "the KL while training: its weight rises from 0 over 2 epochs, and 0.25 nats of each latent dimension \
                 are free"
            )
        );
        options.kl_schedule = KlWeight {
            cycles: 3,
            ..KlWeight::default()
        };
        let text = options.kl_in_words(&spec).unwrap_or_default();
        assert!(text.contains("in each of 3 cycles"), "{text}");
    }
}
