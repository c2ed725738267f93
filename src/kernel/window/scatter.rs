//! Convolutions and their transposes to few channels, for which a panel would be nearly empty.
//!
//! Their columns are taps and channels: each pixel of the source, which is a row as it lies, is multiplied by all of
//! them, and the products are added up where they belong. There are as many multiply-adds as terms, if the stride of
//! a convolution is one, and no border.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::geometry::{Geometry, even};
use super::tile::{OnTiles, Patches, Tiled, of_patches, panels, step};
use super::{LINES, Vectors};
use crate::kernel::product::right::{self, Line, WIDTH};
use crate::kernel::product::{LEAST_WORK, Layout};
use crate::kernel::scratch::scratch;

/// Most channels that are few.
pub(super) const FEW: usize = 4;

/// Channels of the source from which it pays to add up their products.
const LEAST_CHANNELS: usize = 8;

/// Pixels of the source that are multiplied together: enough to fill tiles.
const TOGETHER: usize = 64;

/// Values of the source that a task reads.
const NEAR: usize = 48 * 1024;

/// Tasks that are enough to share out evenly.
const TASKS: usize = 64;

/// Whether a result is computed so.
pub(super) fn suits(geometry: Geometry) -> bool {
    let ([.., depth], [.., channels]) = (geometry.source(), geometry.result());
    let all_taps = geometry.transposed || geometry.window.stride == 1;
    all_taps && channels <= FEW && depth >= LEAST_CHANNELS
}

/// Computes `result` from `source`.
pub(super) fn scatter(
    vectors: impl Vectors,
    geometry: Geometry,
    source: &[f32],
    w: &[f32],
    result: &mut [f32],
    finish: &(impl Fn(usize, &mut [f32]) + Sync),
) {
    let ([height, width, channels], [_, columns, depth]) = (geometry.result(), geometry.source());
    if result.is_empty() {
        return;
    }
    let kernel = geometry.window.kernel;
    let panels = (kernel * kernel * channels).div_ceil(WIDTH);
    let stride = if geometry.transposed {
        geometry.window.stride
    } else {
        1
    };
    // With what lies beside the result, and as many pixels more that each tap has whole steps.
    let pitch = (columns * stride + kernel) * channels;
    let together = (TOGETHER / columns.max(1)).max(1);
    scratch(&LINES, panels * depth, |lines| {
        vectors.run(Pack {
            geometry,
            w,
            lines: &mut *lines,
        });
        let job = Job {
            geometry,
            source,
            lines,
            together,
            stride,
            pitch,
            finish,
        };
        let multiply_adds = columns * depth * kernel * kernel * channels / stride;
        let rows = (geometry.window.images * height)
            .div_ceil(TASKS)
            .max(LEAST_WORK.div_ceil(multiply_adds.max(1)))
            .min(NEAR * stride / (columns * depth).max(1));
        let rows = even(height, rows.max(1));
        let tasks = result.par_chunks_mut(rows * width * channels);
        tasks.enumerate().for_each(|(i, result)| {
            let products = together * columns * panels;
            let sums = rows.min(height) * pitch;
            scratch(&LINES, products + sums.div_ceil(WIDTH), |lines| {
                let (products, sums) = lines.split_at_mut(products);
                vectors.run(Tiled(Task {
                    job: &job,
                    first: i * rows,
                    result,
                    products,
                    sums: &mut bytemuck::cast_slice_mut(sums)[..],
                }));
            });
        });
    });
}

/// Packs weights as columns of taps, in the order of the pixels that they reach, and channels.
struct Pack<'a> {
    geometry: Geometry,
    w: &'a [f32],
    lines: &'a mut [Line],
}

impl WithSimd for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { geometry, w, lines } = self;
        let ([.., channels], [.., depth]) = (geometry.result(), geometry.source());
        let taps = geometry.window.kernel * geometry.window.kernel;
        if geometry.transposed {
            right::pack((w, Layout::Rows), [depth, taps * channels], 0, lines);
            return;
        }
        for (panel, lines) in lines.chunks_mut(depth).enumerate() {
            for (k, line) in lines.iter_mut().enumerate() {
                for (i, value) in line.0.iter_mut().enumerate() {
                    let column = panel * WIDTH + i;
                    let (tap, channel) = (column / channels, column % channels);
                    *value = match tap < taps {
                        true => w[(channel * taps + taps - 1 - tap) * depth + k],
                        false => 0.0,
                    };
                }
            }
        }
    }
}

