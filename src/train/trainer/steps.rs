//! A training step as plans: one, or the gradients of a batch's shards, their sum, and the update by it.
//!
//! The sum is a binary tree over the shards, ((0 + 1) + (2 + 3)) + …, whatever computes them, so that its bits depend on
//! their number alone. A shard is added to those before it as soon as it is there: shard i closes as many subtrees as the
//! number i has ones at its end. So a tree over n shards takes log₂ n arenas beside the gradient's.

use std::ops::Range;

use super::sharing::in_parts;
use crate::error::Result;
use crate::model::Model;
use crate::model::plans::{Shard, Source, Update, buffers};
use crate::model::session::{Passes, Session};
use crate::ops::{add, copy};
use crate::plan::{Builder, MAX_BOUND, Plan, PlanId, Shared, Slice};
use crate::ranks::Ranks;

/// A step on a batch.
pub(super) struct Step {
    /// The gradient of each shard and its sums with earlier ones, in turn. None where the update has it all.
    gradients: Vec<PlanId>,
    /// The update; of a single shard the whole step.
    update: PlanId,
    /// Rows of the log.
    pub(super) log_rows: usize,
    /// Processes that have shards of the batch, the first ones.
    pub(super) present: usize,
}

/// The steps of an epoch.
pub(super) type Steps = Passes<Step>;

/// Rows of shard `i` of a batch: all have as many, or the first ones have one more.
fn rows_of(rows: usize, shards: usize, i: usize) -> Range<usize> {
    let (each, more) = (rows / shards, rows % shards);
    let first = each * i + i.min(more);
    first..first + each + usize::from(i < more)
}

/// The sums of some numbers over shards, `[shards, width]`, in the order in which gradients are added.
pub(super) fn sum_of_shards(rows: &[f64], width: usize) -> Vec<f64> {
    let mut rows: Vec<Vec<f64>> = rows.chunks(width).map(<[f64]>::to_vec).collect();
    while rows.len() > 1 {
        let pairs = rows.chunks(2);
        let sum = |pair: &[Vec<f64>]| match pair {
            [left, right] => left.iter().zip(right).map(|(a, b)| a + b).collect(),
            alone => alone.concat(),
        };
        rows = pairs.map(sum).collect();
    }
    rows.pop().unwrap_or_default()
}

impl Steps {
    /// Images of the first batches of an epoch.
    pub(super) fn images_in(&self, batches: usize) -> usize {
        (batches * self.rows).min(self.images)
    }

    /// Rows of the log of the first batches of an epoch, of which the last may be short.
    pub(super) fn log_rows_in(&self, batches: usize) -> usize {
        let short = batches.saturating_sub(self.whole_batches());
        let of_rest = self.rest.as_ref().map_or(0, |step| step.log_rows);
        (batches - short) * self.whole.log_rows + short * of_rest
    }

    /// The step on a batch of an epoch, counted from 0.
    pub(super) fn of(&self, batch: usize) -> &Step {
        match &self.rest {
            Some(rest) if batch >= self.whole_batches() => rest,
            _ => &self.whole,
        }
    }
}

/// How steps are made of the batches of a split.
#[derive(Clone, Copy)]
pub(in crate::train) struct Maker<'a> {
    pub(in crate::train) source: &'a Source,
    pub(in crate::train) update: Update,
    pub(in crate::train) shards: usize,
    pub(in crate::train) ranks: &'a Ranks,
}

