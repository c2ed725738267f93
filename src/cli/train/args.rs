//! The options of `elbo train`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use crate::cli::model::ModelArgs;
use crate::cli::report::Shown;
use crate::data::Binarize;
use crate::device::Precision;
use crate::plan::Tune;
use crate::train::{Checkpoints, Decay, Pace, Span, Which};

/// Train a model and keep it in a run folder
///
/// A flag takes precedence over the same value in --config, which takes precedence over the default.
#[derive(Args, Debug, Default)]
#[command(after_help = EXAMPLES, allow_negative_numbers = true)]
pub(in crate::cli) struct TrainArgs {
    #[command(flatten)]
    pub(in crate::cli) model: ModelArgs,

    /// Images to train on: digits (built in), mnist, fashion-mnist, or the path of a folder of
    /// pictures or of a file [default: digits]
    #[arg(long, value_name = "NAME|PATH", help_heading = "Data")]
    pub(in crate::cli) data: Option<String>,
    /// Crop pictures to their middle in this form and resize them: N for N×N, or HxW [default: as they are]
    #[arg(long, value_name = "N|HxW", help_heading = "Data")]
    pub(in crate::cli) image_size: Option<ImageSize>,
    /// Channels of the pictures: 1 for grey, 3 for RGB [default: as they are]
    #[arg(long, value_name = "1|3", help_heading = "Data")]
    pub(in crate::cli) channels: Option<usize>,
    /// Share of the images to hold out for testing, where the data have no split of their own
    /// [default: 0.1]
    #[arg(long, value_name = "SHARE", help_heading = "Data")]
    pub(in crate::cli) test_fraction: Option<f64>,
    /// Address of a folder to download from, in place of the known ones; repeat it for several, which
    /// are tried in order [default: the data set's own]
    #[arg(long, value_name = "URL", help_heading = "Data")]
    pub(in crate::cli) mirror: Vec<String>,
    /// Draw each value as 0 or 1 with its grey level as the probability: never, once, or anew
    /// whenever an image is used [default: none]
    #[arg(long, value_enum, help_heading = "Data")]
    pub(in crate::cli) binarize: Option<Binarize>,

    /// Passes over the training images [default: 10]
    #[arg(long, value_name = "PASSES", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Training")]
    pub(in crate::cli) epochs: Option<u32>,
    /// Images a step [default: 128]
    #[arg(long, value_name = "IMAGES", value_parser = RangedU64ValueParser::<usize>::new().range(1..), help_heading = "Training")]
    pub(in crate::cli) batch_size: Option<usize>,
    /// Step size of Adam [default: 0.001]
    #[arg(long, value_name = "RATE", help_heading = "Training")]
    pub(in crate::cli) lr: Option<f32>,
    /// What the learning rate does after its warm-up [default: constant]
    #[arg(long, value_enum, help_heading = "Training")]
    pub(in crate::cli) lr_schedule: Option<Decay>,
    /// Length in which the learning rate rises linearly to --lr: 2epochs, 500steps [default: 0]
    #[arg(long, value_name = "LENGTH", help_heading = "Training")]
    pub(in crate::cli) lr_warmup: Option<Span>,
    /// How often --lr-schedule step lowers the learning rate [default: 10epochs]
    #[arg(long, value_name = "LENGTH", help_heading = "Training")]
    pub(in crate::cli) lr_step_every: Option<Span>,
    /// By which factor it does [default: 0.1]
    #[arg(long, value_name = "FACTOR", help_heading = "Training")]
    pub(in crate::cli) lr_step_factor: Option<f64>,
    /// Length in which the weight of the KL rises linearly from 0 to --beta [default: 0]
    #[arg(long, value_name = "LENGTH", help_heading = "Training")]
    pub(in crate::cli) kl_warmup: Option<Span>,
    /// Cycles in each of which the weight of the KL rises from 0 to --beta, in its first half; 0 = none
    /// [default: 0]
    #[arg(long, value_name = "CYCLES", help_heading = "Training")]
    pub(in crate::cli) kl_cycles: Option<u32>,
    /// Nats of each latent value's KL that cost nothing, as a mean over the batch [default: 0]
    #[arg(long, value_name = "NATS", help_heading = "Training")]
    pub(in crate::cli) free_bits: Option<f32>,
    /// Epochs without a lower test loss after which to stop; 0 = never [default: 0]
    #[arg(long, value_name = "EPOCHS", help_heading = "Training")]
    pub(in crate::cli) patience: Option<u32>,
    /// Decoupled weight decay (AdamW), per step and unit of learning rate [default: 0]
    #[arg(long, value_name = "DECAY", help_heading = "Training")]
    pub(in crate::cli) weight_decay: Option<f32>,
    /// Upper bound of the norm of the gradient of the mean loss per image; 0 = no bound [default: 0]
    #[arg(long, value_name = "NORM", help_heading = "Training")]
    pub(in crate::cli) grad_clip: Option<f32>,
    /// Seed of everything random; equal seeds on one device give equal results [default: 1]
    #[arg(long, value_name = "NUMBER", help_heading = "Training")]
    pub(in crate::cli) seed: Option<u64>,
    /// What to round the operands of matrix products to while training; sums, weights, their updates and
    /// tests stay f32 [default: f32]
    #[arg(long, value_enum, help_heading = "Training")]
    pub(in crate::cli) precision: Option<Precision>,

