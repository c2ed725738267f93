//! Weights in the order in which sums go over them.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::geometry::Geometry;
use super::{LINES, Vectors};
use crate::kernel::Real;
use crate::kernel::product::right::{self, Line, WIDTH};
use crate::kernel::product::{Layout, is_finite};
use crate::kernel::scratch::scratch;

/// Columns of a result up to which vectors lie along the patches, as a panel would be nearly empty.
pub(super) const FEW: usize = 4;

/// Channels from which that is done: a run has to have enough values for vectors.
const LEAST_CHANNELS: usize = 8;

/// Lines below which packing stays on one thread: some ten microseconds.
const LEAST_WORK: usize = 2048;

/// Weights by columns of the result, which are channels, and by k, which counts values of a patch.
#[derive(Clone, Copy)]
pub(super) enum Weights<'a> {
    /// For each panel of 16 columns and each phase, a line for each k.
    Panels(&'a [Line]),
    /// For each phase and each of a few columns, the values of all k.
    Columns(&'a [f32]),
}

/// Calls `f` with packed weights, if all are finite; says whether they are.
pub(super) fn with(
    vectors: impl Vectors,
    geometry: Geometry,
    w: &[f32],
    f: impl FnOnce(Weights<'_>),
) -> bool {
    let columns = geometry.result()[2];
    let depth = depth(geometry);
    if columns <= FEW && geometry.source()[2] >= LEAST_CHANNELS {
        return is_finite(w) && {
            match geometry.transposed {
                false => f(Weights::Columns(w)),
                true => f32::scratch(w.len(), |packed| {
                    turn(geometry, w, packed);
                    f(Weights::Columns(packed));
                }),
            }
            true
        };
    }
    scratch(&LINES, columns.div_ceil(WIDTH) * depth, |lines| {
        let panels = lines.par_chunks_mut(depth.max(1)).enumerate();
        let panels = panels.with_min_len(LEAST_WORK.div_ceil(depth.max(1)));
        let finite = panels.all(|(panel, lines)| {
            vectors.run(Pack {
                geometry,
                w,
                column: panel * WIDTH,
                lines,
            })
        });
        if finite {
            f(Weights::Panels(lines));
        }
        finite
    })
}

/// Lines of a panel: of all phases.
pub(super) fn depth(geometry: Geometry) -> usize {
    geometry.window.kernel * geometry.window.kernel * geometry.source()[2]
}

/// Places in the weights of a transpose, phase by phase and k by k: of the first column.
#[inline(always)]
fn places(geometry: Geometry) -> impl Iterator<Item = usize> {
    let window = geometry.window;
    let (kernel, [.., channels], [.., filters]) = (window.kernel, window.map, window.out);
    let taps = geometry.pairs().flat_map(move |[vertical, horizontal]| {
        let taps = vertical.taps * horizontal.taps;
        (0..taps).map(move |i| {
            let ky = geometry.tap(vertical, i / horizontal.taps);
            let kx = geometry.tap(horizontal, i % horizontal.taps);
            ky * kernel + kx
        })
    });
    taps.flat_map(move |tap| (0..filters).map(move |f| (f * kernel * kernel + tap) * channels))
}

/// The weights of a transpose for each phase, by columns.
fn turn(geometry: Geometry, w: &[f32], packed: &mut [f32]) {
    let ([.., columns], [.., filters]) = (geometry.result(), geometry.source());
    let (mut places, mut packed) = (places(geometry), packed);
    for [vertical, horizontal] in geometry.pairs() {
        let depth = vertical.taps * horizontal.taps * filters;
        let (phase, rest) = packed.split_at_mut(depth * columns);
        for (k, place) in places.by_ref().take(depth).enumerate() {
            for column in 0..columns {
                phase[column * depth + k] = w[place + column];
            }
        }
        packed = rest;
    }
}

/// A panel to pack.
struct Pack<'a> {
    geometry: Geometry,
    w: &'a [f32],
    /// Its first column.
    column: usize,
    lines: &'a mut [Line],
}

impl WithSimd for Pack<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        let Self {
            geometry,
            w,
            column,
            lines,
        } = self;
        let [.., columns] = geometry.result();
        match geometry.transposed {
            false => {
                let sizes = [lines.len(), columns];
                right::pack((w, Layout::Transposed), sizes, column, lines);
            }
            true => {
                for (line, place) in lines.iter_mut().zip(places(geometry)) {
                    *line = right::load(&w[place + column..place + columns]);
                }
            }
        }
        is_finite(bytemuck::cast_slice(lines))
    }
}
