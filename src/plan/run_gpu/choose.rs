//! Chooses the variant that a step runs with: checked and measured on scratch buffers of random content.

use std::time::Instant;

use super::{GpuRuntime, PreparedStep, buffer_bytes, group};
use crate::error::{Error, Result};
use crate::kernel::{Access, Bound, Element, Kernel, Precision, Real, Variant};
use crate::plan::tuning::{self, Basis};
use crate::plan::{Choice, Step};
use crate::rng::{Purpose, Stream};

/// Largest share of a result's range that rounding explains, in units of k·eps: four, as two devices are
/// compared, each of which rounds terms and sums.
const ROUNDING: f32 = 4.0;

/// Buffers like a step's, with random operands and the results that they should give.
struct Scratch {
    group: wgpu::BindGroup,
    results: Vec<Expected>,
}

/// One result: what the CPU computes, and how far rounding may lead away from it.
struct Expected {
    name: &'static str,
    buffer: wgpu::Buffer,
    values: Vec<f32>,
    tolerance: f32,
}

impl GpuRuntime {
    /// The variant to run a step with. A choice is final once it is made, also where the budget cut it
    /// short: otherwise the next run of the same seed would round differently. Only a full search
    /// measures anew what no full search has measured.
    pub(super) fn choose(
        &mut self,
        step: &Step,
        params: &wgpu::BufferBinding<'_>,
        mut variants: Vec<Variant>,
    ) -> Result<Variant> {
        let class = tuning::class(step.kernel, &step.call);
        if let Some(index) = self.settled(&class, &variants) {
            return Ok(variants.swap_remove(index));
        }
        // Trying out is for kernels whose results depend on their operands alone.
        if !is_plain(step.kernel) && !variants.is_empty() {
            return Ok(variants.swap_remove(0));
        }
        let full = self.tuning.choice == Choice::Full;
        if full {
            self.memory.forget(&class);
            variants = self.variants(step);
        }
        let (index, basis) = self.search(step, &class, params, &variants, full)?;
        let chosen = variants.swap_remove(index);
        self.memory.set(class, &chosen.name, basis);
        Ok(chosen)
    }

    /// The variants of a step but those that are remembered as bad on this device.
    pub(super) fn variants(&self, step: &Step) -> Vec<Variant> {
        let mut variants = (step.kernel.variants)(&step.call, &self.offered());
        if variants.len() > 1 && self.remembers() {
            let class = tuning::class(step.kernel, &step.call);
            variants.retain(|variant| !self.memory.has_failed(&class, &variant.name));
        }
        variants
    }

    /// Whether choices go by what is remembered of the device.
    fn remembers(&self) -> bool {
        matches!(self.tuning.choice, Choice::Quick | Choice::Full)
    }

    /// Remembers that the driver does not take a variant of a step that has others.
    pub(super) fn remember_bad(&mut self, step: &Step, variant: &Variant) {
        if self.remembers() && self.variants(step).len() > 1 {
            let class = tuning::class(step.kernel, &step.call);
            self.memory.fail(&class, &variant.name);
            self.memory.save();
        }
    }

    /// The index of the variant that needs no search, because it is fixed or remembered.
    pub(super) fn settled(&self, class: &str, variants: &[Variant]) -> Option<usize> {
        let full = match self.tuning.choice {
            Choice::Guess => return Some(0),
            Choice::Fixed(index) => return Some(index.min(variants.len() - 1)),
            Choice::Quick => false,
            Choice::Full => true,
        };
        let (core, basis) = self.memory.get(class)?;
        if full && !matches!(basis, Basis::Full(_)) {
            return None;
        }
        variants.iter().position(|variant| variant.name == core)
    }

