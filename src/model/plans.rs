//! Turns a specification into plans: train, evaluate, encode, reconstruct, decode, importance weights.

use crate::data::Binarize;
use crate::device::Precision;
use crate::model::net::{Net, likelihood_selector};
use crate::model::{ModelKind, ModelSpec, Parameters};
use crate::ops::{activation, log_weight, reparameterize, reparameterize_backward};
use crate::plan::Plan;
use crate::rng::Purpose;

/// Names of the runtime's shared buffers.
pub mod names {
    /// Arena of parameters.
    pub const PARAMETERS: &str = "parameters";
    /// Arena of gradients of the batch's summed loss.
    pub const GRADIENT: &str = "gradient";
    /// Arena of Adam's first moments.
    pub const FIRST: &str = "first moment";
    /// Arena of Adam's second moments.
    pub const SECOND: &str = "second moment";
    /// `[learning rate, gradient scale, relative KL weight]`
    pub const SCALARS: &str = "scalars";
    /// `[latent, 4]`: sums over the test images of each latent dimension's KL, mu and mu².
    pub const UNITS: &str = "latent units";
    /// `[1]`: logarithm of a fixed sigma.
    pub const LOG_SIGMA: &str = "log sigma";
    /// `[rows, latent]`: codes to decode.
    pub const CODES: &str = "codes";
    /// `[rows, values]`: decoded means.
    pub const DECODED: &str = "decoded";
    /// `[rows, values]`: what the decoder gives, before it is a mean.
    pub const OUTPUTS: &str = "outputs";
    /// `[rows, values]`: images as the model sees them.
    pub const SEEN: &str = "seen";
    /// `[rows, 2·latent]`, or `[rows, latent]` for an autoencoder.
    pub const HEADS: &str = "heads";
    /// Zeros, as many as a batch of codes.
    pub const ZEROS: &str = "zeros";
    /// `[rows]`: importance weights.
    pub const LOG_WEIGHTS: &str = "log weights";
}

/// A split of a data set on the device; each split has its own buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// Prefix of its buffers.
    pub split: &'static str,
    /// Images.
    pub images: usize,
    /// Words that hold the images.
    pub words: usize,
    /// Whether the words are floats rather than bytes.
    pub floats: bool,
    /// Binarisation.
    pub binarize: Binarize,
    /// Stream of the binarisation.
    pub purpose: Purpose,
    /// Seed of the binarisation and of epsilon.
    pub seed: u64,
}

impl Source {
    /// Name of the buffer of images.
    pub fn images_name(&self) -> String {
        format!("{} images", self.split)
    }

    /// Name of the buffer of indices, `[images]`.
    pub fn order_name(&self) -> String {
        format!("{} order", self.split)
    }

    /// Name of the counters, `[step, position, row of the log]`.
    pub fn counters_name(&self) -> String {
        format!("{} counters", self.split)
    }

    /// Name of the log, `[batches, 2]`: reconstruction and KL of each batch.
    pub fn log_name(&self) -> String {
        format!("{} log", self.split)
    }

    /// Name of the schedule, `[batches, 2]`: learning rate and relative KL weight of each step of an epoch.
    pub fn schedule_name(&self) -> String {
        format!("{} schedule", self.split)
    }
}

/// Numbers of a training step beside the model.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Update {
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
}

impl Update {
    /// Whether the gradient of the KL has a weight beside beta.
    fn weighs_kl(&self) -> bool {
        self.kl_share || self.free_bits > 0.0
    }
}

/// Values of [`names::SCALARS`].
pub const SCALARS: usize = 3;

