//! Commands that look at runs: `report`, `compare` and `runs`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use elbo::model::{Loss, ModelSpec};
use elbo::train::metrics::{Epoch, Line};
use elbo::train::{RunConfig, RunFolder};
use serde_json::Value;

use crate::support::{
    CONFIG, DATA_OR_MODEL, accepted, contents, epochs, few_images, native, program, refused_in,
    stderr, stdout, temporary, train_few,
};

/// The runs of a folder as `elbo runs` lists them, the row of one.
fn listed(folder: &Path, name: &str) -> String {
    let table = stdout(&accepted(folder, &["runs", "."]));
    let row = table.lines().find(|line| line.starts_with(name));
    row.expect("a row").trim_end().to_owned()
}

/// A run folder of two epochs, its configuration changed by `change`, without a model.
fn run(folder: &Path, name: &str, change: impl Fn(String) -> String) -> PathBuf {
    let text = "device = 'cpu'\ndata = 'digits'\ntest-fraction = 0.1\nsplit-seed = 0\n\
                model = 'vae'\nhidden = [400]\nlatent = 20\nactivation = 'relu'\nbeta = 1.0\n\
                image = '28x28x1'\nlikelihood = 'bernoulli'\n\
                epochs = 2\nbatch-size = 128\nlr = 0.001\nweight-decay = 0.0\n\
                grad-clip = 0.0\nbinarize = 'none'\nseed = 1\n\
                [record]\nversion = '0.1.0'\ndevice = 'CPU (2 threads)'\ndata = 'digits'\n\
                started = '2020-01-31T23:59:59Z'\n";
    let path = folder.join(name);
    let text = change(text.to_owned());
    let config = RunConfig::from_toml(&text, &path).expect("a configuration");
    RunFolder::create(&path, config).expect("a run folder");
    let lines = [1, 2].map(|epoch| {
        let reconstruction = 85.0 - f64::from(epoch);
        let line = Line::Epoch(Epoch {
            epoch,
            step: 469 * u64::from(epoch),
            train: Loss::new(&ModelSpec::reference(), &[reconstruction + 1.0, 25.0]),
            test: Loss::new(&ModelSpec::reference(), &[reconstruction, 25.0]),
            learning_rate: 1e-3,
            kl_weight: 1.0,
            kl_target: None,
            active_units: Some(20),
            kl_per_unit: vec![1.25; 20],
            sigma: None,
            astray: false,
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
    assert_eq!(printed, native("a/report.html\n"));
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
    for words in ["VAE 784-400-20-400-784", "seed", "108.00", "2/2", "50,000"] {
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
    assert_eq!(json["runs"][1]["differs"]["seed"], "2");
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
        (
            &["compare", "a", "--out", "c.html", "--out", "./c.html"],
            CONFIG,
            "given twice",
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
fn data_of_one_name_are_compared_by_what_they_hold() {
    let folder = temporary();
    for name in ["a", "b"] {
        fs::create_dir(folder.path().join(name)).expect("a folder");
        few_images(&folder.path().join(name));
    }
    let at = |name: &str| folder.path().join(name);
    fs::copy(at("a/few.npy"), at("copy.npy")).expect("a copy");
    let mut bytes = fs::read(at("b/few.npy")).expect("an array");
    *bytes.last_mut().expect("a byte") ^= 1;
    fs::write(at("b/few.npy"), bytes).expect("another array");
    let common = "train --device cpu --epochs 1 --hidden 8 --latent 2 --batch-size 16";
    for more in [
        "--out one --data a/few.npy",
        "--out two --data b/few.npy",
        "--out three --data copy.npy",
    ] {
        let arguments: Vec<&str> = common.split(' ').chain(more.split(' ')).collect();
        accepted(folder.path(), &arguments);
    }
    let compared = |other: &str| stdout(&accepted(folder.path(), &["compare", "one", other]));
    let different = compared("two");
    for words in ["NOT COMPARABLE", "a/few.npy", "b/few.npy"].map(native) {
        assert!(different.contains(&words), "no {words:?} in {different}");
    }
    let alike = compared("three");
    assert!(!alike.contains("NOT COMPARABLE"), "{alike}");
}

#[test]
fn a_run_that_ended_early_is_finished_and_says_after_how_many_epochs() {
    let folder = temporary();
    let path = run(folder.path(), "stale", |text| {
        text.replace("epochs = 2", "epochs = 9\npatience = 1")
    });
    // The second epoch is no better than the first, which is all that is waited for.
    let metrics = path.join("metrics.jsonl");
    let text = fs::read_to_string(&metrics).expect("the metrics");
    let risen = text.replace("\"test_loss\":108.0", "\"test_loss\":109.5");
    assert_ne!(text, risen);
    assert!(listed(folder.path(), "stale").contains("unfinished, "));
    fs::write(&metrics, risen).expect("the metrics");
    let row = listed(folder.path(), "stale");
    assert!(
        row.ends_with("  finished") && row.contains(" 2/9 "),
        "{row}"
    );
    accepted(folder.path(), &["report", "stale"]);
    let page = fs::read_to_string(path.join("report.html")).expect("a page");
    let badge = "finished<span>2 of 9 epochs, as the test loss no longer fell</span>";
    assert!(page.contains(badge));
}

#[test]
fn the_page_of_a_run_follows_its_stops_and_its_end() {
    let folder = temporary();
    few_images(folder.path());
    let badge = |run: &str| {
        let page = fs::read_to_string(folder.path().join(run).join("report.html"));
        let page = page.expect("a page");
        let badge = page.split_once("<p class=\"badge ").expect("a badge").1;
        badge.split_once("</p>").expect("its end").0.to_owned()
    };
    let common = ["--device", "cpu", "--out", "run"];
    let stop = ["--epochs", "3", "--stop-after", "15steps"];
    train_few(folder.path(), &[&common[..], &stop].concat());
    assert_eq!(badge("run"), "stopped\">stopped<span>1 of 3 epochs</span>");
    accepted(folder.path(), &["train", "--quiet", "--resume", "run"]);
    assert_eq!(badge("run"), "finished\">finished<span>3 epochs</span>");
    let early = [
        "--lr",
        "0",
        "--epochs",
        "50",
        "--patience",
        "2",
        "--out",
        "early",
    ];
    train_few(folder.path(), &early);
    let done = epochs(&folder.path().join("early")).len();
    assert!((3..50).contains(&done), "{done}");
    let expected = format!(
        "finished\">finished<span>{done} of 50 epochs, as the test loss no longer fell</span>"
    );
    assert_eq!(badge("early"), expected);
}

#[test]
fn the_page_of_a_resumed_run_says_at_once_that_it_runs() {
    let folder = temporary();
    let options = ["--device", "cpu", "--hidden", "400", "--epochs", "3"];
    let stop = ["--stop-after", "471steps", "--quiet", "--out", "run"];
    accepted(folder.path(), &[&["train"][..], &options, &stop].concat());
    let page = || fs::read_to_string(folder.path().join("run/report.html")).expect("a page");
    assert!(page().contains("stopped<span>1 of 3 epochs</span>"));
    let resume = ["train", "--resume", "run", "--json", "--log-every", "1"];
    let mut resumed = program(folder.path(), &resume)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(resumed.stdout.take().expect("its output")).lines();
    let first = lines.next().expect("a line").expect("text");
    let seen = page();
    resumed.kill().expect("it runs");
    resumed.wait().expect("it ends");
    assert!(first.contains("\"kind\":\"report\""), "{first}");
    // Not yet "2 of 3": that page comes with the end of the epoch.
    assert!(seen.contains("running<span>1 of 3 epochs</span>"));
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
    let row = |name: &str| {
        let row = table.lines().find(|line| line.starts_with(name));
        row.expect("a row").split_whitespace().collect::<Vec<_>>()
    };
    let has = |name: &str, words: &[&str]| {
        let all = row(name);
        words.iter().all(|word| all.contains(word))
    };
    assert!(has("first", &["2/7", "108.00", "unfinished,"]), "{table}");
    assert!(has("second", &["2/2", "108.00"]), "{table}");
    assert_eq!(row("second").last(), Some(&"finished"), "{table}");
    assert!(has("third", &["DAMAGED:"]), "{table}");
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
