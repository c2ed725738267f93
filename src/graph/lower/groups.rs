//! Steps that are cut, as what they read or write is more than every device can bind at once.

use std::ops::Range;

use super::{Lowering, numbered};
use crate::kernel::{Call, Kernel};
use crate::ops::add;
use crate::plan::{ALIGNMENT, Slice};

impl Lowering<'_> {
    /// The rows in groups: those of a group, of each of these slices, can be bound by every device. Where that is not so of
    /// any number of rows, whose first value lies where a slice may begin, all rows are one group; the device says then
    /// what it cannot bind.
    pub fn groups(&self, slices: &[Slice]) -> Vec<Range<usize>> {
        let widths = || slices.iter().map(|slice| slice.len / self.rows);
        let widest = widths().max().unwrap_or(1).max(1);
        let aligned = |width: usize| ALIGNMENT >> width.trailing_zeros().min(ALIGNMENT.ilog2());
        let unit = widths().map(aligned).max().unwrap_or(1);
        let rows = match self.most_bound / (widest * unit) {
            _ if self.rows * widest <= self.most_bound => self.rows,
            0 => self.rows,
            units => units * unit,
        };
        let group = |first: usize| first..(first + rows).min(self.rows);
        (0..self.rows).step_by(rows).map(group).collect()
    }

    /// What slices have of some rows.
    pub fn of_rows<const N: usize>(&self, slices: [Slice; N], rows: &Range<usize>) -> [Slice; N] {
        slices.map(|slice| slice.rows(rows.clone(), self.rows))
    }

    /// Sums over all rows of two slices: each group of rows makes its own, to slices of the lengths of `to`, and they are
    /// added up in order. `make` is told a label, how many rows the group has, and what the two slices have of them.
    pub fn sum_of_groups(
        &mut self,
        label: &str,
        slices: [Slice; 2],
        to: [Slice; 2],
        make: impl Fn(&mut Self, &str, usize, [Slice; 2], [Slice; 2]),
    ) {
        let groups = self.groups(&slices);
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
            make(self, &label, rows.len(), self.of_rows(slices, rows), own);
            let Some(before) = sums else {
                sums = Some(own);
                continue;
            };
            let both = match is_last {
                true => to,
                false => transients(self, "so far"),
            };
            for place in [0, 1] {
                let label = format!("{label}, added {}", place + 1);
                self.add(&label, [before[place], own[place]], both[place]);
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
        let mut cuts: Vec<_> = slices
            .iter()
            .map(|slice| slice.cut(self.most_bound))
            .collect();
        for i in 0.. {
            let parts: Vec<Slice> = cuts.iter_mut().filter_map(Iterator::next).collect();
            let Some(first) = parts.first() else { break };
            self.step(numbered(label, i), kernel, call(first.len), &parts);
        }
    }

    /// Adds two slices.
    pub fn add(&mut self, label: &str, [a, b]: [Slice; 2], out: Slice) {
        self.elementwise(label, &add::KERNEL, add::call, &[a, b, out]);
    }
}
