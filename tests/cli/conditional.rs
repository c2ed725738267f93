//! `elbo train --condition class`, and what the other commands make of such a run.

use std::fs;
use std::path::Path;

use elbo::data::{Images, Storage, Values, digits};

use crate::formats::npy;
use crate::streams::array;
use crate::support::{CONFIG, DATA_OR_MODEL, accepted, refused_in, stderr, stdout, temporary};

const TRAIN: usize = 300;
const TEST: usize = 40;

fn bytes(images: &Images) -> &[u8] {
    match &images.storage {
        Storage::Memory(Values::Bytes(bytes)) => bytes,
        _ => panic!("expected bytes in memory"),
    }
}

/// A folder of IDX files of digits; of some parts without labels.
pub(crate) fn write_digits(folder: &Path, labelled: [bool; 2]) {
    fs::create_dir_all(folder).expect("a folder");
    let data = digits::generate(TRAIN, TEST, 3);
    let splits = [("train", &data.train), ("t10k", &data.test)];
    for ((split, images), labelled) in splits.into_iter().zip(labelled) {
        let count = (images.len() as u32).to_be_bytes();
        let sizes = [28_u32, 28].map(u32::to_be_bytes).concat();
        let pixels = [&[0, 0, 8, 3], &count[..], &sizes, bytes(images)].concat();
        let path = folder.join(format!("{split}-images-idx3-ubyte"));
        fs::write(path, pixels).expect("images");
        if labelled {
            let labels = images.labels.as_ref().expect("labels");
            let labels: Vec<u8> = labels.iter().map(|&label| label as u8).collect();
            let labels = [&[0, 0, 8, 1], &count[..], &labels].concat();
            let path = folder.join(format!("{split}-labels-idx1-ubyte"));
            fs::write(path, labels).expect("labels");
        }
    }
}

const SMALL: [&str; 10] = [
    "--device",
    "cpu",
    "--epochs",
    "2",
    "--latent",
    "2",
    "--batch-size",
    "50",
    "--condition",
    "class",
];

fn train(folder: &Path, out: &str, more: &[&str]) -> String {
    let arguments = [
        &["train", "--data", "digits-10", "--out", out][..],
        &SMALL,
        more,
    ]
    .concat();
    stderr(&accepted(folder, &arguments))
}

/// A run of a small multilayer perceptron.
fn run(folder: &Path) {
    write_digits(&folder.join("digits-10"), [true, true]);
    let said = train(folder, "run", &["--hidden", "32"]);
    let words = "the model is told the class of each: 10 classes (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)";
    assert!(said.contains(words), "{said}");
}

fn values(path: &Path) -> Vec<f32> {
    array(&fs::read(path).expect("an array")).1
}

#[test]
fn commands_decode_images_of_the_class_that_is_named() {
    let folder = temporary();
    let folder = folder.path();
    run(folder);
    let config = fs::read_to_string(folder.join("run/config.toml")).expect("the configuration");
    for line in ["condition = \"class\"", "classes = [\"0\", \"1\", "] {
        assert!(config.contains(line), "{config}");
    }
    for picture in ["samples/epoch-0002.png", "reconstructions/epoch-0002.png"] {
        assert!(folder.join("run").join(picture).is_file(), "{picture}");
    }
    let cpu = ["--device", "cpu"];
    let call = |words: &[&str]| stdout(&accepted(folder, &[words, &cpu].concat()));
    // All classes by default, then one: the same seed has the same codes.
    call(&["sample", "run", "--count", "6", "--out", "all.npy"]);
    assert_eq!(values(&folder.join("all.npy")).len(), 60 * 784);
    call(&[
        "sample",
        "run",
        "--class",
        "3",
        "--count",
        "60",
        "--out",
        "threes.npy",
    ]);
    let [all, threes] = ["all.npy", "threes.npy"].map(|name| values(&folder.join(name)));
    for (image, (a, b)) in all.chunks(784).zip(threes.chunks(784)).enumerate() {
        assert_eq!(a == b, image / 6 == 3, "image {image}");
    }
    let named = call(&["sample", "run", "--class", "3"]);
    assert!(named.contains("samples-class-3-seed-1.png"), "{named}");
    let named = call(&["sample", "run"]);
    assert!(named.contains("samples-seed-1.png"), "{named}");
    for command in [
        &["manifold", "run", "--size", "4", "--class", "7"][..],
        &["traverse", "run", "--class", "7"],
        &["traverse", "run", "--image", "1"],
        &["interpolate", "run", "--class", "7"],
        &[
            "interpolate",
            "run",
            "--class",
            "7",
            "--from",
            "0",
            "--to",
            "1",
        ],
        &["reconstruct", "run", "--count", "4"],
        &["evaluate", "run", "--importance-samples", "20"],
        &["score", "run", "--importance-samples", "20"],
        &["latents", "run"],
        &["encode", "run", "--split", "all", "--out", "codes.npy"],
        &["explore", "run", "--export", "page.html"],
    ] {
        call(command);
    }
    check_decode(folder);
}

