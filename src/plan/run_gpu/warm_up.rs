//! Gets ready for a plan before there is anything to run it on.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rayon::ThreadPoolBuilder;

use super::{GpuRuntime, PreparedStep, group};
use crate::error::{Error, Result};
use crate::kernel::Variant;
use crate::plan::{Choice, Plan, Step, tuning};

/// Bytes of a buffer that is bound and not used: more than any type in a shader.
const UNUSED: u64 = 256;

/// A first dispatch that takes longer had its shader compiled. One from the driver's cache takes a tenth of that.
const COMPILED: Duration = Duration::from_millis(100);

impl GpuRuntime {
    /// Makes the pipelines that a plan still lacks, and has the driver compile what it leaves for the first dispatch.
    pub(super) fn make_ready(&mut self, plan: &Plan) -> Result<()> {
        let variants = plan.steps.iter().map(|step| self.likely(step));
        // A step without one is for [`GpuRuntime::choose`] to refuse.
        let Some(variants) = variants.collect::<Option<Vec<_>>>() else {
            return Ok(());
        };
        let wanted = plan.steps.iter().zip(&variants);
        let wanted = wanted.map(|(step, variant)| (step.kernel, &step.call, variant));
        let mut missing = self.pipelines.missing(wanted);
        // The longest shaders first.
        let work = |i: usize| (plan.steps[i].kernel.multiply_adds)(&plan.steps[i].call);
        missing.sort_by_key(|&i| Reverse(work(i)));
        let [first, others @ ..] = &missing[..] else {
            return Ok(());
        };
        if self.capabilities.software {
            let start = Instant::now();
            self.compile(plan, &variants, &[*first])?;
            self.idle(plan, &variants, &[*first])?;
            if start.elapsed() > COMPILED
                && let Err(error) = self.compile_beside(plan, &variants, others)
            {
                // This device compiles what those did not.
                log::info!(
                    "{}: compiling on further devices failed: {error}",
                    plan.name
                );
            }
        }
        let pool = ThreadPoolBuilder::new().build().map_err(|error| {
            Error::device(
                format!("no threads to compile on: {error}"),
                "`device = cpu`",
            )
        })?;
        // The global pool may be busy with the images.
        pool.install(|| self.compile(plan, &variants, &missing))?;
        self.idle(plan, &variants, &missing)
    }

    /// The variant that a step will run with, or else the one that a search tries first.
    fn likely(&self, step: &Step) -> Option<Variant> {
        let mut variants = self.variants(step);
        let index = match variants.len() {
            0 => return None,
            1 => 0,
            _ => {
                let class = tuning::class(step.kernel, &step.call);
                self.settled(&class, &variants).unwrap_or(0)
            }
        };
        Some(variants.swap_remove(index))
    }

    /// Makes the pipelines of some steps of a plan on all threads. A variant that the driver does not take is remembered,
    /// so that the next start takes another.
    pub(super) fn compile(
        &mut self,
        plan: &Plan,
        variants: &[Variant],
        steps: &[usize],
    ) -> Result<()> {
        let wanted = steps.iter().map(|&i| {
            let step = &plan.steps[i];
            (step.kernel, &step.call, &variants[i])
        });
        let made = self.pipelines.make_all(&self.gpu, wanted);
        made.map_err(|(place, error)| {
            let failed = place.map(|place| steps[place]);
            if let Some(i) = failed.filter(|_| !matches!(error, Error::Lost { .. })) {
                self.remember_bad(&plan.steps[i], &variants[i]);
            }
            error
        })
    }

    /// Compiles shaders by a further device for each thread. A software driver compiles on the thread that runs a device's
    /// queue, one shader after another, and all devices find what is in its cache on the disk.
    fn compile_beside(&self, plan: &Plan, variants: &[Variant], steps: &[usize]) -> Result<()> {
        let (gpu, next) = (&self.gpu, AtomicUsize::new(0));
        let compile = || {
            let mut beside = Self::new(gpu.another()?, Choice::Guess);
            while let Some(step) = steps.get(next.fetch_add(1, Ordering::Relaxed)) {
                beside.idle(plan, variants, &[*step])?;
            }
            Ok(())
        };
        let threads = rayon::current_num_threads().min(steps.len());
        thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(compile)).collect();
            threads.into_iter().try_for_each(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
        })
    }

    /// Runs some steps of a plan without a workgroup: a software driver compiles for them, and none touches memory.
    fn idle(&mut self, plan: &Plan, variants: &[Variant], steps: &[usize]) -> Result<()> {
        let (params, places) = self.params(plan)?;
        let most = plan.steps.iter().map(|step| step.slices.len()).max();
        // One for each binding of a step, because no dispatch may read and write the same.
        let buffers = (0..most.unwrap_or(0))
            .map(|_| self.gpu.buffer("unused", UNUSED))
            .collect::<Result<Vec<_>>>()?;
        let idle = steps.iter().map(|&i| {
            let (step, (offset, size)) = (&plan.steps[i], places[i]);
            let layout = self.pipelines.group_layout(&self.gpu, step.kernel)?;
            let params = wgpu::BufferBinding {
                buffer: &params,
                offset,
                size: wgpu::BufferSize::new(size),
            };
            let bound = &buffers[..step.slices.len()];
            let storage = bound.iter().map(|b| b.as_entire_buffer_binding());
            let storage = storage.collect();
            let pipelines = &mut self.pipelines;
            Ok(PreparedStep {
                group: group(&self.gpu, &step.label, &layout, params, storage)?,
                pipeline: pipelines.get(&self.gpu, step.kernel, &step.call, &variants[i])?,
                workgroups: [0; 3],
            })
        });
        let idle = idle.collect::<Result<Vec<_>>>()?;
        let submission = self.submit(&idle.iter().collect::<Vec<_>>(), 1)?;
        self.gpu.wait(Some(submission))
    }
}
