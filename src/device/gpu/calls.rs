//! Calls of a device: each gives the error that the driver answers it with.

use std::sync::mpsc;

use super::faults::Fault;
use super::{Gpu, mebibytes};
use crate::device::guard::guard;
use crate::error::{Error, Result};

/// What reading is called in errors.
const READING: &str = "results that are read back";

impl Gpu {
    /// Makes something on the device. `what` names it in errors: a kernel, a buffer with its size.
    ///
    /// # Errors
    /// [`Error::Device`] where the driver refuses, [`Error::Lost`] where the device is gone.
    pub fn make<T>(&self, what: &str, make: impl FnOnce(&wgpu::Device) -> T) -> Result<T> {
        self.call(what, || make(&self.device))
    }

    /// Hands bytes over to be in `buffer` before what is submitted next.
    ///
    /// # Errors
    /// As [`Gpu::make`].
    pub fn write(&self, buffer: &wgpu::Buffer, offset: u64, bytes: &[u8]) -> Result<()> {
        self.call("what is written to a buffer", || {
            self.queue.write_buffer(buffer, offset, bytes);
        })
    }

    /// Submits what `record` records, and everything written before.
    ///
    /// # Errors
    /// As [`Gpu::make`].
    pub fn submit(
        &self,
        record: impl FnOnce(&mut wgpu::CommandEncoder),
    ) -> Result<wgpu::SubmissionIndex> {
        self.call("a submission", || {
            let mut encoder = self.device.create_command_encoder(&Default::default());
            record(&mut encoder);
            self.queue.submit([encoder.finish()])
        })
    }

    /// Waits for a submission, or for all of them.
    ///
    /// # Errors
    /// As [`Gpu::make`].
    pub fn wait(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let poll = wgpu::PollType::Wait {
            submission_index: submission,
            timeout: None,
        };
        let what = "waiting for a submission";
        self.call(what, || self.device.poll(poll))?
            .map(drop)
            .map_err(|error| self.error(Fault::Other(error.to_string()), what))
    }

    /// Reads `len` words from the byte `offset` of a buffer on, after everything submitted so far.
    ///
    /// # Errors
    /// As [`Gpu::make`].
    pub fn read(&self, buffer: &wgpu::Buffer, offset: u64, len: usize) -> Result<Vec<u32>> {
        if len == 0 {
            return Ok(Vec::new());
        }
        let bytes = 4 * len as u64;
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = self.buffer_for(usage, READING, bytes)?;
        let submission = self.submit(|encoder| {
            encoder.copy_buffer_to_buffer(buffer, offset, &staging, 0, bytes);
        })?;
        let (sender, receiver) = mpsc::channel();
        self.call(READING, || {
            staging.map_async(wgpu::MapMode::Read, .., move |mapped| {
                // The receiver is gone only where an error was returned already.
                let _ = sender.send(mapped);
            });
        })?;
        self.wait(Some(submission))?;
        let failed = |what: String| self.error(Fault::Other(what), READING);
        match receiver.recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Err(error) => return Err(failed(error.to_string())),
        }
        let view = self.call(READING, || staging.get_mapped_range(..))?;
        let view = view.map_err(|error| failed(error.to_string()))?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }

    /// Makes a zeroed storage buffer of `bytes`, a multiple of 4.
    ///
    /// # Errors
    /// [`Error::Device`] where a buffer cannot be that large or memory is short; both say how much was
    /// asked for.
    pub fn buffer(&self, label: &str, bytes: u64) -> Result<wgpu::Buffer> {
        use wgpu::BufferUsages as Usages;
        self.check_buffer(label, bytes)?;
        let usage = Usages::STORAGE | Usages::COPY_SRC | Usages::COPY_DST;
        self.buffer_for(usage, label, bytes)
    }

    /// Makes a zeroed buffer for some usage.
    ///
    /// # Errors
    /// As [`Gpu::make`].
    pub fn buffer_for(
        &self,
        usage: wgpu::BufferUsages,
        label: &str,
        bytes: u64,
    ) -> Result<wgpu::Buffer> {
        let size = mebibytes(bytes.next_multiple_of(1 << 20));
        self.make(&format!("{label} ({size})"), |device| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: bytes,
                usage,
                mapped_at_creation: false,
            })
        })
    }

    /// Bytes and number of the allocations there are, where the backend counts them.
    pub fn allocated(&self) -> Option<(u64, usize)> {
        let report = self.device.generate_allocator_report()?;
        Some((report.total_allocated_bytes, report.allocations.len()))
    }

    /// The first error that the driver reported beside those that calls returned.
    ///
    /// # Errors
    /// As [`Gpu::make`].
    pub fn check(&self) -> Result<()> {
        match self.faults.take() {
            None => Ok(()),
            Some(fault) => Err(self.error(fault, "earlier work")),
        }
    }

    /// Whether a call that failed on this thread is itself what failed, and not one on another thread that took the device
    /// with it.
    pub fn is_to_blame(&self) -> bool {
        self.faults.are_of_this_thread()
    }

    /// Runs what calls wgpu, and gives the first that goes wrong.
    fn call<T>(&self, what: &str, call: impl FnOnce() -> T) -> Result<T> {
        let filters = [
            wgpu::ErrorFilter::Validation,
            wgpu::ErrorFilter::Internal,
            wgpu::ErrorFilter::OutOfMemory,
        ];
        let scopes = filters.map(|filter| self.device.push_error_scope(filter));
        let outcome = guard(call);
        // A scope can only be closed before the one around it.
        let errors = scopes.into_iter().rev();
        let errors: Vec<wgpu::Error> = errors
            .filter_map(|scope| pollster::block_on(scope.pop()))
            .collect();
        let outcome = outcome.map_err(Fault::of_panic);
        if let Err(fault) = &outcome {
            self.faults.end(fault.clone());
        }
        // A lack of memory says more than that the device was given up for it, and that more than what follows from it.
        let fault = match errors.into_iter().next().map(Fault::from) {
            Some(Fault::NoMemory(reason)) => Some(Fault::NoMemory(reason)),
            other => self.faults.take().or(other),
        };
        match (fault, outcome) {
            (None, Ok(done)) => Ok(done),
            (Some(fault), _) | (None, Err(fault)) => Err(self.error(fault, what)),
        }
    }

    fn error(&self, fault: Fault, what: &str) -> Error {
        fault.error(&self.info.name, what)
    }
}
