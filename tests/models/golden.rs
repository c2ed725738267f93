//! Some training steps of small models, ten as a rule, against PyTorch's (`tests/golden`).

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use elbo::kernel::Precision;
use elbo::model::plans::{Source, Update, buffers};
use elbo::model::{Estimator, Likelihood, Model, ModelKind, ModelSpec, Sigma};
use elbo::plan::{Choice, CpuRuntime, GpuRuntime, Plan};
use elbo::shape::ImageShape;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

use crate::skipped::skipped;
use crate::support::{EPSILON, Report, Wide, byte_source, expose, gpu, load, named_objective};

/// Cases that must be there: a file that is lost is no file that agrees.
const CASES: usize = 27;

/// One golden file.
pub(crate) struct Golden {
    pub(crate) name: String,
    spec: ModelSpec,
    sigma: f64,
    rows: usize,
    steps: usize,
    /// Steps of an epoch and the rows of its last batch, where that is shorter.
    short: Option<[usize; 2]>,
    rate: f64,
    /// (learning rate, share of beta) of each step; none where they are constant.
    schedule: Vec<f64>,
    update: Update,
    bytes: Vec<u8>,
    tensors: HashMap<String, Vec<f64>>,
}

/// What a run of a case gave: arenas, and the losses before each step.
pub(crate) struct Outcome {
    losses: Vec<Vec<f64>>,
    gradient: Vec<f64>,
    after_one: Vec<f64>,
    after_all: Vec<f64>,
}

fn floats(view: &TensorView<'_>) -> Vec<f64> {
    match view.dtype() {
        Dtype::F64 => bytemuck::pod_collect_to_vec(view.data()),
        Dtype::F32 => {
            let values: Vec<f32> = bytemuck::pod_collect_to_vec(view.data());
            values.into_iter().map(f64::from).collect()
        }
        Dtype::U8 => view.data().iter().copied().map(f64::from).collect(),
        other => panic!("unexpected type {other:?}"),
    }
}

/// A kebab-case name of the file as the program's own enumeration.
fn named<T: serde::de::DeserializeOwned>(case: &Value, key: &str) -> T {
    serde_json::from_value(case[key].clone()).expect(key)
}

/// The model of a case.
fn spec_of(case: &Value) -> ModelSpec {
    let number = |key: &str| case[key].as_f64().expect(key);
    let size = |key: &str| case[key].as_u64().expect(key) as usize;
    let has = |key: &str| case.get(key).is_some();
    let likelihood = match case["likelihood"].as_str() {
        Some("gaussian") => Likelihood::Gaussian {
            sigma: match named(case, "sigma_learned") {
                _ if has("sigma_optimal") => Sigma::Optimal,
                true => Sigma::Learned(number("sigma") as f32),
                false => Sigma::Fixed(number("sigma") as f32),
            },
        },
        Some("squared-error") => Likelihood::SquaredError,
        Some("linear-squared-error") => Likelihood::LinearSquaredError,
        Some("bernoulli") => Likelihood::Bernoulli,
        other => panic!("unknown likelihood {other:?}"),
    };
    ModelSpec {
        kind: named(case, "kind"),
        image: match has("image") {
            true => {
                let [height, width, channels] = named(case, "image");
                ImageShape::new(height, width, channels)
            }
            false => ImageShape::new(1, size("values"), 1),
        },
        encoder: match has("encoder") {
            true => named(case, "encoder"),
            false => named::<Vec<usize>>(case, "hidden").as_slice().into(),
        },
        decoder: has("decoder").then(|| named(case, "decoder")),
        latent: size("latent").into(),
        levels: None,
        activation: named(case, "activation"),
        likelihood,
        beta: number("beta") as f32,
        objective: case["objective"].as_str().map(named_objective),
        mmd_weight: case["mmd_weight"].as_f64().unwrap_or(1.0) as f32,
        capacity: case["capacity"].as_f64().map(|nats| nats as f32),
        importance: case["importance"].as_u64().unwrap_or(1) as usize,
        gradient: match has("gradient") {
            true => named(case, "gradient"),
            false => Estimator::default(),
        },
        condition: None,
    }
}

