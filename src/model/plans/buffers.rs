//! The buffers that a runtime keeps for a model.

pub use crate::graph::arenas::{
    AVERAGE, FIRST, GRADIENT, PARAMETERS, SCALAR_COUNT, SCALARS, SECOND,
};
use crate::plan::Shared;

/// Parameters and both moments; then the average of the parameters, where one is kept.
pub const STATE: [Shared; 4] = [PARAMETERS, FIRST, SECOND, AVERAGE];
/// Copies of them: the last good state.
pub const GOOD: [Shared; 4] = [
    Shared::floats("parameters of the last good state"),
    Shared::floats("first moments of the last good state"),
    Shared::floats("second moments of the last good state"),
    Shared::floats("average of the last good state"),
];
/// Arenas of the sums of the gradients of 1, 2, 4, … shards of a batch, which wait for those of as many others.
pub const OF_SHARDS: Shared = Shared::floats("shards' gradient");
/// An arena of such a sum on its way.
pub const SUM: Shared = Shared::floats("sum of gradients");
/// `[latent, 4]`: sums over the test images of each latent dimension's KL, mu and mu².
pub const UNITS: Shared = Shared::floats("latent units");
/// `[1]`: logarithm of a fixed sigma.
pub const LOG_SIGMA: Shared = Shared::floats("log sigma");
/// `[rows, latent]`: codes to decode.
pub const CODES: Shared = Shared::floats("codes");
/// `[rows, values]`: decoded means.
pub const DECODED: Shared = Shared::floats("decoded");
/// `[rows, values]`: what the decoder gives, before it is a mean.
pub const OUTPUTS: Shared = Shared::floats("outputs");
/// `[rows, values]`: images as the model sees them.
pub const SEEN: Shared = Shared::floats("seen");
/// `[rows, 2·latent]`, or `[rows, latent]` for an autoencoder.
pub const HEADS: Shared = Shared::floats("heads");
/// `[rows]`: numbers of the classes of images, or of codes to decode.
pub const CLASSES: Shared = Shared::words("classes");
/// Zeros, as many as a batch of codes.
pub const ZEROS: Shared = Shared::floats("zeros");
/// `[2·latent]`: the heads of N(0, I), which are zeros, to draw from it where codes are points.
pub const PRIOR_HEADS: Shared = Shared::floats("heads of the prior");
/// `[rows, 2]`: importance weights.
pub const LOG_WEIGHTS: Shared = Shared::floats("log weights");

// Of each split: [`super::Source`] has its own.

/// Bytes of the images, four a word, or their floats.
pub const IMAGES: Shared = Shared::words("images");
/// `[images]`: numbers of their classes, where the model is told them.
pub const LABELS: Shared = Shared::words("labels");
/// `[images]`: indices.
pub const ORDER: Shared = Shared::words("order");
/// `[step, position, row of the log]`
pub const COUNTERS: Shared = Shared::words("counters");
/// `[batches, terms of the objective]`, summed over each batch.
pub const LOG: Shared = Shared::floats("log");
/// `[batches, 2]`: learning rate and relative KL weight of each step of an epoch.
pub const SCHEDULE: Shared = Shared::floats("schedule");
