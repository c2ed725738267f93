//! Runs of every kind, exported for PyTorch: `model.py` has to compute what `elbo encode` and `elbo decode` write.

use std::fs;
use std::path::{Path, PathBuf};

use crate::formats::{npy, write};
use crate::interpreter::python;
use crate::python::check_torch;
use crate::support::{CONFIG, accepted, native, refused_in, temporary, train_small};

/// A run, by its data and the options of its model.
struct Case {
    data: &'static str,
    options: &'static str,
    /// Options with spaces in them.
    layers: &'static [&'static str],
    /// Whether what is decoded has other units than the model's values.
    scaled: bool,
}

const fn case(data: &'static str, options: &'static str) -> Case {
    layers(data, options, &[])
}

const fn layers(
    data: &'static str,
    options: &'static str,
    layers: &'static [&'static str],
) -> Case {
    Case {
        data,
        options,
        layers,
        scaled: false,
    }
}

const fn scaled(data: &'static str, options: &'static str) -> Case {
    Case {
        scaled: true,
        ..case(data, options)
    }
}

/// Every kind of network, likelihood, image and scaling.
const CASES: [Case; 15] = [
    case("grey", "--hidden 30"),
    case("grey", "--hidden 30,20 --model ae --activation tanh"),
    case("grey", "--net conv --latent 8"),
    case("grey", "--net resnet --hidden 20 --activation gelu"),
    case(
        "odd",
        "--net conv --latent 6 --likelihood gaussian --sigma learned",
    ),
    case(
        "odd",
        "--hidden 12 --likelihood gaussian --sigma 0.5 --activation leaky-relu",
    ),
    layers(
        "odd",
        "--activation silu",
        &[
            "--encoder",
            "conv 8 k3 /2, norm 4, residual(norm 2, conv 6 k3, norm 3, conv 8 k1), linear 9",
        ],
    ),
    layers(
        "odd",
        "",
        &[
            "--encoder",
            "conv 6 k3 /2, norm 3, linear 9",
            "--decoder",
            "linear 9, linear 7x5x6, norm 3, tanh, up 5 to 13x10, norm 5, conv 4 k3",
        ],
    ),
    // Maps that linear layers take and make, in a residual block and at the end too.
    layers(
        "odd",
        "--latent 6",
        &[
            "--encoder",
            "conv 6 k3, residual(linear 9, linear 13x10x6), linear 7x5x2, conv 4 k3",
            "--decoder",
            "linear 13x10x4",
        ],
    ),
    layers(
        "colours",
        "--latent 5 --model ae --likelihood squared-error",
        &["--encoder", "conv 5 k4 /2, conv 6 k3 /2"],
    ),
    case(
        "colours",
        "--hidden 9 --likelihood gaussian --sigma optimal --activation sigmoid",
    ),
    scaled(
        "colours",
        "--hidden 9 --model ae --likelihood linear-squared-error --standardize",
    ),
    scaled("colours", "--net conv --latent 4 --scale 300"),
    scaled(
        "table",
        "--hidden 6 --latent 2 --likelihood gaussian --sigma optimal --standardize",
    ),
    case(
        "table",
        "--hidden 6 --latent 2 --model ae --likelihood linear-squared-error",
    ),
];

const ROWS: usize = 40;

/// Bytes that differ from image to image.
fn images(folder: &Path, name: &str, sizes: [usize; 3]) {
    let [height, width, channels] = sizes;
    let values = (0..ROWS * height * width * channels).map(|i| (i * i / 7 + i) as u8);
    let values: Vec<u8> = values.collect();
    let shape = format!("({ROWS}, {height}, {width}, {channels})");
    let array = npy("'|u1'", false, &shape, &values);
    write(&folder.join(format!("{name}.npy")), &array);
}

