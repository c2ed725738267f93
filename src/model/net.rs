//! Layers, losses and gradients of a model as steps of a plan.

use crate::data::Binarize;
use crate::device::Precision;
use crate::kernel::{Call, Element, Kernel};
use crate::model::parameters::Linear;
use crate::model::plans::{SCALARS, Source, Update, names};
use crate::model::{Activation, Likelihood, ModelKind, ModelSpec, Parameters};
use crate::ops::{
    activation, adam, clip, elbo, gather, kl_weight, latent_units, likelihood, matmul, record,
    reparameterize, schedule, square_sum, sum_threads, weight_update,
};
use crate::plan::{Builder, Slice};
use crate::rng::Purpose;

fn activation_selector(activation: Activation) -> u32 {
    match activation {
        Activation::Relu => activation::RELU,
        Activation::LeakyRelu => activation::LEAKY_RELU,
        Activation::Tanh => activation::TANH,
        Activation::Sigmoid => activation::SIGMOID,
        Activation::Silu => activation::SILU,
        Activation::Gelu => activation::GELU,
    }
}

pub(super) fn likelihood_selector(likelihood: &Likelihood) -> u32 {
    match likelihood {
        Likelihood::Bernoulli => likelihood::BERNOULLI,
        Likelihood::Gaussian { .. } => likelihood::GAUSSIAN,
        Likelihood::SquaredError => likelihood::SIGMOID_SQUARED_ERROR,
        Likelihood::LinearSquaredError => likelihood::SQUARED_ERROR,
    }
}

/// A layer that has been computed, as its gradient needs it.
pub(super) struct Done<'a> {
    layer: &'a Linear,
    input: Slice,
    /// What the derivative of the activation of `input` needs, and which activation that was.
    before: Option<(Slice, u32)>,
}

/// Builds the plans of one model at one batch size.
pub(super) struct Net<'a> {
    spec: &'a ModelSpec,
    parameters: &'a Parameters,
    pub(super) rows: usize,
    pub(super) plan: Builder,
    /// What the operands of the matrix products are rounded to.
    pub(super) precision: Precision,
    arena: Slice,
}

impl<'a> Net<'a> {
    pub(super) fn new(
        spec: &'a ModelSpec,
        parameters: &'a Parameters,
        rows: usize,
        purpose: &str,
    ) -> Self {
        let mut plan = Builder::new(format!("{purpose} {rows}"));
        let arena = plan.shared(names::PARAMETERS, Element::Float, parameters.len);
        Self {
            spec,
            parameters,
            rows,
            plan,
            precision: Precision::F32,
            arena,
        }
    }

    pub(super) fn floats(&mut self, name: &str, len: usize) -> Slice {
        self.plan.shared(name, Element::Float, len)
    }

    pub(super) fn words(&mut self, name: &str, len: usize) -> Slice {
        self.plan.shared(name, Element::Word, len)
    }

    /// Logarithm of sigma: a parameter, or a constant beside the parameters.
    pub(super) fn log_sigma(&mut self) -> Slice {
        match self.parameters.log_sigma(self.arena) {
            Some(learned) => learned,
            None => self.floats(names::LOG_SIGMA, 1),
        }
    }

    /// The next batch of a source, `[rows, values]`.
    pub(super) fn batch(&mut self, source: &Source, out: Slice) {
        let images = self.words(&source.images_name(), source.words);
        let order = self.words(&source.order_name(), source.images);
        let counters = self.words(&source.counters_name(), 3);
        let (binarize, seed) = match source.binarize {
            Binarize::None => (gather::AS_IS, source.seed),
            // Part of the data: runs of every seed learn from the same binary images.
            Binarize::Fixed => (gather::FIXED, 0),
            Binarize::Dynamic => (gather::DYNAMIC, source.seed),
        };
        let values = self.spec.image.values();
        let call = gather::call(
            self.rows,
            values,
            source.floats,
            binarize,
            seed,
            source.purpose,
        );
        let slices = [images, order, counters, out];
        self.plan.step("batch", &gather::KERNEL, call, &slices);
    }

