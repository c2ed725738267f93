//! The gradient of the weights: a product of patches, transposed, and what has a pixel for each window.
//!
//! It is computed block of pixels by block of pixels. Of a block, patches are read where they lie in a copy with a
//! border, one value of some k after another, and the other operand is packed in panels. Sums over a block stay in
//! registers; `[k, channels of out]` of them are kept in memory, and turned in the end.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::block::{Add, AddFew, BLOCK, Block, PACKED, TOGETHER, Turn};
use super::border::{Border, Place};
use super::geometry::{Geometry, even};
use super::scatter::FEW;
use super::tile::Tiled;
use super::{LINES, PLACES, Vectors, Window};
use crate::kernel::product::right::{self, Line, WIDTH};
use crate::kernel::product::{LEAST_WORK, Layout, is_finite};
use crate::kernel::scratch::scratch;

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
    let share = window.part(0).len();
    let rows = match even(height, BLOCK / width) {
        // Blocks of about as many images each.
        images if images >= height => share.div_ceil(share.div_ceil(images / height)) * height,
        part => part,
    };
    let job = Job {
        vectors,
        window,
        border: &border,
        out,
        map,
        rows,
        panels: match filters {
            ..=FEW => 0,
            _ => filters.div_ceil(WIDTH),
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
        mut memory: Memory<'_>,
        places: &mut [Place],
        partial: &mut [f32],
    ) -> bool {
        memory.products.fill(Line::default());
        memory.sums.fill(Line::default());
        if self.panels == 0 {
            partial.fill(0.0);
        }
        let finite = self
            .blocks(images)
            .all(|rows| self.block(rows, &mut memory, places, partial));
        if self.panels > 0 {
            let rows = partial.par_chunks_mut(WIDTH * self.window.patch());
            rows.enumerate().for_each(|(panel, rows)| {
                self.vectors.run(Turn {
                    products: &memory.products[panel..],
                    panels: self.panels,
                    rows,
                });
            });
        }
        finite
    }

    /// Adds what a block of pixels adds, if all of its `out` is finite; says whether it is.
    fn block(
        &self,
        rows: Range<usize>,
        memory: &mut Memory<'_>,
        places: &mut [Place],
        partial: &mut [f32],
    ) -> bool {
        let [_, width, channels] = self.window.out;
        let pixels = rows.start * width..rows.end * width;
        let out = &self.out[pixels.start * channels..pixels.end * channels];
        let places = &mut places[..pixels.len()];
        let panels = &mut memory.panels[..self.panels * pixels.len()];
        let prepare = Prepare {
            job: self,
            rows,
            out,
            copy: &mut *memory.copy,
            places: &mut *places,
            panels: &mut *panels,
            sums: &mut *memory.sums,
        };
        if !self.vectors.run(prepare) {
            return false;
        }
        let block = Block {
            copy: bytemuck::cast_slice(memory.copy),
            places,
            pitch: self.border.pitch(),
            run: self.window.kernel * self.window.map[2],
        };
        if self.panels == 0 {
            let few = AddFew {
                block,
                out,
                partial,
            };
            self.vectors.run(few);
            return true;
        }
        // Some thirty microseconds of work.
        let share = (4 * LEAST_WORK)
            .div_ceil(pixels.len() * self.panels * WIDTH)
            .next_multiple_of(TOGETHER);
        let shares = memory.products.par_chunks_mut(share * self.panels);
        shares.enumerate().for_each(|(i, products)| {
            scratch(&LINES, PACKED, |packed| {
                self.vectors.run(Tiled(Add {
                    block,
                    panels,
                    channels,
                    first: i * share,
                    products,
                    packed,
                }));
            });
        });
        true
    }
}

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
