//! What a long run measured, in as many lines as its curves and tables can show.

use super::{Epoch, Line};
use crate::model::objectives::Objective;

/// Epochs at most, and reports.
const MOST: usize = 2048;

/// Lines with their numbers in the file: all of a short run. Of a longer one those of every second epoch, every fourth, …,
/// and of as many reports; and always the last line of each kind, the last two epochs, and the best.
pub(in crate::train) struct Thinned<'a> {
    objective: &'a Objective,
    count: usize,
    reports: Spaced,
    epochs: Spaced,
    /// The epoch of the lowest test loss, and that of the lowest sum of its terms: the first of equals.
    best: [Option<(usize, Epoch)>; 2],
}

/// Lines of a kind at equal distances, at most [`MOST`], and the last two.
#[derive(Default)]
struct Spaced {
    /// How often every second line has gone: one in 2^halvings is kept.
    halvings: u32,
    count: usize,
    kept: Vec<(usize, Line)>,
    last: [Option<(usize, Line)>; 2],
}

impl Spaced {
    fn push(&mut self, line: (usize, Line)) {
        if self.kept.len() == MOST {
            let mut is_odd = true;
            self.kept.retain(|_| {
                is_odd = !is_odd;
                !is_odd
            });
            self.halvings += 1;
        }
        if self.count.is_multiple_of(1 << self.halvings) {
            self.kept.push(line.clone());
        }
        self.count += 1;
        self.last.swap(0, 1);
        self.last[1] = Some(line);
    }

    fn lines(self) -> impl Iterator<Item = (usize, Line)> {
        self.kept.into_iter().chain(self.last.into_iter().flatten())
    }
}

impl<'a> Thinned<'a> {
    /// For the lines of a run that minimises an objective.
    pub(in crate::train) fn new(objective: &'a Objective) -> Self {
        Self {
            objective,
            count: 0,
            reports: Spaced::default(),
            epochs: Spaced::default(),
            best: [None, None],
        }
    }

    /// Takes the next line.
    pub(in crate::train) fn push(&mut self, line: Line) {
        let number = self.count;
        self.count += 1;
        let Line::Epoch(epoch) = &line else {
            return self.reports.push((number, line));
        };
        let figures = [
            |_: &Objective, epoch: &Epoch| epoch.test.total,
            |objective: &Objective, epoch: &Epoch| {
                let elbo = objective.negative_elbo(&epoch.test);
                elbo.unwrap_or(epoch.test.total)
            },
        ];
        for (best, figure) in self.best.iter_mut().zip(figures) {
            let of = |epoch: &Epoch| figure(self.objective, epoch);
            let is_better = |(_, best): &(usize, Epoch)| of(epoch).total_cmp(&of(best)).is_lt();
            if best.as_ref().is_none_or(is_better) {
                *best = Some((number, epoch.clone()));
            }
        }
        self.epochs.push((number, line));
    }

    /// Those that are kept, in their order.
    pub(in crate::train) fn lines(self) -> Vec<Line> {
        let best = self.best.into_iter().flatten();
        let best = best.map(|(number, epoch)| (number, Line::Epoch(epoch)));
        let mut kept: Vec<(usize, Line)> = best
            .chain(self.reports.lines())
            .chain(self.epochs.lines())
            .collect();
        kept.sort_by_key(|(number, _)| *number);
        kept.dedup_by_key(|(number, _)| *number);
        kept.into_iter().map(|(_, line)| line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Loss, ModelSpec};
    use crate::train::metrics::Report;

    /// A report and an epoch each, whose loss is lowest in `best`; its KL of weight 4 is lowest in the epoch after.
    fn lines(count: u32, best: u32) -> Vec<Line> {
        let spec = ModelSpec::reference();
        let both = |epoch| {
            let kl = if epoch == best + 1 { 20.0 } else { 25.0 };
            let mut test = Loss::new(&spec, &[80.0, kl]);
            test.total = if epoch == best { 90.0 } else { 105.0 };
            let report = Report {
                epoch,
                step: u64::from(epoch),
                loss: test.clone(),
                learning_rate: 1e-3,
                kl_weight: 4.0,
                kl_target: None,
                images_per_s: 1e5,
                seconds: f64::from(epoch),
            };
            let epoch = Epoch {
                epoch,
                step: u64::from(epoch),
                train: test.clone(),
                test,
                learning_rate: 1e-3,
                kl_weight: 4.0,
                kl_target: None,
                active_units: None,
                kl_per_unit: Vec::new(),
                sigma: None,
                astray: false,
                images_per_s: 1e5,
                seconds: f64::from(epoch),
            };
            [Line::Report(report), Line::Epoch(epoch)]
        };
        (1..=count).flat_map(both).collect()
    }

    fn thinned(lines: &[Line]) -> Vec<Line> {
        let mut thinned = Thinned::new(ModelSpec::reference().objective());
        lines.iter().cloned().for_each(|line| thinned.push(line));
        thinned.lines()
    }

    fn epochs(lines: &[Line]) -> Vec<u32> {
        let epochs = lines.iter().filter_map(|line| match line {
            Line::Epoch(epoch) => Some(epoch.epoch),
            Line::Report(_) => None,
        });
        epochs.collect()
    }

    #[test]
    fn a_short_run_is_whole() {
        for count in [0, 1, 2, 3, MOST as u32] {
            let all = lines(count, 2);
            assert_eq!(thinned(&all), all, "{count}");
        }
    }

    #[test]
    fn a_long_run_keeps_its_first_its_best_and_its_last_epochs() {
        let kept = thinned(&lines(60_000, 30_002));
        assert!(kept.len() < 2 * MOST + 8, "{}", kept.len());
        let epochs = epochs(&kept);
        for epoch in [1, 30_002, 30_003, 59_999, 60_000] {
            assert!(epochs.contains(&epoch), "{epoch}");
        }
        assert!(epochs.is_sorted());
        let distances = epochs.windows(2).map(|pair| pair[1] - pair[0]);
        assert_eq!(distances.max(), Some(32));
    }
}
