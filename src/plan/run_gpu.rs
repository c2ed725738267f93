//! Runs plans on a GPU: pipelines, bind groups, and submissions bounded in time.

mod choose;
mod warm_up;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use super::pipelines::Pipelines;
use super::pool::Pool;
use super::prepared::PreparedPlans;
use super::tuning::Memory;
use super::{Choice, Home, Plan, PlanId, Runtime, Shared, Slice, Step, Tuning, buffer_bytes};
use crate::device::Gpu;
use crate::error::Result;
use crate::kernel::{Capabilities, Element, Variant};

/// What [`Runtime::fuses_updates`] says: no faster on any that was measured.
pub(super) const FUSES_UPDATES: bool = false;

/// Time that one submission should take: long enough to hide its cost, far below the two seconds after
/// which a desktop's watchdog resets the GPU.
const SUBMISSION: Duration = Duration::from_millis(50);

/// Most runs of a plan in one submission.
const MAX_RUNS: u32 = 256;

/// Submissions that may be under way at once: one computes while the next is recorded.
const IN_FLIGHT: usize = 2;

/// Uniform bindings start at multiples of this many bytes (WebGPU's default limit).
const UNIFORM_ALIGNMENT: usize = 256;

struct PreparedStep {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    workgroups: [u32; 3],
}

struct Prepared {
    plan: Plan,
    /// Places of its memories in the pool.
    memories: Vec<usize>,
    steps: Vec<PreparedStep>,
    /// Runs of the plan a submission: doubled until one takes about as long as it should, then settled.
    runs: u32,
    settled: bool,
    /// Whether the last one took that long.
    slow: bool,
}

/// The executor for a GPU.
pub struct GpuRuntime {
    gpu: Gpu,
    capabilities: Capabilities,
    tuning: Tuning,
    tuned_until: Option<Instant>,
    memory: Memory,
    /// Steps with their variants; those of a plan that is gone stay, for the record.
    choices: IndexMap<String, String>,
    shared: HashMap<Shared, (wgpu::Buffer, usize)>,
    pipelines: Pipelines,
    pool: Pool<wgpu::Buffer>,
    plans: PreparedPlans<Prepared>,
    in_flight: VecDeque<wgpu::SubmissionIndex>,
}

/// A bind group of a kernel's parameters and storage bindings.
fn group(
    gpu: &Gpu,
    label: &str,
    layout: &wgpu::BindGroupLayout,
    params: wgpu::BufferBinding<'_>,
    storage: Vec<wgpu::BufferBinding<'_>>,
) -> Result<wgpu::BindGroup> {
    let bindings = std::iter::once(params).chain(storage);
    let entries: Vec<wgpu::BindGroupEntry<'_>> = (0..)
        .zip(bindings)
        .map(|(binding, buffer)| wgpu::BindGroupEntry {
            binding,
            resource: wgpu::BindingResource::Buffer(buffer),
        })
        .collect();
    gpu.make(&format!("the bindings of {label}"), |device| {
        device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(label),
            layout,
            entries: &entries,
        })
    })
}

/// Checks that a GPU can hold and bind what a plan needs.
pub(super) fn check(gpu: &Gpu, plan: &Plan) -> Result<()> {
    for slice in plan.steps.iter().flat_map(|step| &step.slices) {
        let name = &plan.buffer(slice.buffer).name;
        gpu.check_binding(name, 4 * slice.len as u64)?;
    }
    let mut memories = plan.memories.iter();
    memories.try_for_each(|&(_, len)| gpu.check_buffer(&plan.name, buffer_bytes(len)))
}

