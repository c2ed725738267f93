//! Convolutions and their transposes. A task has some rows of the result: it copies what they are sums over, computes
//! phase by phase and panel by panel, and finishes them while they are near.

use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use super::border::{Border, Place};
use super::geometry::{Geometry, even};
use super::tile::{OnTiles, Patches, Sums, Tiled, add, of_patches, panels, step, store};
use super::weights;
use super::{LINES, PLACES, Vectors};
use crate::kernel::product::LEAST_WORK;
use crate::kernel::product::right::{Line, WIDTH};
use crate::kernel::scratch::scratch;

/// Values that a task reads and writes: they have to stay in the second-level cache beside a panel.
const NEAR: usize = 48 * 1024;

/// Values of a run from which patches are read where they lie.
const SHORT: usize = WIDTH;

/// Most values of a patch that is written out.
const PATCH: usize = 128;

/// Tasks that are enough to share out evenly.
const TASKS: usize = 64;

/// Computes `result` from `source`, if all weights are finite; says whether they are.
pub(super) fn gather(
    vectors: impl Vectors,
    geometry: Geometry,
    source: &[f32],
    w: &[f32],
    result: &mut [f32],
    finish: &(impl Fn(usize, &mut [f32]) + Sync),
) -> bool {
    if result.is_empty() {
        return true;
    }
    weights::with(vectors, geometry, w, |lines| {
        let [_, width, channels] = geometry.result();
        let border = Border::new(geometry);
        let job = Job {
            geometry,
            border: &border,
            source,
            lines,
            finish,
        };
        let height = rows_of_a_task(geometry, &border);
        let tasks = result.par_chunks_mut(height * width * channels);
        tasks.enumerate().for_each(|(i, result)| {
            let first = i * height;
            let rows = first..first + result.len() / (width * channels);
            let copied = border.values(rows.clone()).div_ceil(WIDTH) + 1;
            scratch(&LINES, copied, |copy| {
                scratch(&PLACES, rows.len() * width, |places| {
                    let copy = bytemuck::cast_slice_mut(copy);
                    vectors.run(Tiled(Task {
                        job: &job,
                        rows,
                        result,
                        copy,
                        places,
                    }));
                });
            });
        });
    })
}

/// Rows of the result that a task has: as many as stay near, whole images or equal parts of one.
fn rows_of_a_task(geometry: Geometry, border: &Border) -> usize {
    let window = geometry.window;
    let [height, width, channels] = geometry.result();
    let values = border.values(0..height) / height + width * channels;
    let multiply_adds = window.out[1] * window.weights() * window.out[0] / height;
    let rows = (window.images * height)
        .div_ceil(TASKS)
        .max(LEAST_WORK.div_ceil(multiply_adds.max(1)))
        .min(NEAR / values)
        .max(1);
    match even(height, rows) {
        // All phases of a part of an image have as many rows.
        part if part < height => part.next_multiple_of(geometry.phases()),
        images => images,
    }
}

/// A convolution or a transpose that is shared out.
struct Job<'a, G> {
    geometry: Geometry,
    border: &'a Border,
    source: &'a [f32],
    /// The weights in panels.
    lines: &'a [Line],
    finish: &'a G,
}

/// Some rows of the result.
struct Task<'a, G> {
    job: &'a Job<'a, G>,
    rows: Range<usize>,
    result: &'a mut [f32],
    copy: &'a mut [f32],
    places: &'a mut [Place],
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
        self,
        simd: S,
    ) {
        let Job {
            geometry,
            border,
            lines,
            finish,
            ..
        } = self.job;
        let [_, width, channels] = geometry.result();
        border.copy(self.rows.clone(), self.job.source, self.copy);
        let mut first = 0;
        for phase in geometry.pairs() {
            let count = border.places(self.rows.clone(), phase, self.places);
            let run = phase[1].taps * geometry.source()[2];
            let depth = phase[0].taps * run;
            let sums = &mut Phase {
                patches: Patches {
                    copy: self.copy,
                    pitch: border.pitch(),
                    run,
                },
                places: &self.places[..count],
                result: &mut *self.result,
                channels,
            };
            if depth == 0 {
                sums.clear();
                continue;
            }
            let lines = Panels {
                lines: &lines[first..],
                depth,
                all: weights::depth(*geometry),
            };
            if run < SHORT && depth <= PATCH {
                sums.short::<S, R, P, V, TALL, HALF>(simd, lines);
            } else {
                sums.long::<S, R, P, V, TALL, HALF>(simd, lines);
            }
            first += depth;
        }
        finish(self.rows.start * width, self.result);
    }
}

/// The pixels of a phase among a task's.
struct Phase<'a> {
    patches: Patches<'a>,
    places: &'a [Place],
    /// The task's rows.
    result: &'a mut [f32],
    channels: usize,
}

