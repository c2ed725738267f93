//! Parameters of a model by name, and their file.

use std::path::Path;

use crate::error::Result;
use crate::model::ModelSpec;

/// Parameters of a model on the host, named and laid out as PyTorch's `nn.Linear` has them.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {}

impl Weights {
    /// Writes a `.safetensors` file, atomically: to a temporary file in the same folder, synced, renamed.
    pub fn save(&self, _path: &Path) -> Result<()> {
        todo!()
    }

    /// Reads a `.safetensors` file and checks names, shapes, types and finiteness against `spec`.
    pub fn load(_path: &Path, _spec: &ModelSpec) -> Result<Self> {
        todo!()
    }
}
