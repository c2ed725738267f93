//! Axes of plots: where values lie, and which of them are written beside it. The same for pictures and for pages.

use crate::number::{decimal, significant};

/// Ticks of a logarithmic axis at most.
const MOST_TICKS: usize = 8;
/// Share of a range that is left free on both sides of its values.
const ROOM: f64 = 0.04;
/// Beyond, the length of a range would be no number.
const LARGEST: f64 = 1e300;

/// A range of values on a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    /// The value at the line's beginning.
    pub from: f64,
    /// The value at its end, above `from`.
    pub to: f64,
    /// Whether equal factors are equally long, rather than equal differences. `from` is above 0 then.
    pub log: bool,
}

/// A value that is written beside an axis, and how.
pub type Tick = (f64, String);

/// Least and greatest; 0 where there is nothing.
pub fn extent(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let none = (f64::INFINITY, f64::NEG_INFINITY);
    let found = values.into_iter().fold(none, |(least, most), value| {
        (least.min(value), most.max(value))
    });
    if found.0 > found.1 { (0.0, 0.0) } else { found }
}

impl Axis {
    /// A linear one.
    pub fn linear(from: f64, to: f64) -> Self {
        let log = false;
        Self { from, to, log }
    }

    /// From a value to another with a little room beside them, and around a single one with more. Logarithmic only
    /// where values are above 0.
    pub fn around((least, most): (f64, f64), log: bool) -> Self {
        let least = least.clamp(-LARGEST, LARGEST);
        let most = most.clamp(least, LARGEST);
        let log = log && least > 0.0;
        if least == most {
            let around = if least == 0.0 { 1.0 } else { 0.1 * least.abs() };
            let (from, to) = (least - around, most + around);
            return Self { from, to, log };
        }
        if log {
            let room = ROOM * (most.ln() - least.ln());
            return Self {
                from: (least.ln() - room).exp().max(f64::MIN_POSITIVE),
                to: (most.ln() + room).exp().min(f64::MAX),
                log,
            };
        }
        let room = ROOM * (most - least);
        // What cannot be negative does not look as if it could.
        let floor = if least >= 0.0 { 0.0 } else { f64::MIN };
        Self::linear((least - room).max(floor), most + room)
    }

    /// How far along the line a value lies: 0 at its beginning, 1 at its end.
    pub fn place(self, value: f64) -> f64 {
        let of = |value: f64| if self.log { value.ln() } else { value };
        (of(value) - of(self.from)) / (of(self.to) - of(self.from))
    }

    /// Round values within the range, about `wanted` of them, in digits that tell them apart.
    pub fn ticks(self, wanted: usize) -> Vec<Tick> {
        let step = round_up((self.to - self.from) / wanted.max(1) as f64);
        if !(step.is_finite() && step > 0.0) {
            return Vec::new();
        }
        if self.log
            && let Some(values) = self.powers()
        {
            return labelled(values, usize::MAX);
        }
        let first = (self.from / step).ceil() as i64;
        let last = (self.to / step + 1e-9).floor() as i64;
        let mut values: Vec<f64> = (first..=last).map(|i| i as f64 * step).collect();
        // Where numbers of 64 bits are no finer.
        values.dedup();
        labelled(values, (-step.log10().floor()).max(0.0) as usize)
    }

    /// Some of the powers of ten of a logarithmic range, or of them and a few times them; nothing where it is too short
    /// for three.
    fn powers(self) -> Option<Vec<f64>> {
        let decades = self.from.log10().floor() as i32..=self.to.log10().ceil() as i32;
        let digits: [&[f64]; 4] = [
            &[1.0],
            &[1.0, 3.0],
            &[1.0, 2.0, 5.0],
            &[1.0, 2.0, 3.0, 5.0, 7.0],
        ];
        digits
            .into_iter()
            .map(|digits| {
                let of = |decade| digits.iter().map(move |digit| digit * 10f64.powi(decade));
                let all = decades.clone().flat_map(of);
                all.filter(|value| (self.from..=self.to).contains(value))
                    .collect::<Vec<f64>>()
            })
            .find(|found| found.len() >= 3)
            .map(|found| {
                let every = found.len().div_ceil(MOST_TICKS);
                found.into_iter().step_by(every).collect()
            })
    }
}

/// Values with their texts, which differ: with so many decimals, or where these would be long, with as many significant
/// digits as it takes.
fn labelled(values: Vec<f64>, decimals: usize) -> Vec<Tick> {
    let differ = |texts: &Vec<String>| texts.windows(2).all(|pair| pair[0] != pair[1]);
    // Learning rates are easier to read in significant digits, and so is what is very large.
    let short = decimals <= 4 && values.iter().all(|value| value.abs() < 1e15);
    let fixed = short.then(|| {
        values
            .iter()
            .map(|&value| decimal(value, decimals))
            .collect()
    });
    let digits = (6..=17).map(|digits| values.iter().map(|&v| significant(v, digits)).collect());
    let texts = fixed.into_iter().chain(digits).find(differ);
    values
        .iter()
        .copied()
        .zip(texts.unwrap_or_default())
        .collect()
}

