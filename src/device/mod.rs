//! Devices: which there are, which one to take.

pub mod gpu;
mod guard;
mod hardware;

use std::str::FromStr;

pub use gpu::Gpu;

use crate::error::{Error, Result};

/// What `--device` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// A hardware GPU if there is one by Vulkan, Metal or DX12, otherwise the CPU device. Of several GPUs like the best one
    /// that of this number, counted round.
    Auto(usize),
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
        // An empty name is a part of every name.
        if matches!(text, "" | "gpu:") {
            return Err(Error::device(
                format!("`device = \"{text}\"`: expected the index of a GPU or a part of its name"),
                "auto, cpu, gpu, or one of the list of devices",
            ));
        }
        Ok(match text {
            "auto" => Self::Auto(0),
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

impl Selection {
    /// What it means to a process behind so many others of its machine.
    #[must_use]
    pub fn behind(self, before: usize) -> Self {
        match self {
            Self::Auto(_) => Self::Auto(before),
            other => other,
        }
    }
}

/// The part of a device's name that says what computes: the CPU gives the same bits on any number of threads.
pub fn computes(name: &str) -> &str {
    match name.strip_prefix("CPU (") {
        Some(_) => "CPU",
        None => name,
    }
}

/// An adapter that wgpu found.
#[derive(Clone, Debug)]
pub struct AdapterSummary {
    /// What `gpu:INDEX` takes.
    pub index: usize,
    /// Name, driver, its version, backend and the numbers of vendor and device, in one text: what tells
    /// this adapter from others.
    pub identity: String,
    /// The driver's name of the adapter.
    pub name: String,
    /// `vulkan`, `metal`, `dx12` or `gl`.
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
    summaries(&gpu::enumerate())
}

fn summaries(adapters: &[wgpu::Adapter]) -> Vec<AdapterSummary> {
    adapters
        .iter()
        .enumerate()
        .map(|(index, adapter)| gpu::summary(index, adapter))
        .collect()
}

/// How to get a driver, by platform.
pub const DRIVER_HINT: &str = "a Vulkan driver (Debian, Ubuntu: apt install mesa-vulkan-drivers; \
     NVIDIA and Windows: the vendor's driver)";

/// An opened device.
pub enum Device {
    /// The CPU: the twins on all threads of rayon's global pool.
    Cpu,
    /// A GPU through wgpu.
    Gpu(Box<Gpu>),
}

impl Device {
    /// Opens the device that `selection` means.
    ///
    /// # Errors
    /// [`Error::Device`] where there is no such device; the message lists the ones there are.
    pub fn open(selection: &Selection) -> Result<Self> {
        Self::opened(selection, false)
    }

    /// The same with f16 in its shaders.
    ///
    /// # Errors
    /// As [`Device::open`], and [`Error::Device`] where it has none.
    pub fn open_half(selection: &Selection) -> Result<Self> {
        Self::opened(selection, true)
    }

    fn opened(selection: &Selection, half: bool) -> Result<Self> {
        if *selection == Selection::Cpu {
            return Ok(Self::Cpu);
        }
        let adapters = match selection {
            // It would not take the others.
            Selection::Auto(_) => gpu::enumerate_usual(),
            _ => gpu::enumerate(),
        };
        let best = || (0..adapters.len()).min_by_key(|&i| gpu::rank(&adapters[i].get_info()));
        let index = match selection {
            Selection::Cpu => None,
            Selection::Auto(number) => {
                let infos: Vec<_> = adapters.iter().map(wgpu::Adapter::get_info).collect();
                match gpu::trusted(&infos, *number) {
                    Some(index) => Some(index),
                    None => return Ok(Self::Cpu),
                }
            }
            Selection::Gpu => best(),
            Selection::Index(index) => (*index < adapters.len()).then_some(*index),
            Selection::Named(name) => named(&adapters, name)?,
        };
        match index {
            Some(index) => Ok(Self::Gpu(Box::new(Gpu::open(&adapters[index], half)?))),
            None => Err(missing(selection, &adapters)),
        }
    }

    /// Whether [`Device::open_half`] opens it as well. The CPU needs nothing for f16.
    pub fn offers_half(&self) -> bool {
        match self {
            Self::Gpu(gpu) => gpu.offers_half,
            Self::Cpu => true,
        }
    }

    /// Its name, for people and records: `NVIDIA H200 (vulkan)`, `CPU (2 threads)`.
    pub fn name(&self) -> String {
        match self {
            Self::Cpu => format!("CPU ({} threads)", rayon::current_num_threads()),
            Self::Gpu(gpu) => format!("{} ({})", gpu.info.name, gpu.info.backend),
        }
    }

    /// One line to show where the choice needs a word: that there is a GPU which cannot be used, or that the adapter is
    /// software.
    pub fn notice(&self, selection: &Selection) -> Option<String> {
        match self {
            Self::Cpu if matches!(selection, Selection::Auto(_)) && hardware::has_gpu() => {
                Some(format!("the GPU of this machine lacks {DRIVER_HINT}"))
            }
            Self::Gpu(gpu) if gpu.is_software() => Some(format!(
                "{} computes in software on the CPU; `device = cpu` is several times faster",
                gpu.info.name
            )),
            _ => None,
        }
    }
}

/// The one adapter whose name contains `name`.
fn named(adapters: &[wgpu::Adapter], name: &str) -> Result<Option<usize>> {
    let wanted = name.to_lowercase();
    let found: Vec<usize> = (0..adapters.len())
        .filter(|&i| adapters[i].get_info().name.to_lowercase().contains(&wanted))
        .collect();
    match found[..] {
        [] => Ok(None),
        [index] => Ok(Some(index)),
        _ => Err(Error::device(
            format!("`device = …`: several adapters have `{name}` in their names"),
            format!("one of them by its index:{}", list(adapters)),
        )),
    }
}

fn missing(selection: &Selection, adapters: &[wgpu::Adapter]) -> Error {
    let wanted = match selection {
        Selection::Index(index) => format!("`device = gpu:{index}`: no such adapter"),
        Selection::Named(name) => format!("`device = …`: no adapter has `{name}` in its name"),
        Selection::Auto(_) | Selection::Cpu | Selection::Gpu => {
            "`device = gpu`: no adapter".to_owned()
        }
    };
    if adapters.is_empty() {
        return Error::device(
            format!("{wanted}; this machine shows no Vulkan, Metal or DX12 adapter"),
            format!("`device = cpu`, or {DRIVER_HINT}"),
        );
    }
    Error::device(
        wanted,
        format!("auto, cpu, gpu, or one of these:{}", list(adapters)),
    )
}

fn list(adapters: &[wgpu::Adapter]) -> String {
    summaries(adapters)
        .iter()
        .map(|a| {
            format!(
                "\n    gpu:{}  {} ({}, {})",
                a.index, a.name, a.backend, a.kind
            )
        })
        .collect()
}
