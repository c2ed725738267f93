//! Turns a specification into plans: from some ports of a model to others.

pub mod buffers;

use crate::data::{Augment, Binarize};
use crate::error::Result;
use crate::graph::{Graph, Parameters, Tensor};
use crate::kernel::Precision;
use crate::model::ModelSpec;
use crate::model::nets::Net;
use crate::model::pass::Pass;
use crate::ops::gather;
use crate::plan::{Plan, Shared};
use crate::rng::{Draws, Purpose};

/// Where a model meets the world. A plan goes from some ports to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    /// The next rows of a split of the data.
    Data,
    /// Draws of the latent codes; without them codes are means.
    Noise,
    /// Classes, where the model is told them and no split has them.
    Class,
    /// Images as the model sees them.
    Image,
    /// What the encoder gives: the numbers of q(z|x), or a code.
    Posterior,
    /// Latent codes.
    Code,
    /// What the decoder gives.
    Output,
    /// Means of p(x|z).
    Mean,
    /// The terms of the objective, into the split's log.
    Loss,
    /// What each latent dimension carries, on top of what is there; nothing where codes are points.
    Units,
    /// Logarithms of importance weights, each as −log p(x|z) and log q(z|x) − log p(z) of a code.
    LogWeight,
}

impl Port {
    /// Its buffer. Data, noise and loss are those of a split, which has its own.
    pub fn buffer(self) -> Option<Shared> {
        match self {
            Self::Data | Self::Noise | Self::Loss => None,
            Self::Class => Some(buffers::CLASSES),
            Self::Image => Some(buffers::SEEN),
            Self::Posterior => Some(buffers::HEADS),
            Self::Code => Some(buffers::CODES),
            Self::Output => Some(buffers::OUTPUTS),
            Self::Mean => Some(buffers::DECODED),
            Self::Units => Some(buffers::UNITS),
            Self::LogWeight => Some(buffers::LOG_WEIGHTS),
        }
    }
}

/// What a plan is for: a name, and a way through the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Task {
    /// Its name in records.
    pub name: &'static str,
    /// What is there.
    pub from: &'static [Port],
    /// What is asked for.
    pub to: &'static [Port],
}

impl Task {
    const fn new(name: &'static str, from: &'static [Port], to: &'static [Port]) -> Self {
        Self { name, from, to }
    }
}

/// A training step on the next images of a split.
pub const TRAIN: Task = Task::new("train", &[Port::Data, Port::Noise], &[Port::Loss]);
/// Losses of the next images of a split, and what latent dimensions carry.
pub const EVALUATE: Task = Task::new(
    "evaluate",
    &[Port::Data, Port::Noise],
    &[Port::Loss, Port::Units],
);
/// The next images of a split as the model sees them.
pub const SEE: Task = Task::new("see", &[Port::Data], &[Port::Image]);
/// The same, and what the encoder makes of them.
pub const ENCODE: Task = Task::new("encode", &[Port::Data], &[Port::Image, Port::Posterior]);
/// What the encoder makes of images that are there.
pub const ENCODE_VALUES: Task = Task::new(
    "encode values",
    &[Port::Image, Port::Class],
    &[Port::Posterior],
);
/// The next images of a split, and the means of their reconstructions from the mean code.
pub const RECONSTRUCT: Task = Task::new("reconstruct", &[Port::Data], &[Port::Image, Port::Mean]);
/// The next images of a split, their posteriors, and what the decoder gives for one draw of z: all that a loss of
/// [`EVALUATE`] is made from.
pub const SCORE: Task = Task::new(
    "score",
    &[Port::Data, Port::Noise],
    &[Port::Image, Port::Posterior, Port::Output],
);
/// Means of p(x|z) of codes that are there.
pub const DECODE: Task = Task::new("decode", &[Port::Code, Port::Class], &[Port::Mean]);
/// Importance weights of several codes of each of the images that [`ENCODE`] left; the split's counters are at their place.
pub const LOG_WEIGHTS: Task = Task::new(
    "log weights",
    &[Port::Image, Port::Posterior, Port::Noise],
    &[Port::LogWeight],
);

/// Whether a plan learns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// It does not.
    Run,
    /// The same with averages in the place of the parameters.
    RunAverage,
    /// It does: gradients and updates of all parameters follow the loss.
    Train(Update),
    /// The gradients of a part of a batch follow the loss. The update by the sum of all parts' is [`Model::update`].
    Gradient(Update, Shard),
}

/// A part of the rows of a batch whose gradient is computed by itself. [`Source::first_row`] says where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Shards of a step on this device, each of which has a row of the log.
    pub count: usize,
    /// Images of the whole batch, which the last one counts; 0 for those before it.
    pub ends: usize,
}

impl Mode {
    /// The arena that a plan reads its parameters from.
    pub fn parameters(self) -> Shared {
        match self {
            Self::RunAverage => buffers::AVERAGE,
            Self::Run | Self::Train(_) | Self::Gradient(..) => buffers::PARAMETERS,
        }
    }

