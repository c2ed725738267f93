//! An average of the parameters: that of their sequence, which training does not see and everything else goes by.

use elbo::data::{Binarize, Split, digits};
use elbo::device::Device;
use elbo::kernel::Precision;
use elbo::model::plans::{Update, buffers};
use elbo::model::{Inference, Likelihood, Model, ModelKind, ModelSpec, Sigma};
use elbo::plan::{CpuRuntime, GpuRuntime};
use elbo::train::{EpochRecord, State, TrainOptions, Trainer};

use crate::reproducibility::{epoch, trainer};
use crate::support::{
    Report, Wide, byte_source, devices, digest, digit_model, few_bytes, gpu, load, small,
};

/// Enough for both the start, up to step 8, and the decay itself.
const STEPS: u32 = 20;
const DECAY: f32 = 0.5;

/// A model of two kinds of updates: by layers, and of a sigma that is found.
fn spec() -> ModelSpec {
    let mut spec = small(ModelKind::Vae, 30, &[17], 3);
    spec.likelihood = Likelihood::Gaussian {
        sigma: Sigma::Optimal,
    };
    spec
}

/// Compares the average after some steps with that of the parameters after each of them.
fn follow<R: Wide>(device: &str, mut runtime: R, fused: bool, report: &mut Report) {
    let model = Model::new(&spec()).expect("a model");
    let parameters = model.parameters();
    let (rows, len) = (9, parameters.len);
    let source = byte_source(rows, 30, 5);
    let update = Update {
        ema: DECAY,
        fused,
        ..Update::default()
    };
    let arena = parameters.initial(5);
    load(
        &mut runtime,
        parameters,
        &arena,
        &source,
        &few_bytes(rows, 30),
    );
    runtime.allocate(buffers::AVERAGE, len).expect("allocate");
    runtime.write(buffers::AVERAGE, 0, &arena).expect("write");
    let scalars = [0.01, 1.0, 1.0];
    runtime.write(buffers::SCALARS, 0, &scalars).expect("write");
    let plan = model.train(rows, &source, update);
    assert_eq!(plan.steps.last().expect("a step").kernel.name, "average");
    let plan = runtime.prepare(plan).expect("prepare");
    let mut expected: Vec<f64> = arena.iter().map(|&value| value.into()).collect();
    let mut apart = 0.0_f64;
    for step in 1..=STEPS {
        // The same images again.
        let counters = source.counters();
        runtime.write_words(counters, 1, &[0, 0]).expect("write");
        runtime.run(plan, 1).expect("run");
        let decay = f64::from(DECAY).min(f64::from(1 + step) / f64::from(10 + step));
        let found = runtime.wide(buffers::PARAMETERS, len);
        for (average, &value) in expected.iter_mut().zip(&found) {
            *average = decay * *average + (1.0 - decay) * value;
            apart = apart.max((*average - value).abs());
        }
    }
    assert!(apart > 1e-3, "parameters that move");
    let found = runtime.wide(buffers::AVERAGE, len);
    for (i, (found, expected)) in found.into_iter().zip(expected).enumerate() {
        // Four roundings a step, of which a step forgets half; those of the share beside a difference.
        let limit = R::EPSILON * (4.0 * expected.abs() + 8.0 * apart);
        report.check(
            "average",
            || format!("{device}: {i}"),
            found,
            expected,
            limit,
        );
    }
}

#[test]
fn an_average_is_that_of_the_parameters_after_each_step() {
    let mut report = Report::default();
    for fused in [false, true] {
        follow("f64", CpuRuntime::<f64>::new(), fused, &mut report);
        follow("CPU", CpuRuntime::<f32>::new(), fused, &mut report);
    }
    if let Some(gpu) = gpu() {
        let runtime = GpuRuntime::new(gpu, elbo::plan::Choice::Guess);
        follow("GPU", runtime, false, &mut report);
    }
    report.conclude("averages");
}

fn options(ema: f32) -> TrainOptions {
    TrainOptions {
        batch_size: 64,
        ema,
        ..TrainOptions::default()
    }
}

/// Two epochs.
fn run(mut trainer: Trainer) -> (Trainer, [EpochRecord; 2], State) {
    let records = [epoch(&mut trainer), epoch(&mut trainer)];
    let state = trainer.state().expect("a state");
    (trainer, records, state)
}

