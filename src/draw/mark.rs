//! What tells classes or curves apart: colours and shapes of marks.

use super::{Canvas, Rgb888, RgbColor};

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

/// Marks that can be told apart: ten colours of each shape.
pub const MOST_MARKS: usize = COLOURS.len() * Shape::ALL.len();

/// Red, green and blue of each colour of marks, as classes have them. A mark beyond the last one has the first
/// again, and so on, in another shape: discs, squares, triangles.
pub fn mark_colours() -> [[u8; 3]; COLOURS.len()] {
    COLOURS.map(|colour| [colour.r(), colour.g(), colour.b()])
}

/// Shape of a mark: those beyond the tenth have a colour again, in another shape.
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

/// How a class, or a curve, looks.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Its colour.
    pub colour: Rgb888,
    shape: Shape,
}

impl Mark {
    /// That of a number, counted from 0; beyond [`MOST_MARKS`] they come again.
    pub fn of(number: usize) -> Self {
        Self {
            colour: COLOURS[number % COLOURS.len()],
            shape: Shape::ALL[number / COLOURS.len() % Shape::ALL.len()],
        }
    }

    /// A disc of a colour.
    pub fn disc(colour: Rgb888) -> Self {
        let shape = Shape::Disc;
        Self { colour, shape }
    }

    /// Draws it about a point, with soft edges.
    pub fn draw(self, canvas: &mut Canvas, (x, y): (f64, f64), radius: f64, opacity: f64) {
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

#[cfg(test)]
mod tests {
    use embedded_graphics::prelude::RgbColor;

    use super::*;

    #[test]
    fn marks_differ_in_colour_or_shape() {
        let look = |number| {
            let mark = Mark::of(number);
            (mark.colour, mark.shape)
        };
        for a in 0..MOST_MARKS {
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
