//! A run that stops and goes on, starts from another's parameters, and what it prints.

use std::fs;

use serde_json::Value;

use crate::support::{
    CONFIG, DATA_OR_MODEL, accepted, adapter, contents, few, few_images, metrics, model, native,
    refused_in, stderr, stdout, temporary, train_few,
};
#[cfg(target_os = "linux")]
use crate::support::{INPUT_OUTPUT, epochs, program};

#[test]
fn a_run_in_parts_leaves_the_files_of_the_run_in_one_go() {
    let folder = temporary();
    few_images(folder.path());
    let mut devices = vec!["cpu"];
    if adapter().is_some() {
        devices.push("gpu");
    }
    for device in devices {
        let at = |name: &str| folder.path().join(format!("{device}-{name}"));
        let out = |name: &str| format!("{device}-{name}");
        let common = ["--device", device, "--epochs", "3", "--out"];
        train_few(folder.path(), &[&common[..], &[&out("whole")]].concat());
        let stop = ["--stop-after", "17steps"];
        train_few(
            folder.path(),
            &[&common[..], &[&out("parts")], &stop].concat(),
        );
        for _ in 0..2 {
            accepted(
                folder.path(),
                &[
                    "train",
                    "--quiet",
                    "--resume",
                    &out("parts"),
                    "--stop-after",
                    "11steps",
                ],
            );
        }
        assert_eq!(metrics(&at("parts")), metrics(&at("whole")), "{device}");
        for name in [
            "model.safetensors",
            "best.safetensors",
            "samples/epoch-0003.png",
            "reconstructions/epoch-0002.png",
        ] {
            let bytes = |run: &str| fs::read(at(run).join(name)).expect(name);
            assert!(bytes("parts") == bytes("whole"), "{device}: {name}");
        }
        let config = fs::read_to_string(at("parts").join("config.toml")).expect("a file");
        assert_eq!(config.matches("[[record.resumed]]").count(), 2, "{config}");
        assert!(
            config.contains("step = 17") && config.contains("step = 28"),
            "{config}"
        );
    }
}

#[test]
fn more_epochs_may_be_asked_for_and_a_finished_run_says_so() {
    let folder = temporary();
    few_images(folder.path());
    train_few(folder.path(), &["--epochs", "4", "--out", "whole"]);
    train_few(folder.path(), &["--epochs", "2", "--out", "parts"]);
    let again = ["train", "--resume", "parts"];
    let output = accepted(folder.path(), &again);
    assert!(
        stderr(&output).contains("finished already"),
        "{}",
        stderr(&output)
    );
    assert!(
        stdout(&output).contains("test: ELBO"),
        "{}",
        stdout(&output)
    );
    // Nobody would look whether these are the same images.
    let other = [&again[..], &["--data", "digits"]].concat();
    refused_in(folder.path(), &other, CONFIG, &["data: "]);
    accepted(folder.path(), &[&again[..], &["--epochs", "4"]].concat());
    let at = |name: &str| folder.path().join(name);
    assert_eq!(metrics(&at("parts")), metrics(&at("whole")));
    assert!(model(&at("parts")) == model(&at("whole")));
    refused_in(
        folder.path(),
        &[
            &again[..],
            &["--epochs", "9", "--data", "few.npy", "--batch-size", "32"],
        ]
        .concat(),
        CONFIG,
        &["batch-size: 16 in the run, 32 asked for", "--init-from"],
    );
}

#[test]
fn another_model_other_data_and_no_run_are_refused() {
    let folder = temporary();
    few_images(folder.path());
    train_few(
        folder.path(),
        &["--epochs", "2", "--stop-after", "15steps", "--out", "run"],
    );
    let before = contents(folder.path());
    let resume = |more: &[&str], code, words: &[&str]| {
        let arguments = [&["train", "--resume", "run"], more].concat();
        refused_in(folder.path(), &arguments, code, words);
        assert!(
            contents(folder.path()) == before,
            "{arguments:?} changed a file"
        );
    };
    resume(
        &["--latent", "7"],
        CONFIG,
        &["latent: 3 in the run, 7 asked for"],
    );
    resume(
        &["--model", "ae", "--hidden", "16,16"],
        CONFIG,
        &[
            "model: ",
            "hidden: ",
            "\"vae\" in the run, \"ae\" asked for",
        ],
    );
    resume(&["--lr-warmup", "2"], CONFIG, &["lr-warmup: "]);
    resume(
        &["--epochs", "1"],
        CONFIG,
        &["--epochs 1", "1 epoch and 3 steps are done"],
    );
    resume(&["--out", "other"], CONFIG, &["--out", "--resume"]);
    refused_in(
        folder.path(),
        &["train", "--resume", "few.npy"],
        DATA_OR_MODEL,
        &["few.npy", "not a run folder"],
    );
    refused_in(
        folder.path(),
        &["train", "--resume", "nothing"],
        DATA_OR_MODEL,
        &["nothing", "no such run folder"],
    );
    // The same name, the same number of images, other values.
    let path = folder.path().join("few.npy");
    let mut bytes = fs::read(&path).expect("the images");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, bytes).expect("other images");
    refused_in(
        folder.path(),
        &["train", "--resume", "run"],
        DATA_OR_MODEL,
        &["few.npy", "not the images", "--init-from"],
    );
}

