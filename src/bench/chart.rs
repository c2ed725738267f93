//! The picture of [`Growth`]: time per image against each size, both logarithmic, a panel a size.

use super::{Axis, Growth, Point as Measured};
use crate::draw::{Alignment, Canvas, FONT_7X13, FONT_9X15_BOLD, GRID, Point, Rgb888};
use crate::error::Result;

/// Pixels of a panel, and of the title above them all.
const WIDTH: i32 = 440;
const HEIGHT: i32 = 400;
const TITLE: i32 = 60;

/// Pixels around the plot of a panel.
const LEFT: i32 = 64;
const RIGHT: i32 = 20;
const TOP: i32 = 10;
const BOTTOM: i32 = 48;

const TIME: Rgb888 = Rgb888::new(31, 97, 178);
const OPERATIONS: Rgb888 = Rgb888::new(150, 150, 150);
const CLIFF: Rgb888 = Rgb888::new(214, 39, 40);

/// A logarithmic range of values on a range of pixels.
#[derive(Clone, Copy)]
struct Scale {
    /// Logarithms of the ends.
    values: (f64, f64),
    pixels: (i32, i32),
}

impl Scale {
    fn new((least, most): (f64, f64), pixels: (i32, i32)) -> Self {
        let values = (least.ln(), most.ln().max(least.ln() + 1e-9));
        Self { values, pixels }
    }

    fn place(self, value: f64) -> i32 {
        let share = (value.ln() - self.values.0) / (self.values.1 - self.values.0);
        self.pixels.0 + (share * f64::from(self.pixels.1 - self.pixels.0)).round() as i32
    }
}

/// 1, 2 and 5 times powers of ten, from the last that is at most `least` to the first that is at least `most`.
fn ticks(least: f64, most: f64) -> Vec<f64> {
    let decades = least.log10().floor() as i32..=most.log10().ceil() as i32;
    let all: Vec<f64> = decades
        .flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(decade)))
        .collect();
    let first = all.iter().rposition(|&tick| tick <= least).unwrap_or(0);
    let last = all.iter().position(|&tick| tick >= most);
    all[first..=last.unwrap_or(all.len() - 1)].to_vec()
}

/// The PNG file of a picture.
///
/// # Errors
/// [`crate::Error::Config`] where it cannot be encoded.
pub fn picture(growth: &Growth) -> Result<Vec<u8>> {
    let axes = growth.axes();
    let panels = axes.len().max(1) as i32;
    let (width, height) = ((panels * WIDTH) as u32, (TITLE + HEIGHT) as u32);
    let mut canvas = Canvas::new(width, height);
    let model = &growth.subject.model;
    let widths: Vec<String> = model.widths().iter().map(ToString::to_string).collect();
    let title = format!(
        "µs per image of a training step: {}, batch {}, {}",
        widths.join("-"),
        growth.subject.batch_size,
        growth.device
    );
    let legend = "blue: measured, one size varied, the others as above; grey: as its operations grow; red: a cliff";
    let left = Alignment::Left;
    canvas.text(&title, Point::new(16, 20), &FONT_9X15_BOLD, left);
    canvas.text(legend, Point::new(16, 42), &FONT_7X13, left);

    let times = growth.points.iter().map(|p| 1e6 * p.seconds_per_image);
    let (least, most) = times.fold((f64::INFINITY, 0.0_f64), |(least, most), time| {
        (least.min(time), most.max(time))
    });
    if most > 0.0 {
        let ticks = ticks(least, most);
        for (i, axis) in axes.into_iter().enumerate() {
            let points: Vec<_> = growth.along(axis).copied().collect();
            panel(&mut canvas, i as i32 * WIDTH, axis, &points, &ticks);
        }
    }
    canvas.png()
}