    /// The index of the fastest variant that computes the right values, and what that rests on.
    fn search(
        &mut self,
        step: &Step,
        class: &str,
        params: &wgpu::BufferBinding<'_>,
        variants: &[Variant],
        full: bool,
    ) -> Result<(usize, Basis)> {
        let budget = self.tuning.budget;
        let until = *self
            .tuned_until
            .get_or_insert_with(|| Instant::now() + budget);
        let mut scratch = None;
        let mut best: Option<(f64, usize)> = None;
        let mut failed = false;
        for (index, variant) in variants.iter().enumerate() {
            // Where one has failed the others are no longer a matter of speed.
            let enough = best.is_some() || !failed;
            if !full && enough && Instant::now() >= until {
                log::info!("{class}: {} not tried, time is up", variant.name);
                break;
            }
            let scratch = match &scratch {
                Some(scratch) => scratch,
                None => match self.scratch(step, params) {
                    Ok(made) => scratch.insert(made),
                    // Memory that suffices for the model is no fault.
                    Err(error) => {
                        log::warn!("{class}: not measured: {error}");
                        break;
                    }
                },
            };
            let candidate = match self.try_out(step, variant, scratch)? {
                Ok(candidate) => candidate,
                Err(fault) => {
                    let (core, device) = (&variant.name, &self.gpu.info.name);
                    log::warn!("{device}: {core} is wrong and will not run: {class}: {fault}");
                    self.memory.fail(class, core);
                    failed = true;
                    // One that the driver fails at may take the device with it.
                    if self.gpu.check().is_err() {
                        self.memory.save();
                        return Err(fault);
                    }
                    continue;
                }
            };
            let limit = best.map_or(f64::INFINITY, |(seconds, _)| seconds);
            let seconds = self.measure(&candidate, limit)?;
            log::debug!("{class}: {}: {seconds:?} s", variant.name);
            if let Some(seconds) = seconds.filter(|&seconds| seconds < limit) {
                best = Some((seconds, index));
            }
            // Each further variant is half a second of compiling there, and the first guess known to be good.
            if !full && self.capabilities.software {
                break;
            }
        }
        match best {
            Some((seconds, index)) if full => Ok((index, Basis::Full(seconds))),
            Some((seconds, index)) => Ok((index, Basis::Quick(seconds))),
            None if failed || variants.is_empty() => {
                self.memory.save();
                Err(Error::device(
                    format!("{}: no core computes {class} correctly", self.gpu.info.name),
                    "`tune = full`, which tries them again; a newer driver; or `device = cpu`",
                ))
            }
            None => Ok((0, Basis::Guess)),
        }
    }

    /// Compiles a variant and runs it once: what it is ready to be measured as, or what is wrong with it.
    fn try_out(
        &mut self,
        step: &Step,
        variant: &Variant,
        scratch: &Scratch,
    ) -> Result<Result<PreparedStep, Error>> {
        let pipeline = self
            .pipelines
            .get(&self.gpu, step.kernel, &step.call, variant);
        let candidate = match pipeline {
            Ok(pipeline) => PreparedStep {
                pipeline,
                group: scratch.group.clone(),
                workgroups: variant.workgroups,
            },
            Err(error @ Error::Lost { .. }) => return Err(error),
            Err(error) => return Ok(Err(error)),
        };
        for expected in &scratch.results {
            let poison = vec![f32::NAN.to_bits(); expected.values.len()];
            self.write_buffer(&expected.buffer, 0, &poison)?;
        }
        let submission = self.submit(&[&candidate], 1)?;
        self.gpu.wait(Some(submission))?;
        for expected in &scratch.results {
            let found = self.gpu.read(&expected.buffer, 0, expected.values.len())?;
            if let Some(fault) = expected.fault(&found) {
                return Ok(Err(Error::device(fault, "another core")));
            }
        }
        Ok(Ok(candidate))
    }

    /// Seconds that a step takes, or `None` once it is clear that it takes longer than `limit`.
    fn measure(&self, step: &PreparedStep, limit: f64) -> Result<Option<f64>> {
        const BATCH: f64 = 4e-3;
        let time = |times: u32| -> Result<f64> {
            let start = Instant::now();
            let submission = self.submit(&[step], times)?;
            self.gpu.wait(Some(submission))?;
            Ok(start.elapsed().as_secs_f64() / f64::from(times))
        };
        let once = time(1)?;
        if once > 3.0 * limit + 1e-3 {
            return Ok(None);
        }
        let times = (BATCH / once).clamp(1.0, 64.0) as u32;
        Ok(Some(time(times)?.min(time(times)?)))
    }