/// The next of 1, 2 and 5 times a power of ten.
fn round_up(value: f64) -> f64 {
    // Read from its digits: `powf` is some last places off on some systems, and ticks lay beyond the end of their axis.
    let power = format!("1e{}", value.log10().floor()).parse();
    let power = power.unwrap_or(f64::NAN);
    let digit = value / power;
    let round = [1.0, 2.0, 5.0].into_iter().find(|&round| digit <= round);
    round.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(from: f64, to: f64, log: bool) -> Vec<String> {
        let all = Axis { from, to, log }.ticks(5);
        assert!(all.iter().all(|&(v, _)| v >= from && v <= to + 1e-9));
        all.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_within_their_axis() {
        assert_eq!(labels(0.0, 10.0, false), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(labels(101.3, 108.0, false), ["102", "104", "106", "108"]);
        assert_eq!(labels(0.12, 0.31, false), ["0.15", "0.20", "0.25", "0.30"]);
        assert_eq!(labels(0.0, 25_000.0, false)[1..3], ["5000", "10,000"]);
        let far = labels(-22_000.0, -12_000.0, false);
        assert_eq!(far[..2], ["-22,000", "-20,000"], "{far:?}");
        assert_eq!(labels(0.9, 2000.0, true), ["1", "10", "100", "1000"]);
        assert_eq!(labels(90.0, 600.0, true), ["100", "200", "500"]);
        assert_eq!(labels(5.5, 33.0, true), ["7", "10", "20", "30"]);
        assert_eq!(labels(100.0, 120.0, true)[..2], ["100", "105"]);
        assert!(labels(1e-300, 1e300, true).len() <= MOST_TICKS);
    }

    #[test]
    fn labels_differ_however_close_their_values_are() {
        for (from, to) in [
            (12_000.2, 12_002.4),
            (0.001_001, 0.001_019),
            (0.001, 0.001 + 1e-9),
            (1e9, 1e9 + 1e-4),
            (-3e15, -3e15 + 20.0),
            (1.0, 1.0 + 3.0 * f64::EPSILON),
            (1e299, 1e300),
        ] {
            let texts = labels(from, to, false);
            assert!(texts.len() > 1, "{from} to {to}: {texts:?}");
            assert!(texts.windows(2).all(|pair| pair[0] != pair[1]), "{texts:?}");
            assert!(texts.iter().all(|text| text.len() < 25), "{texts:?}");
        }
    }

    /// By `powf` the step at 1e23 is 1.0000000000000001e23.
    #[test]
    fn steps_are_the_nearest_numbers_to_what_they_read() {
        for (value, expected) in [(1e23, 1e23), (1.5e210, 2e210), (3e-299, 5e-299)] {
            assert_eq!(round_up(value), expected);
        }
        assert!(round_up(f64::INFINITY).is_nan() && round_up(0.0).is_nan());
    }

    #[test]
    fn values_lie_in_proportion() {
        let places = |axis: Axis, values: [f64; 3]| values.map(|value| axis.place(value));
        let linear = Axis::linear(-1.0, 3.0);
        assert_eq!(places(linear, [-1.0, 0.0, 3.0]), [0.0, 0.25, 1.0]);
        let log = Axis {
            from: 1.0,
            to: 10_000.0,
            log: true,
        };
        let [first, middle, last] = places(log, [1.0, 100.0, 10_000.0]);
        assert!(first == 0.0 && (middle - 0.5).abs() < 1e-12 && last == 1.0);
    }

    #[test]
    fn a_range_around_values_holds_them_whatever_they_are() {
        for values in [
            (0.0, 0.0),
            (7.0, 7.0),
            (-3.0, -1.0),
            (1e-300, 1e300),
            (f64::MIN, f64::MAX),
            extent([]),
        ] {
            for log in [false, true] {
                let axis = Axis::around(values, log);
                assert!(axis.from < axis.to, "{axis:?}");
                for value in [values.0.max(-LARGEST), values.1.min(LARGEST)] {
                    let place = axis.place(value);
                    assert!((0.0..=1.0).contains(&place), "{value} in {axis:?}");
                }
                assert!(!axis.ticks(5).is_empty(), "{axis:?}");
            }
        }
        assert_eq!(Axis::around((0.5, 100.0), false).from, 0.0);
        assert!(!Axis::around((-1.0, 1.0), true).log);
        for (from, to) in [(1.0, 1.0), (2.0, 1.0), (f64::MIN, f64::MAX), (0.0, 5e-324)] {
            let none = Axis::linear(from, to).ticks(5);
            assert!(none.is_empty(), "{none:?}");
        }
    }
}
