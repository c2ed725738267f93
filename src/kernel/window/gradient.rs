//! The gradient of the weights: a product of patches, transposed, and what has a pixel for each window.
//!
//! It is computed block of pixels by block of pixels. Of a block, patches are read where they lie in a copy with a
//! border, one value of some k after another, and the other operand is packed in panels. Sums over a block stay in
//! registers; `[k, channels of out]` of them are kept in memory, and turned in the end.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::border::{Border, Place};
use super::geometry::{Geometry, even};
use super::tile::{OnTiles, Tiled, add};
use super::weights::FEW;
use super::{LINES, PLACES, Vectors, Window};
use crate::kernel::product::right::{self, EIGHT, Line, WIDTH, transpose_block};
use crate::kernel::product::{LEAST_WORK, Layout, is_finite};
use crate::kernel::scratch::scratch;

/// Pixels of a block: their lines have to stay in the nearest cache.
const BLOCK: usize = 192;

/// Lines that a vector may reach beyond the last value of a copy.
const BEYOND: usize = 8;

/// Computes all parts, if all of `out` is finite; says whether it is, and there is anything to add.
pub(super) fn gradient(
    vectors: impl Vectors,
    window: &Window,
    out: &[f32],
    map: &[f32],
    partials: &mut [f32],
    sums: &mut [f32],
) -> bool {
    if window.weights() == 0 || window.out_values() == 0 {
        return false;
    }
    let [height, width, filters] = window.out;
    let border = Border::new(Geometry::convolution(*window));
    let rows = even(height, BLOCK / width);
    let job = Job {
        vectors,
        window,
        border: &border,
        out,
        map,
        rows,
        panels: if filters > FEW {
            filters.div_ceil(WIDTH)
        } else {
            0
        },
        copied: border.values(0..rows).div_ceil(WIDTH) + BEYOND,
        adds_up: !sums.is_empty(),
    };
    let parts = window.parts();
    scratch(&LINES, parts * job.lines(), |lines| {
        scratch(&PLACES, parts * rows * width, |places| {
            let places = places.par_chunks_mut(rows * width);
            let memories = lines.par_chunks_mut(job.lines());
            let partials = partials.par_chunks_mut(window.weights());
            let parts = partials.zip(memories).zip(places).enumerate();
            let finite = parts.all(|(part, ((partial, memory), places))| {
                job.part(window.part(part), job.cut(memory), places, partial)
            });
            let sums = sums.chunks_mut(filters);
            for (sums, lines) in sums.zip(lines.chunks_mut(job.lines())) {
                let added: &[f32] = bytemuck::cast_slice(job.cut(lines).sums);
                sums.copy_from_slice(&added[..filters]);
            }
            finite
        })
    })
}

/// A weight gradient that is shared out.
struct Job<'a, A> {
    vectors: A,
    window: &'a Window,
    border: &'a Border,
    out: &'a [f32],
    map: &'a [f32],
    /// Rows of `out` of a block.
    rows: usize,
    /// Panels of `out`; none where it has few channels.
    panels: usize,
    /// Lines of a copy.
    copied: usize,
    /// Whether `out` is added up.
    adds_up: bool,
}

/// What a part needs.
struct Memory<'a> {
    /// What the pixels of a block are sums over.
    copy: &'a mut [Line],
    /// Panels of a block of `out`.
    panels: &'a mut [Line],
    /// Sums, `[k, panels]`.
    products: &'a mut [Line],
    /// Sums of `out`.
    sums: &'a mut [Line],
}

