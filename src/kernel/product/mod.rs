//! Matrix products of `f32` on the CPU.
//!
//! The right operand is packed into panels: 16 columns side by side, a cache line for each k, so that a tile
//! reads one line after another. A tile is a few rows by one panel, and its sums stay in vector registers over
//! the whole of k. There is no blocking of k: up to several thousand values a panel fits the second-level cache.
//! (Goto and van de Geijn 2008 have the reasoning for packing and panels.)
//!
//! How a product is shared out follows the left operand. One stored by rows, an activation as a rule, is read where
//! it is, and the result goes out by columns ([`columns`]); a transposed one is packed, and the result goes out by
//! rows ([`rows`]).
//!
//! Zeros are left out where that pays: of the left operand, each k where all rows of a tile are zero, and of
//! the right one, each k where a whole line is zero. Images are full of them. A sum without its zero terms is
//! the same sum. Values that are not finite times zero are not zero, so where there are any, nothing is left out.

mod columns;
pub(super) mod right;
mod rows;
mod tile;

use bytemuck::Zeroable;
use pulp::Arch;

/// How a matrix operand is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Row by row.
    Rows,
    /// Its transpose, row by row.
    Transposed,
}

/// Multiply-adds below which a task is not worth its while: some five microseconds.
pub(super) const LEAST_WORK: usize = 1 << 18;

/// Rows of a product on their way to what is made of them.
pub trait Rows<F>: Send + Sized {
    /// Cuts them in two, `above` of them in the first part.
    fn split(self, above: usize) -> (Self, Self);

    /// Has `compute` write a block of these rows, `[rows, n]` row by row, and makes of it what it is for. `first`
    /// is the number of the first row, `memory` at hand for a block that is not kept. Loops are compiled for
    /// the vector instructions at hand if it is `#[inline(always)]`.
    fn take(self, first: usize, memory: &mut Vec<F>, compute: impl FnOnce(&mut [F]));
}

/// Rows that are stored, and then changed by `finish(row, first column, values)`.
struct Stored<'a, F, G> {
    c: &'a mut [F],
    n: usize,
    finish: &'a G,
}

impl<F: Send, G: Fn(usize, usize, &mut [F]) + Sync> Rows<F> for Stored<'_, F, G> {
    fn split(self, above: usize) -> (Self, Self) {
        let Self { c, n, finish } = self;
        let (above, below) = c.split_at_mut(above * n);
        let part = |c| Self { c, n, finish };
        (part(above), part(below))
    }

    #[inline(always)]
    fn take(self, first: usize, _: &mut Vec<F>, compute: impl FnOnce(&mut [F])) {
        compute(self.c);
        for (i, row) in self.c.chunks_mut(self.n).enumerate() {
            (self.finish)(first + i, 0, row);
        }
    }
}

/// `a[m, k] · b[k, n]` on all threads of the pool, with the vector instructions of `arch`, into `c`, of whose rows
/// parts go to `finish(row, first column, values)`.
///
/// The result does not depend on the number of threads. `finish` has to be `#[inline(always)]`, as
/// [`Rows::take`] has.
///
/// # Panics
/// Where a slice is shorter than its matrix.
pub(super) fn product(
    arch: Arch,
    sizes: [usize; 3],
    (a, layout): (&[f32], Layout),
    b: (&[f32], Layout),
    c: &mut [f32],
    finish: &(impl Fn(usize, usize, &mut [f32]) + Sync),
) {
    let [m, n, k] = sizes;
    let c = &mut c[..m * n];
    if layout == Layout::Transposed || sizes.contains(&0) {
        transposed_product(arch, sizes, a, b, Stored { c, n, finish });
        return;
    }
    let b = (&b.0[..k * n], b.1);
    columns::product(arch, sizes, &a[..m * k], b, c, finish);
}

/// `aᵀ · b` of a stored `[k, m]` on all threads of the pool, block of rows by block of rows into `c`.
///
/// The result does not depend on the number of threads.
///
/// # Panics
/// Where a slice is shorter than its matrix.
pub(super) fn transposed_product(
    arch: Arch,
    sizes: [usize; 3],
    a: &[f32],
    b: (&[f32], Layout),
    c: impl Rows<f32>,
) {
    let [m, n, k] = sizes;
    let (a, b) = (&a[..m * k], (&b.0[..k * n], b.1));
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        c.take(0, &mut Vec::new(), |c| c.fill(0.0));
        return;
    }
    rows::product(arch, sizes, a, b, c);
}

