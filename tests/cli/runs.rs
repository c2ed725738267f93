//! What a run leaves behind, and what every command makes of it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{accepted, epochs, stderr, stdout, temporary, train_small};

#[test]
fn a_run_leaves_its_record_and_prints_where() {
    let folder = temporary();
    let arguments = [
        "train", "--device", "cpu", "--hidden", "32", "--latent", "4", "--epochs", "2",
    ];
    let output = accepted(folder.path(), &arguments);
    let printed = stdout(&output);
    let run = printed
        .lines()
        .find_map(|line| line.strip_prefix("run: "))
        .expect("the run folder's path");
    assert!(
        run.starts_with("runs") && run.ends_with("-vae-digits"),
        "{run}"
    );
    assert!(printed.contains("ELBO -"), "{printed}");
    let shown = stderr(&output);
    for words in [
        "device: ",
        "parameters",
        "device memory: ",
        "activations",
        "GREY-PIXEL",
        "epoch 2/2",
        "test loss",
    ] {
        assert!(shown.contains(words), "no {words:?} in {shown}");
    }
    let run = folder.path().join(run);
    for name in [
        "config.toml",
        "model.safetensors",
        "samples/epoch-0002.png",
        "reconstructions/epoch-0002.png",
    ] {
        assert!(run.join(name).is_file(), "{name}");
    }
    let config = fs::read_to_string(run.join("config.toml")).expect("the configuration");
    let (_, memory) = config
        .split_once("[record.device-memory]")
        .expect("a record of the memory");
    for used_for in ["images", "parameters", "activations", "bookkeeping"] {
        assert!(memory.contains(&format!("{used_for} = ")), "{memory}");
    }
    let epochs = epochs(&run);
    assert_eq!(epochs.len(), 2);
    for line in epochs {
        assert!(
            line["test_loss"].as_f64().is_some_and(f64::is_finite),
            "{line}"
        );
    }
}

#[test]
fn the_configuration_of_a_run_repeats_it() {
    let folder = temporary();
    let more = ["--likelihood", "gaussian", "--sigma", "0.3", "--seed", "5"];
    let first = train_small(folder.path(), "first", &more);
    let arguments = ["train", "--config", "first/config.toml", "--out", "second"];
    accepted(folder.path(), &arguments);
    let second = folder.path().join("second");
    let losses = |run: &Path| {
        let line = epochs(run).pop().expect("an epoch");
        (line["train_loss"].clone(), line["test_loss"].clone())
    };
    assert_eq!(losses(&first), losses(&second));
    let model = |run: &Path| fs::read(run.join("model.safetensors")).expect("a model");
    assert!(model(&first) == model(&second), "equal parameters");
}

#[test]
fn a_saved_run_is_enough_for_every_command() {
    let folder = temporary();
    train_small(folder.path(), "run", &[]);
    let on_cpu =
        |arguments: &[&str]| accepted(folder.path(), &[arguments, &["--device", "cpu"]].concat());
    on_cpu(&["sample", "run", "--out", "samples.png"]);
    on_cpu(&["reconstruct", "run", "--out", "pairs.png"]);
    on_cpu(&["encode", "run", "--out", "mu.npy", "--logvar", "logvar.npy"]);
    let samples = image::open(folder.path().join("samples.png")).expect("a picture");
    assert_eq!(
        (samples.width(), samples.height()),
        (8 * 56 + 18, 8 * 56 + 18)
    );
    image::open(folder.path().join("pairs.png")).expect("a picture");
    for name in ["mu.npy", "logvar.npy"] {
        let bytes = fs::read(folder.path().join(name)).expect("an array");
        let array = npyz::NpyFile::new(&bytes[..]).expect("an array");
        assert_eq!(array.shape()[1], 4, "{name}");
        let values: Vec<f32> = array.into_vec().expect("float32");
        assert!(values.iter().all(|value| value.is_finite()), "{name}");
    }
    let table = stdout(&on_cpu(&["evaluate", "run", "--importance-samples", "10"]));
    for words in [
        "ELBO",
        "reconstruction",
        "KL",
        "log p(x)",
        "±",
        "GREY-PIXEL",
    ] {
        assert!(table.contains(words), "no {words:?} in {table}");
    }
    let json = stdout(&on_cpu(&["evaluate", "run", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON alone on stdout");
    let part = |name: &str| json[name].as_f64().expect(name);
    let sum = part("reconstruction") + part("kl");
    assert!((part("elbo") + sum).abs() < 1e-9, "{json}");
}

#[test]
fn an_autoencoder_reports_a_loss_and_has_no_samples() {
    let folder = temporary();
    let run = train_small(folder.path(), "run", &["--model", "ae"]);
    assert!(!run.join("samples").exists());
    assert!(run.join("reconstructions/epoch-0001.png").is_file());
    let output = accepted(folder.path(), &["evaluate", "run", "--device", "cpu"]);
    assert!(!stdout(&output).contains("ELBO"), "{}", stdout(&output));
}

#[test]
fn devices_lists_the_cpu_and_what_selects_it() {
    let folder = temporary();
    let text = stdout(&accepted(folder.path(), &["devices"]));
    assert!(text.lines().any(|line| line.starts_with("cpu")), "{text}");
}

#[test]
fn every_command_has_help_with_examples() {
    let folder = temporary();
    for command in [
        "train",
        "sample",
        "reconstruct",
        "encode",
        "decode",
        "evaluate",
        "export",
        "interpolate",
        "traverse",
        "manifold",
        "latents",
        "report",
        "compare",
        "runs",
        "explore",
        "devices",
        "bench",
    ] {
        let text = stdout(&accepted(folder.path(), &[command, "--help"]));
        assert!(text.contains("Examples:"), "{text}");
        assert!(text.contains(&format!("elbo {command}")), "{text}");
    }
    let version = stdout(&accepted(folder.path(), &["--version"]));
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
}

/// As in a plain container, where a layer of Mesa would complain of it in every command that looks for a GPU.
#[test]
fn without_a_runtime_folder_nothing_complains_on_stderr() {
    for folder in [None, Some("")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_elbo"));
        command.arg("devices").env_remove("NODEVICE_SELECT");
        match folder {
            None => command.env_remove("XDG_RUNTIME_DIR"),
            Some(empty) => command.env("XDG_RUNTIME_DIR", empty),
        };
        let output = command.output().expect("the program starts");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(stderr(&output), "", "XDG_RUNTIME_DIR {folder:?}");
    }
}

#[test]
fn a_reader_that_stops_early_is_no_error() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_elbo"))
        .arg("devices")
        .env_remove("XDG_RUNTIME_DIR")
        .env_remove("NODEVICE_SELECT")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(program.stdout.take());
    let output = program.wait_with_output().expect("the program ends");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
}
