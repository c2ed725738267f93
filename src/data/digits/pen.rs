//! The pen: smooth paths through given points, and their ink on the pixels.

use super::SIDE;

/// Straight pieces between two guide points; at 20 pixels a digit a piece is under a pixel or two.
const PIECES: usize = 6;

/// A point; x to the right, y down.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Point {
    pub(super) x: f32,
    pub(super) y: f32,
}

impl Point {
    pub(super) const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }
}

/// One movement of the pen, from where it touches the paper to where it leaves.
pub(super) struct Stroke {
    /// The pen's centre, joined by straight lines.
    pub(super) path: Vec<Point>,
    /// The pen's radius in pixels at each point of the path.
    pub(super) radii: Vec<f32>,
}

/// A Catmull-Rom spline through the guide points (at least 2), as short straight pieces.
///
/// A guide point given twice becomes a corner.
pub(super) fn curve(guide: &[Point]) -> Vec<Point> {
    let last = guide.len() - 1;
    let mut path = Vec::with_capacity(last * PIECES + 1);
    path.push(guide[0]);
    for i in 0..last {
        let (b, c) = (guide[i], guide[i + 1]);
        if b.x == c.x && b.y == c.y {
            continue;
        }
        let (a, d) = (guide[i.saturating_sub(1)], guide[last.min(i + 2)]);
        for piece in 1..=PIECES {
            let t = piece as f32 / PIECES as f32;
            path.push(Point::new(
                spline(a.x, b.x, c.x, d.x, t),
                spline(a.y, b.y, c.y, d.y, t),
            ));
        }
    }
    path
}

/// One coordinate between `b` (t = 0) and `c` (t = 1); the slope at `b` is `(c - a) / 2`.
fn spline(a: f32, b: f32, c: f32, d: f32, t: f32) -> f32 {
    let linear = c - a;
    let square = 2.0 * a - 5.0 * b + 4.0 * c - d;
    let cubic = 3.0 * b - a - 3.0 * c + d;
    b + 0.5 * t * (linear + t * (square + t * cubic))
}

/// Pixels that are inked at once, side by side, in the processor's vectors.
const GROUP: usize = 8;
/// Their places in the group, as floats: the conversion would cost as much as the rest.
const PLACES: [f32; GROUP] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
/// Floats of a row of ink: a group may start at its last pixel.
const STRIDE: usize = SIDE + GROUP;

/// The ink on the paper: `[28, STRIDE]`, 0 = none, 1 = full; what lies right of the image is not shown.
pub(super) struct Ink([f32; SIDE * STRIDE]);

impl Ink {
    pub(super) fn new() -> Self {
        Self([0.0; SIDE * STRIDE])
    }

    /// Adds a stroke with an edge that fades over `softness` pixels.
    #[inline(always)]
    pub(super) fn draw(&mut self, stroke: &Stroke, softness: f32) {
        for (ends, radii) in stroke.path.windows(2).zip(stroke.radii.windows(2)) {
            self.draw_piece([ends[0], ends[1]], [radii[0], radii[1]], softness);
        }
    }

    #[inline(always)]
    fn draw_piece(&mut self, [from, to]: [Point; 2], radii: [f32; 2], softness: f32) {
        let reach = radii[0].max(radii[1]) + 0.5 * softness;
        let columns = pixels_within(from.x.min(to.x) - reach, from.x.max(to.x) + reach);
        let rows = pixels_within(from.y.min(to.y) - reach, from.y.max(to.y) + reach);
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        let square = (dx * dx + dy * dy).max(1e-12);
        for row in rows {
            let y = row as f32 + 0.5 - from.y;
            for first in columns.clone().step_by(GROUP) {
                let group = self.0[row * STRIDE + first..].first_chunk_mut::<GROUP>();
                let Some(group) = group else { continue };
                // Pixels past `columns` are out of the pen's reach and get no ink.
                for (ink, place) in group.iter_mut().zip(PLACES) {
                    let x = first as f32 + place + 0.5 - from.x;
                    let along = ((x * dx + y * dy) / square).clamp(0.0, 1.0);
                    let (px, py) = (x - along * dx, y - along * dy);
                    let distance = (px * px + py * py).sqrt();
                    let radius = radii[0] + along * (radii[1] - radii[0]);
                    let depth = ((radius - distance) / softness + 0.5).clamp(0.0, 1.0);
                    *ink = ink.max(depth * depth * (3.0 - 2.0 * depth));
                }
            }
        }
    }

    /// Writes the image as bytes, 0 = black paper, 255 = full ink.
    #[inline(always)]
    pub(super) fn write_bytes(&self, pixels: &mut [u8]) {
        let rows = self.0.chunks_exact(STRIDE);
        for (pixels, inks) in pixels.chunks_exact_mut(SIDE).zip(rows) {
            for (pixel, ink) in pixels.iter_mut().zip(inks) {
                *pixel = (ink * 255.0 + 0.5) as u8;
            }
        }
    }
}

/// Pixels of a row or column whose centre may lie in `low..=high`, cut to the image.
fn pixels_within(low: f32, high: f32) -> std::ops::Range<usize> {
    // Casts of floats saturate: what lies left of the image becomes 0.
    (low as usize).min(SIDE)..((high as usize).saturating_add(1)).min(SIDE)
}
