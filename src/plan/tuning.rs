//! Which variant of a kernel runs: measured on the device once per call, then remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::files;
use crate::kernel::{Call, Element, Field, Kernel, Precision};

/// How variants are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The best guess, unmeasured.
    Guess,
    /// Always the variant of this index, where a call has that many: for tests and benchmarks.
    Fixed(usize),
    /// By measurement, within a budget, remembered in the user's cache folder.
    #[default]
    Quick,
    /// By measurement of every variant, without a budget, remembered in the same place.
    Full,
}

/// How much measurement a run may start with: what `--tune` takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Tune {
    /// None: the first guess for each product, whatever is remembered
    Off,
    /// What is remembered, or else half a second of measurement
    #[default]
    Quick,
    /// Every core of every product that has not been measured like this before
    Full,
}

impl From<Tune> for Tuning {
    fn from(tune: Tune) -> Self {
        Self::from(match tune {
            Tune::Off => Choice::Guess,
            Tune::Quick => Choice::Quick,
            Tune::Full => Choice::Full,
        })
    }
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

/// What a remembered choice rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Basis {
    /// On no measurement: the first guess.
    Guess,
    /// On a quick search, in which the variant took this many seconds.
    Quick(f64),
    /// On a full search, in which the variant took this many seconds.
    Full(f64),
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guess => f.write_str("guess"),
            Self::Quick(seconds) => write!(f, "quick {seconds:e}"),
            Self::Full(seconds) => write!(f, "full {seconds:e}"),
        }
    }
}

impl FromStr for Basis {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let seconds = |text: &str| text.parse().map_err(|_| ());
        match text.split_once(' ') {
            None if text == "guess" => Ok(Self::Guess),
            Some(("quick", number)) => seconds(number).map(Self::Quick),
            Some(("full", number)) => seconds(number).map(Self::Full),
            _ => Err(()),
        }
    }
}

/// Word in place of a [`Basis`] where a variant gave wrong values.
const FAILED: &str = "failed";

/// Remembered choices of one device, in a text file: a line for each class of calls with variant and
/// [`Basis`], and one for each variant that computed wrong values.
///
/// The file's name carries a hash of adapter, driver, program version and shader texts, so that a change
/// of any starts afresh. A file that cannot be read or written costs a measurement, nothing else.
#[derive(Debug)]
pub struct Memory {
    path: Option<PathBuf>,
    known: BTreeMap<String, (String, Basis)>,
    failed: BTreeSet<(String, String)>,
    /// Classes that this process has searched since it last saved.
    own: BTreeSet<String>,
}

impl Memory {
    /// Reads what a folder remembers for an adapter, by its [`crate::device::AdapterSummary::identity`].
    pub fn open(folder: Option<&Path>, identity: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(identity);
        hash.update([0]);
        hash.update(env!("CARGO_PKG_VERSION"));
        for part in crate::ops::product::sources() {
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        let name: String = digest
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let path = folder.map(|folder| folder.join(name + ".txt"));
        let mut memory = Self {
            path,
            known: BTreeMap::new(),
            failed: BTreeSet::new(),
            own: BTreeSet::new(),
        };
        memory.read();
        memory
    }

    /// Takes what the file has of classes that this process has not searched.
    fn read(&mut self) {
        let path = self.path.as_ref();
        let text = path.and_then(|path| fs::read_to_string(path).ok());
        self.take_all(&text.unwrap_or_default());
    }

    /// Takes what a text has of classes that this process has not searched.
    pub(super) fn take_all(&mut self, text: &str) {
        for line in text.lines() {
            self.take(line);
        }
    }

    /// All choices, as in the file.
    pub(super) fn text(&self) -> String {
        let known = self.known.iter();
        let known = known.map(|(class, (variant, basis))| format!("{class}\t{variant}\t{basis}\n"));
        let failed = self.failed.iter();
        let failed = failed.map(|(class, variant)| format!("{class}\t{variant}\t{FAILED}\n"));
        known.chain(failed).collect()
    }

    /// Takes a line of the file; one that is damaged is measured again.
    fn take(&mut self, line: &str) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [class, variant, basis] = fields[..] else {
            return;
        };
        if self.own.contains(class) {
            return;
        }
        if basis == FAILED {
            let failed = (class.to_owned(), variant.to_owned());
            self.failed.insert(failed);
        } else if let Ok(basis) = basis.parse() {
            let known = (variant.to_owned(), basis);
            self.known.insert(class.to_owned(), known);
        }
    }

    /// The file, where there is a cache folder.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Choices by class: (class, variant, basis).
    pub fn choices(&self) -> impl Iterator<Item = (&str, &str, Basis)> {
        self.known
            .iter()
            .map(|(class, (variant, basis))| (class.as_str(), variant.as_str(), *basis))
    }

