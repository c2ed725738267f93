//! Convolutions and their transposes. A task has some rows of the result: it copies what they are sums over, computes
//! phase by phase and panel by panel, and finishes them while they are near.

use pulp::Simd;
use rayon::prelude::*;

use super::border::{Border, Place};
use super::geometry::{Geometry, even};
use super::tile::{OnTiles, Patches, Tiled, of_patches, store};
use super::weights::{self, Weights};
use super::{LINES, PLACES, Vectors};
use crate::kernel::product::LEAST_WORK;
use crate::kernel::product::right::{Line, WIDTH};
use crate::kernel::scratch::scratch;

/// Values that a task reads and writes: they have to stay in the second-level cache beside a panel.
const NEAR: usize = 48 * 1024;

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
    weights::with(vectors, geometry, w, |weights| {
        let [_, width, channels] = geometry.result();
        let border = Border::new(geometry);
        let job = Job {
            geometry,
            border: &border,
            source,
            weights,
            finish,
        };
        let height = rows_of_a_task(geometry, &border);
        let tasks = result.par_chunks_mut(height * width * channels);
        tasks.enumerate().for_each(|(i, result)| {
            let first = i * height;
            let rows = first..first + result.len() / (width * channels);
            let lines = border.values(rows.clone()).div_ceil(WIDTH);
            scratch(&LINES, lines, |copy| {
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
    weights: Weights<'a>,
    finish: &'a G,
}

/// Some rows of the result.
struct Task<'a, G> {
    job: &'a Job<'a, G>,
    rows: std::ops::Range<usize>,
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
            weights,
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
            let mut sums = Phase {
                patches: Patches {
                    copy: self.copy,
                    pitch: border.pitch(),
                    run,
                },
                places: &self.places[..count],
                result: &mut *self.result,
                channels,
            };
            match weights {
                _ if depth == 0 => sums.clear(),
                Weights::Panels(lines) => {
                    let all = weights::depth(*geometry);
                    let panel = |i: usize| &lines[i * all + first..][..depth];
                    for (at, column) in (0..channels).step_by(P * WIDTH).enumerate() {
                        if channels - column <= HALF * S::F32_LANES {
                            sums.columns::<S, TALL, 1, HALF>(simd, column, [panel(at * P)]);
                        } else {
                            let panels = std::array::from_fn(|p| panel(at * P + p));
                            sums.columns::<S, R, P, V>(simd, column, panels);
                        }
                    }
                }
                Weights::Columns(values) => {
                    let values = &values[first * channels..][..depth * channels];
                    match channels {
                        1 => sums.few::<S, 1, 8>(simd, values),
                        2 => sums.few::<S, 2, 4>(simd, values),
                        3 => sums.few::<S, 3, 4>(simd, values),
                        _ => sums.few::<S, 4, 3>(simd, values),
                    }
                }
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

    /// The sums of the columns of some panels, the first of which is `column`.
    #[inline(always)]
    fn columns<S: Simd, const R: usize, const P: usize, const V: usize>(
        &mut self,
        simd: S,
        column: usize,
        panels: [&[Line]; P],
    ) {
        for group in self.places.chunks(R) {
            // Past the last pixel that one again.
            let places = std::array::from_fn(|i| group[i.min(group.len() - 1)]);
            let sums = of_patches::<S, R, P, V>(simd, self.patches, places, panels);
            for (i, sums) in sums.into_iter().enumerate() {
                if let Some(place) = group.get(i) {
                    let pixel = &mut self.result[place.sums as usize..][column..self.channels];
                    let panels = pixel.chunks_mut(WIDTH).zip(sums);
                    for (values, sums) in panels {
                        store::<S, V>(sums, values);
                    }
                }
            }
        }
    }

    /// The sums of `N` columns, which are all: of `Q` pixels at a time, with vectors along their patches.
    #[inline(always)]
    fn few<S: Simd, const N: usize, const Q: usize>(&mut self, simd: S, weights: &[f32]) {
        let Patches { copy, pitch, run } = self.patches;
        let depth = weights.len() / N;
        for group in self.places.chunks(Q) {
            let mut sums = [[simd.splat_f32s(0.0); Q]; N];
            for (y, at) in (0..depth).step_by(run).enumerate() {
                let rows: [&[f32]; Q] = std::array::from_fn(|i| {
                    let place = group[i.min(group.len() - 1)];
                    &copy[place.patch as usize + y * pitch..][..run]
                });
                let weights: [&[f32]; N] =
                    std::array::from_fn(|n| &weights[n * depth + at..][..run]);
                for first in (0..run).step_by(S::F32_LANES) {
                    let values: [S::f32s; Q] =
                        std::array::from_fn(|i| vector(simd, rows[i], first));
                    for (sums, weights) in sums.iter_mut().zip(weights) {
                        let weight = vector(simd, weights, first);
                        for (sum, &value) in sums.iter_mut().zip(&values) {
                            *sum = simd.mul_add_e_f32s(weight, value, *sum);
                        }
                    }
                }
            }
            for (i, place) in group.iter().enumerate() {
                let pixel = &mut self.result[place.sums as usize..][..N];
                for (value, sums) in pixel.iter_mut().zip(&sums) {
                    *value = simd.reduce_sum_f32s(sums[i]);
                }
            }
        }
    }
}

/// The values from `first` on that fill a vector, and zeros past the last.
#[inline(always)]
fn vector<S: Simd>(simd: S, values: &[f32], first: usize) -> S::f32s {
    match values.get(first..first + S::F32_LANES) {
        Some(whole) => S::as_simd_f32s(whole).0[0],
        None => simd.partial_load_f32s(&values[first..]),
    }
}
