//! What a device can do at most, measured on it: multiply-adds without memory, and copies without arithmetic.

use serde::Serialize;

use crate::error::Result;
use crate::kernel::{Call, Kernel};
use crate::ops::{copy, fma};
use crate::plan::{self, Builder, Plan, Runtime, Shared, Step};

/// The buffers of both kernels.
const INPUT: Shared = Shared::floats("roofs input");
const OUTPUT: Shared = Shared::floats("roofs output");

/// Values of the chains of multiply-adds: few, which lie in the caches of a CPU, and many, eight for each of the
/// invocations that a large GPU has under way.
const CHAINS: [usize; 2] = [fma::UNIT << 6, fma::UNIT << 9];

/// Lengths of the chains in blocks, and the seconds from which a run is long enough: reading and writing the
/// values counts for little beside it. Longer ones seldom find a shared machine idle.
const BLOCKS: [usize; 3] = [64, 512, 4096];
const LONG: f64 = 0.01;

/// Working sets for which a copy is measured are powers of two within these bytes.
const LEAST_SET: u64 = 1 << 16;
const MOST_SET: u64 = 1 << 28;

/// Measurements of each roof, of which the best counts.
const TRIES: usize = 3;

/// The speed of a copy, by its working set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bandwidth {
    /// Bytes read and written together.
    pub working_set: u64,
    /// Bytes per second, those read and those written.
    pub bytes_per_s: f64,
}

/// What a device can do at most.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Roofs {
    /// Floating-point operations per second, two a multiply-add.
    pub operations_per_s: f64,
    /// Copies, by growing working sets.
    pub copies: Vec<Bandwidth>,
}

/// The working set whose copy is the roof of a step that moves so many bytes: the nearest power of two.
fn working_set(bytes: u64) -> u64 {
    let above = bytes.next_power_of_two();
    // √½ of it lies in the middle, as a factor.
    let nearest = match (bytes as f64) < above as f64 * std::f64::consts::FRAC_1_SQRT_2 {
        true => above / 2,
        false => above,
    };
    nearest.clamp(LEAST_SET, MOST_SET)
}

impl Roofs {
    /// Measures them on a device, copies for the working sets of `steps`.
    ///
    /// # Errors
    /// [`crate::Error::Device`].
    pub(super) fn measure(runtime: &mut dyn Runtime, steps: &[Step]) -> Result<Self> {
        let mut sets: Vec<u64> = steps.iter().map(|step| working_set(step.bytes())).collect();
        sets.sort_unstable();
        sets.dedup();
        let values = |set: u64| set as usize / (2 * size_of::<f32>());
        let most = sets.iter().copied().map(values).fold(CHAINS[1], usize::max);
        for buffer in [INPUT, OUTPUT] {
            runtime.allocate(buffer, most)?;
            // Pages that were never written may all be the same one.
            runtime.write(buffer, 0, &vec![1.0; most])?;
        }
        let mut copies = Vec::with_capacity(sets.len());
        for working_set in sets {
            let count = values(working_set);
            let seconds = best(runtime, &copy::KERNEL, copy::call(count), count)?;
            copies.push(Bandwidth {
                working_set,
                bytes_per_s: working_set as f64 / seconds,
            });
        }
        Ok(Self {
            operations_per_s: peak(runtime)?,
            copies,
        })
    }

    /// The better of two measurements of the same working sets: a roof is what the device can do while nobody
    /// else uses it.
    #[must_use]
    pub(super) fn better(mut self, other: &Self) -> Self {
        self.operations_per_s = self.operations_per_s.max(other.operations_per_s);
        for (copy, other) in self.copies.iter_mut().zip(&other.copies) {
            copy.bytes_per_s = copy.bytes_per_s.max(other.bytes_per_s);
        }
        self
    }

    /// Bytes per second of a copy of so many bytes.
    pub fn bytes_per_s(&self, bytes: u64) -> f64 {
        let set = working_set(bytes);
        let found = self.copies.iter().find(|copy| copy.working_set >= set);
        found
            .or(self.copies.last())
            .map_or(f64::INFINITY, |copy| copy.bytes_per_s)
    }

    /// Seconds that a step takes at least: those of its operations at the peak, or those of a copy of as many
    /// bytes as it moves, whichever are more.
    pub fn floor(&self, operations: u64, bytes: u64) -> f64 {
        let compute = operations as f64 / self.operations_per_s;
        compute.max(bytes as f64 / self.bytes_per_s(bytes))
    }
}

/// Most operations per second, by chains of growing length.
fn peak(runtime: &mut dyn Runtime) -> Result<f64> {
    let mut peak = 0.0;
    for chains in CHAINS {
        for blocks in BLOCKS {
            let call = fma::call(chains, blocks);
            let operations = 2 * (fma::KERNEL.multiply_adds)(&call);
            let seconds = best(runtime, &fma::KERNEL, call, chains)?;
            peak = f64::max(peak, operations as f64 / seconds);
            if seconds > LONG {
                break;
            }
        }
    }
    Ok(peak)
}

/// Least seconds of a kernel of one input and one output.
fn best(
    runtime: &mut dyn Runtime,
    kernel: &'static Kernel,
    call: Call,
    count: usize,
) -> Result<f64> {
    let id = runtime.prepare(single(kernel, call, count))?;
    let mut least = f64::INFINITY;
    for _ in 0..TRIES {
        least = least.min(plan::time_step(runtime, id, 0, 1)?.least);
    }
    runtime.release(id);
    Ok(least)
}

fn single(kernel: &'static Kernel, call: Call, count: usize) -> Plan {
    let mut plan = Builder::new(kernel.name);
    let slices = [INPUT, OUTPUT].map(|buffer| plan.shared(buffer, count));
    plan.step(kernel.name, kernel, call, &slices);
    plan.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_is_the_larger_of_arithmetic_and_of_a_copy_of_that_working_set() {
        let copies = [(1 << 16, 64e9), (1 << 20, 16e9)];
        let roofs = Roofs {
            operations_per_s: 1e11,
            copies: copies
                .map(|(working_set, bytes_per_s)| Bandwidth {
                    working_set,
                    bytes_per_s,
                })
                .into(),
        };
        assert_eq!(roofs.floor(0, 6_400), 1e-7, "the smallest set");
        assert_eq!(roofs.floor(0, 800_000), 5e-5, "the set that is next to it");
        assert_eq!(
            roofs.floor(0, 16_000_000),
            1e-3,
            "the largest that was measured"
        );
        assert_eq!(roofs.floor(100_000_000, 800_000), 1e-3, "arithmetic");
    }
}
