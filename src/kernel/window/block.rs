//! The sums of a weight gradient over a block of pixels.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::border::Place;
use super::tile::{OnTiles, add, panels, step};
use crate::kernel::product::right::{EIGHT, Line, WIDTH, transpose_block};

/// Pixels of a block: their lines have to stay in the nearest cache.
pub(super) const BLOCK: usize = 256;

/// Values of patches, and pixels, that are packed at a time. Each panel is used for all of them while it is near. All
/// tiles' heights divide the former.
pub(super) const TOGETHER: usize = 48;
const NEAR: usize = BLOCK;

/// Lines of packed patches.
pub(super) const PACKED: usize = TOGETHER * NEAR / WIDTH;

/// A block's patches.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) copy: &'a [f32],
    pub(super) places: &'a [Place],
    /// Values from a row of the copy to the next.
    pub(super) pitch: usize,
    /// Neighbouring values of a patch.
    pub(super) run: usize,
}

/// Adds a block's products to those of some k.
pub(super) struct Add<'a> {
    pub(super) block: Block<'a>,
    pub(super) panels: &'a [Line],
    /// Columns of all panels.
    pub(super) channels: usize,
    /// The first k.
    pub(super) first: usize,
    /// `[k, panels]`
    pub(super) products: &'a mut [Line],
    /// Memory for packed patches.
    pub(super) packed: &'a mut [Line],
}

impl OnTiles for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn on_tiles<
        S: Simd,
        const R: usize,
        const P: usize,
        const V: usize,
        const TALL: usize,
        const HALF: usize,
    >(
        mut self,
        simd: S,
    ) {
        let [whole, half] = panels::<S, P, HALF>(self.channels);
        self.panels::<S, R, P, V>(simd, whole);
        self.panels::<S, TALL, 1, HALF>(simd, half);
    }
}

impl Add<'_> {
    /// Adds the products of all its k with some panels.
    #[inline(always)]
    fn panels<S: Simd, const R: usize, const P: usize, const V: usize>(
        &mut self,
        simd: S,
        panels: Range<usize>,
    ) {
        if panels.is_empty() {
            return;
        }
        let (pixels, all) = (self.block.places.len(), self.channels.div_ceil(WIDTH));
        let last = self.first + self.products.len() / all;
        let packed: &mut [f32] = bytemuck::cast_slice_mut(self.packed);
        let (patches, _) = packed.as_chunks_mut::<R>();
        for (part, places) in self.block.places.chunks(NEAR).enumerate() {
            for (i, products) in self.products.chunks_mut(TOGETHER * all).enumerate() {
                let first = self.first + i * TOGETHER;
                let patches = &mut patches[..TOGETHER / R * places.len()];
                self.block.pack(first..last, places, patches);
                for panel in panels.clone().step_by(P) {
                    let lines: [&[Line]; P] = std::array::from_fn(|p| {
                        let first = (panel + p) * pixels + part * NEAR;
                        &self.panels[first..][..places.len()]
                    });
                    let tiles = products.chunks_mut(R * all);
                    for (patches, products) in patches.chunks(places.len()).zip(tiles) {
                        let products = products.chunks_mut(all).map(|row| &mut row[panel..]);
                        multiply::<S, R, P, V>(simd, patches, lines, products);
                    }
                }
            }
        }
    }
}

/// Adds the products of the values of a tile and the lines of some panels, pixel by pixel.
#[inline(always)]
fn multiply<'a, S: Simd, const R: usize, const P: usize, const V: usize>(
    simd: S,
    patches: &[[f32; R]],
    lines: [&[Line]; P],
    mut products: impl Iterator<Item = &'a mut [Line]>,
) {
    let mut sums = [[[simd.splat_f32s(0.0); V]; P]; R];
    for (pixel, values) in patches.iter().enumerate() {
        let lines: [&Line; P] = std::array::from_fn(|p| &lines[p][pixel]);
        add(
            simd,
            &mut sums,
            lines,
            #[inline(always)]
            |i| values[i],
        );
    }
    // A loop of fixed length, so that the sums are never indexed and stay in registers.
    for sums in sums {
        if let Some(products) = products.next() {
            for (product, sums) in products.iter_mut().zip(sums) {
                let (product, _) = S::as_mut_simd_f32s(&mut product.0);
                for (product, sum) in product.iter_mut().zip(sums) {
                    *product = simd.add_f32s(*product, sum);
                }
            }
        }
    }
}