/// Codes of a file as images of one class, and each as one of its own.
fn check_decode(folder: &Path) {
    let cpu = ["--device", "cpu"];
    let call = |words: &[&str]| accepted(folder, &[words, &cpu].concat());
    let lines: Vec<String> = (0..TRAIN + TEST).map(|i| (i % 10).to_string()).collect();
    // With a byte order mark, ends of lines and a blank one, as some programs write them.
    let text = format!("\u{feff}{}\r\n\r\n", lines.join("\r\n"));
    fs::write(folder.join("classes.txt"), text).expect("classes");
    call(&[
        "decode",
        "run",
        "codes.npy",
        "--classes",
        "classes.txt",
        "--out",
        "each.npy",
    ]);
    call(&[
        "decode",
        "run",
        "codes.npy",
        "--class",
        "4",
        "--out",
        "fours.npy",
    ]);
    let [each, fours] = ["each.npy", "fours.npy"].map(|name| values(&folder.join(name)));
    for (image, (a, b)) in each.chunks(784).zip(fours.chunks(784)).enumerate() {
        assert_eq!(a == b, image % 10 == 4, "image {image}");
    }
}

#[test]
fn what_needs_a_class_says_so() {
    let folder = temporary();
    let folder = folder.path();
    run(folder);
    accepted(
        folder,
        &["encode", "run", "--device", "cpu", "--out", "codes.npy"],
    );
    fs::write(folder.join("few.txt"), "1\n2\n").expect("classes");
    fs::write(folder.join("odd.txt"), "1\neleven\n").expect("classes");
    let known = "10 classes (0, 1, 2";
    for (arguments, code, words) in [
        (
            &["sample", "run", "--class", "ten"][..],
            CONFIG,
            &["--class ten", known][..],
        ),
        (&["manifold", "run"], CONFIG, &["--class", known]),
        (&["traverse", "run"], CONFIG, &["--class", known, "--image"]),
        (&["interpolate", "run"], CONFIG, &["--class", known]),
        (
            &["decode", "run", "codes.npy"],
            CONFIG,
            &["--class", "--classes", known],
        ),
        (
            &[
                "decode",
                "run",
                "codes.npy",
                "--out",
                "a.npy",
                "--classes",
                "few.txt",
            ],
            CONFIG,
            &["2 lines for 40 codes"],
        ),
        (
            &[
                "decode",
                "run",
                "codes.npy",
                "--out",
                "b.npy",
                "--classes",
                "odd.txt",
            ],
            DATA_OR_MODEL,
            &["odd.txt", "line 2", "\"eleven\""],
        ),
        (
            &["encode", "run", "--data", "-"],
            CONFIG,
            &["stdin", "no labels"],
        ),
        (
            &["sample", "run", "--prior", "mixture:3"],
            DATA_OR_MODEL,
            &["--prior mixture:3"],
        ),
    ] {
        refused_in(folder, arguments, code, words);
    }
}

#[test]
fn images_without_a_class_that_the_model_knows_are_refused() {
    let folder = temporary();
    let folder = folder.path();
    run(folder);
    let known = "10 classes (0, 1, 2";
    let pixels: Vec<u8> = (0..2 * 784).map(|i| (i % 251) as u8).collect();
    let pixels = npy("'|u1'", false, "(2, 28, 28)", &pixels);
    fs::write(folder.join("plain.npy"), pixels).expect("images");
    for command in [
        "encode",
        "score",
        "evaluate",
        "reconstruct",
        "latents",
        "explore",
    ] {
        let arguments = [command, "run", "--data", "plain.npy"];
        refused_in(
            folder,
            &arguments,
            DATA_OR_MODEL,
            &["plain.npy", "no labels"],
        );
    }
    let others = folder.join("digits-10/t10k-labels-idx1-ubyte");
    let mut labels = fs::read(&others).expect("labels");
    *labels.last_mut().expect("a label") = 12;
    fs::write(&others, labels).expect("labels");
    let words = ["is of class \"12\"", known];
    refused_in(folder, &["evaluate", "run"], DATA_OR_MODEL, &words);
    // A run that was told no class takes none.
    let plain = [
        "train",
        "--out",
        "plain",
        "--data",
        "plain.npy",
        "--device",
        "cpu",
        "--epochs",
        "1",
    ];
    accepted(folder, &plain);
    for command in ["sample", "traverse", "interpolate"] {
        let arguments = [command, "plain", "--class", "3"];
        refused_in(
            folder,
            &arguments,
            DATA_OR_MODEL,
            &["trained without classes"],
        );
    }
}