impl Golden {
    fn read(path: &PathBuf) -> Self {
        let bytes = fs::read(path).expect("a golden file");
        let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("a header");
        let text = &metadata.metadata().as_ref().expect("metadata")["case"];
        let case: Value = serde_json::from_str(text).expect("JSON");
        let file = SafeTensors::deserialize(&bytes).expect("tensors");
        let number = |key: &str| case[key].as_f64().expect(key);
        let size = |key: &str| case[key].as_u64().expect(key) as usize;
        let has = |key: &str| case.get(key).is_some();
        let schedule: Vec<[f64; 2]> = match has("schedule") {
            true => named(&case, "schedule"),
            false => Vec::new(),
        };
        Self {
            name: named(&case, "name"),
            spec: spec_of(&case),
            sigma: number("sigma"),
            rows: size("batch"),
            steps: size("steps"),
            short: has("epoch").then(|| [size("epoch"), size("last")]),
            rate: number("lr"),
            update: Update {
                weight_decay: number("weight_decay") as f32,
                grad_clip: number("grad_clip") as f32,
                schedule: has("schedule").then_some(schedule.len()),
                kl_share: has("schedule"),
                free_bits: case["free_bits"].as_f64().unwrap_or(0.0) as f32,
                precision: match has("precision") {
                    true => Precision::F16,
                    false => Precision::F32,
                },
                ..Update::default()
            },
            schedule: schedule.concat(),
            bytes: file.tensor("x_u8").expect("images").data().to_vec(),
            tensors: file
                .tensors()
                .iter()
                .map(|(name, view)| (name.clone(), floats(view)))
                .collect(),
        }
    }

    /// Every file, in order of their names.
    pub(crate) fn all() -> Vec<Self> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
        let mut paths: Vec<PathBuf> = fs::read_dir(folder)
            .expect("the golden files")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|e| e == "safetensors"))
            .collect();
        paths.sort();
        assert_eq!(paths.len(), CASES, "golden files in {folder}");
        paths.iter().map(Self::read).collect()
    }

    /// The case of a name.
    pub(crate) fn of_name(name: &str) -> Self {
        let mut all = Self::all();
        let at = all.iter().position(|golden| golden.name == name);
        all.swap_remove(at.expect("the case"))
    }

    fn source(&self) -> Source {
        byte_source(self.steps * self.rows, self.spec.image.values(), 0)
    }

    /// Whether operands are rounded to f16, which not every GPU can.
    pub(crate) fn is_half(&self) -> bool {
        self.update.precision == Precision::F16
    }

    /// Values of epsilon for an image.
    fn noise_of_image(&self) -> usize {
        self.spec.importance * self.spec.latent.values()
    }

    /// Rows of a step's batch.
    fn rows_of(&self, step: usize) -> usize {
        match self.short {
            Some([steps, rows]) if (step + 1).is_multiple_of(steps) => rows,
            _ => self.rows,
        }
    }

    /// The plan of a training step with the noise given from outside.
    fn plan(&self, model: &Model, rows: usize) -> Plan {
        let source = self.source();
        let mut plan = model.train(rows, &source, self.update);
        if self.spec.kind == ModelKind::Vae {
            let step = plan.steps.iter_mut().find(|step| step.label == "z");
            step.expect("the codes").call.selectors = vec![("DRAW", 0)];
            expose(&mut plan, EPSILON);
        }
        plan
    }

    /// Runs all steps, of a plan that `alter` may have spoilt.
    pub(crate) fn run<R: Wide>(&self, runtime: &mut R, alter: &dyn Fn(&mut Plan)) -> Outcome {
        let model = Model::new(&self.spec).expect("a model");
        let parameters = model.parameters();
        let mut arena = vec![0.0; parameters.len];
        for tensor in &parameters.tensors {
            let values = &self.tensors[&format!("init/{}", tensor.name)];
            assert_eq!(values.len(), tensor.len(), "{}", tensor.name);
            let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
            tensor.put(&values, &mut arena);
        }
        let source = self.source();
        load(runtime, parameters, &arena, &source, &self.bytes);
        runtime.put(buffers::SCALARS, &[self.rate, 1.0, 1.0]);
        runtime.put(buffers::LOG_SIGMA, &[self.sigma.ln()]);
        let noise = self.rows * self.noise_of_image();
        runtime.allocate(EPSILON, noise).expect("allocate");
        let schedule = source.schedule();
        runtime
            .allocate(schedule, self.schedule.len())
            .expect("allocate");
        runtime.put(schedule, &self.schedule);
        let mut prepare = |rows| {
            let mut plan = self.plan(&model, rows);
            alter(&mut plan);
            runtime.prepare(plan).expect("prepare")
        };
        let plan = prepare(self.rows);
        let short = self.short.map(|[_, rows]| prepare(rows));
        let mut outcome = Outcome {
            losses: Vec::new(),
            gradient: Vec::new(),
            after_one: Vec::new(),
            after_all: Vec::new(),
        };
        for step in 0..self.steps {
            let rows = self.rows_of(step);
            if let Some(all) = self.tensors.get("eps") {
                let noise_of_batch = rows * self.noise_of_image();
                runtime.put(EPSILON, &all[step * noise..][..noise_of_batch]);
            }
            match short {
                Some(short) if rows < self.rows => {
                    runtime.run(short, 1).expect("run");
                    // Where the next epoch begins.
                    let counters = [step + 1, (step + 1) * self.rows, step + 1];
                    let counters = counters.map(|counter| counter as u32);
                    let buffer = source.counters();
                    runtime.write_words(buffer, 0, &counters).expect("write");
                }
                _ => runtime.run(plan, 1).expect("run"),
            }
            if step == 0 {
                outcome.gradient = runtime.wide(buffers::GRADIENT, parameters.len);
                outcome.after_one = runtime.wide(buffers::PARAMETERS, parameters.len);
            }
        }
        outcome.after_all = runtime.wide(buffers::PARAMETERS, parameters.len);
        let terms = self.spec.objective().terms.len();
        let log = runtime.wide(source.log(), terms * self.steps);
        outcome.losses = log.chunks(terms).map(<[f64]>::to_vec).collect();
        outcome
    }

    /// Compares a run with PyTorch's.
    pub(crate) fn compare<R: Wide>(&self, outcome: &Outcome) -> Report {
        let mut report = Report::default();
        let limits = Limits::new::<R>(self);
        let terms = self.spec.objective().terms;
        let expected = &self.tensors["loss"];
        let width = expected.len() / self.steps;
        for (step, losses) in outcome.losses.iter().enumerate() {
            for (part, &found) in losses.iter().enumerate() {
                let expected = expected[width * step + part];
                let kind = terms[part].text;
                let place = || format!("{} step {} {kind}", self.name, step + 1);
                let limit = limits.loss(part, expected, step);
                report.check(kind, place, found, expected, limit);
            }
        }
        for tensor in &Model::new(&self.spec)
            .expect("a model")
            .parameters()
            .tensors
        {
            let mut all = |kind, key: &str, arena: &[f64], limit: &dyn Fn(f64, f64) -> f64| {
                let expected = &self.tensors[&format!("{key}/{}", tensor.name)];
                let largest = expected.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
                let found = tensor.taken(arena);
                for (i, &expected) in expected.iter().enumerate() {
                    let place = || format!("{} {key}/{}[{i}]", self.name, tensor.name);
                    let limit = limit(expected, largest);
                    report.check(kind, place, found[i], expected, limit);
                }
            };
            let steps = self.steps;
            if tensor.name == "log_sigma" {
                all("gradient of sigma", "grad", &outcome.gradient, &|g, _| {
                    limits.sigma_gradient(g)
                });
            } else {
                all("gradient", "grad", &outcome.gradient, &|_, largest| {
                    limits.gradient(largest)
                });
            }
            let is_found = tensor.name == "log_sigma" && !self.spec.likelihood.learns_sigma();
            let limit = |p: f64, steps: usize| match is_found {
                true => limits.optimal_sigma(expected[width * (steps - 1)], steps - 1),
                false => limits.parameter(p, steps),
            };
            all(
                "parameters, 1 step",
                "param1",
                &outcome.after_one,
                &|p, _| limit(p, 1),
            );
            all(
                "parameters, all steps",
                &format!("param{steps}"),
                &outcome.after_all,
                &|p, _| limit(p, steps),
            );
        }
        report
    }
}