impl Block<'_> {
    /// Copies values of some k from the patches of pixels, tile by tile.
    #[inline(always)]
    fn pack<const R: usize>(&self, some: Range<usize>, places: &[Place], patches: &mut [[f32; R]]) {
        let tiles = patches.chunks_mut(2 * places.len());
        for (pair, k) in tiles.zip(some.clone().step_by(2 * R)) {
            let (one, other) = pair.split_at_mut(places.len());
            let next = k + R;
            if !other.is_empty() && next + R <= some.end && k % self.run + 2 * R <= self.run {
                // Two at once, because each takes less time than to find the place.
                let copy = &self.copy[self.offset(k)..];
                for ((one, other), place) in one.iter_mut().zip(other).zip(places) {
                    let (tiles, _) = copy[place.patch as usize..].as_chunks();
                    [*one, *other] = *step(tiles);
                }
                continue;
            }
            self.pack_tile(k..some.end, places, one);
            if next < some.end {
                self.pack_tile(next..some.end, places, other);
            }
        }
    }

    /// The same for a tile; past the last k that one again.
    #[inline(always)]
    fn pack_tile<const R: usize>(
        &self,
        some: Range<usize>,
        places: &[Place],
        patches: &mut [[f32; R]],
    ) {
        if some.len() >= R && some.start % self.run + R <= self.run {
            let copy = &self.copy[self.offset(some.start)..];
            for (values, place) in patches.iter_mut().zip(places) {
                *values = *step(&copy[place.patch as usize..]);
            }
            return;
        }
        let offsets: [usize; R] =
            std::array::from_fn(|i| self.offset((some.start + i).min(some.end - 1)));
        for (values, place) in patches.iter_mut().zip(places) {
            let patch = &self.copy[place.patch as usize..];
            for (value, offset) in values.iter_mut().zip(offsets) {
                *value = patch[offset];
            }
        }
    }

    /// Where value k of a patch lies.
    #[inline(always)]
    fn offset(&self, k: usize) -> usize {
        k / self.run * self.pitch + k % self.run
    }
}

/// Turns the products of a panel, of every so many lines one, into rows of the partial sums.
pub(super) struct Turn<'a> {
    pub(super) products: &'a [Line],
    /// Lines from one of the panel to the next.
    pub(super) panels: usize,
    /// `[channels of the panel, k]`
    pub(super) rows: &'a mut [f32],
}

impl WithSimd for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let depth = self.products.len().div_ceil(self.panels);
        let line = |k: usize| &self.products[k * self.panels].0;
        for (part, rows) in self.rows.chunks_mut(EIGHT * depth).enumerate() {
            let column = part * EIGHT;
            for first in (0..depth).step_by(EIGHT) {
                let block = std::array::from_fn(|i| {
                    let line = line((first + i).min(depth - 1));
                    std::array::from_fn(|j| line[column + j])
                });
                for (row, turned) in rows.chunks_mut(depth).zip(transpose_block(block)) {
                    let row = &mut row[first..];
                    match row.first_chunk_mut() {
                        Some(whole) => *whole = turned,
                        None => row.copy_from_slice(&turned[..row.len()]),
                    }
                }
            }
        }
    }
}

/// Adds a block's products for few channels, with vectors along the patches.
pub(super) struct AddFew<'a> {
    pub(super) block: Block<'a>,
    /// `[pixels, channels]`
    pub(super) out: &'a [f32],
    /// `[channels, k]`
    pub(super) partial: &'a mut [f32],
}

impl WithSimd for AddFew<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        match self.out.len() / self.block.places.len() {
            1 => self.channels::<S, 1, 8>(simd),
            2 => self.channels::<S, 2, 6>(simd),
            3 => self.channels::<S, 3, 4>(simd),
            _ => self.channels::<S, 4, 3>(simd),
        }
    }
}

impl AddFew<'_> {
    /// The same for `N` channels, with `V` vectors at a time.
    #[inline(always)]
    fn channels<S: Simd, const N: usize, const V: usize>(&mut self, simd: S) {
        let Block {
            copy,
            places,
            pitch,
            run,
        } = self.block;
        let (out, _) = self.out.as_chunks::<N>();
        let depth = self.partial.len() / N;
        for (y, at) in (0..depth).step_by(run).enumerate() {
            for first in (0..run).step_by(V * S::F32_LANES) {
                let values = &copy[y * pitch + first..];
                let mut sums = [[simd.splat_f32s(0.0); V]; N];
                for (place, out) in places.iter().zip(out) {
                    let values = &values[place.patch as usize..][..V * S::F32_LANES];
                    let (values, _) = S::as_simd_f32s(values);
                    let values: [S::f32s; V] = std::array::from_fn(|v| values[v]);
                    for (sums, &out) in sums.iter_mut().zip(out) {
                        let out = simd.splat_f32s(out);
                        for (sum, &value) in sums.iter_mut().zip(&values) {
                            *sum = simd.mul_add_e_f32s(out, value, *sum);
                        }
                    }
                }
                let rows = self.partial.chunks_mut(depth).zip(sums);
                for (row, sums) in rows {
                    let row = row[at + first..at + run].chunks_mut(S::F32_LANES);
                    for (values, sum) in row.zip(sums) {
                        let added = simd.add_f32s(simd.partial_load_f32s(values), sum);
                        simd.partial_store_f32s(values, added);
                    }
                }
            }
        }
    }
}
