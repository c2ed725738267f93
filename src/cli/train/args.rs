//! The options of `elbo train`.

use std::path::PathBuf;

use clap::Args;

use super::job::Job;
use super::together::Company;
use crate::cli::reporter::Shown;
use crate::data::Dataset;
use crate::option::{self, Given};
use crate::train::{Checkpoints, Pace, RunOptions, Span, Which};

/// Train a model and keep it in a run folder
///
/// A flag takes precedence over the same value in --config, which takes precedence over the default.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = EXAMPLES, allow_negative_numbers = true)]
pub(in crate::cli) struct TrainArgs {
    #[command(flatten)]
    pub(in crate::cli) options: Given<RunOptions>,

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
    /// Run folder to continue from its last checkpoint; only --epochs, --patience, --data (the same images
    /// elsewhere) and the options under Run may differ from the run's own [default: a new run]
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
    /// Stop after this long, with a checkpoint to go on from: 30minutes, 500steps [default: the end]
    #[arg(long, value_name = "LENGTH", help_heading = "Run")]
    pub(in crate::cli) stop_after: Option<Span>,
    /// How often in a row a lost device is opened again without a new checkpoint, to go on from the last one
    #[arg(long, value_name = "NUMBER", value_parser = option::count::<u32>, default_value_t = 3, help_heading = "Run")]
    pub(in crate::cli) retries: u32,
    /// Print the layers of the model and the memory that it takes, and train nothing [default: off]
    #[arg(long, conflicts_with = "resume", help_heading = "Run")]
    pub(in crate::cli) dry_run: bool,
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
  elbo train --data photos/ --image-size 64 --dry-run
  elbo train --data photos/ --encoder 'conv 32 k4 /2, linear 256' --likelihood gaussian
  elbo train --model ae --data fashion-mnist --latent 8
  elbo train --config runs/reference/config.toml --seed 2
  elbo train --resume runs/reference --epochs 20
  elbo train --init-from runs/reference --data fashion-mnist --lr-schedule cosine";

impl TrainArgs {
    pub(super) fn shown(&self) -> Shown {
        Shown {
            quiet: self.quiet,
            json: self.json,
        }
    }

    /// The same for a process that leaves it to another one to speak.
    pub(super) fn silent(self) -> Self {
        Self {
            quiet: true,
            json: false,
            ..self
        }
    }

    /// The training of these images.
    pub(super) fn job<'a>(
        &self,
        company: &'a Company,
        dataset: &'a Dataset,
        checkpoints: Checkpoints,
    ) -> Job<'a> {
        Job {
            company,
            dataset,
            pace: self.pace(checkpoints),
            retries: self.retries,
        }
    }

    pub(super) fn pace(&self, checkpoints: Checkpoints) -> Pace {
        Pace {
            checkpoint_every: checkpoints.every,
            stop_after: self.stop_after,
        }
    }
}
