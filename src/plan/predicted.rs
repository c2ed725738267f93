//! A runtime that takes no memory and computes nothing: what plans would take of a device.

use std::collections::HashMap;

use super::pool::Pool;
use super::prepared::PreparedPlans;
use super::{Plan, PlanId, Runtime, Shared, Slice, buffer_bytes, run_cpu, run_gpu};
use crate::device::Device;
use crate::error::Result;

/// Accepts and refuses what the runtime of a device does by its limits, and counts its memory. What is read from it is
/// zero.
pub struct Predicted {
    device: Device,
    most_bound: u64,
    shared: HashMap<Shared, usize>,
    pool: Pool<()>,
    /// Plans, with the places of their memories.
    plans: PreparedPlans<(Plan, Vec<usize>)>,
}

impl Predicted {
    /// One without buffers.
    pub fn new(device: Device) -> Self {
        let most_bound = match &device {
            Device::Cpu => u64::MAX,
            Device::Gpu(gpu) => gpu.most_bound(),
        };
        Self {
            device,
            most_bound,
            shared: HashMap::new(),
            pool: Pool::default(),
            plans: PreparedPlans::default(),
        }
    }

    /// That of any device whose kernels can read so many bytes of a buffer at once.
    pub fn within(most_bound: u64) -> Self {
        Self {
            most_bound,
            ..Self::new(Device::Cpu)
        }
    }
}

impl Runtime for Predicted {
    fn allocate(&mut self, buffer: Shared, len: usize) -> Result<bool> {
        let known = self.shared.get(&buffer).copied();
        if known.is_some_and(|known| known >= len) {
            return Ok(false);
        }
        if let Device::Gpu(gpu) = &self.device {
            gpu.check_buffer(&buffer.to_string(), buffer_bytes(len))?;
        }
        Ok(self.shared.insert(buffer, len).is_some())
    }

    fn write(&mut self, _: Shared, _: usize, _: &[f32]) -> Result<()> {
        Ok(())
    }

    fn write_words(&mut self, _: Shared, _: usize, _: &[u32]) -> Result<()> {
        Ok(())
    }

    fn read(&mut self, _: Shared, _: usize, len: usize) -> Result<Vec<f32>> {
        Ok(vec![0.0; len])
    }

    fn read_words(&mut self, _: Shared, _: usize, len: usize) -> Result<Vec<u32>> {
        Ok(vec![0; len])
    }

    fn prepare(&mut self, plan: Plan) -> Result<PlanId> {
        if let Device::Gpu(gpu) = &self.device {
            run_gpu::check(gpu, &plan)?;
        }
        let places = self.pool.take(&plan.memories, |_, _, _| Ok(()))?;
        Ok(self.plans.add((plan, places)))
    }

    fn release(&mut self, plan: PlanId) {
        let (_, places) = self.plans.remove(plan);
        self.pool.give_back(&places);
    }

    fn run(&mut self, _: PlanId, _: u32) -> Result<()> {
        Ok(())
    }

    fn plan(&self, plan: PlanId) -> &Plan {
        &self.plans.get(plan).0
    }

    fn memory(&self) -> u64 {
        self.pool.bytes()
    }

    fn run_step(&mut self, _: PlanId, _: usize, _: u32) -> Result<()> {
        Ok(())
    }

    fn read_slice(&mut self, _: PlanId, slice: Slice) -> Result<Vec<u32>> {
        Ok(vec![0; slice.len])
    }

    fn write_slice(&mut self, _: PlanId, _: Slice, _: &[u32]) -> Result<()> {
        Ok(())
    }

    fn fuses_updates(&self) -> bool {
        match self.device {
            Device::Cpu => run_cpu::FUSES_UPDATES,
            Device::Gpu(_) => run_gpu::FUSES_UPDATES,
        }
    }

    fn most_bound(&self) -> u64 {
        self.most_bound
    }

    fn choices(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}