#[test]
fn a_run_without_a_checkpoint_starts_anew() {
    let folder = temporary();
    few_images(folder.path());
    train_few(folder.path(), &["--epochs", "1", "--out", "whole"]);
    train_few(folder.path(), &["--epochs", "1", "--out", "run"]);
    let run = folder.path().join("run");
    // As if it had been killed before the first one.
    fs::remove_dir_all(run.join("checkpoints")).expect("removed");
    for name in ["model.safetensors", "best.safetensors"] {
        fs::remove_file(run.join(name)).expect("removed");
    }
    accepted(folder.path(), &["train", "--resume", "run"]);
    assert_eq!(metrics(&run), metrics(&folder.path().join("whole")));
    assert!(model(&run) == model(&folder.path().join("whole")));
}

#[test]
fn checkpoints_are_kept_as_asked_for_and_a_damaged_one_is_named() {
    let folder = temporary();
    few_images(folder.path());
    let more = [
        "--epochs",
        "3",
        "--checkpoint-every",
        "5steps",
        "--keep",
        "3",
    ];
    train_few(folder.path(), &[&more[..], &["--out", "run"]].concat());
    let run = folder.path().join("run");
    let mut names: Vec<String> = contents(&run.join("checkpoints"))
        .into_keys()
        .filter(|path| path.is_dir())
        .map(|path| {
            path.file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    // The last three are the best one as well, as the loss of so young a model falls at each epoch.
    assert_eq!(
        names,
        ["step-0000000030", "step-0000000035", "step-0000000036"]
    );

    let last = run.join("checkpoints/step-0000000036");
    // As a kill right behind the checkpoint leaves it: what is older is still there, and in the files that people load.
    let older = fs::read(run.join("checkpoints/step-0000000035/model.safetensors"));
    fs::write(run.join("model.safetensors"), older.expect("a model")).expect("a file");
    fs::remove_file(run.join(".lock")).expect("free");
    let resume = ["train", "--quiet", "--resume", "run", "--epochs", "4"];
    for name in ["moments.safetensors", "model.safetensors"] {
        let file = last.join(name);
        let whole = fs::read(&file).expect(name);
        let mut bytes = whole.clone();
        bytes[700] ^= 1;
        fs::write(&file, &bytes).expect("damaged");
        let before = contents(&run);
        let words = [name, "damaged", "removing that checkpoint"];
        refused_in(folder.path(), &resume, DATA_OR_MODEL, &words);
        let mut after = contents(&run);
        after.remove(&run.join(".lock"));
        assert!(after == before, "{name}: a refusal changed a file");
        fs::remove_file(run.join(".lock")).expect("free");
        fs::write(&file, whole).expect("mended");
    }
    // The remedy that the message names.
    fs::remove_dir_all(&last).expect("removed");
    accepted(folder.path(), &resume);
    train_few(folder.path(), &["--epochs", "4", "--out", "whole"]);
    assert!(model(&run) == model(&folder.path().join("whole")));
    assert_eq!(metrics(&run), metrics(&folder.path().join("whole")));
}

#[test]
fn json_lines_on_stdout_are_those_of_the_metrics_and_an_end() {
    let folder = temporary();
    few_images(folder.path());
    let text = train_few(folder.path(), &["--epochs", "2", "--out", "run", "--json"]);
    let kept = fs::read_to_string(folder.path().join("run/metrics.jsonl")).expect("metrics");
    let (end, lines) = {
        let mut lines: Vec<&str> = text.lines().collect();
        (lines.pop().expect("an end"), lines)
    };
    assert_eq!(lines, kept.lines().collect::<Vec<_>>());
    let end: Value = serde_json::from_str(end).expect("JSON");
    assert_eq!(end["kind"], "end");
    assert_eq!(end["ending"], "finished");
    assert_eq!(end["run"], "run");
    let kinds: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["kind"].clone())
        .collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "epoch").count(), 2);
    assert_eq!(kinds.iter().filter(|kind| *kind == "report").count(), 4);
}

