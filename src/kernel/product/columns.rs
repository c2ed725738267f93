//! Products of a left operand stored by rows, shared out by columns of the result, and by rows where the columns
//! are few. A task packs some panels of the right operand and uses them for all its rows at once: they come from
//! the nearest caches, and nobody waits for packing.
//!
//! Of the left operand each k at which all rows of a tile are zero is left out, where there are many.

use std::cell::RefCell;
use std::mem;
use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::right::{self, Line, WIDTH};
use super::tile::{OnTiles, Tiled, height, store, sum, values};
use super::{LEAST_WORK, Layout, grow, is_finite, is_zero};

/// Panels packed at a time: some, because reading short pieces of rows is slow; few, because they have to stay
/// near.
const GROUP: usize = 4;

/// Tiles that are computed before their rows are finished: few, because the rows have to be near then.
const NEAR: usize = 8;

/// Samples by which the zeros of a tile's rows are judged.
const SAMPLES: usize = 32;

/// What it costs to pack a panel, in tiles of it.
const PACKING: f64 = 0.7;

thread_local! {
    /// The left operand's tiles of a product that this thread called, kept for the next one.
    static TILES: RefCell<Vec<Tile>> = RefCell::default();
    /// The rows of its result and the pieces that they are cut into, empty between two products.
    static ROWS: RefCell<Pieces<'static>> = RefCell::default();
    static PIECES: RefCell<Pieces<'static>> = RefCell::default();
    /// The panels of a task, kept for the next one.
    static LINES: RefCell<Vec<Line>> = RefCell::default();
}

/// `a · b` of a stored `[m, k]` into `c`, of whose rows parts go to `finish(row, first column, values)`; no size
/// is zero.
pub(super) fn product(
    arch: Arch,
    [m, n, k]: [usize; 3],
    a: &[f32],
    b: (&[f32], Layout),
    c: &mut [f32],
    finish: &(impl Fn(usize, usize, &mut [f32]) + Sync),
) {
    let mut tiles = TILES.take();
    let left = Left { a, k };
    cut(arch, left, m, &mut tiles);
    let operands = Operands {
        left,
        tiles: &tiles,
        b,
        n,
    };
    let job = Job {
        arch,
        operands,
        height: height(arch),
        finish,
    };
    let block = Block {
        at: [0, 0],
        size: [m, n],
        parts: job.parts(m),
    };
    let (mut rows, mut pieces): (Pieces<'_>, Pieces<'_>) = (ROWS.take(), PIECES.take());
    rows.extend(c.chunks_mut(n));
    block.cut(job.height, &mut rows, &mut pieces);
    job.run(block, &mut pieces);
    ROWS.set(emptied(rows));
    PIECES.set(emptied(pieces));
    TILES.set(tiles);
}

/// Parts of rows of the result.
type Pieces<'a> = Vec<&'a mut [f32]>;

/// The memory of a list, which outlives what was in it: a conversion in place, which allocates nothing.
fn emptied(mut pieces: Pieces<'_>) -> Pieces<'static> {
    pieces.clear();
    pieces.into_iter().map(|_| Default::default()).collect()
}

/// A block of the result, and into how many parts it is to be cut.
#[derive(Clone, Copy)]
struct Block {
    /// Its first row and column.
    at: [usize; 2],
    /// Rows and columns.
    size: [usize; 2],
    /// Parts of the rows and of the columns.
    parts: [usize; 2],
}

impl Block {
    /// Two blocks, each of about half the parts, or none where it is one part.
    fn halves(self, height: usize) -> Option<[Self; 2]> {
        let (axis, unit) = match self.parts {
            [1, 1] => return None,
            [1, _] => (1, WIDTH),
            _ => (0, height),
        };
        let parts = self.parts[axis];
        let middle = self.size[axis].div_ceil(unit) * (parts / 2) / parts * unit;
        let [mut before, mut after] = [self, self];
        before.size[axis] = middle;
        before.parts[axis] = parts / 2;
        after.at[axis] += middle;
        after.size[axis] -= middle;
        after.parts[axis] = parts - parts / 2;
        Some([before, after])
    }

    /// Number of its pieces: of one row of one part each.
    fn pieces(self) -> usize {
        self.size[0] * self.parts[1]
    }

    /// Cuts this block off the front of its rows, into pieces that follow each other as the parts do.
    fn cut<'a>(self, height: usize, rows: &mut [&'a mut [f32]], pieces: &mut Pieces<'a>) {
        match self.halves(height) {
            Some([before, after]) if self.parts[0] > 1 => {
                let (above, below) = rows.split_at_mut(before.size[0]);
                before.cut(height, above, pieces);
                after.cut(height, below, pieces);
            }
            Some([before, after]) => {
                before.cut(height, rows, pieces);
                after.cut(height, rows, pieces);
            }
            None => pieces.extend(rows.iter_mut().map(|row| {
                let (piece, rest) = mem::take(row).split_at_mut(self.size[1]);
                *row = rest;
                piece
            })),
        }
    }
}

