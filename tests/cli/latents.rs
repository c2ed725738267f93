//! Runs whose codes are no plain rows of values.

use std::fs;
use std::path::Path;

use crate::conditional::write_digits;
use crate::streams::array;
use crate::support::{CONFIG, DATA_OR_MODEL, accepted, refused_in, stdout, temporary};

/// A short run on a few of the built-in digits.
fn train(folder: &Path, out: &str, more: &[&str]) {
    write_digits(&folder.join("digits"), [true, true]);
    let first = ["train", "--data", "digits/", "--out", out];
    let small = ["--device", "cpu", "--epochs", "1"];
    accepted(folder, &[&first[..], &small, more].concat());
}

fn read(path: &Path) -> (Vec<u64>, Vec<f32>) {
    array(&fs::read(path).expect("an array"))
}

#[test]
fn codes_that_are_maps_go_through_every_command() {
    let folder = temporary();
    let folder = folder.path();
    train(folder, "run", &["--latent", "7x7x2", "--width", "4"]);
    let config = fs::read_to_string(folder.join("run/config.toml")).expect("the configuration");
    assert!(config.contains("latent = \"7x7x2\""), "{config}");
    assert!(folder.join("run/samples/epoch-0001.png").is_file());
    let cpu = ["--device", "cpu"];
    let call = |words: &[&str]| stdout(&accepted(folder, &[words, &cpu].concat()));
    call(&[
        "encode",
        "run",
        "--out",
        "codes.npy",
        "--logvar",
        "logvar.npy",
    ]);
    let (shape, codes) = read(&folder.join("codes.npy"));
    assert_eq!(shape, [40, 7, 7, 2]);
    assert_eq!(read(&folder.join("logvar.npy")).0, shape);
    call(&["decode", "run", "codes.npy", "--out", "images.npy"]);
    let (shape, images) = read(&folder.join("images.npy"));
    assert_eq!(shape, [40, 28, 28, 1]);
    // The same codes as rows of values.
    let flat = [
        elbo::files::npy_header(&[40, 98]),
        elbo::files::npy_values(&codes),
    ]
    .concat();
    fs::write(folder.join("flat.npy"), flat).expect("codes");
    call(&["decode", "run", "flat.npy", "--out", "again.npy"]);
    assert_eq!(read(&folder.join("again.npy")).1, images);
    for command in [
        &["sample", "run"][..],
        &["sample", "run", "--prior", "codes"],
        &["traverse", "run", "--top", "3"],
        &["interpolate", "run"],
        &["reconstruct", "run", "--count", "4"],
        &["evaluate", "run", "--importance-samples", "20"],
        &["score", "run", "--importance-samples", "20"],
        &["latents", "run"],
        &["explore", "run", "--export", "page.html"],
    ] {
        call(command);
    }
    for format in ["onnx", "pytorch", "safetensors"] {
        let out = format!("export-{format}");
        accepted(
            folder,
            &["export", "run", "--format", format, "--out", &out],
        );
    }
    let resume = [
        "train", "--resume", "run", "--epochs", "2", "--device", "cpu",
    ];
    accepted(folder, &resume);
}

#[test]
fn maps_that_a_model_does_not_have_are_refused() {
    let folder = temporary();
    let folder = folder.path();
    for (more, words) in [
        (
            &["--latent", "7x7x2", "--hidden", "20"][..],
            &["ends in 20 values", "--latent 7x7x2"][..],
        ),
        (
            &["--latent", "6x7x2", "--net", "conv"],
            &["a map of 7×7×", "map of 6×7 pixels"],
        ),
        (
            &["--latent", "7x7x0"],
            &["--latent 7x7x0", "at least one value"],
        ),
        (&["--latent", "7x7"], &["such as 8x8x4"]),
    ] {
        let arguments = [&["train", "--out", "none"][..], more].concat();
        refused_in(folder, &arguments, CONFIG, words);
        assert!(!folder.join("none").exists());
    }
    train(folder, "run", &["--latent", "7x7x2", "--width", "4"]);
    let codes = [
        elbo::files::npy_header(&[3, 7, 14]),
        elbo::files::npy_values(&[0.0; 294]),
    ];
    fs::write(folder.join("codes.npy"), codes.concat()).expect("codes");
    let words = ["codes as [codes, 7, 7, 2], got shape [3, 7, 14]"];
    refused_in(
        folder,
        &["decode", "run", "codes.npy"],
        DATA_OR_MODEL,
        &words,
    );
}
