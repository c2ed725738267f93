//! The picture of [`Comparison`]: test losses by epoch, a row of panels for each group.

use super::row::{MODEL, NONE};
use super::{Comparison, Group};
use crate::draw::{
    Alignment, Axis, Canvas, FONT_7X13, FONT_9X15_BOLD, Mark, Panel, Point, length, room,
};
use crate::error::Result;
use crate::model::objectives::Term;
use crate::watch::plot::vertical;

/// Pixels of a panel.
const WIDTH: i32 = 460;
const HEIGHT: i32 = 340;
/// Pixels of a line of text.
const LINE: i32 = 20;
/// Pixels from the left edge to a title and to the text of a legend, and from text to the right edge.
const EDGE: i32 = 16;
const INDENT: i32 = 50;
/// Pixels of a letter of a title.
const LETTER: i32 = 9;
/// Pixels around the plot of a panel; more to its left where labels are long.
const LEFT: i32 = 66;
const RIGHT: i32 = 18;
const TOP: i32 = 34;
const BOTTOM: i32 = 46;

/// Epochs of a curve that all have a mark; of more, about ten have one.
const MOST_MARKED: usize = 30;

/// The PNG file.
///
/// # Errors
/// [`crate::Error::Config`] where it cannot be encoded.
pub(super) fn png(comparison: &Comparison) -> Result<Vec<u8>> {
    let groups = comparison.groups.iter();
    let rows: Vec<Row<'_>> = groups.map(|group| Row::of(comparison, group)).collect();
    let width = rows.iter().map(Row::least_width).max().unwrap_or(WIDTH);
    let height = rows.iter().map(|row| row.height(width)).sum::<i32>() + LINE;
    let mut canvas = Canvas::new(width as u32, height as u32);
    let mut top = LINE / 2;
    for row in &rows {
        row.draw(&mut canvas, comparison, top);
        top += row.height(width);
    }
    canvas.png()
}

/// The name of a panel, and the term that it shows; `None`: the group's figure.
type Figure = (String, Option<&'static Term>);

/// A group: its title, a legend, a panel for each figure. Texts are in parts, between which a line may end.
struct Row<'a> {
    group: &'a Group,
    title: Vec<String>,
    /// Each run with its name and settings.
    legend: Vec<(usize, Vec<String>)>,
    figures: Vec<Figure>,
}

impl<'a> Row<'a> {
    fn of(comparison: &Comparison, group: &'a Group) -> Self {
        let title = std::iter::once(group.figure.to_owned())
            .chain(group.words())
            .collect();
        let [mut differing, settings] = comparison.differing(group);
        differing.retain(|name| name == MODEL);
        differing.extend(settings);
        let legend = group.runs.iter().map(|&run| {
            let row = &comparison.rows[run];
            let own = differing.iter().map(|name| (&name[..], row.text(name)));
            let said = own
                .filter(|(_, value)| value != NONE)
                .map(|(name, value)| match name {
                    MODEL => value,
                    _ => format!("{name} {value}"),
                });
            let name = std::iter::once(row.run.clone());
            (run, name.chain(said).collect())
        });
        let mut figures: Vec<Figure> = vec![(group.figure.to_owned(), None)];
        figures.extend(
            group
                .objective
                .parts()
                .iter()
                .map(|term| (format!("{}{}", term.text, term.caution()), Some(term))),
        );
        Self {
            group,
            legend: legend.collect(),
            title,
            figures,
        }
    }

    /// Pixels that no line of its text and none of its panels is wider than.
    fn least_width(&self) -> i32 {
        let letters = |parts: &[String]| {
            let longest = parts.iter().map(|part| part.chars().count()).max();
            // The comma behind it.
            longest.unwrap_or(0) as i32 + 1
        };
        let title = EDGE + LETTER * letters(&self.title);
        let legend = self.legend.iter().map(|(_, parts)| letters(parts)).max();
        let legend = INDENT + length(" ") * legend.unwrap_or(0);
        (title.max(legend) + EDGE).max(WIDTH * self.figures.len() as i32)
    }

    fn title_in(&self, width: i32) -> Vec<String> {
        wrapped(&self.title, (width - 2 * EDGE) / LETTER)
    }

