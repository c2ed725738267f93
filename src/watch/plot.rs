//! Charts of a page, drawn here as SVG that fits any width: a line keeps its thickness, text is not part of it.
//! The page's script only reads values out.

use serde::Serialize;

use super::html::{escape, json};
use crate::draw::{Axis, extent};
use crate::number::significant;

/// Points of a curve at most; no screen shows more.
const MOST_POINTS: usize = 600;
/// Side of the drawing, whatever size it is shown in.
const SIDE: f64 = 1000.0;
/// Share of the range of x whose values do not stretch a linear axis: a first loss is many times the last one.
const START: f64 = 0.05;
/// Digits of a value that is read out.
const DIGITS: usize = 6;

/// A curve.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// What it is called in the read-out.
    pub(super) name: String,
    /// Classes of the style sheet: its colour, and what shows or hides it.
    pub(super) class: String,
    /// In the order of x; values are finite.
    pub(super) points: Vec<(f64, f64)>,
    /// Whether each value is shown by a dot.
    pub(super) dots: bool,
}

/// Curves over one axis.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) title: String,
    /// Unit of the values.
    pub(super) unit: String,
    /// What x counts.
    pub(super) x_name: String,
    pub(super) series: Vec<Series>,
    /// Whether there is a logarithmic drawing beside the linear one, where values allow.
    pub(super) log: bool,
    /// Classes beside `chart`.
    pub(super) class: &'static str,
}

/// The curves as the page's script reads them out.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    class: &'a str,
    x: Vec<f64>,
    y: Vec<f64>,
}

impl Chart {
    /// The chart as HTML; nothing without values.
    pub(super) fn html(&self) -> String {
        let series: Vec<Series> = self
            .series
            .iter()
            .map(|series| Series {
                points: thinned(&series.points, MOST_POINTS),
                ..series.clone()
            })
            .filter(|series| !series.points.is_empty())
            .collect();
        if series.is_empty() {
            return String::new();
        }
        let mut text = format!(
            "<figure class=\"chart {}\"><figcaption><h3>{}</h3><p>{}</p></figcaption>",
            self.class,
            escape(&self.title),
            escape(&self.unit)
        );
        text += &self.drawing(&series, false);
        if self.log {
            let positive = series.iter().flat_map(|s| &s.points).all(|&(_, y)| y > 0.0);
            text += &self
                .drawing(&series, positive)
                .replacen("plot y-linear", "plot y-log", 1);
        }
        let shown: Vec<Shown<'_>> = series
            .iter()
            .map(|series| Shown {
                name: &series.name,
                class: &series.class,
                x: series.points.iter().map(|&(x, _)| short(x)).collect(),
                y: series.points.iter().map(|&(_, y)| short(y)).collect(),
            })
            .collect();
        text + &format!(
            "<script type=\"application/json\">{}</script></figure>\n",
            json(&shown)
        )
    }

    /// One drawing of the curves, with its ticks as text around it.
    fn drawing(&self, series: &[Series], log: bool) -> String {
        let (first, last) = extent(series.iter().flat_map(|s| s.points.iter().map(|p| p.0)));
        let first = first.min(0.0);
        let x = Axis::linear(first, if last > first { last } else { first + 1.0 });
        let curves: Vec<&[(f64, f64)]> = series.iter().map(|s| &s.points[..]).collect();
        let y = vertical(&curves, x, log);
        let mut text = format!(
            "<div class=\"plot y-{}\" data-x=\"{},{}\" data-y=\"{},{}\" data-log=\"{}\" data-name=\"{}\">",
            if log { "log" } else { "linear" },
            x.from,
            x.to,
            y.from,
            y.to,
            log,
            escape(&self.x_name)
        );
        let (mut lines, mut labels) = (String::new(), String::new());
        for (value, label) in y.ticks(5) {
            let place = SIDE * (1.0 - y.place(value));
            lines += &format!("M0 {place:.1}H{SIDE}");
            labels += &format!("<span style=\"top:{:.2}%\">{label}</span>", place / 10.0);
        }
        text += &format!("<div class=\"ys\" aria-hidden=\"true\">{labels}</div>");
        text += &format!(
            "<svg viewBox=\"0 0 {SIDE} {SIDE}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">\
             <path class=\"grid\" d=\"{lines}\"/>",
            escape(&self.spoken(series))
        );
        for series in series {
            text += &curve(series, x, y);
        }
        text += "</svg><div class=\"xs\" aria-hidden=\"true\">";
        for (i, (value, label)) in x.ticks(8).into_iter().enumerate() {
            let minor = if i % 2 == 1 { " class=\"minor\"" } else { "" };
            let place = 100.0 * x.place(value);
            text += &format!("<span{minor} style=\"left:{place:.2}%\">{label}</span>");
        }
        text + &format!(
            "</div><p class=\"xname\">{}</p></div>",
            escape(&self.x_name)
        )
    }

    /// The chart in words: where each curve begins and ends.
    fn spoken(&self, series: &[Series]) -> String {
        let ends = series.iter().filter_map(|series| {
            let (first, last) = (series.points.first()?, series.points.last()?);
            Some(format!(
                "{} from {} to {}",
                series.name,
                significant(first.1, DIGITS),
                significant(last.1, DIGITS)
            ))
        });
        let ends: Vec<String> = ends.collect();
        format!("{} over {}: {}", self.title, self.x_name, ends.join("; "))
    }
}

