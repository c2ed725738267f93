//! Weights in panels, in the order in which sums go over them.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::geometry::Geometry;
use super::{LINES, Vectors};
use crate::kernel::product::right::{self, Line, WIDTH};
use crate::kernel::product::{Layout, is_finite};
use crate::kernel::scratch::scratch;

/// Lines below which packing stays on one thread: some ten microseconds.
const LEAST_WORK: usize = 2048;

/// Calls `f` with weights in panels, if all are finite; says whether they are. Columns are channels of the result. A
/// panel has, for each phase, a line for each k, which counts values of a patch.
pub(super) fn with(
    vectors: impl Vectors,
    geometry: Geometry,
    w: &[f32],
    f: impl FnOnce(&[Line]),
) -> bool {
    let columns = geometry.result()[2];
    let depth = depth(geometry);
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
            f(lines);
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