    /// Variants that computed wrong values: (class, variant).
    pub fn failures(&self) -> impl Iterator<Item = (&str, &str)> {
        self.failed
            .iter()
            .map(|(class, variant)| (class.as_str(), variant.as_str()))
    }

    pub(super) fn get(&self, class: &str) -> Option<(&str, Basis)> {
        let (variant, basis) = self.known.get(class)?;
        Some((variant, *basis))
    }

    pub(super) fn set(&mut self, class: String, variant: &str, basis: Basis) {
        self.own.insert(class.clone());
        self.known.insert(class, (variant.to_owned(), basis));
    }

    pub(super) fn fail(&mut self, class: &str, variant: &str) {
        self.own.insert(class.to_owned());
        self.failed.insert((class.to_owned(), variant.to_owned()));
    }

    pub(super) fn has_failed(&self, class: &str, variant: &str) -> bool {
        self.failed
            .contains(&(class.to_owned(), variant.to_owned()))
    }

    /// Forgets all about a class, which is then measured anew.
    pub(super) fn forget(&mut self, class: &str) {
        self.known.remove(class);
        self.failed.retain(|(other, _)| other != class);
        self.own.insert(class.to_owned());
    }

    /// Writes new choices beside those that other processes have written meanwhile, whole or not at all.
    pub(super) fn save(&mut self) {
        if self.own.is_empty() {
            return;
        }
        self.read();
        let Some(path) = &self.path else { return };
        let folder = path.parent().unwrap_or(path);
        let made = files::create_folders(folder).map_err(Error::io(folder, "create this folder"));
        match made.and_then(|()| files::replace(path, self.text().as_bytes())) {
            Ok(()) => self.own.clear(),
            Err(error) => log::info!("choices not remembered: {error}"),
        }
    }
}

/// What a choice depends on: kernel, selectors, and the class of each size. A class reaches up to a power
/// of two, so that the last batch of an epoch needs no measurement of its own; sizes that are multiples of
/// four are apart from the others, because they are loaded in another way.
pub(super) fn class(kernel: &Kernel, call: &Call) -> String {
    let mut class = kernel.name.to_owned();
    if call.precision == Precision::F16 {
        class += " f16";
    }
    for (name, value) in &call.selectors {
        class += &format!(" {name}={value}");
    }
    // Floats are no sizes, or follow from them.
    let sizes = kernel
        .fields
        .iter()
        .filter(|field| field.scalar == Element::Word);
    for Field { name, offset, .. } in sizes {
        let size: u32 = bytemuck::pod_read_unaligned(&call.params[*offset..offset + 4]);
        let most = u64::from(size).next_power_of_two();
        let fours = if size.is_multiple_of(4) { "/4" } else { "" };
        class += &format!(" {name}<={most}{fours}");
    }
    class
}

#[cfg(test)]
mod tests {
    use super::*;
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
    #[test]
    fn choices_and_failures_come_back_from_the_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut memory = Memory::open(Some(folder.path()), "a GPU");
        let bases = [Basis::Guess, Basis::Quick(1.25e-3), Basis::Full(7e-6)];
        for (i, basis) in bases.into_iter().enumerate() {
            memory.set(format!("class {i}"), "core", basis);
        }
        memory.fail("class 0", "another core");
        memory.save();
        let again = Memory::open(Some(folder.path()), "a GPU");
        assert_eq!(again.known, memory.known);
        assert!(again.has_failed("class 0", "another core"));
        assert!(!again.has_failed("class 1", "another core"));
        let other = Memory::open(Some(folder.path()), "another GPU");
        assert_eq!(other.choices().count(), 0);
    }

    #[test]
    fn choices_of_two_processes_are_both_kept() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let open = || Memory::open(Some(folder.path()), "a GPU");
        let (mut one, mut other) = (open(), open());
        one.set("class 1".to_owned(), "core", Basis::Guess);
        one.save();
        other.set("class 2".to_owned(), "core", Basis::Full(1e-3));
        other.fail("class 2", "another core");
        other.save();
        one.set("class 1".to_owned(), "another core", Basis::Full(1e-3));
        one.save();
        let both = open();
        assert_eq!(both.choices().count(), 2);
        assert_eq!(
            both.get("class 1"),
            Some(("another core", Basis::Full(1e-3)))
        );
        assert!(both.has_failed("class 2", "another core"));
    }

    #[test]
    fn damaged_lines_are_measured_again() {
        let mut memory = Memory::open(None, "a GPU");
        for line in [
            "",
            "class",
            "class\tcore",
            "class\tcore\tquick",
            "class\tcore\tsoon 1",
        ] {
            memory.take(line);
        }
        assert_eq!(memory.choices().count(), 0);
    }
}
