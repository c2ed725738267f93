//! Matrix products of `f32` on the CPU.
//!
//! The right operand is packed into panels: 16 columns side by side, a cache line for each k, so that a tile
//! reads one line after another. A tile is a few rows by one panel, and its sums stay in vector registers over
//! the whole of k. Tasks are blocks of rows; each goes through the panels one by one, so that a panel comes
//! from the nearest cache for all tiles but the first. There is no blocking of k: up to several thousand values
//! a panel fits the second-level cache. (Goto and van de Geijn 2008 have the reasoning for packing and panels.)
//!
//! Zeros are left out where that pays: of the left operand, each k where all rows of a tile are zero, and of
//! the right one, each k where a whole line is zero. Images are full of them. A sum without its zero terms is
//! the same sum. Values that are not finite times zero are not zero, so where there are any, nothing is left out.

mod right;
mod tile;

use std::cell::RefCell;
use std::ops::Range;

use bytemuck::Zeroable;
use pulp::{Arch, Simd, WithSimd};

use self::right::Panels;
use self::tile::{Left, Operand, Task};

/// How a matrix operand is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Row by row.
    Rows,
    /// Its transpose, row by row.
    Transposed,
}

/// Most tiles of a task: enough to use a panel often once it is near, few enough to share out evenly.
const MOST_TILES: usize = 24;

/// Multiply-adds below which a task is not worth its while: some five microseconds.
const LEAST_WORK: usize = 1 << 18;

thread_local! {
    /// The packed operand of a product that this thread called, kept for the next one.
    static PANELS: RefCell<Panels> = RefCell::default();
    /// What a task needs, kept for the next one.
    static LEFT: RefCell<Left> = RefCell::default();
    static BLOCK: RefCell<Vec<f32>> = RefCell::default();
}

/// Rows of a product on their way to what is made of them.
pub trait Rows<F>: Send + Sized {
    /// Cuts them in two, `above` of them in the first part.
    fn split(self, above: usize) -> (Self, Self);

    /// Has `compute` write a block of these rows, `[rows, n]` row by row, and makes of it what it is for. `first`
    /// is the number of the first row, `memory` at hand for a block that is not kept. Loops are compiled for
    /// the vector instructions at hand if it is `#[inline(always)]`.
    fn take(self, first: usize, memory: &mut Vec<F>, compute: impl FnOnce(&mut [F]));
}

/// Rows that are stored, and then changed by `finish(number of the first row, block of rows)`.
pub struct Stored<'a, F, G> {
    c: &'a mut [F],
    n: usize,
    finish: &'a G,
}

impl<'a, F, G: Fn(usize, &mut [F]) + Sync> Stored<'a, F, G> {
    /// Rows of `n` values in `c`. `finish` has to be `#[inline(always)]`, as [`Rows::take`] has.
    pub fn new(c: &'a mut [F], n: usize, finish: &'a G) -> Self {
        Self { c, n, finish }
    }
}

impl<F: Send, G: Fn(usize, &mut [F]) + Sync> Rows<F> for Stored<'_, F, G> {
    fn split(self, above: usize) -> (Self, Self) {
        let Self { c, n, finish } = self;
        let (above, below) = c.split_at_mut(above * n);
        (Self::new(above, n, finish), Self::new(below, n, finish))
    }

    #[inline(always)]
    fn take(self, first: usize, _: &mut Vec<F>, compute: impl FnOnce(&mut [F])) {
        compute(self.c);
        (self.finish)(first, self.c);
    }
}

/// `a[m, k] · b[k, n]` on all threads of the pool, block of rows by block of rows into `c`.
///
/// The result does not depend on the number of threads.
///
/// # Panics
/// Where a slice is shorter than its matrix.
pub(super) fn product(
    [m, n, k]: [usize; 3],
    (a, a_layout): (&[f32], Layout),
    (b, b_layout): (&[f32], Layout),
    c: impl Rows<f32>,
) {
    let (a, b) = (&a[..m * k], &b[..k * n]);
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        c.take(0, &mut Vec::new(), |c| c.fill(0.0));
        return;
    }
    let arch = Arch::new();
    // The left operand is packed if it is transposed, and can then be read at any k.
    let zeros = (a_layout, b_layout) == (Layout::Transposed, Layout::Rows)
        && right::has_zeros(b, n)
        && is_finite(a);
    let mut panels = PANELS.take();
    panels.pack(arch, [k, n], (b, b_layout), zeros);
    let height = height_of_tile(arch);
    let share = m
        .div_ceil(height)
        .div_ceil(2 * rayon::current_num_threads());
    let job = Job {
        arch,
        left: Operand {
            values: a,
            layout: a_layout,
            m,
            k,
        },
        panels: &panels,
        columns: n,
        height,
        tiles: share
            .min(MOST_TILES)
            .max(LEAST_WORK.div_ceil(height * n * k)),
    };
    job.run(0..m, c);
    PANELS.set(panels);
}

