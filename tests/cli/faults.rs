//! Whatever ends a run in the middle of its writing, the run goes on from its last checkpoint to the same bits.
//!
//! strace ends the program at a chosen system call, or makes the call fail.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use elbo::train::RunFolder;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::skipped::skipped;
use crate::support::{
    INPUT_OUTPUT, accepted, contents, few, few_images, metrics, model, newest, program, stderr,
    temporary,
};

/// Two epochs of few images, with more options.
fn two_epochs<'a>(more: &[&'a str]) -> Vec<&'a str> {
    few(&[&["--device", "cpu", "--epochs", "2"], more].concat())
}

/// A checkpoint within each epoch beside that at its end, so that the first one comes before any pictures.
pub(crate) const OFTEN: [&str; 2] = ["--checkpoint-every", "9steps"];

/// One at the end of each epoch, however short.
const EACH: [&str; 2] = ["--checkpoint-every", "1epoch"];

const SIGKILL: i32 = 9;

/// What of a run does not depend on how often it was stopped.
#[derive(PartialEq)]
struct Result {
    metrics: Vec<Value>,
    files: Vec<Vec<u8>>,
}

impl Result {
    fn of(run: &Path) -> Self {
        let files = [
            "model.safetensors",
            "best.safetensors",
            "samples/epoch-0001.png",
            "samples/epoch-0002.png",
            "reconstructions/epoch-0002.png",
        ];
        Self {
            metrics: metrics(run),
            files: files
                .map(|name| fs::read(run.join(name)).expect(name))
                .into(),
        }
    }
}

/// Whether there is an strace that may trace here.
fn strace_works() -> bool {
    let tried = Command::new("strace")
        .args(["-qq", "-e", "trace=none", "true"])
        .stderr(Stdio::null())
        .status();
    let works = tried.is_ok_and(|status| status.success());
    if !works {
        let what = "strace is not installed or may not trace, and this test needs it";
        skipped("strace", what);
    }
    works
}

/// The run under strace, which tampers with the nth of some system calls. `None` where there are not as many.
fn tampered(folder: &Path, more: &[&str], calls: &str, how: &str, nth: usize) -> Option<Output> {
    let arguments = [&two_epochs(more)[..], &["--out", "run"]].concat();
    let plain = program(folder, &arguments);
    let inject = format!("inject={calls}:{how}:when={nth}");
    let trace = format!("trace={calls}");
    let output = Command::new("strace")
        .args(["-f", "-o", "trace", "-e", &trace, "-e", &inject])
        .arg(plain.get_program())
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("strace starts");
    let trace = fs::read_to_string(folder.join("trace")).expect("a trace");
    let happened = ["(INJECTED)", "killed by SIGKILL"];
    happened
        .iter()
        .any(|word| trace.contains(word))
        .then_some(output)
}

/// Goes on with what a run left, and checks that it comes to the same end.
fn assert_recovers(folder: &Path, whole: &Result, what: &str) {
    let run = folder.join("run");
    if run.join("config.toml").exists() {
        let left = RunFolder::open(&run).expect(what);
        if fs::read_dir(run.join("checkpoints")).is_ok_and(|all| {
            let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
            all.flatten().any(|entry| name(entry).starts_with("step-"))
        }) {
            assert!(left.last_state().expect(what).is_some(), "{what}");
        }
        accepted(folder, &["train", "--quiet", "--resume", "run"]);
    } else {
        // Nothing was written yet: the name is still free.
        accepted(folder, &two_epochs(&["--quiet", "--out", "run"]));
    }
    let recovered = Result::of(&run);
    assert_eq!(recovered.metrics, whole.metrics, "{what}");
    assert!(recovered == *whole, "{what}: other files");
    let unfinished = leftovers(&run);
    assert!(unfinished.is_empty(), "{what}: {unfinished:?}");
}

