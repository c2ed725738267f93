//! Training: the loop over epochs, its options, and the folder that keeps a run.

mod check;
mod config;
mod grid;
pub mod metrics;
mod observer;
mod options;
mod run_folder;
mod trainer;
mod warm_up;

pub use check::check;
pub use config::{DataConfig, Record, RunConfig, anchored, toml_fault};
pub(crate) use grid::BACKGROUND;
pub use grid::{Grid, Layout};
pub use observer::{EpochRecord, Observer, Pictures, Progress};
pub use options::TrainOptions;
pub use run_folder::{RunFolder, utc};
pub use trainer::{Trainer, train};
pub use warm_up::warm_up;
