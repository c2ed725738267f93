//! Commands that look at runs: `report`, `compare` and `runs`.

use std::fs;
use std::path::{Path, PathBuf};

use elbo::train::metrics::{Epoch, Line};
use elbo::train::{RunConfig, RunFolder};
use serde_json::Value;

use crate::support::{
    CONFIG, DATA_OR_MODEL, accepted, contents, refused_in, stderr, stdout, temporary,
};

/// A run folder of two epochs, its configuration changed by `change`, without a model.
fn run(folder: &Path, name: &str, change: impl Fn(String) -> String) -> PathBuf {
    let text = "device = 'cpu'\n[data]\nsource = 'digits'\ntest-fraction = 0.1\nsplit-seed = 0\n\
                [model]\nkind = 'vae'\nhidden = [400]\nlatent = 20\nactivation = 'relu'\nbeta = 1.0\n\
                image = { height = 28, width = 28, channels = 1 }\nlikelihood = { name = 'bernoulli' }\n\
                [train]\nepochs = 2\nbatch-size = 128\nlearning-rate = 0.001\nweight-decay = 0.0\n\
                grad-clip = 0.0\nbinarize = 'none'\nseed = 1\n\
                [record]\nversion = '0.1.0'\ndevice = 'CPU (2 threads)'\ndata = 'digits'\n\
                started = '2020-01-31T23:59:59Z'\n";
    let path = folder.join(name);
    let text = change(text.to_owned());
    let config = RunConfig::from_toml(&text, &path).expect("a configuration");
    RunFolder::create(&path, config).expect("a run folder");
    let lines = [1, 2].map(|epoch| {
        let test_reconstruction = 85.0 - f64::from(epoch);
        let line = Line::Epoch(Epoch {
            epoch,
            step: 469 * u64::from(epoch),
            train_loss: test_reconstruction + 26.0,
            train_reconstruction: test_reconstruction + 1.0,
            train_kl: 25.0,
            test_loss: test_reconstruction + 25.0,
            test_reconstruction,
            test_kl: 25.0,
            learning_rate: 1e-3,
            kl_weight: 1.0,
            active_units: Some(20),
            kl_per_unit: vec![1.25; 20],
            images_per_s: 5e4,
            seconds: 2.0 * f64::from(epoch),
        });
        serde_json::to_string(&line).expect("JSON") + "\n"
    });
    fs::write(path.join("metrics.jsonl"), lines.concat()).expect("the metrics");
    path
}

fn plain(folder: &Path, name: &str) -> PathBuf {
    run(folder, name, |text| text)
}

#[test]
fn report_makes_the_page_of_a_run_anew() {
    let folder = temporary();
    let path = plain(folder.path(), "a");
    let printed = stdout(&accepted(folder.path(), &["report", "a"]));
    assert_eq!(printed, "a/report.html\n");
    let page = fs::read_to_string(path.join("report.html")).expect("a page");
    assert!(page.contains("−108.00") && page.contains("</html>"));
    accepted(folder.path(), &["report", "a"]);
    for (name, code) in [("b", DATA_OR_MODEL), (".", DATA_OR_MODEL)] {
        refused_in(folder.path(), &["report", name], code, &["run folder"]);
    }
}

#[test]
fn compare_prints_a_table_and_writes_curves() {
    let folder = temporary();
    plain(folder.path(), "a");
    run(folder.path(), "b", |text| {
        text.replace("seed = 1", "seed = 2")
    });
    let arguments = ["compare", "a", "b", "--out", "c.html", "--out", "c.png"];
    let output = accepted(folder.path(), &arguments);
    let table = stdout(&output);
    for words in [
        "VAE 784-400-20-400-784",
        "train.seed",
        "108.00",
        "2/2",
        "50,000",
    ] {
        assert!(table.contains(words), "no {words:?} in {table}");
    }
    assert!(!table.contains("NOT COMPARABLE"), "{table}");
    assert!(stderr(&output).contains("c.html"), "{}", stderr(&output));
    let page = fs::read_to_string(folder.path().join("c.html")).expect("a page");
    assert!(page.contains("</html>"));
    image::open(folder.path().join("c.png")).expect("a picture");

    let json = stdout(&accepted(folder.path(), &["compare", "a", "b", "--json"]));
    let json: Value = serde_json::from_str(&json).expect("JSON alone on stdout");
    assert_eq!(json["runs"][1]["last"]["loss"], 108.0);
    assert_eq!(json["runs"][1]["differs"]["train.seed"], "2");
}

