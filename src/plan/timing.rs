//! How long steps take.

use std::time::Instant;

use super::{PlanId, Runtime, Slice};
use crate::error::Result;
use crate::kernel::{Access, Element};

/// Measurements, and the seconds that they take together at most; one is made whatever it takes.
const MEASUREMENTS: usize = 7;
const ENOUGH: f64 = 1.0;

/// Seconds that a measurement of a step by itself should take, far above the cost of a submission to a GPU, and
/// the most runs in it, with which even a step of a microsecond is long enough.
const LENGTH: f64 = 8e-3;
const MOST_RUNS: u32 = 4096;

/// Seconds of a run, by several measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    /// The median: what to expect.
    pub median: f64,
    /// The least: what is possible.
    pub least: f64,
}

/// Measures what `run` does. It is given how often to do it, `most` times at most and otherwise as often as fill
/// `length` seconds, and returns the seconds that all of it took. It is called once before the measurements, as
/// a driver may compile at the first use.
///
/// # Errors
/// Whatever `run` fails with.
pub fn measure(most: u32, length: f64, mut run: impl FnMut(u32) -> Result<f64>) -> Result<Times> {
    run(1)?;
    let mut times = 1;
    let mut seconds = run(1)?;
    while seconds < length && times < most {
        let factor = (length / seconds.max(1e-9)).ceil().clamp(2.0, 16.0);
        times = times.saturating_mul(factor as u32).min(most);
        seconds = run(times)?;
    }
    // The last of these was long enough to count.
    let mut all = vec![seconds / f64::from(times)];
    let start = Instant::now();
    while all.len() < MEASUREMENTS && start.elapsed().as_secs_f64() + seconds < ENOUGH {
        all.push(run(times)? / f64::from(times));
    }
    all.sort_by(f64::total_cmp);
    Ok(Times {
        median: all[all.len() / 2],
        least: all[0],
    })
}

/// Seconds of a step of a plan by itself. The plan's floats mean nothing afterwards; its counters are as they
/// were. `most`: how often the plan may run in a row without counters that leave what they point into.
///
/// # Errors
/// [`crate::Error::Device`] where the device failed.
pub fn time_step(runtime: &mut dyn Runtime, id: PlanId, index: usize, most: u32) -> Result<Times> {
    let plan = runtime.plan(id);
    let step = &plan.steps[index];
    let moves = |(slice, binding): (&Slice, &crate::kernel::Binding)| {
        let counters = binding.element == Element::Word && binding.access != Access::Read;
        counters.then_some(*slice)
    };
    let bound = step.slices.iter().zip(step.kernel.bindings);
    let counters: Vec<Slice> = bound.filter_map(moves).collect();
    let most = match counters.is_empty() {
        true => MOST_RUNS,
        false => most.min(MOST_RUNS),
    };
    let mut kept = Vec::with_capacity(counters.len());
    for &slice in &counters {
        kept.push((slice, runtime.read_slice(id, slice)?));
    }
    // Inside the pool of threads, as whole plans run on the CPU: from outside it, each parallel loop would
    // put this thread to sleep and wake it.
    rayon::scope(|_| {
        measure(most, LENGTH, |times| {
            let start = Instant::now();
            runtime.run_step(id, index, times)?;
            let seconds = start.elapsed().as_secs_f64();
            for (slice, words) in &kept {
                runtime.write_slice(id, *slice, words)?;
            }
            Ok(seconds)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each measurement of a run of so many seconds runs, and what comes of it.
    fn runs(most: u32, seconds: f64) -> (Vec<u32>, Times) {
        let mut all = Vec::new();
        let times = measure(most, 8e-3, |times| {
            all.push(times);
            Ok(f64::from(times) * seconds)
        });
        (all, times.expect("no error"))
    }

    #[test]
    fn a_measurement_is_as_long_as_asked_and_has_no_more_runs_than_allowed() {
        let (all, times) = runs(4096, 1e-3);
        assert_eq!(all, [1, 1, 8, 8, 8, 8, 8, 8, 8]);
        assert_eq!(times.median, 1e-3);
        let (all, _) = runs(5, 1e-6);
        assert_eq!(all.iter().max(), Some(&5));
    }

    #[test]
    fn what_takes_over_a_second_is_measured_once_after_its_first_use() {
        let (all, times) = runs(4096, 1.5);
        assert_eq!(all, [1, 1]);
        assert_eq!(times.least, 1.5);
    }
}
