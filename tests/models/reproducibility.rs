//! The same seed gives the same run, on one device bit for bit, between devices up to rounding.

use elbo::data::{Binarize, Dataset, Split, digits};
use elbo::device::Device;
use elbo::kernel::Precision;
use elbo::model::plans::{Update, buffers};
use elbo::model::{Inference, Likelihood, Loss, Model, ModelKind, ModelSpec, Sigma};
use elbo::plan::{CpuRuntime, Runtime};
use elbo::rng::Purpose;
use elbo::train::{EpochRecord, Observer, TrainOptions, Trainer};

use crate::by_hand::{self, NOISE, noise};
use crate::support::{
    EPSILON, byte_source, bytes_of, devices, digest, digit_model, expose, few_bytes, load, small,
};

/// An observer that watches only.
pub(crate) struct Quiet;

impl Observer for Quiet {}

pub(crate) fn trainer(
    runtime: Box<dyn Runtime>,
    spec: &ModelSpec,
    options: &TrainOptions,
    dataset: &Dataset,
) -> Trainer {
    Trainer::new(runtime, spec, options, dataset, 0).expect("a trainer")
}

pub(crate) fn epoch(trainer: &mut Trainer) -> EpochRecord {
    let record = trainer.epoch(&mut Quiet).expect("an epoch");
    record.expect("nobody broke off")
}

/// An epoch of a small VAE on digits, with a short last batch; the record and the weights' hash.
fn run(runtime: Box<dyn Runtime>, seed: u64, dataset: &Dataset) -> (EpochRecord, String) {
    let options = TrainOptions {
        batch_size: 64,
        seed,
        ..TrainOptions::default()
    };
    let mut trainer = trainer(runtime, &digit_model(), &options, dataset);
    let record = epoch(&mut trainer);
    (record, digest(&trainer.weights().expect("weights")))
}

#[test]
fn operands_in_f16_change_a_run_by_their_rounding_and_its_tests_stay_f32() {
    let dataset = digits::generate(1000, 100, 1);
    let [(full, _), (half, weights)] = [Precision::F32, Precision::F16].map(|precision| {
        let options = TrainOptions {
            batch_size: 64,
            precision,
            ..TrainOptions::default()
        };
        let runtime = Box::new(CpuRuntime::<f32>::new());
        let mut trainer = trainer(runtime, &digit_model(), &options, &dataset);
        let record = epoch(&mut trainer);
        (record, trainer.weights().expect("weights"))
    });
    // An operand is off by 2^-11 of itself at most, which a loss of well-conditioned sums follows.
    let change = (half.train.total / full.train.total - 1.0).abs();
    assert!(change > 0.0 && change < 1e-3, "{change:e}");
    let mut model = Inference::new(Device::Cpu, &digit_model(), &weights, 1).expect("a model");
    let found = model
        .evaluate(
            &dataset.test,
            Split::Test,
            Binarize::None,
            0,
            &mut |_, _| (),
        )
        .expect("losses");
    // The KL, because the noise is that of another pass.
    assert_eq!(found.loss.terms["kl"], half.test.terms["kl"]);
}

#[test]
fn a_seed_determines_every_bit_of_the_weights_and_losses() {
    let dataset = digits::generate(1000, 100, 1);
    let [first, second, other] = [1, 1, 2].map(|seed| {
        let runs = devices().into_iter();
        runs.map(|(device, runtime)| (device, run(runtime, seed, &dataset)))
            .collect::<Vec<_>>()
    });
    for (((device, a), (_, b)), (_, c)) in first.iter().zip(&second).zip(&other) {
        assert_eq!(a.1, b.1, "{device}: the same seed twice");
        assert_eq!((&a.0.train, &a.0.test), (&b.0.train, &b.0.test), "{device}");
        assert_ne!(a.1, c.1, "{device}: another seed");
        println!("{device}: {}", a.1);
    }
}

/// Rounding of a loss of about a hundred nats that is summed in another order by each device, with
/// parameters that drifted apart over an epoch: in units of eps.
const BETWEEN_DEVICES: f64 = 8.0 * f32::EPSILON as f64;