/// A convolution or a transpose that is shared out.
struct Job<'a, G> {
    geometry: Geometry,
    source: &'a [f32],
    lines: &'a [Line],
    /// Rows of the source that are multiplied together.
    together: usize,
    /// Pixels of the result from the taps of a pixel to those of the next.
    stride: usize,
    /// Values of a row of sums.
    pitch: usize,
    finish: &'a G,
}

/// Some rows of the result: of one image, or whole images.
struct Task<'a, G> {
    job: &'a Job<'a, G>,
    first: usize,
    result: &'a mut [f32],
    /// Products of some rows of the source, `[pixels, panels]`.
    products: &'a mut [Line],
    /// Rows of sums, with those that lie beside the result.
    sums: &'a mut [f32],
}

impl<G: Fn(usize, &mut [f32])> OnTiles for Task<'_, G> {
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
        let [height, width, channels] = self.job.geometry.result();
        let result = std::mem::take(&mut self.result);
        let mut rows = result.chunks_mut(width * channels);
        let end = self.first + rows.len();
        let mut first = self.first;
        while first < end {
            let image = first / height;
            let next = end.min((image + 1) * height);
            let within = first - image * height..next - image * height;
            self.add_up::<S, R, P, V, TALL, HALF>(simd, image, within);
            for (row, sums) in rows
                .by_ref()
                .zip(self.sums.chunks(self.job.pitch))
                .take(next - first)
            {
                self.job.cut(sums, row);
            }
            first = next;
        }
        (self.job.finish)(self.first * width, result);
    }
}

impl<G> Task<'_, G> {
    /// Computes the rows of sums of some rows of an image.
    #[inline(always)]
    fn add_up<
        S: Simd,
        const R: usize,
        const P: usize,
        const V: usize,
        const TALL: usize,
        const HALF: usize,
    >(
        &mut self,
        simd: S,
        image: usize,
        rows: Range<usize>,
    ) {
        let Job {
            geometry,
            source,
            stride,
            pitch,
            ..
        } = *self.job;
        let ([height, width, depth], [.., channels]) = (geometry.source(), geometry.result());
        let kernel = geometry.window.kernel;
        let sums = &mut self.sums[..rows.len() * pitch];
        sums.fill(0.0);
        // The taps of row y of the source are of rows of sums from y · stride - start on.
        let start = rows.start as isize + self.job.before();
        let below = |row: isize| row.max(0) as usize;
        let first = below(start + 1 - kernel as isize).div_ceil(stride);
        let end = below(start + rows.len() as isize)
            .div_ceil(stride)
            .min(height);
        for y in (first..end).step_by(self.job.together) {
            let pixels = self.job.together.min(end - y) * width;
            let values = &source[(image * height + y) * width * depth..][..pixels * depth];
            let lines = self.job.lines;
            let products = &mut self.products[..lines.len() / depth * pixels];
            let some = Pixels {
                values,
                depth,
                lines,
                products: &mut *products,
            };
            some.multiply::<S, R, P, V, TALL, HALF>(simd, kernel * kernel * channels);
            let rows_of_products = products.chunks((lines.len() / depth * width).max(1));
            for (products, y) in rows_of_products.zip(y..) {
                let products = Products {
                    values: bytemuck::cast_slice(products),
                    len: lines.len() / depth * WIDTH,
                    kernel,
                    step: stride * channels,
                };
                for tap in 0..kernel {
                    let row = usize::try_from((y * stride + tap) as isize - start);
                    if let Some(sums) = row.ok().and_then(|row| sums.chunks_mut(pitch).nth(row)) {
                        match channels {
                            1 => products.add::<1>(tap, sums),
                            2 => products.add::<2>(tap, sums),
                            3 => products.add::<3>(tap, sums),
                            _ => products.add::<FEW>(tap, sums),
                        }
                    }
                }
            }
        }
    }
}

