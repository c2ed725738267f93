//! A way through a model, from some of its ports to others, as steps of a plan.

use crate::data::Augment;
use crate::graph::{Learning, Lowering, Value, arenas};
use crate::model::latents::{Code, Encoded};
use crate::model::nets::Net;
use crate::model::objectives::{Gradients, log_terms, sigma};
use crate::model::plans::{Mode, Model, Port, Source, Update, buffers};
use crate::model::{ModelSpec, Sigma};
use crate::ops::{augment, gather, kl_weight, log_weight, one_hot, reparameterize, schedule};
use crate::plan::{Plan, Slice};
use crate::rng::{Draws, Purpose};

/// Steps from some ports of a model to others.
pub(super) struct Pass<'a> {
    pub(super) spec: &'a ModelSpec,
    pub(super) net: &'a Net,
    pub(super) lower: Lowering<'a>,
    from: &'a [Port],
    to: &'a [Port],
    mode: Mode,
    source: Option<&'a Source>,
    /// Rows of images.
    pub(super) images: usize,
    /// Codes of each image.
    pub(super) samples: usize,
    image: Option<Slice>,
    /// The classes, in as many rows for each image.
    classes: Option<(usize, Slice)>,
    encoded: Option<Encoded>,
    output: Option<Slice>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        model: &'a Model,
        [from, to]: [&'a [Port]; 2],
        mode: Mode,
        [images, samples]: [usize; 2],
        source: Option<&'a Source>,
        name: String,
    ) -> Self {
        let mut lower = Lowering::new(&model.net().graph, model.parameters(), name);
        lower.reads = mode.parameters();
        Self {
            spec: model.spec(),
            net: model.net(),
            lower,
            from,
            to,
            mode,
            source,
            images,
            samples,
            image: None,
            classes: None,
            encoded: None,
            output: None,
        }
    }

    /// The plan to all ports that are asked for.
    pub(super) fn lowered(mut self) -> Plan {
        if let Some(update) = self.mode.update() {
            self.learn_by(update);
        }
        for &port in self.to {
            match port {
                Port::Image => {
                    self.image();
                }
                Port::Posterior => {
                    self.posterior();
                }
                Port::Output => {
                    self.output();
                }
                Port::Mean => self.mean(),
                Port::Loss => self.loss(),
                Port::Units => self.units(),
                Port::LogWeight => self.log_weight(),
                Port::Data | Port::Noise | Port::Class | Port::Code => {}
            }
        }
        self.lower.finish()
    }

    /// The plan of an update by a gradient that is there.
    pub(super) fn updated(mut self) -> Plan {
        let update = self.mode.update().expect("a mode that learns");
        self.learn_by(update);
        self.lower.rows = self.rows();
        self.update();
        self.lower.finish()
    }

    // What latents and objectives ask for.

    /// Whether parameters learn from the loss.
    pub(super) fn learns(&self) -> bool {
        self.mode.update().is_some()
    }

    /// Images of the step that ends with the losses of these rows; 0 where others follow.
    pub(super) fn ends(&self) -> usize {
        match self.mode {
            Mode::Gradient(_, shard) => shard.ends,
            _ => self.images,
        }
    }

    /// Rows of codes.
    pub(super) fn rows(&self) -> usize {
        self.images * self.samples
    }

    fn source(&self) -> &'a Source {
        self.source.expect("a plan of a split")
    }

    pub(super) fn counters(&mut self) -> Slice {
        let source = self.source();
        self.lower.shared(source.counters(), 3)
    }

    pub(super) fn log(&mut self) -> Slice {
        let source = self.source();
        let terms = self.spec.objective().terms.len();
        self.lower.shared(source.log(), terms * source.images)
    }

    /// Logarithm of sigma: a parameter, or a constant beside the parameters.
    pub(super) fn log_sigma(&mut self) -> Slice {
        match self.net.log_sigma {
            Some(learned) => self.lower.parameter(learned, arenas::PARAMETERS),
            None => self.lower.shared(buffers::LOG_SIGMA, 1),
        }
    }

    /// The draws of codes; `None` where they are means.
    pub(super) fn noise(&self) -> Option<Draws> {
        let purpose = match self.learns() {
            true => Purpose::Epsilon,
            false => Purpose::EvaluationEpsilon,
        };
        let draws = || Draws {
            seed: self.source().seed,
            purpose,
            first: self.source().first_row * self.samples,
        };
        self.from.contains(&Port::Noise).then(draws)
    }

    /// How the gradient of the KL is weighed beside beta; `None` where it is not.
    pub(super) fn weighs_kl(&self) -> Option<kl_weight::Rule> {
        let update = self.mode.update()?;
        match self.spec.capacity {
            Some(nats) => Some(kl_weight::Rule::Capacity(nats)),
            None => update
                .weighs_kl()
                .then_some(kl_weight::Rule::FreeBits(update.free_bits)),
        }
    }

    /// Images of the split.
    pub(super) fn images_of_split(&self) -> usize {
        self.source().images
    }

    /// Draws from the prior of the codes, one for each row, `[rows, latent]`: the noise of codes that are drawn by it, and
    /// other draws where codes are points.
    pub(super) fn prior_draws(&mut self) -> Slice {
        if let Some(epsilon) = self.encoded().code.epsilon {
            return epsilon;
        }
        let (rows, latent) = (self.rows(), self.spec.latent.values());
        let noise = self.noise().expect("a plan with noise");
        let counters = self.counters();
        // As codes of one posterior, which is the prior.
        let heads = self.lower.shared(buffers::PRIOR_HEADS, 2 * latent);
        let [epsilon, draws] = ["noise of the prior", "draws from the prior"]
            .map(|name| self.lower.transient(name, rows * latent));
        let call = reparameterize::call(rows, latent, rows, Some(noise));
        let slices = [counters, heads, epsilon, draws];
        self.lower.step(
            "draws from the prior",
            &reparameterize::KERNEL,
            call,
            &slices,
        );
        draws
    }

    // The ports.

    /// Where a port that is asked for goes; `None` where nobody asks.
    fn place(&mut self, port: Port, len: usize) -> Option<Slice> {
        let asked = self.to.contains(&port);
        asked.then(|| self.at(port, len))
    }

    /// The buffer of a port.
    fn at(&mut self, port: Port, len: usize) -> Slice {
        let buffer = port.buffer().expect("a port that has a buffer");
        self.lower.shared(buffer, len)
    }

    /// Images as the model sees them.
    pub(super) fn image(&mut self) -> Slice {
        if let Some(known) = self.image {
            return known;
        }
        let len = self.images * self.spec.image.values();
        let place = match self.from.contains(&Port::Image) {
            true => Some(self.at(Port::Image, len)),
            false => self.place(Port::Image, len),
        };
        let image = place.unwrap_or_else(|| self.lower.transient("x", len));
        match self.from.contains(&Port::Data) {
            true => self.batch(image),
            false => assert!(self.from.contains(&Port::Image), "no images to begin with"),
        }
        self.lower.set(self.net.image, image);
        self.image = Some(image);
        image
    }

    /// The next batch of the split, `[images, values]`; in training its images are moved as is asked for.
    fn batch(&mut self, out: Slice) {
        match self.mode.update() {
            Some(update) if !update.augment.is_none() => {
                let still = self.lower.transient("x before its moves", out.len);
                self.gather(still);
                self.augment(update.augment, still, out);
            }
            _ => self.gather(out),
        }
    }

    fn augment(&mut self, by: Augment, still: Slice, out: Slice) {
        let source = self.source();
        let draws = Draws {
            seed: source.seed,
            purpose: Purpose::Augmentation,
            first: source.first_row,
        };
        let call = augment::call(self.images, self.spec.image, by.flip, by.crop, draws);
        let slices = [self.counters(), still, out];
        self.lower
            .step("moved batch", &augment::KERNEL, call, &slices);
    }

    fn gather(&mut self, out: Slice) {
        let source = self.source();
        let images = self.lower.shared(source.image_words(), source.words);
        let order = self.lower.shared(source.order(), source.images);
        let counters = self.counters();
        let (binarize, draws) = source.binarisation();
        let values = self.spec.image.values();
        let size = [self.images, values];
        let call = gather::call(size, source.floats, binarize, draws, source.window);
        let slices = [images, order, counters, out];
        self.lower.step("batch", &gather::KERNEL, call, &slices);
    }

    fn posterior(&mut self) -> Slice {
        let len = self.images * self.lower.width(self.net.posterior);
        if self.from.contains(&Port::Posterior) {
            return self.at(Port::Posterior, len);
        }
        self.image();
        let place = self.place(Port::Posterior, len);
        if let Some((of_image, _)) = self.net.classes {
            self.tell(of_image, 1);
        }
        self.lower.rows = self.images;
        self.lower.forward(self.net.posterior, place)
    }

    /// Gives a value the classes of the images, each of which has so many rows.
    fn tell(&mut self, value: Value, samples: usize) {
        let classes = match self.classes {
            Some((known, classes)) if known == samples => classes,
            _ => self.classes(value, samples),
        };
        self.classes = Some((samples, classes));
        self.lower.set(value, classes);
    }

    fn classes(&mut self, value: Value, samples: usize) -> Slice {
        let count = self.lower.width(value);
        let len = self.images * samples * count;
        let name = match samples {
            1 => "classes as values".to_owned(),
            _ => format!("classes as values, {samples} times each"),
        };
        let out = self.lower.transient(name, len);
        let (first, [classes, order, counters]) = match self.source {
            Some(source) => {
                let labels = self.lower.shared(source.labels(), source.images);
                let order = self.lower.shared(source.order(), source.images);
                (Some(source.first_row), [labels, order, self.counters()])
            }
            None => (None, [self.at(Port::Class, self.images); 3]),
        };
        let call = one_hot::call([self.images, samples], count, first);
        let slices = [classes, order, counters, out];
        self.lower.step("class", &one_hot::KERNEL, call, &slices);
        out
    }

    /// What the encoder gives, and codes of it.
    pub(super) fn encoded(&mut self) -> Encoded {
        if let Some(known) = self.encoded {
            return known;
        }
        let posterior = self.posterior();
        let code: Code = (self.spec.kind.latent().code)(self, posterior);
        self.lower.set(self.net.code, code.z);
        let encoded = Encoded { posterior, code };
        self.encoded = Some(encoded);
        encoded
    }

    /// What the decoder gives.
    pub(super) fn output(&mut self) -> Slice {
        if let Some(known) = self.output {
            return known;
        }
        if self.from.contains(&Port::Code) {
            let codes = self.at(Port::Code, self.rows() * self.spec.latent.values());
            self.lower.set(self.net.code, codes);
        } else {
            self.encoded();
        }
        if let Some((_, of_code)) = self.net.classes {
            self.tell(of_code, self.samples);
        }
        let port = match self.net.mean == self.net.output {
            true if !self.to.contains(&Port::Output) => Port::Mean,
            _ => Port::Output,
        };
        let place = self.place(port, self.rows() * self.spec.image.values());
        self.lower.rows = self.rows();
        let output = self.lower.forward(self.net.output, place);
        self.output = Some(output);
        output
    }

    fn mean(&mut self) {
        self.output();
        let place = self.place(Port::Mean, self.rows() * self.spec.image.values());
        self.lower.forward(self.net.mean, place);
    }

    /// The terms of the objective into the log; in training also the gradients, and the update.
    fn loss(&mut self) {
        if let Some(steps) = self.mode.update().and_then(|update| update.schedule) {
            self.follow_schedule(steps);
        }
        assert_eq!(
            self.samples,
            self.spec.objective().samples(self.spec),
            "as many codes of an image as its objective has"
        );
        let computed = (self.spec.objective().lower)(self);
        log_terms(self, &computed.sums);
        if self.learns() {
            let gradients = computed.gradients.expect("gradients, as the model learns");
            self.backward(&gradients);
        }
        if matches!(self.mode, Mode::Train(_)) {
            self.update();
        }
    }

    fn update(&mut self) {
        if self.spec.likelihood.sigma() == Some(Sigma::Optimal) {
            sigma::set_mean(self);
        }
        self.lower.update();
    }

    fn backward(&mut self, gradients: &Gradients) {
        let encoded = self.encoded();
        self.lower.rows = self.rows();
        if let Some(own) = gradients.code {
            self.lower.contribute(self.net.code, own);
        }
        let wanted = Some(self.net.code);
        let of_code = self
            .lower
            .backward(self.net.output, gradients.output, wanted);
        let of_code = of_code.expect("a decoder that reads its code");
        let latent = self.spec.kind.latent();
        let of_posterior = (latent.backward)(self, &encoded, of_code, gradients);
        self.lower.rows = self.images;
        self.lower.backward(self.net.posterior, of_posterior, None);
    }

    fn learn_by(&mut self, update: Update) {
        self.lower.precision = update.precision;
        self.lower.learn_by(Learning {
            counters: self.source().counters(),
            weight_decay: update.weight_decay,
            grad_clip: update.grad_clip,
            fused: update.fused && matches!(self.mode, Mode::Train(_)),
            ema: update.ema,
        });
    }

    /// Takes learning rate and relative KL weight from the schedule of an epoch of `steps`.
    fn follow_schedule(&mut self, steps: usize) {
        let counters = self.counters();
        let rows = self.lower.shared(self.source().schedule(), 2 * steps);
        let of_log = match self.mode {
            Mode::Gradient(_, shard) => shard.count,
            _ => 1,
        };
        let scalars = self.lower.shared(arenas::SCALARS, arenas::SCALAR_COUNT);
        let slices = [counters, rows, scalars];
        self.lower.step(
            "schedule",
            &schedule::KERNEL,
            schedule::call(steps, of_log),
            &slices,
        );
    }

    fn units(&mut self) {
        if let Some(units) = self.spec.kind.latent().units {
            let posterior = self.encoded().posterior;
            units(self, posterior);
        }
    }

    fn log_weight(&mut self) {
        let terms = self.at(Port::LogWeight, 2 * self.rows());
        self.log_weights(terms);
    }

    /// −log p(x|z) and log q(z|x) − log p(z) of each code, `[rows, 2]`: the negative logarithm of its importance weight in two
    /// parts.
    pub(super) fn log_weights(&mut self, terms: Slice) {
        let image = self.image();
        let encoded = self.encoded();
        let output = self.output();
        let log_sigma = self.log_sigma();
        let epsilon = encoded.code.epsilon.expect("codes that are drawn");
        let (values, latent) = (self.spec.image.values(), self.spec.latent.values());
        let selector = self.spec.likelihood.selector();
        self.lower.step(
            "log weights",
            &log_weight::KERNEL,
            log_weight::call(selector, self.images, self.samples, values, latent),
            &[
                image,
                output,
                encoded.posterior,
                epsilon,
                encoded.code.z,
                log_sigma,
                terms,
            ],
        );
    }
}
