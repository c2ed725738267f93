//! What steps move and compute by their records, and what training holds in memory, against values by hand.

use elbo::data::digits;
use elbo::model::plans::{self, buffers};
use elbo::model::{Activation, Allocation, MemoryUse, Model, ModelSpec};
use elbo::plan::{self, CpuRuntime, Home, Plan, Step};
use elbo::shape::ImageShape;
use elbo::train::{TrainOptions, Trainer};

use crate::support::byte_source;

/// Images of a batch, and the widths of the reference model.
const ROWS: u64 = 128;
const VALUES: u64 = 784;
const HIDDEN: u64 = 400;
const LATENT: u64 = 20;

/// Slices of the arena start at whole 64 values, so that the last bias and no other part of this model is
/// followed by padding: 784 + 48, 40 + 24 and twice 400 + 48 values.
const ARENA: u64 = 2 * (VALUES * HIDDEN + HIDDEN * LATENT)
    + HIDDEN * LATENT
    + (HIDDEN + 48)
    + (2 * LATENT + 24)
    + (HIDDEN + 48)
    + (VALUES + 48);

fn reference(images: usize) -> Plan {
    let spec = ModelSpec::reference();
    let model = Model::new(&spec).expect("a model");
    let parameters = model.parameters();
    assert_eq!(parameters.len as u64, ARENA);
    let source = byte_source(images, VALUES as usize, 1);
    let update = plans::Update::default();
    model.train(ROWS as usize, &source, update)
}

fn step<'a>(plan: &'a Plan, label: &str) -> &'a Step {
    let found = plan.steps.iter().find(|step| step.label == label);
    found.expect("a step of this label")
}

#[test]
fn operations_of_the_reference_model_are_those_of_its_products() {
    let plan = reference(60_000);
    let heads = 2 * LATENT;
    for (label, operations) in [
        ("batch", 0),
        ("fc1", 2 * ROWS * VALUES * HIDDEN),
        ("fc21|fc22", 2 * ROWS * HIDDEN * heads),
        ("loss", 0),
        ("fc3", 2 * ROWS * LATENT * HIDDEN),
        ("fc4 gradient", 2 * ROWS * HIDDEN * VALUES),
        ("fc4 input gradient", 2 * ROWS * HIDDEN * VALUES),
        ("update", 0),
    ] {
        assert_eq!(step(&plan, label).operations(), operations, "{label}");
    }
    // Three products a layer, but for the first one's gradient of its input.
    let layers = VALUES * HIDDEN + HIDDEN * heads + LATENT * HIDDEN + HIDDEN * VALUES;
    let all = 2 * ROWS * (3 * layers - VALUES * HIDDEN);
    assert_eq!(plan.operations(), all);
}

#[test]
fn bytes_of_the_reference_model_are_read_and_written_once() {
    let plan = reference(60_000);
    let floats = |count: u64| 4 * count;
    // Four floats for every 32 values, and 3,136 sums of them.
    let partials = ROWS * VALUES / 32 * 4;
    for (label, bytes) in [
        // Bytes of the batch's images and no others, their places, the counters, the values.
        ("batch", ROWS * VALUES + floats(ROWS + 3 + ROWS * VALUES)),
        (
            "fc1",
            floats(ROWS * VALUES + VALUES * HIDDEN + HIDDEN + ROWS * HIDDEN),
        ),
        // Epsilon is drawn: written and not read.
        ("z", floats(3 + ROWS * 2 * LATENT + 2 * ROWS * LATENT)),
        (
            "loss",
            floats(3 * ROWS * VALUES + 2 * ROWS * 2 * LATENT + 1 + partials),
        ),
        // Counters and a row of the log, read and written; sigma learns nothing.
        ("sum of losses", floats(partials + 2 * 3 + 2 * 2)),
        (
            "fc4 gradient",
            floats(ROWS * VALUES + ROWS * HIDDEN + HIDDEN * VALUES + VALUES),
        ),
        (
            "fc4 input gradient",
            floats(ROWS * VALUES + HIDDEN * VALUES + 2 * ROWS * HIDDEN),
        ),
        // d_heads is updated.
        (
            "heads gradient",
            floats(2 * ROWS * LATENT + 3 * ROWS * 2 * LATENT),
        ),
        // The gradient is read, three arenas are read and written.
        ("update", floats(7 * ARENA + 3 + 3)),
    ] {
        assert_eq!(step(&plan, label).bytes(), bytes, "{label}");
    }
}

/// Where nothing is learned, no gradient is written, and none has memory.
#[test]
fn a_loss_that_nobody_learns_from_moves_no_gradients() {
    let floats = |count: u64| 4 * count;
    let partials = ROWS * VALUES / 32 * 4;
    let model = Model::new(&ModelSpec::reference()).expect("a model");
    let source = byte_source(60_000, VALUES as usize, 1);
    let size = [ROWS as usize, 1];
    let plan = model.plan(&plans::EVALUATE, plans::Mode::Run, size, Some(&source));
    assert_eq!(
        step(&plan, "loss").bytes(),
        floats(2 * ROWS * VALUES + ROWS * 2 * LATENT + 1 + partials)
    );
    let gradients = plan.buffers.iter().filter(|b| b.name.contains("gradient"));
    assert!(gradients.clone().count() > 0);
    assert!(gradients.into_iter().all(|buffer| buffer.len == 1));
}

#[test]
fn bytes_of_a_step_do_not_depend_on_the_number_of_images() {
    let bytes = |images| -> Vec<u64> {
        let plan = reference(images);
        plan.steps.iter().map(Step::bytes).collect()
    };
    assert_eq!(bytes(60_000), bytes(1000));
}