    /// How parameters learn; `None` where they do not.
    pub(super) fn update(self) -> Option<Update> {
        match self {
            Self::Train(update) | Self::Gradient(update, _) => Some(update),
            Self::Run | Self::RunAverage => None,
        }
    }
}

/// A split of a data set on the device; each split has its own buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// Its name, by which its buffers are told from those of others.
    pub split: &'static str,
    /// Images.
    pub images: usize,
    /// Words that hold the images which lie on the device.
    pub words: usize,
    /// How many of them lie there at once, in the order of their positions; 0 where all do.
    pub window: usize,
    /// Whether the words are floats rather than bytes.
    pub floats: bool,
    /// Binarisation.
    pub binarize: Binarize,
    /// Stream of the binarisation.
    pub purpose: Purpose,
    /// Seed of the binarisation and of epsilon.
    pub seed: u64,
    /// Number of a plan's first row within the whole batch; 0 where a plan has the whole batch. Where others have the
    /// rows before it, draws are those that one plan of all rows would make.
    pub first_row: usize,
}

impl Source {
    /// A split of so many images of so many values each, of which plans have whole batches; `binarize` with the stream
    /// of its draws.
    pub fn new(
        split: &'static str,
        [images, values]: [usize; 2],
        floats: bool,
        (binarize, purpose): (Binarize, Purpose),
        seed: u64,
    ) -> Self {
        let all = images * values;
        Self {
            split,
            images,
            words: if floats { all } else { all.div_ceil(4) },
            floats,
            binarize,
            purpose,
            seed,
            window: 0,
            first_row: 0,
        }
    }

    /// The same where so many images, of so many values each, lie on the device at once.
    #[must_use]
    pub fn in_windows(self, window: usize, values: usize) -> Self {
        let all = window * values;
        Self {
            words: if self.floats { all } else { all.div_ceil(4) },
            window,
            ..self
        }
    }

    /// Bytes of images on the host, on their way to the device: a window that is copied, and the next one.
    pub fn on_their_way(&self) -> u64 {
        match self.window {
            0 => 0,
            _ => 2 * 4 * self.words as u64,
        }
    }

    /// How a batch is binarised, as a selector of the gathering kernel, and by which draws.
    pub(crate) fn binarisation(&self) -> (u32, Draws) {
        let (binarize, seed) = match self.binarize {
            Binarize::None => (gather::AS_IS, self.seed),
            // Part of the data: runs of every seed learn from the same binary images.
            Binarize::Fixed => (gather::FIXED, 0),
            Binarize::Dynamic => (gather::DYNAMIC, self.seed),
        };
        let draws = Draws {
            seed,
            purpose: self.purpose,
            first: self.first_row,
        };
        (binarize, draws)
    }

    /// Its [`buffers::IMAGES`].
    pub fn image_words(&self) -> Shared {
        buffers::IMAGES.of(self.split)
    }

    /// Its [`buffers::LABELS`].
    pub fn labels(&self) -> Shared {
        buffers::LABELS.of(self.split)
    }

    /// Its [`buffers::ORDER`].
    pub fn order(&self) -> Shared {
        buffers::ORDER.of(self.split)
    }

    /// Its [`buffers::COUNTERS`].
    pub fn counters(&self) -> Shared {
        buffers::COUNTERS.of(self.split)
    }

    /// Its [`buffers::LOG`].
    pub fn log(&self) -> Shared {
        buffers::LOG.of(self.split)
    }

    /// Its [`buffers::SCHEDULE`].
    pub fn schedule(&self) -> Shared {
        buffers::SCHEDULE.of(self.split)
    }
}

/// Numbers of a training step beside the model.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Update {
    /// How the images of a batch are moved.
    pub augment: Augment,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Bound of the mean gradient's norm; 0 = none.
    pub grad_clip: f32,
    /// Whether the gradient of a layer and the update by it are one step, so that no gradient is written or read.
    /// Not where the gradient's norm is needed first, or a layer is more than a device can surely bind.
    pub fused: bool,
    /// What the operands of the matrix products are rounded to.
    pub precision: Precision,
    /// Steps of an epoch whose learning rate and relative KL weight a schedule gives; `None` where they are constant.
    pub schedule: Option<usize>,
    /// Whether the relative KL weight varies.
    pub kl_share: bool,
    /// Nats of each latent dimension's KL that are free; 0 = none.
    pub free_bits: f32,
    /// Decay of the average of the parameters that is kept; 0 = none is.
    pub ema: f32,
}

impl Update {
    /// Whether the gradient of the KL has a weight beside beta.
    pub(super) fn weighs_kl(&self) -> bool {
        self.kl_share || self.free_bits > 0.0
    }
}

/// A model: what it is, as a specification and as a graph, and where its parameters lie.
#[derive(Clone, Debug)]
pub struct Model {
    spec: ModelSpec,
    net: Net,
    parameters: Parameters,
}

impl Model {
    /// The model of a specification.
    ///
    /// # Errors
    /// [`crate::Error::Config`] as [`ModelSpec::validate`] has it.
    pub fn new(spec: &ModelSpec) -> Result<Self> {
        spec.validate()?;
        let net = Net::new(spec)?;
        Ok(Self {
            spec: spec.clone(),
            parameters: Parameters::new(&net.graph),
            net,
        })
    }