impl GpuRuntime {
    /// A runtime without buffers.
    pub fn new(gpu: Gpu, tuning: impl Into<Tuning>) -> Self {
        let capabilities = Capabilities::from(&gpu);
        let tuning = tuning.into();
        let memory = Memory::open(tuning.folder.as_deref(), &gpu.identity());
        Self {
            gpu,
            capabilities,
            tuning,
            tuned_until: None,
            memory,
            choices: IndexMap::new(),
            shared: HashMap::new(),
            pipelines: Pipelines::default(),
            pool: Pool::default(),
            plans: PreparedPlans::default(),
            in_flight: VecDeque::new(),
        }
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// What the device can do.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// What decides the variants that are offered. A fixed choice is among all that the device can run,
    /// also those that are hopeless in software.
    pub fn offered(&self) -> Capabilities {
        let software = match self.tuning.choice {
            Choice::Fixed(_) => false,
            Choice::Guess | Choice::Quick | Choice::Full => self.capabilities.software,
        };
        Capabilities {
            software,
            ..self.capabilities
        }
    }

    fn shared(&self, buffer: Shared) -> &wgpu::Buffer {
        match self.shared.get(&buffer) {
            Some((found, _)) => found,
            None => panic!("no buffer of {buffer}"),
        }
    }

    fn bind_group(
        &mut self,
        plan: &Plan,
        memories: &[usize],
        step: &Step,
        params: wgpu::BufferBinding<'_>,
    ) -> Result<wgpu::BindGroup> {
        // A clone is a handle.
        let layout = self.pipelines.group_layout(&self.gpu, step.kernel)?;
        let storage = step
            .slices
            .iter()
            .map(|slice| wgpu::BufferBinding {
                buffer: self.of_slice(plan, memories, slice),
                offset: 4 * slice.offset as u64,
                // Whole groups of four, which padding always has room for.
                size: wgpu::BufferSize::new(4 * slice.len.max(1).next_multiple_of(4) as u64),
            })
            .collect();
        group(&self.gpu, &step.label, &layout, params, storage)
    }

    fn of_slice<'a>(&'a self, plan: &Plan, memories: &[usize], slice: &Slice) -> &'a wgpu::Buffer {
        let buffer = plan.buffer(slice.buffer);
        match buffer.home {
            Home::Transient(memory) => self.pool.at(memories[memory]),
            Home::Shared(shared) => self.shared(shared),
        }
    }

    fn submit(&self, steps: &[&PreparedStep], times: u32) -> Result<wgpu::SubmissionIndex> {
        self.gpu.submit(|encoder| {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some("plan"),
                timestamp_writes: None,
            });
            for _ in 0..times {
                for step in steps {
                    let [x, y, z] = step.workgroups;
                    pass.set_pipeline(&step.pipeline);
                    pass.set_bind_group(0, &step.group, &[]);
                    pass.dispatch_workgroups(x, y, z);
                }
            }
        })
    }

    /// Lets a submission run beside the next ones, but not more than [`IN_FLIGHT`] at once.
    fn queue(&mut self, submission: wgpu::SubmissionIndex) -> Result<()> {
        self.in_flight.push_back(submission);
        if self.in_flight.len() > IN_FLIGHT
            && let Some(oldest) = self.in_flight.pop_front()
        {
            self.gpu.wait(Some(oldest))?;
        }
        Ok(())
    }

    /// Parameters of all steps in one uniform buffer; returns it with the offset and size of each.
    fn params(&self, plan: &Plan) -> Result<(wgpu::Buffer, Vec<(u64, u64)>)> {
        let mut bytes = Vec::new();
        let mut places = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            bytes.resize(bytes.len().next_multiple_of(UNIFORM_ALIGNMENT), 0);
            let size = step.call.params.len().next_multiple_of(16);
            places.push((bytes.len() as u64, size as u64));
            bytes.extend_from_slice(&step.call.params);
            bytes.resize(bytes.len().next_multiple_of(16), 0);
        }
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let label = format!("{} parameters of kernels", plan.name);
        let buffer = self
            .gpu
            .buffer_for(usage, &label, bytes.len().max(16) as u64)?;
        self.gpu.write(&buffer, 0, &bytes)?;
        Ok((buffer, places))
    }

    fn prepare_steps(&mut self, plan: &Plan, memories: &[usize]) -> Result<Vec<PreparedStep>> {
        let (params, places) = self.params(plan)?;
        let mut order: Vec<usize> = (0..plan.steps.len()).collect();
        // The longest products first: they deserve the tuning budget.
        let work = |i: usize| (plan.steps[i].kernel.multiply_adds)(&plan.steps[i].call);
        order.sort_by_key(|&i| std::cmp::Reverse(work(i)));
        let params = |i: usize| wgpu::BufferBinding {
            buffer: &params,
            offset: places[i].0,
            size: wgpu::BufferSize::new(places[i].1),
        };
        let mut chosen: Vec<Option<Variant>> = plan.steps.iter().map(|_| None).collect();
        for i in order {
            let step = &plan.steps[i];
            let mut variants = self.variants(step);
            chosen[i] = Some(if variants.len() == 1 {
                variants.swap_remove(0)
            } else {
                let chosen = self.choose(step, &params(i), variants)?;
                let label = format!("{}: {}", plan.name, step.label);
                self.choices.insert(label, chosen.name.to_string());
                chosen
            });
        }
        self.memory.save();
        let chosen: Vec<Variant> = chosen.into_iter().flatten().collect();
        let all: Vec<usize> = (0..plan.steps.len()).collect();
        self.compile(plan, &chosen, &all)?;
        let steps = plan.steps.iter().zip(chosen).enumerate();
        steps
            .map(|(i, (step, variant))| {
                Ok(PreparedStep {
                    group: self.bind_group(plan, memories, step, params(i))?,
                    pipeline: self
                        .pipelines
                        .get(&self.gpu, step.kernel, &step.call, &variant)?,
                    workgroups: variant.workgroups,
                })
            })
            .collect()
    }

    fn write_buffer(&self, buffer: &wgpu::Buffer, offset: usize, values: &[u32]) -> Result<()> {
        // In parts, because each is copied to a staging buffer of its own. Small ones, because the next part
        // gets the same pages again, and to the system a fresh page is more work than to fill it.
        const PART: usize = 1 << 18;
        for (i, part) in values.chunks(PART).enumerate() {
            let at = 4 * (offset + i * PART) as u64;
            let bytes = bytemuck::cast_slice(part);
            self.gpu.write(buffer, at, bytes)?;
            if values.len() > PART {
                let submission = self.gpu.submit(|_| {})?;
                self.gpu.wait(Some(submission))?;
            }
        }
        self.gpu.check()
    }
}

