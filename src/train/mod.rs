//! Training: the loop over epochs, its options and its reports.

mod observer;
mod options;
mod trainer;

pub use observer::{EpochRecord, Observer, Pictures, Progress};
pub use options::TrainOptions;
pub use trainer::{Trainer, train};