#[test]
fn memory_is_listed_by_buffer_and_plans_share_theirs() {
    let (train, test) = (300, 100);
    let dataset = digits::generate(train, test, 0);
    let options = TrainOptions::default();
    let runtime = Box::new(CpuRuntime::<f32>::new());
    let spec = ModelSpec::reference();
    let trainer = Trainer::new(runtime, &spec, &options, &dataset, 0).expect("a trainer");
    let device = trainer.device_memory();
    let bytes = |name: &str| {
        let part = device.iter().find(|part| part.name == name);
        part.unwrap_or_else(|| panic!("no {name} in {device:?}"))
            .bytes
    };
    // Whole 256 bytes.
    let buffer = |bytes: u64| bytes.next_multiple_of(256);
    for arena in ["parameters", "gradient", "first moment", "second moment"] {
        assert_eq!(bytes(arena), 4 * ARENA, "{arena}");
    }
    assert_eq!(bytes("train images"), buffer(300 * VALUES));
    assert_eq!(bytes("test images"), buffer(100 * VALUES));
    assert_eq!(bytes("train order"), buffer(4 * 300));
    assert_eq!(bytes("train log"), buffer(4 * 2 * 300));
    assert_eq!(bytes("train counters"), 256);
    let plan = reference(train);
    let memories = plan.memories.iter();
    let memories: u64 = memories.map(|&(_, len)| buffer(4 * len as u64)).sum();
    // The plan for the rest of the images and the one for the test images lie in those of the largest.
    assert_eq!(bytes("transient buffers of the plans"), memories);
    // At least what lives at once: x, the outputs and their gradient.
    assert!(memories > 3 * 4 * ROWS * VALUES);
    let parts = MemoryUse::ALL.map(|used_for| Allocation::total_for(&device, used_for));
    assert_eq!(parts.iter().sum::<u64>(), Allocation::total(&device));
    assert_eq!(
        parts[1],
        4 * (4 + 3) * ARENA,
        "parameters, gradients and moments, and a copy of all but gradients"
    );
    let host = trainer.host_memory();
    assert_eq!(
        Allocation::total_for(&host, MemoryUse::Parameters),
        3 * 4 * spec.parameter_count(),
        "parameters and moments of the best state, without padding"
    );
}

#[test]
fn counters_are_as_they_were_after_a_step_was_timed() {
    let dataset = digits::generate(300, 10, 0);
    let runtime = Box::new(CpuRuntime::<f32>::new());
    let (spec, options) = (ModelSpec::reference(), TrainOptions::default());
    let mut trainer = Trainer::new(runtime, &spec, &options, &dataset, 0).expect("a trainer");
    let id = trainer.plan().expect("a plan");
    let runtime = trainer.runtime();
    let counters = [5, 128, 1];
    runtime
        .write_words(buffers::COUNTERS.of("train"), 0, &counters)
        .expect("write");
    let steps = runtime.plan(id).steps.clone();
    let index = steps.iter().position(|step| step.label == "sum of losses");
    let index = index.expect("the step that counts");
    let times = plan::time_step(runtime, id, index, 1).expect("times");
    assert!(times.least > 0.0 && times.least <= times.median);
    let found = runtime
        .read_words(buffers::COUNTERS.of("train"), 0, 3)
        .expect("read");
    assert_eq!(found, counters);
}

/// Convolutional and residual models for photographs, with norms, that learn.
fn of_photographs() -> [Plan; 2] {
    let norms =
        "conv 8 k3 /2, norm 4, conv 16 k3 /2, norm 4, conv 32 k3 /2, norm 4, conv 64 k3 /2, norm 4";
    let block = "residual(norm 4, conv 16 k3, norm 4, conv 16 k3)";
    let residual = format!("conv 16 k3, {block}, {block}, conv 16 k3 /2, {block}, norm 4");
    [norms, &residual].map(|encoder| {
        let spec = ModelSpec {
            image: ImageShape::new(64, 48, 3),
            encoder: encoder.parse().expect("layers"),
            activation: Activation::Silu,
            ..ModelSpec::reference()
        };
        let model = Model::new(&spec).expect("a model");
        let source = byte_source(60, spec.image.values(), 1);
        model.train(16, &source, plans::Update::default())
    })
}

#[test]
fn memories_are_little_more_than_what_lives_at_once() {
    for plan in of_photographs() {
        let is_transient = |i: &usize| matches!(plan.buffers[*i].home, Home::Transient(_));
        let uses = |i: usize, step: &Step| {
            let buffers = step.slices.iter().map(|slice| plan.buffer(slice.buffer));
            buffers
                .map(|buffer| &buffer.name)
                .any(|name| *name == plan.buffers[i].name)
        };
        let lifetimes: Vec<(usize, usize, usize)> = (0..plan.buffers.len())
            .filter(is_transient)
            .map(|i| {
                let first = plan.steps.iter().position(|step| uses(i, step));
                let last = plan.steps.iter().rposition(|step| uses(i, step));
                let step = "a step that uses it";
                (first.expect(step), last.expect(step), plan.buffers[i].len)
            })
            .collect();
        let at = |step: usize| {
            let lives = |&&(first, last, _): &&(usize, usize, usize)| first <= step && step <= last;
            let alive = lifetimes.iter().filter(lives);
            alive.map(|&(.., len)| len).sum::<usize>()
        };
        let most = (0..plan.steps.len()).map(at).max().expect("steps");
        let held: usize = plan.memories.iter().map(|&(_, len)| len).sum();
        println!("{held} values for {most}");
        assert!(
            held >= most && held <= most * 11 / 10,
            "{held} values for {most}"
        );
    }
}
