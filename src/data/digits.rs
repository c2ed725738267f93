//! The built-in data set: digits that look hand-written, drawn by this program.
//!
//! Nothing has to be downloaded, and every platform draws the same bytes: each image has its own
//! stream of random integers, and the arithmetic is only `+ - * /` and `sqrt`, which IEEE 754
//! rounds exactly. Functions such as `sin` or `exp` come from the system's library and differ.

mod glyphs;
mod pen;

use pulp::{Arch, Simd, WithSimd};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

use self::glyphs::{GLYPHS, Variant};
use self::pen::{Ink, Point, Stroke, curve};
use super::source::Source;
use super::{Dataset, Images, Values};
use crate::shape::ImageShape;

/// Images to learn from in the data set `digits`.
pub const TRAIN_IMAGES: usize = 60_000;
/// Images to measure on in the data set `digits`.
pub const TEST_IMAGES: usize = 10_000;
/// Pixels a side.
pub const SIDE: usize = 28;

/// Shape of the digits.
pub const SHAPE: ImageShape = ImageShape::new(SIDE, SIDE, 1);

/// Test images take their random streams from here on, so that their look does not depend on how
/// many training images there are.
const TEST_STREAM: u64 = 1 << 40;

/// Draws `train` and `test` digits of `28×28×1`, white (255) on black (0), with their labels 0..=9.
///
/// The first images of a larger set equal those of a smaller one with the same seed. Neither count
/// should be 0 where the result goes on as a [`Dataset`].
pub fn generate(train: usize, test: usize, seed: u64) -> Dataset {
    let test = draw_images(test, seed, TEST_STREAM);
    Dataset::new(Source::Digits.name(), draw_images(train, seed, 0), test)
}

fn draw_images(count: usize, seed: u64, first_stream: u64) -> Images {
    let mut bytes = vec![0; count * SIDE * SIDE];
    let labels = bytes
        .par_chunks_mut(SIDE * SIDE)
        .enumerate()
        .map(|(i, pixels)| draw_digit(&mut Dice::new(seed, first_stream + i as u64), pixels))
        .collect();
    Images {
        labels: Some(labels),
        ..Images::new(SHAPE, Values::Bytes(bytes))
    }
}

/// Draws one digit into `pixels` (`[28, 28]`) and returns its class.
fn draw_digit(dice: &mut Dice, pixels: &mut [u8]) -> u32 {
    let label = dice.below(GLYPHS.len());
    let hand = Hand::new(dice, label);
    let variant = dice_variant(dice, label);
    let mut strokes = hand.write(dice, variant);
    hand.place(dice, &mut strokes);
    // With the widest vectors that the processor has. They round as the narrow ones do.
    Arch::new().dispatch(Inking {
        strokes: &strokes,
        softness: hand.softness,
        pixels,
    });
    label as u32
}

/// The last part of a digit. A closure in its place would be compiled for narrow vectors: what calls it is not
/// inlined with it.
struct Inking<'a> {
    strokes: &'a [Stroke],
    softness: f32,
    pixels: &'a mut [u8],
}

impl WithSimd for Inking<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let mut ink = Ink::new();
        for stroke in self.strokes {
            ink.draw(stroke, self.softness);
        }
        ink.write_bytes(self.pixels);
    }
}

fn dice_variant(dice: &mut Dice, label: usize) -> &'static Variant {
    let variants = GLYPHS[label];
    let total: usize = variants.iter().map(|variant| variant.weight).sum();
    let mut left = dice.below(total);
    for variant in variants {
        if left < variant.weight {
            return variant;
        }
        left -= variant.weight;
    }
    &variants[0]
}

/// One writer's habits for one digit.
struct Hand {
    /// Horizontal stretch against the glyph's own proportions.
    aspect: f32,
    /// Shift of x for each unit of height; positive leans right.
    slant: f32,
    /// Tangent of half the angle of rotation: gives its sine and cosine without calling either.
    half_turn: f32,
    /// Coefficients of the bend of x and of y: `v², u·v, u², v³` with u, v from the box's centre.
    bend: [[f32; 4]; 2],
    /// How far each point of a stroke strays, in box heights.
    stray: f32,
    /// The pen's radius in pixels.
    radius: f32,
    /// How much thicker strokes down the page are than those across.
    pressure: f32,
    /// Width of the soft edge in pixels.
    softness: f32,
}

impl Hand {
    fn new(dice: &mut Dice, label: usize) -> Self {
        // A lone vertical line shows no stretch; it would only push the pen's path around.
        let stretch = if label == 1 { 0.05 } else { 0.16 };
        let mut bend = [[0.0; 4]; 2];
        for (axis, reach) in bend.iter_mut().zip([0.24, 0.15]) {
            for coefficient in axis {
                *coefficient = dice.bell() * reach;
            }
        }
        Self {
            aspect: (1.0 + dice.bell() * stretch).clamp(0.6, 1.5),
            slant: (0.14 + dice.bell() * 0.20).clamp(-0.45, 0.75),
            half_turn: dice.bell() * 0.07,
            bend,
            stray: dice.between(0.012, 0.045),
            radius: (1.22 + dice.bell() * 0.30).clamp(0.62, 1.95),
            pressure: dice.between(-0.05, 0.22),
            softness: dice.between(1.0, 1.5),
        }
    }

