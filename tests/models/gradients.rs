//! Every gradient against central finite differences of the loss, at double precision.

use clap::ValueEnum;
use elbo::model::objectives::Term;
use elbo::model::plans::{Update, buffers};
use elbo::model::{
    Activation, Blocks, Estimator, LatentShape, Likelihood, Model, ModelKind, ModelSpec,
    Parameters, Sigma,
};
use elbo::ops::activation::{IDENTITY, SILU};
use elbo::ops::{elbo as loss, matmul};
use elbo::plan::{CpuRuntime, Home, Plan, PlanId, Runtime, Shared};

use crate::by_hand;
use crate::faults::{change, select, step};
use crate::support::{Report, byte_source, expose, few_bytes, load, named_objective, small};

const ROWS: usize = 3;

/// Step of the differences. With two of them the error of the quotient is of order STEP⁴, far below
/// rounding, and no kink lies within 2·STEP of the values of these seeds.
const STEP: f64 = 1e-4;

/// Roundings of a loss that are not averaged out, in units of eps times the loss: they are divided by
/// STEP and bound what differences can tell.
const LOSS_ROUNDINGS: f64 = 4.0;

/// A training step that changes no parameter, on the same images and noise every time.
struct Still {
    runtime: CpuRuntime<f64>,
    plan: PlanId,
    parameters: Parameters,
    spec: ModelSpec,
    counters: Shared,
    log: Shared,
}

impl Still {
    fn new(spec: &ModelSpec, seed: u64, bias: Option<(&str, f32)>) -> Self {
        Self::spoilt(spec, seed, bias, |_| {})
    }

    /// With a plan that `alter` may have spoilt.
    fn spoilt(
        spec: &ModelSpec,
        seed: u64,
        bias: Option<(&str, f32)>,
        alter: impl Fn(&mut Plan),
    ) -> Self {
        let model = Model::new(spec).expect("a model");
        let parameters = model.parameters();
        let source = byte_source(ROWS, spec.image.values(), seed);
        let update = Update::default();
        let mut plan = model.train(ROWS, &source, update);
        alter(&mut plan);
        let mut runtime = CpuRuntime::<f64>::new();
        // Those that `alter` has opened to the host.
        for buffer in &plan.buffers {
            if let Home::Shared(shared) = buffer.home {
                runtime.allocate(shared, buffer.len).expect("allocate");
            }
        }
        let mut arena = parameters.initial(seed);
        if let Some((name, value)) = bias {
            let tensor = parameters.tensors.iter().find(|t| t.name == name);
            let tensor = tensor.expect("the tensor");
            arena[tensor.offset..][..tensor.len()].fill(value);
        }
        let bytes = few_bytes(ROWS, spec.image.values());
        load(&mut runtime, parameters, &arena, &source, &bytes);
        if let Some(condition) = &spec.condition {
            let labels = (0..ROWS).map(|image| (image % condition.count()) as u32);
            let labels: Vec<u32> = labels.collect();
            runtime
                .write_words(source.labels(), 0, &labels)
                .expect("write");
        }
        // A learning rate of 0.
        runtime
            .write(buffers::SCALARS, 0, &[0.0, 1.0, 1.0])
            .expect("write");
        let sigma = [spec.log_sigma()];
        runtime.write(buffers::LOG_SIGMA, 0, &sigma).expect("write");
        Self {
            plan: runtime.prepare(plan).expect("prepare"),
            runtime,
            spec: spec.clone(),
            counters: source.counters(),
            log: source.log(),
            parameters: parameters.clone(),
        }
    }

    /// The loss with its gradient in [`buffers::GRADIENT`].
    fn loss(&mut self) -> f64 {
        let written = self.runtime.write_words(self.counters, 0, &[0; 3]);
        written.expect("write");
        self.runtime.run(self.plan, 1).expect("run");
        let terms = self.spec.objective().terms;
        let log = &self.runtime.floats(self.log)[..terms.len()];
        // Of a batch, where a target is that of an image.
        let rows = ROWS as f64;
        let of_loss = |(term, sum): (&Term, &f64)| rows * term.of_loss(&self.spec, sum / rows);
        terms.iter().zip(log).map(of_loss).sum()
    }

    fn difference(&mut self, at: usize) -> f64 {
        self.difference_of(at, Self::loss)
    }