    /// Buffers to try a step's variants on, beside its own, which hold a model.
    fn scratch(&mut self, step: &Step, params: &wgpu::BufferBinding<'_>) -> Result<Scratch> {
        let half = step.call.precision == Precision::F16;
        let mut contents = Vec::with_capacity(step.slices.len());
        let mut buffers = Vec::with_capacity(step.slices.len());
        for (i, (slice, binding)) in step.slices.iter().zip(step.kernel.bindings).enumerate() {
            let buffer = self.gpu.buffer("scratch", buffer_bytes(slice.len))?;
            let mut values = vec![0.0; slice.len];
            if binding.access == Access::Read {
                let mut stream = Stream::new(0, Purpose::Tuning, i as u32);
                values.fill_with(|| 2.0 * stream.uniform() - 1.0);
                if half {
                    // Exactly, because devices may round either way.
                    Real::halve(&mut values);
                }
                self.write_buffer(&buffer, 0, bytemuck::cast_slice(&values))?;
            }
            contents.push(values);
            buffers.push(buffer);
        }
        let bound = &mut contents
            .iter_mut()
            .zip(step.kernel.bindings)
            .map(|(values, binding)| match binding.access {
                Access::Read => Bound::Read(values),
                _ => Bound::Write(values),
            })
            .collect::<Vec<_>>();
        // Inside the pool, where the twin shares out its work.
        rayon::join(|| (step.kernel.twin)(&step.call, bound), || ());
        let storage = buffers.iter().zip(&contents).map(|(buffer, values)| {
            let bytes = 4 * values.len().max(1).next_multiple_of(4) as u64;
            wgpu::BufferBinding {
                buffer,
                offset: 0,
                size: wgpu::BufferSize::new(bytes),
            }
        });
        let layout = self.pipelines.group_layout(&self.gpu, step.kernel)?;
        let group = group(
            &self.gpu,
            &step.label,
            &layout,
            params.clone(),
            storage.collect(),
        )?;
        let bindings = step.kernel.bindings.iter();
        let results = bindings.zip(buffers).zip(contents);
        let results = results.filter(|((binding, _), _)| binding.access != Access::Read);
        let results: Vec<_> = results.collect();
        // The product is the largest result; sums of rows are no longer than its own.
        let largest = results.iter().map(|(_, values)| values.len()).max();
        let work = (step.kernel.multiply_adds)(&step.call);
        let terms = work as f32 / largest.unwrap_or(1).max(1) as f32;
        Ok(Scratch {
            group,
            results: results
                .into_iter()
                .map(|((binding, buffer), values)| {
                    Expected::new(binding.name, buffer, values, terms)
                })
                .collect(),
        })
    }
}

/// Whether a kernel reads and writes floats and nothing else.
fn is_plain(kernel: &Kernel) -> bool {
    kernel.bindings.iter().all(|binding| {
        binding.element == Element::Float && matches!(binding.access, Access::Read | Access::Write)
    })
}

impl Expected {
    /// The tolerance follows from the length `k` of the sums: each of k additions rounds by up to eps of a partial
    /// sum, which is no larger than the range.
    fn new(name: &'static str, buffer: wgpu::Buffer, values: Vec<f32>, k: f32) -> Self {
        let range = values.iter().fold(0.0f32, |range, v| range.max(v.abs()));
        Self {
            name,
            buffer,
            values,
            tolerance: ROUNDING * (k + 1.0) * f32::EPSILON * range,
        }
    }

    /// The first value that rounding does not explain; a NaN is one.
    fn fault(&self, found: &[u32]) -> Option<String> {
        let found = found.iter().map(|&bits| f32::from_bits(bits));
        let (i, (found, expected)) = found.zip(&self.values).enumerate().find(|(_, pair)| {
            let close = (pair.0 - pair.1).abs() <= self.tolerance;
            !close
        })?;
        Some(format!(
            "{}[{i}] is {found}, should be {expected} ± {:.1e}",
            self.name, self.tolerance
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::is_plain;
    use crate::ops::{matmul, weight_update};

    #[test]
    fn products_can_be_tried_out_and_updates_cannot() {
        for kernel in [
            &matmul::MATMUL,
            &matmul::LINEAR,
            &matmul::INPUT_GRADIENT,
            &matmul::WEIGHT_GRADIENT,
        ] {
            assert!(is_plain(kernel), "{kernel:?}");
        }
        assert!(!is_plain(&weight_update::KERNEL));
    }
}