/// The range of y that holds the curves, without their first moments where these alone would stretch it.
pub(super) fn vertical(curves: &[&[(f64, f64)]], x: Axis, log: bool) -> Axis {
    let all = || curves.iter().copied().flatten();
    let (least, most) = extent(all().map(|p| p.1));
    let later = extent(all().filter(|p| x.place(p.0) >= START).map(|p| p.1));
    let stretched = most - least > 1.5 * (later.1 - later.0);
    let cut = !log && later.1 > later.0 && stretched;
    Axis::around((least, if cut { later.1 } else { most }), log)
}

fn curve(series: &Series, x: Axis, y: Axis) -> String {
    let at = |&(px, py): &(f64, f64)| {
        // Far outside, a browser's numbers are too coarse.
        let down = (SIDE * (1.0 - y.place(py))).clamp(-SIDE, 2.0 * SIDE);
        format!("{:.1} {down:.1}", SIDE * x.place(px))
    };
    let places: Vec<String> = series.points.iter().map(at).collect();
    let class = escape(&series.class);
    let mut text = String::new();
    if places.len() > 1 {
        text += &format!("<path class=\"line {class}\" d=\"M{}\"/>", places.join("L"));
    }
    if series.dots || places.len() == 1 {
        // A line without length and with round ends is a dot that stays round.
        let dots: Vec<String> = places.iter().map(|at| format!("M{at}h0")).collect();
        text += &format!("<path class=\"dots {class}\" d=\"{}\"/>", dots.concat());
    }
    text
}

/// At most `most` points: of each of equal groups in a row the least and the largest value, in their order. First
/// and last stay.
fn thinned(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    if points.len() <= most || most < 4 {
        return points.to_vec();
    }
    let groups = most / 2 - 1;
    let inner = &points[1..points.len() - 1];
    let mut kept = vec![points[0]];
    for group in 0..groups {
        let of = |group: usize| group * inner.len() / groups;
        let part = &inner[of(group)..of(group + 1)];
        let by = |a: &(usize, &(f64, f64)), b: &(usize, &(f64, f64))| a.1.1.total_cmp(&b.1.1);
        let least = part.iter().enumerate().min_by(by);
        let largest = part.iter().enumerate().max_by(by);
        if let (Some((i, least)), Some((j, largest))) = (least, largest) {
            match i.cmp(&j) {
                std::cmp::Ordering::Less => kept.extend([*least, *largest]),
                std::cmp::Ordering::Equal => kept.push(*least),
                std::cmp::Ordering::Greater => kept.extend([*largest, *least]),
            }
        }
    }
    kept.push(points[points.len() - 1]);
    kept
}

/// Enough digits to read out.
fn short(value: f64) -> f64 {
    significant(value, DIGITS).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(points: Vec<(f64, f64)>) -> Series {
        Series {
            name: "test".into(),
            class: "test".into(),
            points,
            dots: false,
        }
    }

    fn chart(points: Vec<(f64, f64)>) -> Chart {
        Chart {
            title: "Loss".into(),
            unit: "nats per image".into(),
            x_name: "epoch".into(),
            series: vec![series(points)],
            log: true,
            class: "",
        }
    }

    #[test]
    fn a_thinned_curve_keeps_its_ends_and_its_extremes() {
        let mut points: Vec<(f64, f64)> = (0..10_000)
            .map(|i| (f64::from(i), f64::from(i).sin()))
            .collect();
        points[1234].1 = 50.0;
        points[7777].1 = -50.0;
        let kept = thinned(&points, 600);
        assert!(kept.len() <= 600 && kept.len() > 500, "{}", kept.len());
        assert_eq!((kept[0], kept[kept.len() - 1]), (points[0], points[9999]));
        assert!(kept.contains(&points[1234]) && kept.contains(&points[7777]));
        assert!(
            kept.windows(2).all(|pair| pair[0].0 < pair[1].0),
            "in order"
        );
        assert_eq!(thinned(&points[..600], 600), points[..600]);
    }

    #[test]
    fn a_first_loss_does_not_stretch_a_linear_axis() {
        let mut points: Vec<(f64, f64)> = (1..=1000)
            .map(|i| (f64::from(i), 100.0 + 10.0 * (-f64::from(i) / 300.0).exp()))
            .collect();
        points[0].1 = 550.0;
        let all = [&points[..]];
        let x = Axis::linear(0.0, 1000.0);
        let linear = vertical(&all, x, false);
        assert!(linear.to < 120.0 && linear.from > 99.0, "{linear:?}");
        let log = vertical(&all, x, true);
        assert!(log.to > 550.0, "{log:?}");
    }

    #[test]
    fn a_chart_is_drawn_twice_and_can_be_read_out() {
        let html = chart(vec![(1.0, 120.25), (2.0, 110.0)]).html();
        assert_eq!(html.matches("<svg").count(), 2);
        assert_eq!(html.matches("y-log").count(), 1);
        assert!(html.contains("Loss over epoch: test from 120.25 to 110"));
        assert!(
            html.contains("\"x\":[1.0,2.0],\"y\":[120.25,110.0]"),
            "{html}"
        );
        assert_eq!(chart(Vec::new()).html(), "");
    }

    #[test]
    fn one_point_and_equal_values_and_zeros_have_finite_places() {
        for points in [
            vec![(0.0, 0.0)],
            vec![(3.0, 7.0)],
            vec![(1.0, 5.0), (2.0, 5.0)],
            vec![(1.0, 0.0), (2.0, 3.0)],
            vec![(1.0, -3.0), (2.0, -1.0)],
            vec![(1.0, 1e-300), (2.0, 1e300)],
        ] {
            let html = chart(points.clone()).html();
            assert!(!html.contains("NaN") && !html.contains("inf"), "{points:?}");
        }
    }
}