impl Runtime for GpuRuntime {
    fn allocate(&mut self, buffer: Shared, len: usize) -> Result<bool> {
        let known = self.shared.get(&buffer);
        if known.is_some_and(|&(_, known)| known >= len) {
            return Ok(false);
        }
        let made = self.gpu.buffer(&buffer.to_string(), buffer_bytes(len))?;
        Ok(self.shared.insert(buffer, (made, len)).is_some())
    }

    fn write(&mut self, buffer: Shared, offset: usize, values: &[f32]) -> Result<()> {
        buffer.must_hold(Element::Float);
        self.write_buffer(self.shared(buffer), offset, bytemuck::cast_slice(values))
    }

    fn write_words(&mut self, buffer: Shared, offset: usize, values: &[u32]) -> Result<()> {
        buffer.must_hold(Element::Word);
        self.write_buffer(self.shared(buffer), offset, values)
    }

    fn read(&mut self, buffer: Shared, offset: usize, len: usize) -> Result<Vec<f32>> {
        buffer.must_hold(Element::Float);
        self.in_flight.clear();
        let words = self.gpu.read(self.shared(buffer), 4 * offset as u64, len)?;
        Ok(words.into_iter().map(f32::from_bits).collect())
    }

    fn read_words(&mut self, buffer: Shared, offset: usize, len: usize) -> Result<Vec<u32>> {
        buffer.must_hold(Element::Word);
        self.in_flight.clear();
        self.gpu.read(self.shared(buffer), 4 * offset as u64, len)
    }