    /// The paths of the pen for one variant of a digit, in units of the glyph's height.
    fn write(&self, dice: &mut Dice, variant: &Variant) -> Vec<Stroke> {
        let mut strokes = Vec::with_capacity(variant.strokes.len());
        for points in variant.strokes {
            let mut guide = Vec::with_capacity(points.len());
            let mut before = None;
            let mut stray = Point::default();
            for &(x, y) in *points {
                // A point given twice is a corner: both copies must stay together.
                if before != Some((x, y)) {
                    stray = Point::new(dice.bell() * self.stray, dice.bell() * self.stray);
                }
                before = Some((x, y));
                guide.push(self.shape(Point::new(x + stray.x, y + stray.y)));
            }
            let mut stroke = Stroke {
                path: curve(&guide),
                radii: Vec::new(),
            };
            self.press(dice, &mut stroke);
            strokes.push(stroke);
        }
        strokes
    }

    /// Bends, stretches, slants and turns one point.
    fn shape(&self, point: Point) -> Point {
        let (u, v) = (point.x - 0.5, point.y - 0.5);
        let terms = [v * v, u * v, u * u, v * v * v];
        let shift = |coefficients: &[f32; 4]| {
            let mut sum = 0.0;
            for (coefficient, term) in coefficients.iter().zip(terms) {
                sum += coefficient * term;
            }
            sum
        };
        let x = (u + shift(&self.bend[0])) * self.aspect;
        let y = v + shift(&self.bend[1]);
        let x = x - y * self.slant;
        let t = self.half_turn;
        let (cos, sin) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
        Point::new(x * cos - y * sin, x * sin + y * cos)
    }

    /// Sets the pen's radius along a stroke: direction, a slow wobble, and lighter ends.
    fn press(&self, dice: &mut Dice, stroke: &mut Stroke) {
        const KNOTS: usize = 5;
        let mut wobble = [0.0; KNOTS];
        for knot in &mut wobble {
            *knot = dice.bell() * 0.13;
        }
        wobble[0] -= dice.between(0.0, 0.22);
        wobble[KNOTS - 1] -= dice.between(0.0, 0.38);
        let last = stroke.path.len() - 1;
        for i in 0..=last {
            let (from, to) = (
                stroke.path[i.saturating_sub(1)],
                stroke.path[last.min(i + 1)],
            );
            let (dx, dy) = (to.x - from.x, to.y - from.y);
            let square = dx * dx + dy * dy;
            let down = if square > 0.0 { dy * dy / square } else { 0.5 };
            let along = i as f32 * (KNOTS - 1) as f32 / last as f32;
            let knot = (along as usize).min(KNOTS - 2);
            let part = along - knot as f32;
            let wobble = wobble[knot] + (wobble[knot + 1] - wobble[knot]) * part;
            let factor = 1.0 + self.pressure * (down - 0.5) + wobble;
            stroke.radii.push(self.radius * factor.max(0.4));
        }
    }

    /// Scales the strokes to a box of about 20 pixels and moves their centre of mass to the middle
    /// of the image, as MNIST does.
    fn place(&self, dice: &mut Dice, strokes: &mut [Stroke]) {
        let (mut low, mut high) = (Point::new(9.0, 9.0), Point::new(-9.0, -9.0));
        let (mut mass, mut sum) = (0.0, Point::default());
        let mut widest: f32 = 0.0;
        for stroke in strokes.iter() {
            widest = stroke.radii.iter().fold(widest, |a, &b| a.max(b));
            for point in &stroke.path {
                low = Point::new(low.x.min(point.x), low.y.min(point.y));
                high = Point::new(high.x.max(point.x), high.y.max(point.y));
            }
            for pair in stroke.path.windows(2) {
                let (dx, dy) = (pair[1].x - pair[0].x, pair[1].y - pair[0].y);
                let length = (dx * dx + dy * dy).sqrt();
                mass += length;
                sum.x += length * 0.5 * (pair[0].x + pair[1].x);
                sum.y += length * 0.5 * (pair[0].y + pair[1].y);
            }
        }
        let side = SIDE as f32;
        let span = (high.x - low.x).max(high.y - low.y);
        let scale = (20.0 + dice.bell() * 0.45 - 2.0 * self.radius) / span;
        let middle = Point::new(
            side * 0.5 + dice.bell() * 0.35,
            side * 0.5 + dice.bell() * 0.35,
        );
        // Ink must not leave the image, wherever the centre of mass lies.
        let margin = widest + 0.5 * self.softness + 1.0;
        let fit = |middle: f32, mean: f32, low: f32, high: f32| {
            let offset = middle - mean * scale;
            let (least, most) = (margin - low * scale, side - margin - high * scale);
            offset.min(most).max(least)
        };
        let x = fit(middle.x, sum.x / mass, low.x, high.x);
        let y = fit(middle.y, sum.y / mass, low.y, high.y);
        for point in strokes.iter_mut().flat_map(|stroke| &mut stroke.path) {
            *point = Point::new(point.x * scale + x, point.y * scale + y);
        }
    }
}

/// Random numbers of one image.
struct Dice(ChaCha8Rng);

impl Dice {
    fn new(seed: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..14].copy_from_slice(b"digits");
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(stream);
        Self(rng)
    }

    /// Uniform in `0.0..1.0`, a multiple of 2⁻²⁴: exact in f32.
    fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / 16_777_216.0
    }

    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Bell-shaped, mean 0, variance 1, within ±3.47: the sum of four uniform numbers.
    fn bell(&mut self) -> f32 {
        let sum = self.unit() + self.unit() + self.unit() + self.unit();
        (sum - 2.0) * 1.732_050_8
    }

    /// Uniform in `0..bound`.
    fn below(&mut self, bound: usize) -> usize {
        ((u64::from(self.0.next_u32()) * bound as u64) >> 32) as usize
    }
}