    /// Where to compute: auto (a hardware GPU if there is one, otherwise the CPU), cpu, gpu (the
    /// best one), gpu:N (by its index in `elbo devices`) or gpu:NAME (a part of its name)
    /// [default: auto]
    #[arg(long, value_name = "DEVICE", help_heading = "Run")]
    pub(in crate::cli) device: Option<String>,
    /// How long to look for the fastest cores of a GPU's matrix products before training [default: quick]
    #[arg(long, value_enum, help_heading = "Run")]
    pub(in crate::cli) tune: Option<Tune>,
    /// Run folder to create; one that exists must be empty
    /// [default: runs/<UTC time>-<model>-<data>]
    #[arg(
        long,
        value_name = "FOLDER",
        conflicts_with = "resume",
        help_heading = "Run"
    )]
    pub(in crate::cli) out: Option<PathBuf>,
    /// Configuration to start from; the config.toml of a run folder repeats that run
    /// [default: none]
    #[arg(
        long,
        value_name = "FILE.toml",
        conflicts_with = "resume",
        help_heading = "Run"
    )]
    pub(in crate::cli) config: Option<PathBuf>,
    /// Run folder to go on with, from its last checkpoint; of the options only --epochs, --patience,
    /// where the same images lie, and those under Run may differ from its own [default: a new run]
    #[arg(long, value_name = "RUN", help_heading = "Run")]
    pub(in crate::cli) resume: Option<PathBuf>,
    /// Parameters to start from: those of a run, or a .safetensors file of any program
    /// [default: random ones]
    #[arg(
        long,
        value_name = "RUN|FILE.safetensors",
        conflicts_with = "resume",
        help_heading = "Run"
    )]
    pub(in crate::cli) init_from: Option<PathBuf>,
    /// Which parameters of the run of --init-from [default: last]
    #[arg(long, value_enum, requires = "init_from", help_heading = "Run")]
    pub(in crate::cli) checkpoint: Option<Which>,
    /// How often to keep a checkpoint: 1epoch, 500steps, 10minutes; there is also one at the end, at a stop,
    /// and after an epoch with the lowest test loss [default: 1epoch]
    #[arg(long, value_name = "LENGTH", help_heading = "Run")]
    pub(in crate::cli) checkpoint_every: Option<Span>,
    /// Checkpoints to keep: the last ones, beside that with the lowest test loss [default: 1]
    #[arg(long, value_name = "NUMBER", help_heading = "Run")]
    pub(in crate::cli) keep: Option<usize>,
    /// Length after which to stop, with a checkpoint to go on from: 30minutes, 500steps [default: the end]
    #[arg(long, value_name = "LENGTH", help_heading = "Run")]
    pub(in crate::cli) stop_after: Option<Span>,
    /// Steps of a line in the metrics [default: 100]
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Run")]
    pub(in crate::cli) log_every: Option<u32>,
    /// Epochs from one that leaves pictures to the next; the last one does in any case
    /// [default: 1, in runs of over 100 epochs as many as leave at most 100]
    #[arg(long, value_name = "EPOCHS", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Run")]
    pub(in crate::cli) pictures_every: Option<u32>,
    /// Print nothing but results and errors [default: off]
    #[arg(long, help_heading = "Run")]
    pub(in crate::cli) quiet: bool,
    /// Print every line of the metrics on stdout, and the end as a JSON object [default: off]
    #[arg(long, help_heading = "Run")]
    pub(in crate::cli) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  elbo train
  elbo train --data mnist --epochs 10 --out runs/reference
  elbo train --data mnist --binarize dynamic --hidden 200,200 --latent 50 --activation tanh
  elbo train --data photos/ --image-size 64 --likelihood gaussian --sigma learned
  elbo train --model ae --data fashion-mnist --latent 8
  elbo train --config runs/reference/config.toml --seed 2
  elbo train --resume runs/reference --epochs 20
  elbo train --init-from runs/reference --data fashion-mnist --lr-schedule cosine";

/// What `--image-size` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct ImageSize {
    pub(in crate::cli) height: usize,
    pub(in crate::cli) width: usize,
}

impl FromStr for ImageSize {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (height, width) = text.split_once(['x', '×']).unwrap_or((text, text));
        match (height.parse(), width.parse()) {
            (Ok(height), Ok(width)) if height > 0 && width > 0 => Ok(Self { height, width }),
            _ => Err("expected a number of pixels above 0, such as 28, or HEIGHTxWIDTH".into()),
        }
    }
}

impl TrainArgs {
    pub(super) fn shown(&self) -> Shown {
        Shown {
            quiet: self.quiet,
            json: self.json,
        }
    }

    pub(super) fn pace(&self, checkpoints: Checkpoints) -> Pace {
        Pace {
            checkpoint_every: checkpoints.every,
            stop_after: self.stop_after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_sizes_are_one_number_or_height_by_width() {
        let size = |text: &str| text.parse::<ImageSize>();
        assert_eq!(
            size("28"),
            Ok(ImageSize {
                height: 28,
                width: 28
            })
        );
        assert_eq!(
            size("32x48"),
            Ok(ImageSize {
                height: 32,
                width: 48
            })
        );
        for wrong in ["", "0", "x", "28x", "28x0", "-1", "2.5", "1x2x3"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