    fn legend_in(&self, width: i32) -> impl Iterator<Item = (usize, Vec<String>)> {
        let letters = (width - INDENT - EDGE) / length(" ");
        let lines = move |(run, parts): &(usize, Vec<String>)| (*run, wrapped(parts, letters));
        self.legend.iter().map(lines)
    }

    fn height(&self, width: i32) -> i32 {
        let legend: usize = self.legend_in(width).map(|(_, lines)| lines.len()).sum();
        HEIGHT + LINE * (self.title_in(width).len() + legend + 1) as i32
    }

    fn draw(&self, canvas: &mut Canvas, comparison: &Comparison, top: i32) {
        let (width, _) = canvas.dimensions();
        let left = Alignment::Left;
        let mut y = top + LINE / 2;
        for line in self.title_in(width) {
            canvas.text(&line, Point::new(EDGE, y), &FONT_9X15_BOLD, left);
            y += LINE;
        }
        for (run, lines) in self.legend_in(width) {
            let mark = Mark::of(run);
            let ends = [EDGE, EDGE + 24].map(|x| Point::new(x, y));
            canvas.line(ends[0], ends[1], mark.colour, 2);
            mark.draw(canvas, (f64::from(EDGE + 12), f64::from(y)), 4.5, 1.0);
            for line in lines {
                canvas.text(&line, Point::new(INDENT, y), &FONT_7X13, left);
                y += LINE;
            }
        }
        for (i, (name, term)) in self.figures.iter().enumerate() {
            let curve = |&run: &usize| {
                let epochs = comparison.runs[run].epochs();
                let points = epochs.map(|epoch| {
                    let value = match term {
                        Some(term) => epoch.test.term(term),
                        None => self.group.value(epoch),
                    };
                    (f64::from(epoch.epoch), value)
                });
                (run, points.collect())
            };
            let curves: Vec<(usize, Vec<(f64, f64)>)> = self.group.runs.iter().map(curve).collect();
            panel(
                canvas,
                Point::new(WIDTH * i as i32, y - LINE / 2),
                name,
                &curves,
            );
        }
    }
}

/// Parts with commas between them, in lines of at most so many letters, as far as no part is longer.
fn wrapped(parts: &[String], letters: i32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            None => lines.push(part.clone()),
            Some(line) => {
                *line += ",";
                // A comma may follow.
                let together = line.chars().count() + part.chars().count() + 2;
                match together as i32 <= letters {
                    true => *line += &format!(" {part}"),
                    false => lines.push(part.clone()),
                }
            }
        }
    }
    lines
}

