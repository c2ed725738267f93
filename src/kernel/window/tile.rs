//! Tiles: a few pixels by a panel or two of 16 columns, summed in registers.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::kernel::product::right::{Line, WIDTH};

/// Work on tiles, whose size depends on the vector instructions.
pub(super) trait OnTiles: Sized {
    /// What comes of it.
    type Output;

    /// Works on tiles of `R` rows by `P` panels of `V` vectors, and on tall ones, of `TALL` rows by `HALF` vectors,
    /// where half of the columns of the others are enough.
    fn on_tiles<
        S: Simd,
        const R: usize,
        const P: usize,
        const V: usize,
        const TALL: usize,
        const HALF: usize,
    >(
        self,
        simd: S,
    ) -> Self::Output;
}

/// Work on tiles of the best size: their sums keep the multiply-adds busy, and leave room in the registers for a
/// line and a value.
pub(super) struct Tiled<W>(pub(super) W);

impl<W: OnTiles> WithSimd for Tiled<W> {
    type Output = W::Output;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> W::Output {
        match S::F32_LANES {
            16 => self.0.on_tiles::<S, 8, 2, 1, 16, 1>(simd),
            8 => self.0.on_tiles::<S, 6, 1, 2, 12, 1>(simd),
            4 => self.0.on_tiles::<S, 6, 1, 4, 12, 2>(simd),
            _ => self.0.on_tiles::<S, 1, 1, 16, 2, 8>(simd),
        }
    }
}

/// The panels of some columns that tiles of `P` panels are for, and the last one, if it has so few columns that tall
/// ones are enough.
#[inline(always)]
pub(super) fn panels<S: Simd, const P: usize, const HALF: usize>(
    columns: usize,
) -> [Range<usize>; 2] {
    let count = columns.div_ceil(WIDTH);
    let last = (count - 1) / P * P;
    let whole = match columns - last * WIDTH <= HALF * S::F32_LANES {
        true => last,
        false => count,
    };
    [0..whole, whole..count]
}

/// The sums of a tile: of each row, for each panel, its first vectors.
pub(super) type Sums<V, const R: usize, const P: usize, const N: usize> = [[[V; N]; P]; R];

/// Values whose bounds are checked at once.
const STEP: usize = 8;

/// Patches in a copy with a border.
#[derive(Clone, Copy)]
pub(super) struct Patches<'a> {
    pub(super) copy: &'a [f32],
    /// Values from a row of the copy to the next.
    pub(super) pitch: usize,
    /// Neighbouring values of a patch, at least one.
    pub(super) run: usize,
}

/// Σ over k of the values of each patch, each times the line of the panels that has its number.
#[inline(always)]
pub(super) fn of_patches<S: Simd, const R: usize, const P: usize, const V: usize>(
    simd: S,
    patches: Patches<'_>,
    starts: [usize; R],
    panels: [&[Line]; P],
) -> Sums<S::f32s, R, P, V> {
    let Patches { copy, pitch, run } = patches;
    let mut sums = [[[simd.splat_f32s(0.0); V]; P]; R];
    let mut at = 0;
    for (y, lines) in panels[0].chunks_exact(run).enumerate() {
        let len = lines.len();
        let panels: [&[Line]; P] = std::array::from_fn(|p| &panels[p][y * run..][..len]);
        // A loop, because `from_fn` would not always be inlined.
        let mut rows: [&[f32]; R] = [&[]; R];
        for (row, start) in rows.iter_mut().zip(starts) {
            *row = &copy[start + at..][..len];
        }
        at += pitch;
        let whole = len - len % STEP;
        for first in (0..whole).step_by(STEP) {
            let lines: [&[Line; STEP]; P] = std::array::from_fn(|p| step(&panels[p][first..]));
            let values: [&[f32; STEP]; R] = std::array::from_fn(|i| step(&rows[i][first..]));
            for k in 0..STEP {
                let lines: [&Line; P] = std::array::from_fn(|p| &lines[p][k]);
                add(
                    simd,
                    &mut sums,
                    lines,
                    #[inline(always)]
                    |i| values[i][k],
                );
            }
        }
        for k in whole..len {
            let lines: [&Line; P] = std::array::from_fn(|p| &panels[p][k]);
            add(
                simd,
                &mut sums,
                lines,
                #[inline(always)]
                |i| rows[i][k],
            );
        }
    }
    sums
}

/// The first values, of which there are enough.
#[inline(always)]
pub(super) fn step<T, const N: usize>(values: &[T]) -> &[T; N] {
    let (chunks, _) = values.as_chunks();
    &chunks[0]
}

/// Adds a value for each row, times a line for each panel.
#[inline(always)]
pub(super) fn add<S: Simd, const R: usize, const P: usize, const V: usize>(
    simd: S,
    sums: &mut Sums<S::f32s, R, P, V>,
    lines: [&Line; P],
    value: impl Fn(usize) -> f32,
) {
    let lines: [[S::f32s; V]; P] = std::array::from_fn(|p| {
        let (line, _) = S::as_simd_f32s(&lines[p].0);
        std::array::from_fn(|v| line[v])
    });
    for (i, sums) in sums.iter_mut().enumerate() {
        let value = simd.splat_f32s(value(i));
        for (sums, lines) in sums.iter_mut().zip(&lines) {
            for (sum, &line) in sums.iter_mut().zip(lines) {
                *sum = simd.mul_add_e_f32s(value, line, *sum);
            }
        }
    }
}

/// Writes vectors as far as there are values.
#[inline(always)]
pub(super) fn store<S: Simd, const V: usize>(sums: [S::f32s; V], out: &mut [f32]) {
    match out.get_mut(..V * S::F32_LANES) {
        Some(whole) => S::as_mut_simd_f32s(whole).0.copy_from_slice(&sums),
        None => {
            let mut line = Line::default();
            S::as_mut_simd_f32s(&mut line.0).0[..V].copy_from_slice(&sums);
            out.copy_from_slice(&line.0[..out.len()]);
        }
    }
}
