//! What plots share: axes, colours, marks.

use crate::draw::{Alignment, BLACK, Canvas, FONT_7X13, GRID, Point, Rgb888};

/// Ten colours that stay apart for the colour-blind as well. A search over colours of middling lightness and chroma
/// made them as unlike as it could, to usual sight and to that without red, green or blue cones (a test has the
/// measure); a well-known set of ten for all eyes (Petroff 2021) is half as far apart.
const COLOURS: [Rgb888; 10] = [
    Rgb888::new(0x38, 0x54, 0xe0),
    Rgb888::new(0xfc, 0x70, 0x00),
    Rgb888::new(0x8c, 0x00, 0x00),
    Rgb888::new(0x8c, 0xe0, 0xfc),
    Rgb888::new(0xa8, 0x8c, 0xfc),
    Rgb888::new(0x70, 0x00, 0x8c),
    Rgb888::new(0xc4, 0xe0, 0x1c),
    Rgb888::new(0x44, 0xaa, 0x99),
    Rgb888::new(0xcc, 0x33, 0x11),
    Rgb888::new(0x8c, 0x54, 0x8c),
];

/// Red, green and blue of each colour of classes. A class beyond the last one has the first again, and so on, in
/// another shape: discs, squares, triangles.
pub fn class_colours() -> [[u8; 3]; COLOURS.len()] {
    use embedded_graphics::prelude::RgbColor;
    COLOURS.map(|colour| [colour.r(), colour.g(), colour.b()])
}

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
    use embedded_graphics::prelude::RgbColor;

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

    /// Linear light to linear light as seen with all cones, and without those for red, green or blue (Machado,
    /// Oliveira & Fernandes 2009, at full severity).
    const SIGHT: [[[f64; 3]; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ],
    ];

    fn times(matrix: [[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
        matrix.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
    }

    /// Oklab (Ottosson 2020), in which equal distances look about equally far apart; black and white are 1 apart.
    fn seen(colour: Rgb888, sight: [[f64; 3]; 3]) -> [f64; 3] {
        let light = [colour.r(), colour.g(), colour.b()].map(|byte| {
            let value = f64::from(byte) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        });
        let light = times(sight, light).map(|value| value.clamp(0.0, 1.0));
        let cones = [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ];
        let lab = [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ];
        times(lab, times(cones, light).map(f64::cbrt))
    }

    #[test]
    fn colours_stay_apart_for_the_colour_blind() {
        for (sight, least) in SIGHT.into_iter().zip([0.15, 0.135, 0.14, 0.1]) {
            for (a, one) in COLOURS.into_iter().enumerate() {
                for (b, other) in COLOURS.into_iter().enumerate().take(a) {
                    let (one, other) = (seen(one, sight), seen(other, sight));
                    let squares = (0..3).map(|i| (one[i] - other[i]).powi(2));
                    let distance = squares.sum::<f64>().sqrt();
                    assert!(distance >= least, "{a} and {b}: {distance}");
                }
                let paper = seen(Rgb888::new(255, 255, 255), sight);
                assert!(paper[0] - seen(one, sight)[0] > 0.1, "{a} on white");
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