/// Whether all values are zero, of either sign.
#[inline(always)]
fn is_zero(values: &[f32]) -> bool {
    let bits = values.iter().fold(0, |bits, value| bits | value.to_bits());
    bits << 1 == 0
}

/// Whether all values are finite.
#[inline(always)]
pub(super) fn is_finite(values: &[f32]) -> bool {
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

#[cfg(test)]
mod tests {
    use super::columns::{Left, Tile};
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

    /// Sets of vector instructions that this machine has, down to none.
    fn archs() -> Vec<Arch> {
        let archs = [Arch::new(), Arch::Scalar].into_iter();
        #[cfg(target_arch = "x86_64")]
        let archs = archs.chain(pulp::x86::V3::try_new().map(Arch::V3));
        archs.collect()
    }

    /// Largest error of a product as a share of what its rounding may be.
    fn worst(arch: Arch, sizes: [usize; 3], layouts: [Layout; 2], zeros: [usize; 2]) -> f64 {
        let [m, n, k] = sizes;
        let a = values(stored([m, k], layouts[0]), 1, zeros[0]);
        let b = values(stored([k, n], layouts[1]), 2, zeros[1]);
        let wide = |values: &[f32]| -> Vec<f64> { values.iter().map(|&v| v.into()).collect() };
        let mut exact = vec![f64::NAN; m * n];
        let (a64, b64) = (wide(&a), wide(&b));
        let (a64, b64) = ((&a64[..], layouts[0]), (&b64[..], layouts[1]));
        f64::product(sizes, a64, b64, &mut exact, &|_, _, _| ());
        let mut c = vec![f32::NAN; m * n];
        let mark = |row: usize, column: usize, values: &mut [f32]| {
            for (i, value) in values.iter_mut().enumerate() {
                *value += (row + 2 * (column + i)) as f32;
            }
        };
        product(
            arch,
            sizes,
            (&a, layouts[0]),
            (&b, layouts[1]),
            &mut c,
            &mark,
        );
        for (row, values) in exact.chunks_mut(n).enumerate() {
            for (column, value) in values.iter_mut().enumerate() {
                *value += (row + 2 * column) as f64;
            }
        }
        // Terms are at most 1 and k of them are added, then the mark.
        let bound = (k + m + 2 * n) as f64 * f64::from(f32::EPSILON);
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
            // Shared out by columns, and by rows.
            [64, 500, 20],
            [200, 40, 100],
        ] {
            for a in [Layout::Rows, Layout::Transposed] {
                for b in [Layout::Rows, Layout::Transposed] {
                    for zeros in [[0, 0], [6, 0], [0, 6], [8, 8]] {
                        for arch in archs() {
                            let worst = worst(arch, sizes, [a, b], zeros);
                            assert!(
                                worst < 1.0,
                                "{arch:?} {sizes:?} {a:?} {b:?} {zeros:?}: {worst}"
                            );
                        }
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
                    Arch::new(),
                    [m, n, k],
                    (a, a_layout),
                    (b, b_layout),
                    &mut c,
                    &|_, _, _| (),
                );
                c.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
            };
            assert_eq!(run(&a, &b), run(&hidden(&a), &hidden(&b)));
            if a_layout == Layout::Rows {
                let mut tiles = Vec::new();
                columns::cut(Arch::new(), Left { a: &a, k }, m, &mut tiles);
                let part = |tile: &Tile| matches!(tile.packed, Some(1..140));
                assert!(tiles.iter().any(part), "nothing was left out");
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
            let weights = &weights;
            product(
                Arch::new(),
                [m, n, k],
                (&zeros, rows),
                (weights, transposed),
                &mut c,
                &|_, _, _| (),
            );
            assert!((0..m * n).all(|i| c[i].is_nan() == (i % n == 3)));
            let zeros = vec![0.0; k * m];
            let mut c = vec![0.0f32; n * m];
            product(
                Arch::new(),
                [n, m, k],
                (weights, transposed),
                (&zeros, rows),
                &mut c,
                &|_, _, _| (),
            );
            let row = (3 * k + 5) % n;
            assert!((0..n * m).all(|i| c[i].is_nan() == (i / m == row)));
        }
    }
}
