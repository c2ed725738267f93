//! Runs the program in temporary folders.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::formats::{npy, write};
use crate::skipped::skipped;

pub(crate) const INPUT_OUTPUT: i32 = 1;
pub(crate) const CONFIG: i32 = 2;
pub(crate) const DATA_OR_MODEL: i32 = 3;
pub(crate) const DEVICE: i32 = 4;

/// A small model on the CPU, for one epoch on the built-in digits.
pub(crate) const SMALL: [&str; 8] = [
    "--device", "cpu", "--epochs", "1", "--hidden", "32", "--latent", "4",
];

pub(crate) fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elbo"));
    command.args(arguments).current_dir(folder);
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Has a command find the program under test as `elbo`.
pub(crate) fn with_program(command: &mut Command) -> &mut Command {
    let program = Path::new(env!("CARGO_BIN_EXE_elbo")).parent();
    let old = env::var_os("PATH").unwrap_or_default();
    let folders = program.into_iter().map(Path::to_owned);
    let path = env::join_paths(folders.chain(env::split_paths(&old)));
    command.env("PATH", path.expect("a PATH"))
}

fn elbo(folder: &Path, arguments: &[&str]) -> Output {
    program(folder, arguments)
        .output()
        .expect("the program starts")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A path as the program prints it: with the separator of the system.
pub(crate) fn native(path: &str) -> String {
    path.replace('/', std::path::MAIN_SEPARATOR_STR)
}

pub(crate) fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Runs in a fresh folder, which has to stay empty.
pub(crate) fn refused(arguments: &[&str], code: i32, words: &[&str]) {
    let folder = temporary();
    refused_in(folder.path(), arguments, code, words);
    let left: Vec<_> = fs::read_dir(folder.path())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert!(left.is_empty(), "{arguments:?} left {left:?} behind");
}

pub(crate) fn refused_in(folder: &Path, arguments: &[&str], code: i32, words: &[&str]) {
    let output = elbo(folder, arguments);
    assert_refused(&output, arguments, code, words);
}

pub(crate) fn assert_refused(output: &Output, arguments: &[&str], code: i32, words: &[&str]) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    assert!(text.contains("error: "), "{arguments:?}: {text}");
    assert!(!text.contains("panicked"), "{arguments:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{arguments:?}: no {word:?} in {text}");
    }
}

pub(crate) fn accepted(folder: &Path, arguments: &[&str]) -> Output {
    let output = elbo(folder, arguments);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {text}");
    output
}

pub(crate) fn train_small(folder: &Path, out: &str, more: &[&str]) -> PathBuf {
    let mut arguments = vec!["train", "--out", out];
    arguments.extend(SMALL);
    arguments.extend(more);
    accepted(folder, &arguments);
    folder.join(out)
}

/// Every file of a folder with its content, and every folder in it.
pub(crate) fn contents(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(contents(&path));
            found.insert(path, None);
        } else {
            let bytes = fs::read(&path).expect("a file");
            found.insert(path, Some(bytes));
        }
    }
    found
}

/// The lines of finished epochs in a run's metrics.
pub(crate) fn epochs(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).expect("the metrics");
    let lines = text.lines().map(serde_json::from_str);
    let all: Vec<Value> = lines.collect::<Result<_, _>>().expect("JSON lines");
    let epochs = all.into_iter().filter(|line| line["kind"] == "epoch");
    epochs.collect()
}

/// What `elbo devices` says of the first adapter. Without one the test fails, unless `ELBO_TEST_GPU=skip`
/// makes that a choice.
pub(crate) fn adapter() -> Option<String> {
    let listed = stdout(&accepted(&env::temp_dir(), &["devices"]));
    let line = listed.lines().find_map(|line| line.strip_prefix("gpu:0"));
    match line {
        Some(name) => Some(name.trim().to_owned()),
        None if env::var("ELBO_TEST_GPU").is_ok_and(|value| value == "skip") => {
            skipped("gpu", "no GPU, and ELBO_TEST_GPU=skip");
            None
        }
        None => {
            panic!("no GPU in {listed}\n  or ELBO_TEST_GPU=skip, to go without the tests of it")
        }
    }
}

/// Writes `few.npy`: 208 images of 8×8 grey values, of which 21 are held out by default.
pub(crate) fn few_images(folder: &Path) {
    // Bars at different places and heights: something to learn.
    let values = (0..208 * 64).map(|i| {
        let (image, row, column) = (i / 64, i / 8 % 8, i % 8);
        match column == image % 8 || row < image / 8 % 4 {
            true => 200 + (image % 50) as u8,
            false => (i % 7) as u8,
        }
    });
    let values: Vec<u8> = values.collect();
    write(
        &folder.join("few.npy"),
        &npy("'|u1'", false, "(208, 8, 8)", &values),
    );
}

/// A small run on a file of few images: twelve steps an epoch.
pub(crate) const FEW: [&str; 11] = [
    "train",
    "--data",
    "few.npy",
    "--hidden",
    "16",
    "--latent",
    "3",
    "--batch-size",
    "16",
    "--log-every",
    "5",
];

/// `elbo train` of few images with more options.
pub(crate) fn few<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&FEW[..], more].concat()
}

pub(crate) fn train_few(folder: &Path, more: &[&str]) -> String {
    stdout(&accepted(folder, &[&few(more)[..], &["--quiet"]].concat()))
}

/// Lines of a run's metrics without what a clock measured.
pub(crate) fn metrics(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).expect("the metrics");
    text.lines()
        .map(|line| {
            let mut line: Value = serde_json::from_str(line).expect("a JSON object");
            let object = line.as_object_mut().expect("an object");
            object.remove("seconds");
            object.remove("images_per_s");
            line
        })
        .collect()
}

pub(crate) fn model(run: &Path) -> Vec<u8> {
    fs::read(run.join("model.safetensors")).expect("a model")
}

/// Step of the newest checkpoint of a run, 0 without any.
pub(crate) fn newest(run: &Path) -> u64 {
    let Ok(all) = fs::read_dir(run.join("checkpoints")) else {
        return 0;
    };
    let step = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.strip_prefix("step-")
            .and_then(|step| step.parse().ok())
    };
    all.flatten().filter_map(step).max().unwrap_or(0)
}
