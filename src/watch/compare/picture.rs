//! The picture of [`Comparison`]: test losses by epoch, a row of panels for each group.

use super::{Comparison, Group};
use crate::draw::{Alignment, Canvas, FONT_7X13, FONT_9X15_BOLD, GRID, Point, Rgb888};
use crate::error::Result;
use crate::train::metrics::Epoch;
use crate::watch::plot::{Axis, Series, ticks, vertical};

/// Pixels of a panel.
const WIDTH: i32 = 460;
const HEIGHT: i32 = 340;
/// Pixels of a line of text.
const LINE: i32 = 20;
/// Pixels around the plot of a panel.
const LEFT: i32 = 66;
const RIGHT: i32 = 18;
const TOP: i32 = 34;
const BOTTOM: i32 = 46;

/// Colours of the runs, as the page has them.
const COLOURS: [Rgb888; 8] = [
    Rgb888::new(47, 111, 222),
    Rgb888::new(194, 65, 12),
    Rgb888::new(23, 128, 61),
    Rgb888::new(147, 51, 168),
    Rgb888::new(14, 124, 134),
    Rgb888::new(179, 38, 94),
    Rgb888::new(122, 98, 0),
    Rgb888::new(86, 95, 110),
];

/// The PNG file.
///
/// # Errors
/// [`crate::Error::Config`] where it cannot be encoded.
pub(super) fn png(comparison: &Comparison) -> Result<Vec<u8>> {
    let rows = comparison.groups.iter();
    let heights: Vec<i32> = rows
        .map(|g| HEIGHT + LINE * (2 + g.runs.len() as i32))
        .collect();
    let panels = comparison
        .groups
        .iter()
        .map(|g| panels(comparison, g).len());
    let width = WIDTH * panels.max().unwrap_or(1) as i32;
    let height: i32 = heights.iter().sum::<i32>() + LINE;
    let mut canvas = Canvas::new(width as u32, height as u32);
    let mut top = LINE / 2;
    for (group, height) in comparison.groups.iter().zip(heights) {
        row(&mut canvas, comparison, group, top);
        top += height;
    }
    canvas.png()
}

