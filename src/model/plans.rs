//! Turns a specification into plans: train, evaluate, encode, reconstruct, decode, importance weights.
//!
//! Over 500 lines: all plans are put together from one set of parts, and forward and backward pass read
//! side by side.

use crate::data::Binarize;
use crate::kernel::{Call, Element};
use crate::model::parameters::Linear;
use crate::model::{Activation, Likelihood, ModelKind, ModelSpec, Parameters};
use crate::ops::{
    activation, adam, clip, elbo, gather, likelihood, log_weight, matmul, normal, record,
    reparameterize, reparameterize_backward, square_sum, sum_threads,
};
use crate::plan::{Builder, Plan, Slice};
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
    /// `[learning rate, gradient scale]`
    pub const SCALARS: &str = "scalars";
    /// `[1]`: logarithm of a fixed sigma.
    pub const LOG_SIGMA: &str = "log sigma";
    /// `[rows, latent]`: codes to decode.
    pub const CODES: &str = "codes";
    /// `[rows, values]`: decoded means.
    pub const DECODED: &str = "decoded";
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

/// Numbers of a training step beside the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Bound of the mean gradient's norm; 0 = none.
    pub grad_clip: f32,
}

pub(super) fn activation_selector(activation: Activation) -> u32 {
    match activation {
        Activation::Relu => activation::RELU,
        Activation::LeakyRelu => activation::LEAKY_RELU,
        Activation::Tanh => activation::TANH,
        Activation::Sigmoid => activation::SIGMOID,
        Activation::Silu => activation::SILU,
        Activation::Gelu => activation::GELU,
    }
}

fn likelihood_selector(likelihood: &Likelihood) -> u32 {
    match likelihood {
        Likelihood::Bernoulli => likelihood::BERNOULLI,
        Likelihood::Gaussian { .. } => likelihood::GAUSSIAN,
        Likelihood::SquaredError => likelihood::SQUARED_ERROR,
    }
}

/// A layer that has been computed, as its gradient needs it.
struct Done<'a> {
    layer: &'a Linear,
    input: Slice,
    /// What the derivative of the activation of `input` needs, and which activation that was.
    before: Option<(Slice, u32)>,
}

/// Builds the plans of one model at one batch size.
struct Net<'a> {
    spec: &'a ModelSpec,
    parameters: &'a Parameters,
    rows: usize,
    plan: Builder,
    arena: Slice,
}

impl<'a> Net<'a> {
    fn new(spec: &'a ModelSpec, parameters: &'a Parameters, rows: usize, purpose: &str) -> Self {
        let mut plan = Builder::new(format!("{purpose} {rows}"));
        let arena = plan.shared(names::PARAMETERS, Element::Float, parameters.len);
        Self {
            spec,
            parameters,
            rows,
            plan,
            arena,
        }
    }

    fn floats(&mut self, name: &str, len: usize) -> Slice {
        self.plan.shared(name, Element::Float, len)
    }

    fn words(&mut self, name: &str, len: usize) -> Slice {
        self.plan.shared(name, Element::Word, len)
    }

    /// Logarithm of sigma: a parameter, or a constant beside the parameters.
    fn log_sigma(&mut self) -> Slice {
        match self.parameters.log_sigma(self.arena) {
            Some(learned) => learned,
            None => self.floats(names::LOG_SIGMA, 1),
        }
    }

    /// The next batch of a source, `[rows, values]`.
    fn batch(&mut self, source: &Source, out: Slice) {
        let images = self.words(&source.images_name(), source.words);
        let order = self.words(&source.order_name(), source.images);
        let counters = self.words(&source.counters_name(), 3);
        let binarize = match source.binarize {
            Binarize::None => gather::AS_IS,
            Binarize::Fixed => gather::FIXED,
            Binarize::Dynamic => gather::DYNAMIC,
        };
        let values = self.spec.image.values();
        let call = gather::call(
            self.rows,
            values,
            source.floats,
            binarize,
            source.seed,
            source.purpose,
        );
        let slices = [images, order, counters, out];
        self.plan.step("batch", &gather::KERNEL, call, &slices);
    }