#[test]
fn cpu_and_gpu_learn_the_same_from_the_same_images_in_the_same_order() {
    let dataset = digits::generate(1000, 100, 1);
    let options = TrainOptions {
        batch_size: 64,
        ..TrainOptions::default()
    };
    let mut seen: Option<(Vec<u32>, Loss, Loss)> = None;
    for (device, runtime) in devices() {
        let mut trainer = trainer(runtime, &digit_model(), &options, &dataset);
        let record = epoch(&mut trainer);
        let order = |trainer: &mut Trainer| {
            let words = trainer
                .runtime()
                .read_words(buffers::ORDER.of("train"), 0, 1000);
            words.expect("the order")
        };
        let first = order(&mut trainer);
        epoch(&mut trainer);
        let second = order(&mut trainer);
        assert_ne!(first, second, "{device}: every epoch has its own order");
        for order in [&first, &second] {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(
                sorted.iter().copied().eq(0..1000),
                "{device}: a permutation"
            );
            assert_ne!(&sorted, order, "{device}: shuffled");
        }
        let Some((order, train, test)) = &seen else {
            seen = Some((first, record.train, record.test));
            continue;
        };
        assert_eq!(order, &first, "{device}");
        for (what, found, expected) in [
            ("train", record.train.total, train.total),
            ("test", record.test.total, test.total),
        ] {
            let error = (found - expected).abs() / expected;
            println!("{device}: {what} loss {found}: {error:.1e} from the CPU's");
            assert!(error < BETWEEN_DEVICES, "{device} {what}: {error:e}");
        }
    }
}

#[test]
fn cpu_and_gpu_draw_the_same_noise() {
    let spec = digit_model();
    let model = Model::new(&spec).expect("a model");
    let parameters = model.parameters();
    let (rows, seed, step) = (33, 0x1234_5678_9abc_def0, 41);
    let source = byte_source(rows, spec.image.values(), seed);
    let update = Update::default();
    let len = rows * spec.latent.values();
    let expected = noise(seed, Purpose::Epsilon, step, len);
    for (device, mut runtime) in devices() {
        let mut plan = model.train(rows, &source, update);
        expose(&mut plan, EPSILON);
        let arena = parameters.initial(seed);
        let bytes = few_bytes(rows, 20).repeat(40);
        let bytes = &bytes[..rows * spec.image.values()];
        load(runtime.as_mut(), parameters, &arena, &source, bytes);
        runtime.allocate(EPSILON, len).expect("allocate");
        let counters = source.counters();
        runtime
            .write_words(counters, 0, &[step, 0, 0])
            .expect("write");
        let plan = runtime.prepare(plan).expect("prepare");
        runtime.run(plan, 1).expect("run");
        let found = runtime.read(EPSILON, 0, len).expect("read");
        let errors = found
            .iter()
            .zip(&expected)
            .map(|(&f, e)| (f64::from(f) - e).abs());
        let worst = errors.fold(0.0, f64::max);
        println!(
            "{device}: noise: worst error {:.3} of its limit",
            worst / NOISE
        );
        assert!(worst < NOISE, "{device}: {worst:e}");
    }
}

/// Rounding of one batch's sum to `f32`, and of its terms by a random walk, as a share of the loss.
const EPOCH_LOSS: f64 = 2.0 * f32::EPSILON as f64;