#[test]
fn compare_says_which_runs_cannot_be_compared() {
    let folder = temporary();
    plain(folder.path(), "grey");
    run(folder.path(), "drawn", |text| {
        text.replace("binarize = 'none'", "binarize = 'dynamic'")
    });
    let table = stdout(&accepted(folder.path(), &["compare", "grey", "drawn"]));
    for words in [
        "NOT COMPARABLE",
        "Bernoulli on grey pixels",
        "binarised at every use",
    ] {
        assert!(table.contains(words), "no {words:?} in {table}");
    }
}

#[test]
fn compare_refuses_before_it_writes() {
    let folder = temporary();
    plain(folder.path(), "a");
    fs::write(folder.path().join("old.html"), "mine").expect("a file");
    let before = contents(folder.path());
    for (arguments, code, words) in [
        (&["compare"][..], CONFIG, "RUN"),
        (&["compare", "a", "--out", "c.txt"], CONFIG, ".html or .png"),
        (&["compare", "a", "--out", "c"], CONFIG, ".html or .png"),
        (
            &["compare", "a", "--out", "old.html"],
            CONFIG,
            "not overwritten",
        ),
        (&["compare", "a", "b"], DATA_OR_MODEL, "no such run folder"),
        (
            &["compare", "a", "b", "--out", "new.html"],
            DATA_OR_MODEL,
            "no such run folder",
        ),
    ] {
        refused_in(folder.path(), arguments, code, &[words]);
        assert!(contents(folder.path()) == before, "{arguments:?}");
    }
}

#[test]
fn runs_lists_what_lies_under_runs() {
    let folder = temporary();
    let output = accepted(folder.path(), &["runs"]);
    assert!(stderr(&output).contains("no runs in runs"));
    assert_eq!(stdout(&output), "");
    let json = stdout(&accepted(folder.path(), &["runs", "--json"]));
    assert_eq!(json, "[]\n");
    let runs = folder.path().join("runs");
    fs::create_dir_all(runs.join("no-run")).expect("a folder");
    let output = accepted(folder.path(), &["runs"]);
    assert!(stderr(&output).contains("no runs in runs"));

    plain(&runs, "second");
    run(&runs, "first", |text| {
        text.replace("epochs = 2", "epochs = 7")
            .replace("-31T", "-30T")
    });
    fs::create_dir(runs.join("third")).expect("a folder");
    fs::write(runs.join("third/config.toml"), "kind = 7").expect("a file");
    let table = stdout(&accepted(folder.path(), &["runs"]));
    let names = table.lines().filter_map(|line| line.split(' ').next());
    let names: Vec<&str> = names.collect();
    assert_eq!(names, ["run", "first", "second", "third"], "{table}");
    for words in ["2/7", "unfinished", "2/2", "finished", "108.00", "DAMAGED"] {
        assert!(table.contains(words), "no {words:?} in {table}");
    }
    let json = stdout(&accepted(folder.path(), &["runs", "runs", "--json"]));
    let json: Value = serde_json::from_str(&json).expect("JSON alone on stdout");
    assert_eq!(json[1]["name"], "second");
    assert_eq!(json[1]["last_test_loss"], 108.0);
    assert!(json[2]["fault"].is_string(), "{json}");
    for (name, words) in [
        ("none", "no such folder"),
        ("runs/first", "is a run itself"),
    ] {
        refused_in(folder.path(), &["runs", name], CONFIG, &[words]);
    }
}