/// One training step on the next `rows` images of the source: loss, gradients, update, counters.
pub fn train(
    spec: &ModelSpec,
    parameters: &Parameters,
    rows: usize,
    source: &Source,
    update: Update,
) -> Plan {
    let mut net = Net::new(spec, parameters, rows, "train");
    net.precision = update.precision;
    let fused = update.fused && update.grad_clip == 0.0 && parameters.layers_are_bindable();
    let by_layer = fused.then_some((source, update));
    if let Some(steps) = update.schedule {
        net.follow_schedule(source, steps);
    }
    let forward = net.forward(source, Purpose::Epsilon);
    let d_z = net.backward(&forward.decoder, forward.d_outputs, true, by_layer);
    let d_heads = match forward.epsilon {
        None => d_z,
        Some(epsilon) => {
            if update.weighs_kl() {
                net.weigh_kl(forward.heads, forward.d_heads, update.free_bits);
            }
            let slices = [forward.heads, epsilon, d_z, forward.d_heads];
            let call = reparameterize_backward::call(rows, spec.latent);
            net.plan.step(
                "heads gradient",
                &reparameterize_backward::KERNEL,
                call,
                &slices,
            );
            forward.d_heads
        }
    };
    net.backward(&forward.encoder, d_heads, false, by_layer);
    match by_layer {
        Some(_) => net.update_log_sigma(source, update),
        None => net.update_all(source, update),
    }
    net.plan.finish()
}

/// Losses of the next `rows` images of the source into its log, and the sums of a VAE's latent dimensions on top of
/// [`names::UNITS`]; no gradients of parameters.
pub fn evaluate(spec: &ModelSpec, parameters: &Parameters, rows: usize, source: &Source) -> Plan {
    let mut net = Net::new(spec, parameters, rows, "evaluate");
    let forward = net.forward(source, Purpose::EvaluationEpsilon);
    if spec.kind == ModelKind::Vae {
        let units = net.floats(names::UNITS, 4 * spec.latent);
        net.sum_units(forward.heads, units, true);
    }
    net.plan.finish()
}

/// The next `rows` images of the source into [`names::SEEN`].
pub fn see(spec: &ModelSpec, parameters: &Parameters, rows: usize, source: &Source) -> Plan {
    let mut net = Net::new(spec, parameters, rows, "see");
    let x = net.floats(names::SEEN, rows * spec.image.values());
    net.batch(source, x);
    net.plan.finish()
}

/// The next `rows` images of the source into [`names::SEEN`], and their heads into [`names::HEADS`].
pub fn encode(spec: &ModelSpec, parameters: &Parameters, rows: usize, source: &Source) -> Plan {
    let mut net = Net::new(spec, parameters, rows, "encode");
    let x = net.floats(names::SEEN, rows * spec.image.values());
    net.batch(source, x);
    let heads = net.floats(names::HEADS, rows * parameters.head_values());
    net.encode(x, Some(heads), &mut Vec::new());
    net.plan.finish()
}

/// Heads of the images that lie in [`names::SEEN`], into [`names::HEADS`].
pub fn encode_values(spec: &ModelSpec, parameters: &Parameters, rows: usize) -> Plan {
    let mut net = Net::new(spec, parameters, rows, "encode values");
    let x = net.floats(names::SEEN, rows * spec.image.values());
    let heads = net.floats(names::HEADS, rows * parameters.head_values());
    net.encode(x, Some(heads), &mut Vec::new());
    net.plan.finish()
}

/// The next `rows` images of the source into [`names::SEEN`], and the means of their reconstructions
/// from the mean code into [`names::DECODED`].
pub fn reconstruct(
    spec: &ModelSpec,
    parameters: &Parameters,
    rows: usize,
    source: &Source,
) -> Plan {
    let mut net = Net::new(spec, parameters, rows, "reconstruct");
    let x = net.floats(names::SEEN, rows * spec.image.values());
    net.batch(source, x);
    let heads = net.encode(x, None, &mut Vec::new());
    let z = match spec.kind {
        ModelKind::Ae => heads,
        ModelKind::Vae => {
            let counters = net.words(&source.counters_name(), 3);
            let zeros = net.floats(names::ZEROS, rows * spec.latent);
            let z = net.plan.transient("z", rows * spec.latent);
            let call = reparameterize::call(rows, spec.latent, 1, None);
            let slices = [counters, heads, zeros, z];
            net.plan.step("z", &reparameterize::KERNEL, call, &slices);
            z
        }
    };
    let outputs = net.decode(z, &mut Vec::new());
    net.means(outputs);
    net.plan.finish()
}

