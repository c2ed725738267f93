//! Convolutions on the CPU, of maps that are stored channels last.
//!
//! Patches are never written out (im2col): that takes nine times the memory for a kernel of 3×3, and about twice the
//! time. Some rows of images are copied into a border of zeros ([`border`]), where the patch of a pixel is a run of
//! neighbouring values for each row of the kernel. A convolution is a product whose left operand is such patches, read
//! where they lie, and whose right operand is weights in panels ([`gather`]). Its transpose is one such product for
//! each phase of the stride ([`geometry`]), with only those taps of the kernel that the phase's pixels see. The
//! gradient of the weights is a product of patches, transposed, and what has a pixel for each window ([`gradient`]).
//! Results of few channels are scattered instead ([`scatter`]).
//!
//! How work is shared out is a function of the shape alone, and so is the order of each sum.
//!
//! A value of the border is zero, and adds nothing but where it is multiplied by one that is not finite. So where
//! the other operand has such a value, [`plain`] loops compute the whole.

mod block;
mod border;
mod gather;
mod geometry;
mod gradient;
pub(super) mod plain;
mod scatter;
#[cfg(test)]
mod tests;
mod tile;
mod weights;

use std::cell::RefCell;

use pulp::{Arch, WithSimd};

use self::border::Place;
use self::geometry::Geometry;
use super::product::right::Line;

/// Geometry of a convolution: `out` has a pixel for each window of `kernel` × `kernel` pixels that is cut out of
/// `map`.
///
/// Maps are stored `[images, height, width, channels]`, weights `[channels of out, kernel, kernel, channels of map]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Number of images.
    pub images: usize,
    /// Height, width and channels of the map, which windows are cut out of.
    pub map: [usize; 3],
    /// Height, width and channels of what has a pixel for each window.
    pub out: [usize; 3],
    /// Height and width of a window.
    pub kernel: usize,
    /// Pixels from a window to the next.
    pub stride: usize,
    /// Zeros before the first row and column of the map. Behind the last are as many as the windows reach.
    pub pad: usize,
}

/// Most values of all partial sums of a weight gradient.
const PARTIALS: usize = 256 * 1024;

/// Most parts of a weight gradient.
const MOST_PARTS: usize = 16;

impl Window {
    /// The same of so many images.
    #[must_use]
    pub fn of_images(self, images: usize) -> Self {
        Self { images, ..self }
    }

    /// Parts of the images whose sums of the weight gradient are kept apart: each of as many whole images, the last
    /// ones maybe of fewer or none. A function of the shape alone.
    pub fn parts(&self) -> usize {
        let most = self.images.clamp(1, MOST_PARTS);
        (PARTIALS / self.weights().max(1)).clamp(1, most)
    }

    /// The images of a part.
    fn part(&self, part: usize) -> std::ops::Range<usize> {
        let share = self.images.div_ceil(self.parts());
        let first = (part * share).min(self.images);
        first..(first + share).min(self.images)
    }

    /// Number of weights.
    fn weights(&self) -> usize {
        self.out[2] * self.patch()
    }

    /// Values of a patch.
    fn patch(&self) -> usize {
        self.kernel * self.kernel * self.map[2]
    }

    /// Values of all maps.
    fn map_values(&self) -> usize {
        self.images * self.map.iter().product::<usize>()
    }

    /// Values of what has a pixel for each window.
    fn out_values(&self) -> usize {
        self.images * self.out.iter().product::<usize>()
    }
}

/// Vector instructions to compute with.
pub(super) trait Vectors: Copy + Send + Sync {
    /// Does `work`, compiled for them.
    fn run<W: WithSimd>(self, work: W) -> W::Output;
}

impl Vectors for Arch {
    fn run<W: WithSimd>(self, work: W) -> W::Output {
        self.dispatch(work)
    }
}

thread_local! {
    /// Copies of images and packed operands, kept for the next call.
    static LINES: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
    /// Places of pixels, kept for the next call.
    static PLACES: RefCell<Vec<Vec<Place>>> = const { RefCell::new(Vec::new()) };
}

/// A convolution on all threads of the pool: `map`, by weights `w`, to `out`, of which blocks of whole pixels go to
/// `finish(first pixel, values)`.
///
/// # Panics
/// Where a slice is shorter than its map.
pub(super) fn convolve(
    vectors: impl Vectors,
    window: &Window,
    map: &[f32],
    w: &[f32],
    out: &mut [f32],
    finish: &(impl Fn(usize, &mut [f32]) + Sync),
) {
    let map = &map[..window.map_values()];
    let (w, out) = (&w[..window.weights()], &mut out[..window.out_values()]);
    let geometry = Geometry::convolution(*window);
    if scatter::suits(geometry) {
        scatter::scatter(vectors, geometry, map, w, out, finish);
    } else if !gather::gather(vectors, geometry, map, w, out, finish) {
        plain::convolve(window, map, w, out, finish);
    }
}

/// The transpose of a convolution on all threads of the pool: `out`, by weights `w`, to `map`, of which blocks of
/// whole pixels go to `finish(first pixel, values)`.
///
/// # Panics
/// Where a slice is shorter than its map.
pub(super) fn convolve_transposed(
    vectors: impl Vectors,
    window: &Window,
    out: &[f32],
    w: &[f32],
    map: &mut [f32],
    finish: &(impl Fn(usize, &mut [f32]) + Sync),
) {
    let map = &mut map[..window.map_values()];
    let (w, out) = (&w[..window.weights()], &out[..window.out_values()]);
    let geometry = Geometry::transpose(*window);
    if scatter::suits(geometry) {
        scatter::scatter(vectors, geometry, out, w, map, finish);
    } else if !gather::gather(vectors, geometry, out, w, map, finish) {
        plain::convolve_transposed(window, out, w, map, finish);
    }
}

/// The weight gradient of a convolution on all threads of the pool, from the gradient `out` and the `map`, for each
/// part of the images: `partials` `[parts, weights]`, and `sums` `[parts, channels of out]` of `out`, unless that is
/// empty.
///
/// # Panics
/// Where a slice is shorter than its map.
pub(super) fn gradient(
    vectors: impl Vectors,
    window: &Window,
    out: &[f32],
    map: &[f32],
    partials: &mut [f32],
    sums: &mut [f32],
) {
    let (out, map) = (&out[..window.out_values()], &map[..window.map_values()]);
    let (partials, sums) = plain::cut(window, partials, sums);
    if !gradient::gradient(vectors, window, out, map, partials, sums) {
        plain::gradient(window, out, map, partials, sums);
    }
}