impl<A: Vectors> Job<'_, A> {
    /// Pixels of a block.
    fn pixels(&self) -> usize {
        self.rows * self.window.out[1]
    }

    /// Lines of the memory of a part.
    fn lines(&self) -> usize {
        self.copied + self.panels * (self.pixels() + self.window.patch() + 1) + 1
    }

    fn cut<'m>(&self, lines: &'m mut [Line]) -> Memory<'m> {
        let (copy, lines) = lines.split_at_mut(self.copied);
        let (panels, lines) = lines.split_at_mut(self.panels * self.pixels());
        let (products, sums) = lines.split_at_mut(self.panels * self.window.patch());
        Memory {
            copy,
            panels,
            products,
            sums,
        }
    }

    /// The blocks of some images: rows of `out` over all images.
    fn blocks(&self, images: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let ([height, ..], rows) = (self.window.out, self.rows);
        let some = (rows / height).max(1);
        let groups = images.clone().step_by(some);
        groups.flat_map(move |first| {
            let end = images.end.min(first + some) * height;
            (first * height..end)
                .step_by(rows)
                .map(move |first| first..end.min(first + rows))
        })
    }

    /// Computes the partial sums of some images; says whether all of `out` is finite.
    fn part(
        &self,
        images: Range<usize>,
        memory: Memory<'_>,
        places: &mut [Place],
        partial: &mut [f32],
    ) -> bool {
        let Memory {
            copy,
            panels,
            products,
            sums,
        } = memory;
        let Window { out, .. } = *self.window;
        products.fill(Line::default());
        sums.fill(Line::default());
        if self.panels == 0 {
            partial.fill(0.0);
        }
        for rows in self.blocks(images) {
            let pixels = rows.start * out[1]..rows.end * out[1];
            let out = &self.out[pixels.start * out[2]..pixels.end * out[2]];
            let panels = &mut panels[..self.panels * pixels.len()];
            let prepare = Prepare {
                job: self,
                rows,
                out,
                copy: &mut *copy,
                places: &mut *places,
                panels: &mut *panels,
                sums: &mut *sums,
            };
            if !self.vectors.run(prepare) {
                return false;
            }
            let block = Block {
                copy: bytemuck::cast_slice(copy),
                places: &places[..pixels.len()],
                pitch: self.border.pitch(),
                run: self.window.kernel * self.window.map[2],
            };
            if self.panels == 0 {
                let few = AddFew {
                    block,
                    out,
                    partial: &mut *partial,
                };
                self.vectors.run(few);
                continue;
            }
            let share = (4 * LEAST_WORK)
                .div_ceil(pixels.len() * self.panels * WIDTH)
                .next_multiple_of(SHARED);
            let shares = products.par_chunks_mut(share * self.panels).enumerate();
            shares.for_each(|(i, products)| {
                self.vectors.run(Tiled(Add {
                    block,
                    panels,
                    channels: self.window.out[2],
                    first: i * share,
                    products,
                }));
            });
        }
        if self.panels > 0 {
            let rows = partial.par_chunks_mut(WIDTH * self.window.patch());
            rows.enumerate().for_each(|(panel, rows)| {
                self.vectors.run(Turn {
                    products: &products[panel..],
                    panels: self.panels,
                    rows,
                });
            });
        }
        true
    }
}

/// What the k of a share are a multiple of: the heights of all tiles.
const SHARED: usize = 48;

/// Copies and packs a block; says whether all of `out` is finite.
struct Prepare<'a, A> {
    job: &'a Job<'a, A>,
    rows: Range<usize>,
    /// `[pixels, channels]`
    out: &'a [f32],
    copy: &'a mut [Line],
    places: &'a mut [Place],
    panels: &'a mut [Line],
    sums: &'a mut [Line],
}

impl<A> WithSimd for Prepare<'_, A> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        let Job {
            border,
            window,
            map,
            adds_up,
            ..
        } = *self.job;
        let filters = window.out[2];
        let pixels = self.out.len() / filters;
        border.copy(self.rows.clone(), map, bytemuck::cast_slice_mut(self.copy));
        for phase in Geometry::convolution(*window).pairs() {
            border.places(self.rows.clone(), phase, self.places);
        }
        if self.job.panels > 0 {
            right::pack((self.out, Layout::Rows), [pixels, filters], 0, self.panels);
        }
        if adds_up && self.job.panels > 0 {
            for (sums, lines) in self.sums.iter_mut().zip(self.panels.chunks(pixels)) {
                let mut added = Line::default();
                for line in lines {
                    for (added, value) in added.0.iter_mut().zip(line.0) {
                        *added += value;
                    }
                }
                for (sum, added) in sums.0.iter_mut().zip(added.0) {
                    *sum += added;
                }
            }
        } else if adds_up {
            for (i, sum) in self.sums[0].0[..filters].iter_mut().enumerate() {
                *sum += self.out.chunks(filters).map(|out| out[i]).sum::<f32>();
            }
        }
        is_finite(self.out)
    }
}