/// Roundings of an update m/(√v + ε)·rate, each of one eps: of m, √v, the quotient, the product.
const UPDATE_ROUNDINGS: f64 = 4.0;

/// Adam's constants (1 − β, ln β) are `f32` on every device, so that they are off by half its eps.
const CONSTANTS: f64 = f32::EPSILON as f64 / 2.0;

/// Roundings of a term 1 − ((y − x)/sigma)² of the gradient of log sigma, which cancel in the sum.
const SIGMA_ROUNDINGS: f64 = 2.0;

/// How far a value may be from PyTorch's, from eps and the lengths of the sums.
struct Limits {
    eps: f64,
    /// Growth of rounding in one sum: a random walk over the longest one of the model.
    sum: f64,
    layers: f64,
    /// Values and codes of a batch.
    values: f64,
    codes: f64,
    /// Roundings of a weight of a code, where codes have weights: those of its logarithm, about a nat for each value. Two
    /// weights for a doubly reparameterised gradient.
    weights: f64,
    /// Whether terms are made of the densities of all codes of a batch, from so many images.
    of_batch: bool,
    images: f64,
    /// Constant part of a value's reconstruction loss.
    constant: f64,
    rate: f64,
    /// Sum of the absolute gradient: what a loss moves by when every parameter moves by 1.
    slope: f64,
}