    /// That of something else that is a function of the parameters.
    fn difference_of(&mut self, at: usize, mut function: impl FnMut(&mut Self) -> f64) -> f64 {
        let value = self.runtime.floats(buffers::PARAMETERS)[at];
        let mut loss = |shift: f64| {
            self.runtime.floats(buffers::PARAMETERS)[at] = value + shift;
            function(self)
        };
        let near = loss(STEP) - loss(-STEP);
        let far = loss(2.0 * STEP) - loss(-2.0 * STEP);
        self.runtime.floats(buffers::PARAMETERS)[at] = value;
        (8.0 * near - far) / (12.0 * STEP)
    }
}

/// A small model whose codes are maps.
pub(crate) fn of_code_maps(kind: ModelKind) -> ModelSpec {
    ModelSpec {
        image: elbo::shape::ImageShape::new(5, 4, 1),
        encoder: layers("conv 3 k3 /2, conv 2 k3"),
        latent: LatentShape::Map([3, 2, 2]),
        ..small(kind, 20, &[], 3)
    }
}

/// Compares every gradient of a model.
pub(crate) fn check(report: &mut Report, title: &str, spec: &ModelSpec, seed: u64) {
    compare(report, title, Still::new(spec, seed, None));
}

fn compare(report: &mut Report, title: &str, mut still: Still) {
    let loss = still.loss();
    let gradient = still.runtime.floats(buffers::GRADIENT).clone();
    let limit = LOSS_ROUNDINGS * f64::EPSILON * loss.abs().max(1.0) / STEP;
    let mut largest = 0.0_f64;
    for tensor in still.parameters.tensors.clone() {
        for i in 0..tensor.len() {
            let found = gradient[tensor.offset + i];
            let expected = still.difference(tensor.offset + i);
            let place = || format!("{title} {}[{i}]", tensor.name);
            report.check("gradient", place, found, expected, limit);
            largest = largest.max(found.abs());
        }
    }
    assert!(
        largest > 1e4 * limit,
        "{title}: gradients too small to tell"
    );
}

const GAUSSIAN: Likelihood = Likelihood::Gaussian {
    sigma: Sigma::Fixed(0.6),
};

pub(crate) const LEARNED: Likelihood = Likelihood::Gaussian {
    sigma: Sigma::Learned(0.6),
};

const OPTIMAL: Likelihood = Likelihood::Gaussian {
    sigma: Sigma::Optimal,
};

#[test]
fn every_gradient_of_every_activation_and_likelihood_matches_differences() {
    let mut report = Report::default();
    for &activation in Activation::value_variants() {
        for likelihood in [
            Likelihood::Bernoulli,
            GAUSSIAN,
            LEARNED,
            OPTIMAL,
            Likelihood::SquaredError,
            Likelihood::LinearSquaredError,
        ] {
            for kind in [ModelKind::Vae, ModelKind::Ae] {
                let spec = ModelSpec {
                    activation,
                    likelihood,
                    ..small(kind, 9, &[5], 2)
                };
                if spec.validate().is_ok() {
                    let title = format!("{kind:?} {activation:?} {likelihood:?}");
                    check(&mut report, &title, &spec, 11);
                }
            }
        }
    }
    report.conclude("differences");
}

pub(crate) fn layers(text: &str) -> Blocks {
    text.parse().expect("layers")
}

#[test]
fn gradients_with_two_hidden_layers_and_a_weighted_kl_match_differences() {
    let mut report = Report::default();
    for beta in [0.0, 0.25, 4.0] {
        let spec = ModelSpec {
            beta,
            likelihood: LEARNED,
            ..small(ModelKind::Vae, 10, &[6, 4], 3)
        };
        check(&mut report, &format!("beta {beta}"), &spec, 12);
    }
    let spec = small(ModelKind::Ae, 10, &[6, 5, 4], 3);
    check(&mut report, "three hidden layers", &spec, 13);
    for kind in [ModelKind::Vae, ModelKind::Ae] {
        let spec = ModelSpec {
            encoder: layers("linear 5, residual(linear 4, residual(linear 4), linear 5), linear 4"),
            decoder: Some(layers("residual(linear 4, linear 3), linear 5")),
            ..small(kind, 10, &[], 3)
        };
        check(&mut report, "residual blocks", &spec, 14);
    }
    for kind in [ModelKind::Vae, ModelKind::Ae] {
        check(&mut report, "codes that are maps", &of_code_maps(kind), 15);
    }
    report.conclude("differences");
}