    /// One linear layer with its activation. Returns its output and what the derivative needs.
    fn linear(
        &mut self,
        layer: &Linear,
        input: Slice,
        act: u32,
        out: Option<Slice>,
    ) -> (Slice, Slice) {
        let len = self.rows * layer.outputs;
        let out = out.unwrap_or_else(|| self.plan.transient(format!("{} output", layer.name), len));
        let (weight, bias) = (layer.weight(self.arena), layer.bias(self.arena));
        let apart = activation::derivative_needs_input(act);
        let fused = if apart { activation::IDENTITY } else { act };
        let call = matmul::linear(self.rows, layer.inputs, layer.outputs, fused);
        if !apart {
            self.plan.step(
                &layer.name,
                &matmul::LINEAR,
                call,
                &[input, weight, out, bias],
            );
            return (out, out);
        }
        let before = self
            .plan
            .transient(format!("{} before activation", layer.name), len);
        let slices = [input, weight, before, bias];
        self.plan.step(&layer.name, &matmul::LINEAR, call, &slices);
        let label = format!("{} activation", layer.name);
        let call = activation::call(act, len);
        self.plan
            .step(label, &activation::KERNEL, call, &[before, out]);
        (out, before)
    }

    /// Layers one after another, all but the last with the model's activation; `before` is what the
    /// derivative of the activation that made `input` needs, `out` the place of the last output.
    fn stack(
        &mut self,
        layers: &'a [Linear],
        input: Slice,
        before: Option<(Slice, u32)>,
        out: Option<Slice>,
        done: &mut Vec<Done<'a>>,
    ) -> Slice {
        let act = activation_selector(self.spec.activation);
        let (mut input, mut before) = (input, before);
        for (i, layer) in layers.iter().enumerate() {
            let last = i + 1 == layers.len();
            let fused = if last { activation::IDENTITY } else { act };
            let place = if last { out } else { None };
            let (output, saved) = self.linear(layer, input, fused, place);
            done.push(Done {
                layer,
                input,
                before,
            });
            input = output;
            before = Some((saved, act));
        }
        input
    }

    fn encode(&mut self, x: Slice, out: Option<Slice>, done: &mut Vec<Done<'a>>) -> Slice {
        let parameters = self.parameters;
        let act = activation_selector(self.spec.activation);
        let (mut input, mut before) = (x, None);
        for layer in &parameters.encoder {
            let (output, saved) = self.linear(layer, input, act, None);
            done.push(Done {
                layer,
                input,
                before,
            });
            input = output;
            before = Some((saved, act));
        }
        let heads = std::slice::from_ref(&parameters.heads);
        self.stack(heads, input, before, out, done)
    }

    fn decode(&mut self, z: Slice, done: &mut Vec<Done<'a>>) -> Slice {
        let parameters = self.parameters;
        self.stack(&parameters.decoder, z, None, None, done)
    }

    /// Means of p(x|z) from the decoder's outputs.
    fn means(&mut self, outputs: Slice) {
        let decoded = self.floats(names::DECODED, outputs.len);
        let act = match self.spec.likelihood {
            Likelihood::Bernoulli => activation::SIGMOID,
            Likelihood::Gaussian { .. } | Likelihood::SquaredError => activation::IDENTITY,
        };
        let call = activation::call(act, outputs.len);
        self.plan
            .step("means", &activation::KERNEL, call, &[outputs, decoded]);
    }

    /// Noise and latent codes, `samples` for each row of heads.
    fn latent(
        &mut self,
        heads: Slice,
        source: &Source,
        purpose: Purpose,
        samples: usize,
    ) -> (Slice, Slice) {
        let len = self.rows * self.spec.latent;
        let counters = self.words(&source.counters_name(), 3);
        let epsilon = self.plan.transient("epsilon", len);
        let call = normal::call(len, source.seed, purpose);
        self.plan
            .step("epsilon", &normal::KERNEL, call, &[counters, epsilon]);
        let z = self.plan.transient("z", len);
        let call = reparameterize::call(self.rows, self.spec.latent, samples);
        self.plan
            .step("z", &reparameterize::KERNEL, call, &[heads, epsilon, z]);
        (epsilon, z)
    }