impl Limits {
    fn new<R: Wide>(golden: &Golden) -> Self {
        let spec = &golden.spec;
        let model = Model::new(spec).expect("a model");
        let widest = spec.encoder.sizes().into_iter().max().unwrap_or(1);
        let pixels = model
            .graph()
            .values()
            .iter()
            .map(|value| match *value.dims {
                [height, width, _] => height * width,
                _ => 1,
            });
        let longest = widest
            .max(spec.image.values())
            .max(spec.latent.values())
            .max(golden.rows * pixels.max().unwrap_or(1));
        let nodes = model.graph().nodes().iter();
        let layers = nodes.filter(|node| !node.parameters.is_empty()).count();
        // Weights lie between the gradients of layers as another layer does.
        let (layers, weights) = match spec.objective().weighs_codes {
            true => (layers + 1, 2 * spec.image.values()),
            false => (layers, 0),
        };
        let gradients = golden
            .tensors
            .iter()
            .filter(|(k, _)| k.starts_with("grad/"));
        Self {
            eps: R::EPSILON,
            sum: (longest as f64).sqrt(),
            layers: layers as f64,
            values: (golden.rows * spec.image.values()) as f64,
            codes: (golden.rows * spec.latent.values()) as f64,
            weights: weights as f64,
            of_batch: spec.objective().of_batch,
            images: (golden.rows * golden.steps) as f64,
            constant: match spec.likelihood {
                Likelihood::Gaussian { .. } => golden.sigma.ln().abs() + 0.92,
                _ => 0.0,
            },
            rate: golden.rate,
            slope: gradients
                .flat_map(|(_, values)| values)
                .map(|v| v.abs())
                .sum(),
        }
    }

    /// Rounding of the absolute terms of the sum, and from the second step on what the parameters are
    /// off by. The terms of a KL, variance + mu² − 1 − logvar, are of the order of 1 and cancel.
    fn loss(&self, part: usize, expected: f64, updates: usize) -> f64 {
        let rounding = match part {
            0 => self.sum * (expected.abs() + self.values * self.constant),
            // Of differences between samples, which are as large as their likelihoods, about a nat for each value.
            // Differences of logarithms of densities, each the sum of those of a batch's codes.
            _ if self.of_batch => expected.abs() + self.codes * (self.images.ln() + 2.0),
            _ if self.weights > 0.0 => expected.abs() + self.codes + self.values,
            _ => expected.abs() + self.codes,
        };
        let moved = updates as f64 * self.rate * self.update_error() * self.slope;
        self.eps * rounding + moved
    }

    /// One sum a layer, relative to the tensor's largest value, as small ones are what cancels.
    fn gradient(&self, largest: f64) -> f64 {
        self.eps * (self.sum * self.layers + self.weights) * largest
    }

    /// Relative to the absolute terms of Σ (1 − r²) = g, which are at most 2n − g.
    fn sigma_gradient(&self, expected: f64) -> f64 {
        self.eps * SIGMA_ROUNDINGS * (2.0 * self.values - expected)
    }

    /// The loss is that of a value, ½ + ½ ln 2π + ln sigma, times the values.
    fn optimal_sigma(&self, reconstruction: f64, updates: usize) -> f64 {
        self.loss(0, reconstruction, updates) / self.values
    }

    fn update_error(&self) -> f64 {
        CONSTANTS + UPDATE_ROUNDINGS * self.eps
    }

    fn parameter(&self, expected: f64, steps: usize) -> f64 {
        // Over several steps, an error in one layer moves the gradients of them all.
        let growth = if steps > 1 { self.layers } else { 1.0 };
        let updates = growth * steps as f64 * self.rate * self.update_error();
        self.eps * expected.abs() + updates
    }
}

/// Runs cases on one runtime and compares them all.
fn agree<R: Wide>(title: &str, runtime: &mut R, cases: &[Golden]) {
    let mut report = Report::default();
    for golden in cases {
        let outcome = golden.run(runtime, &|_| {});
        report.merge(golden.compare::<R>(&outcome));
    }
    report.conclude(title);
}

#[test]
fn ten_steps_match_pytorch_at_double_precision() {
    agree("f64", &mut CpuRuntime::<f64>::new(), &Golden::all());
}

#[test]
fn ten_steps_match_pytorch_on_the_cpu_device() {
    agree("CPU", &mut CpuRuntime::<f32>::new(), &Golden::all());
}

#[test]
fn ten_steps_match_pytorch_on_the_gpu() {
    let Some(gpu) = gpu() else { return };
    let mut cases = Golden::all();
    if !gpu.half {
        skipped("f16", "ten steps in f16, which this adapter lacks");
        cases.retain(|golden| !golden.is_half());
    }
    agree("GPU", &mut GpuRuntime::new(gpu, Choice::Guess), &cases);
}

/// Sizes that are multiples of four and sizes that are not take different loaders.
#[test]
fn ten_steps_match_pytorch_with_every_other_core() {
    let cases = ["vae-bernoulli-relu-vec4", "vae-bernoulli-tanh-deep"].map(Golden::of_name);
    for core in 1..4 {
        let Some(gpu) = gpu() else { return };
        let mut runtime = GpuRuntime::new(gpu, Choice::Fixed(core));
        agree(&format!("GPU, core {core}"), &mut runtime, &cases);
    }
}
