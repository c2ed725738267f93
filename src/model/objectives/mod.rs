//! What training minimises, one file per objective: its terms, and the steps that compute them with their gradients.

mod beta_tc;
mod elbo;
pub mod importance;
mod mmd;
mod reconstruction;
pub(super) mod sigma;

use std::fmt;

use serde::{Serialize, Serializer};

use crate::graph::{arenas, numbered};
use crate::model::latents::gaussian;
use crate::model::pass::Pass;
use crate::model::units::SUMS;
use crate::model::{Loss, ModelKind, ModelSpec, words};
use crate::ops::{elbo as kernel, kl_weight, record, sum_threads};
use crate::plan::Slice;

/// All objectives. Of those that suit a kind of latent code, the first is its default.
pub static OBJECTIVES: &[&Objective] = &[
    &elbo::OBJECTIVE,
    &importance::OBJECTIVE,
    &beta_tc::OBJECTIVE,
    &mmd::OBJECTIVE,
    &reconstruction::OBJECTIVE,
    &mmd::OF_POINTS,
];

/// An objective: a weighted sum of terms. A row of the log, `metrics.jsonl`, TensorBoard's tags and the curves have a
/// number for each of them.
pub struct Objective {
    /// Its name, as `--objective` takes it.
    pub name: &'static str,
    /// Its terms, in the order of a row of the log.
    pub terms: &'static [Term],
    /// Whether it is for codes that have a prior.
    pub has_prior: bool,
    /// What its negative is where every weight is 1: a bound of log p(x). `None` where it is none.
    pub bound: Option<fn(&ModelSpec) -> String>,
    /// Beta where nobody says another; `None` where it is the weight of no term.
    pub beta: Option<f32>,
    /// Whether a term is a function of all images of a batch together, so that those of its parts do not add up to it.
    pub of_batch: bool,
    /// Whether it weighs several samples of the code of an image.
    pub weighs_codes: bool,
    /// Computes the terms of a batch and, in training, their gradients: from images, codes and outputs, which it asks
    /// the pass for.
    pub(super) lower: fn(&mut Pass<'_>) -> Computed,
}

/// A term of an objective.
pub struct Term {
    /// Its name in files: `kl`.
    pub name: &'static str,
    /// Its name in a text: `KL`.
    pub text: &'static str,
    /// The unit of its values: [`words::unit`] where that is the likelihood's.
    pub unit: fn(&ModelSpec) -> &'static str,
    /// Its weight in the loss; `None` where that is always 1.
    pub weight: Option<fn(&ModelSpec) -> f32>,
    /// What its value is held at, so that the loss has Huber's loss of the distance from that; `None` where the loss has the
    /// value itself.
    pub target: fn(&ModelSpec) -> Option<f32>,
    /// Whether it is a part of the negative ELBO.
    pub of_elbo: bool,
}

impl Term {
    /// Its weight in the loss of a model.
    pub fn weight(&self, spec: &ModelSpec) -> f32 {
        self.weight.map_or(1.0, |weight| weight(spec))
    }

    /// What a value of it adds to the loss of a model.
    pub fn of_loss(&self, spec: &ModelSpec, value: f64) -> f64 {
        let distance = match (self.target)(spec) {
            Some(target) => huber(value - f64::from(target)),
            None => value,
        };
        f64::from(self.weight(spec)) * distance
    }

    /// Whether it is the KL to the prior.
    pub fn is_kl(&self) -> bool {
        self.name == KL.name
    }

    /// Whether it is in the loss of a model as it is.
    pub fn is_plain(&self, spec: &ModelSpec) -> bool {
        self.weight(spec) == 1.0 && (self.target)(spec).is_none()
    }

    /// What has to be said where its values stand beside a loss in which it has a weight.
    pub fn caution(&self) -> &'static str {
        self.weight.map_or("", |_| ", not weighted")
    }

    /// The unit of its values, for the title of a curve.
    pub fn unit_of_curve(&self, spec: &ModelSpec) -> String {
        format!("{}{}", (self.unit)(spec), self.caution())
    }

    /// Its name as a heading: `Reconstruction`.
    pub fn heading(&self) -> String {
        let (first, rest) = self.text.split_at(1);
        first.to_uppercase() + rest
    }
}

/// −log p(x|z), or the squared error.
pub const RECONSTRUCTION: Term = Term {
    name: "reconstruction",
    text: "reconstruction",
    unit: words::unit,
    weight: None,
    target: |_| None,
    of_elbo: true,
};

/// KL(q(z|x) ‖ p(z)).
const KL: Term = Term {
    name: "kl",
    text: "KL",
    unit: |_| words::NATS,
    weight: Some(|spec| spec.beta),
    target: |spec| spec.capacity,
    of_elbo: true,
};