    fn warm_up(&mut self, plan: &Plan) -> Result<()> {
        self.make_ready(plan)
    }

    fn prepare(&mut self, plan: Plan) -> Result<PlanId> {
        check(&self.gpu, &plan)?;
        let memories = self.pool.take(&plan.memories, |i, _, len| {
            let label = format!("{} memory {i}", plan.name);
            self.gpu.buffer(&label, buffer_bytes(len))
        })?;
        let ready = match self.capabilities.software {
            true => self.make_ready(&plan),
            false => Ok(()),
        };
        let steps = ready.and_then(|()| self.prepare_steps(&plan, &memories));
        let steps = steps.and_then(|steps| self.gpu.check().map(|()| steps));
        let steps = steps.inspect_err(|_| drop(self.pool.give_back(&memories)))?;
        Ok(self.plans.add(Prepared {
            plan,
            memories,
            steps,
            runs: 1,
            settled: false,
            slow: false,
        }))
    }

    fn release(&mut self, plan: PlanId) {
        // What is under way keeps what it needs until it is done.
        let Prepared { memories, .. } = self.plans.remove(plan);
        self.pool.give_back(&memories);
    }

    fn run(&mut self, plan: PlanId, times: u32) -> Result<()> {
        let mut left = times;
        while left > 0 {
            let prepared = self.plans.get(plan);
            let runs = prepared.runs.min(left);
            let steps: Vec<&PreparedStep> = prepared.steps.iter().collect();
            let start = Instant::now();
            let submission = self.submit(&steps, runs)?;
            left -= runs;
            if prepared.settled || runs < prepared.runs {
                self.queue(submission)?;
                continue;
            }
            self.gpu.wait(Some(submission))?;
            let slow = start.elapsed() > SUBMISSION / 2;
            let prepared = self.plans.get_mut(plan);
            // Twice, because the first run may compile shaders.
            prepared.settled = slow && prepared.slow || runs >= MAX_RUNS;
            prepared.slow = slow;
            if !slow {
                prepared.runs = (2 * runs).min(MAX_RUNS);
            }
        }
        self.gpu.check()
    }

    fn plan(&self, plan: PlanId) -> &Plan {
        &self.plans.get(plan).plan
    }

    fn memory(&self) -> u64 {
        self.pool.bytes()
    }

    fn run_step(&mut self, plan: PlanId, step: usize, times: u32) -> Result<()> {
        self.in_flight.clear();
        let submission = self.submit(&[&self.plans.get(plan).steps[step]], times)?;
        self.gpu.wait(Some(submission))
    }

    fn read_slice(&mut self, plan: PlanId, slice: Slice) -> Result<Vec<u32>> {
        self.in_flight.clear();
        let prepared = self.plans.get(plan);
        let buffer = self.of_slice(&prepared.plan, &prepared.memories, &slice);
        self.gpu.read(buffer, 4 * slice.offset as u64, slice.len)
    }

    fn write_slice(&mut self, plan: PlanId, slice: Slice, bits: &[u32]) -> Result<()> {
        let prepared = self.plans.get(plan);
        let buffer = self.of_slice(&prepared.plan, &prepared.memories, &slice);
        self.write_buffer(buffer, slice.offset, bits)
    }

    fn fuses_updates(&self) -> bool {
        FUSES_UPDATES
    }

    fn choices(&self) -> Vec<(String, String)> {
        let choices = self.choices.iter();
        choices
            .map(|(step, variant)| (step.clone(), variant.clone()))
            .collect()
    }

    fn most_bound(&self) -> u64 {
        self.gpu.most_bound()
    }

    fn remembered(&self) -> String {
        self.memory.text()
    }

    fn remember(&mut self, text: &str) {
        self.memory.take_all(text);
    }
}
