//! Models: specification, parameters, objectives, and what can be done with a trained one.

mod inference;
mod loss;
mod memory;
mod net;
mod options;
mod parameters;
pub mod plans;
mod scores;
pub(crate) mod session;
mod size;
mod spec;
mod units;
mod weights;
pub mod words;

pub(crate) use inference::prior;
pub use inference::{Evaluation, Inference, Latents};
pub use loss::Loss;
pub use memory::{Allocation, MemoryUse};
pub use options::{LikelihoodName, ModelOptions, Sigma};
pub use parameters::{Parameters, Tensor};
pub use scores::Scores;
pub use size::MOST_PARAMETERS;
pub use spec::{Activation, Likelihood, ModelKind, ModelSpec};
pub use units::{Units, is_active};
pub use weights::Weights;
pub(crate) use weights::seal::{Seal, check as sealed};