/// One size, from `x` on.
fn panel(canvas: &mut Canvas, x: i32, axis: Axis, points: &[Measured], ticks: &[f64]) {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return;
    };
    let (left, right) = (x + LEFT, x + WIDTH - RIGHT);
    let (top, bottom) = (TITLE + TOP, TITLE + HEIGHT - BOTTOM);
    let across = Scale::new((first.size as f64, last.size as f64), (left, right));
    let up = Scale::new((ticks[0], ticks[ticks.len() - 1]), (bottom, top));
    for &tick in ticks {
        let y = up.place(tick);
        canvas.line(Point::new(left, y), Point::new(right, y), GRID, 1);
        let label = format!("{tick}");
        let at = Point::new(left - 8, y);
        canvas.text(&label, at, &FONT_7X13, Alignment::Right);
    }
    for point in points {
        let x = across.place(point.size as f64);
        canvas.line(Point::new(x, top), Point::new(x, bottom), GRID, 1);
        let label = point.size.to_string();
        let at = Point::new(x, bottom + 14);
        canvas.text(&label, at, &FONT_7X13, Alignment::Center);
    }
    let middle = Point::new((left + right) / 2, bottom + 34);
    canvas.text(axis.name(), middle, &FONT_7X13, Alignment::Center);

    let at = |point: &Measured, seconds: f64| {
        let y = up.place(1e6 * seconds).clamp(top, bottom);
        Point::new(across.place(point.size as f64), y)
    };
    // What the first point would take with the operations of another.
    let by_operations = |point: &Measured| {
        first.seconds_per_image * point.operations_per_image / first.operations_per_image
    };
    for pair in points.windows(2) {
        let [from, to] = [&pair[0], &pair[1]].map(|p| at(p, by_operations(p)));
        canvas.line(from, to, OPERATIONS, 1);
    }
    for pair in points.windows(2) {
        let [from, to] = [&pair[0], &pair[1]].map(|p| at(p, p.seconds_per_image));
        canvas.line(from, to, TIME, 2);
    }
    for point in points {
        let colour = if point.cliff { CLIFF } else { TIME };
        canvas.dot(at(point, point.seconds_per_image), colour, 7);
    }
}

#[cfg(test)]
mod tests {
    use embedded_graphics::prelude::RgbColor;
    use image::Rgb;

    use super::*;
    use crate::bench::Subject;
    use crate::model::ModelSpec;

    #[test]
    fn ticks_enclose_the_range() {
        assert_eq!(ticks(30.0, 180.0), [20.0, 50.0, 100.0, 200.0]);
        assert_eq!(ticks(20.0, 20.0), [20.0]);
        assert_eq!(ticks(0.7, 1.0), [0.5, 1.0]);
    }

    #[test]
    fn a_picture_shows_times_and_cliffs_in_their_colours() {
        let point = |axis, size: usize, cliff| Measured {
            axis,
            size,
            seconds_per_image: 1e-6 * size as f64,
            operations_per_image: 1e3,
            beyond_operations: Some(2.0),
            cliff,
        };
        let points = Axis::ALL.map(|axis| [point(axis, 32, false), point(axis, 64, true)]);
        let growth = Growth {
            device: "device".to_owned(),
            subject: Subject {
                model: ModelSpec::reference(),
                batch_size: 128,
                precision: Default::default(),
                tune: Default::default(),
            },
            points: points.concat(),
        };
        let png = picture(&growth).expect("a picture");
        let picture = image::load_from_memory(&png).expect("a PNG").to_rgb8();
        assert_eq!(picture.width() as i32, 3 * WIDTH);
        for colour in [TIME, OPERATIONS, CLIFF] {
            let colour = Rgb([colour.r(), colour.g(), colour.b()]);
            for third in 0..3 {
                let own = third * WIDTH as u32..(third + 1) * WIDTH as u32;
                let mut pixels = picture.enumerate_pixels();
                let found = pixels.any(|(x, _, pixel)| own.contains(&x) && *pixel == colour);
                assert!(found, "{colour:?} in panel {third}");
            }
        }
    }
}
