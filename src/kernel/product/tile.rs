//! Tiles: a few rows by one panel, summed over k in registers.

use pulp::{Arch, Simd, WithSimd};

use super::right::{Line, WIDTH};

/// Work on tiles, whose size depends on the vector instructions.
pub(super) trait OnTiles: Sized {
    /// What comes of it.
    type Output;

    /// Works on tiles of `R` rows by `V` vectors.
    fn on_tiles<S: Simd, const R: usize, const V: usize>(self, simd: S) -> Self::Output;
}

/// Work on tiles of the best size: their sums keep the multiply-adds busy, and leave room in the registers for a
/// line and a value.
pub(super) struct Tiled<W>(pub(super) W);

impl<W: OnTiles> WithSimd for Tiled<W> {
    type Output = W::Output;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> W::Output {
        match S::F32_LANES {
            16 => self.0.on_tiles::<S, 8, 1>(simd),
            8 => self.0.on_tiles::<S, 6, 2>(simd),
            4 => self.0.on_tiles::<S, 6, 4>(simd),
            _ => self.0.on_tiles::<S, 1, 16>(simd),
        }
    }
}

/// Rows of a tile.
pub(super) fn height(arch: Arch) -> usize {
    struct Height;
    impl OnTiles for Height {
        type Output = usize;

        #[inline(always)]
        fn on_tiles<S: Simd, const R: usize, const V: usize>(self, _: S) -> usize {
            R
        }
    }
    arch.dispatch(Tiled(Height))
}

/// A column of packed values as a function of the row.
#[inline(always)]
pub(super) fn values<const R: usize>(values: &[f32; R]) -> impl Fn(usize) -> f32 {
    move |row| values[row]
}

/// Σ over lines of the right operand, each times the column of the left one that has its number. A column is
/// a function of the row, because an array would go through memory.
#[inline(always)]
pub(super) fn sum<'l, S: Simd, const R: usize, const V: usize, C: Fn(usize) -> f32>(
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

/// Writes the sums of a tile to rows from column `at` on, as far as there are rows and columns.
#[inline(always)]
pub(super) fn store<'c, S: Simd, const R: usize, const V: usize>(
    sums: [[S::f32s; V]; R],
    mut rows: impl Iterator<Item = &'c mut [f32]>,
    at: usize,
) {
    // A loop of fixed length, so that the sums are never indexed and stay in registers.
    for sums in sums {
        if let Some(row) = rows.next() {
            let row = &mut row[at..];
            match row.first_chunk_mut::<WIDTH>() {
                Some(whole) => S::as_mut_simd_f32s(whole).0.copy_from_slice(&sums),
                None => {
                    let mut line = [0.0; WIDTH];
                    S::as_mut_simd_f32s(&mut line).0.copy_from_slice(&sums);
                    row.copy_from_slice(&line[..row.len()]);
                }
            }
        }
    }
}
