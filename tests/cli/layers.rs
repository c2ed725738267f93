//! Layers as text: `--encoder`, `--decoder` and `--net`, in `config.toml` and in what is made of a run.

use std::fs;
use std::path::Path;

use crate::support::{CONFIG, accepted, few_images, metrics, model, refused, stdout, temporary};

const RESIDUAL: &str = "linear 16, residual(linear 8, linear 16), linear 6";

fn train(folder: &Path, out: &str, more: &[&str]) {
    let mut arguments = vec!["train", "--data", "few.npy", "--device", "cpu", "--quiet"];
    arguments.extend(["--latent", "3", "--batch-size", "16", "--out", out]);
    accepted(folder, &[&arguments[..], more].concat());
}

fn config(folder: &Path, run: &str) -> String {
    fs::read_to_string(folder.join(run).join("config.toml")).expect("a configuration")
}

#[test]
fn a_residual_network_trains_goes_on_and_is_all_that_other_models_are() {
    let folder = temporary();
    let at = folder.path();
    few_images(at);
    train(at, "whole", &["--encoder", RESIDUAL, "--epochs", "2"]);
    let text = config(at, "whole");
    assert!(
        text.contains(&format!("encoder = \"{RESIDUAL}\"")),
        "{text}"
    );
    assert!(
        !text.contains("hidden") && !text.contains("decoder"),
        "{text}"
    );
    let stop = ["--stop-after", "17steps"];
    train(
        at,
        "parts",
        &[&["--encoder", RESIDUAL, "--epochs", "2"][..], &stop].concat(),
    );
    accepted(at, &["train", "--resume", "parts", "--quiet"]);
    assert!(model(&at.join("whole")) == model(&at.join("parts")));
    assert_eq!(metrics(&at.join("whole")), metrics(&at.join("parts")));
    // The configuration repeats the run.
    let again = [
        "train",
        "--config",
        "whole/config.toml",
        "--out",
        "again",
        "--quiet",
    ];
    accepted(at, &again);
    assert!(model(&at.join("whole")) == model(&at.join("again")));
    let loss = |run: &str| {
        let lines = metrics(&at.join(run));
        let losses = lines.iter().filter_map(|line| line["test_loss"].as_f64());
        losses.collect::<Vec<_>>()
    };
    let losses = loss("whole");
    assert!(losses[1] < losses[0], "{losses:?}");
    for command in ["sample", "reconstruct", "traverse", "evaluate", "encode"] {
        accepted(at, &[command, "whole", "--device", "cpu"]);
    }
    for format in ["onnx", "safetensors"] {
        accepted(at, &["export", "whole", "--format", format]);
    }
    let file = fs::read(at.join("whole/export.safetensors")).expect("a file");
    let header = String::from_utf8_lossy(&file);
    for name in ["encoder.2.0.weight", "mu.bias", "decoder.0.weight"] {
        assert!(header.contains(name), "no {name}");
    }
}

#[test]
fn text_is_kept_and_what_a_flag_says_replaces_what_a_file_says() {
    let folder = temporary();
    let at = folder.path();
    few_images(at);
    let once = ["--epochs", "1"];
    let decoder = ["--decoder", "linear 9"];
    train(
        at,
        "own",
        &[&["--encoder", "linear 7"][..], &decoder, &once].concat(),
    );
    let text = config(at, "own");
    // A chain of linear layers is said by the short form.
    assert!(
        text.contains("hidden = [7]") && !text.contains("encoder"),
        "{text}"
    );
    assert!(text.contains("decoder = \"linear 9\""), "{text}");
    train(
        at,
        "net",
        &[&["--net", "resnet", "--hidden", "8"][..], &once].concat(),
    );
    let text = config(at, "net");
    assert!(
        text.contains("encoder = \"linear 8, residual(linear 8, linear 8)\""),
        "{text}"
    );
    // The encoder of a flag has the decoder of its own.
    let over = ["--config", "own/config.toml", "--hidden", "5"];
    train(at, "over", &[&over[..], &once].concat());
    let text = config(at, "over");
    assert!(
        text.contains("hidden = [5]") && !text.contains("decoder"),
        "{text}"
    );
    let over = ["--config", "net/config.toml", "--decoder", "linear 4"];
    train(at, "both", &[&over[..], &once].concat());
    let text = config(at, "both");
    assert!(text.contains("residual(linear 8, linear 8)"), "{text}");
    assert!(text.contains("decoder = \"linear 4\""), "{text}");
    // Layers by name in what is printed of a run.
    let shown = stdout(&accepted(at, &["evaluate", "net", "--device", "cpu"]));
    assert!(
        shown.contains("- linear 8, residual(linear 8, linear 8) - 3 -"),
        "{shown}"
    );
}

#[test]
fn layers_that_cannot_be_are_refused_with_their_place() {
    for (more, words) in [
        (
            &["--encoder", "linear 5, konv 3"][..],
            &["--encoder", "character 11"][..],
        ),
        (&["--encoder", ""], &["--encoder", "`linear N`"]),
        (&["--decoder", "residual(linear 4"], &["--decoder", "`)`"]),
        (&["--encoder", "linear 0"], &["--encoder", "1 or more"]),
        (
            &["--encoder", "linear 9, residual(linear 7)"],
            &["residual(linear 7) takes 9 and gives 7", "try: "],
        ),
        (
            &["--decoder", "residual(linear 7)", "--latent", "3"],
            &["takes 3 and gives 7"],
        ),
        (
            &["--encoder", "linear 9", "--hidden", "9"],
            &["`--encoder` beside `--hidden`"],
        ),
        (
            &["--encoder", "linear 9", "--net", "mlp"],
            &["`--encoder` beside `--net`"],
        ),
        (
            &[
                "--encoder",
                "linear 4000000000, residual(linear 2, linear 4000000000)",
            ],
            &["--encoder", "too large"],
        ),
        (&["--objective", "elbow"], &["--objective"]),
        (
            &["--objective", "reconstruction"],
            &["--objective reconstruction", "try: `--objective elbo`"],
        ),
        (
            &["--model", "ae", "--objective", "elbo"],
            &["--objective elbo"],
        ),
    ] {
        let arguments = [&["train", "--device", "cpu"], more].concat();
        refused(&arguments, CONFIG, words);
    }
}