/// The next `rows` images of the source into [`names::SEEN`], their heads into [`names::HEADS`], and what the decoder
/// gives for one draw of z into [`names::OUTPUTS`]: all that a loss of [`evaluate`] is made from.
pub fn score(spec: &ModelSpec, parameters: &Parameters, rows: usize, source: &Source) -> Plan {
    let mut net = Net::new(spec, parameters, rows, "score");
    let x = net.floats(names::SEEN, rows * spec.image.values());
    net.batch(source, x);
    let heads = net.floats(names::HEADS, rows * parameters.head_values());
    net.encode(x, Some(heads), &mut Vec::new());
    let z = match spec.kind {
        ModelKind::Ae => heads,
        ModelKind::Vae => net.latent(heads, source, Purpose::EvaluationEpsilon, 1).1,
    };
    let outputs = net.decode(z, &mut Vec::new());
    let kept = net.floats(names::OUTPUTS, rows * spec.image.values());
    let call = activation::call(activation::IDENTITY, outputs.len);
    let slices = [outputs, kept];
    net.plan.step("outputs", &activation::KERNEL, call, &slices);
    net.plan.finish()
}

/// Means of p(x|z) of [`names::CODES`], into [`names::DECODED`].
pub fn decode(spec: &ModelSpec, parameters: &Parameters, rows: usize) -> Plan {
    let mut net = Net::new(spec, parameters, rows, "decode");
    let codes = net.floats(names::CODES, rows * spec.latent);
    let outputs = net.decode(codes, &mut Vec::new());
    net.means(outputs);
    net.plan.finish()
}

/// Log importance weights of `samples` latent codes of each of `images` images that [`encode`] put into
/// [`names::HEADS`] and [`names::SEEN`]; into [`names::LOG_WEIGHTS`], `[images, samples]`.
pub fn log_weights(
    spec: &ModelSpec,
    parameters: &Parameters,
    images: usize,
    samples: usize,
    source: &Source,
) -> Plan {
    let rows = images * samples;
    let mut net = Net::new(spec, parameters, rows, "log weights");
    let values = spec.image.values();
    let x = net.floats(names::SEEN, images * values);
    let heads = net.floats(names::HEADS, images * 2 * spec.latent);
    let (epsilon, z) = net.latent(heads, source, Purpose::EvaluationEpsilon, samples);
    let outputs = net.decode(z, &mut Vec::new());
    let log_sigma = net.log_sigma();
    let log_w = net.floats(names::LOG_WEIGHTS, rows);
    let kind = likelihood_selector(&spec.likelihood);
    net.plan.step(
        "log weights",
        &log_weight::KERNEL,
        log_weight::call(kind, images, samples, values, spec.latent),
        &[x, outputs, heads, epsilon, z, log_sigma, log_w],
    );
    net.plan.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::MAX_BOUND;

    fn source(images: usize) -> Source {
        Source {
            split: "train",
            images,
            words: images * 196,
            floats: false,
            binarize: Binarize::None,
            purpose: Purpose::Binarisation,
            seed: 1,
        }
    }

    #[test]
    fn a_step_of_the_reference_job_takes_at_most_nineteen_dispatches() {
        let spec = ModelSpec::reference();
        let parameters = Parameters::new(&spec);
        let source = source(60_000);
        let steps = |grad_clip, fused| {
            let update = Update {
                grad_clip,
                fused,
                ..Update::default()
            };
            train(&spec, &parameters, 128, &source, update).steps.len()
        };
        assert_eq!((steps(0.0, false), steps(0.0, true)), (17, 16));
        assert_eq!((steps(1.0, false), steps(1.0, true)), (19, 19));
    }

    #[test]
    fn an_arena_beyond_a_binding_is_updated_in_parts() {
        let mut spec = ModelSpec::reference();
        spec.hidden = vec![30_000];
        let parameters = Parameters::new(&spec);
        let source = source(8);
        let update = Update {
            grad_clip: 1.0,
            ..Update::default()
        };
        let plan = train(&spec, &parameters, 8, &source, update);
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
