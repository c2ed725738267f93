//! What the executors have in common.

use crate::device::Device;
use crate::error::Result;
use crate::kernel::Element;
use crate::plan::{CpuRuntime, GpuRuntime, Plan, Tuning};

/// A plan that a runtime has prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanId(pub(super) usize);

/// The first value of a plan's run that is not finite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Label of the step that wrote it.
    pub step: String,
    /// The buffer that holds it.
    pub buffer: String,
}

/// An executor of plans with its buffers.
///
/// Buffers of floats hold `f32` for the host; offsets and lengths count elements.
pub trait Runtime {
    /// Makes a shared buffer, zeroed; one of the same name and a sufficient length stays as it is.
    /// Returns whether it replaced a shorter one, to which plans that were prepared earlier still refer.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where memory or a binding's limit is too small.
    fn allocate(&mut self, name: &str, element: Element, len: usize) -> Result<bool>;

    /// Writes floats into a shared buffer.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device failed.
    fn write(&mut self, name: &str, offset: usize, values: &[f32]) -> Result<()>;

    /// Writes words into a shared buffer.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device failed.
    fn write_words(&mut self, name: &str, offset: usize, values: &[u32]) -> Result<()>;

    /// Reads floats from a shared buffer, after everything submitted so far.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device failed.
    fn read(&mut self, name: &str, offset: usize, len: usize) -> Result<Vec<f32>>;

    /// Reads words from a shared buffer, after everything submitted so far.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device failed.
    fn read_words(&mut self, name: &str, offset: usize, len: usize) -> Result<Vec<u32>>;

    /// Makes a plan ready to run. Its shared buffers must have been allocated.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where memory is short or a shader does not compile.
    fn prepare(&mut self, plan: Plan) -> Result<PlanId>;

    /// Runs a plan `times` times in a row. May return before the device is done.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device failed.
    fn run(&mut self, plan: PlanId, times: u32) -> Result<()>;

    /// Runs a plan once, step by step, and names the first step that writes a value that is not finite.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device failed.
    fn find_fault(&mut self, plan: PlanId) -> Result<Option<Fault>>;

    /// Seconds of each step of a plan, mean of `times` runs of the step by itself, after one unmeasured.
    /// Leaves the plan's buffers in a state of no meaning.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device failed.
    fn time_steps(&mut self, plan: PlanId, times: u32) -> Result<Vec<(String, f64)>>;

    /// Which variant runs each step that has a choice, for the run's record: (step, variant).
    fn choices(&self) -> Vec<(String, String)>;
}

/// The executor for a device.
pub fn open(device: Device) -> Box<dyn Runtime> {
    match device {
        Device::Cpu => Box::new(CpuRuntime::<f32>::new()),
        Device::Gpu(gpu) => Box::new(GpuRuntime::new(*gpu, Tuning::default())),
    }
}
