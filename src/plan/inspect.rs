//! Looks into a plan step by step: which result is not finite first, and which one two devices disagree on.

use std::collections::HashSet;
use std::fmt;

use super::{BufferId, Plan, PlanId, Runtime, Slice, Step};
use crate::error::Result;
use crate::kernel::{Access, Element};

/// The first value of a plan's run that is not finite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Label of the step that wrote it.
    pub step: String,
    /// The buffer that holds it.
    pub buffer: String,
}

/// How far a step's result on one device is from that of another.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Name of the plan.
    pub plan: String,
    /// Label of the step.
    pub step: String,
    /// The buffer that holds the result.
    pub buffer: String,
    /// The value that differs most, by its place in the result.
    pub index: usize,
    /// That value on the first device.
    pub expected: f64,
    /// That value on the second device.
    pub found: f64,
    /// |found − expected| as a share of the largest value of the result; NaN where one of them is.
    pub share: f64,
}

impl Difference {
    /// Largest [`Difference::share`] that rounding explains. Of the functions that kernels use, WGSL leaves
    /// most room to tanh, an absolute error of 1e-5, which the derivative of GELU triples.
    pub const ROUNDING: f64 = 3e-5;

    /// Whether rounding explains it.
    pub fn is_rounding(&self) -> bool {
        self.share <= Self::ROUNDING
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (step {} of {}), value {}: expected {:e}, found {:e}",
            self.buffer, self.step, self.plan, self.index, self.expected, self.found
        )
    }
}

/// The slices that a step writes.
fn written(step: &Step) -> impl Iterator<Item = (Slice, Access)> {
    let all = step.slices.iter().zip(step.kernel.bindings);
    let used = all.filter(|(_, binding)| binding.is_touched(&step.call));
    used.map(|(slice, binding)| (*slice, binding.access_in(&step.call)))
        .filter(|&(_, access)| access != Access::Read)
}

fn element(plan: &Plan, slice: Slice) -> Element {
    plan.buffer(slice.buffer).element
}

/// Runs a plan once, step by step, and names the first step that writes a value that is not finite.
///
/// # Errors
/// [`crate::Error::Device`] where the device failed.
pub fn find_fault(runtime: &mut dyn Runtime, id: PlanId) -> Result<Option<Fault>> {
    let plan = runtime.plan(id).clone();
    for (index, step) in plan.steps.iter().enumerate() {
        runtime.run_step(id, index, 1)?;
        for (slice, _) in written(step) {
            if element(&plan, slice) == Element::Word {
                continue;
            }
            let bits = runtime.read_slice(id, slice)?;
            if bits.iter().any(|&bits| !f32::from_bits(bits).is_finite()) {
                return Ok(Some(Fault {
                    step: step.label.clone(),
                    buffer: plan.buffer(slice.buffer).name.clone(),
                }));
            }
        }
    }
    Ok(None)
}

/// Runs a plan once on two devices, step by step, and gives how far the results of `tested` are from
/// those of `reference`: one difference for each result, in order. Each step starts from what the
/// reference computed, so that a fault shows where it arises and nowhere else.
///
/// Partial sums, which each device shares out as it likes, are compared by the step that adds them up.
///
/// # Errors
/// [`crate::Error::Device`] where a device failed.
pub fn compare(
    (reference, reference_id): (&mut dyn Runtime, PlanId),
    (tested, tested_id): (&mut dyn Runtime, PlanId),
) -> Result<Vec<Difference>> {
    let plan = reference.plan(reference_id).clone();
    let mut differences = Vec::new();
    let mut partial: HashSet<BufferId> = HashSet::new();
    for (index, step) in plan.steps.iter().enumerate() {
        for (slice, binding) in step.slices.iter().zip(step.kernel.bindings) {
            let reads = binding.access_in(&step.call).reads();
            if reads && !partial.contains(&slice.buffer) {
                let bits = reference.read_slice(reference_id, *slice)?;
                tested.write_slice(tested_id, *slice, &bits)?;
            }
        }
        reference.run_step(reference_id, index, 1)?;
        tested.run_step(tested_id, index, 1)?;
        for (slice, access) in written(step) {
            if access == Access::Partial {
                partial.insert(slice.buffer);
                continue;
            }
            let expected = reference.read_slice(reference_id, slice)?;
            let found = tested.read_slice(tested_id, slice)?;
            differences.push(difference(&plan, step, slice, &expected, &found));
        }
    }
    Ok(differences)
}

fn difference(
    plan: &Plan,
    step: &Step,
    slice: Slice,
    expected: &[u32],
    found: &[u32],
) -> Difference {
    let floats = element(plan, slice) == Element::Float;
    let value = |bits: u32| match floats {
        true => f64::from(f32::from_bits(bits)),
        false => f64::from(bits),
    };
    let largest = expected.iter().map(|&bits| value(bits).abs());
    // Integers are equal or not; results of zeros only are held against the least normal value.
    let unit = match floats {
        true => largest.fold(f64::from(f32::MIN_POSITIVE), f64::max),
        false => f64::MIN_POSITIVE,
    };
    let share = |(expected, found): (&u32, &u32)| match expected == found {
        true => 0.0,
        false => (value(*found) - value(*expected)).abs() / unit,
    };
    // total_cmp puts a NaN above every number.
    let worst = expected.iter().zip(found).map(share).enumerate();
    let (index, share) = worst.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0));
    let at = |bits: &[u32]| bits.get(index).map_or(0.0, |&bits| value(bits));
    Difference {
        plan: plan.name.clone(),
        step: step.label.clone(),
        buffer: plan.buffer(slice.buffer).name.clone(),
        index,
        expected: at(expected),
        found: at(found),
        share,
    }
}
