//! Training: the loop over epochs, its options, and the folder that keeps a run.

mod calendar;
mod check;
mod checkpoint;
mod concern;
mod config;
mod lock;
pub mod metrics;
mod observer;
mod options;
mod pace;
mod run_folder;
mod run_options;
mod schedule;
mod span;
mod state;
mod trainer;
mod warm_up;

pub use calendar::utc;
pub use check::check;
pub use checkpoint::SavedState;
pub use concern::{Concern, ending_in_words};
pub use config::{Change, InitFrom, Record, Resumed, RunConfig};
pub use observer::{EpochRecord, Observer, Pictures, Progress, Start};
pub use options::TrainOptions;
pub use pace::{Checkpoints, Clock, Pace};
pub(crate) use run_folder::picture_name;
pub use run_folder::{Progressed, RunFolder, Which};
pub use run_options::{Compute, DataConfig, RunOptions, anchored, read_table};
pub use schedule::{Course, Decay, KlWeight, LearningRate};
pub use span::Span;
pub use state::{Best, Position, State};
pub use trainer::{DIVERGENCE_HINT, DeviceMemory, Ending, Executor, Trainer, check_room, train};
pub use warm_up::warm_up;
