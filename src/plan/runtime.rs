//! What the executors have in common.

use crate::device::Device;
use crate::error::Result;
use crate::plan::{CpuRuntime, GpuRuntime, Plan, PlanId, Shared, Slice, Tuning};

/// An executor of plans with its buffers.
///
/// Buffers of floats hold `f32` for the host; offsets and lengths count elements. Shared buffers are there as long as the
/// runtime; what a plan needs beside them is there from [`Runtime::prepare`] to [`Runtime::release`]. All plans share that
/// memory: a run of one ends what another has left in its transient buffers.
pub trait Runtime: Send {
    /// Makes a shared buffer, zeroed; one of a sufficient length stays as it is.
    /// Returns whether it replaced a shorter one, to which plans that were prepared earlier still refer.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where memory or a binding's limit is too small.
    fn allocate(&mut self, buffer: Shared, len: usize) -> Result<bool>;

    /// Writes floats into a shared buffer.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device failed.
    fn write(&mut self, buffer: Shared, offset: usize, values: &[f32]) -> Result<()>;

    /// Writes words into a shared buffer.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device failed.
    fn write_words(&mut self, buffer: Shared, offset: usize, values: &[u32]) -> Result<()>;

    /// Reads floats from a shared buffer, after everything submitted so far.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device failed.
    fn read(&mut self, buffer: Shared, offset: usize, len: usize) -> Result<Vec<f32>>;

    /// Reads words from a shared buffer, after everything submitted so far.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device failed.
    fn read_words(&mut self, buffer: Shared, offset: usize, len: usize) -> Result<Vec<u32>>;

    /// Does what can be done for a plan while its data are on their way, so that [`Runtime::prepare`] of one like
    /// it takes less time. No buffer has to be there.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device failed: it cannot be used any more.
    fn warm_up(&mut self, plan: &Plan) -> Result<()> {
        let _ = plan;
        Ok(())
    }

    /// Makes a plan ready to run. Its shared buffers must have been allocated.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where memory is short or a shader does not compile.
    fn prepare(&mut self, plan: Plan) -> Result<PlanId>;

    /// Gives back a plan, with the memories of its transient buffers that no other plan uses. What was compiled for it
    /// stays, for others like it.
    ///
    /// # Panics
    /// Where it was given back before, as every use of it after this does.
    fn release(&mut self, plan: PlanId);

    /// Runs a plan `times` times in a row. May return before the device is done.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device failed.
    fn run(&mut self, plan: PlanId, times: u32) -> Result<()>;

    /// A prepared plan.
    fn plan(&self, plan: PlanId) -> &Plan;

    /// Bytes of the memories in which the transient buffers of all prepared plans live.
    fn memory(&self) -> u64;

    /// Runs one step of a plan `times` times in a row, and waits for it.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device failed.
    fn run_step(&mut self, plan: PlanId, step: usize, times: u32) -> Result<()>;

    /// Reads a slice of one of a plan's buffers, after everything submitted so far: words, or the bits
    /// of floats as `f32`.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device failed.
    fn read_slice(&mut self, plan: PlanId, slice: Slice) -> Result<Vec<u32>>;

    /// Writes what [`Runtime::read_slice`] of the same slice reads.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device failed.
    fn write_slice(&mut self, plan: PlanId, slice: Slice, bits: &[u32]) -> Result<()>;

    /// Most bytes of a buffer that kernels can read at once.
    fn most_bound(&self) -> u64 {
        u64::MAX
    }

    /// Whether the gradient of a layer and the update by it are faster as one step here.
    fn fuses_updates(&self) -> bool;

    /// Which variant runs each step that has a choice, for the run's record: (step, variant).
    fn choices(&self) -> Vec<(String, String)>;

    /// What is remembered of variants, as text for [`Runtime::remember`]; empty where there is no choice.
    fn remembered(&self) -> String {
        String::new()
    }

    /// Takes over what the runtime of another process remembers, for plans that are not prepared yet.
    fn remember(&mut self, text: &str) {
        let _ = text;
    }
}

/// The executor for a device.
pub fn open(device: Device, tuning: impl Into<Tuning>) -> Box<dyn Runtime> {
    match device {
        Device::Cpu => Box::new(CpuRuntime::<f32>::new()),
        Device::Gpu(gpu) => Box::new(GpuRuntime::new(*gpu, tuning)),
    }
}
