//! Signals, and two processes on one run.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::support::{
    CONFIG, accepted, few, few_images, metrics, model, newest, program, refused_in, temporary,
    train_few,
};

/// A run in the background.
struct Started {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStderr>>,
    seen: String,
}

impl Started {
    fn new(folder: &Path, more: &[&str]) -> Self {
        Self::with(folder, &few(more))
    }

    fn with(folder: &Path, arguments: &[&str]) -> Self {
        Self::of(program(folder, arguments), folder)
    }

    fn of(mut command: Command, folder: &Path) -> Self {
        command.current_dir(folder).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stderr = child.stderr.take().expect("its messages");
        Self {
            child,
            lines: BufReader::new(stderr).lines(),
            seen: String::new(),
        }
    }

    /// Reads its messages up to one with a word in it.
    fn wait_for(&mut self, word: &str) {
        for line in self.lines.by_ref() {
            let line = line.expect("a line");
            self.seen += &line;
            self.seen.push('\n');
            if line.contains(word) {
                return;
            }
        }
        panic!("no {word:?} in {}", self.seen);
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .stderr(Stdio::null())
            .status();
        // It may have ended just now.
        status.expect("kill starts");
    }

    /// Its exit code and all of its messages.
    fn end(mut self) -> (Option<i32>, String) {
        for line in self.lines.by_ref() {
            self.seen += &line.expect("a line");
            self.seen.push('\n');
        }
        let status = self.child.wait().expect("the program ends");
        (status.code(), self.seen)
    }
}

#[test]
fn the_folder_of_a_start_that_was_killed_is_taken_again() {
    let folder = temporary();
    few_images(folder.path());
    // Killed seconds before the first line of the metrics.
    let train = [
        "train",
        "--device",
        "cpu",
        "--out",
        "run",
        "--log-every",
        "100000",
    ];
    let mut started = Started::with(folder.path(), &train);
    started.wait_for("device memory");
    refused_in(folder.path(), &train, CONFIG, &["in use"]);
    started.signal("KILL");
    started.end();
    let run = folder.path().join("run");
    assert!(run.join("config.toml").is_file() && !run.join("metrics.jsonl").exists());
    train_few(
        folder.path(),
        &["--device", "cpu", "--epochs", "1", "--out", "run"],
    );
    assert_eq!(newest(&run), 12);
    // What has been measured is nobody's to overwrite.
    refused_in(folder.path(), &train, CONFIG, &["not empty"]);
}

#[test]
fn two_processes_do_not_train_in_one_folder() {
    let folder = temporary();
    few_images(folder.path());
    let mut first = Started::new(
        folder.path(),
        &[
            "--epochs",
            "1000000",
            "--checkpoint-every",
            "1epoch",
            "--out",
            "run",
        ],
    );
    first.wait_for("epoch 1/");
    let words = ["run", "in use"];
    refused_in(folder.path(), &["train", "--resume", "run"], CONFIG, &words);
    refused_in(
        folder.path(),
        &["train", "--out", "run"],
        CONFIG,
        &["run", "not empty"],
    );
    // Looking is allowed.
    accepted(
        folder.path(),
        &["sample", "run", "--device", "cpu", "--out", "a.png"],
    );
    first.signal("TERM");
    assert_eq!(first.end().0, Some(143));
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
}

#[test]
fn a_signal_saves_the_run_says_where_and_gives_the_code_of_a_shell() {
    let folder = temporary();
    few_images(folder.path());
    let mut signals = vec![("INT", 130, "int"), ("TERM", 143, "term")];
    if cfg!(target_os = "linux") {
        signals.push(("HUP", 129, "hup"));
    }
    for (signal, code, out) in signals {
        let mut run = Started::new(folder.path(), &["--epochs", "1000000", "--out", out]);
        run.wait_for("epoch 2/");
        // As a terminal that closes, and timeout(1), send it: two that mean one.
        run.signal(signal);
        run.signal(signal);
        let (found, text) = run.end();
        assert_eq!(found, Some(code), "{text}");
        for word in ["stopped by SIG", signal, "which is saved in", "--resume"] {
            assert!(text.contains(word), "no {word:?} in {text}");
        }
        // It goes on as a run of as many steps that was never stopped, whether it was in an epoch or in a test.
        let path = folder.path().join(out);
        let last = newest(&path);
        assert!(last > 0, "a checkpoint");
        assert!(text.contains(&format!("at step {last},")), "{text}");
        let resume = [
            "train",
            "--quiet",
            "--resume",
            out,
            "--stop-after",
            "30steps",
        ];
        accepted(folder.path(), &resume);
        let steps = format!("{}steps", last + 30);
        let whole = format!("{out}-whole");
        let more = [
            "--epochs",
            "1000000",
            "--stop-after",
            &steps,
            "--out",
            &whole,
        ];
        train_few(folder.path(), &more);
        let whole = folder.path().join(whole);
        assert!(model(&path) == model(&whole), "{signal}");
        assert_eq!(metrics(&path), metrics(&whole), "{signal}");
    }
}

/// A step of this model takes seconds, so that it is under way when the signals come.
#[test]
fn a_second_signal_stops_at_once() {
    let folder = temporary();
    let mut run = Started::with(
        folder.path(),
        &[
            "train",
            "--device",
            "cpu",
            "--hidden",
            "2048,2048",
            "--batch-size",
            "16384",
            "--out",
            "run",
        ],
    );
    run.wait_for("device memory");
    run.signal("INT");
    // It says so at once, while the step goes on.
    run.wait_for("SIGINT: the run stops and is saved as soon as its step is done");
    while run.child.try_wait().is_ok_and(|ended| ended.is_none()) {
        run.signal("INT");
        thread::sleep(Duration::from_millis(50));
    }
    let (code, text) = run.end();
    assert_eq!(code, Some(130), "{text}");
    assert!(!text.contains("which is saved"), "{text}");
    assert!(!folder.path().join("run/checkpoints").exists());
}

/// As nohup starts a program, and a shell one in the background.
#[cfg(target_os = "linux")]
#[test]
fn signals_that_were_ignored_at_the_start_stay_so() {
    let folder = temporary();
    few_images(folder.path());
    let elbo = env!("CARGO_BIN_EXE_elbo");
    let arguments = few(&["--epochs", "1000000", "--out", "run"]);
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' HUP INT; exec \"$0\" \"$@\"", elbo])
        .args(arguments);
    let mut run = Started::of(command, folder.path());
    run.wait_for("epoch 2/");
    run.signal("HUP");
    run.signal("INT");
    run.wait_for("epoch 3/");
    run.wait_for("epoch 4/");
    run.signal("TERM");
    let (code, text) = run.end();
    assert_eq!(code, Some(143), "{text}");
    assert!(text.contains("stopped by SIGTERM"), "{text}");
}