/// A block's patches.
#[derive(Clone, Copy)]
struct Block<'a> {
    copy: &'a [f32],
    places: &'a [Place],
    /// Values from a row of the copy to the next.
    pitch: usize,
    /// Neighbouring values of a patch.
    run: usize,
}

/// Adds a block's products to those of some k.
struct Add<'a> {
    block: Block<'a>,
    panels: &'a [Line],
    /// Columns of all panels.
    channels: usize,
    /// The first k.
    first: usize,
    /// `[k, panels]`
    products: &'a mut [Line],
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
        let (pixels, lines) = (self.block.places.len(), self.panels);
        for (panel, column) in (0..self.channels).step_by(WIDTH).enumerate().step_by(P) {
            let panels = lines[panel * pixels..].chunks(pixels);
            if self.channels - column <= HALF * S::F32_LANES {
                self.rows::<S, TALL, 1, HALF>(simd, panel, first(panels));
            } else {
                self.rows::<S, R, P, V>(simd, panel, first(panels));
            }
        }
    }
}

/// The first panels, of which there are enough.
#[inline(always)]
fn first<'a, const P: usize>(mut panels: impl Iterator<Item = &'a [Line]>) -> [&'a [Line]; P] {
    std::array::from_fn(|_| panels.next().unwrap_or_default())
}

impl Add<'_> {
    /// Adds the products of all its k with some panels, the first of which is number `panel`.
    #[inline(always)]
    fn rows<S: Simd, const R: usize, const P: usize, const V: usize>(
        &mut self,
        simd: S,
        panel: usize,
        lines: [&[Line]; P],
    ) {
        let Block {
            copy,
            places,
            pitch,
            run,
        } = self.block;
        let panels = self.panels.len() / places.len();
        let depth = self.products.len() / panels;
        let offset = |k: usize| (self.first + k) / run * pitch + (self.first + k) % run;
        // All patches lie before the end of this: one check of bounds does for all rows of a tile.
        let reach = copy.len() - offset(depth - 1);
        for (tile, products) in self.products.chunks_mut(R * panels).enumerate() {
            let rows: [&[f32]; R] =
                std::array::from_fn(|i| &copy[offset((tile * R + i).min(depth - 1))..][..reach]);
            let mut sums = [[[simd.splat_f32s(0.0); V]; P]; R];
            for (pixel, place) in places.iter().enumerate() {
                let lines: [&Line; P] = std::array::from_fn(|p| &lines[p][pixel]);
                add(
                    simd,
                    &mut sums,
                    lines,
                    #[inline(always)]
                    |i| rows[i][place.patch as usize],
                );
            }
            let mut products = products.chunks_mut(panels);
            for sums in sums {
                if let Some(products) = products.next() {
                    for (product, sums) in products[panel..].iter_mut().zip(sums) {
                        let (product, _) = S::as_mut_simd_f32s(&mut product.0);
                        for (product, sum) in product.iter_mut().zip(sums) {
                            *product = simd.add_f32s(*product, sum);
                        }
                    }
                }
            }
        }
    }
}

/// Turns the products of a panel, of every so many lines one, into rows of the partial sums.
struct Turn<'a> {
    products: &'a [Line],
    /// Lines from one of the panel to the next.
    panels: usize,
    /// `[channels of the panel, k]`
    rows: &'a mut [f32],
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
struct AddFew<'a> {
    block: Block<'a>,
    /// `[pixels, channels]`
    out: &'a [f32],
    /// `[channels, k]`
    partial: &'a mut [f32],
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