    /// A step that is a matrix product.
    fn product(
        &mut self,
        label: impl Into<String>,
        kernel: &'static Kernel,
        call: Call,
        slices: &[Slice],
    ) {
        let call = call.rounded(self.precision);
        self.plan.step(label, kernel, call, slices);
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
            self.product(
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
        self.product(&layer.name, &matmul::LINEAR, call, &slices);
        let label = format!("{} activation", layer.name);
        let call = activation::call(act, len);
        self.plan
            .step(label, &activation::KERNEL, call, &[before, out]);
        (out, before)
    }

    /// Layers one after another, all but the last with the model's activation; `out` is the place of the
    /// last output.
    fn stack(
        &mut self,
        layers: &'a [Linear],
        input: Slice,
        out: Option<Slice>,
        done: &mut Vec<Done<'a>>,
    ) -> Slice {
        let act = activation_selector(self.spec.activation);
        let last = layers.len() - 1;
        let (mut input, mut before) = (input, None);
        for (i, layer) in layers.iter().enumerate() {
            let (fused, place) = if i == last {
                (activation::IDENTITY, out)
            } else {
                (act, None)
            };
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

    pub(super) fn encode(
        &mut self,
        x: Slice,
        out: Option<Slice>,
        done: &mut Vec<Done<'a>>,
    ) -> Slice {
        let parameters = self.parameters;
        self.stack(&parameters.encoder, x, out, done)
    }

    pub(super) fn decode(&mut self, z: Slice, done: &mut Vec<Done<'a>>) -> Slice {
        let parameters = self.parameters;
        self.stack(&parameters.decoder, z, None, done)
    }

    /// Means of p(x|z) from the decoder's outputs.
    pub(super) fn means(&mut self, outputs: Slice) {
        let decoded = self.floats(names::DECODED, outputs.len);
        let act = self.spec.likelihood.mean_activation();
        let act = act.map_or(activation::IDENTITY, activation_selector);
        let call = activation::call(act, outputs.len);
        self.plan
            .step("means", &activation::KERNEL, call, &[outputs, decoded]);
    }

    /// Noise and latent codes, `samples` for each row of heads.
    pub(super) fn latent(
        &mut self,
        heads: Slice,
        source: &Source,
        purpose: Purpose,
        samples: usize,
    ) -> (Slice, Slice) {
        let len = self.rows * self.spec.latent;
        let counters = self.words(&source.counters_name(), 3);
        let epsilon = self.plan.transient("epsilon", len);
        let z = self.plan.transient("z", len);
        let noise = Some((source.seed, purpose));
        let call = reparameterize::call(self.rows, self.spec.latent, samples, noise);
        let slices = [counters, heads, epsilon, z];
        self.plan.step("z", &reparameterize::KERNEL, call, &slices);
        (epsilon, z)
    }

    /// Gradients of the layers in `done`, last first, from the gradient of the last one's output; with `update`
    /// the layers are updated by them. Returns the gradient of the first one's input where `down_to_input`.
    pub(super) fn backward(
        &mut self,
        done: &[Done<'a>],
        d_output: Slice,
        down_to_input: bool,
        update: Option<(&Source, Update)>,
    ) -> Slice {
        let mut d_output = d_output;
        for (i, step) in done.iter().enumerate().rev() {
            if update.is_none() {
                self.gradient(step, d_output);
            }
            let needed = i > 0 || down_to_input;
            let d_input = needed.then(|| self.input_gradient(step, d_output));
            // Not before the gradient of its input, which needs the weight as it was.
            if let Some((source, update)) = update {
                self.update_layer(step, d_output, source, update);
            }
            d_output = d_input.unwrap_or(d_output);
        }
        d_output
    }

    /// Gradient of a layer from that of its output.
    fn gradient(&mut self, step: &Done<'_>, d_output: Slice) {
        let gradients = self.floats(names::GRADIENT, self.parameters.len);
        let layer = step.layer;
        let (weight, bias) = (layer.weight(gradients), layer.bias(gradients));
        self.product(
            format!("{} gradient", layer.name),
            &matmul::WEIGHT_GRADIENT,
            matmul::weight_gradient(self.rows, layer.inputs, layer.outputs),
            &[d_output, step.input, weight, bias],
        );
    }

    /// Gradient of a layer's input from that of its output.
    fn input_gradient(&mut self, step: &Done<'_>, d_output: Slice) -> Slice {
        let layer = step.layer;
        let (rows, inputs, outputs) = (self.rows, layer.inputs, layer.outputs);
        let name = format!("{} input gradient", layer.name);
        let d_input = self.plan.transient(name.clone(), rows * inputs);
        let weight = layer.weight(self.arena);
        match step.before {
            Some((saved, act)) => self.product(
                name,
                &matmul::INPUT_GRADIENT,
                matmul::input_gradient(rows, inputs, outputs, act),
                &[d_output, weight, d_input, saved],
            ),
            None => self.product(
                name,
                &matmul::MATMUL,
                matmul::matmul([rows, inputs, outputs], false, false),
                &[d_output, weight, d_input],
            ),
        }
        d_input
    }

    /// Gradient of a layer from that of its output, and the update by it.
    fn update_layer(&mut self, step: &Done<'_>, d_output: Slice, source: &Source, update: Update) {
        let layer = step.layer;
        let (rows, inputs, outputs) = (self.rows, layer.inputs, layer.outputs);
        let first = self.floats(names::FIRST, self.parameters.len);
        let second = self.floats(names::SECOND, self.parameters.len);
        let [parameters, first, second] = [self.arena, first, second].map(|a| layer.all(a));
        let counters = self.words(&source.counters_name(), 3);
        let scalars = self.floats(names::SCALARS, SCALARS);
        let bias = layer.bias(self.arena).offset - parameters.offset;
        let (input, decay) = (step.input, update.weight_decay);
        self.product(
            format!("{} update", layer.name),
            &weight_update::KERNEL,
            weight_update::call(rows, inputs, outputs, bias, decay),
            &[
                d_output, input, parameters, first, second, counters, scalars,
            ],
        );
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

    /// Takes learning rate and relative KL weight from the schedule of an epoch of `steps`.
    pub(super) fn follow_schedule(&mut self, source: &Source, steps: usize) {
        let counters = self.words(&source.counters_name(), 3);
        let rows = self.floats(&source.schedule_name(), 2 * steps);
        let scalars = self.floats(names::SCALARS, SCALARS);
        let slices = [counters, rows, scalars];
        let call = schedule::call(steps);
        self.plan.step("schedule", &schedule::KERNEL, call, &slices);
    }

    /// Sums of each latent dimension over the batch.
    pub(super) fn sum_units(&mut self, heads: Slice, units: Slice, add: bool) {
        let call = latent_units::call(self.rows, self.spec.latent, add);
        let kernel = &latent_units::KERNEL;
        self.plan
            .step("latent units", kernel, call, &[heads, units]);
    }

    /// Weighs the gradient of the KL beside beta: by the schedule and the free bits.
    pub(super) fn weigh_kl(&mut self, heads: Slice, d_heads: Slice, free_bits: f32) {
        let units = self.plan.transient("latent units", 4 * self.spec.latent);
        self.sum_units(heads, units, false);
        let scalars = self.floats(names::SCALARS, SCALARS);
        let call = kl_weight::call(self.rows, self.spec.latent, free_bits);
        let slices = [units, scalars, d_heads];
        self.plan
            .step("KL weight", &kl_weight::KERNEL, call, &slices);
    }

    /// Norm and clipping of the gradient, and the update of every parameter.
    pub(super) fn update_all(&mut self, source: &Source, update: Update) {
        if update.grad_clip > 0.0 {
            let gradient = self.floats(names::GRADIENT, self.parameters.len);
            let scalars = self.floats(names::SCALARS, SCALARS);
            self.clip(gradient, scalars, update.grad_clip);
        }
        self.update(source, update, self.arena, "update");
    }

    /// The update of a learned log sigma, which belongs to no layer.
    pub(super) fn update_log_sigma(&mut self, source: &Source, update: Update) {
        if let Some(log_sigma) = self.parameters.log_sigma(self.arena) {
            self.update(source, update, log_sigma, "log sigma update");
        }
    }

    /// The update of a part of the arena: a dispatch, or one for every part of it that a device can surely bind.
    fn update(&mut self, source: &Source, update: Update, part: Slice, label: &str) {
        let gradient = self.floats(names::GRADIENT, self.parameters.len);
        let scalars = self.floats(names::SCALARS, SCALARS);
        let first = self.floats(names::FIRST, self.parameters.len);
        let second = self.floats(names::SECOND, self.parameters.len);
        let counters = self.words(&source.counters_name(), 3);
        for (i, part) in part.bindable().enumerate() {
            let of = |arena: Slice| Slice {
                buffer: arena.buffer,
                ..part
            };
            let slices = [part, of(gradient), of(first), of(second), counters, scalars];
            let call = adam::call(part.len, update.weight_decay);
            let label = numbered(label, i);
            self.plan.step(label, &adam::KERNEL, call, &slices);
        }
    }

    fn clip(&mut self, gradient: Slice, scalars: Slice, bound: f32) {
        let parts: Vec<Slice> = gradient.bindable().collect();
        let threads: Vec<usize> = parts.iter().map(|p| sum_threads(p.len) as usize).collect();
        let all = threads.iter().sum();
        let partials = self.plan.transient("partial squares", all);
        let mut offset = 0;
        for (i, (&part, &len)) in parts.iter().zip(&threads).enumerate() {
            let sums = Slice {
                offset,
                len,
                ..partials
            };
            let (label, call) = (numbered("gradient norm", i), square_sum::call(part.len));
            let kernel = &square_sum::KERNEL;
            self.plan.step(label, kernel, call, &[part, sums]);
            offset += len;
        }
        let call = clip::call(all as u32, self.rows, bound);
        let slices = [partials, scalars];
        self.plan
            .step("gradient scale", &clip::KERNEL, call, &slices);
    }

    /// Whole forward pass with the loss. Returns what the backward pass starts from.
    pub(super) fn forward(&mut self, source: &Source, epsilon: Purpose) -> Forward<'a> {
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

/// A label for part `i` of a step that one dispatch does for most models.
fn numbered(label: &str, i: usize) -> String {
    match i {
        0 => label.to_owned(),
        _ => format!("{label} {}", i + 1),
    }
}

pub(super) struct Forward<'a> {
    pub(super) encoder: Vec<Done<'a>>,
    pub(super) decoder: Vec<Done<'a>>,
    pub(super) heads: Slice,
    pub(super) epsilon: Option<Slice>,
    pub(super) d_outputs: Slice,
    pub(super) d_heads: Slice,
}
