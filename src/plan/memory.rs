//! Memory of transient buffers: those whose lifetimes do not meet share one.

use std::cmp::Reverse;

use super::{Buffer, Home, Step};
use crate::kernel::Element;

/// Assigns a memory to every transient buffer; returns the memories' element types and lengths.
///
/// The longest buffers come first, and each goes into a memory that is free in all its lifetime (Pisarchyk and Lee 2020),
/// so that no memory grows for a buffer, and short ones lie where long ones lay. Memories are whole GPU buffers rather than
/// parts of one, because a dispatch may not read one part of a buffer and write another.
pub(super) fn assign(buffers: &mut [Buffer], steps: &[Step]) -> Vec<(Element, usize)> {
    let lifetimes = lifetimes(buffers.len(), steps);
    let is_transient = |&i: &usize| matches!(buffers[i].home, Home::Transient(_));
    let mut order: Vec<usize> = (0..buffers.len()).filter(is_transient).collect();
    order.sort_by_key(|&i| (Reverse(buffers[i].len), i));
    let mut memories: Vec<Memory> = Vec::new();
    for index in order {
        let buffer = &mut buffers[index];
        let (first, last) = lifetimes[index];
        let is_free = |memory: &Memory| {
            let mut taken = memory.taken.iter();
            memory.element == buffer.element && taken.all(|&(a, b)| last < a || b < first)
        };
        let memory = match memories.iter().position(is_free) {
            Some(memory) => memory,
            None => {
                memories.push(Memory {
                    element: buffer.element,
                    len: buffer.len,
                    taken: Vec::new(),
                });
                memories.len() - 1
            }
        };
        memories[memory].taken.push((first, last));
        buffer.home = Home::Transient(memory);
    }
    memories
        .into_iter()
        .map(|memory| (memory.element, memory.len))
        .collect()
}

/// A memory, and when it is taken: from one step to another.
struct Memory {
    element: Element,
    len: usize,
    taken: Vec<(usize, usize)>,
}

/// The first and the last step that uses each buffer; (0, 0) of one that none uses.
fn lifetimes(buffers: usize, steps: &[Step]) -> Vec<(usize, usize)> {
    let mut all: Vec<Option<(usize, usize)>> = vec![None; buffers];
    for (i, step) in steps.iter().enumerate() {
        for slice in &step.slices {
            let lifetime = &mut all[slice.buffer.0];
            *lifetime = Some((lifetime.map_or(i, |(first, _)| first), i));
        }
    }
    all.into_iter().map(Option::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests {
    use crate::ops::activation;
    use crate::plan::{Builder, Home, Shared};

    #[test]
    fn buffers_share_memory_only_when_their_lifetimes_do_not_meet() {
        let mut plan = Builder::new("chain");
        let first = plan.shared(Shared::floats("first"), 10);
        let others = (0..5).map(|i| plan.transient(format!("b{i}"), 10 + i));
        let slices: Vec<_> = [first].into_iter().chain(others).collect();
        for pair in slices.windows(2) {
            plan.step("copy", &activation::KERNEL, activation::call(0, 10), pair);
        }
        let plan = plan.finish();
        assert_eq!(plan.memories.len(), 2);
        assert_eq!(plan.memories.iter().map(|m| m.1).max(), Some(14));
        for step in &plan.steps {
            let homes: Vec<Home> = step
                .slices
                .iter()
                .map(|s| plan.buffer(s.buffer).home)
                .collect();
            assert_ne!(homes[0], homes[1], "{}", step.label);
        }
    }
}