    /// Gradients of the layers in `done`, last first, from the gradient of the last one's output.
    /// Returns the gradient of the first one's input where `down_to_input`.
    fn backward(&mut self, done: &[Done<'a>], d_output: Slice, down_to_input: bool) -> Slice {
        let gradients = self.floats(names::GRADIENT, self.parameters.len);
        let mut d_output = d_output;
        for (i, step) in done.iter().enumerate().rev() {
            let layer = step.layer;
            let (rows, inputs, outputs) = (self.rows, layer.inputs, layer.outputs);
            let (weight, bias) = (layer.weight(gradients), layer.bias(gradients));
            self.plan.step(
                format!("{} gradient", layer.name),
                &matmul::WEIGHT_GRADIENT,
                matmul::weight_gradient(rows, inputs, outputs),
                &[d_output, step.input, weight, bias],
            );
            if i == 0 && !down_to_input {
                break;
            }
            let name = format!("{} input gradient", layer.name);
            let d_input = self.plan.transient(name.clone(), rows * inputs);
            let weight = layer.weight(self.arena);
            match step.before {
                Some((saved, act)) => self.plan.step(
                    name,
                    &matmul::INPUT_GRADIENT,
                    matmul::input_gradient(rows, inputs, outputs, act),
                    &[d_output, weight, d_input, saved],
                ),
                None => self.plan.step(
                    name,
                    &matmul::MATMUL,
                    matmul::matmul([rows, inputs, outputs], false, false),
                    &[d_output, weight, d_input],
                ),
            }
            d_output = d_input;
        }
        d_output
    }

    /// Loss of a batch with its gradients; counts the step and writes a row of the log.
    fn loss(&mut self, source: &Source, x: Slice, outputs: Slice, heads: Slice) -> (Slice, Slice) {
        let values = self.spec.image.values();
        let latent = match self.spec.kind {
            ModelKind::Vae => Some(self.spec.latent),
            ModelKind::Ae => None,
        };
        let threads = sum_threads(outputs.len);
        let partials = self.plan.transient("partial losses", 4 * threads as usize);
        let d_outputs = self.plan.transient("output gradient", outputs.len);
        let d_heads = self.plan.transient("heads gradient", heads.len);
        let log_sigma = self.log_sigma();
        let kind = likelihood_selector(&self.spec.likelihood);
        self.plan.step(
            "loss",
            &elbo::KERNEL,
            elbo::call(kind, self.rows, values, latent, self.spec.beta),
            &[x, outputs, heads, log_sigma, d_outputs, d_heads, partials],
        );
        let gradients = self.floats(names::GRADIENT, self.parameters.len);
        let d_log_sigma = match self.parameters.log_sigma(gradients) {
            Some(learned) => learned,
            None => self.plan.transient("log sigma gradient", 1),
        };
        let counters = self.words(&source.counters_name(), 3);
        let log = self.floats(&source.log_name(), 2 * source.images);
        let call = record::call(threads, self.rows);
        let slices = [partials, counters, log, d_log_sigma];
        self.plan
            .step("sum of losses", &record::KERNEL, call, &slices);
        (d_outputs, d_heads)
    }

    fn update(&mut self, source: &Source, update: Update) {
        let len = self.parameters.len;
        let gradients = self.floats(names::GRADIENT, len);
        let scalars = self.floats(names::SCALARS, 2);
        if update.grad_clip > 0.0 {
            let threads = sum_threads(len);
            let partials = self.plan.transient("partial squares", threads as usize);
            let call = square_sum::call(len);
            self.plan.step(
                "gradient norm",
                &square_sum::KERNEL,
                call,
                &[gradients, partials],
            );
            let call = clip::call(threads, self.rows, update.grad_clip);
            self.plan
                .step("gradient scale", &clip::KERNEL, call, &[partials, scalars]);
        }
        let first = self.floats(names::FIRST, len);
        let second = self.floats(names::SECOND, len);
        let counters = self.words(&source.counters_name(), 3);
        let slices = [self.arena, gradients, first, second, counters, scalars];
        let call = adam::call(len, update.weight_decay);
        self.plan.step("update", &adam::KERNEL, call, &slices);
    }

    /// Whole forward pass with the loss. Returns what the backward pass starts from.
    fn forward(&mut self, source: &Source, epsilon: Purpose) -> Forward<'a> {
        let x = self
            .plan
            .transient("x", self.rows * self.spec.image.values());
        self.batch(source, x);
        let mut encoder = Vec::new();
        let mut decoder = Vec::new();
        let heads = self.encode(x, None, &mut encoder);
        let noise = match self.spec.kind {
            ModelKind::Vae => Some(self.latent(heads, source, epsilon, 1)),
            ModelKind::Ae => None,
        };
        let z = noise.map_or(heads, |(_, z)| z);
        let outputs = self.decode(z, &mut decoder);
        let (d_outputs, d_heads) = self.loss(source, x, outputs, heads);
        Forward {
            encoder,
            decoder,
            heads,
            epsilon: noise.map(|(epsilon, _)| epsilon),
            d_outputs,
            d_heads,
        }
    }
}

