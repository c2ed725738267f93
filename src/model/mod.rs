//! Models: specification, parameters, objectives, and what can be done with a trained one.

mod inference;
pub mod latents;
mod loss;
mod memory;
pub mod nets;
pub mod objectives;
mod options;
mod pass;
pub mod plans;
mod scores;
pub(crate) mod session;
mod sigma;
mod size;
mod spec;
mod summary;
mod units;
mod weights;
pub mod words;

pub use crate::graph::{Parameters, Tensor};
pub use crate::layers::Activation;
pub(crate) use inference::prior;
pub use inference::{Evaluation, Inference, Latents};
pub use loss::Loss;
pub use memory::{Allocation, MemoryUse};
pub use nets::blocks::{Block, Blocks};
pub use nets::{NetName, NetOptions};
pub use options::{LikelihoodName, ModelOptions};
pub use plans::Model;
pub use scores::Scores;
pub use sigma::Sigma;
pub use size::MOST_PARAMETERS;
pub use spec::{Likelihood, ModelKind, ModelSpec};
pub use summary::LayerSummary;
pub use units::{Units, is_active};
pub use weights::Weights;
pub(crate) use weights::seal::{Seal, check as sealed};