#[test]
fn gradients_of_the_importance_weighted_bound_match_differences() {
    let mut report = Report::default();
    for (importance, likelihood) in [
        (1, Likelihood::Bernoulli),
        (2, LEARNED),
        (5, GAUSSIAN),
        (7, Likelihood::Bernoulli),
    ] {
        let spec = ModelSpec {
            objective: Some(named_objective("iwae")),
            importance,
            likelihood,
            activation: Activation::Tanh,
            ..small(ModelKind::Vae, 10, &[6, 4], 3)
        };
        check(&mut report, &format!("{importance} samples"), &spec, 15);
    }
    report.conclude("differences");
}

#[test]
fn gradients_of_terms_of_whole_batches_match_differences() {
    let mut report = Report::default();
    let (vae, ae) = (ModelKind::Vae, ModelKind::Ae);
    for (kind, objective, beta, likelihood) in [
        (vae, "beta-tc", 6.0, Likelihood::Bernoulli),
        (vae, "beta-tc", 1.0, LEARNED),
        (vae, "beta-tc", 0.25, OPTIMAL),
        (vae, "mmd", 0.0, Likelihood::Bernoulli),
        (vae, "mmd", 0.5, LEARNED),
        (ae, "wae", 1.0, Likelihood::SquaredError),
    ] {
        let spec = ModelSpec {
            objective: Some(named_objective(objective)),
            beta,
            mmd_weight: if objective == "beta-tc" { 1.0 } else { 2.0 },
            likelihood,
            ..small(kind, 10, &[6, 4], 3)
        };
        check(&mut report, &format!("{objective}, beta {beta}"), &spec, 16);
    }
    report.conclude("differences");
}

/// On both sides of its target, which the KL of this model lies between.
#[test]
fn gradients_of_a_kl_that_is_held_match_differences() {
    let mut report = Report::default();
    for capacity in [0.0, 40.0] {
        let spec = ModelSpec {
            capacity: Some(capacity),
            beta: 3.0,
            ..small(ModelKind::Vae, 10, &[6, 4], 3)
        };
        check(&mut report, &format!("{capacity} nats"), &spec, 17);
    }
    report.conclude("differences");
}

/// The doubly reparameterised gradient is that of another function for the encoder: of Σ ŵ² log w, whose weights and whose
/// q(z|x) but for z itself are constants (Tucker et al. 2019, eq. 8). With one sample it is that of the bound without the
/// score, and the decoder's is the same as ever.
#[test]
fn the_doubly_reparameterised_gradient_of_the_decoder_is_that_of_the_bound() {
    let of = |gradient, importance| {
        let spec = ModelSpec {
            objective: Some(named_objective("iwae")),
            importance,
            gradient,
            likelihood: LEARNED,
            ..small(ModelKind::Vae, 10, &[6], 3)
        };
        let mut still = Still::new(&spec, 15, None);
        still.loss();
        let gradient = still.runtime.floats(buffers::GRADIENT).clone();
        let tensors = still.parameters.tensors.clone();
        tensors.into_iter().map(move |tensor| {
            let values = gradient[tensor.offset..][..tensor.len()].to_vec();
            (tensor.name, values)
        })
    };
    for importance in [1, 4] {
        let plain = of(Estimator::Reparameterized, importance);
        for ((name, plain), (_, doubly)) in plain.zip(of(Estimator::Dreg, importance)) {
            let is_encoder = ["fc1.", "fc21.", "fc22."]
                .iter()
                .any(|part| name.starts_with(part));
            assert_eq!(plain != doubly, is_encoder, "{name}, {importance} samples");
        }
    }
}

/// What a fault does to a plan.
type Spoil = fn(&mut Plan);