impl Maker<'_> {
    /// The steps on all batches of `rows`. Of a batch with fewer images than shards, the last ones have none.
    pub(super) fn steps(&self, session: &mut Session, rows: usize) -> Result<Steps> {
        let (images, rows) = (self.source.images, rows.min(self.source.images));
        let (own, len) = (
            self.ranks.own(self.shards).len(),
            session.model.parameters().len,
        );
        if own > 1 {
            session.allocate(buffers::SUM, len)?;
        }
        for level in 0..own.ilog2() {
            session.allocate(at_level(level), len)?;
        }
        let rest = images % rows;
        Ok(Steps {
            rows,
            images,
            // First: smaller plans find room in the memory of larger ones.
            whole: self.step(session, rows)?,
            rest: (rest > 0).then(|| self.step(session, rest)).transpose()?,
        })
    }

    fn step(&self, session: &mut Session, rows: usize) -> Result<Step> {
        let (model, runtime) = (&session.model, &mut session.runtime);
        if self.shards == 1 {
            return Ok(Step {
                gradients: Vec::new(),
                update: runtime.prepare(self.first(model, rows))?,
                log_rows: 1,
                present: 1,
            });
        }
        let count = self.shards.min(rows);
        let each = self.shards / self.ranks.count();
        let mut own = self.ranks.own(self.shards);
        own.end = own.end.min(count);
        if own.is_empty() {
            // Its counters move on by a shard whose gradient nobody takes.
            own = 0..1;
        }
        let mut gradients = Vec::new();
        for i in own.clone() {
            gradients.push(runtime.prepare(self.gradient(model, rows, i, &own))?);
            let is_last = i + 1 == own.end;
            let sums = sums(i - own.start, is_last, model.parameters().len);
            gradients.extend(sums.map(|plan| runtime.prepare(plan)).transpose()?);
        }
        if self.ranks.is_first() && own.end < count {
            // Of another size than its own, perhaps: the other processes take over which kernels are chosen here.
            let last =
                runtime.prepare(self.gradient(model, rows, count - 1, &(count - 1..count)))?;
            runtime.release(last);
        }
        Ok(Step {
            gradients,
            update: runtime.prepare(model.update(rows, self.source, self.update))?,
            log_rows: own.len(),
            present: count.div_ceil(each),
        })
    }

    /// The first plan of a step on a batch.
    pub(in crate::train) fn first(&self, model: &Model, rows: usize) -> Plan {
        match self.shards {
            1 => model.train(rows, self.source, self.update),
            _ => {
                let own = self.ranks.own(self.shards);
                self.gradient(model, rows, own.start, &own)
            }
        }
    }

    /// The plan of the gradient of shard `i` of a batch, one of `own` that are computed in turn.
    fn gradient(&self, model: &Model, rows: usize, i: usize, own: &Range<usize>) -> Plan {
        let shard = Shard {
            count: own.len(),
            ends: if i + 1 == own.end { rows } else { 0 },
        };
        let part = rows_of(rows, self.shards, i);
        let source = Source {
            first_row: part.start,
            ..*self.source
        };
        model.gradient(part.len(), &source, self.update, shard)
    }
}

impl Step {
    /// Its plans in turn.
    pub(super) fn plans(&self) -> impl Iterator<Item = PlanId> {
        self.gradients.iter().copied().chain([self.update])
    }

    /// The only plan of a step on one shard.
    pub(super) fn plan(&self) -> Option<PlanId> {
        self.gradients.is_empty().then_some(self.update)
    }

    /// The plans of the gradient alone.
    pub(super) fn gradients(&self) -> &[PlanId] {
        &self.gradients
    }

    /// Runs steps in a row.
    pub(super) fn run(&self, session: &mut Session, ranks: &Ranks, times: usize) -> Result<()> {
        if let Some(plan) = self.plan() {
            return session.runtime.run(plan, times as u32);
        }
        for _ in 0..times {
            for &plan in &self.gradients {
                session.runtime.run(plan, 1)?;
            }
            self.add(session, ranks)?;
            session.runtime.run(self.update, 1)?;
        }
        Ok(())
    }

    /// Adds the gradients of all processes.
    fn add(&self, session: &mut Session, ranks: &Ranks) -> Result<()> {
        if ranks.count() == 1 {
            return Ok(());
        }
        in_parts(session, buffers::GRADIENT, |runtime, start, part| {
            ranks.add(part, self.present)?;
            runtime.write(buffers::GRADIENT, start, part)
        })
    }
}

/// Where the sum over a subtree of 2^level shards waits for its neighbour's.
fn at_level(level: u32) -> Shared {
    buffers::OF_SHARDS.of(SUBTREES[level as usize])
}

/// Shards of the subtrees.
const SUBTREES: [&str; 10] = ["1", "2", "4", "8", "16", "32", "64", "128", "256", "512"];

