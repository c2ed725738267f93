//! The updates of parameters: with their gradients, or after all of them.

use super::{Learning, Lowering, arenas, numbered};
use crate::graph::Node;
use crate::ops::{adam, average, clip, square_sum, sum_threads};
use crate::plan::{MAX_BOUND, Slice};

impl Lowering<'_> {
    /// What an update reads beside its parameters: counters and scalars, and the weight decay.
    ///
    /// # Panics
    /// In a plan in which nothing learns.
    pub fn rates(&mut self) -> ([Slice; 2], f32) {
        let Learning {
            counters,
            weight_decay,
            ..
        } = self.learning.expect("a plan that learns");
        let counters = self.shared(counters, 3);
        let scalars = self.shared(arenas::SCALARS, arenas::SCALAR_COUNT);
        ([counters, scalars], weight_decay)
    }

    /// Whether nothing has to stand between the gradient of a node's parameters and the update by it, and every device
    /// can bind them as one.
    pub(super) fn updates_at_once(&self, node: &Node) -> bool {
        let learning = self.learning.as_ref();
        let len: usize = node
            .parameters
            .clone()
            .map(|index| self.parameters.padded(index))
            .sum();
        learning.is_some_and(|learning| learning.fused && learning.grad_clip == 0.0)
            && len <= MAX_BOUND
    }

    /// Says that a parameter has its update, by a step that is none of its layer's. It has no gradient then.
    pub fn set_updated(&mut self, parameter: usize) {
        self.updated[parameter] = true;
    }

    /// The updates that are still due, after the norm of the gradient where it is bounded; then the average of all
    /// parameters, where one is kept.
    ///
    /// # Panics
    /// In a plan in which nothing learns.
    pub fn update(&mut self) {
        let Learning { grad_clip, ema, .. } = self.learning.expect("a plan that learns");
        if grad_clip > 0.0 {
            self.clip(grad_clip);
        }
        self.update_the_rest();
        if ema > 0.0 {
            self.average(ema);
        }
    }

    /// The updates of what has none so far.
    fn update_the_rest(&mut self) {
        if !self.updated.contains(&true) {
            let all = self.arena(arenas::PARAMETERS);
            return self.update_part(all, "update");
        }
        // Those that lie behind one another together.
        let mut next = 0;
        while let Some(first) = (next..self.updated.len()).find(|&index| !self.updated[index]) {
            let rest = first..self.updated.len();
            let end = rest.clone().find(|&index| self.updated[index]);
            next = end.unwrap_or(rest.end);
            let name = |index: usize| self.graph.parameters()[index].tensors.join("|");
            let label = match next - first {
                1 => format!("{} update", name(first)),
                _ => format!("{} to {} update", name(first), name(next - 1)),
            };
            let arena = self.arena(arenas::PARAMETERS);
            let part = self.parameters.span(first..next, arena);
            self.update_part(part, &label);
        }
    }

    /// The update of a part of the arena: a dispatch, or one for every part of it that a device can surely bind.
    fn update_part(&mut self, part: Slice, label: &str) {
        let [gradient, first, second] =
            [arenas::GRADIENT, arenas::FIRST, arenas::SECOND].map(|arena| self.arena(arena));
        let ([counters, scalars], weight_decay) = self.rates();
        for (i, part) in part.cut(MAX_BOUND).enumerate() {
            let of = |arena: Slice| Slice {
                buffer: arena.buffer,
                ..part
            };
            let slices = [part, of(gradient), of(first), of(second), counters, scalars];
            let call = adam::call(part.len, weight_decay);
            self.step(numbered(label, i), &adam::KERNEL, call, &slices);
        }
    }

    /// Moves the average of the parameters on, whatever has updated them.
    fn average(&mut self, decay: f32) {
        let [parameters, averages] =
            [arenas::PARAMETERS, arenas::AVERAGE].map(|arena| self.arena(arena));
        let ([counters, _], _) = self.rates();
        for (i, part) in parameters.cut(MAX_BOUND).enumerate() {
            let of_average = Slice {
                buffer: averages.buffer,
                ..part
            };
            let call = average::call(part.len, decay);
            let slices = [part, of_average, counters];
            self.step(numbered("average", i), &average::KERNEL, call, &slices);
        }
    }

    fn clip(&mut self, bound: f32) {
        let gradient = self.arena(arenas::GRADIENT);
        let scalars = self.shared(arenas::SCALARS, arenas::SCALAR_COUNT);
        let parts: Vec<Slice> = gradient.cut(MAX_BOUND).collect();
        let threads: Vec<usize> = parts.iter().map(|p| sum_threads(p.len) as usize).collect();
        let all = threads.iter().sum();
        let partials = self.transient("partial squares", all);
        let mut offset = 0;
        for (i, (&part, &len)) in parts.iter().zip(&threads).enumerate() {
            let sums = Slice {
                offset,
                len,
                ..partials
            };
            let (label, call) = (numbered("gradient norm", i), square_sum::call(part.len));
            self.step(label, &square_sum::KERNEL, call, &[part, sums]);
            offset += len;
        }
        let call = clip::call(all as u32, self.rows, bound);
        self.step("gradient scale", &clip::KERNEL, call, &[partials, scalars]);
    }
}
