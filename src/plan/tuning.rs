//! Which variant of a kernel runs: measured on the device once per call, then remembered.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::files;
use crate::kernel::{Call, Kernel};

/// How variants are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The best guess, unmeasured.
    Guess,
    /// Always the variant of this index, where a call has that many: for tests and benchmarks.
    Fixed(usize),
    /// By measurement, within a budget, remembered in the user's cache folder.
    #[default]
    Measure,
}

/// Rules of choosing.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// How to choose.
    pub choice: Choice,
    /// Time that all measurements of a process may take; calls beyond it get the best guess.
    pub budget: Duration,
    /// Folder in which choices are remembered, a file a device; `None` remembers nothing.
    pub folder: Option<PathBuf>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            choice: Choice::default(),
            budget: Duration::from_millis(500),
            folder: files::cache_folder().ok().map(|cache| cache.join("tuning")),
        }
    }
}

impl From<Choice> for Tuning {
    fn from(choice: Choice) -> Self {
        Self {
            choice,
            ..Self::default()
        }
    }
}

/// Remembered choices of one device: variant names by class of call, in a text file.
///
/// The file's name carries a hash of adapter, driver, program version and shader texts, so that a change
/// of any starts afresh. A file that cannot be read or written costs a measurement, nothing else.
#[derive(Debug)]
pub(super) struct Memory {
    path: Option<PathBuf>,
    known: BTreeMap<String, String>,
    changed: bool,
}

impl Memory {
    /// Reads what a folder remembers for an adapter.
    pub(super) fn open(folder: Option<&Path>, info: &wgpu::AdapterInfo) -> Self {
        let mut hash = Sha256::new();
        for part in [
            &info.name,
            &info.driver,
            &info.driver_info,
            &info.backend.to_string(),
        ] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update(info.vendor.to_le_bytes());
        hash.update(info.device.to_le_bytes());
        hash.update(env!("CARGO_PKG_VERSION"));
        for part in crate::ops::matmul::sources() {
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        let name: String = digest
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let path = folder.map(|folder| folder.join(name + ".txt"));
        let text = path.as_ref().and_then(|path| fs::read_to_string(path).ok());
        let known = text
            .iter()
            .flat_map(|text| text.lines())
            .filter_map(|line| line.split_once('\t'))
            .map(|(call, variant)| (call.to_owned(), variant.to_owned()))
            .collect();
        Self {
            path,
            known,
            changed: false,
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.known.get(key).map(String::as_str)
    }

    pub(super) fn set(&mut self, key: String, variant: &str) {
        self.known.insert(key, variant.to_owned());
        self.changed = true;
    }

    /// Writes new choices, whole or not at all.
    pub(super) fn save(&mut self) {
        let Some(path) = self.path.as_ref().filter(|_| self.changed) else {
            return;
        };
        let write = || -> std::io::Result<()> {
            let folder = path.parent().unwrap_or(path);
            fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            for (call, variant) in &self.known {
                writeln!(file, "{call}\t{variant}")?;
            }
            file.persist(path)?;
            Ok(())
        };
        match write() {
            Ok(()) => self.changed = false,
            Err(error) => log::info!("{}: choices not remembered: {error}", path.display()),
        }
    }
}

/// What a choice depends on: kernel, selectors, and the class of each size. A class reaches up to a power
/// of two, so that the last batch of an epoch needs no measurement of its own; sizes that are multiples of
/// four are apart from the others, because they are loaded in another way.
pub(super) fn class(kernel: &Kernel, call: &Call) -> String {
    let mut class = kernel.name.to_owned();
    for (name, value) in &call.selectors {
        class += &format!(" {name}={value}");
    }
    for (field, offset) in kernel.fields {
        let size: u32 = bytemuck::pod_read_unaligned(&call.params[*offset..offset + 4]);
        let most = u64::from(size).next_power_of_two();
        let fours = if size.is_multiple_of(4) { "/4" } else { "" };
        class += &format!(" {field}<={most}{fours}");
    }
    class
}

#[cfg(test)]
mod tests {
    use super::class;
    use crate::ops::matmul;

    #[test]
    fn a_class_spans_similar_sizes_of_one_kernel() {
        let linear = |rows, inputs| class(&matmul::LINEAR, &matmul::linear(rows, inputs, 400, 1));
        assert_eq!(linear(128, 784), linear(96, 600));
        assert_ne!(linear(128, 784), linear(132, 784), "another power of two");
        assert_ne!(linear(128, 784), linear(128, 783), "another way of loading");
        let other = class(&matmul::LINEAR, &matmul::linear(128, 784, 400, 2));
        assert_ne!(linear(128, 784), other, "another activation");
    }
}
