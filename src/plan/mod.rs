//! Plans: what to compute, as immutable data that either executor runs.
//!
//! A [`Plan`] is built once per model, batch size and purpose. It names its buffers, of which some are
//! shared with other plans and the host (parameters, data, counters), the others live within one run of
//! the plan and share memory where their lifetimes allow.

mod account;
mod inspect;
mod memory;
mod pipelines;
mod pool;
mod predicted;
mod prepared;
mod run_cpu;
mod run_gpu;
mod runtime;
mod shared;
mod timing;
mod tuning;

pub use account::buffer_bytes;
pub use inspect::{Difference, Fault, compare, find_fault};
pub use predicted::Predicted;
pub use prepared::PlanId;
pub use run_cpu::CpuRuntime;
pub use run_gpu::GpuRuntime;
pub use runtime::{Runtime, open};
pub use shared::Shared;
pub use timing::{Times, measure, time_step};
pub use tuning::{Basis, Choice, Memory, Tune, Tuning};

use std::ops::Range;

use crate::kernel::{Access, Call, Element, Kernel};

/// Offsets of slices are multiples of this many elements: 256 bytes, WebGPU's offset alignment.
pub const ALIGNMENT: usize = 64;

/// Most floats of a slice that every device can bind: 128 MiB, WebGPU's default limit.
pub const MAX_BOUND: usize = (128 << 20) / 4;

/// A buffer of a plan, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BufferId(usize);

/// Where a buffer lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// In the runtime: it outlives the plan's runs.
    Shared(Shared),
    /// In the plan's memory of this index, which other plans of the runtime use too: content is undefined before the first
    /// write of a run.
    Transient(usize),
}

/// A buffer of a plan.
#[derive(Clone, Debug)]
pub struct Buffer {
    /// Name, unique in the plan.
    pub name: String,
    /// Element type.
    pub element: Element,
    /// Elements.
    pub len: usize,
    /// Where it lives.
    pub home: Home,
}

/// A part of a buffer; `offset` is a multiple of [`ALIGNMENT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The buffer.
    pub buffer: BufferId,
    /// First element.
    pub offset: usize,
    /// Elements.
    pub len: usize,
}

impl Slice {
    /// Some of its rows, of which it has `count`.
    #[must_use]
    pub fn rows(self, rows: Range<usize>, count: usize) -> Self {
        let width = self.len / count;
        Self {
            offset: self.offset + rows.start * width,
            len: rows.len() * width,
            ..self
        }
    }

    /// Cuts it into slices of at most `most` elements.
    pub fn cut(self, most: usize) -> impl Iterator<Item = Self> {
        let part = move |start: usize| start..(start + most).min(self.len);
        let starts = (0..self.len).step_by(most);
        starts.map(move |start| self.rows(part(start), self.len))
    }
}

/// One kernel call on slices of buffers.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it computes in the model's words: `fc1`, `fc1.weight gradient`.
    pub label: String,
    /// The kernel.
    pub kernel: &'static Kernel,
    /// Parameters and selectors.
    pub call: Call,
    /// Slices in the order of the kernel's bindings.
    pub slices: Vec<Slice>,
}

/// A sequence of steps on buffers.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Name for records: `train 128`.
    pub name: String,
    /// Buffers, by [`BufferId`].
    pub buffers: Vec<Buffer>,
    /// Steps in order.
    pub steps: Vec<Step>,
    /// Element type and length of each memory that transient buffers live in.
    pub memories: Vec<(Element, usize)>,
}

impl Plan {
    /// The buffer of an id.
    pub fn buffer(&self, id: BufferId) -> &Buffer {
        &self.buffers[id.0]
    }

    /// Whether it reads or writes a buffer of the runtime.
    pub fn uses(&self, shared: Shared) -> bool {
        let home = Home::Shared(shared);
        self.buffers.iter().any(|buffer| buffer.home == home)
    }
}

/// Builds a plan step by step.
///
/// # Panics
/// Its methods panic where a step does not fit its kernel's record: a fault of this program, found by
/// any test that builds the plan, and not reachable by input.
pub struct Builder {
    name: String,
    buffers: Vec<Buffer>,
    /// Of each buffer: whether it holds something.
    written: Vec<bool>,
    steps: Vec<Step>,
}

impl Builder {
    /// An empty plan.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            buffers: Vec::new(),
            written: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// A buffer of the runtime, which must have allocated it.
    pub fn shared(&mut self, shared: Shared, len: usize) -> Slice {
        let home = Home::Shared(shared);
        if let Some(known) = self.buffers.iter().position(|b| b.home == home) {
            let same = self.buffers[known].len == len;
            assert!(same, "{}: {shared} of two lengths", self.name);
            return self.whole(known);
        }
        self.push(shared.to_string(), shared.element(), len, home)
    }