/// What an objective's steps leave.
pub(super) struct Computed {
    /// Partial sums of its terms, one after another.
    pub(super) sums: Vec<Sums>,
    /// In training.
    pub(super) gradients: Option<Gradients>,
}

/// Partial sums over a batch: `[threads, 4]`, in the first columns the next terms, in the last the gradient of log sigma.
#[derive(Clone, Copy)]
pub(super) struct Sums {
    pub(super) partials: Slice,
    /// At most three.
    pub(super) terms: usize,
    /// Whether the last column is what a learned sigma learns from.
    pub(super) of_sigma: bool,
}

/// Gradients of what an objective is computed from.
#[derive(Clone, Copy)]
pub(super) struct Gradients {
    pub(super) output: Slice,
    /// `None` where no term is a function of it but by the output.
    pub(super) code: Option<Slice>,
    /// `None` where no term is a function of it but by the code, or where its gradient follows from the weights.
    pub(super) posterior: Option<Slice>,
    /// Weights of the codes, `[images, samples]`, where an image has several. The output's gradient has them already.
    pub(super) weights: Option<Slice>,
}

/// Huber's loss: |x| but for half a unit, and round within one.
fn huber(x: f64) -> f64 {
    match x.abs() {
        far if far > 1.0 => far - 0.5,
        near => 0.5 * near * near,
    }
}

impl ModelKind {
    /// What a model of the kind minimises unless it is told.
    pub fn objective(self) -> &'static Objective {
        let has_prior = self.latent().has_prior;
        let suits = |objective: &&&Objective| objective.has_prior == has_prior;
        OBJECTIVES
            .iter()
            .find(suits)
            .expect("an objective for every kind of code")
    }
}

impl Objective {
    /// The negative ELBO, whatever the weights in the total are; `None` where no terms add up to it.
    pub fn negative_elbo(&self, loss: &Loss) -> Option<f64> {
        let terms = self.terms.iter().filter(|term| term.of_elbo);
        self.bound.map(|_| terms.map(|term| loss.term(term)).sum())
    }

    /// Samples of the code of an image.
    pub fn samples(&self, spec: &ModelSpec) -> usize {
        match self.weighs_codes {
            true => spec.importance,
            false => 1,
        }
    }

    /// Whether it has a discrepancy to weigh.
    pub fn takes_mmd(&self) -> bool {
        self.terms.iter().any(|term| term.name == mmd::NAME)
    }

    /// Whether the KL has a weight.
    pub fn weighs_kl(&self) -> bool {
        let kl = self.terms.iter().find(|term| term.is_kl());
        kl.is_some_and(|kl| kl.weight.is_some())
    }

    /// Its terms where there are several: with one, that is the loss.
    pub fn parts(&self) -> &'static [Term] {
        match self.terms {
            [_] => &[],
            several => several,
        }
    }

    /// The sum of those terms that make the negative ELBO, in words: `reconstruction + KL`.
    pub fn elbo_in_words(&self) -> String {
        let terms = self.terms.iter().filter(|term| term.of_elbo);
        let terms: Vec<&str> = terms.map(|term| term.text).collect();
        terms.join(" + ")
    }

    /// The sum of its terms in a model, in words: `reconstruction + KL`.
    pub fn terms_in_words(&self, spec: &ModelSpec) -> String {
        let terms: Vec<&str> = self.terms.iter().map(|term| term.text).collect();
        let terms = terms.join(" + ");
        match self.weighs_codes {
            true => format!("{terms} of {} samples", spec.importance),
            false => terms,
        }
    }
}

impl PartialEq for Objective {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Objective").field(&self.name).finish()
    }
}