/// The curves of a figure, each with its run.
fn panel(canvas: &mut Canvas, corner: Point, name: &str, curves: &[(usize, Vec<(f64, f64)>)]) {
    let last = curves.iter().filter_map(|(_, points)| points.last());
    let x = Axis::linear(0.0, last.map(|point| point.0).fold(1.0, f64::max));
    let points: Vec<&[(f64, f64)]> = curves.iter().map(|(_, points)| &points[..]).collect();
    let up = vertical(&points, x, false);
    let ticks = up.ticks(5);
    let panel = Panel {
        columns: (corner.x + room(&ticks, LEFT), corner.x + WIDTH - RIGHT),
        rows: (corner.y + TOP, corner.y + HEIGHT - BOTTOM),
        across: x,
        up,
    };
    panel.grid_up(canvas, name, &ticks);
    panel.grid_across(canvas, "epoch", &panel.ticks_across());
    panel.axes(canvas);
    for (run, points) in curves {
        let mark = Mark::of(*run);
        panel.line(canvas, points, mark.colour, 2);
        let every = match points.len() {
            ..=MOST_MARKED => 1,
            many => many.div_ceil(MOST_MARKED / 3),
        };
        // Those of runs close together are not all at the same epochs.
        for &(x, y) in points.iter().skip(3 * run % every).step_by(every) {
            // The first moments may lie above the axis.
            if y <= up.to {
                mark.draw(canvas, panel.place(x, y), 4.0, 1.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use embedded_graphics::prelude::RgbColor;

    use super::*;
    use crate::model::ModelKind;
    use crate::watch::Run;
    use crate::watch::run::tests::run;

    fn picture(runs: Vec<Run>) -> image::RgbImage {
        let comparison = Comparison::of(runs).expect("runs");
        let png = png(&comparison).expect("a picture");
        image::load_from_memory(&png).expect("a PNG").to_rgb8()
    }

    fn named(name: &str, seed: u64) -> Run {
        let mut run = run(3, 3);
        run.name = name.to_owned();
        run.config.train.seed = seed;
        run
    }

    #[test]
    fn runs_look_different_in_the_legend_however_many_there_are() {
        let runs = (0..30).map(|i| named(&format!("run {i}"), i)).collect();
        let picture = picture(runs);
        let look = |run: u32| {
            let y = LINE as u32 * (2 + run) - 5;
            image::imageops::crop_imm(&picture, EDGE as u32, y, 24, 10).to_image()
        };
        for a in 0..30 {
            for b in 0..a {
                assert!(look(a) != look(b), "{a} and {b}");
            }
        }
    }

    #[test]
    fn a_legend_has_what_differs_among_its_runs() {
        let mut runs: Vec<Run> = (0..3).map(|i| named(&format!("{i}"), 1)).collect();
        runs[1].config.model.encoder = [7].into();
        runs[1].config.model.beta = 4.0;
        for run in &mut runs[..2] {
            run.config.train.batch_size = 64;
        }
        runs[2].config.model.kind = ModelKind::Ae;
        let comparison = Comparison::of(runs).expect("runs");
        let legends = comparison
            .groups
            .iter()
            .map(|group| Row::of(&comparison, group).legend);
        let legends: Vec<Vec<(usize, Vec<String>)>> = legends.collect();
        let all = legends.concat();
        assert!(
            all.iter()
                .all(|(_, parts)| !parts.join(" ").contains("batch")),
            "{all:?}"
        );
        let layers = |run: usize| all[run].1[1..].join(" ");
        assert!(
            layers(1).contains("-7-") && layers(0).contains("-400-"),
            "{all:?}"
        );
        assert!(layers(0).contains("beta 1"), "{all:?}");
        // Which has no KL to weigh.
        assert_eq!(all[2].1, ["2"]);
        let facts = comparison.facts_of(&comparison.groups[1]);
        assert!(facts.iter().all(|(name, _)| name != "beta"), "{facts:?}");
    }

    #[test]
    fn no_text_is_cut_off() {
        let long =
            "a-name-of-a-folder-that-tells-all-there-is-to-tell-of-its-run-and-then-more".repeat(3);
        for mut runs in [
            vec![named(&long, 1), named("b", 2)],
            vec![named("a", 1), named("b", 2)],
        ] {
            for run in &mut runs {
                run.config.model.kind = ModelKind::Ae;
                run.config.data.source = format!("/{}/data.npz", "x".repeat(80));
            }
            // Two groups, so that the title tells them apart.
            runs[1].config.data.source += "z";
            runs[1].config.train.learning_rate = 0.123;
            let picture = picture(runs);
            let right = picture.width() - 8..picture.width();
            let mut pixels = picture.enumerate_pixels();
            assert!(pixels.all(|(x, _, pixel)| !right.contains(&x) || pixel.0 == [255; 3]));
        }
    }

    #[test]
    fn parts_are_wrapped_between_each_other_only() {
        let parts = ["a name", "one 1", "two 2", "a longer one"].map(str::to_owned);
        assert_eq!(wrapped(&parts, 99), ["a name, one 1, two 2, a longer one"]);
        let expected = ["a name, one 1,", "two 2,", "a longer one"];
        assert_eq!(wrapped(&parts, 14), expected);
        assert_eq!(wrapped(&parts, 3).len(), 4);
    }

    #[test]
    fn each_run_has_its_colour_in_every_panel() {
        let runs = [run(3, 3), run(5, 5)].map(|mut run| {
            run.name = format!("of {}", run.epochs_done());
            run
        });
        let mut runs = runs.to_vec();
        for line in &mut runs[1].lines {
            if let crate::train::metrics::Line::Epoch(epoch) = line {
                epoch.test.total += 9.0;
                epoch.test.terms["reconstruction"] += 4.0;
                epoch.test.terms["kl"] += 5.0;
            }
        }
        let picture = picture(runs);
        assert_eq!(picture.width() as i32, 3 * WIDTH);
        for colour in [0, 1].map(|run| Mark::of(run).colour) {
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
