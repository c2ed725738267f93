//! Runtimes to test on, small models, and comparisons that say how close they were.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;

use elbo::data::{Binarize, Images, Storage, Values, digits};
use elbo::device::{Device, Gpu, Selection};
use elbo::model::objectives::{OBJECTIVES, Objective};
use elbo::model::plans::{Source, buffers};
use elbo::model::{Activation, Likelihood, ModelKind, ModelSpec, Parameters, Weights};
use elbo::plan::{Choice, CpuRuntime, GpuRuntime, Home, Plan, Runtime, Shared};
use elbo::rng::Purpose;
use elbo::shape::ImageShape;
use sha2::{Digest, Sha256};

use crate::skipped::skipped;

/// The GPU to test on, with f16 where it has that. Without one the test fails, unless `ELBO_TEST_GPU=skip` makes that
/// a choice.
pub(crate) fn gpu() -> Option<Gpu> {
    let opened = Device::open(&Selection::Gpu).and_then(|device| match device.offers_half() {
        true => Device::open_half(&Selection::Gpu),
        false => Ok(device),
    });
    match opened {
        Ok(Device::Gpu(gpu)) => Some(*gpu),
        Ok(Device::Cpu) => panic!("asked for a GPU, was given the CPU"),
        Err(error) if env::var("ELBO_TEST_GPU").is_ok_and(|value| value == "skip") => {
            skipped(
                "gpu",
                format_args!("no GPU, and ELBO_TEST_GPU=skip: {error}"),
            );
            None
        }
        Err(error) => panic!("{error}\n  or ELBO_TEST_GPU=skip, to go without the tests of it"),
    }
}

/// The CPU device and, where there is one, the GPU with a fixed choice of kernels.
pub(crate) fn devices() -> Vec<(&'static str, Box<dyn Runtime>)> {
    let mut all: Vec<(&'static str, Box<dyn Runtime>)> =
        vec![("CPU", Box::new(CpuRuntime::<f32>::new()))];
    if let Some(gpu) = gpu() {
        all.push(("GPU", Box::new(GpuRuntime::new(gpu, Choice::Guess))));
    }
    all
}

/// A runtime whose buffers can be reached at its own precision.
pub(crate) trait Wide: Runtime {
    /// Distance from 1 to the next value.
    const EPSILON: f64;
    /// The first `len` values of a shared buffer.
    fn wide(&mut self, buffer: Shared, len: usize) -> Vec<f64>;
    /// Sets the first values of a shared buffer.
    fn put(&mut self, buffer: Shared, values: &[f64]);
}

impl Wide for CpuRuntime<f64> {
    const EPSILON: f64 = f64::EPSILON;
    fn wide(&mut self, buffer: Shared, len: usize) -> Vec<f64> {
        self.floats(buffer)[..len].to_vec()
    }
    fn put(&mut self, buffer: Shared, values: &[f64]) {
        self.floats(buffer)[..values.len()].copy_from_slice(values);
    }
}

macro_rules! single_precision {
    ($runtime:ty) => {
        impl Wide for $runtime {
            const EPSILON: f64 = f32::EPSILON as f64;
            fn wide(&mut self, buffer: Shared, len: usize) -> Vec<f64> {
                let values = self.read(buffer, 0, len).expect("read");
                values.into_iter().map(f64::from).collect()
            }
            fn put(&mut self, buffer: Shared, values: &[f64]) {
                let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
                self.write(buffer, 0, &values).expect("write");
            }
        }
    };
}

single_precision!(CpuRuntime<f32>);
single_precision!(GpuRuntime);

/// Allocates and fills what a training plan reads, as training does.
pub(crate) fn load(
    runtime: &mut dyn Runtime,
    parameters: &Parameters,
    arena: &[f32],
    source: &Source,
    bytes: &[u8],
) {
    let len = parameters.len;
    for buffer in [
        buffers::PARAMETERS,
        buffers::GRADIENT,
        buffers::FIRST,
        buffers::SECOND,
    ] {
        runtime.allocate(buffer, len).expect("allocate");
        runtime.write(buffer, 0, &vec![0.0; len]).expect("write");
    }
    for (buffer, len) in [
        (buffers::SCALARS, buffers::SCALAR_COUNT),
        (buffers::LOG_SIGMA, 1),
    ] {
        runtime.allocate(buffer, len).expect("allocate");
    }
    let words = words_of(bytes);
    for (buffer, len) in [
        (source.image_words(), words.len()),
        (source.order(), source.images),
        (source.counters(), 3),
    ] {
        runtime.allocate(buffer, len).expect("allocate");
    }
    let log = source.log();
    runtime.allocate(log, 4 * source.images).expect("allocate");
    let counters = source.counters();
    runtime.write_words(counters, 0, &[0; 3]).expect("write");
    runtime.write(buffers::PARAMETERS, 0, arena).expect("write");
    let order: Vec<u32> = (0..source.images as u32).collect();
    runtime
        .write_words(source.order(), 0, &order)
        .expect("write");
    runtime
        .write_words(source.image_words(), 0, &words)
        .expect("write");
}

fn words_of(bytes: &[u8]) -> Vec<u32> {
    let words = bytes.chunks(4).map(|four| {
        let mut word = [0; 4];
        word[..four.len()].copy_from_slice(four);
        u32::from_le_bytes(word)
    });
    words.collect()
}

/// Images as bytes, in order, under the name `train`.
pub(crate) fn byte_source(images: usize, values: usize, seed: u64) -> Source {
    let draws = (Binarize::None, Purpose::Binarisation);
    Source::new("train", [images, values], false, draws, seed)
}

/// The noise of the codes, where a test looks at it: see [`expose`].
pub(crate) const EPSILON: Shared = Shared::floats("epsilon");

/// Makes a plan's buffer, by the name of a shared one, that one, which the host can reach.
pub(crate) fn expose(plan: &mut Plan, shared: Shared) {
    let mut buffers = plan.buffers.iter_mut();
    let buffer = buffers.find(|buffer| buffer.name == shared.to_string());
    buffer.expect("the buffer").home = Home::Shared(shared);
}

/// A small model of a kind, with `values` values an image.
pub(crate) fn small(kind: ModelKind, values: usize, hidden: &[usize], latent: usize) -> ModelSpec {
    ModelSpec {
        kind,
        image: ImageShape::new(1, values, 1),
        encoder: hidden.into(),
        latent: latent.into(),
        activation: Activation::Tanh,
        likelihood: match kind {
            ModelKind::Vae => Likelihood::Bernoulli,
            ModelKind::Ae => Likelihood::SquaredError,
        },
        ..ModelSpec::reference()
    }
}

/// The objective of a name.
pub(crate) fn named_objective(name: &str) -> &'static Objective {
    let found = OBJECTIVES.iter().find(|known| known.name == name);
    found.expect("an objective of the name")
}