#[test]
fn quiet_prints_results_only() {
    let folder = temporary();
    few_images(folder.path());
    let quiet = [
        "--epochs", "1", "--out", "run", "--device", "cpu", "--quiet",
    ];
    let arguments = few(&quiet);
    let output = accepted(folder.path(), &arguments);
    assert_eq!(stderr(&output), "");
    assert!(
        stdout(&output).contains("test: ELBO"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn schedules_are_in_the_metrics_and_training_stops_early() {
    let folder = temporary();
    few_images(folder.path());
    let more = [
        "--epochs",
        "4",
        "--lr",
        "0.01",
        "--lr-schedule",
        "step",
        "--lr-step-every",
        "1",
        "--lr-step-factor",
        "0.5",
        "--kl-warmup",
        "2epochs",
        "--beta",
        "4",
        "--out",
        "run",
    ];
    train_few(folder.path(), &more);
    let epochs: Vec<Value> = metrics(&folder.path().join("run"))
        .into_iter()
        .filter(|line| line["kind"] == "epoch")
        .collect();
    let column = |name: &str| -> Vec<f64> {
        epochs
            .iter()
            .map(|line| line[name].as_f64().expect(name))
            .collect()
    };
    for (found, expected) in column("learning_rate")
        .iter()
        .zip([0.01, 0.005, 0.0025, 0.00125])
    {
        assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}");
    }
    for (found, expected) in column("kl_weight")
        .iter()
        .zip([11.0 / 6.0, 23.0 / 6.0, 4.0, 4.0])
    {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
    let per_unit: f64 = epochs[3]["kl_per_unit"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|kl| kl.as_f64().expect("a number"))
        .sum();
    let kl = epochs[3]["test_kl"].as_f64().expect("a number");
    assert!((per_unit - kl).abs() < 1e-4 * (1.0 + kl), "{per_unit} {kl}");

    let arguments = few(&[
        "--epochs",
        "50",
        "--lr",
        "0",
        "--patience",
        "2",
        "--out",
        "still",
        "--json",
    ]);
    let text = stdout(&accepted(folder.path(), &arguments));
    let end: Value = serde_json::from_str(text.lines().last().expect("an end")).expect("JSON");
    assert_eq!(end["ending"], "stale", "{end}");
    let output = accepted(folder.path(), &["train", "--resume", "still"]);
    assert!(
        stderr(&output).contains("stopped early already"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_run_goes_on_where_its_images_have_moved() {
    let folder = temporary();
    few_images(folder.path());
    let at = |name: &str| folder.path().join(name);
    train_few(folder.path(), &["--epochs", "2", "--out", "whole"]);
    let stop = ["--epochs", "2", "--stop-after", "15steps", "--out", "run"];
    train_few(folder.path(), &stop);
    fs::create_dir(at("elsewhere")).expect("a folder");
    fs::rename(at("few.npy"), at("elsewhere/moved.npy")).expect("moved");
    let resume = ["train", "--quiet", "--resume", "run"];
    let words = ["few.npy", "not there any more", "--data"];
    refused_in(folder.path(), &resume, DATA_OR_MODEL, &words);
    let moved = [&resume[..], &["--data", "elsewhere/moved.npy"]].concat();
    accepted(folder.path(), &moved);
    assert_eq!(metrics(&at("run")), metrics(&at("whole")));
    assert!(model(&at("run")) == model(&at("whole")));
    let config = fs::read_to_string(at("run/config.toml")).expect("a file");
    assert!(config.contains(&native("elsewhere/moved.npy")), "{config}");
    // Without a checkpoint nobody knows what the images were.
    for name in ["model", "best"] {
        fs::remove_file(at(&format!("run/{name}.safetensors"))).expect("removed");
    }
    fs::remove_dir_all(at("run/checkpoints")).expect("removed");
    fs::rename(at("elsewhere/moved.npy"), at("few.npy")).expect("moved");
    let moved = [&resume[..], &["--data", "few.npy"]].concat();
    refused_in(folder.path(), &moved, CONFIG, &["data: "]);
}

#[test]
fn more_epochs_say_which_schedule_they_stretch() {
    let folder = temporary();
    few_images(folder.path());
    for (out, more, warned) in [
        ("cosine", &["--lr-schedule", "cosine"][..], true),
        ("step", &["--lr-schedule", "step"], false),
    ] {
        train_few(
            folder.path(),
            &[&["--epochs", "1", "--out", out], more].concat(),
        );
        let resume = ["train", "--resume", out, "--epochs", "2"];
        let text = stderr(&accepted(folder.path(), &resume));
        let word = "`--lr-schedule cosine` goes by the number of epochs, 1 so far and 2 now";
        assert_eq!(text.contains(word), warned, "{text}");
    }
}

#[test]
fn pictures_are_left_as_often_as_asked_for_and_at_the_end() {
    let folder = temporary();
    few_images(folder.path());
    let more = ["--epochs", "5", "--pictures-every", "2", "--out", "run"];
    train_few(folder.path(), &more);
    for kind in ["samples", "reconstructions"] {
        let mut names: Vec<String> = contents(&folder.path().join("run").join(kind))
            .into_keys()
            .map(|path| path.file_name().expect("a name").to_string_lossy().into())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["epoch-0002.png", "epoch-0004.png", "epoch-0005.png"]
        );
    }
}

#[test]
fn metrics_that_are_lost_are_missed() {
    let folder = temporary();
    few_images(folder.path());
    let stop = ["--epochs", "4", "--stop-after", "2epochs", "--out", "run"];
    train_few(folder.path(), &stop);
    let run = folder.path().join("run");
    let text = fs::read_to_string(run.join("metrics.jsonl")).expect("the metrics");
    let cut = text.rfind("{\"kind\":\"epoch\"").expect("an epoch");
    let word = format!("ends after {cut} bytes, and held {}", text.len());
    fs::write(run.join("metrics.jsonl"), &text[..cut + 9]).expect("cut");
    let listed = stdout(&accepted(folder.path(), &["runs", "."]));
    assert!(listed.contains("unfinished, saved at step 24,"), "{listed}");
    let resume = ["train", "--resume", "run", "--stop-after", "1epoch"];
    let said = stderr(&accepted(folder.path(), &resume));
    assert!(said.contains(&word), "no {word:?} in {said}");
    // From here on nothing is missing.
    let said = stderr(&accepted(folder.path(), &resume));
    assert!(!said.contains("metrics.jsonl"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn lines_that_stdout_does_not_take_are_no_reason_to_stop() {
    let folder = temporary();
    few_images(folder.path());
    let arguments = few(&["--epochs", "2", "--out", "run", "--json"]);
    let full = fs::OpenOptions::new().write(true).open("/dev/full");
    let output = program(folder.path(), &arguments)
        .stdout(full.expect("a full device"))
        .output()
        .expect("the program starts");
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(INPUT_OUTPUT), "{text}");
    assert_eq!(
        text.matches("cannot write the metrics").count(),
        1,
        "{text}"
    );
    assert_eq!(epochs(&folder.path().join("run")).len(), 2, "{text}");
}

/// What the only checkpoint was lost of is not trained anew in its place.
#[test]
fn parameters_without_a_checkpoint_are_not_replaced() {
    let folder = temporary();
    few_images(folder.path());
    train_few(folder.path(), &["--epochs", "1", "--out", "run"]);
    let run = folder.path().join("run");
    let last = run.join("checkpoints/step-0000000012");
    let resume = ["train", "--resume", "run", "--epochs", "2"];
    // With nothing beside it the remedy is another one.
    let state = fs::read(last.join("state.json")).expect("a file");
    fs::write(last.join("state.json"), &state[..9]).expect("a file");
    let words = ["state.json", "damaged", "--init-from"];
    refused_in(folder.path(), &resume, DATA_OR_MODEL, &words);
    fs::remove_dir_all(&last).expect("removed");
    let before = contents(&run);
    let words = ["holds model.safetensors and no checkpoint", "--init-from"];
    refused_in(folder.path(), &resume, DATA_OR_MODEL, &words);
    assert!(contents(&run) == before, "a refusal changed a file");
}
