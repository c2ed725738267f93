//! Options of how a model is trained: what they write, refuse, and hold to when a run goes on.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::formats::{npy, write};
use crate::support::{
    CONFIG, accepted, epochs, few, few_images, model, newest, refused, refused_in, stderr, stdout,
    temporary,
};

fn config(run: &Path) -> String {
    fs::read_to_string(run.join("config.toml")).expect("the configuration")
}

#[test]
fn moves_of_training_images_are_said_kept_and_held_to() {
    let folder = temporary();
    few_images(folder.path());
    let run = folder.path().join("run");
    let on_cpu = |more: &[&str]| {
        let arguments = [&few(&["--device", "cpu"])[..], more].concat();
        stderr(&accepted(folder.path(), &arguments))
    };
    let options = ["--epochs", "2", "--flip", "--crop", "2"];
    let shown = on_cpu(&[&options[..], &["--out", "run"]].concat());
    let words = "training images: mirrored or not, shifted by up to 2 pixels each way, at random";
    assert!(shown.contains(words), "{shown}");
    for line in ["flip = true", "crop = 2"] {
        assert!(config(&run).lines().any(|found| found == line), "{line}");
    }
    // In parts, with what the run knows of itself, and without them.
    on_cpu(&[&options[..], &["--out", "parts", "--stop-after", "7steps"]].concat());
    accepted(folder.path(), &["train", "--resume", "parts"]);
    let shown = on_cpu(&["--epochs", "2", "--out", "plain"]);
    assert!(!shown.contains("at random"), "{shown}");
    let bytes = |name: &str| model(&folder.path().join(name));
    assert!(bytes("parts") == bytes("run"), "other parameters in parts");
    assert!(bytes("plain") != bytes("run"), "the same without moves");
    let plain = config(&folder.path().join("plain"));
    assert!(plain.contains("crop = 0") && !plain.contains("flip"));

    let words = ["crop: 2 in the run, 1 asked for"];
    let arguments = ["train", "--resume", "run", "--epochs", "3", "--crop", "1"];
    refused_in(folder.path(), &arguments, CONFIG, &words);
}

#[test]
fn images_that_cannot_be_moved_are_refused_before_anything_is_written() {
    let folder = temporary();
    few_images(folder.path());
    let rows: Vec<u8> = (0..40 * 30).map(|i| (i * i % 251) as u8).collect();
    let table = npy("'|u1'", false, "(40, 30)", &rows);
    write(&folder.path().join("rows.npy"), &table);
    let refuse = |data: &str, more: &[&str], words: &[&str]| {
        let arguments = ["train", "--device", "cpu", "--data", data, "--out", "run"];
        let arguments = [&arguments[..], more].concat();
        refused_in(folder.path(), &arguments, CONFIG, words);
        assert!(!folder.path().join("run").exists());
    };
    for more in [&["--flip"][..], &["--crop", "1"]] {
        let words = ["`--flip`", "rows of 30 values", "--image-size HxW"];
        refuse("rows.npy", more, &words);
        let more = [more, &["--standardize"]].concat();
        let words = ["`--standardize` scales", "try: `--scale range`"];
        refuse("few.npy", &more, &words);
    }
    let words = ["`--crop 8`: expected less than 8", "8×8×1", "`--crop 1`"];
    refuse("few.npy", &["--crop", "8"], &words);
    refuse("few.npy", &["--crop", "-1"], &["--crop"]);
    // Of rows that are images, they are.
    let arguments = [
        "train",
        "--device",
        "cpu",
        "--data",
        "rows.npy",
        "--image-size",
        "5x6",
        "--flip",
        "--crop",
        "4",
        "--hidden",
        "8",
        "--latent",
        "2",
        "--epochs",
        "1",
        "--out",
        "run",
    ];
    accepted(folder.path(), &arguments);
}

/// A file of the newest checkpoint of a run.
fn of_checkpoint(run: &Path, name: &str) -> Vec<u8> {
    let folder = format!("checkpoints/step-{:010}", newest(run));
    fs::read(run.join(folder).join(name)).expect("a file of a checkpoint")
}