/// Cuts the left operand's `m` rows into tiles and packs those that have many zeros.
pub(super) fn cut(arch: Arch, left: Left<'_>, m: usize, tiles: &mut Vec<Tile>) {
    arch.dispatch(Tiled(Cut { left, m, tiles }));
    if tiles.iter().any(|tile| tile.packed.is_some()) {
        let tiles = tiles.par_iter_mut().enumerate();
        let tiles = tiles.filter(|(_, tile)| tile.packed.is_some());
        tiles.for_each(|(number, tile)| arch.dispatch(Tiled(Pack { left, number, tile })));
    }
}

/// The left operand, stored by rows of `k`.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    pub(super) a: &'a [f32],
    pub(super) k: usize,
}

impl<'a> Left<'a> {
    /// The rows of a tile; past the last one that one again.
    #[inline(always)]
    fn rows<const R: usize>(self, tile: usize) -> [&'a [f32]; R] {
        let last = self.a.len() / self.k - 1;
        let row = |i: usize| &self.a[(tile * R + i).min(last) * self.k..][..self.k];
        std::array::from_fn(row)
    }
}

/// Some rows of the left operand.
#[derive(Default)]
pub(super) struct Tile {
    /// How many k are packed; none where the rows are read where they are.
    pub(super) packed: Option<usize>,
    /// The values of a k side by side.
    columns: Vec<f32>,
    /// The k of each.
    places: Vec<u32>,
}

impl Tile {
    /// Packs the k at which one of the rows is not zero.
    #[inline(always)]
    fn pack<const R: usize>(&mut self, rows: [&[f32]; R]) {
        let depth = rows[0].len();
        grow(&mut self.columns, depth * R);
        grow(&mut self.places, depth);
        let columns = &mut self.columns.as_chunks_mut().0[..depth];
        let places = &mut self.places[..depth];
        let rows = rows.map(|row| &row[..depth]);
        let mut count = 0;
        for k in 0..depth {
            let values = at(rows, k);
            // Written in any case, and overwritten by the next if it is zero: no branch.
            columns[count] = values;
            places[count] = k as u32;
            count += usize::from(!is_zero(&values));
        }
        self.packed = Some(count);
    }
}

#[inline(always)]
fn at<const R: usize>(rows: [&[f32]; R], k: usize) -> [f32; R] {
    std::array::from_fn(|i| rows[i][k])
}

/// Whether over a quarter of some samples of k are zero in all rows.
#[inline(always)]
fn has_zeros<const R: usize>(rows: [&[f32]; R]) -> bool {
    let depth = rows[0].len();
    let samples = (0..depth).step_by(depth.div_ceil(SAMPLES));
    let all = samples.len();
    4 * samples.filter(|&k| is_zero(&at(rows, k))).count() > all
}

/// Cuts the left operand into tiles, and marks those that are to be packed.
struct Cut<'a> {
    left: Left<'a>,
    m: usize,
    tiles: &'a mut Vec<Tile>,
}

impl OnTiles for Cut<'_> {
    type Output = ();

    #[inline(always)]
    fn on_tiles<S: Simd, const R: usize, const V: usize>(self, _: S) {
        self.tiles.resize_with(self.m.div_ceil(R), Tile::default);
        for (i, tile) in self.tiles.iter_mut().enumerate() {
            tile.packed = has_zeros(self.left.rows::<R>(i)).then_some(0);
        }
    }
}

/// Packs a tile.
struct Pack<'a> {
    left: Left<'a>,
    number: usize,
    tile: &'a mut Tile,
}

impl OnTiles for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn on_tiles<S: Simd, const R: usize, const V: usize>(self, _: S) {
        self.tile.pack(self.left.rows::<R>(self.number));
    }
}

/// What is multiplied.
#[derive(Clone, Copy)]
struct Operands<'a> {
    left: Left<'a>,
    tiles: &'a [Tile],
    b: (&'a [f32], Layout),
    n: usize,
}

/// A product that is shared out.
struct Job<'a, G> {
    arch: Arch,
    operands: Operands<'a>,
    /// Rows of a tile.
    height: usize,
    finish: &'a G,
}