    /// What it was made from.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Its layers.
    pub fn graph(&self) -> &Graph {
        &self.net.graph
    }

    /// Its layers with the values by which they meet the world.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// Where its parameters lie.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The tensor that is the logarithm of sigma, where training finds it.
    pub fn log_sigma(&self) -> Option<&Tensor> {
        let parameter = self.net.log_sigma?;
        Some(self.parameters.first_tensor(parameter))
    }

    /// Values of the encoder's output a row: mu and logvar, or the code.
    pub fn head_values(&self) -> usize {
        self.graph().info(self.net.posterior).len()
    }

    /// Values of the widest value that a plan computes.
    pub fn widest(&self) -> usize {
        let widths = self
            .graph()
            .values()
            .iter()
            .map(crate::graph::ValueInfo::len);
        widths.max().unwrap_or(1)
    }

    /// The plan of a task for `images` rows of images and `samples` codes of each.
    ///
    /// # Panics
    /// Where the task reads or counts a split and there is no `source`, where it needs images and has none, and where a
    /// loss is asked for with other samples than its objective's or, of a VAE that learns, without noise: faults of the
    /// caller.
    pub fn plan(
        &self,
        task: &Task,
        mode: Mode,
        [images, samples]: [usize; 2],
        source: Option<&Source>,
    ) -> Plan {
        let name = format!("{} {}", task.name, images * samples);
        let ports = [task.from, task.to];
        Pass::new(self, ports, mode, [images, samples], source, name).lowered()
    }

    /// Codes of each image in a task: what the objective has of them where its loss is asked for.
    pub fn samples(&self, task: &Task) -> usize {
        match task.to.contains(&Port::Loss) {
            true => self.spec.objective().samples(&self.spec),
            false => 1,
        }
    }

    /// The plan of a training step on the next `rows` images of a split.
    pub fn train(&self, rows: usize, source: &Source, update: Update) -> Plan {
        let size = [rows, self.samples(&TRAIN)];
        self.plan(&TRAIN, Mode::Train(update), size, Some(source))
    }

    /// The plan of the gradient of `rows` images of a batch, from [`Source::first_row`] on.
    pub fn gradient(&self, rows: usize, source: &Source, update: Update, shard: Shard) -> Plan {
        let size = [rows, self.samples(&TRAIN)];
        self.plan(&TRAIN, Mode::Gradient(update, shard), size, Some(source))
    }

    /// The plan of the update by a gradient that is there, of a batch of `rows` images.
    pub fn update(&self, rows: usize, source: &Source, update: Update) -> Plan {
        let mode = Mode::Train(update);
        let name = format!("update {rows}");
        Pass::new(self, [&[], &[]], mode, [rows, 1], Some(source), name).updated()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Likelihood, Sigma};
    use crate::plan::MAX_BOUND;

    fn source(images: usize) -> Source {
        let draws = (Binarize::None, Purpose::Binarisation);
        Source::new("train", [images, 784], false, draws, 1)
    }

    #[test]
    fn a_reference_step_takes_at_most_nineteen_dispatches_and_an_optimal_sigma_three_more() {
        let source = source(60_000);
        let steps = |likelihood, grad_clip, fused| {
            let spec = ModelSpec {
                likelihood,
                ..ModelSpec::reference()
            };
            let update = Update {
                grad_clip,
                fused,
                ..Update::default()
            };
            let model = Model::new(&spec).expect("a model");
            model.train(128, &source, update).steps.len()
        };
        let of = |likelihood| {
            let updates = [(0.0, false), (0.0, true), (1.0, false), (1.0, true)];
            updates.map(|(grad_clip, fused)| steps(likelihood, grad_clip, fused))
        };
        assert_eq!(of(Likelihood::Bernoulli), [17, 16, 19, 19]);
        // Squared errors, the sigma of the batch, and that of the epoch.
        let optimal = Likelihood::Gaussian {
            sigma: Sigma::Optimal,
        };
        assert_eq!(of(optimal), [20, 19, 22, 22]);
    }

    #[test]
    fn an_arena_beyond_a_binding_is_updated_in_parts() {
        let mut spec = ModelSpec::reference();
        spec.encoder = [30_000].into();
        let model = Model::new(&spec).expect("a model");
        let parameters = model.parameters();
        let source = source(8);
        let update = Update {
            grad_clip: 1.0,
            ..Update::default()
        };
        let plan = model.train(8, &source, update);
        for step in &plan.steps {
            for slice in &step.slices {
                assert!(slice.len <= MAX_BOUND, "{}", step.label);
            }
        }
        let updates = plan.steps.iter().filter(|s| s.kernel.name == "adam");
        let mut next = 0;
        for step in updates {
            for arena in &step.slices[..4] {
                assert_eq!((arena.offset, arena.len), (next, step.slices[0].len));
            }
            next += step.slices[0].len;
        }
        assert!(parameters.len > MAX_BOUND);
        assert_eq!(next, parameters.len);
    }
}