#[test]
fn training_does_not_see_the_average_and_its_tests_see_nothing_else() {
    let dataset = digits::generate(1000, 100, 1);
    for device in 0..devices().len() {
        let start = |ema| {
            let (_, runtime) = devices().swap_remove(device);
            trainer(runtime, &digit_model(), &options(ema), &dataset)
        };
        let (_, plain, plain_state) = run(start(0.0));
        let (mut with, records, state) = run(start(0.9));
        for (plain, record) in plain.iter().zip(&records) {
            assert_eq!(plain.train, record.train);
            assert_ne!(plain.test, record.test);
        }
        let digests = |state: &State| [&state.weights, &state.first, &state.second].map(digest);
        assert_eq!(digests(&plain_state), digests(&state));
        assert!(plain_state.average.is_none());
        assert_eq!(digest(plain_state.model()), digest(&plain_state.weights));
        let average = state.average.as_ref().expect("an average");
        assert_eq!(digest(state.model()), digest(average));
        assert_ne!(digest(average), digest(&state.weights));
        assert_eq!(with.model().expect("weights"), *average);
        assert_eq!(with.weights().expect("weights"), state.weights);

        // The pictures are those of a model that is the average.
        let mut other = start(0.0);
        other.start_from(average).expect("a start");
        let [found, expected] = [&mut with, &mut other].map(|trainer| {
            let pictures = trainer.pictures().expect("pictures");
            (pictures.samples, pictures.reconstructions)
        });
        assert!(found == expected, "other pictures");

        // And so are the losses: the KL, because the noise is that of another pass.
        if device == 0 {
            let mut model =
                Inference::new(Device::Cpu, &digit_model(), average, 1).expect("a model");
            let (test, split) = (&dataset.test, Split::Test);
            let measured = model.evaluate(test, split, Binarize::None, 0, &mut |_, _| ());
            let found = measured.expect("losses").loss.terms["kl"];
            assert_eq!(found, records[1].test.terms["kl"]);
        }
    }
}

#[test]
fn a_start_from_other_parameters_is_one_of_their_average_too() {
    let dataset = digits::generate(200, 100, 1);
    let (_, runtime) = devices().swap_remove(0);
    let (_, _, state) = run(trainer(runtime, &digit_model(), &options(0.9), &dataset));
    let (_, runtime) = devices().swap_remove(0);
    let mut other = trainer(runtime, &digit_model(), &options(0.9), &dataset);
    other.start_from(state.model()).expect("a start");
    let start = other.state().expect("a state");
    assert_eq!(digest(&start.weights), digest(state.model()));
    assert_eq!(digest(start.model()), digest(state.model()));
}

#[test]
fn a_state_with_an_average_and_a_run_without_one_do_not_fit() {
    let dataset = digits::generate(200, 100, 1);
    let with = |ema| {
        let (_, runtime) = devices().swap_remove(0);
        trainer(runtime, &digit_model(), &options(ema), &dataset)
    };
    for (one, other, words) in [
        (0.9, 0.0, "the state has an average"),
        (0.0, 0.9, "the state has no average"),
    ] {
        let state = with(one).state().expect("a state");
        let error = with(other).restore(&state).expect_err("another run");
        assert!(error.to_string().contains(words), "{error}");
    }
    for ema in [1.0, -0.1, f32::NAN] {
        let error = options(ema).validate(1000).expect_err("no decay");
        assert!(error.to_string().contains("`ema = "), "{error}");
    }
}

#[test]
fn an_average_is_one_step_more_and_two_arenas_where_it_is_asked_for() {
    let dataset = digits::generate(200, 100, 1);
    let of = |ema, precision| {
        let options = TrainOptions {
            precision,
            ..options(ema)
        };
        let runtime = Box::new(CpuRuntime::<f32>::new());
        let mut trainer = trainer(runtime, &digit_model(), &options, &dataset);
        let plan = trainer.plan().expect("a plan");
        let steps = trainer.runtime().plan(plan).steps.len();
        let memory = trainer.device_memory();
        let bytes = |name: &str| {
            let part = memory.iter().find(|part| part.name == name);
            part.map_or(0, |part| part.bytes)
        };
        let averages = [
            "average of the parameters",
            "average of the last good state",
        ];
        (steps, averages.map(bytes), bytes("parameters"))
    };
    for precision in [Precision::F32, Precision::F16] {
        let (plain, none, _) = of(0.0, precision);
        let (steps, averages, parameters) = of(0.9, precision);
        assert_eq!(steps, plain + 1);
        assert_eq!((none, averages), ([0, 0], [parameters, parameters]));
    }
}