/// Rows of a tile: as many as leave room in the registers for a line and a value beside the sums.
fn height_of_tile(arch: Arch) -> usize {
    struct Height;
    impl WithSimd for Height {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            tile::height::<S>()
        }
    }
    arch.dispatch(Height)
}

/// Whether all values are zero, of either sign.
#[inline(always)]
fn is_zero(values: &[f32]) -> bool {
    let bits = values.iter().fold(0, |bits, value| bits | value.to_bits());
    bits << 1 == 0
}

/// Whether all values are finite.
#[inline(always)]
fn is_finite(values: &[f32]) -> bool {
    let magnitude = |value: &f32| value.abs().to_bits();
    let largest = values.iter().map(magnitude).fold(0, u32::max);
    largest < f32::INFINITY.to_bits()
}

/// Makes room for `len` values; what is there already stays as it is.
fn grow<T: Zeroable + Clone>(memory: &mut Vec<T>, len: usize) {
    if memory.len() < len {
        memory.resize(len, T::zeroed());
    }
}

/// A product that is shared out by rows.
struct Job<'a> {
    arch: Arch,
    left: Operand<'a>,
    panels: &'a Panels,
    columns: usize,
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
            operand: self.left,
            panels: self.panels,
            columns: self.columns,
            rows,
            c,
            left: &mut left,
            memory: &mut memory,
        });
        LEFT.set(left);
        BLOCK.set(memory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Real;

    /// Rows of `width` values in [-1, 1), of which `zeros` of 8 runs of 20 are zero, as images have them: the same
    /// ones in every other row, so that a tile has places where all rows are zero, some, and none.
    fn values([rows, width]: [usize; 2], seed: usize, zeros: usize) -> Vec<f32> {
        let mut state = seed as u32;
        let mut value = |i: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let drawn = f64::from(state >> 8) / f64::from(1 << 23) - 1.0;
            if (i % width / 20 + i / width % 2) % 8 < zeros {
                0.0
            } else {
                drawn as f32
            }
        };
        (0..rows * width).map(&mut value).collect()
    }

    /// Rows of a stored matrix and their length.
    fn stored([rows, columns]: [usize; 2], layout: Layout) -> [usize; 2] {
        match layout {
            Layout::Rows => [rows, columns],
            Layout::Transposed => [columns, rows],
        }
    }

    /// Largest error of a product as a share of what its rounding may be.
    fn worst(sizes: [usize; 3], layouts: [Layout; 2], zeros: [usize; 2]) -> f64 {
        let [m, n, k] = sizes;
        let a = values(stored([m, k], layouts[0]), 1, zeros[0]);
        let b = values(stored([k, n], layouts[1]), 2, zeros[1]);
        let wide = |values: &[f32]| -> Vec<f64> { values.iter().map(|&v| v.into()).collect() };
        let mut exact = vec![f64::NAN; m * n];
        let (a64, b64) = (wide(&a), wide(&b));
        f64::product(
            sizes,
            (&a64, layouts[0]),
            (&b64, layouts[1]),
            Stored::new(&mut exact, n, &|_, _| ()),
        );
        let mut c = vec![f32::NAN; m * n];
        let mark = |first: usize, rows: &mut [f32]| {
            for (i, row) in rows.chunks_mut(n).enumerate() {
                row.iter_mut().for_each(|v| *v += (first + i) as f32);
            }
        };
        product(
            sizes,
            (&a, layouts[0]),
            (&b, layouts[1]),
            Stored::new(&mut c, n, &mark),
        );
        for (i, row) in exact.chunks_mut(n).enumerate() {
            row.iter_mut().for_each(|v| *v += i as f64);
        }
        // Terms are at most 1 and k of them are added, then the number of the row.
        let bound = (k + m) as f64 * f64::from(f32::EPSILON);
        let error = |(c, exact): (&f32, &f64)| (f64::from(*c) - exact).abs() / bound;
        c.iter().zip(&exact).map(error).fold(0.0, |worst, e| {
            // A NaN has to count, which max would drop.
            if e.is_nan() || e > worst { e } else { worst }
        })
    }

    #[test]
    fn products_of_every_layout_are_those_of_plain_loops() {
        // Around the rows of a tile, its columns, the steps of eight of a transposition, and tasks.
        for sizes in [
            [1, 1, 1],
            [5, 15, 7],
            [6, 16, 8],
            [7, 17, 9],
            [12, 31, 64],
            [13, 33, 65],
            [128, 40, 100],
            [131, 97, 129],
            [400, 20, 128],
        ] {
            for a in [Layout::Rows, Layout::Transposed] {
                for b in [Layout::Rows, Layout::Transposed] {
                    for zeros in [[0, 0], [6, 0], [0, 6], [8, 8]] {
                        let worst = worst(sizes, [a, b], zeros);
                        assert!(worst < 1.0, "{sizes:?} {a:?} {b:?} {zeros:?}: {worst}");
                    }
                }
            }
        }
    }

    #[test]
    fn leaving_zeros_out_changes_no_bit() {
        let [m, n, k] = [130, 100, 140];
        for (a_layout, b_layout, zeros) in [
            (Layout::Rows, Layout::Transposed, [6, 0]),
            (Layout::Transposed, Layout::Rows, [0, 6]),
        ] {
            let a = values(stored([m, k], a_layout), 1, zeros[0]);
            // In other places of each row: a column of zeros only would have no sum to get lost in.
            let b = values([1, k * n], 2, zeros[1]);
            // The least number in place of zero hides it from the search, and is lost in every sum.
            let hidden = |values: &[f32]| -> Vec<f32> {
                let hide = |&v: &f32| if v == 0.0 { f32::from_bits(1) } else { v };
                values.iter().map(hide).collect()
            };
            let run = |a: &[f32], b: &[f32]| {
                let mut c = vec![f32::NAN; m * n];
                product(
                    [m, n, k],
                    (a, a_layout),
                    (b, b_layout),
                    Stored::new(&mut c, n, &|_, _| ()),
                );
                c.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
            };
            assert_eq!(run(&a, &b), run(&hidden(&a), &hidden(&b)));
            if a_layout == Layout::Rows {
                let part = |forms: &[tile::Form]| {
                    let in_part = |form: &tile::Form| matches!(form, tile::Form::Part(1..140));
                    forms.iter().any(in_part)
                };
                let mut left = Left::default();
                let operand = Operand {
                    values: &a,
                    layout: a_layout,
                    m,
                    k,
                };
                assert!(part(left.pack::<6>(operand, 0, m)), "nothing was left out");
            } else {
                assert!(right::has_zeros(&b, n), "nothing was left out");
            }
        }
    }

    #[test]
    fn a_value_that_is_not_finite_spreads_over_zeros_too() {
        let [m, n, k] = [12, 48, 64];
        for value in [f32::NAN, f32::INFINITY] {
            let mut weights = values([n, k], 2, 0);
            weights[3 * k + 5] = value;
            let mut c = vec![0.0f32; m * n];
            let zeros = vec![0.0; m * k];
            let (rows, transposed) = (Layout::Rows, Layout::Transposed);
            product(
                [m, n, k],
                (&zeros, rows),
                (&weights, transposed),
                Stored::new(&mut c, n, &|_, _| ()),
            );
            assert!((0..m * n).all(|i| c[i].is_nan() == (i % n == 3)));
            let zeros = vec![0.0; k * m];
            let mut c = vec![0.0f32; n * m];
            product(
                [n, m, k],
                (&weights, transposed),
                (&zeros, rows),
                Stored::new(&mut c, m, &|_, _| ()),
            );
            let row = (3 * k + 5) % n;
            assert!((0..n * m).all(|i| c[i].is_nan() == (i / m == row)));
        }
    }
}
