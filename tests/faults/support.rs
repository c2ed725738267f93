//! Runs the program with a Vulkan loader that fails calls.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::skipped::skipped;

/// Where systems keep the loader.
const LOADERS: [&str; 5] = [
    "/usr/lib/x86_64-linux-gnu/libvulkan.so.1",
    "/usr/lib/aarch64-linux-gnu/libvulkan.so.1",
    "/usr/lib64/libvulkan.so.1",
    "/usr/lib/libvulkan.so.1",
    "/usr/local/lib/libvulkan.so.1",
];

/// Training on a few small images.
pub(crate) const TRAIN: &str = "train --data images.npy --hidden 16 --latent 4 --batch-size 16 --epochs 3 --tune off \
     --device gpu --out run";

/// The failing loader, and a folder with what the commands need.
pub(crate) struct Faults {
    folder: TempDir,
    loader: PathBuf,
}

/// What a command came to.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The folder that it ran in.
    pub(crate) folder: TempDir,
}

/// Whether all calls are to be tried.
pub(crate) fn is_long() -> bool {
    env::var("ELBO_LONG").is_ok_and(|value| !value.is_empty())
}

impl Faults {
    /// The loader built and tried; `None`, said aloud, where this machine has no compiler, loader or adapter.
    pub(crate) fn get() -> Option<&'static Self> {
        static FAULTS: OnceLock<Result<Faults, String>> = OnceLock::new();
        let made = FAULTS.get_or_init(Self::make);
        made.as_ref()
            .inspect_err(|what| skipped("gpu", format!("failing drivers: {what}")))
            .ok()
    }

    fn make() -> Result<Self, String> {
        let loader = LOADERS.iter().map(PathBuf::from).find(|path| path.exists());
        let loader = loader.ok_or("no Vulkan loader in the folders of systems")?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/vulkan.c");
        let built = Command::new("cc")
            .args(["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared"])
            .args(["-fPIC", "-fvisibility=hidden"])
            .args(["-Wl,-soname,libvulkan.so.1", "-Wl,-z,nodelete", "-o"])
            .arg(folder.path().join("libvulkan.so.1"))
            .arg(source)
            .arg("-ldl")
            .output()
            .map_err(|error| format!("cc: {error}"))?;
        let text = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "the failing loader: {text}");
        let faults = Self { folder, loader };
        fs::write(faults.folder.path().join("images.npy"), images()).expect("a file");
        let outcome = faults.run("", TRAIN);
        if outcome.code != Some(0) {
            return Err(outcome.stderr);
        }
        let run = outcome.folder.path().join("run");
        fs::rename(run, faults.folder.path().join("trained")).expect("a run");
        Ok(faults)
    }

    /// Runs a command, words parted by spaces, in a folder of its own, while `fault` happens.
    pub(crate) fn run(&self, fault: &str, command: &str) -> Outcome {
        self.run_with(fault, command, &self.folder.path().join("cache"))
    }

    /// The same, where what is remembered of devices lies in `cache`.
    pub(crate) fn run_with(&self, fault: &str, command: &str, cache: &Path) -> Outcome {
        self.outcome(fault, command, cache, Stdio::null())
    }

    /// The same with the images on stdin.
    pub(crate) fn run_fed(&self, fault: &str, command: &str) -> Outcome {
        let images = fs::File::open(self.folder.path().join("images.npy")).expect("a file");
        self.outcome(
            fault,
            command,
            &self.folder.path().join("cache"),
            images.into(),
        )
    }

    fn outcome(&self, fault: &str, command: &str, cache: &Path, stdin: Stdio) -> Outcome {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = self.command(folder.path(), fault, command, cache);
        let output = command.stdin(stdin).output().expect("the program starts");
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            folder,
        }
    }

    fn command(&self, folder: &Path, fault: &str, command: &str, cache: &Path) -> Command {
        let given = |name: &str| self.folder.path().join(name).display().to_string();
        let words = command.split_whitespace().map(|word| match word {
            "images.npy" | "trained" => given(word),
            word => word.to_owned(),
        });
        let mut program = Command::new(env!("CARGO_BIN_EXE_elbo"));
        program
            .args(words)
            .current_dir(folder)
            .env_remove("RUST_LOG")
            .env("LD_LIBRARY_PATH", self.folder.path())
            .env("ELBO_FAULT_LOADER", &self.loader)
            .env("ELBO_FAULT", fault)
            .env("ELBO_FAULT_LOG", folder.join("calls"))
            .env("XDG_CACHE_HOME", cache);
        program
    }

    /// How often an undisturbed command makes each call.
    pub(crate) fn calls(&self, command: &str) -> BTreeMap<String, usize> {
        let outcome = self.run("", command);
        assert_eq!(outcome.code, Some(0), "{command}: {}", outcome.stderr);
        outcome.calls()
    }
}

impl Outcome {
    /// How often each call was made.
    fn calls(&self) -> BTreeMap<String, usize> {
        let path = self.folder.path().join("calls");
        let text = fs::read_to_string(path).expect("the counts");
        let line = |line: &str| {
            let (name, count) = line.split_once(' ').expect("a name and a count");
            (name.to_owned(), count.parse().expect("a count"))
        };
        text.lines().map(line).collect()
    }

    /// Whether the call of a fault, `NAME:N`, was made.
    pub(crate) fn reached(&self, fault: &str) -> bool {
        let (call, n) = fault.split_once(':').expect("a name and a number");
        self.calls()[call] >= n.parse().expect("a number")
    }

    /// The hash of the trained parameters; `None` without any.
    pub(crate) fn hash(&self) -> Option<Vec<u8>> {
        let bytes = fs::read(self.folder.path().join("run/model.safetensors")).ok()?;
        Some(Sha256::digest(bytes).to_vec())
    }

    /// Checks that the program ended by itself, in its own words.
    pub(crate) fn must_be_orderly(&self, fault: &str, command: &str) {
        let text = &self.stderr;
        let is_orderly = matches!(self.code, Some(0 | 4)) && !text.contains("panicked");
        assert!(is_orderly, "{fault}: {command}: {:?}: {text}", self.code);
        if self.code == Some(4) {
            let says = text.contains("error: ") && text.contains("  try: ");
            assert!(says, "{fault}: {command}: {text}");
        }
    }
}

/// Images of 8 × 8, in NumPy's format.
fn images() -> Vec<u8> {
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (96, 8, 8), }";
    let header = format!("{header:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    let value = |i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8;
    bytes.extend((0..96 * 64).map(value));
    bytes
}

/// Goes through cases on all threads; a case that fails does not hide the others.
pub(crate) fn each<T: Sync>(cases: &[T], check: impl Fn(&T) + Sync) {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(0));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(case)));
            if checked.is_err() {
                *failed.lock().expect("no panic while it is held") += 1;
            }
        }
    };
    let threads = thread::available_parallelism().map_or(2, Into::into);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let failed = failed.into_inner().expect("no panic while it is held");
    println!("{} cases, {failed} failed", cases.len());
    assert_eq!(failed, 0, "of {} cases", cases.len());
}
