//! Tiles: a few rows by one panel, summed over k in registers.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::right::{Line, Panel, Panels, WIDTH};
use super::{Layout, Rows, grow, is_zero};

/// Samples by which the zeros of a tile's rows are judged.
const SAMPLES: usize = 32;

/// Rows of a tile: as many as leave room in the registers for a line and a value beside the sums.
pub(super) const fn height<S: Simd>() -> usize {
    match S::F32_LANES {
        16 => 12,
        8 | 4 => 6,
        _ => 1,
    }
}

/// The left operand `[m, k]`.
#[derive(Clone, Copy)]
pub(super) struct Operand<'a> {
    pub(super) values: &'a [f32],
    pub(super) layout: Layout,
    pub(super) m: usize,
    pub(super) k: usize,
}

/// How a tile reads its rows.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// From where they are.
    Rows,
    /// Packed.
    Packed,
    /// Packed, this many k: those at which one of them is not zero.
    Part(usize),
}

/// The left operand of a task's tiles, kept for the next task.
#[derive(Default)]
pub(super) struct Left {
    /// `[tiles, k, height]`: the values of a tile for each k side by side.
    packed: Vec<f32>,
    /// `[tiles, k]`: k of each of them, where some are left out.
    places: Vec<u32>,
    forms: Vec<Form>,
}

/// Some rows of the product.
pub(super) struct Task<'a, C> {
    pub(super) operand: Operand<'a>,
    pub(super) panels: &'a Panels,
    pub(super) columns: usize,
    pub(super) rows: Range<usize>,
    /// What they are for.
    pub(super) c: C,
    pub(super) left: &'a mut Left,
    pub(super) memory: &'a mut Vec<f32>,
}

impl<C: Rows<f32>> WithSimd for Task<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let block = Block {
            operand: self.operand,
            panels: self.panels,
            columns: self.columns,
            first: self.rows.start,
            left: self.left,
        };
        self.c.take(
            self.rows.start,
            self.memory,
            #[inline(always)]
            // Rows of a tile, and vectors of a line.
            |c| match S::F32_LANES {
                16 => block.compute::<S, 12, 1>(simd, c),
                8 => block.compute::<S, 6, 2>(simd, c),
                4 => block.compute::<S, 6, 4>(simd, c),
                _ => block.compute::<S, 1, 16>(simd, c),
            },
        );
    }
}

/// What the rows are computed from.
struct Block<'a> {
    operand: Operand<'a>,
    panels: &'a Panels,
    columns: usize,
    /// The first row.
    first: usize,
    left: &'a mut Left,
}

impl Block<'_> {
    #[inline(always)]
    fn compute<S: Simd, const R: usize, const V: usize>(self, simd: S, c: &mut [f32]) {
        let (n, k) = (self.columns, self.operand.k);
        self.left.pack::<R>(self.operand, self.first, c.len() / n);
        let columns = self.left.packed.as_chunks::<R>().0;
        let parts = self.left.forms.iter().any(|f| matches!(f, Form::Part(_)));
        for (panel, column) in self.panels.each().zip((0..n).step_by(WIDTH)) {
            // What is left out has to be zero times a finite value.
            let parts = parts && panel.is_finite();
            let tiles = self.left.forms.iter().zip(c.chunks_mut(R * n));
            for (tile, (&form, rows)) in tiles.enumerate() {
                let columns = &columns[tile * k..][..k];
                let places = &self.left.places[tile * k..][..k];
                let sums: [[S::f32s; V]; R] = match (form, panel) {
                    (Form::Part(count), Panel::Whole(lines)) if parts => {
                        let lines = places[..count].iter().map(|&k| &lines[k as usize]);
                        let columns = &columns[..count];
                        sum(
                            simd,
                            lines.enumerate(),
                            #[inline(always)]
                            |k| values(&columns[k]),
                        )
                    }
                    (Form::Packed, Panel::Whole(lines)) => {
                        let columns = &columns[..lines.len()];
                        sum(
                            simd,
                            lines.iter().enumerate(),
                            #[inline(always)]
                            |k| values(&columns[k]),
                        )
                    }
                    (_, Panel::Whole(lines)) => {
                        let first = self.first + tile * R;
                        let rows: [&[f32]; R] =
                            std::array::from_fn(|i| &self.operand.row(first + i)[..lines.len()]);
                        sum(
                            simd,
                            lines.iter().enumerate(),
                            #[inline(always)]
                            move |k| move |i: usize| rows[i][k],
                        )
                    }
                    // Lines are left out beside a packed left operand only.
                    (_, Panel::Part(lines, places)) => {
                        let places = places.iter().map(|&k| k as usize);
                        sum(
                            simd,
                            places.zip(lines),
                            #[inline(always)]
                            |k| values(&columns[k]),
                        )
                    }
                };
                let mut rows = rows.chunks_mut(n);
                // A loop of fixed length, so that the sums are never indexed and stay in registers.
                for sums in sums {
                    if let Some(row) = rows.next() {
                        store::<S, V>(sums, &mut row[column..]);
                    }
                }
            }
        }
    }
}