type Panel = (&'static str, fn(&Group, &Epoch) -> f64);

fn panels(comparison: &Comparison, group: &Group) -> Vec<Panel> {
    let mut all: Vec<Panel> = vec![(group.figure, |group, epoch| group.value(epoch))];
    if group.runs.iter().any(|&run| comparison.runs[run].is_vae()) {
        all.push(("reconstruction", |_, epoch| epoch.test_reconstruction));
        all.push(("KL, not weighted", |_, epoch| epoch.test_kl));
    }
    all
}

/// A group: its title, a line for each run in its colour, its panels.
fn row(canvas: &mut Canvas, comparison: &Comparison, group: &Group, top: i32) {
    let title = match comparison.groups.len() {
        1 => format!("{}, {}", group.figure, group.unit),
        _ => format!("{}: {}", group.figure, group.apart.join(", ")),
    };
    let left = Alignment::Left;
    canvas.text(
        &title,
        Point::new(16, top + LINE / 2),
        &FONT_9X15_BOLD,
        left,
    );
    let mut y = top + LINE + LINE / 2;
    for &run in &group.runs {
        canvas.line(Point::new(16, y), Point::new(40, y), COLOURS[run % 8], 3);
        let row = &comparison.rows[run];
        let differs = row
            .differs
            .iter()
            .map(|(name, value)| format!(", {name} {value}"));
        let text = format!("{}{}", row.run, differs.collect::<String>());
        canvas.text(&text, Point::new(50, y), &FONT_7X13, left);
        y += LINE;
    }
    for (i, (name, of)) in panels(comparison, group).into_iter().enumerate() {
        let series = group.runs.iter().map(|&run| Series {
            name: String::new(),
            class: run.to_string(),
            points: comparison.runs[run]
                .epochs()
                .map(|epoch| (f64::from(epoch.epoch), of(group, epoch)))
                .collect(),
            dots: true,
        });
        let colours: Vec<Rgb888> = group.runs.iter().map(|&run| COLOURS[run % 8]).collect();
        let corner = Point::new(WIDTH * i as i32, y - LINE / 2);
        panel(canvas, corner, name, &series.collect::<Vec<_>>(), &colours);
    }
}

fn panel(canvas: &mut Canvas, corner: Point, name: &str, series: &[Series], colours: &[Rgb888]) {
    let (left, right) = (corner.x + LEFT, corner.x + WIDTH - RIGHT);
    let (top, bottom) = (corner.y + TOP, corner.y + HEIGHT - BOTTOM);
    let title = Point::new(left, corner.y + TOP / 2);
    canvas.text(name, title, &FONT_7X13, Alignment::Left);
    let last = series.iter().filter_map(|s| s.points.last());
    let x = Axis {
        from: 0.0,
        to: last.map(|point| point.0).fold(1.0, f64::max),
        log: false,
    };
    let y = vertical(series, x, false);
    let across = |share: f64| left + (share * f64::from(right - left)).round() as i32;
    let up = |share: f64| bottom - (share.clamp(0.0, 1.0) * f64::from(bottom - top)).round() as i32;
    for (value, label) in ticks(y, 5) {
        let at = up(y.place(value));
        canvas.line(Point::new(left, at), Point::new(right, at), GRID, 1);
        canvas.text(
            &label,
            Point::new(left - 8, at),
            &FONT_7X13,
            Alignment::Right,
        );
    }
    for (value, label) in ticks(x, 8) {
        let at = Point::new(across(x.place(value)), bottom + 14);
        canvas.text(&label, at, &FONT_7X13, Alignment::Center);
    }
    let middle = Point::new((left + right) / 2, bottom + 32);
    canvas.text("epoch", middle, &FONT_7X13, Alignment::Center);
    for (series, &colour) in series.iter().zip(colours) {
        let at = |&(px, py): &(f64, f64)| Point::new(across(x.place(px)), up(y.place(py)));
        // The first moments may lie above the axis.
        let within = series.points.iter().filter(|point| point.1 <= y.to);
        let places: Vec<Point> = within.map(at).collect();
        for pair in places.windows(2) {
            canvas.line(pair[0], pair[1], colour, 2);
        }
        if places.len() <= 30 {
            for place in places {
                canvas.dot(place, colour, 6);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use embedded_graphics::prelude::RgbColor;

    use super::*;
    use crate::watch::run::tests::run;

    #[test]
    fn each_run_has_its_colour_in_every_panel() {
        let runs = [run(3, 3), run(5, 5)].map(|mut run| {
            run.name = format!("of {}", run.epochs_done());
            run
        });
        let mut runs = runs.to_vec();
        for line in &mut runs[1].lines {
            if let crate::train::metrics::Line::Epoch(epoch) = line {
                epoch.test_loss += 9.0;
                epoch.test_reconstruction += 4.0;
                epoch.test_kl += 5.0;
            }
        }
        let comparison = Comparison::of(runs).expect("two runs");
        let png = png(&comparison).expect("a picture");
        let picture = image::load_from_memory(&png).expect("a PNG").to_rgb8();
        assert_eq!(picture.width() as i32, 3 * WIDTH);
        for colour in &COLOURS[..2] {
            let colour = image::Rgb([colour.r(), colour.g(), colour.b()]);
            for third in 0..3 {
                let own = third * WIDTH as u32..(third + 1) * WIDTH as u32;
                // Below the lines of the legend.
                let below = (LINE * 4) as u32;
                let found = picture
                    .enumerate_pixels()
                    .any(|(x, y, pixel)| own.contains(&x) && y > below && *pixel == colour);
                assert!(found, "{colour:?} in panel {third}");
            }
        }
    }
}
