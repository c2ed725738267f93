//! A batch in parts: plans of some of its rows draw what one plan of all rows draws there.

use elbo::data::Binarize;
use elbo::model::plans::{LOG_WEIGHTS, Mode, Model, SCORE, Source, TRAIN, Task, Update, buffers};
use elbo::model::{ModelKind, ModelSpec};
use elbo::plan::{Home, Runtime, Shared};

use crate::support::{EPSILON, byte_source, devices, expose, load, small};

/// Rows of the whole batch.
const ROWS: usize = 128;
const STEP: u32 = 5;

/// What lives within one run, unless a case looks at it; so does the noise.
const X: Shared = Shared::floats("x");
const Z: Shared = Shared::floats("z");

/// A way through a model, and what to look at.
struct Case<'a> {
    spec: &'a ModelSpec,
    task: &'a Task,
    mode: Mode,
    samples: usize,
    /// Buffers, with their values of an image.
    buffers: &'a [(Shared, usize)],
    /// What the encoder makes of the images, where the task begins with that.
    heads: &'a [f32],
}

impl Case<'_> {
    /// What the plan of the images from row `first` on leaves in the buffers.
    fn left(&self, runtime: &mut dyn Runtime, model: &Model, first: usize) -> Vec<Vec<f32>> {
        let rows = ROWS - first;
        let source = Source {
            first_row: first,
            ..self.source()
        };
        let sizes = [rows, self.samples];
        let mut plan = model.plan(self.task, self.mode, sizes, Some(&source));
        for &(buffer, _) in self.buffers {
            expose(&mut plan, buffer);
        }
        for buffer in &plan.buffers {
            if let Home::Shared(shared) = buffer.home {
                runtime.allocate(shared, buffer.len).expect("a buffer");
            }
        }
        if !self.heads.is_empty() {
            let heads = &self.heads[first * 2 * self.spec.latent.values()..];
            runtime.write(buffers::HEADS, 0, heads).expect("a buffer");
        }
        let counters = [STEP, 0, 0];
        let written = runtime.write_words(source.counters(), 0, &counters);
        written.expect("a buffer");
        let id = runtime.prepare(plan).expect("a plan that fits");
        runtime.run(id, 1).expect("a run");
        let mut read = |buffer, len| runtime.read(buffer, 0, len).expect("a buffer");
        let buffers = self.buffers.iter();
        buffers
            .map(|&(buffer, width)| read(buffer, rows * width))
            .collect()
    }

    fn source(&self) -> Source {
        Source {
            binarize: Binarize::Dynamic,
            ..byte_source(ROWS, self.spec.image.values(), 7)
        }
    }

    /// Compares parts of the batch with the whole one, bit for bit, on every device.
    fn compare(&self) {
        let model = Model::new(self.spec).expect("a model");
        let arena = model.parameters().initial(3);
        // Values that a draw decides.
        let count = ROWS * self.spec.image.values();
        let bytes: Vec<u8> = (0..count).map(|i| (37 * i) as u8).collect();
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        for (device, mut runtime) in devices() {
            let runtime = runtime.as_mut();
            load(runtime, model.parameters(), &arena, &self.source(), &bytes);
            let whole = self.left(runtime, &model, 0);
            // Where draws begin with a block of four, and inside one.
            for first in [64, 61] {
                load(runtime, model.parameters(), &arena, &self.source(), &bytes);
                let part = self.left(runtime, &model, first);
                for ((&(name, width), whole), part) in self.buffers.iter().zip(&whole).zip(&part) {
                    let same = bits(&whole[first * width..]) == bits(part);
                    let task = self.task.name;
                    assert!(same, "{task}: {device}: {name} from row {first}");
                }
            }
        }
    }
}

/// Images and codes of no multiple of four values, and of one.
fn specs() -> [ModelSpec; 2] {
    [(17, 5), (16, 4)].map(|(values, latent)| small(ModelKind::Vae, values, &[12], latent))
}

#[test]
fn a_part_of_a_batch_learns_from_the_images_and_noise_of_the_whole() {
    for spec in &specs() {
        Case {
            spec,
            task: &TRAIN,
            mode: Mode::Train(Update::default()),
            samples: 1,
            buffers: &[(X, spec.image.values()), (EPSILON, spec.latent.values())],
            heads: &[],
        }
        .compare();
    }
}

#[test]
fn a_part_of_a_batch_is_scored_by_the_images_and_codes_of_the_whole() {
    for spec in &specs() {
        let values = spec.image.values();
        Case {
            spec,
            task: &SCORE,
            mode: Mode::Run,
            samples: 1,
            buffers: &[(buffers::SEEN, values), (Z, spec.latent.values())],
            heads: &[],
        }
        .compare();
    }
}

#[test]
fn importance_samples_of_a_part_of_a_batch_are_those_of_the_whole() {
    const SAMPLES: usize = 3;
    for spec in &specs() {
        let count = ROWS * 2 * spec.latent.values();
        let heads: Vec<f32> = (0..count).map(|i| (i % 13) as f32 / 7.0).collect();
        Case {
            spec,
            task: &LOG_WEIGHTS,
            mode: Mode::Run,
            samples: SAMPLES,
            buffers: &[(Z, SAMPLES * spec.latent.values())],
            heads: &heads,
        }
        .compare();
    }
}