#[test]
fn a_run_with_an_average_is_used_by_it_and_goes_on_with_both() {
    let folder = temporary();
    few_images(folder.path());
    let at = |name: &str| folder.path().join(name);
    let on_cpu = |more: &[&str]| {
        let arguments = [&few(&["--device", "cpu"])[..], more].concat();
        stderr(&accepted(folder.path(), &arguments))
    };
    let shown = on_cpu(&["--epochs", "2", "--ema", "0.9", "--out", "run"]);
    assert!(
        shown.contains("an average of the parameters, of decay 0.9"),
        "{shown}"
    );
    assert!(config(&at("run")).contains("ema = 0.9"));
    on_cpu(&["--epochs", "2", "--out", "plain"]);
    // Training is that without an average, whose model is what training goes on with.
    let (model_of, plain) = (|name: &str| model(&at(name)), model(&at("plain")));
    assert!(of_checkpoint(&at("run"), "parameters.safetensors") == plain);
    assert!(of_checkpoint(&at("run"), "model.safetensors") == model_of("run"));
    assert!(model_of("run") != plain, "the average is the parameters");
    let losses = |run: &str, name: &str| epochs(&at(run))[1][name].as_f64().expect("a loss");
    assert_eq!(losses("run", "train_loss"), losses("plain", "train_loss"));
    assert_ne!(losses("run", "test_loss"), losses("plain", "test_loss"));
    let arguments = ["evaluate", "run", "--device", "cpu", "--json"];
    let measured: Value =
        serde_json::from_str(&stdout(&accepted(folder.path(), &arguments))).expect("JSON");
    // The noise is that of another pass, which the KL does not see.
    assert_eq!(measured["kl"].as_f64(), Some(losses("run", "test_kl")));

    let parts = [
        "--epochs",
        "2",
        "--ema",
        "0.9",
        "--stop-after",
        "7steps",
        "--out",
        "parts",
    ];
    on_cpu(&parts);
    accepted(folder.path(), &["train", "--resume", "parts"]);
    for file in [
        "model.safetensors",
        "parameters.safetensors",
        "moments.safetensors",
    ] {
        let [one, other] = ["run", "parts"].map(|run| of_checkpoint(&at(run), file));
        assert!(one == other, "{file}");
    }
    let words = ["ema: 0.9 in the run, 0.5 asked for"];
    let arguments = ["train", "--resume", "run", "--epochs", "3", "--ema", "0.5"];
    refused_in(folder.path(), &arguments, CONFIG, &words);
    // Another run starts from the average.
    on_cpu(&[
        "--epochs",
        "1",
        "--lr",
        "0",
        "--init-from",
        "run",
        "--out",
        "next",
    ]);
    assert!(model_of("next") == model_of("run"));
}

#[test]
fn a_decay_that_is_none_is_refused() {
    for ema in ["1", "-0.5", "nan", "2"] {
        let words = [
            &format!("`--ema {}`", ema.replace("nan", "NaN"))[..],
            "`--ema 0.999`",
        ];
        refused(&["train", "--ema", ema], CONFIG, &words);
    }
}

#[test]
fn a_batch_in_shards_is_another_run_in_less_memory() {
    let folder = temporary();
    few_images(folder.path());
    let train = |more: &[&str]| {
        let arguments = [&few(&["--device", "cpu", "--epochs", "1"])[..], more].concat();
        accepted(folder.path(), &arguments)
    };
    train(&["--shards", "2", "--out", "run"]);
    assert!(config(&folder.path().join("run")).contains("shards = 2"));
    let words = ["shards: 2 in the run, 4 asked for"];
    let arguments = ["train", "--resume", "run", "--epochs", "3", "--shards", "4"];
    refused_in(folder.path(), &arguments, CONFIG, &words);
    let activations = |shards: &str| -> f64 {
        let large = [
            "train",
            "--device",
            "cpu",
            "--net",
            "conv",
            "--batch-size",
            "2048",
        ];
        let arguments = [&large[..], &["--shards", shards, "--dry-run"]].concat();
        let shown = stdout(&accepted(folder.path(), &arguments));
        let (_, after) = shown.split_once("activations ").expect("the memory");
        let number = after.split_whitespace().next();
        number.expect("a number").parse().expect("MiB")
    };
    assert!(activations("8") < 0.25 * activations("1"));
}

#[test]
fn shards_that_a_batch_cannot_have_are_refused() {
    let refused_for = |arguments: &[&str], words: &[&str]| {
        refused(&[&["train"], arguments].concat(), CONFIG, words);
    };
    refused_for(&["--shards", "0"], &["--shards", "1 or more"]);
    refused_for(&["--shards", "3"], &["a power of two", "`--shards 4`"]);
    refused_for(&["--shards", "2048"], &["at most 1024", "`--shards 1024`"]);
    refused_for(
        &["--shards", "256"],
        &["a batch of 128", "`--batch-size 256`"],
    );
}