impl Phase<'_> {
    /// The sums over no tap.
    fn clear(&mut self) {
        for place in self.places {
            self.result[place.sums as usize..][..self.channels].fill(0.0);
        }
    }

    /// The sums over patches that are read where they lie, panel by panel.
    #[inline(always)]
    fn long<
        S: Simd,
        const R: usize,
        const P: usize,
        const V: usize,
        const TALL: usize,
        const HALF: usize,
    >(
        &mut self,
        simd: S,
        lines: Panels<'_>,
    ) {
        let [whole, half] = panels::<S, P, HALF>(self.channels);
        for panel in whole.step_by(P) {
            self.panels::<S, R, P, V>(simd, panel, lines.some(panel));
        }
        for panel in half {
            self.panels::<S, TALL, 1, HALF>(simd, panel, lines.some(panel));
        }
    }

    /// The sums of the columns of some panels, the first of which is number `panel`.
    #[inline(always)]
    fn panels<S: Simd, const R: usize, const P: usize, const V: usize>(
        &mut self,
        simd: S,
        panel: usize,
        panels: [&[Line]; P],
    ) {
        for group in self.places.chunks(R) {
            // Past the last pixel that one again.
            let mut patches = [group[group.len() - 1].patch as usize; R];
            for (patch, place) in patches.iter_mut().zip(group) {
                *patch = place.patch as usize;
            }
            let sums = of_patches::<S, R, P, V>(simd, self.patches, patches, panels);
            self.put::<S, R, P, V>(group, panel, sums);
        }
    }

    /// The sums over patches of short runs, which are written one after another first: tile by tile.
    #[inline(always)]
    fn short<
        S: Simd,
        const R: usize,
        const P: usize,
        const V: usize,
        const TALL: usize,
        const HALF: usize,
    >(
        &mut self,
        simd: S,
        lines: Panels<'_>,
    ) {
        let [whole, half] = panels::<S, P, HALF>(self.channels);
        self.written::<S, R, P, V>(simd, lines, whole);
        self.written::<S, TALL, 1, HALF>(simd, lines, half);
    }

    /// The same, of some panels.
    #[inline(always)]
    fn written<S: Simd, const R: usize, const P: usize, const V: usize>(
        &mut self,
        simd: S,
        lines: Panels<'_>,
        some: Range<usize>,
    ) {
        if some.is_empty() {
            return;
        }
        let mut written = [[0.0; PATCH + SHORT]; R];
        for group in self.places.chunks(R) {
            for (place, patch) in group.iter().zip(&mut written) {
                // Copies of fixed length, as short as may be.
                match self.patches.run {
                    0..=4 => self.patches.write::<4>(place, lines.depth, patch),
                    5..=8 => self.patches.write::<8>(place, lines.depth, patch),
                    _ => self.patches.write::<SHORT>(place, lines.depth, patch),
                }
            }
            for panel in some.clone().step_by(P) {
                let lines: [&[Line]; P] = lines.some(panel);
                let mut sums = [[[simd.splat_f32s(0.0); V]; P]; R];
                for k in 0..lines[0].len().min(PATCH) {
                    let lines: [&Line; P] = std::array::from_fn(|p| &lines[p][k]);
                    add(
                        simd,
                        &mut sums,
                        lines,
                        #[inline(always)]
                        |i| written[i][k],
                    );
                }
                self.put::<S, R, P, V>(group, panel, sums);
            }
        }
    }

    /// Writes the sums of some pixels in the columns of some panels.
    #[inline(always)]
    fn put<S: Simd, const R: usize, const P: usize, const V: usize>(
        &mut self,
        pixels: &[Place],
        panel: usize,
        sums: Sums<S::f32s, R, P, V>,
    ) {
        // A loop of fixed length, so that the sums are never indexed and stay in registers.
        for (i, sums) in sums.into_iter().enumerate() {
            if let Some(place) = pixels.get(i) {
                let pixel = &mut self.result[place.sums as usize..][..self.channels];
                let panels = pixel[panel * WIDTH..].chunks_mut(WIDTH).zip(sums);
                for (values, sums) in panels {
                    store::<S, V>(sums, values);
                }
            }
        }
    }
}

impl Patches<'_> {
    /// Writes the patch of a pixel, of `depth` values in runs of up to `N`.
    #[inline(always)]
    fn write<const N: usize>(&self, place: &Place, depth: usize, patch: &mut [f32]) {
        let (mut from, mut to) = (place.patch as usize, 0);
        while to < depth {
            // As many values as a run may have: those of the next one come over the rest.
            let values: &[f32; N] = step(&self.copy[from..]);
            patch[to..to + N].copy_from_slice(values);
            from += self.pitch;
            to += self.run;
        }
    }
}

/// The panels of a phase.
#[derive(Clone, Copy)]
struct Panels<'a> {
    /// Those of the first panel, and all that follow.
    lines: &'a [Line],
    /// Lines of a panel.
    depth: usize,
    /// Lines from a panel to the next.
    all: usize,
}

impl<'a> Panels<'a> {
    /// Some panels, the first of which is number `panel`.
    #[inline(always)]
    fn some<const P: usize>(self, panel: usize) -> [&'a [Line]; P] {
        std::array::from_fn(|p| &self.lines[(panel + p) * self.all..][..self.depth])
    }
}