#[test]
fn an_epoch_with_a_short_last_batch_means_over_every_image_once() {
    let dataset = digits::generate(300, 50, 5);
    let options = TrainOptions {
        batch_size: 128,
        learning_rate: 0.0,
        ..TrainOptions::default()
    };
    for kind in [ModelKind::Vae, ModelKind::Ae] {
        let spec = ModelSpec {
            kind,
            ..digit_model()
        };
        let mut runtimes = devices();
        runtimes.push(("f64", Box::new(CpuRuntime::<f64>::new())));
        for (device, runtime) in runtimes {
            let mut trainer = trainer(runtime, &spec, &options, &dataset);
            let record = epoch(&mut trainer);
            assert_eq!(record.step, 3, "{device}");
            let order = trainer
                .runtime()
                .read_words(buffers::ORDER.of("train"), 0, 300);
            let order = order.expect("the order");
            let weights = trainer.weights().expect("weights");
            let mut sums = [0.0; 2];
            for (i, &image) in order.iter().enumerate() {
                let (step, row) = (i / options.batch_size, i % options.batch_size);
                let len = (row + 1) * spec.latent.values();
                let noise = noise(options.seed, Purpose::Epsilon, step as u32, len);
                let bytes = &bytes_of(&dataset.train)[image as usize * 784..][..784];
                let x = by_hand::seen(bytes);
                let noise = &noise[row * spec.latent.values()..];
                let losses = by_hand::losses(&spec, &weights, &x, noise).map(|loss| loss.value);
                sums = [sums[0] + losses[0], sums[1] + losses[1]];
            }
            let [reconstruction, kl] = sums.map(|sum| sum / 300.0);
            let train = record.train;
            let terms = &train.terms;
            let found_kl = terms.get("kl").copied().unwrap_or_default();
            for (what, found, expected, terms) in [
                (
                    "reconstruction",
                    terms["reconstruction"],
                    reconstruction,
                    reconstruction,
                ),
                ("KL", found_kl, kl, kl + spec.latent.values() as f64),
                (
                    "total",
                    train.total,
                    reconstruction + kl,
                    reconstruction + kl,
                ),
            ] {
                let limit = EPOCH_LOSS * terms;
                let ratio = (found - expected).abs() / limit;
                println!("{kind:?} {device} {what}: error {ratio:.3} of its limit");
                assert!(ratio <= 1.0, "{device} {what}: {found}, not {expected}");
            }
        }
    }
}

#[test]
fn updates_fused_with_their_gradients_give_the_bits_of_both_apart() {
    // Gradients of six layers and an update of all; six updates, and that of a sigma that learns.
    apart_and_fused(Sigma::Learned(0.5), 0);
    apart_and_fused(Sigma::Optimal, 1);
}

/// Compares three steps with updates of layers apart from their gradients, which are so many steps more, with those at
/// once.
fn apart_and_fused(sigma: Sigma, more: usize) {
    let mut spec = small(ModelKind::Vae, 30, &[17, 12], 3);
    spec.likelihood = Likelihood::Gaussian { sigma };
    let model = Model::new(&spec).expect("a model");
    let parameters = model.parameters();
    let rows = 9;
    let source = byte_source(rows, spec.image.values(), 5);
    let arena = parameters.initial(5);
    let bytes = few_bytes(rows, spec.image.values());
    let run = |runtime: &mut dyn Runtime, fused| {
        let update = Update {
            weight_decay: 0.1,
            fused,
            ..Update::default()
        };
        let plan = model.train(rows, &source, update);
        let steps = plan.steps.len();
        load(runtime, parameters, &arena, &source, &bytes);
        for buffer in [buffers::FIRST, buffers::SECOND] {
            let zeros = vec![0.0; parameters.len];
            runtime.write(buffer, 0, &zeros).expect("write");
        }
        let scalars = [0.01, 1.0 / rows as f32];
        runtime.write(buffers::SCALARS, 0, &scalars).expect("write");
        let plan = runtime.prepare(plan).expect("prepare");
        for _ in 0..3 {
            let counters = source.counters();
            // The same images again.
            runtime.write_words(counters, 1, &[0, 0]).expect("write");
            runtime.run(plan, 1).expect("run");
        }
        let learnt = [buffers::PARAMETERS, buffers::FIRST, buffers::SECOND]
            .map(|buffer| runtime.read(buffer, 0, parameters.len).expect("read"));
        (
            steps,
            learnt.map(|values| values.into_iter().map(f32::to_bits).collect::<Vec<_>>()),
        )
    };
    for (device, mut runtime) in devices() {
        let (apart_steps, apart) = run(runtime.as_mut(), false);
        let (steps, fused) = run(runtime.as_mut(), true);
        assert_eq!(apart_steps, steps + more, "{device}");
        assert_ne!(
            fused[0],
            arena.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        );
        if device == "CPU" {
            assert!(apart == fused, "other bits");
            continue;
        }
        // A driver may contract a·b + c in one shader and not in the other: a rounding a step.
        for (apart, fused) in apart.iter().flatten().zip(fused.iter().flatten()) {
            let [apart, fused] = [*apart, *fused].map(f32::from_bits);
            let limit = 3.0 * 4.0 * f32::EPSILON * apart.abs().max(0.01);
            assert!((apart - fused).abs() <= limit, "{device}: {apart}, {fused}");
        }
    }
}
