//! GPUs through wgpu: finding adapters, opening one, and turning its errors into ours.

mod calls;
mod faults;

use std::sync::Arc;

use self::faults::{Fault, Faults};
use super::guard::guard;
use crate::device::AdapterSummary;
use crate::error::{Error, Result};

/// What an adapter must give, as WebGPU guarantees it.
const LIMITS: wgpu::Limits = wgpu::Limits::defaults();

/// Backends that are made for computing.
const BACKENDS: wgpu::Backends = wgpu::Backends::VULKAN
    .union(wgpu::Backends::METAL)
    .union(wgpu::Backends::DX12);

/// An open GPU.
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    /// What the driver says of itself.
    pub info: wgpu::AdapterInfo,
    /// Lanes of a subgroup, where subgroup operations exist and the size never varies.
    pub subgroup: Option<u32>,
    /// Whether shaders may use integers of 64 bits.
    pub longs: bool,
    /// Whether shaders may use floats of 16 bits.
    pub half: bool,
    /// Whether it could be opened for these.
    pub offers_half: bool,
    /// Whether subgroups of 32 multiply matrices of 16 × 16, f16 in and f32 out.
    pub matrices: bool,
    /// Largest storage binding, bytes.
    binding_limit: u64,
    /// Largest buffer, bytes.
    buffer_limit: u64,
    faults: Arc<Faults>,
    adapter: wgpu::Adapter,
}

/// Every adapter that this program can use. Where the usual ones have no hardware, OpenGL's comes last; its software is left
/// out, as it would stand in for a driver that is missing.
pub(super) fn enumerate() -> Vec<wgpu::Adapter> {
    let mut found = enumerate_usual();
    let is_hardware = |adapter: &wgpu::Adapter| !is_software(&adapter.get_info());
    if wgpu::Backends::from_env().is_none() && !found.iter().any(is_hardware) {
        let further = usable(wgpu::Backends::GL);
        found.extend(further.into_iter().filter(is_hardware));
    }
    found
}

/// The adapters of the backends that `WGPU_BACKEND` names, or else of those that are made for computing, in wgpu's order.
pub(super) fn enumerate_usual() -> Vec<wgpu::Adapter> {
    let Some(asked) = wgpu::Backends::from_env() else {
        return usable(BACKENDS);
    };
    let asked = asked & (BACKENDS | wgpu::Backends::GL);
    if asked.is_empty() {
        log::warn!("WGPU_BACKEND names none of vulkan, metal, dx12 and gl");
    }
    usable(asked)
}

/// Adapters of some backends. One that fails twice is left out, with a warning.
fn usable(backends: wgpu::Backends) -> Vec<wgpu::Adapter> {
    let found = backends.iter().map(|backend| {
        // Once more, as there may have been no memory for a moment.
        let found = enumerate_of(backend).or_else(|_| enumerate_of(backend));
        found.unwrap_or_else(|reason| {
            log::warn!("no adapters of {backend:?}: its driver failed: {reason}");
            Vec::new()
        })
    });
    // OpenGL's need not compute at all. Of others, opening them says what they lack.
    let computes = |adapter: &wgpu::Adapter| {
        let is_gl = adapter.get_info().backend == wgpu::Backend::Gl;
        !is_gl || LIMITS.check_limits(&adapter.limits())
    };
    found.flatten().filter(computes).collect()
}

fn enumerate_of(backend: wgpu::Backends) -> std::result::Result<Vec<wgpu::Adapter>, String> {
    guard(|| {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = backend;
        let instance = wgpu::Instance::new(descriptor);
        pollster::block_on(instance.enumerate_adapters(backend))
    })
}