impl<'a> Operand<'a> {
    /// A row where it is; past the last one that one again.
    #[inline(always)]
    fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row.min(self.m - 1) * self.k..][..self.k]
    }
}

impl Left {
    /// Packs what is better packed of `rows` rows. Past the last of them a tile holds values of no meaning.
    #[inline(always)]
    pub(super) fn pack<const R: usize>(
        &mut self,
        operand: Operand<'_>,
        first: usize,
        rows: usize,
    ) -> &[Form] {
        let k = operand.k;
        let tiles = rows.div_ceil(R);
        grow(&mut self.packed, tiles * k * R);
        grow(&mut self.places, tiles * k);
        self.forms.clear();
        let packed = self.packed.as_chunks_mut::<R>().0.chunks_mut(k);
        let memory = packed.zip(self.places.chunks_mut(k));
        for (tile, (columns, places)) in memory.take(tiles).enumerate() {
            let first = first + tile * R;
            self.forms.push(match operand.layout {
                Layout::Rows => {
                    let rows = std::array::from_fn(|i| &operand.row(first + i)[..columns.len()]);
                    pack_part(rows, columns, places)
                }
                Layout::Transposed => {
                    let stored = operand.values.chunks(operand.m);
                    for (values, column) in columns.iter_mut().zip(stored) {
                        let column = &column[first..];
                        match column.first_chunk() {
                            Some(whole) => *values = *whole,
                            None => values[..column.len()].copy_from_slice(column),
                        }
                    }
                    Form::Packed
                }
            });
        }
        &self.forms
    }
}

/// Packs the k at which one of the rows is not zero, where these are few.
#[inline(always)]
fn pack_part<const R: usize>(
    rows: [&[f32]; R],
    columns: &mut [[f32; R]],
    places: &mut [u32],
) -> Form {
    let at = |k: usize| -> [f32; R] { std::array::from_fn(|i| rows[i][k]) };
    let depth = columns.len();
    let samples = (0..depth).step_by(depth.div_ceil(SAMPLES));
    if 4 * samples.clone().filter(|&k| is_zero(&at(k))).count() < samples.len() {
        return Form::Rows;
    }
    let mut count = 0;
    for k in 0..depth {
        let values = at(k);
        // Written in any case, and overwritten by the next if it is zero: no branch.
        columns[count] = values;
        places[count] = k as u32;
        count += usize::from(!is_zero(&values));
    }
    Form::Part(count)
}

/// A column of packed values as a function of the row.
#[inline(always)]
fn values<const R: usize>(values: &[f32; R]) -> impl Fn(usize) -> f32 {
    move |row| values[row]
}

/// Σ over lines of the right operand, each times the column of the left one that has its number. A column is
/// a function of the row, because an array would go through memory.
#[inline(always)]
fn sum<'l, S: Simd, const R: usize, const V: usize, C: Fn(usize) -> f32>(
    simd: S,
    lines: impl Iterator<Item = (usize, &'l Line)>,
    column: impl Fn(usize) -> C,
) -> [[S::f32s; V]; R] {
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    for (k, line) in lines {
        let (line, _) = S::as_simd_f32s(&line.0);
        let line: [S::f32s; V] = std::array::from_fn(|j| line[j]);
        let column = column(k);
        for (i, sums) in sums.iter_mut().enumerate() {
            let value = simd.splat_f32s(column(i));
            for (sum, &line) in sums.iter_mut().zip(&line) {
                *sum = simd.mul_add_e_f32s(value, line, *sum);
            }
        }
    }
    sums
}

/// Writes the sums of a row to the start of `row`, as far as it reaches.
#[inline(always)]
fn store<S: Simd, const V: usize>(sums: [S::f32s; V], row: &mut [f32]) {
    match row.first_chunk_mut::<WIDTH>() {
        Some(whole) => S::as_mut_simd_f32s(whole).0.copy_from_slice(&sums),
        None => {
            let mut line = [0.0; WIDTH];
            S::as_mut_simd_f32s(&mut line).0.copy_from_slice(&sums);
            row.copy_from_slice(&line[..row.len()]);
        }
    }
}