    /// A buffer of floats that lives within one run.
    pub fn transient(&mut self, name: impl Into<String>, len: usize) -> Slice {
        self.push(
            name.into(),
            Element::Float,
            len,
            Home::Transient(usize::MAX),
        )
    }

    fn push(&mut self, name: String, element: Element, len: usize, home: Home) -> Slice {
        assert!(
            self.buffers.iter().all(|b| b.name != name),
            "{}: two buffers named {name}",
            self.name
        );
        self.written.push(matches!(home, Home::Shared(_)));
        self.buffers.push(Buffer {
            name,
            element,
            len,
            home,
        });
        self.whole(self.buffers.len() - 1)
    }

    fn whole(&self, index: usize) -> Slice {
        Slice {
            buffer: BufferId(index),
            offset: 0,
            len: self.buffers[index].len,
        }
    }

    /// Adds a step.
    pub fn step(
        &mut self,
        label: impl Into<String>,
        kernel: &'static Kernel,
        call: Call,
        slices: &[Slice],
    ) {
        let label = label.into();
        assert_eq!(
            slices.len(),
            kernel.bindings.len(),
            "{}: {label}: {} has {:?}",
            self.name,
            kernel.name,
            kernel.bindings
        );
        for (i, (slice, binding)) in slices.iter().zip(kernel.bindings).enumerate() {
            let buffer = &self.buffers[slice.buffer.0];
            let what = format!(
                "{}: {label}: {} of {}",
                self.name, binding.name, kernel.name
            );
            assert_eq!(buffer.element, binding.element, "{what}: element type");
            assert!(slice.offset.is_multiple_of(ALIGNMENT), "{what}: alignment");
            assert!(slice.offset + slice.len <= buffer.len, "{what}: range");
            let reads = binding.is_touched(&call) && binding.access_in(&call).reads();
            let is_written = self.written[slice.buffer.0];
            assert!(!reads || is_written, "{what}: read before it is written");
            // A dispatch may not read and write one buffer, nor write one place twice.
            for (other, other_binding) in slices[..i].iter().zip(kernel.bindings) {
                if other.buffer == slice.buffer {
                    let reads = |access| access == Access::Read;
                    assert_eq!(
                        reads(binding.access),
                        reads(other_binding.access),
                        "{what}: read and written at once"
                    );
                    let apart = other.offset + other.len <= slice.offset
                        || slice.offset + slice.len <= other.offset;
                    assert!(reads(binding.access) || apart, "{what}: written twice");
                }
            }
        }
        for (slice, binding) in slices.iter().zip(kernel.bindings) {
            let writes = binding.is_touched(&call) && binding.access_in(&call) != Access::Read;
            self.written[slice.buffer.0] |= writes;
        }
        self.steps.push(Step {
            label,
            kernel,
            call,
            slices: slices.to_vec(),
        });
    }

    /// The plan, with memory assigned to its transient buffers.
    pub fn finish(self) -> Plan {
        let Self {
            name,
            mut buffers,
            steps,
            ..
        } = self;
        let memories = memory::assign(&mut buffers, &steps);
        Plan {
            name,
            buffers,
            steps,
            memories,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{activation, reparameterize};

    #[test]
    #[should_panic(expected = "input of activation: read before it is written")]
    fn what_no_step_has_written_is_not_read() {
        let mut plan = Builder::new("a plan");
        let [never, out] = ["never", "out"].map(|name| plan.transient(name, 8));
        let call = activation::call(activation::TANH, 8);
        plan.step("tanh", &activation::KERNEL, call, &[never, out]);
    }

    #[test]
    fn what_a_call_draws_itself_needs_no_step_before_it() {
        let mut plan = Builder::new("a plan");
        let counters = plan.shared(Shared::words("counters"), 3);
        let heads = plan.shared(Shared::floats("heads"), 8);
        let [epsilon, z] = ["epsilon", "z"].map(|name| plan.transient(name, 4));
        let draws = crate::rng::Draws {
            seed: 1,
            purpose: crate::rng::Purpose::Epsilon,
            first: 0,
        };
        let mut step = |noise| {
            let call = reparameterize::call(2, 2, 1, noise);
            let slices = [counters, heads, epsilon, z];
            plan.step("z", &reparameterize::KERNEL, call, &slices);
        };
        step(Some(draws));
        // And is there for others then.
        step(None);
        assert_eq!(plan.finish().steps.len(), 2);
    }
}
