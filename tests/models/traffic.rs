//! What flows between host and device while a model trains.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use elbo::Result;
use elbo::data::{Binarize, digits};
use elbo::model::plans::buffers;
use elbo::plan::{Plan, PlanId, Runtime, Shared, Slice};
use elbo::train::{EpochRecord, Observer, Pace, Pictures, Span, State, TrainOptions};

use crate::reproducibility::trainer;
use crate::support::{devices, digit_model};

/// Bytes by the name of a buffer.
type Bytes = BTreeMap<String, usize>;

#[derive(Clone, Default)]
struct Traffic {
    read: Arc<Mutex<Bytes>>,
    written: Arc<Mutex<Bytes>>,
}

impl Traffic {
    /// What has been counted since the last time, read and written.
    fn take(&self) -> [Bytes; 2] {
        [&self.read, &self.written]
            .map(|bytes| std::mem::take(&mut *bytes.lock().expect("a count")))
    }
}

fn count(bytes: &Mutex<Bytes>, name: &str, values: usize) {
    let mut bytes = bytes.lock().expect("a count");
    *bytes.entry(name.to_owned()).or_default() += size_of::<f32>() * values;
}

/// A runtime that counts what is read and written.
struct Counting {
    inner: Box<dyn Runtime>,
    traffic: Traffic,
}

impl Counting {
    fn name(&self, plan: PlanId, slice: Slice) -> String {
        self.inner.plan(plan).buffer(slice.buffer).name.clone()
    }
}

impl Runtime for Counting {
    fn allocate(&mut self, buffer: Shared, len: usize) -> Result<bool> {
        self.inner.allocate(buffer, len)
    }
    fn write(&mut self, buffer: Shared, offset: usize, values: &[f32]) -> Result<()> {
        count(&self.traffic.written, &buffer.to_string(), values.len());
        self.inner.write(buffer, offset, values)
    }
    fn write_words(&mut self, buffer: Shared, offset: usize, values: &[u32]) -> Result<()> {
        count(&self.traffic.written, &buffer.to_string(), values.len());
        self.inner.write_words(buffer, offset, values)
    }
    fn read(&mut self, buffer: Shared, offset: usize, len: usize) -> Result<Vec<f32>> {
        count(&self.traffic.read, &buffer.to_string(), len);
        self.inner.read(buffer, offset, len)
    }
    fn read_words(&mut self, buffer: Shared, offset: usize, len: usize) -> Result<Vec<u32>> {
        count(&self.traffic.read, &buffer.to_string(), len);
        self.inner.read_words(buffer, offset, len)
    }
    fn prepare(&mut self, plan: Plan) -> Result<PlanId> {
        self.inner.prepare(plan)
    }
    fn release(&mut self, plan: PlanId) {
        self.inner.release(plan);
    }
    fn run(&mut self, plan: PlanId, times: u32) -> Result<()> {
        self.inner.run(plan, times)
    }
    fn plan(&self, plan: PlanId) -> &Plan {
        self.inner.plan(plan)
    }
    fn memory(&self) -> u64 {
        self.inner.memory()
    }
    fn run_step(&mut self, plan: PlanId, step: usize, times: u32) -> Result<()> {
        self.inner.run_step(plan, step, times)
    }
    fn read_slice(&mut self, plan: PlanId, slice: Slice) -> Result<Vec<u32>> {
        count(&self.traffic.read, &self.name(plan, slice), slice.len);
        self.inner.read_slice(plan, slice)
    }
    fn write_slice(&mut self, plan: PlanId, slice: Slice, bits: &[u32]) -> Result<()> {
        count(&self.traffic.written, &self.name(plan, slice), slice.len);
        self.inner.write_slice(plan, slice, bits)
    }
    fn fuses_updates(&self) -> bool {
        self.inner.fuses_updates()
    }
    fn choices(&self) -> Vec<(String, String)> {
        self.inner.choices()
    }
}

fn counting(inner: Box<dyn Runtime>) -> (Box<dyn Runtime>, Traffic) {
    let traffic = Traffic::default();
    let runtime = Counting {
        inner,
        traffic: traffic.clone(),
    };
    (Box::new(runtime), traffic)
}

