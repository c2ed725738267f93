//! Memory of transient buffers: those whose lifetimes do not meet share one.

use super::{Buffer, Home, Step};
use crate::kernel::Element;

/// Assigns a memory to every transient buffer; returns the memories' element types and lengths.
///
/// First fit, in order of first use. Memories are whole GPU buffers rather than parts of one, because a
/// dispatch may not read one part of a buffer and write another.
pub(super) fn assign(buffers: &mut [Buffer], steps: &[Step]) -> Vec<(Element, usize)> {
    let uses = |index: usize| {
        steps
            .iter()
            .enumerate()
            .filter(move |(_, step)| step.slices.iter().any(|s| s.buffer.0 == index))
            .map(|(i, _)| i)
    };
    let mut order: Vec<(usize, usize, usize)> = (0..buffers.len())
        .filter(|&i| matches!(buffers[i].home, Home::Transient(_)))
        .map(|i| {
            (
                uses(i).next().unwrap_or(0),
                uses(i).next_back().unwrap_or(0),
                i,
            )
        })
        .collect();
    order.sort_unstable();
    // Of each memory: element type, length, last use of what lives in it.
    let mut memories: Vec<(Element, usize, usize)> = Vec::new();
    for (first, last, index) in order {
        let buffer = &mut buffers[index];
        let free = memories
            .iter()
            .position(|&(element, _, until)| element == buffer.element && until < first);
        let memory = match free {
            Some(memory) => memory,
            None => {
                memories.push((buffer.element, 0, 0));
                memories.len() - 1
            }
        };
        memories[memory].1 = memories[memory].1.max(buffer.len);
        memories[memory].2 = last;
        buffer.home = Home::Transient(memory);
    }
    memories
        .into_iter()
        .map(|(element, len, _)| (element, len))
        .collect()
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