impl Serialize for Objective {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

/// The reconstruction and, with `beta`, the KL of q(z|x), by one kernel.
fn reconstruction_and_kl(pass: &mut Pass<'_>, beta: Option<f32>) -> Computed {
    let (image, output) = (pass.image(), pass.output());
    let heads = pass.encoded().posterior;
    let (rows, values) = (pass.rows(), pass.spec.image.values());
    let threads = sum_threads(output.len) as usize;
    let learns = pass.learns();
    let partials = pass.lower.transient("partial losses", 4 * threads);
    // Places that no invocation writes where nothing learns or there is no KL.
    let of = |asked: bool, len: usize| if asked { len } else { 1 };
    let d_output = pass
        .lower
        .transient("output gradient", of(learns, output.len));
    let d_heads = of(learns && beta.is_some(), heads.len);
    let d_heads = pass.lower.transient("heads gradient", d_heads);
    let log_sigma = sigma::log_sigma(pass);
    let latent = beta.map(|_| pass.spec.latent.values());
    let selector = pass.spec.likelihood.selector();
    let call = kernel::call(
        selector,
        [rows, values],
        latent,
        beta.unwrap_or(0.0),
        learns,
    );
    let slices = [image, output, heads, log_sigma, d_output, d_heads, partials];
    pass.lower.step("loss", &kernel::KERNEL, call, &slices);
    let gradients = Gradients {
        output: d_output,
        code: None,
        posterior: beta.map(|_| d_heads),
        weights: None,
    };
    Computed {
        sums: vec![Sums {
            partials,
            terms: 1 + usize::from(beta.is_some()),
            of_sigma: pass.spec.likelihood.learns_sigma(),
        }],
        gradients: learns.then_some(gradients),
    }
}

/// Weighs the KL's gradient beside beta, where it is to be: by a schedule, free bits or a capacity.
fn weigh_kl(pass: &mut Pass<'_>, computed: &Computed) {
    let d_posterior = computed.gradients.and_then(|found| found.posterior);
    let (Some(rule), Some(d_posterior)) = (pass.weighs_kl(), d_posterior) else {
        return;
    };
    let latent = pass.spec.latent.values();
    let units = pass.lower.transient("units of the batch", SUMS * latent);
    let posterior = pass.encoded().posterior;
    gaussian::sum(pass, posterior, units, false);
    let scalars = pass.lower.shared(arenas::SCALARS, arenas::SCALAR_COUNT);
    let call = kl_weight::call(pass.images, latent, rule);
    let slices = [units, scalars, d_posterior];
    pass.lower
        .step("KL weight", &kl_weight::KERNEL, call, &slices);
}

/// Sums of the terms into the next row of the log, and the step counted.
pub(super) fn log_terms(pass: &mut Pass<'_>, sums: &[Sums]) {
    let width = pass.spec.objective().terms.len();
    let (counters, log) = (pass.counters(), pass.log());
    let mut first = 0;
    for (i, sums) in sums.iter().enumerate() {
        let learned = pass
            .net
            .log_sigma
            .filter(|_| sums.of_sigma && pass.learns());
        let d_log_sigma = match learned {
            Some(learned) => pass.lower.parameter(learned, arenas::GRADIENT),
            None => pass
                .lower
                .transient(numbered("no log sigma gradient", i), 1),
        };
        // Behind the last term.
        let ends = (first + sums.terms == width).then(|| pass.ends());
        let columns = record::Columns {
            terms: sums.terms,
            first,
            width,
        };
        let threads = (sums.partials.len / 4) as u32;
        let call = record::call(threads, columns, learned.is_some(), ends);
        let slices = [sums.partials, counters, log, d_log_sigma];
        let label = numbered("sum of losses", i);
        pass.lower.step(label, &record::KERNEL, call, &slices);
        first += sums.terms;
    }
    assert_eq!(first, width, "a number for every term");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Binarize, Images, Values};
    use crate::device::Device;
    use crate::model::Model;
    use crate::model::session::Session;
    use crate::plan::{self, Tune};
    use crate::rng::Purpose;

    /// Twice the same sums, each of a term of its own.
    static TWICE: Objective = Objective {
        name: "twice",
        terms: &[
            RECONSTRUCTION,
            Term {
                name: "again",
                text: "again",
                unit: words::unit,
                weight: Some(|_| 0.5),
                target: |_| None,
                of_elbo: false,
            },
        ],
        has_prior: false,
        bound: None,
        beta: None,
        of_batch: false,
        weighs_codes: false,
        lower: |pass| {
            let mut computed = reconstruction_and_kl(pass, None);
            let once = computed.sums[0];
            computed.sums.push(Sums {
                of_sigma: false,
                ..once
            });
            computed
        },
    };

    #[test]
    fn terms_of_several_sums_are_logged_in_their_order_and_the_step_is_counted_once() {
        let spec = ModelSpec {
            objective: Some(&TWICE),
            ..ModelSpec::odd()
        };
        let model = Model::new(&spec).expect("a model");
        let arena = model.parameters().initial(1);
        let runtime = plan::open(Device::Cpu, Tune::Quick);
        let mut session = Session::new(runtime, model, &arena, 1).expect("memory");
        // Two batches, the last a short one.
        let count = session.batch_rows() + 5;
        let bytes = (0..count * spec.image.values()).map(|i| (i * 7 % 251) as u8);
        let images = Images::new(spec.image, Values::Bytes(bytes.collect()));
        let purpose = Purpose::EvaluationBinarisation;
        let source = session.upload("images", &images, Binarize::None, purpose);
        let source = source.expect("a split");
        let passes = session.evaluation(&source).expect("plans");
        assert_eq!(passes.batches(), 2);
        let loss = session.measure(&source, &passes, 0).expect("losses").loss;
        let [reconstruction, again] = ["reconstruction", "again"].map(|name| loss.terms[name]);
        assert!(reconstruction > 0.0);
        assert_eq!(reconstruction, again);
        assert_eq!(loss.total, 1.5 * reconstruction);
        let counters = session.runtime.read_words(source.counters(), 0, 3);
        assert_eq!(counters.expect("counters"), [2, count as u32, 2]);
    }
}
