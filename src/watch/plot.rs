//! Charts of a page, drawn here as SVG that fits any width: a line keeps its thickness, text is not part of it.
//! The page's script only reads values out.

use serde::Serialize;

use super::html::{escape, json};

/// Points of a curve at most; no screen shows more.
const MOST_POINTS: usize = 600;
/// Side of the drawing, whatever size it is shown in.
const SIDE: f64 = 1000.0;
/// Share of the range of x whose values do not stretch a linear axis: a first loss is many times the last one.
const START: f64 = 0.05;

/// Ticks of a logarithmic axis at most.
const MOST_TICKS: usize = 8;

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

/// A range of values, and where they are drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) log: bool,
}

impl Axis {
    /// Share of the range, from 0 to 1 within it.
    pub(super) fn place(self, value: f64) -> f64 {
        let of = |value: f64| if self.log { value.ln() } else { value };
        (of(value) - of(self.from)) / (of(self.to) - of(self.from))
    }
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
        let x = range(series.iter().flat_map(|s| s.points.iter().map(|p| p.0)));
        let x = Axis {
            from: x.0.min(0.0),
            to: if x.1 > x.0.min(0.0) { x.1 } else { x.0 + 1.0 },
            log: false,
        };
        let y = vertical(series, x, log);
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
        for (value, label) in ticks(y, 5) {
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
        for (i, (value, label)) in ticks(x, 8).into_iter().enumerate() {
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
                significant(first.1),
                significant(last.1)
            ))
        });
        let ends: Vec<String> = ends.collect();
        format!("{} over {}: {}", self.title, self.x_name, ends.join("; "))
    }
}

/// The range of y that holds the curves, without their first moments where these alone would stretch it.
pub(super) fn vertical(series: &[Series], x: Axis, log: bool) -> Axis {
    let all = || series.iter().flat_map(|s| &s.points);
    let whole = range(all().map(|p| p.1));
    let later = range(all().filter(|p| x.place(p.0) >= START).map(|p| p.1));
    let (least, mut most) = whole;
    let stretched = whole.1 - whole.0 > 1.5 * (later.1 - later.0);
    if !log && later.1 > later.0 && stretched {
        most = later.1;
    }
    if least == most {
        let around = if least == 0.0 { 1.0 } else { 0.1 * least.abs() };
        return Axis {
            from: least - around,
            to: most + around,
            log,
        };
    }
    if log {
        let share = 0.04 * (most.ln() - least.ln());
        return Axis {
            from: (least.ln() - share).exp().max(f64::MIN_POSITIVE),
            to: (most.ln() + share).exp().min(f64::MAX),
            log,
        };
    }
    let share = 0.04 * (most - least);
    // What cannot be negative does not look as if it could.
    let from = if least >= 0.0 {
        (least - share).max(0.0)
    } else {
        least - share
    };
    Axis {
        from,
        to: most + share,
        log,
    }
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

/// Least and largest; an empty range where there is nothing.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let none = (f64::INFINITY, f64::NEG_INFINITY);
    let (least, most) = values.fold(none, |(least, most), value| {
        (least.min(value), most.max(value))
    });
    if least > most {
        (0.0, 0.0)
    } else {
        (least, most)
    }
}

/// Round values within an axis, about `wanted` of them, with their labels.
pub(super) fn ticks(axis: Axis, wanted: usize) -> Vec<(f64, String)> {
    if axis.log {
        let decades = axis.from.log10().floor() as i32..=axis.to.log10().ceil() as i32;
        let within = |value: &f64| (axis.from..=axis.to).contains(value);
        for digits in [&[1.0][..], &[1.0, 3.0], &[1.0, 2.0, 5.0]] {
            let all = decades
                .clone()
                .flat_map(|decade| digits.iter().map(move |digit| digit * 10f64.powi(decade)));
            let found: Vec<f64> = all.filter(within).collect();
            if found.len() >= 3 {
                let every = found.len().div_ceil(MOST_TICKS);
                let kept = found.iter().step_by(every);
                return kept.map(|&v| (v, significant(v))).collect();
            }
        }
    }
    let step = round_up((axis.to - axis.from) / wanted as f64);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let first = (axis.from / step).ceil() as i64;
    let last = (axis.to / step + 1e-9).floor() as i64;
    (first..=last)
        .map(|i| {
            let value = i as f64 * step;
            let label = match value.abs() {
                // Learning rates are easier to read so.
                _ if decimals > 4 => significant(value),
                1e4.. => grouped(value, decimals),
                _ => format!("{value:.decimals$}"),
            };
            (value, label)
        })
        .collect()
}

/// The next of 1, 2 and 5 times a power of ten.
fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let digit = value / power;
    let round = [1.0, 2.0, 5.0].into_iter().find(|&round| digit <= round);
    round.unwrap_or(10.0) * power
}

/// `-22,000.5`
fn grouped(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let whole = whole
        .parse()
        .map_or_else(|_| whole.to_owned(), crate::model::words::grouped);
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{sign}{whole}{rest}")
}

/// Enough digits to read, as JSON and as text.
fn short(value: f64) -> f64 {
    significant(value).parse().unwrap_or(value)
}

/// A number with six significant digits, without zeros at its end.
fn significant(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor() as i32;
    if !(-5..15).contains(&magnitude) {
        return format!("{value:.5e}");
    }
    let decimals = (5 - magnitude).max(0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
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
    fn ticks_are_round_and_within_their_axis() {
        let labels = |from: f64, to: f64, log: bool| -> Vec<String> {
            let all = ticks(Axis { from, to, log }, 5);
            assert!(all.iter().all(|&(v, _)| v >= from && v <= to + 1e-9));
            all.into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(labels(0.0, 10.0, false), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(labels(101.3, 108.0, false), ["102", "104", "106", "108"]);
        assert_eq!(labels(0.12, 0.31, false), ["0.15", "0.20", "0.25", "0.30"]);
        assert_eq!(labels(0.0, 25_000.0, false)[1..3], ["5000", "10,000"]);
        let far = labels(-22_000.0, -12_000.0, false);
        assert_eq!(far[..2], ["-22,000", "-20,000"], "{far:?}");
        let close = labels(12_000.2, 12_002.4, false);
        assert_eq!(close[..2], ["12,000.5", "12,001.0"], "{close:?}");
        let rates = labels(0.001_001, 0.001_019, false);
        assert!(rates.windows(2).all(|pair| pair[0] != pair[1]), "{rates:?}");
        assert_eq!(labels(0.9, 2000.0, true), ["1", "10", "100", "1000"]);
        assert_eq!(labels(90.0, 600.0, true), ["100", "200", "500"]);
        assert_eq!(labels(100.0, 120.0, true)[..2], ["100", "105"]);
        assert!(labels(1e-300, 1e300, true).len() <= MOST_TICKS);
    }

    #[test]
    fn a_first_loss_does_not_stretch_a_linear_axis() {
        let mut points: Vec<(f64, f64)> = (1..=1000)
            .map(|i| (f64::from(i), 100.0 + 10.0 * (-f64::from(i) / 300.0).exp()))
            .collect();
        points[0].1 = 550.0;
        let all = [series(points)];
        let x = Axis {
            from: 0.0,
            to: 1000.0,
            log: false,
        };
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

    #[test]
    fn numbers_keep_six_digits() {
        let values = [0.0, 105.529_016_256, 0.001, 123_456_789.0, 3e-7, -0.25];
        let seen = values.map(significant);
        let expected = ["0", "105.529", "0.001", "123456789", "3.00000e-7", "-0.25"];
        assert_eq!(seen, expected);
    }
}