/// Temporary files in a run folder.
fn leftovers(run: &Path) -> Vec<PathBuf> {
    let all = contents(run).into_keys();
    all.filter(|path| path.to_string_lossy().ends_with(".part"))
        .collect()
}

fn whole_run() -> Result {
    let folder = temporary();
    few_images(folder.path());
    accepted(folder.path(), &two_epochs(&["--quiet", "--out", "run"]));
    Result::of(&folder.path().join("run"))
}

/// Tampers with each call of a kind in turn until there are no more; gives how many there were.
fn each_call(
    more: &[&str],
    calls: &str,
    how: &str,
    mut check: impl FnMut(&Path, &Output, &str),
) -> usize {
    for nth in 1.. {
        let folder = temporary();
        few_images(folder.path());
        let Some(output) = tampered(folder.path(), more, calls, how, nth) else {
            return nth - 1;
        };
        let what = format!("{calls} number {nth}, {how}: {}", stderr(&output));
        check(folder.path(), &output, &what);
    }
    unreachable!("a run makes a finite number of calls")
}

#[test]
fn a_kill_at_any_write_sync_or_rename_loses_nothing_but_steps() {
    if !strace_works() {
        return;
    }
    let whole = whole_run();
    for (calls, least) in [
        ("write", 30),
        ("fsync", 30),
        ("rename,renameat,renameat2", 12),
        ("unlink,unlinkat,rmdir", 4),
        ("mkdir,mkdirat", 4),
    ] {
        let count = each_call(&OFTEN, calls, "signal=KILL", |folder, output, what| {
            // strace ends as the program did.
            assert_eq!(output.status.signal(), Some(SIGKILL), "{what}");
            assert_recovers(folder, &whole, what);
        });
        println!("{calls}: killed at each of {count}");
        assert!(count >= least, "{calls}: {count} calls");
    }
}

#[test]
fn a_failing_write_sync_or_rename_is_reported_and_loses_nothing_but_steps() {
    if !strace_works() {
        return;
    }
    let whole = whole_run();
    let (io, full) = ("Input/output error", "No space left on device");
    for (more, calls, how, words) in [
        (&OFTEN[..], "fsync", "error=EIO", io),
        (&OFTEN, "write", "error=ENOSPC", full),
        (&OFTEN, "rename,renameat", "error=EIO", io),
        (&EACH, "write", "error=ENOSPC", full),
        (&EACH, "mkdir,mkdirat", "error=ENOSPC", full),
    ] {
        let count = each_call(more, calls, how, |folder, output, what| {
            let text = stderr(output);
            assert!(!text.contains("panicked"), "{what}");
            // A line of progress that nobody could be shown is no reason to stop, nor is the page, which can be made
            // again.
            let went_on = output.status.success()
                && (calls == "write" || text.contains("report.html: cannot"));
            let reported = output.status.code() == Some(INPUT_OUTPUT) && text.contains(words);
            assert!(reported || went_on, "{what}");
            // All or nothing: no folder is left that is no run.
            let run = folder.join("run");
            assert_eq!(run.exists(), run.join("config.toml").exists(), "{what}");
            if text.contains("is kept in run") {
                let run = RunFolder::open(&folder.join("run")).expect(what);
                let saved = run.last_state().expect(what).expect("a checkpoint");
                let steps = saved.state.position.steps;
                let step = format!("the model of step {steps} is kept");
                assert!(text.contains(&step), "{what}");
            }
            assert_recovers(folder, &whole, what);
        });
        println!("{calls}: {how} at each of {count}");
        assert!(count >= 6, "{calls}: {count} calls");
    }
}

