//! Devices: which there are, which one to take.

use std::str::FromStr;

use crate::error::{Error, Result};

/// What `--device` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// A hardware GPU if there is one, otherwise the CPU device.
    Auto,
    /// The CPU device.
    Cpu,
    /// The best adapter, a software Vulkan included.
    Gpu,
    /// The adapter of this index in [`adapters`].
    Index(usize),
    /// The one adapter whose name contains this, without regard to case.
    Named(String),
}

impl FromStr for Selection {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "auto" => Self::Auto,
            "cpu" => Self::Cpu,
            "gpu" => Self::Gpu,
            other => match other.strip_prefix("gpu:") {
                Some(rest) => match rest.parse() {
                    Ok(index) => Self::Index(index),
                    Err(_) => Self::Named(rest.to_owned()),
                },
                None => Self::Named(other.to_owned()),
            },
        })
    }
}

/// An adapter that wgpu found.
#[derive(Clone, Debug)]
pub struct AdapterSummary {
    /// What `gpu:INDEX` takes.
    pub index: usize,
    /// The driver's name of the adapter.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// Driver name and version.
    pub driver: String,
    /// `discrete GPU`, `integrated GPU`, `software`, …
    pub kind: String,
    /// Limits that matter to this program: name and value with its unit.
    pub limits: Vec<(&'static str, String)>,
    /// Optional features that the program uses where they are there, and whether they are.
    pub features: Vec<(&'static str, bool)>,
}

/// The adapters there are, in the order of their indices.
pub fn adapters() -> Vec<AdapterSummary> {
    todo!()
}

/// An opened device.
pub struct Device {}

impl Device {
    /// Opens the device that `selection` means.
    ///
    /// # Errors
    /// [`Error::Device`] where there is no such device; the message lists the ones there are.
    pub fn open(_selection: &Selection) -> Result<Self> {
        todo!()
    }

    /// Its name, for people and records: `NVIDIA H200 (vulkan)`, `CPU (2 threads)`.
    pub fn name(&self) -> String {
        todo!()
    }

    /// One line to show where the choice needs a word: why the CPU was taken, or that the adapter is software.
    pub fn notice(&self) -> Option<String> {
        todo!()
    }
}