/// `table.csv`, and the same as an array.
fn table(folder: &Path) {
    let value =
        |row: usize, column: usize| (row * (column + 3) % 11) as f32 * 1.5 + (20 * column) as f32;
    let mut text = "a,b,c\n".to_owned();
    let mut bytes = Vec::new();
    for row in 0..ROWS {
        let values = [0, 1, 2].map(|column| value(row, column));
        text += &format!("{},{},{}\n", values[0], values[1], values[2]);
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
    fs::write(folder.join("table.csv"), text).expect("a table");
    let array = npy("'<f4'", false, &format!("({ROWS}, 3)"), &bytes);
    write(&folder.join("table.npy"), &array);
}

/// Trains, exports, and has the program compute beside the exported files what they have to.
fn prepare(folder: &Path, number: usize, case: &Case) -> PathBuf {
    let (run, out) = (format!("run-{number}"), format!("torch-{number}"));
    let data = match case.data {
        "table" => "table.csv".to_owned(),
        name => format!("{name}.npy"),
    };
    let call = |words: &[&str]| accepted(folder, words);
    let cpu = ["--device", "cpu"];
    let train = [
        "train",
        "--data",
        &data,
        "--out",
        &run,
        "--epochs",
        "1",
        "--batch-size",
        "8",
    ];
    let options: Vec<&str> = case.options.split_whitespace().collect();
    call(&[&train[..], &cpu, &["--lr", "0.01"], &options, case.layers].concat());
    call(&["export", &run, "--format", "pytorch", "--out", &out]);
    let at = |name: &str| format!("{out}/{name}.npy");
    let is_ae = case.options.contains("--model ae");
    let (mu, logvar) = (at(if is_ae { "code" } else { "mu" }), at("logvar"));
    let encode = [
        "encode", &run, "--data", &data, "--split", "all", "--out", &mu,
    ];
    let spread = match is_ae {
        true => vec![],
        false => vec!["--logvar", &*logvar],
    };
    call(&[&encode[..], &cpu, &spread].concat());
    let means = at(if case.scaled { "decoded" } else { "means" });
    call(&[&["decode", &run, &mu, "--out", &means][..], &cpu].concat());
    let copy = |from: &str, to: &str| {
        fs::copy(folder.join(from), folder.join(at(to))).expect("a copy");
    };
    copy(&mu, "z");
    copy(&format!("{}.npy", case.data), "stored");
    folder.join(out)
}

#[test]
fn an_exported_run_computes_in_pytorch_what_encode_and_decode_do() {
    let Some(python) = python(&["numpy", "safetensors", "torch"]) else {
        return;
    };
    let folder = temporary();
    let at = folder.path();
    images(at, "grey", [28, 28, 1]);
    images(at, "odd", [13, 10, 4]);
    images(at, "colours", [9, 7, 3]);
    table(at);
    let cases = CASES.iter().enumerate();
    let all: Vec<PathBuf> = cases.map(|(i, case)| prepare(at, i, case)).collect();
    check_torch(&python, at, &all);
    // What PyTorch writes of it is a model of the run again.
    let back = ["--weights", "torch-4/back.safetensors", "--device", "cpu"];
    let encode = [
        "encode",
        "run-4",
        "--data",
        "odd.npy",
        "--split",
        "all",
        "--out",
        "again.npy",
    ];
    accepted(at, &[&encode[..], &back].concat());
    let read = |name: &str| fs::read(at.join(name)).expect(name);
    assert!(read("again.npy") == read("torch-4/mu.npy"));
}

#[test]
fn a_program_goes_into_a_new_folder_and_nowhere_else() {
    let folder = temporary();
    let at = folder.path();
    train_small(at, "run", &[]);
    let export = ["export", "run", "--format", "pytorch"];
    let refuse = |more: &[&str], words: &[&str]| {
        refused_in(at, &[&export[..], more].concat(), CONFIG, words);
    };
    refuse(&["--part", "decoder"], &["--part", "--format onnx"]);
    refuse(
        &["--out", "-"],
        &["name of a folder", "try: --out result\n"],
    );
    refuse(
        &["--out", "model.py"],
        &["name of a folder", "try: --out model\n"],
    );
    fs::create_dir(at.join("mine")).expect("a folder");
    refuse(&["--out", "mine"], &["mine", "not overwritten"]);
    accepted(at, &export);
    refuse(&[], &[&native("run/pytorch"), "not overwritten"]);
    let names = fs::read_dir(at.join("run/pytorch")).expect("the folder");
    let mut names: Vec<_> = names
        .map(|entry| entry.expect("a file").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["model.py", "model.safetensors"]);
    accepted(at, &["export", "run", "--format", "safetensors"]);
    let read = |name: &str| fs::read(at.join("run").join(name)).expect(name);
    assert!(read("pytorch/model.safetensors") == read("export.safetensors"));
}