#[test]
fn seeded_faults_of_gradients_are_found_by_differences() {
    let spec = ModelSpec {
        activation: Activation::Gelu,
        likelihood: LEARNED,
        beta: 0.25,
        ..small(ModelKind::Vae, 9, &[5], 2)
    };
    let faults: [(&str, Spoil); 8] = [
        ("the KL's gradient with another sign", |plan| {
            let call = &mut step(plan, "loss").call;
            change(call, |p: &mut loss::Params| p.beta = -p.beta);
        }),
        ("a gradient that forgets beta", |plan| {
            let call = &mut step(plan, "loss").call;
            change(call, |p: &mut loss::Params| p.beta = 1.0);
        }),
        ("no gradient through z", |plan| {
            plan.steps.retain(|step| step.label != "heads gradient");
        }),
        ("no derivative of an activation", |plan| {
            select(plan, "fc4 input gradient", "ACTIVATION", IDENTITY);
        }),
        ("the derivative of another activation", |plan| {
            select(plan, "fc4 input gradient", "ACTIVATION", SILU);
        }),
        ("a gradient without the last row of the batch", |plan| {
            let call = &mut step(plan, "fc1 gradient").call;
            change(call, |p: &mut matmul::Params| p.k -= 1);
        }),
        ("a layer without a gradient", |plan| {
            plan.steps.retain(|step| step.label != "fc3 gradient");
        }),
        ("a weight taken for its transpose", |plan| {
            select(plan, "fc3", "TRANSPOSE_B", 0);
        }),
    ];
    for (what, put) in faults {
        let mut report = Report::default();
        compare(&mut report, what, Still::spoilt(&spec, 11, None, put));
        assert!(!report.mismatches.is_empty(), "not found: {what}");
    }
}

/// At the most likely sigma the loss of all values is half their number times ln Σ (x − output)², but for a constant: a
/// formula that no step computes.
#[test]
fn gradients_by_the_optimal_sigma_are_those_of_the_logarithm_of_the_squared_error() {
    const OUTPUT: Shared = Shared::floats("fc4 output");
    let spec = ModelSpec {
        likelihood: OPTIMAL,
        ..small(ModelKind::Ae, 9, &[5], 2)
    };
    let mut still = Still::spoilt(&spec, 11, None, |plan| expose(plan, OUTPUT));
    let x = few_bytes(ROWS, spec.image.values());
    let x: Vec<f64> = by_hand::seen(&x).iter().map(|x| x.value).collect();
    let loss = |still: &mut Still| {
        still.loss();
        let squares = x.iter().zip(still.runtime.floats(OUTPUT));
        let error: f64 = squares.map(|(x, y)| (x - *y).powi(2)).sum();
        0.5 * x.len() as f64 * error.ln()
    };
    let size = loss(&mut still).abs().max(1.0);
    let gradient = still.runtime.floats(buffers::GRADIENT).clone();
    let limit = LOSS_ROUNDINGS * f64::EPSILON * size / STEP;
    let mut report = Report::default();
    let tensors = still.parameters.tensors.iter();
    let places = tensors.flat_map(|tensor| tensor.offset..tensor.offset + tensor.len());
    for at in places.collect::<Vec<_>>() {
        let expected = still.difference_of(at, loss);
        let place = || format!("value {at} of the arena");
        report.check("gradient", place, gradient[at], expected, limit);
    }
    assert!(gradient.iter().any(|g| g.abs() > 1e4 * limit));
    report.conclude("the logarithm of the squared error");
}

/// Beyond its bound logvar is a constant; mu and the decoder still learn.
#[test]
fn a_logvar_beyond_its_bound_has_no_gradient() {
    for bias in [40.0, -40.0] {
        let spec = ModelSpec {
            // Does not saturate at the large codes of a large variance.
            activation: Activation::LeakyRelu,
            ..small(ModelKind::Vae, 9, &[5], 2)
        };
        let mut still = Still::new(&spec, 14, Some(("fc22.bias", bias)));
        assert!(still.loss().is_finite(), "bias {bias}");
        let gradient = still.runtime.floats(buffers::GRADIENT).clone();
        for tensor in &still.parameters.tensors {
            let values = &gradient[tensor.offset..][..tensor.len()];
            let none = values.iter().all(|&g| g == 0.0);
            let bounded = tensor.name.starts_with("fc22.");
            assert_eq!(none, bounded, "bias {bias}: {}", tensor.name);
        }
    }
}

#[test]
fn a_logvar_just_within_its_bound_has_its_gradient() {
    let spec = small(ModelKind::Vae, 9, &[5], 2);
    let mut still = Still::new(&spec, 14, Some(("fc22.bias", -28.0)));
    still.loss();
    let gradient = still.runtime.floats(buffers::GRADIENT).clone();
    let tensors = &still.parameters.tensors;
    let bias = tensors.iter().find(|t| t.name == "fc22.bias");
    // d KL / d logvar = (exp(logvar) − 1)/2 for each image, and next to nothing through z.
    let expected = -0.5 * ROWS as f64;
    for i in 0..spec.latent.values() {
        let found = gradient[bias.expect("the bias").offset + i];
        assert!((found - expected).abs() < 1e-5, "{found}");
    }
}
