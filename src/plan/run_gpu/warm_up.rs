//! Gets ready for a plan before there is anything to run it on.

use rayon::ThreadPoolBuilder;

use super::{GpuRuntime, PreparedStep, group};
use crate::error::{Error, Result};
use crate::kernel::Variant;
use crate::plan::{Plan, Step, tuning};

/// Bytes of a buffer that is bound and not used: more than any type in a shader.
const UNUSED: u64 = 256;

impl GpuRuntime {
    /// Makes the pipelines of a plan, and has the driver compile what it leaves for the first dispatch.
    pub(super) fn make_ready(&mut self, plan: &Plan) -> Result<()> {
        let variants: Vec<Variant> = plan.steps.iter().map(|s| self.likely(s)).collect();
        let wanted = plan.steps.iter().zip(&variants);
        let wanted = wanted.map(|(step, variant)| (step.kernel, &step.call, variant));
        let pool = ThreadPoolBuilder::new().build().map_err(|error| {
            Error::device(
                format!("no threads to compile on: {error}"),
                "`device = cpu`",
            )
        })?;
        // The global pool may be busy with the images.
        pool.install(|| self.pipelines.make_all(&self.gpu, wanted))?;
        let steps = self.idle(plan, &variants)?;
        self.submit(&steps.iter().collect::<Vec<_>>(), 1);
        self.gpu.check()
    }

    /// The variant that a step will run with, or else the one that a search tries first.
    fn likely(&self, step: &Step) -> Variant {
        let mut variants = (step.kernel.variants)(&step.call, &self.offered());
        let index = match variants.len() {
            1 => 0,
            _ => {
                let class = tuning::class(step.kernel, &step.call);
                self.settled(&class, &variants).unwrap_or(0)
            }
        };
        variants.swap_remove(index)
    }

    /// The steps of a plan without a workgroup: a software driver compiles for them, and none touches memory.
    fn idle(&mut self, plan: &Plan, variants: &[Variant]) -> Result<Vec<PreparedStep>> {
        let (params, places) = self.params(plan);
        let most = plan.steps.iter().map(|step| step.slices.len()).max();
        // One for each binding of a step, because no dispatch may read and write the same.
        let buffers = (0..most.unwrap_or(0))
            .map(|_| self.gpu.buffer("unused", UNUSED))
            .collect::<Result<Vec<_>>>()?;
        let steps = plan.steps.iter().zip(variants).zip(places);
        steps
            .map(|((step, variant), (offset, size))| {
                let layout = self.pipelines.group_layout(&self.gpu, step.kernel);
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
                    group: group(&self.gpu, &step.label, &layout, params, storage),
                    pipeline: pipelines.get(&self.gpu, step.kernel, &step.call, variant)?,
                    workgroups: [0; 3],
                })
            })
            .collect()
    }
}
