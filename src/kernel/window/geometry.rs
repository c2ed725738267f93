//! Which pixels a pixel of a result is a sum over.
//!
//! The transpose of a convolution with stride s has s phases along each axis: pixels of the map whose places differ by
//! a multiple of s see the same taps of the kernel. Of each phase it is a convolution with stride 1.

use std::ops::Range;

use super::Window;

/// A convolution, which sums over the map, or its transpose, which sums over what has a pixel for each window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub(super) window: Window,
    pub(super) transposed: bool,
}

/// A phase along one axis: the pixels `at + step·j` of the result, each a sum over the `taps` pixels of the source
/// from `first + stride·j` on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) at: usize,
    pub(super) step: usize,
    pub(super) first: isize,
    pub(super) stride: usize,
    pub(super) taps: usize,
}

impl Geometry {
    pub(super) fn convolution(window: Window) -> Self {
        Self {
            window,
            transposed: false,
        }
    }

    pub(super) fn transpose(window: Window) -> Self {
        Self {
            window,
            transposed: true,
        }
    }

    /// Height, width and channels of what is summed over.
    pub(super) fn source(self) -> [usize; 3] {
        match self.transposed {
            false => self.window.map,
            true => self.window.out,
        }
    }

    /// Height, width and channels of the sums.
    pub(super) fn result(self) -> [usize; 3] {
        match self.transposed {
            false => self.window.out,
            true => self.window.map,
        }
    }

    /// Number of phases along an axis.
    pub(super) fn phases(self) -> usize {
        match self.transposed {
            false => 1,
            true => self.window.stride,
        }
    }

    /// The phases of both axes.
    #[inline(always)]
    pub(super) fn pairs(self) -> impl Iterator<Item = [Axis; 2]> {
        let phases = self.phases();
        (0..phases * phases).map(move |i| [self.axis(i / phases), self.axis(i % phases)])
    }

    /// A phase along either axis.
    fn axis(self, phase: usize) -> Axis {
        let Window {
            kernel,
            stride,
            pad,
            ..
        } = self.window;
        if !self.transposed {
            return Axis {
                at: 0,
                step: 1,
                first: -(pad as isize),
                stride,
                taps: kernel,
            };
        }
        // The window with the last pixel before this one, or at it, begins `tap` pixels before it.
        let (last, tap) = ((phase + pad) / stride, (phase + pad) % stride);
        let taps = kernel.saturating_sub(tap).div_ceil(stride);
        Axis {
            at: phase,
            step: stride,
            first: last as isize + 1 - taps as isize,
            stride: 1,
            taps,
        }
    }

    /// The kernel's tap along an axis that goes with tap `i` of a phase.
    pub(super) fn tap(self, axis: Axis, i: usize) -> usize {
        let Window { stride, pad, .. } = self.window;
        match self.transposed {
            false => i,
            true => (axis.at + pad) % stride + stride * (axis.taps - 1 - i),
        }
    }

    /// Pixels of the source along an axis that some pixels of the result are sums over, with those beside the source.
    pub(super) fn reach(self, pixels: Range<usize>) -> Range<isize> {
        let phases = (0..self.phases()).map(|phase| self.axis(phase).reach(pixels.clone()));
        phases
            .filter(|reach| !reach.is_empty())
            .reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))
            .unwrap_or(0..0)
    }
}

impl Axis {
    /// The numbers j of its pixels among some of the result.
    pub(super) fn within(self, pixels: Range<usize>) -> Range<usize> {
        let before = |end: usize| end.saturating_sub(self.at).div_ceil(self.step);
        before(pixels.start)..before(pixels.end)
    }

    fn reach(self, pixels: Range<usize>) -> Range<isize> {
        let numbers = self.within(pixels);
        if numbers.is_empty() || self.taps == 0 {
            return 0..0;
        }
        let first = |j: usize| self.first + (self.stride * j) as isize;
        first(numbers.start)..first(numbers.end - 1) + self.taps as isize
    }
}

/// Rows at a time where `rows` are wanted: whole images, or equal parts of one.
pub(super) fn even(height: usize, rows: usize) -> usize {
    match rows / height {
        0 => height.div_ceil(height.div_ceil(rows.max(1))),
        images => images * height,
    }
}
