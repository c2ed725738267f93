//! `examples/sweep.py`: many runs by Optuna.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::interpreter::python;
use crate::support::{accepted, few_images, stdout, temporary, with_program};

/// A process that takes trials, 8 in all.
fn start(python: &OsString, folder: &Path) -> Child {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sweep.py");
    let few = [
        "--data",
        "few.npy",
        "--device",
        "cpu",
        "--batch-size",
        "16",
        "--epochs",
        "200",
    ];
    let mut command = Command::new(python);
    command.arg(script).args(["study", "8"]).args(few);
    command.current_dir(folder).process_group(0);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    with_program(&mut command)
        .spawn()
        .expect("the interpreter starts")
}

fn runs(folder: &Path) -> Vec<Value> {
    let listed = accepted(folder, &["runs", "study", "--json"]);
    serde_json::from_str(&stdout(&listed)).expect("JSON")
}

#[test]
fn processes_share_a_study_and_take_up_what_a_killed_one_left() {
    let Some(python) = python(&["optuna"]) else {
        return;
    };
    let folder = temporary();
    let at = folder.path();
    few_images(at);
    let mut killed = start(&python, at);
    let begun = at.join("study/trial-0000/metrics.jsonl");
    let patience = Instant::now() + Duration::from_secs(60);
    while !begun.exists() {
        assert!(Instant::now() < patience, "no run begins");
        thread::sleep(Duration::from_millis(5));
    }
    // With the training that it has started, as where a machine stops.
    let group = format!("-{}", killed.id());
    let kill = Command::new("kill").args(["-9", "--", &group]).status();
    assert!(kill.expect("kill").success());
    killed.wait().expect("its end");
    let first = &runs(at)[0];
    assert_ne!(first["status"], "finished", "{first}");
    // A trial that began a moment ago may have a process that has not begun its run.
    thread::sleep(Duration::from_secs(11));
    let both = [start(&python, at), start(&python, at)];
    for process in both {
        let output = process.wait_with_output().expect("its end");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}{said}");
        assert!(text.contains("best: "), "{text}");
    }
    let all = runs(at);
    let first = all.iter().find(|run| run["name"] == "trial-0000");
    let first = first.expect("the first run");
    // To its end, or until it was stopped for doing badly.
    let config = fs::read_to_string(at.join("study/trial-0000/config.toml"));
    assert!(
        config.expect("a configuration").contains("resumed"),
        "{first}"
    );
    assert!((8..=10).contains(&all.len()), "{all:?}");
    let paths: Vec<String> = all
        .iter()
        .map(|run| run["path"].as_str().expect("a path").to_owned())
        .collect();
    let compare: Vec<&str> = ["compare"]
        .into_iter()
        .chain(paths.iter().map(String::as_str))
        .collect();
    let table = stdout(&accepted(at, &compare));
    assert!(table.contains("trial-0000"), "{table}");
}
