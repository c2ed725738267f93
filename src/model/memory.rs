//! What a model in training holds in memory, by what it is for.

use serde::Serialize;

use crate::model::plans::buffers;
use crate::plan::Shared;

/// What memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryUse {
    /// Images of the data set.
    Images,
    /// Parameters, gradients and the moments of Adam.
    Parameters,
    /// What lives within one run of a plan.
    Activations,
    /// Orders of images, counters, logs and scalars.
    Bookkeeping,
}

impl MemoryUse {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 4] = [
        Self::Images,
        Self::Parameters,
        Self::Activations,
        Self::Bookkeeping,
    ];

    /// What a shared buffer is for.
    pub fn of(buffer: Shared) -> Self {
        match buffer.kind() {
            buffers::IMAGES | buffers::LABELS => Self::Images,
            buffers::GRADIENT | buffers::OF_SHARDS | buffers::SUM => Self::Parameters,
            kind if buffers::STATE.contains(&kind) || buffers::GOOD.contains(&kind) => {
                Self::Parameters
            }
            buffers::CODES
            | buffers::CLASSES
            | buffers::ZEROS
            | buffers::HEADS
            | buffers::DECODED
            | buffers::OUTPUTS
            | buffers::SEEN => Self::Activations,
            _ => Self::Bookkeeping,
        }
    }

    /// Key of a record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Parameters => "parameters",
            Self::Activations => "activations",
            Self::Bookkeeping => "bookkeeping",
        }
    }
}

/// A part of the memory of a device or of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Allocation {
    /// Name of the buffer, or of what lies in it.
    pub name: String,
    /// What it is for.
    pub used_for: MemoryUse,
    /// Size.
    pub bytes: u64,
}

impl Allocation {
    /// Bytes of all parts.
    pub fn total(all: &[Self]) -> u64 {
        all.iter().map(|part| part.bytes).sum()
    }

    /// Bytes of the parts for one use.
    pub fn total_for(all: &[Self], used_for: MemoryUse) -> u64 {
        let parts = all.iter().filter(|part| part.used_for == used_for);
        parts.map(|part| part.bytes).sum()
    }
}
