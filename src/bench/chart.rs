//! The picture of [`Growth`]: time per image against each size, both logarithmic, a panel a size.

use super::{Axis, Growth, Point as Measured};
use crate::draw::{
    self, Alignment, Canvas, FONT_7X13, FONT_9X15_BOLD, Mark, Panel, Point, Rgb888, Tick, extent,
};
use crate::error::Result;
use crate::model::words;

/// Pixels of a panel, and of the title above them all.
const WIDTH: i32 = 440;
const HEIGHT: i32 = 400;
const TITLE: i32 = 60;

/// Pixels around the plot of a panel; more to its left where labels are long.
const LEFT: i32 = 64;
const RIGHT: i32 = 20;
const TOP: i32 = 26;
const BOTTOM: i32 = 48;

const TIME: Rgb888 = Rgb888::new(31, 97, 178);
const OPERATIONS: Rgb888 = Rgb888::new(150, 150, 150);
const CLIFF: Rgb888 = Rgb888::new(214, 39, 40);

/// The PNG file of a picture.
///
/// # Errors
/// [`crate::Error::Config`] where it cannot be encoded.
pub fn picture(growth: &Growth) -> Result<Vec<u8>> {
    let axes = growth.axes();
    let model = &growth.subject.model;
    let title = format!(
        "µs per image of a training step: {}, batch {}, {}",
        words::shape(model),
        growth.subject.batch_size,
        growth.device
    );
    let legend = "blue: measured, one size varied, the others as above; grey: as its operations grow; red: a cliff";
    let text = (9 * title.chars().count() as i32).max(draw::length(legend)) + 32;
    let width = text.max(WIDTH * axes.len() as i32);
    let mut canvas = Canvas::new(width as u32, (TITLE + HEIGHT) as u32);
    let left = Alignment::Left;
    canvas.text(&title, Point::new(16, 20), &FONT_9X15_BOLD, left);
    canvas.text(legend, Point::new(16, 42), &FONT_7X13, left);

    let times = growth.points.iter().map(|p| 1e6 * p.seconds_per_image);
    let times = draw::Axis::around(extent(times), true);
    for (i, axis) in axes.into_iter().enumerate() {
        let points: Vec<_> = growth.along(axis).copied().collect();
        panel(&mut canvas, i as i32 * WIDTH, axis, &points, times);
    }
    canvas.png()
}

/// One size, from `x` on.
fn panel(canvas: &mut Canvas, x: i32, axis: Axis, points: &[Measured], times: draw::Axis) {
    let Some(first) = points.first() else {
        return;
    };
    let ticks = times.ticks(5);
    let panel = Panel {
        columns: (x + draw::room(&ticks, LEFT), x + WIDTH - RIGHT),
        rows: (TITLE + TOP, TITLE + HEIGHT - BOTTOM),
        across: draw::Axis::around(extent(points.iter().map(|p| p.size as f64)), true),
        up: times,
    };
    let sizes: Vec<Tick> = points
        .iter()
        .map(|point| (point.size as f64, point.size.to_string()))
        .collect();
    panel.grid_up(canvas, "µs per image", &ticks);
    panel.grid_across(canvas, axis.name(), &sizes);
    panel.axes(canvas);
    let line = |of: &dyn Fn(&Measured) -> f64| -> Vec<(f64, f64)> {
        let at = |point: &Measured| (point.size as f64, 1e6 * of(point));
        points.iter().map(at).collect()
    };
    // What the first point would take with the operations of another.
    let by_operations = line(&|point| {
        first.seconds_per_image * point.operations_per_image / first.operations_per_image
    });
    panel.line(canvas, &by_operations, OPERATIONS, 1);
    let measured = line(&|point| point.seconds_per_image);
    panel.line(canvas, &measured, TIME, 2);
    for (point, (size, time)) in points.iter().zip(measured) {
        let colour = if point.cliff { CLIFF } else { TIME };
        Mark::disc(colour).draw(canvas, panel.place(size, time), 3.5, 1.0);
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