struct Forward<'a> {
    encoder: Vec<Done<'a>>,
    decoder: Vec<Done<'a>>,
    heads: Slice,
    epsilon: Option<Slice>,
    d_outputs: Slice,
    d_heads: Slice,
}

/// One training step on the next `rows` images of the source: loss, gradients, update, counters.
pub fn train(
    spec: &ModelSpec,
    parameters: &Parameters,
    rows: usize,
    source: &Source,
    update: Update,
) -> Plan {
    let mut net = Net::new(spec, parameters, rows, "train");
    let forward = net.forward(source, Purpose::Epsilon);
    let d_z = net.backward(&forward.decoder, forward.d_outputs, true);
    let d_heads = match forward.epsilon {
        None => d_z,
        Some(epsilon) => {
            let slices = [forward.heads, epsilon, d_z, forward.d_heads];
            let call: Call = reparameterize_backward::call(rows, spec.latent);
            net.plan.step(
                "heads gradient",
                &reparameterize_backward::KERNEL,
                call,
                &slices,
            );
            forward.d_heads
        }
    };
    net.backward(&forward.encoder, d_heads, false);
    net.update(source, update);
    net.plan.finish()
}

/// Losses of the next `rows` images of the source into its log; no gradients of parameters.
pub fn evaluate(spec: &ModelSpec, parameters: &Parameters, rows: usize, source: &Source) -> Plan {
    let mut net = Net::new(spec, parameters, rows, "evaluate");
    net.forward(source, Purpose::EvaluationEpsilon);
    net.plan.finish()
}

/// The next `rows` images of the source into [`names::SEEN`], and their heads into [`names::HEADS`].
pub fn encode(spec: &ModelSpec, parameters: &Parameters, rows: usize, source: &Source) -> Plan {
    let mut net = Net::new(spec, parameters, rows, "encode");
    let x = net.floats(names::SEEN, rows * spec.image.values());
    net.batch(source, x);
    let heads = net.floats(names::HEADS, rows * parameters.heads.outputs);
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
            let zeros = net.floats(names::ZEROS, rows * spec.latent);
            let z = net.plan.transient("z", rows * spec.latent);
            let call = reparameterize::call(rows, spec.latent, 1);
            net.plan
                .step("z", &reparameterize::KERNEL, call, &[heads, zeros, z]);
            z
        }
    };
    let outputs = net.decode(z, &mut Vec::new());
    net.means(outputs);
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