/// A VAE for the built-in digits.
pub(crate) fn digit_model() -> ModelSpec {
    ModelSpec {
        encoder: [64].into(),
        latent: 8.into(),
        ..ModelSpec::reference()
    }
}

/// The bytes of images that are bytes.
pub(crate) fn bytes_of(images: &Images) -> &[u8] {
    match &images.storage {
        Storage::Memory(Values::Bytes(bytes)) => bytes,
        _ => panic!("expected bytes in memory"),
    }
}

/// Digits cut to one row of pixels each, so that models of them stay small: `count · values` bytes.
pub(crate) fn few_bytes(count: usize, values: usize) -> Vec<u8> {
    let images = digits::generate(count, 1, 3).train;
    let lit = bytes_of(&images).chunks(28 * 28);
    lit.flat_map(|image| image[14 * 28 + 4..][..values].to_vec())
        .collect()
}

/// A hash over names, shapes and the bits of every value.
pub(crate) fn digest(weights: &Weights) -> String {
    let mut hash = Sha256::new();
    for (name, shape, values) in weights.iter() {
        hash.update(name);
        hash.update(format!("{shape:?}"));
        hash.update(bytemuck::cast_slice::<f32, u8>(values));
    }
    let digest = hash.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The MNIST folder, or a loud word that the test did not run.
pub(crate) fn mnist_folder() -> Option<PathBuf> {
    let folder = env::var_os("ELBO_MNIST").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/mnist")),
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder);
    }
    let what = format!(
        "no MNIST at {}; set ELBO_MNIST to its folder",
        folder.display()
    );
    skipped("mnist", what);
    None
}

/// What a comparison found: the values beyond their limits, and the worst ratio of error to limit of
/// each kind of value.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) mismatches: Vec<String>,
    pub(crate) worst: BTreeMap<&'static str, (f64, String)>,
}

impl Report {
    /// Compares one value. A NaN is a mismatch.
    pub(crate) fn check(
        &mut self,
        kind: &'static str,
        place: impl Fn() -> String,
        found: f64,
        expected: f64,
        limit: f64,
    ) {
        let ratio = (found - expected).abs() / limit;
        let worst = self.worst.entry(kind).or_insert((0.0, String::new()));
        if ratio > worst.0 || ratio.is_nan() {
            *worst = (ratio, place());
        }
        if ratio > 1.0 || ratio.is_nan() {
            let at = place();
            self.mismatches.push(format!(
                "{at}: found {found:e}, expected {expected:e}, limit {limit:e}"
            ));
        }
    }

    /// Takes another comparison in.
    pub(crate) fn merge(&mut self, other: Self) {
        self.mismatches.extend(other.mismatches);
        for (kind, (ratio, place)) in other.worst {
            let worst = self.worst.entry(kind).or_insert((0.0, String::new()));
            if ratio > worst.0 || ratio.is_nan() {
                *worst = (ratio, place);
            }
        }
    }

    /// Prints the worst ratios; fails where a value is beyond its limit, or none was compared.
    pub(crate) fn conclude(self, title: &str) {
        for (kind, (ratio, place)) in &self.worst {
            println!("{title}: {kind}: worst error {ratio:.3} of its limit, at {place}");
        }
        assert!(!self.worst.is_empty(), "{title}: nothing was compared");
        let count = self.mismatches.len();
        let shown: Vec<_> = self.mismatches.iter().take(10).cloned().collect();
        assert_eq!(count, 0, "{title}:\n{}", shown.join("\n"));
    }
}

#[test]
fn a_report_notices_values_beyond_their_limit_and_nan() {
    let mut report = Report::default();
    let place = || "here".to_owned();
    report.check("value", place, 1.0, 1.5, 0.5);
    assert!(report.mismatches.is_empty());
    report.check("value", place, 1.0, 1.6, 0.5);
    report.check("value", place, f64::NAN, 1.0, 0.5);
    report.check("value", place, 1.0, 1.0, f64::NAN);
    assert_eq!(report.mismatches.len(), 3);
}