#[test]
fn two_hundred_kills_at_random_instants_lose_nothing_but_steps() {
    let folder = temporary();
    few_images(folder.path());
    let run = folder.path().join("run");
    let long = few(&[
        "--device",
        "cpu",
        "--epochs",
        "1000000",
        "--checkpoint-every",
        "4steps",
        "--quiet",
    ]);
    let mut instants = SmallRng::seed_from_u64(7);
    let mut last = 0;
    for kill in 0..200 {
        let arguments = match run.join("config.toml").exists() {
            true => vec!["train", "--quiet", "--resume", "run"],
            false => [&long[..], &["--out", "run"]].concat(),
        };
        let mut child = program(folder.path(), &arguments)
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        // Every other one behind a checkpoint that is new, so that the run gets on however slow the machine is.
        while kill % 2 == 0 && newest(&run) <= last && child.try_wait().is_ok_and(|e| e.is_none()) {
            std::thread::sleep(Duration::from_micros(200));
        }
        std::thread::sleep(Duration::from_micros(instants.random_range(0..40_000)));
        child.kill().expect("killed");
        let status = child.wait().expect("an end");
        assert_eq!(status.signal(), Some(SIGKILL), "kill {kill}");
        if !run.join("config.toml").exists() {
            continue;
        }
        let left = RunFolder::open(&run).expect("a run folder");
        let state = left.last_state().expect("whole checkpoints");
        let step = state.map_or(0, |saved| saved.state.position.steps);
        assert!(step >= last, "kill {kill}: step {step} after step {last}");
        last = step;
    }
    println!("200 kills, {last} steps");
    assert!(last >= 100, "{last} steps");
    accepted(
        folder.path(),
        &[
            "train",
            "--quiet",
            "--resume",
            "run",
            "--stop-after",
            "1steps",
        ],
    );
    let steps = format!("{}steps", last + 1);
    let whole = ["--out", "whole", "--stop-after", &steps];
    accepted(folder.path(), &[&long[..], &whole].concat());
    let whole = folder.path().join("whole");
    assert_eq!(metrics(&run), metrics(&whole));
    assert!(model(&run) == model(&whole), "other parameters");
}

/// A small file system of its own, for as long as it is held.
pub(crate) struct Disk(pub(crate) PathBuf);

impl Disk {
    pub(crate) fn mount(path: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&path).expect("a folder");
        let options = format!("size={size}");
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&path)
            .stderr(Stdio::null())
            .status();
        let mounted = status.is_ok_and(|status| status.success());
        if !mounted {
            let what = "no file system can be mounted here, and this test needs a small one";
            skipped("mount", what);
        }
        mounted.then_some(Self(path))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_reported_and_leaves_the_last_checkpoint() {
    let folder = temporary();
    let Some(disk) = Disk::mount(folder.path().join("disk"), "2m") else {
        return;
    };
    let disk = disk.0.as_path();
    few_images(disk);
    let many = ["--device", "cpu", "--epochs", "1000"];
    let arguments = few(&[&many[..], &OFTEN, &["--out", "run"]].concat());
    let output = program(disk, &arguments)
        .output()
        .expect("the program starts");
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(INPUT_OUTPUT), "{text}");
    for word in [
        "No space left on device",
        "another disk, or room on this one",
        "is kept in run",
    ] {
        assert!(text.contains(word), "no {word:?} in {text}");
    }
    let run = disk.join("run");
    let left = RunFolder::open(&run).expect("a run folder");
    let saved = left
        .last_state()
        .expect("a whole one")
        .expect("a checkpoint");
    drop(left);
    let steps = saved.state.position.steps;
    assert!(steps > 0);
    // Room on this one: pictures, and the events that have them.
    for name in ["samples", "reconstructions", "test"] {
        fs::remove_dir_all(run.join(name)).expect(name);
    }
    accepted(
        disk,
        &[
            "train",
            "--quiet",
            "--resume",
            "run",
            "--stop-after",
            "1steps",
        ],
    );
    let left = RunFolder::open(&run).expect("a run folder");
    let after = left
        .last_state()
        .expect("a whole one")
        .expect("a checkpoint");
    assert_eq!(after.state.position.steps, steps + 1);
}
