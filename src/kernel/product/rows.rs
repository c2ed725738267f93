//! Products of a transposed left operand, shared out by rows of the result: that is what a gradient of weights is,
//! which has many rows and columns and short sums.
//!
//! The right operand is packed for all, the left one by each task for its own rows. Lines of the right operand
//! that are zero are left out.

use std::cell::RefCell;
use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::right::{self, Panel, Panels, WIDTH};
use super::tile::{OnTiles, Tiled, height, store, sum, values};
use super::{LEAST_WORK, Layout, Rows, grow, is_finite};

/// Most tiles of a task: enough to use a panel often once it is near, few enough to share out evenly.
const MOST_TILES: usize = 24;

thread_local! {
    /// The packed operand of a product that this thread called, kept for the next one.
    static PANELS: RefCell<Panels> = RefCell::default();
    /// What a task needs, kept for the next one.
    static LEFT: RefCell<Vec<f32>> = RefCell::default();
    static BLOCK: RefCell<Vec<f32>> = RefCell::default();
}

/// `aᵀ · b` of a stored `[k, m]`, block of rows by block of rows into `c`; no size is zero.
pub(super) fn product(
    arch: Arch,
    [m, n, k]: [usize; 3],
    a: &[f32],
    (b, layout): (&[f32], Layout),
    c: impl Rows<f32>,
) {
    // What is left out has to be zero times a finite value.
    let zeros = layout == Layout::Rows && right::has_zeros(b, n) && is_finite(a);
    let mut panels = PANELS.take();
    panels.pack(arch, [k, n], (b, layout), zeros);
    let height = height(arch);
    let share = m
        .div_ceil(height)
        .div_ceil(2 * rayon::current_num_threads());
    let tiles = share
        .min(MOST_TILES)
        .max(LEAST_WORK.div_ceil(height * n * k));
    let job = Job {
        arch,
        a,
        m,
        panels: &panels,
        n,
        height,
        tiles,
    };
    job.run(0..m, c);
    PANELS.set(panels);
}

struct Job<'a> {
    arch: Arch,
    a: &'a [f32],
    m: usize,
    panels: &'a Panels,
    n: usize,
    /// Rows of a tile.
    height: usize,
    /// Most tiles of a task.
    tiles: usize,
}

impl Job<'_> {
    /// Computes some rows, which `c` stands for.
    fn run(&self, rows: Range<usize>, c: impl Rows<f32>) {
        let tiles = rows.len().div_ceil(self.height);
        if tiles > self.tiles {
            let above = tiles / 2 * self.height;
            let middle = rows.start + above;
            let (upper, lower) = c.split(above);
            rayon::join(
                || self.run(rows.start..middle, upper),
                || self.run(middle..rows.end, lower),
            );
            return;
        }
        let (mut left, mut memory) = (LEFT.take(), BLOCK.take());
        self.arch.dispatch(Task {
            job: self,
            first: rows.start,
            c,
            left: &mut left,
            memory: &mut memory,
        });
        LEFT.set(left);
        BLOCK.set(memory);
    }
}

/// Some rows of the product.
struct Task<'a, C> {
    job: &'a Job<'a>,
    first: usize,
    c: C,
    left: &'a mut Vec<f32>,
    memory: &'a mut Vec<f32>,
}

impl<C: Rows<f32>> WithSimd for Task<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.c.take(
            self.first,
            self.memory,
            #[inline(always)]
            |c| {
                let block = Block {
                    job: self.job,
                    first: self.first,
                    left: self.left,
                    c,
                };
                block.compute();
            },
        );
    }
}

/// Rows to compute, and what from.
struct Block<'a> {
    job: &'a Job<'a>,
    first: usize,
    left: &'a mut Vec<f32>,
    c: &'a mut [f32],
}

impl Block<'_> {
    /// A call of its own: compiled into one with what is made of the rows, that would take registers from the sums.
    #[inline(never)]
    fn compute(self) {
        self.job.arch.dispatch(Tiled(self));
    }
}

impl OnTiles for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn on_tiles<S: Simd, const R: usize, const V: usize>(self, simd: S) {
        let Job { n, m, panels, .. } = *self.job;
        let depth = panels.depth();
        let tiles = self.c.len().div_ceil(R * n);
        grow(self.left, tiles * depth * R);
        let columns = self.left.as_chunks_mut::<R>().0;
        for (tile, columns) in columns.chunks_mut(depth).take(tiles).enumerate() {
            // Past the last row a tile holds values of no meaning.
            let first = self.first + tile * R;
            for (values, stored) in columns.iter_mut().zip(self.job.a.chunks(m)) {
                let stored = &stored[first..];
                match stored.first_chunk() {
                    Some(whole) => *values = *whole,
                    None => values[..stored.len()].copy_from_slice(stored),
                }
            }
        }
        for (panel, at) in panels.each().zip((0..n).step_by(WIDTH)) {
            for (columns, rows) in columns.chunks(depth).zip(self.c.chunks_mut(R * n)) {
                let sums: [[S::f32s; V]; R] = match panel {
                    Panel::Whole(lines) => {
                        let columns = &columns[..lines.len()];
                        sum(
                            simd,
                            lines.iter().enumerate(),
                            #[inline(always)]
                            |k| values(&columns[k]),
                        )
                    }
                    Panel::Part(lines, places) => {
                        let places = places.iter().map(|&k| k as usize);
                        sum(
                            simd,
                            places.zip(lines),
                            #[inline(always)]
                            |k| values(&columns[k]),
                        )
                    }
                };
                store::<S, R, V>(sums, rows.chunks_mut(n), at);
            }
        }
    }
}