/// Order of preference: 0 is best.
pub(super) fn rank(info: &wgpu::AdapterInfo) -> u32 {
    match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

/// Of several like the best one that of this number, counted round, where it is taken without being asked for.
pub(super) fn trusted(infos: &[wgpu::AdapterInfo], number: usize) -> Option<usize> {
    let best = infos.iter().min_by_key(|info| rank(info))?;
    let alike = infos.iter().enumerate().filter(|(_, info)| {
        let [own, best] = [info, best].map(|info| (rank(info), info.backend, &info.name));
        is_trusted(info) && own == best
    });
    let alike: Vec<usize> = alike.map(|(index, _)| index).collect();
    alike.get(number % alike.len().max(1)).copied()
}

/// Whether it is taken where nobody asked for a GPU.
fn is_trusted(info: &wgpu::AdapterInfo) -> bool {
    !is_software(info) && info.backend != wgpu::Backend::Gl
}

pub(super) fn is_software(info: &wgpu::AdapterInfo) -> bool {
    info.device_type == wgpu::DeviceType::Cpu
}

fn subgroup_size(adapter: &wgpu::Adapter) -> Option<u32> {
    let info = adapter.get_info();
    let fixed = info.subgroup_min_size == info.subgroup_max_size;
    (adapter.features().contains(wgpu::Features::SUBGROUP) && fixed)
        .then_some(info.subgroup_min_size)
}

/// Whether subgroups of 32 multiply matrices of 16 × 16, f16 in and f32 out (tensor cores).
fn has_matrices(adapter: &wgpu::Adapter) -> bool {
    use wgpu::CooperativeScalarType::{F16, F32};
    let features = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
    adapter.features().contains(features)
        && subgroup_size(adapter) == Some(32)
        && adapter.cooperative_matrix_properties().iter().any(|p| {
            (p.m_size, p.n_size, p.k_size) == (16, 16, 16) && (p.ab_type, p.cr_type) == (F16, F32)
        })
}

pub(super) fn has_half(adapter: &wgpu::Adapter) -> bool {
    adapter.features().contains(wgpu::Features::SHADER_F16)
}

fn identity(info: &wgpu::AdapterInfo) -> String {
    format!(
        "{}\n{} {}\n{} {:04x}:{:04x}",
        info.name, info.driver, info.driver_info, info.backend, info.vendor, info.device
    )
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

pub(super) fn summary(index: usize, adapter: &wgpu::Adapter) -> AdapterSummary {
    let info = adapter.get_info();
    let limits = adapter.limits();
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete GPU",
        wgpu::DeviceType::IntegratedGpu => "integrated GPU",
        wgpu::DeviceType::VirtualGpu => "virtual GPU",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    };
    AdapterSummary {
        index,
        identity: identity(&info),
        name: info.name.clone(),
        backend: info.backend.to_string(),
        driver: format!("{} {}", info.driver, info.driver_info)
            .trim()
            .to_owned(),
        kind: kind.to_owned(),
        limits: vec![
            (
                "storage binding",
                mebibytes(limits.max_storage_buffer_binding_size),
            ),
            ("buffer", mebibytes(limits.max_buffer_size)),
            (
                "workgroup memory",
                format!("{} KiB", limits.max_compute_workgroup_storage_size >> 10),
            ),
            (
                "invocations a workgroup",
                limits.max_compute_invocations_per_workgroup.to_string(),
            ),
        ],
        features: vec![
            ("subgroups of 8", subgroup_size(adapter) == Some(8)),
            ("f16", has_half(adapter)),
            ("f16 matrices", has_half(adapter) && has_matrices(adapter)),
        ],
    }
}

/// The token for features that wgpu calls experimental.
#[expect(
    unsafe_code,
    reason = "wgpu asks for the word, there is no other way to cooperative matrices"
)]
fn experimental(wanted: bool) -> wgpu::ExperimentalFeatures {
    if !wanted {
        return wgpu::ExperimentalFeatures::disabled();
    }
    // SAFETY: it acknowledges that the feature may have faults. One module uses it (core_matrices.wgsl), with
    // `--precision f16` only, and it trains nothing before its results have been compared with the CPU's.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}

impl Gpu {
    /// Most bytes of a buffer that kernels can read at once.
    pub fn most_bound(&self) -> u64 {
        self.binding_limit.min(self.buffer_limit)
    }

    /// Opens an adapter with WebGPU's default limits, raised only where buffers may be larger.
    /// What f16 needs is asked for only with `half`.
    pub(super) fn open(adapter: &wgpu::Adapter, half: bool) -> Result<Self> {
        let info = adapter.get_info();
        if half && !has_half(adapter) {
            return Err(Error::device(
                format!("`precision = f16`: {} has no f16 in its shaders", info.name),
                "`precision = f32`, or another device: the list of devices says which have f16",
            ));
        }
        let matrices = half && has_matrices(adapter);
        let available = adapter.limits();
        let limits = wgpu::Limits {
            max_storage_buffer_binding_size: available.max_storage_buffer_binding_size,
            max_buffer_size: available.max_buffer_size,
            ..LIMITS
        };
        let subgroup = subgroup_size(adapter);
        let mut features = wgpu::Features::empty();
        features.set(wgpu::Features::SUBGROUP, subgroup.is_some());
        // Hardware has no use for them, see shaders/lib/four_longs.wgsl.
        let longs = is_software(&info) && adapter.features().contains(wgpu::Features::SHADER_INT64);
        features.set(wgpu::Features::SHADER_INT64, longs);
        features.set(wgpu::Features::SHADER_F16, half);
        features.set(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX, matrices);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("elbo"),
            required_features: features,
            required_limits: limits,
            memory_hints: wgpu::MemoryHints::Performance,
            experimental_features: experimental(matrices),
            ..Default::default()
        };
        let opened = guard(|| pollster::block_on(adapter.request_device(&descriptor)))
            .map_err(|panic| format!("its driver failed, and so did wgpu: {panic}"))
            .and_then(|opened| opened.map_err(|error| error.to_string()));
        let (device, queue) = opened.map_err(|reason| {
            // Of what was made in part, a driver may still run threads: its library has to stay where it is.
            std::mem::forget(adapter.clone());
            Error::device(
                format!("{}: cannot be opened: {reason}", info.name),
                "a newer driver, or `device = cpu`",
            )
        })?;
        let faults = Arc::new(Faults::default());
        let uncaptured = Arc::clone(&faults);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            uncaptured.note(Fault::from(error));
        }));
        let lost = Arc::clone(&faults);
        device.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                lost.give_up(message);
            }
        });
        Ok(Self {
            device,
            queue,
            info,
            subgroup,
            longs,
            half,
            offers_half: has_half(adapter),
            matrices,
            binding_limit: available.max_storage_buffer_binding_size,
            buffer_limit: available.max_buffer_size,
            faults,
            adapter: adapter.clone(),
        })
    }

    /// Opens a further device of the same adapter.
    ///
    /// # Errors
    /// [`Error::Device`] where the driver refuses it.
    pub fn another(&self) -> Result<Self> {
        Self::open(&self.adapter, self.half)
    }

    /// What tells this adapter and its driver from others, see [`AdapterSummary::identity`].
    pub fn identity(&self) -> String {
        identity(&self.info)
    }

    /// Whether the adapter computes in software.
    pub fn is_software(&self) -> bool {
        is_software(&self.info)
    }

    /// Checks that a buffer can have `bytes`.
    ///
    /// # Errors
    /// [`Error::Device`] where none can be that large.
    pub fn check_buffer(&self, label: &str, bytes: u64) -> Result<()> {
        self.check_size("a buffer", label, bytes, self.buffer_limit)
    }

    /// Checks that a kernel can be given `bytes` at once.
    ///
    /// # Errors
    /// [`Error::Device`] where a binding cannot be that large.
    pub fn check_binding(&self, label: &str, bytes: u64) -> Result<()> {
        self.check_size("a binding", label, bytes, self.binding_limit)
    }

    fn check_size(&self, what: &str, label: &str, bytes: u64, limit: u64) -> Result<()> {
        if bytes <= limit {
            return Ok(());
        }
        Err(Error::device(
            format!(
                "{label}: {} needed, but {what} of {} holds {}",
                mebibytes(bytes.next_multiple_of(1 << 20)),
                self.info.name,
                mebibytes(limit)
            ),
            "a smaller data set, model or `batch-size = …`, or `device = cpu`",
        ))
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        if self.faults.broke_it() {
            // wgpu 30 panics at the end of a device, or of a queue, some of whose parts were not made.
            std::mem::forget((self.device.clone(), self.queue.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu::{AdapterInfo, Backend, DeviceType};

    fn adapter(device_type: DeviceType, backend: Backend, name: &str) -> AdapterInfo {
        AdapterInfo {
            name: name.to_owned(),
            ..AdapterInfo::new(device_type, backend)
        }
    }

    #[test]
    fn processes_of_a_machine_share_the_gpus_that_are_like_its_best_one() {
        let all = [
            adapter(DeviceType::IntegratedGpu, Backend::Vulkan, "a small one"),
            adapter(DeviceType::DiscreteGpu, Backend::Vulkan, "a large one"),
            adapter(DeviceType::DiscreteGpu, Backend::Vulkan, "another kind"),
            adapter(DeviceType::DiscreteGpu, Backend::Vulkan, "a large one"),
            adapter(DeviceType::DiscreteGpu, Backend::Dx12, "a large one"),
            adapter(DeviceType::Cpu, Backend::Vulkan, "lavapipe"),
        ];
        let taken: Vec<_> = (0..5).map(|number| trusted(&all, number)).collect();
        assert_eq!(taken, [Some(1), Some(3), Some(1), Some(3), Some(1)]);
        assert_eq!(trusted(&all[..1], 3), Some(0));
        assert_eq!(trusted(&all[5..], 0), None, "software");
        assert_eq!(trusted(&[], 0), None);
    }
}