/// The products of a row of the source, by all taps and channels.
struct Products<'a> {
    /// `[pixels, len]`
    values: &'a [f32],
    len: usize,
    kernel: usize,
    /// Values of a row of sums from the taps of a pixel to those of the next.
    step: usize,
}

impl Products<'_> {
    /// Adds those of a row of taps. The taps of neighbouring pixels overlap, and a load would wait for the stores
    /// before it: so one tap of all pixels after another.
    #[inline(always)]
    fn add<const N: usize>(&self, row: usize, sums: &mut [f32]) {
        for tap in 0..self.kernel {
            let sums = sums[tap * N..].chunks_exact_mut(self.step);
            let first = (row * self.kernel + tap) * N;
            for (sums, products) in sums.zip(self.values.chunks_exact(self.len)) {
                let products: &[f32; N] = step(&products[first..]);
                if let Some(sums) = sums.first_chunk_mut::<N>() {
                    *sums = std::array::from_fn(|i| sums[i] + products[i]);
                }
            }
        }
    }
}

/// Some pixels of the source, and their products `[pixels, panels]`.
struct Pixels<'a> {
    /// `[pixels, depth]`
    values: &'a [f32],
    depth: usize,
    /// `[panels, depth]`
    lines: &'a [Line],
    products: &'a mut [Line],
}

impl Pixels<'_> {
    /// Multiplies each pixel by some columns.
    #[inline(always)]
    fn multiply<
        S: Simd,
        const R: usize,
        const P: usize,
        const V: usize,
        const TALL: usize,
        const HALF: usize,
    >(
        mut self,
        simd: S,
        columns: usize,
    ) {
        let [whole, half] = panels::<S, P, HALF>(columns);
        for panel in whole.step_by(P) {
            self.tiles::<S, R, P, V>(simd, panel);
        }
        for panel in half {
            self.tiles::<S, TALL, 1, HALF>(simd, panel);
        }
    }

    /// Multiplies each pixel by the columns of some panels.
    #[inline(always)]
    fn tiles<S: Simd, const R: usize, const P: usize, const V: usize>(
        &mut self,
        simd: S,
        panel: usize,
    ) {
        let Self {
            values,
            depth,
            lines,
            ..
        } = *self;
        let panels: [&[Line]; P] = std::array::from_fn(|p| &lines[(panel + p) * depth..][..depth]);
        let patches = Patches {
            copy: values,
            pitch: 0,
            run: depth,
        };
        let last = (values.len() / depth).saturating_sub(1);
        let pixels = self.products.chunks_mut(R * (lines.len() / depth));
        for (tile, products) in pixels.enumerate() {
            let starts = std::array::from_fn(|i| (tile * R + i).min(last) * depth);
            let sums = of_patches::<S, R, P, V>(simd, patches, starts, panels);
            let mut products = products.chunks_mut(lines.len() / depth);
            for sums in sums {
                if let Some(products) = products.next() {
                    for (product, sums) in products[panel..].iter_mut().zip(sums) {
                        S::as_mut_simd_f32s(&mut product.0).0[..V].copy_from_slice(&sums);
                    }
                }
            }
        }
    }
}

impl<G> Job<'_, G> {
    /// Pixels of the sums before the first of the result, where that is not before them.
    #[inline(always)]
    fn before(&self) -> isize {
        let (kernel, pad) = (
            self.geometry.window.kernel as isize,
            self.geometry.window.pad as isize,
        );
        match self.geometry.transposed {
            true => pad,
            false => kernel - 1 - pad,
        }
    }

    /// Copies a row of sums to one of the result, without those beside it.
    #[inline(always)]
    fn cut(&self, sums: &[f32], row: &mut [f32]) {
        let channels = self.geometry.result()[2];
        let before = self.before() * channels as isize;
        let within = |value: isize| value.clamp(0, row.len() as isize) as usize;
        let (start, end) = (within(-before), within(sums.len() as isize - before));
        row[..start].fill(0.0);
        row[end..].fill(0.0);
        if start < end {
            let first = (start as isize + before) as usize;
            row[start..end].copy_from_slice(&sums[first..][..end - start]);
        }
    }
}
