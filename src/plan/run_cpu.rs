//! Runs plans on the CPU, by the kernels' twins.

use std::collections::HashMap;
use std::mem;

use arrayvec::ArrayVec;

use super::pool::Pool;
use super::prepared::PreparedPlans;
use super::{BufferId, Home, Plan, PlanId, Runtime, Shared, Slice, Step, buffer_bytes};
use crate::error::Result;
use crate::host::check_memory;
use crate::kernel::{Access, Bound, Call, Element, Kernel, Real, parallel};

/// What [`Runtime::fuses_updates`] says: the gradient stays in the nearest cache.
pub(super) const FUSES_UPDATES: bool = true;

/// Most bindings of a kernel (WebGPU's default limit of storage buffers).
const MAX_BINDINGS: usize = 8;

/// What helps where the memory is not there.
const HINT: &str = "a smaller model, a smaller `batch-size = …` or fewer images";

/// Finds a place for a storage: an empty one, or a new one.
fn place<F>(storage: &mut Vec<Storage<F>>, free: &mut Vec<usize>, made: Storage<F>) -> usize {
    match free.pop() {
        Some(index) => {
            storage[index] = made;
            index
        }
        None => {
            storage.push(made);
            storage.len() - 1
        }
    }
}

/// A float type whose twins the runtime can call.
pub trait TwinFloat: Real {
    /// Runs the kernel's twin of this precision.
    fn call(kernel: &Kernel, call: &Call, bound: &mut [Bound<'_, Self>]);
}

impl TwinFloat for f32 {
    fn call(kernel: &Kernel, call: &Call, bound: &mut [Bound<'_, Self>]) {
        (kernel.twin)(call, bound);
    }
}

impl TwinFloat for f64 {
    fn call(kernel: &Kernel, call: &Call, bound: &mut [Bound<'_, Self>]) {
        (kernel.oracle)(call, bound);
    }
}

enum Storage<F> {
    Floats(Vec<F>),
    Words(Vec<u32>),
}

impl<F: Real> Storage<F> {
    /// One of zeros.
    fn new(element: Element, len: usize) -> Self {
        match element {
            Element::Float => Self::Floats(vec![F::ZERO; len]),
            Element::Word => Self::Words(vec![0; len]),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Words(values) => values.len(),
        }
    }

    fn floats(&mut self) -> &mut Vec<F> {
        match self {
            Self::Floats(values) => values,
            Self::Words(_) => panic!("a buffer of words used as floats"),
        }
    }

    fn words(&mut self) -> &mut Vec<u32> {
        match self {
            Self::Words(values) => values,
            Self::Floats(_) => panic!("a buffer of floats used as words"),
        }
    }

    fn read(&self, slice: Slice) -> Bound<'_, F> {
        let range = slice.offset..slice.offset + slice.len;
        match self {
            Self::Floats(values) => Bound::Read(&values[range]),
            Self::Words(values) => Bound::Words(&values[range]),
        }
    }
}

impl<F> Default for Storage<F> {
    fn default() -> Self {
        Self::Words(Vec::new())
    }
}

struct Prepared {
    plan: Plan,
    /// Storage index of each buffer of the plan.
    storage: Vec<usize>,
    /// Places of its memories in the pool.
    memories: Vec<usize>,
}

/// The CPU device at `f32`, the oracle at `f64`.
pub struct CpuRuntime<F: TwinFloat> {
    storage: Vec<Storage<F>>,
    /// Storages that are empty, for others to come.
    free: Vec<usize>,
    shared: HashMap<Shared, usize>,
    /// Storage indices of the memories.
    pool: Pool<usize>,
    plans: PreparedPlans<Prepared>,
}

impl<F: TwinFloat> Default for CpuRuntime<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: TwinFloat> CpuRuntime<F> {
    /// A runtime without buffers.
    pub fn new() -> Self {
        Self {
            storage: Vec::new(),
            free: Vec::new(),
            shared: HashMap::new(),
            pool: Pool::default(),
            plans: PreparedPlans::default(),
        }
    }

    /// A shared buffer of floats, at full precision.
    ///
    /// # Panics
    /// Where there is none, or it holds words.
    pub fn floats(&mut self, buffer: Shared) -> &mut Vec<F> {
        self.shared(buffer).floats()
    }

    fn shared(&mut self, buffer: Shared) -> &mut Storage<F> {
        match self.shared.get(&buffer) {
            Some(&index) => &mut self.storage[index],
            None => panic!("no buffer of {buffer}"),
        }
    }

    fn execute(storage: &mut [Storage<F>], of_buffer: &[usize], step: &Step) {
        let index = |id: BufferId| of_buffer[id.0];
        // Written storages are taken out, so that the others can be borrowed beside them.
        let mut taken: ArrayVec<(usize, Storage<F>), MAX_BINDINGS> = ArrayVec::new();
        for (slice, binding) in step.slices.iter().zip(step.kernel.bindings) {
            let at = index(slice.buffer);
            if binding.access != Access::Read && taken.iter().all(|(other, _)| *other != at) {
                taken.push((at, mem::take(&mut storage[at])));
            }
        }
        {
            let mut bound: ArrayVec<Option<Bound<'_, F>>, MAX_BINDINGS> = step
                .slices
                .iter()
                .zip(step.kernel.bindings)
                .map(|(slice, binding)| {
                    (binding.access == Access::Read)
                        .then(|| storage[index(slice.buffer)].read(*slice))
                })
                .collect();
            for (at, owned) in &mut taken {
                let written = (0..step.slices.len()).filter(|&i| {
                    index(step.slices[i].buffer) == *at
                        && step.kernel.bindings[i].access != Access::Read
                });
                let mut written: ArrayVec<usize, MAX_BINDINGS> = written.collect();
                written.sort_unstable_by_key(|&i| step.slices[i].offset);
                split(owned, &written, &step.slices, &mut bound);
            }
            let mut all: ArrayVec<Bound<'_, F>, MAX_BINDINGS> =
                bound.into_iter().flatten().collect();
            F::call(step.kernel, &step.call, &mut all);
        }
        for (at, owned) in taken {
            storage[at] = owned;
        }
    }
}

/// Cuts the written slices, in order of their offsets, out of one storage.
fn split<'a, F: Real>(
    storage: &'a mut Storage<F>,
    written: &[usize],
    slices: &[Slice],
    bound: &mut [Option<Bound<'a, F>>],
) {
    fn parts<'a, T>(
        mut rest: &'a mut [T],
        written: &[usize],
        slices: &[Slice],
        mut give: impl FnMut(usize, &'a mut [T]),
    ) {
        let mut start = 0;
        for &i in written {
            let slice = slices[i];
            let (_, tail) = rest.split_at_mut(slice.offset - start);
            let (part, tail) = tail.split_at_mut(slice.len);
            give(i, part);
            rest = tail;
            start = slice.offset + slice.len;
        }
    }
    match storage {
        Storage::Floats(values) => parts(values, written, slices, |i, part| {
            bound[i] = Some(Bound::Write(part));
        }),
        Storage::Words(values) => parts(values, written, slices, |i, part| {
            bound[i] = Some(Bound::WriteWords(part));
        }),
    }
}

impl<F: TwinFloat> Runtime for CpuRuntime<F> {
    fn allocate(&mut self, buffer: Shared, len: usize) -> Result<bool> {
        let element = buffer.element();
        match self.shared.get(&buffer) {
            Some(&index) if self.storage[index].len() >= len => Ok(false),
            Some(&index) => {
                check_memory(&buffer.to_string(), buffer_bytes(len), HINT)?;
                self.storage[index] = Storage::new(element, len);
                Ok(true)
            }
            None => {
                check_memory(&buffer.to_string(), buffer_bytes(len), HINT)?;
                let made = Storage::new(element, len);
                let index = place(&mut self.storage, &mut self.free, made);
                self.shared.insert(buffer, index);
                Ok(false)
            }
        }
    }

    fn write(&mut self, buffer: Shared, offset: usize, values: &[f32]) -> Result<()> {
        let target = &mut self.shared(buffer).floats()[offset..offset + values.len()];
        for (target, &value) in target.iter_mut().zip(values) {
            *target = F::new(f64::from(value));
        }
        Ok(())
    }

    fn write_words(&mut self, buffer: Shared, offset: usize, values: &[u32]) -> Result<()> {
        self.shared(buffer).words()[offset..offset + values.len()].copy_from_slice(values);
        Ok(())
    }

    fn read(&mut self, buffer: Shared, offset: usize, len: usize) -> Result<Vec<f32>> {
        let values = &self.shared(buffer).floats()[offset..offset + len];
        Ok(values.iter().map(|v| v.wide() as f32).collect())
    }

    fn read_words(&mut self, buffer: Shared, offset: usize, len: usize) -> Result<Vec<u32>> {
        Ok(self.shared(buffer).words()[offset..offset + len].to_vec())
    }

    fn prepare(&mut self, plan: Plan) -> Result<PlanId> {
        let wanted = plan.memories.iter().map(|&(_, len)| buffer_bytes(len));
        let more = wanted.sum::<u64>().saturating_sub(self.pool.bytes());
        check_memory(&format!("the activations of {}", plan.name), more, HINT)?;
        let (all, free) = (&mut self.storage, &mut self.free);
        let places = self.pool.take(&plan.memories, |_, element, len| {
            Ok(place(all, free, Storage::new(element, len)))
        })?;
        let storage = plan
            .buffers
            .iter()
            .map(|buffer| match buffer.home {
                Home::Transient(memory) => *self.pool.at(places[memory]),
                Home::Shared(shared) => match self.shared.get(&shared) {
                    Some(&index) => index,
                    None => panic!("{}: no buffer of {shared}", plan.name),
                },
            })
            .collect();
        Ok(self.plans.add(Prepared {
            plan,
            storage,
            memories: places,
        }))
    }

    fn release(&mut self, plan: PlanId) {
        let memories = self.plans.remove(plan).memories;
        for memory in self.pool.give_back(&memories) {
            self.storage[memory] = Storage::default();
            self.free.push(memory);
        }
    }

    fn run(&mut self, plan: PlanId, times: u32) -> Result<()> {
        let Prepared { plan, storage, .. } = self.plans.get(plan);
        parallel::awake(|| {
            for _ in 0..times {
                for step in &plan.steps {
                    Self::execute(&mut self.storage, storage, step);
                }
            }
        });
        Ok(())
    }

    fn plan(&self, plan: PlanId) -> &Plan {
        &self.plans.get(plan).plan
    }

    fn memory(&self) -> u64 {
        self.pool.bytes()
    }

    fn run_step(&mut self, plan: PlanId, step: usize, times: u32) -> Result<()> {
        let prepared = self.plans.get(plan);
        for _ in 0..times {
            let step = &prepared.plan.steps[step];
            Self::execute(&mut self.storage, &prepared.storage, step);
        }
        Ok(())
    }

    fn read_slice(&mut self, plan: PlanId, slice: Slice) -> Result<Vec<u32>> {
        let storage = &self.storage[self.plans.get(plan).storage[slice.buffer.0]];
        Ok(match storage.read(slice) {
            Bound::Words(words) => words.to_vec(),
            floats => {
                let narrow = floats.floats().iter().map(|v| (v.wide() as f32).to_bits());
                narrow.collect()
            }
        })
    }

    fn write_slice(&mut self, plan: PlanId, slice: Slice, bits: &[u32]) -> Result<()> {
        let range = slice.offset..slice.offset + slice.len;
        match &mut self.storage[self.plans.get(plan).storage[slice.buffer.0]] {
            Storage::Words(words) => words[range].copy_from_slice(bits),
            Storage::Floats(floats) => {
                for (value, &bits) in floats[range].iter_mut().zip(bits) {
                    *value = F::new(f64::from(f32::from_bits(bits)));
                }
            }
        }
        Ok(())
    }

    fn fuses_updates(&self) -> bool {
        FUSES_UPDATES
    }

    fn choices(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::activation;
    use crate::plan::Builder;

    const INPUT: Shared = Shared::floats("input");
    const OUTPUT: Shared = Shared::floats("output");

    /// A plan of two steps with a memory between them.
    fn plan(len: usize) -> Plan {
        let mut plan = Builder::new("two steps");
        let [input, output] = [INPUT, OUTPUT].map(|buffer| plan.shared(buffer, len));
        let between = plan.transient("between", len);
        for slices in [[input, between], [between, output]] {
            let call = activation::call(activation::TANH, len);
            plan.step("tanh", &activation::KERNEL, call, &slices);
        }
        plan.finish()
    }

    #[test]
    fn memories_are_those_that_the_plans_that_are_there_need() {
        let mut runtime = CpuRuntime::<f32>::new();
        for buffer in [INPUT, OUTPUT] {
            runtime.allocate(buffer, 80).expect("a buffer");
        }
        runtime.write(INPUT, 0, &[1.0; 80]).expect("a buffer");
        let held = |runtime: &CpuRuntime<f32>| {
            let lens = runtime.storage.iter().map(Storage::len);
            (runtime.storage.len(), lens.sum::<usize>())
        };
        let stays = runtime.prepare(plan(8)).expect("a plan");
        let before = held(&runtime);
        let mut earlier = vec![stays];
        // Short ones lie in the memory of the one that stays.
        for (len, more) in [(30, 30), (3, 0), (80, 80), (8, 0), (1, 0)] {
            let id = runtime.prepare(plan(len)).expect("a plan");
            assert!(!earlier.contains(&id));
            assert_eq!(held(&runtime), (before.0 + 1, before.1 + more));
            for id in [id, stays] {
                runtime.write(OUTPUT, 0, &[0.0; 8]).expect("a buffer");
                runtime.run(id, 1).expect("a run");
                let found = runtime.read(OUTPUT, 0, 8).expect("a buffer");
                assert_eq!(found[0], 1.0_f32.tanh().tanh());
            }
            runtime.release(id);
            assert_eq!(held(&runtime), (before.0 + 1, before.1));
            earlier.push(id);
        }
    }
}
