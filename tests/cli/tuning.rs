//! `--tune`, and what `elbo devices --tuning` says of its choices.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::formats::{npy, write};
use crate::support::{adapter, assert_refused, program, stderr, stdout, temporary};

const USAGE: i32 = 2;

/// Runs the program with a cache folder of its own.
fn elbo(folder: &Path, arguments: &[&str]) -> Output {
    program(folder, arguments)
        .env("ELBO_CACHE", folder.join("cache"))
        .output()
        .expect("the program starts")
}

/// Trains a tiny model on the GPU; gives the run's configuration.
fn train(folder: &Path, out: &str, more: &[&str]) -> toml::Table {
    let values: Vec<u8> = (0..240).collect();
    write(
        &folder.join("x.npy"),
        &npy("'|u1'", false, "(20, 12)", &values),
    );
    let mut arguments = vec!["train", "--data", "x.npy", "--hidden", "8", "--latent", "2"];
    arguments.extend(["--batch-size", "9", "--device", "gpu", "--epochs", "1"]);
    arguments.extend(["--out", out]);
    arguments.extend(more);
    let output = elbo(folder, &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = fs::read_to_string(folder.join(out).join("config.toml")).expect("the record");
    text.parse().expect("TOML")
}

fn mode(config: &toml::Table) -> &str {
    config["tune"].as_str().expect("a mode")
}

#[test]
fn devices_tuning_lists_the_cores_that_training_has_measured() {
    if adapter().is_none() {
        return;
    }
    let folder = temporary();
    let listed = || stdout(&elbo(folder.path(), &["devices", "--tuning"]));
    assert!(listed().contains("no choice yet"), "{}", listed());
    let off = train(folder.path(), "off", &["--tune", "off"]);
    assert_eq!(mode(&off), "off");
    assert!(listed().contains("no choice yet"), "{}", listed());
    let full = train(folder.path(), "full", &["--tune", "full"]);
    assert_eq!(mode(&full), "full");
    let text = listed();
    let file = fs::read_dir(folder.path().join("cache/tuning")).expect("the folder");
    let file = file.last().expect("a file").expect("a file").path();
    assert!(text.contains(&file.display().to_string()), "{text}");
    for kernel in ["linear", "input_gradient", "weight_gradient"] {
        let line = text.lines().find(|line| line.trim().starts_with(kernel));
        let line = line.expect("the kernel");
        assert!(line.ends_with(" ms (full)"), "{line}");
    }
    // Without the flag, what is remembered.
    let config = folder.path().join("full/config.toml");
    let again = train(folder.path(), "again", &["--tune", "quick"]);
    assert_eq!(mode(&again), "quick");
    let kernels = |config: &toml::Table| config["record"]["kernels"].clone();
    assert_eq!(kernels(&again), kernels(&full));
    let repeated = train(
        folder.path(),
        "repeated",
        &["--config", &config.display().to_string()],
    );
    assert_eq!(mode(&repeated), "full", "from the configuration");
    assert_eq!(listed(), text, "nothing is measured twice");
}

#[test]
fn an_unknown_mode_is_refused() {
    let folder = temporary();
    let arguments = ["train", "--tune", "soon"];
    let output = elbo(folder.path(), &arguments);
    assert_refused(&output, &arguments, USAGE, &["off", "quick", "full"]);
}