#[test]
fn parameters_are_taken_from_a_model_of_the_same_classes_only() {
    let folder = temporary();
    let folder = folder.path();
    run(folder);
    let start = [
        "train",
        "--init-from",
        "run",
        "--data",
        "digits-10",
        "--epochs",
        "1",
    ];
    let start = |out| [&start[..], &["--device", "cpu", "--out", out]].concat();
    accepted(folder, &start("taken"));
    // As many classes of other names.
    for split in ["train", "t10k"] {
        let path = folder.join(format!("digits-10/{split}-labels-idx1-ubyte"));
        let mut labels = fs::read(&path).expect("labels");
        labels[8..].iter_mut().for_each(|label| *label += 1);
        fs::write(path, labels).expect("labels");
    }
    let words = ["10 classes (0, 1", "10 classes (1, 2", "--init-from"];
    refused_in(folder, &start("none"), DATA_OR_MODEL, &words);
    assert!(!folder.join("none").exists());
    refused_in(
        folder,
        &["bench", "--condition", "class"],
        CONFIG,
        &["--condition class", "no classes"],
    );
}

#[test]
fn data_without_the_classes_that_training_needs_are_refused() {
    let folder = temporary();
    let folder = folder.path();
    let refuse = |data: &str, words: &[&str]| {
        let arguments = [&["train", "--data", data, "--out", "none"][..], &SMALL].concat();
        refused_in(folder, &arguments, DATA_OR_MODEL, words);
        assert!(!folder.join("none").exists());
    };
    fs::write(folder.join("c.toml"), "classes = [\"a\", \"b\"]\n").expect("a file");
    let arguments = ["train", "--config", "c.toml", "--out", "none"];
    refused_in(
        folder,
        &arguments,
        CONFIG,
        &["`classes`", "--condition class"],
    );
    write_digits(&folder.join("no-labels"), [false, false]);
    refuse(
        "no-labels",
        &["training images have no labels", "label-column"],
    );
    write_digits(&folder.join("half"), [true, false]);
    refuse("half", &["labels"]);
    let table = |name: &str, kind: &dyn Fn(usize) -> String| {
        let rows = (0..3000).map(|row| format!("{},{},{}\n", row % 7, row % 3, kind(row)));
        let text = format!("a,b,kind\n{}", rows.collect::<String>());
        fs::write(folder.join(name), text).expect("a table");
    };
    table("one.csv", &|_| "only".to_owned());
    table("many.csv", &|row| row.to_string());
    for (name, words) in [
        ("one.csv", &["one class"][..]),
        ("many.csv", &["1000 are the most"]),
    ] {
        let more = ["--label-column", "kind", "--likelihood", "gaussian"];
        let data = ["train", "--data", name, "--out", "none"];
        let arguments = [&data[..], &SMALL, &more].concat();
        refused_in(folder, &arguments, DATA_OR_MODEL, words);
    }
}

#[test]
fn a_run_goes_on_with_the_same_classes_only() {
    let folder = temporary();
    let folder = folder.path();
    run(folder);
    let resume = ["train", "--resume", "run", "--epochs", "3"];
    // As its configuration repeats it.
    let repeat = ["train", "--config", "run/config.toml", "--out", "again"];
    accepted(folder, &repeat);
    let parameters = |run: &str| fs::read(folder.join(run).join("model.safetensors"));
    assert!(parameters("run").expect("a model") == parameters("again").expect("a model"));
    // Two images change their classes: their values are the same ones.
    let labels = folder.join("digits-10/train-labels-idx1-ubyte");
    let before = fs::read(&labels).expect("labels");
    let mut after = before.clone();
    let second = (9..after.len()).find(|&i| after[i] != after[8]);
    after.swap(8, second.expect("another class"));
    fs::write(&labels, after).expect("labels");
    refused_in(
        folder,
        &resume,
        DATA_OR_MODEL,
        &["not the images that the run was trained on"],
    );
    let said = stderr(&accepted(folder, &["evaluate", "run", "--device", "cpu"]));
    assert!(said.contains("these data have changed"), "{said}");
    fs::write(&labels, before).expect("labels");
    accepted(folder, &resume);
}