/// What was read and written up to the end of each epoch, and the states that were kept.
struct Watching {
    traffic: Traffic,
    epochs: Vec<[Bytes; 2]>,
    kept: Vec<State>,
}

impl Observer for Watching {
    fn epoch(&mut self, _: &EpochRecord, _: Option<&Pictures>) -> Result<()> {
        self.epochs.push(self.traffic.take());
        Ok(())
    }

    fn checkpoint(&mut self, state: &State) -> Result<()> {
        self.kept.push(state.clone());
        Ok(())
    }
}

#[test]
fn an_epoch_reads_its_losses_and_a_checkpoint_the_state_once() {
    let options = TrainOptions {
        batch_size: 64,
        epochs: 3,
        pictures_every: Some(u32::MAX),
        ..TrainOptions::default()
    };
    let dataset = digits::generate(640, 64, 1);
    for (device, inner) in devices() {
        let (runtime, traffic) = counting(inner);
        let mut trainer = trainer(runtime, &digit_model(), &options, &dataset);
        let arena = trainer.weights().expect("weights");
        let arena: usize = arena.iter().map(|(.., values)| 4 * values.len()).sum();
        traffic.take();
        let mut watching = Watching {
            traffic: traffic.clone(),
            epochs: Vec::new(),
            kept: Vec::new(),
        };
        let pace = Pace {
            checkpoint_every: Some(Span::Epochs(100.0)),
            stop_after: None,
        };
        trainer.run(&pace, &mut watching).expect("three epochs");
        let [read, _] = traffic.take();
        assert_eq!(watching.epochs.len(), 3, "{device}");
        // The last one leaves pictures, which read what they show.
        for [read, written] in &watching.epochs[..2] {
            let names: Vec<&str> = read.keys().map(String::as_str).collect();
            let losses = ["latent units", "test log", "train log"];
            assert_eq!(names, losses, "{device}");
            assert!(written.values().sum::<usize>() < arena / 8, "{written:?}");
        }
        let [last, _] = &watching.epochs[2];
        let state = buffers::STATE.into_iter().chain(buffers::GOOD);
        let state: Vec<String> = state.map(|buffer| buffer.to_string()).collect();
        assert!(
            state.iter().all(|name| !last.contains_key(name)),
            "{device}"
        );
        // Each epoch was the best one so far: no other state was wanted than the last.
        assert_eq!(watching.kept.len(), 1, "{device}");
        let position = &watching.kept[0].position;
        assert_eq!(position.best.expect("a best epoch").epoch, 3, "{device}");
        let of_state = read.iter().filter(|(name, _)| state.contains(name));
        let bytes: Vec<usize> = of_state.map(|(_, bytes)| *bytes).collect();
        assert_eq!(bytes.len(), 3, "{device}: {read:?}");
        // With the padding of some layers.
        assert!(bytes.iter().all(|&bytes| bytes < arena + arena / 8));
    }
}

#[test]
fn images_of_the_grids_are_uploaded_once() {
    let dataset = digits::generate(640, 64, 1);
    for binarize in [Binarize::None, Binarize::Dynamic] {
        let options = TrainOptions {
            batch_size: 64,
            binarize,
            ..TrainOptions::default()
        };
        for (device, inner) in devices() {
            let (runtime, traffic) = counting(inner);
            let mut trainer = trainer(runtime, &digit_model(), &options, &dataset);
            let first = trainer.pictures().expect("pictures");
            let [_, written] = traffic.take();
            let count = first.originals.len();
            assert_eq!(written["shown images"], count, "{device}: a byte a value");
            let second = trainer.pictures().expect("pictures");
            let [_, written] = traffic.take();
            let names: Vec<&str> = written.keys().map(String::as_str).collect();
            // Codes of the samples, and where the next images are.
            assert_eq!(names, ["codes", "shown counters"], "{device}");
            assert_eq!(first.originals, second.originals, "{device}");
            assert_eq!(first.reconstructions, second.reconstructions, "{device}");
        }
    }
}
