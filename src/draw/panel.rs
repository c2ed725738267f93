//! A plot on a picture: a rectangle with an axis at its lower and at its left edge.

use super::{Alignment, Axis, BLACK, Canvas, FONT_7X13, GRID, Point, Rgb888, Tick};

/// Pixels of a letter of a plot's text.
const LETTER: i32 = 7;
/// Pixels between a plot's edge and its labels.
const MARGIN: i32 = 8;

/// Where a plot lies, and its axes.
#[derive(Clone, Copy, Debug)]
pub struct Panel {
    /// Columns of its left and its right edge.
    pub columns: (i32, i32),
    /// Rows of its upper and its lower edge.
    pub rows: (i32, i32),
    /// From left to right.
    pub across: Axis,
    /// From the lower edge upwards.
    pub up: Axis,
}

/// Pixels that a line of a plot's text takes.
pub fn length(text: &str) -> i32 {
    LETTER * text.chars().count() as i32
}

/// Pixels that labels to the left of a plot take, with a margin on both sides; not less than `least`.
pub fn room(ticks: &[Tick], least: i32) -> i32 {
    let longest = ticks.iter().map(|(_, text)| length(text)).max();
    (longest.unwrap_or(0) + 2 * MARGIN).max(least)
}

impl Panel {
    /// Where a value across and one upwards lie, in pixels.
    pub fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let along =
            |(from, to): (i32, i32), share: f64| f64::from(from) + share * f64::from(to - from);
        let (top, bottom) = self.rows;
        let place = (
            along(self.columns, self.across.place(x)),
            along((bottom, top), self.up.place(y)),
        );
        // Far outside it does not matter where, and pixels have to be countable.
        let near = |place: f64| place.clamp(-1e4, 1e5);
        (near(place.0), near(place.1))
    }

    /// Ticks of the axis across, as many as have room beside each other.
    pub fn ticks_across(&self) -> Vec<Tick> {
        let width = self.columns.1 - self.columns.0;
        let fits = |ticks: &Vec<Tick>| {
            let longest = ticks.iter().map(|(_, text)| length(text)).max();
            (longest.unwrap_or(0) + 2 * LETTER) * ticks.len() as i32 <= width
        };
        let tried = [8, 5, 3, 2].map(|wanted| self.across.ticks(wanted));
        let few = tried[3].clone();
        tried.into_iter().find(fits).unwrap_or(few)
    }

    /// Draws lines of the grid for values across, with their labels and the axis' name below.
    pub fn grid_across(&self, canvas: &mut Canvas, name: &str, ticks: &[Tick]) {
        let ((left, right), (top, bottom)) = (self.columns, self.rows);
        for (value, label) in ticks {
            let x = self.place(*value, self.up.from).0.round() as i32;
            canvas.line(Point::new(x, top), Point::new(x, bottom), GRID, 1);
            let at = Point::new(x, bottom + 14);
            canvas.text(label, at, &FONT_7X13, Alignment::Center);
        }
        let middle = Point::new((left + right) / 2, bottom + 34);
        canvas.text(name, middle, &FONT_7X13, Alignment::Center);
    }

    /// Draws lines of the grid for values upwards, with their labels to the left and the axis' name above.
    pub fn grid_up(&self, canvas: &mut Canvas, name: &str, ticks: &[Tick]) {
        let ((left, right), (top, _)) = (self.columns, self.rows);
        for (value, label) in ticks {
            let y = self.place(self.across.from, *value).1.round() as i32;
            canvas.line(Point::new(left, y), Point::new(right, y), GRID, 1);
            let at = Point::new(left - MARGIN, y);
            canvas.text(label, at, &FONT_7X13, Alignment::Right);
        }
        let above = Point::new(left, top - 12);
        canvas.text(name, above, &FONT_7X13, Alignment::Left);
    }

    /// Draws both axes.
    pub fn axes(&self, canvas: &mut Canvas) {
        let ((left, right), (top, bottom)) = (self.columns, self.rows);
        let corner = Point::new(left, bottom);
        for end in [Point::new(right, bottom), Point::new(left, top)] {
            canvas.line(corner, end, BLACK, 1);
        }
    }

    /// Draws the straight lines between points, as far as they lie within the plot.
    pub fn line(&self, canvas: &mut Canvas, points: &[(f64, f64)], colour: Rgb888, width: u32) {
        let at = |&(x, y): &(f64, f64)| {
            let (x, y) = self.place(x, y);
            Point::new(x.round() as i32, y.round() as i32)
        };
        for pair in points.windows(2) {
            let (from, to) = (at(&pair[0]), at(&pair[1]));
            canvas.line_within((self.columns, self.rows), (from, to), colour, width);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(across: Axis, up: Axis) -> Panel {
        Panel {
            columns: (100, 500),
            rows: (50, 250),
            across,
            up,
        }
    }

    fn inked(canvas: Canvas, colour: [u8; 3]) -> Vec<(usize, usize)> {
        let (width, _, pixels) = canvas.into_pixels();
        let all = pixels.chunks(3).enumerate();
        let own = all.filter(|(_, pixel)| **pixel == colour);
        own.map(|(i, _)| (i % width, i / width)).collect()
    }

    #[test]
    fn values_lie_between_the_edges() {
        let panel = panel(Axis::linear(-1.0, 3.0), Axis::linear(0.0, 10.0));
        assert_eq!(panel.place(-1.0, 0.0), (100.0, 250.0));
        assert_eq!(panel.place(3.0, 10.0), (500.0, 50.0));
        assert_eq!(panel.place(0.0, 5.0), (200.0, 150.0));
    }

    #[test]
    fn a_line_ends_at_the_edges_and_keeps_its_slope() {
        let panel = panel(Axis::linear(0.0, 1.0), Axis::linear(0.0, 1.0));
        let mut canvas = Canvas::new(600, 300);
        // Through the middle, from far above to far below.
        panel.line(&mut canvas, &[(0.0, 2.0), (1.0, -1.0)], BLACK, 1);
        let seen = inked(canvas, [30; 3]);
        let within = |&(x, y): &(usize, usize)| (100..=500).contains(&x) && (50..=250).contains(&y);
        assert!(seen.iter().all(within), "{seen:?}");
        let ends = (
            seen.iter().map(|at| at.1).min(),
            seen.iter().map(|at| at.1).max(),
        );
        assert_eq!(ends, (Some(50), Some(250)));
        assert!(seen.contains(&(300, 150)), "the middle");
    }

    #[test]
    fn labels_have_room_and_do_not_lie_on_each_other() {
        let panel = panel(Axis::linear(1e6, 1e6 + 1e-3), Axis::linear(0.0, 1.0));
        let ticks = panel.ticks_across();
        let longest = ticks.iter().map(|(_, text)| length(text)).max();
        assert!(ticks.len() > 1 && longest > Some(60), "{ticks:?}");
        let apart = ticks
            .windows(2)
            .map(|pair| panel.place(pair[1].0, 0.0).0 - panel.place(pair[0].0, 0.0).0);
        assert!(apart.fold(f64::MAX, f64::min) > f64::from(longest.unwrap_or(0)));
        assert_eq!(room(&[(0.0, "-22,000.5".into())], 64), 9 * 7 + 16);
        assert_eq!(room(&[(0.0, "1".into())], 64), 64);
    }
}
