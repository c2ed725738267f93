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
        accepted(folder, &["export", "run", "--format", format]);
    }
    let resume = [
        "train", "--resume", "run", "--epochs", "2", "--device", "cpu",
    ];
    accepted(folder, &resume);
}

#[test]
fn codes_of_levels_are_whole_numbers_on_their_way_out_and_in() {
    let folder = temporary();
    let folder = folder.path();
    let small = ["--model", "ae", "--latent-kind", "fsq", "--hidden", "32"];
    train(
        folder,
        "run",
        &[&small[..], &["--latent", "12", "--levels", "4,3,3"]].concat(),
    );
    let config = fs::read_to_string(folder.join("run/config.toml")).expect("the configuration");
    for line in ["latent-kind = \"fsq\"", "levels = [4, 3, 3]"] {
        assert!(config.contains(line), "{config}");
    }
    let cpu = ["--device", "cpu"];
    let call = |words: &[&str]| stdout(&accepted(folder, &[words, &cpu].concat()));
    call(&["encode", "run", "--out", "codes.npy"]);
    let codes = fs::read(folder.join("codes.npy")).expect("codes");
    let file = npyz::NpyFile::new(&codes[..]).expect("an array");
    assert_eq!(file.shape(), [40, 4]);
    let numbers: Vec<i32> = file.into_vec().expect("int32");
    assert!(
        numbers.iter().all(|number| (0..36).contains(number)),
        "{numbers:?}"
    );
    call(&["encode", "run", "--out", "codes.csv"]);
    let table = fs::read_to_string(folder.join("codes.csv")).expect("a table");
    let row: Vec<String> = numbers[..4].iter().map(i32::to_string).collect();
    let first = table.lines().nth(1).expect("a row");
    assert!(first.ends_with(&row.join(",")), "{first}: {row:?}");
    // Decoded codes are the reconstructions.
    call(&["decode", "run", "codes.npy", "--out", "images.npy"]);
    call(&["reconstruct", "run", "--count", "40", "--out", "pairs.npy"]);
    let decoded = read(&folder.join("images.npy")).1;
    let pairs = read(&folder.join("pairs.npy")).1;
    for (image, decoded) in decoded.chunks(784).enumerate() {
        let near = |pair: &[f32]| pair.iter().zip(decoded).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(pairs.chunks(784).any(near), "image {image}");
    }
    for command in [
        &["sample", "run", "--prior", "frequencies"][..],
        &["sample", "run", "--prior", "mixture:2"],
        &["sample", "run", "--prior", "codes"],
        &["traverse", "run"],
        &["interpolate", "run", "--from", "0", "--to", "1"],
        &["evaluate", "run"],
        &["latents", "run"],
        &["explore", "run", "--export", "page.html"],
    ] {
        call(command);
    }
    for format in ["onnx", "pytorch", "safetensors"] {
        accepted(folder, &["export", "run", "--format", format]);
    }
    let wrong: Vec<f32> = (0..8).map(|i| if i == 6 { 36.0 } else { 1.0 }).collect();
    let wrong = [
        elbo::files::npy_header(&[2, 4]),
        elbo::files::npy_values(&wrong),
    ]
    .concat();
    fs::write(folder.join("wrong.npy"), wrong).expect("codes");
    let words = ["place 6 of the codes is 36", "from 0 to 35"];
    refused_in(folder, &["decode", "run", "wrong.npy"], CONFIG, &words);
    refused_in(folder, &["sample", "run"], DATA_OR_MODEL, &["no prior"]);
}

#[test]
fn levels_that_a_code_cannot_have_are_refused() {
    let folder = temporary();
    let folder = folder.path();
    let fsq = [
        "train",
        "--out",
        "none",
        "--model",
        "ae",
        "--latent-kind",
        "fsq",
    ];
    for (more, words) in [
        (
            &["--levels", "8,5,5"][..],
            &["--latent 20", "--latent 21"][..],
        ),
        (
            &["--latent", "7x7x3"],
            &["--latent 7x7x3", "--latent 7x7x4"],
        ),
        (&["--levels", "8,1"], &["2 to 255 levels"]),
        (&["--levels", "x"], &["such as 8,5,5,5"]),
        (
            &["--objective", "wae"],
            &["--latent-kind fsq", "--objective reconstruction"],
        ),
    ] {
        refused_in(folder, &[&fsq[..], more].concat(), CONFIG, words);
    }
    let plain = ["train", "--out", "none", "--latent-kind", "fsq"];
    refused_in(folder, &plain, CONFIG, &["--latent-kind fsq", "--model ae"]);
    train(folder, "run", &["--model", "ae", "--hidden", "32"]);
    let sample = ["sample", "run", "--prior", "frequencies"];
    let words = ["--prior frequencies", "--latent-kind fsq"];
    refused_in(folder, &sample, DATA_OR_MODEL, &words);
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
            &["a map of 3×3×128", "map of 6×7 pixels"],
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
    let words = ["codes as [codes, 7, 7, 2] or [codes, 98], got shape [3, 7, 14]"];
    refused_in(
        folder,
        &["decode", "run", "codes.npy"],
        DATA_OR_MODEL,
        &words,
    );
}