/// Most shards.
pub(in crate::train) const MOST_SHARDS: usize = 1 << SUBTREES.len();

/// Adds the gradient of shard `i` to the subtrees that it closes: to where the sum waits for others, or of the last one to
/// the gradient. `None` where there is nothing to do.
fn sums(i: usize, is_last: bool, len: usize) -> Option<Plan> {
    let mut builder = Builder::new(format!("sum of gradients, shard {i}"));
    // Of the last one also those that have no right neighbour.
    let closed: Vec<u32> = match is_last {
        true => (0..usize::BITS)
            .filter(|level| i >> level & 1 == 1)
            .collect(),
        false => (0..i.trailing_ones()).collect(),
    };
    let mut from = buffers::GRADIENT;
    for level in closed {
        let to = if from == buffers::SUM {
            buffers::GRADIENT
        } else {
            buffers::SUM
        };
        combine(&mut builder, &[at_level(level), from], to, len);
        from = to;
    }
    let to = match is_last {
        true => buffers::GRADIENT,
        false => at_level(i.trailing_ones()),
    };
    if from != to {
        combine(&mut builder, &[from], to, len);
    } else if i == 0 {
        return None;
    }
    Some(builder.finish())
}

/// The sum of two arenas, or the copy of one, in parts that every device can bind.
fn combine(builder: &mut Builder, from: &[Shared], to: Shared, len: usize) {
    let mut slices: Vec<Slice> = from
        .iter()
        .map(|&arena| builder.shared(arena, len))
        .collect();
    slices.push(builder.shared(to, len));
    let first = slices[0];
    for part in first.cut(MAX_BOUND) {
        let of = |arena: &Slice| Slice {
            buffer: arena.buffer,
            ..part
        };
        let slices: Vec<Slice> = slices.iter().map(of).collect();
        match from.len() {
            1 => builder.step(to.to_string(), &copy::KERNEL, copy::call(part.len), &slices),
            _ => builder.step(to.to_string(), &add::KERNEL, add::call(part.len), &slices),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{CpuRuntime, Runtime};

    const LEN: usize = 67;

    fn leaf(i: usize) -> Vec<f32> {
        let value = |j: usize| ((i * 7919 + j * 104_729) % 1009) as f32 * 0.37 - 100.0;
        (0..LEN).map(value).collect()
    }

    #[test]
    fn gradients_are_added_as_a_tree() {
        for count in 1..=11 {
            let mut runtime = CpuRuntime::<f32>::new();
            let arenas = [buffers::GRADIENT, buffers::SUM].into_iter();
            for arena in arenas.chain((0..4).map(at_level)) {
                runtime.allocate(arena, LEN).expect("an arena");
            }
            for i in 0..count {
                let written = runtime.write(buffers::GRADIENT, 0, &leaf(i));
                written.expect("a gradient");
                if let Some(plan) = sums(i, i + 1 == count, LEN) {
                    let plan = runtime.prepare(plan).expect("a plan");
                    runtime.run(plan, 1).expect("a sum");
                }
            }
            let found = runtime.read(buffers::GRADIENT, 0, LEN).expect("a sum");
            let mut level: Vec<Vec<f32>> = (0..count).map(leaf).collect();
            while level.len() > 1 {
                let add = |pair: &[Vec<f32>]| match pair {
                    [a, b] => a.iter().zip(b).map(|(a, b)| a + b).collect(),
                    alone => alone.concat(),
                };
                level = level.chunks(2).map(add).collect();
            }
            assert_eq!(found, level[0], "{count}");
        }
    }

    #[test]
    fn rows_are_divided_without_gaps() {
        for (rows, shards) in [(16, 4), (17, 4), (3, 4), (128, 1)] {
            let parts: Vec<_> = (0..shards).map(|i| rows_of(rows, shards, i)).collect();
            assert_eq!((parts[0].start, parts[shards - 1].end), (0, rows));
            assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
            let lens = parts.iter().map(|part| part.len());
            assert!(lens.clone().max() <= lens.min().map(|least| least + 1));
        }
    }
}
