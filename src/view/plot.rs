//! What plots share: axes, colours, marks.

use crate::draw::{Alignment, BLACK, Canvas, FONT_7X13, GRID, Point, Rgb888};

/// Ten colours that stay apart for the colour-blind as well (Petroff 2021, "Accessible color sequences for data
/// visualization").
const COLOURS: [Rgb888; 10] = [
    Rgb888::new(0x3f, 0x90, 0xda),
    Rgb888::new(0xff, 0xa9, 0x0e),
    Rgb888::new(0xbd, 0x1f, 0x01),
    Rgb888::new(0x94, 0xa4, 0xa2),
    Rgb888::new(0x83, 0x2d, 0xb6),
    Rgb888::new(0xa9, 0x6b, 0x59),
    Rgb888::new(0xe7, 0x63, 0x00),
    Rgb888::new(0xb9, 0xac, 0x70),
    Rgb888::new(0x71, 0x75, 0x81),
    Rgb888::new(0x92, 0xda, 0xdd),
];

/// Classes that can be told apart: ten colours of each shape.
pub(super) const MOST_CLASSES: usize = COLOURS.len() * Shape::ALL.len();

/// Shape of a mark: classes beyond the tenth have a colour again, in another shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Disc,
    Square,
    Triangle,
}

impl Shape {
    const ALL: [Self; 3] = [Self::Disc, Self::Square, Self::Triangle];

    /// How far outside of the shape of a radius a point is, in pixels.
    fn beyond(self, x: f64, y: f64, radius: f64) -> f64 {
        match self {
            Self::Disc => x.hypot(y) - radius,
            // Of about the same area.
            Self::Square => x.abs().max(y.abs()) - 0.9 * radius,
            Self::Triangle => {
                let sides = 0.866 * x.abs() - 0.5 * y;
                sides.max(y) - 0.75 * radius
            }
        }
    }
}

/// How a class looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// Its colour.
    pub(super) colour: Rgb888,
    shape: Shape,
}

impl Mark {
    /// That of the class `number` of those there are.
    pub(super) fn of(number: usize) -> Self {
        Self {
            colour: COLOURS[number % COLOURS.len()],
            shape: Shape::ALL[number / COLOURS.len() % Shape::ALL.len()],
        }
    }

    /// Draws it about a point, with soft edges.
    pub(super) fn draw(self, canvas: &mut Canvas, (x, y): (f64, f64), radius: f64, opacity: f64) {
        let reach = 1.5 * radius + 1.0;
        let range = |middle: f64| (middle - reach).floor() as i32..=(middle + reach).ceil() as i32;
        for row in range(y) {
            for column in range(x) {
                let (dx, dy) = (f64::from(column) - x, f64::from(row) - y);
                let inside = 0.5 - self.shape.beyond(dx, dy, radius);
                if inside > 0.0 {
                    canvas.blend(column, row, self.colour, inside.min(1.0) * opacity);
                }
            }
        }
    }
}

/// A linear range of values on a range of pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// Least and greatest value.
    pub(super) values: (f64, f64),
    /// Where they lie.
    pub(super) pixels: (f64, f64),
}

impl Scale {
    /// Where a value lies.
    pub(super) fn place(self, value: f64) -> f64 {
        let share = (value - self.values.0) / (self.values.1 - self.values.0);
        self.pixels.0 + share * (self.pixels.1 - self.pixels.0)
    }

    /// About `count` round values within the range, and the decimals to write them with.
    pub(super) fn ticks(self, count: f64) -> (Vec<f64>, usize) {
        let (least, most) = self.values;
        let rough = (most - least) / count;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
        let step = step
            .into_iter()
            .find(|step| *step >= rough)
            .unwrap_or(10.0 * power);
        let numbers = (least / step).ceil() as i64..=(most / step).floor() as i64;
        let ticks = numbers.map(|number| number as f64 * step).collect();
        (ticks, (-step.log10().floor()).clamp(0.0, 12.0) as usize)
    }
}

/// A plot's axes: lines of the grid with their values, and a name each. `up` is drawn where it is given.
pub(super) fn axes(
    canvas: &mut Canvas,
    (across, across_name): (Scale, &str),
    (up, up_name): (Scale, Option<&str>),
) {
    let (left, right) = (across.pixels.0 as i32, across.pixels.1 as i32);
    let (bottom, top) = (up.pixels.0 as i32, up.pixels.1 as i32);
    let (ticks, decimals) = across.ticks(8.0);
    for tick in ticks {
        let x = across.place(tick).round() as i32;
        canvas.line(Point::new(x, top), Point::new(x, bottom), GRID, 1);
        let text = format!("{tick:.decimals$}");
        canvas.text(
            &text,
            Point::new(x, bottom + 14),
            &FONT_7X13,
            Alignment::Center,
        );
    }
    let middle = Point::new((left + right) / 2, bottom + 34);
    canvas.text(across_name, middle, &FONT_7X13, Alignment::Center);
    if let Some(name) = up_name {
        let (ticks, decimals) = up.ticks(8.0);
        for tick in ticks {
            let y = up.place(tick).round() as i32;
            canvas.line(Point::new(left, y), Point::new(right, y), GRID, 1);
            let text = format!("{tick:.decimals$}");
            canvas.text(&text, Point::new(left - 8, y), &FONT_7X13, Alignment::Right);
        }
        canvas.text(
            name,
            Point::new(left, top - 12),
            &FONT_7X13,
            Alignment::Left,
        );
    }
    for (from, to) in [
        ((left, bottom), (right, bottom)),
        ((left, top), (left, bottom)),
    ] {
        canvas.line(Point::new(from.0, from.1), Point::new(to.0, to.1), BLACK, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(least: f64, most: f64) -> Scale {
        Scale {
            values: (least, most),
            pixels: (10.0, 110.0),
        }
    }

    #[test]
    fn values_lie_in_proportion() {
        let scale = scale(-1.0, 3.0);
        assert_eq!(
            [-1.0, 0.0, 3.0].map(|value| scale.place(value)),
            [10.0, 35.0, 110.0]
        );
    }

    #[test]
    fn ticks_are_round_and_within_the_range() {
        assert_eq!(
            scale(-3.2, 3.9).ticks(8.0),
            ((-3..=3).map(f64::from).collect(), 0)
        );
        let (ticks, decimals) = scale(0.01, 0.26).ticks(5.0);
        assert_eq!((ticks.len(), decimals), (5, 2));
        assert!((ticks[0] - 0.05).abs() < 1e-12);
        assert_eq!(scale(-5e4, 9e4).ticks(4.0), (vec![-5e4, 0.0, 5e4], 0));
    }

    #[test]
    fn classes_differ_in_colour_or_shape() {
        let look = |number| {
            let mark = Mark::of(number);
            (mark.colour, mark.shape)
        };
        for a in 0..MOST_CLASSES {
            for b in 0..a {
                assert_ne!(look(a), look(b), "{a} {b}");
            }
        }
    }

    #[test]
    fn marks_cover_about_the_same_area() {
        for (number, white) in [(0, "disc"), (10, "square"), (20, "triangle")] {
            let mut canvas = Canvas::new(41, 41);
            Mark::of(number).draw(&mut canvas, (20.0, 20.0), 10.0, 1.0);
            let (_, _, pixels) = canvas.into_pixels();
            let covered = pixels.chunks(3).filter(|pixel| *pixel != [255; 3]).count();
            assert!((280..420).contains(&covered), "{white}: {covered}");
        }
    }
}
