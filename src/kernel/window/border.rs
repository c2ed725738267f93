//! Copies of parts of images within zeros: a pixel's patch is a run of neighbouring values for each row of the
//! kernel, read where it lies, and nobody has to ask whether it lies outside.

use std::ops::Range;

use super::geometry::{Axis, Geometry};

/// Where the patch of a pixel begins in the copy, and where its sums lie in the result.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) patch: u32,
    pub(super) sums: u32,
}

/// How rows of the source are copied.
#[derive(Clone, Debug)]
pub(super) struct Border {
    geometry: Geometry,
    /// Columns of the source that are copied, with those of zeros.
    columns: Range<isize>,
}

/// Rows of the result that lie in one image.
struct Piece {
    image: usize,
    rows: Range<usize>,
    /// Rows of the source that they are sums over, with those of zeros.
    source: Range<isize>,
    /// Where these begin in the copy.
    at: usize,
}

impl Border {
    pub(super) fn new(geometry: Geometry) -> Self {
        let [_, width, _] = geometry.result();
        let columns = geometry.reach(0..width);
        Self { geometry, columns }
    }

    /// Values of a row of the copy.
    pub(super) fn pitch(&self) -> usize {
        self.columns.len() * self.geometry.source()[2]
    }

    /// Some rows of the result, numbered over all images, image by image.
    #[inline(always)]
    fn pieces(&self, rows: Range<usize>) -> impl Iterator<Item = Piece> {
        let ([height, ..], pitch) = (self.geometry.result(), self.pitch());
        let (mut next, mut at) = (rows.start, 0);
        std::iter::from_fn(move || {
            let first = next;
            next = rows.end.min((first / height + 1) * height);
            let image = first / height;
            let within = first - image * height..next - image * height;
            let source = self.geometry.reach(within.clone());
            let piece = Piece {
                image,
                rows: within,
                at,
                source,
            };
            at += piece.source.len() * pitch;
            (first < rows.end).then_some(piece)
        })
    }

    /// Values of the copy for some rows of the result.
    pub(super) fn values(&self, rows: Range<usize>) -> usize {
        let last = self.pieces(rows).last();
        last.map_or(0, |last| last.at + last.source.len() * self.pitch())
    }

    /// Copies what some rows of the result are sums over.
    #[inline(always)]
    pub(super) fn copy(&self, rows: Range<usize>, source: &[f32], copy: &mut [f32]) {
        let ([height, width, channels], pitch) = (self.geometry.source(), self.pitch());
        if pitch == 0 {
            return;
        }
        let inside = |pixel: isize, size: usize| pixel.clamp(0, size as isize) as usize;
        let columns = inside(self.columns.start, width) * channels
            ..inside(self.columns.end, width) * channels;
        let before = (inside(-self.columns.start, self.columns.len()) * channels).min(pitch);
        for piece in self.pieces(rows) {
            let image = &source[piece.image * height * width * channels..];
            let rows = copy[piece.at..].chunks_exact_mut(pitch);
            for (row, y) in rows.zip(piece.source) {
                if y < 0 || y >= height as isize {
                    row.fill(0.0);
                    continue;
                }
                let (zeros, row) = row.split_at_mut(before);
                zeros.fill(0.0);
                let values = &image[y as usize * width * channels..][columns.clone()];
                let (copied, zeros) = row.split_at_mut(values.len());
                copied.copy_from_slice(values);
                zeros.fill(0.0);
            }
        }
    }

    /// Writes the places of a phase's pixels among some rows of the result; gives their number.
    #[inline(always)]
    pub(super) fn places(
        &self,
        rows: Range<usize>,
        [vertical, horizontal]: [Axis; 2],
        places: &mut [Place],
    ) -> usize {
        let ([height, width, channels], pitch) = (self.geometry.result(), self.pitch());
        let [.., depth] = self.geometry.source();
        let mut count = 0;
        // A phase without a tap has pixels all the same, whose patches are empty.
        let offset = |axis: &Axis, j: usize, start: isize| match axis.taps {
            0 => 0,
            _ => (axis.first + (axis.stride * j) as isize - start) as usize,
        };
        let start = rows.start;
        for piece in self.pieces(rows) {
            for j in vertical.within(piece.rows) {
                let y = piece.image * height + vertical.at + vertical.step * j - start;
                let row = piece.at + offset(&vertical, j, piece.source.start) * pitch;
                let numbers = horizontal.within(0..width);
                let places = &mut places[count..][..numbers.len()];
                for (place, i) in places.iter_mut().zip(numbers) {
                    let x = horizontal.at + horizontal.step * i;
                    let patch = row + offset(&horizontal, i, self.columns.start) * depth;
                    *place = Place {
                        patch: patch as u32,
                        sums: ((y * width + x) * channels) as u32,
                    };
                }
                count += places.len();
            }
        }
        count
    }
}
