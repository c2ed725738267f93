//! What plans and their steps cost by their records.

use super::{ALIGNMENT, Plan, Step};
use crate::kernel::Access;

/// Bytes of an element: `f32` or `u32`.
const ELEMENT: u64 = 4;

/// Bytes of a buffer of `len` elements on a GPU. Kernels read four values at a time; whole alignment units
/// also let slices round up.
pub fn buffer_bytes(len: usize) -> u64 {
    ELEMENT * len.max(1).next_multiple_of(ALIGNMENT) as u64
}

impl Step {
    /// Operations of a matrix product, two a multiply-add; 0 for a step whose time is that of its memory.
    pub fn operations(&self) -> u64 {
        2 * (self.kernel.multiply_adds)(&self.call)
    }

    /// Bytes that it has to move: every element that it touches once for each read and write that its
    /// binding has.
    pub fn bytes(&self) -> u64 {
        let bound = self.slices.iter().zip(self.kernel.bindings);
        let moved = bound.map(|(slice, binding)| {
            let elements = binding
                .touched
                .map_or(slice.len, |touched| touched(&self.call));
            let times = match binding.access_in(&self.call) {
                Access::Read | Access::Write | Access::Partial => 1,
                Access::Update => 2,
            };
            times * elements as u64
        });
        ELEMENT * moved.sum::<u64>()
    }
}

impl Plan {
    /// Operations of its matrix products.
    pub fn operations(&self) -> u64 {
        self.steps.iter().map(Step::operations).sum()
    }
}
