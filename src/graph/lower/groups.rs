//! Steps that are cut, as what they read or write is more than every device can bind at once.

use std::ops::Range;

use super::{Lowering, numbered};
use crate::kernel::{Call, Kernel};
use crate::ops::add;
use crate::plan::{ALIGNMENT, Slice};

impl Lowering<'_> {
    /// The rows in groups: those of a group, of so many values each, can be bound by every device. Where that is not so of
    /// any number of rows, whose first value lies where a slice may begin, all rows are one group; the device says then
    /// what it cannot bind.
    pub fn groups(&self, widths: &[usize]) -> Vec<Range<usize>> {
        let widest = widths.iter().copied().max().unwrap_or(1).max(1);
        if self.rows * widest <= self.most_bound {
            return std::iter::once(0..self.rows).collect();
        }
        let aligned = |width: &usize| ALIGNMENT >> width.trailing_zeros().min(ALIGNMENT.ilog2());
        let unit = widths.iter().map(aligned).max().unwrap_or(1);
        let rows = match self.most_bound / (widest * unit) {
            0 => self.rows,
            units => units * unit,
        };
        let group = |first: usize| first..(first + rows).min(self.rows);
        (0..self.rows).step_by(rows).map(group).collect()
    }

    /// Sums over all rows: each of the groups makes its own, to slices of the lengths of `to`, and they are added up in
    /// order.
    pub fn sum_of_groups(
        &mut self,
        label: &str,
        groups: &[Range<usize>],
        to: [Slice; 2],
        mut make: impl FnMut(&mut Self, &str, Range<usize>, [Slice; 2]),
    ) {
        let mut sums: Option<[Slice; 2]> = None;
        for (i, rows) in groups.iter().enumerate() {
            let (label, is_last) = (numbered(label, i), i + 1 == groups.len());
            let transients = |lower: &mut Self, what: &str| {
                let name = |place| format!("{label}, {what} {}", place + 1);
                [0, 1].map(|place| lower.transient(name(place), to[place].len))
            };
            let own = match is_last && sums.is_none() {
                true => to,
                false => transients(self, "of a group"),
            };
            make(self, &label, rows.clone(), own);
            let Some(before) = sums else {
                sums = Some(own);
                continue;
            };
            let both = match is_last {
                true => to,
                false => transients(self, "so far"),
            };
            for place in [0, 1] {
                let addends = [before, own].map(|sums| sums[place]);
                self.add(
                    &format!("{label}, added {}", place + 1),
                    addends,
                    both[place],
                );
            }
            sums = Some(both);
        }
    }

    /// Adds steps that compute each value from those at the same place of others.
    pub fn elementwise(
        &mut self,
        label: &str,
        kernel: &'static Kernel,
        call: impl Fn(usize) -> Call,
        slices: &[Slice],
    ) {
        let len = slices.first().map_or(0, |slice| slice.len);
        let most = self.most_bound.next_multiple_of(ALIGNMENT);
        for (i, start) in (0..len).step_by(most).enumerate() {
            let range = start..(start + most).min(len);
            let parts: Vec<Slice> = slices
                .iter()
                .map(|slice| slice.rows(range.clone(), 1))
                .collect();
            self.step(numbered(label, i), kernel, call(range.len()), &parts);
        }
    }

    /// Adds two slices.
    pub fn add(&mut self, label: &str, [a, b]: [Slice; 2], out: Slice) {
        self.elementwise(label, &add::KERNEL, add::call, &[a, b, out]);
    }
}
