//! Models: specification, parameters, objectives, and what can be done with a trained one.

mod inference;
mod loss;
mod parameters;
mod spec;
mod weights;

pub use inference::{Evaluation, Inference, Latents};
pub use loss::Loss;
pub use spec::{Activation, Likelihood, ModelKind, ModelSpec};
pub use weights::Weights;