impl<G: Fn(usize, usize, &mut [f32]) + Sync> Job<'_, G> {
    /// Into how many parts to cut rows and columns, so that the largest takes the least time.
    fn parts(&self, m: usize) -> [usize; 2] {
        let threads = rayon::current_num_threads();
        let Operands { left, tiles, n, .. } = self.operands;
        let parts = (m * n * left.k / LEAST_WORK).clamp(1, threads);
        let (tiles, panels) = (tiles.len(), n.div_ceil(WIDTH));
        let time = |columns: usize| {
            let tiles = tiles.div_ceil(parts.div_ceil(columns));
            panels.div_ceil(columns) as f64 * (tiles as f64 + PACKING)
        };
        let columns = (1..=parts.min(panels))
            .min_by(|&a, &b| time(a).total_cmp(&time(b)))
            .unwrap_or(1);
        [parts.div_ceil(columns).min(tiles), columns]
    }

    /// Computes a block, of which `c` are the pieces.
    fn run(&self, block: Block, c: &mut [&mut [f32]]) {
        if let Some([before, after]) = block.halves(self.height) {
            let (left, right) = c.split_at_mut(before.pieces());
            rayon::join(|| self.run(before, left), || self.run(after, right));
            return;
        }
        let mut lines = LINES.take();
        let width = GROUP * WIDTH;
        grow(&mut lines, GROUP * self.operands.left.k);
        for first in (0..block.size[1]).step_by(width) {
            let columns = first..block.size[1].min(first + width);
            let group = Group {
                operands: self.operands,
                first: block.at[1] + first,
                columns,
            };
            let has_zeros = self.arch.dispatch(Packing {
                group: &group,
                lines: &mut lines,
            });
            let rows = NEAR * self.height;
            for (i, c) in c.chunks_mut(rows).enumerate() {
                let row = block.at[0] + i * rows;
                // Calls of their own: compiled into one, whatever finishes a row would take registers from the sums.
                self.arch.dispatch(Tiled(Sums {
                    group: &group,
                    row,
                    c,
                    lines: &lines,
                    has_zeros,
                }));
                self.arch.dispatch(Finishing {
                    finish: self.finish,
                    group: &group,
                    row,
                    c,
                });
            }
        }
        LINES.set(lines);
    }
}

/// A few panels.
struct Group<'a> {
    operands: Operands<'a>,
    /// Their first column.
    first: usize,
    /// Where their columns are in a piece.
    columns: Range<usize>,
}

impl Group<'_> {
    /// Lines of its panels.
    fn lines(&self) -> usize {
        self.columns.len().div_ceil(WIDTH) * self.operands.left.k
    }
}

/// Packs the right operand's columns; gives whether any zeros may be left out.
struct Packing<'a> {
    group: &'a Group<'a>,
    lines: &'a mut [Line],
}

impl WithSimd for Packing<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        let Operands { left, tiles, b, n } = self.group.operands;
        let lines = &mut self.lines[..self.group.lines()];
        right::pack(b, [left.k, n], self.group.first, lines);
        // What is left out has to be zero times a finite value.
        tiles.iter().any(|tile| tile.packed.is_some()) && is_finite(bytemuck::cast_slice(lines))
    }
}

/// Computes some rows as far as a group's columns.
struct Sums<'a, 'c> {
    group: &'a Group<'a>,
    /// The first row.
    row: usize,
    /// The rows' pieces.
    c: &'a mut [&'c mut [f32]],
    lines: &'a [Line],
    has_zeros: bool,
}

impl OnTiles for Sums<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn on_tiles<S: Simd, const R: usize, const V: usize>(self, simd: S) {
        let Operands { left, tiles, .. } = self.group.operands;
        let lines = &self.lines[..self.group.lines()];
        for (i, c) in self.c.chunks_mut(R).enumerate() {
            let tile = self.row / R + i;
            let rows: [&[f32]; R] = left.rows(tile);
            let tile = &tiles[tile];
            let packed = tile.packed.filter(|_| self.has_zeros);
            let columns = self.group.columns.clone().step_by(WIDTH);
            for (lines, at) in lines.chunks(left.k).zip(columns) {
                let sums: [[S::f32s; V]; R] = match packed {
                    Some(count) => {
                        let columns = &tile.columns.as_chunks::<R>().0[..count];
                        let places = &tile.places[..count];
                        let lines = places.iter().map(|&k| &lines[k as usize]);
                        sum(
                            simd,
                            lines.enumerate(),
                            #[inline(always)]
                            |k| values(&columns[k]),
                        )
                    }
                    None => {
                        let rows: [&[f32]; R] = std::array::from_fn(|i| &rows[i][..lines.len()]);
                        sum(
                            simd,
                            lines.iter().enumerate(),
                            #[inline(always)]
                            |k| move |i: usize| rows[i][k],
                        )
                    }
                };
                store::<S, R, V>(sums, c.iter_mut().map(|row| &mut **row), at);
            }
        }
    }
}

/// Finishes rows as far as a group's columns.
struct Finishing<'a, 'c, G> {
    finish: &'a G,
    group: &'a Group<'a>,
    /// The first row.
    row: usize,
    /// The rows' pieces.
    c: &'a mut [&'c mut [f32]],
}

impl<G: Fn(usize, usize, &mut [f32])> WithSimd for Finishing<'_, '_, G> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Group { first, columns, .. } = self.group;
        for (i, c) in self.c.iter_mut().enumerate() {
            (self.finish)(self.row + i, *first, &mut c[columns.clone()]);
        }
    }
}
