//! What `train` says of values before it trains on them, and what it does with them: from the data's own units to the
//! model and back.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::formats::{floats, npy};
use crate::streams::{array, through};
use crate::support::{
    CONFIG, DATA_OR_MODEL, accepted, assert_refused, epochs, program, refused_in, stderr, temporary,
};
use crate::trial::trial;

const QUICK: [&str; 10] = [
    "train", "--device", "cpu", "--epochs", "1", "--hidden", "8", "--latent", "2", "--out",
];

/// Trains `run` for an epoch, and gives what was said on stderr.
fn train(folder: &Path, data: &Path, more: &[&str]) -> String {
    train_for("1", folder, data, more)
}

fn train_for(epochs: &str, folder: &Path, data: &Path, more: &[&str]) -> String {
    let data = data.to_string_lossy();
    let mut arguments = QUICK.to_vec();
    arguments[4] = epochs;
    arguments.extend(["run", "--data", &data]);
    arguments.extend(more);
    stderr(&accepted(folder, &arguments))
}

fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no {word:?} in {text}");
    }
}

/// Rows in units of their own: the first column about 20, the second about 5 million, the third does not change.
fn rows(count: usize) -> Vec<f32> {
    let row = |i: usize| {
        let wave = (0.7 * i as f32).sin();
        [20.0 + wave, 5e6 * (1.0 + 0.3 * wave), 7.0]
    };
    (0..count).flat_map(row).collect()
}

fn rows_file(folder: &Path, count: usize) -> PathBuf {
    let path = folder.join("rows.npy");
    let shape = format!("({count}, 3)");
    fs::write(&path, npy("'<f4'", false, &shape, &floats(&rows(count)))).expect("a file");
    path
}

#[test]
fn bytes_of_0_and_1_are_bits_in_arrays_and_in_pictures() {
    for name in ["bits_u8.npy", "png-mask01", "bits_bool.npy"] {
        let Some(path) = trial(&format!("1-range/{name}")) else {
            return;
        };
        let folder = temporary();
        let said = train_for("3", folder.path(), &path, &[]);
        assert_says(&said, &["values: bits (0 and 1, stored as "]);
        // Bits that were read as 1/255 have an ELBO near 0: black pictures.
        let last = epochs(&folder.path().join("run")).pop().expect("an epoch");
        let loss = last["test_loss"].as_f64().expect("a loss");
        assert!(loss > 60.0, "{name}: {loss}");
    }
}

#[test]
fn data_that_are_all_the_same_are_said() {
    let Some(path) = trial("1-range/zeros_u8.npy") else {
        return;
    };
    let folder = temporary();
    let data = path.to_string_lossy();
    let arguments = [&QUICK[..], &["run", "--data", &data]].concat();
    let words = ["all values are 0", "--background white", "try: "];
    refused_in(folder.path(), &arguments, DATA_OR_MODEL, &words);
    assert!(!folder.path().join("run").exists());
    let path = trial("1-range/all_the_same_u8.npy").expect("beside the other");
    let said = train(folder.path(), &path, &[]);
    assert_says(&said, &["warning: ", "training images are the same"]);
}

#[test]
fn binary_data_are_called_binary() {
    for name in ["bits_f32.npy", "bits_u8_0_255.npy", "png-1bit"] {
        let Some(path) = trial(&format!("9-binary/{name}")) else {
            return;
        };
        let folder = temporary();
        let said = train(folder.path(), &path, &[]);
        assert_says(&said, &["binary"]);
        let output = accepted(folder.path(), &["evaluate", "run", "--device", "cpu"]);
        let all = format!(
            "{said}{}{}",
            String::from_utf8_lossy(&output.stdout),
            stderr(&output)
        );
        assert!(!all.contains("GREY-PIXEL"), "{name}: {all}");
        // The record knows it without the data.
        fs::remove_dir_all(folder.path().join("run/checkpoints")).ok();
        let page = fs::read_to_string(folder.path().join("run/report.html")).expect("the page");
        assert!(
            page.contains("binary") && !page.contains("grey-pixel"),
            "{name}"
        );
    }
}

#[test]
fn fewer_images_than_a_batch_are_a_batch_unless_one_is_asked_for() {
    let Some(path) = trial("12-few") else {
        return;
    };
    let folder = temporary();
    let said = train(folder.path(), &path, &[]);
    assert_says(&said, &["batch", "11"]);
    let config = fs::read_to_string(folder.path().join("run/config.toml")).expect("config.toml");
    assert_says(&config, &["batch-size = 11"]);
    let data = path.to_string_lossy();
    let arguments = [
        &QUICK[..],
        &["other", "--data", &data, "--batch-size", "100"],
    ]
    .concat();
    refused_in(folder.path(), &arguments, CONFIG, &["--batch-size", "11"]);
}

#[test]
fn a_table_in_raw_units_is_never_trained_to_nonsense_in_silence() {
    let Some(path) = trial("7-table/columns_raw.npy") else {
        return;
    };
    let folder = temporary();
    let data = path.to_string_lossy();
    // The default width of the layers.
    let arguments = [
        "train",
        "--device",
        "cpu",
        "--epochs",
        "3",
        "--data",
        &data,
        "--likelihood",
        "gaussian",
        "--out",
        "run",
    ];
    let output = program(folder.path(), &arguments).output();
    let output = output.expect("the program starts");
    let words = [
        "columns spread by",
        "log-variances are beyond their bound",
        "nats per value",
        "--standardize",
        "try: ",
    ];
    assert_refused(&output, &arguments, 5, &words);
    let arguments = [&arguments[..], &["--standardize"]].concat();
    let said = stderr(&accepted(
        folder.path(),
        &[&arguments[..10], &["standard", "--standardize"]].concat(),
    ));
    assert_says(&said, &["standardized"]);
    assert!(!said.contains("warning"), "{said}");
    let path = trial("7-table/columns_standardised.npy").expect("beside the other");
    let said = train(folder.path(), &path, &["--likelihood", "gaussian"]);
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn log_variances_beyond_their_bound_are_said_once_with_the_way_out() {
    let folder = temporary();
    let arguments = [
        "train", "--device", "cpu", "--epochs", "2", "--hidden", "16", "--lr", "1000", "--out",
        "run",
    ];
    let said = stderr(&accepted(folder.path(), &arguments));
    let warning = "of the log-variances are beyond their bound of ±30";
    assert_eq!(said.matches(warning).count(), 1, "{said}");
    assert_says(&said, &["warning: ", "a smaller `--lr`"]);
}

#[test]
fn standardized_rows_go_in_and_come_out_in_their_own_units() {
    let folder = temporary();
    let folder = folder.path();
    let path = rows_file(folder, 64);
    let more = [
        "--likelihood",
        "gaussian",
        "--standardize",
        "--batch-size",
        "8",
        "--lr",
        "0.01",
    ];
    let said = train_for("30", folder, &path, &more);
    assert_says(&said, &["standardized", "1 column of 3 never change: 3"]);
    let cpu = ["--device", "cpu"];

    // A file and stdin are read alike. Of the run's own file its test images would be taken.
    fs::copy(&path, folder.join("copy.npy")).expect("a copy");
    let encode = ["encode", "run", "--device", "cpu", "--data"];
    accepted(
        folder,
        &[&encode[..], &["copy.npy", "--out", "codes.npy"]].concat(),
    );
    let input = fs::read(&path).expect("the rows");
    let stream = through(folder, &[&encode[..], &["-"]].concat(), &input);
    assert_eq!(fs::read(folder.join("codes.npy")).expect("codes"), stream);

    // Rows come back near where they were, in their own units.
    let decode = [
        &["decode", "run", "codes.npy", "--out", "back.npy"],
        &cpu[..],
    ]
    .concat();
    accepted(folder, &decode);
    let (shape, back) = array(&fs::read(folder.join("back.npy")).expect("rows"));
    assert_eq!(shape, [64, 3]);
    for (row, own) in back.chunks(3).zip(rows(64).chunks(3)) {
        assert!((row[0] - own[0]).abs() < 1.0, "{row:?} {own:?}");
        assert!((row[1] - own[1]).abs() < 1.5e6, "{row:?} {own:?}");
        assert!((row[2] - own[2]).abs() < 0.1, "{row:?} {own:?}");
    }

    // The model keeps how it read: `evaluate` says so, and rows of other units are doubted.
    let evaluated = accepted(folder, &[&["evaluate", "run", "--json"], &cpu[..]].concat());
    let figures: Value = serde_json::from_slice(&evaluated.stdout).expect("JSON");
    let best = epochs(&folder.join("run")).pop().expect("an epoch");
    let (found, trained) = (
        &figures["elbo"],
        best["test_loss"].as_f64().expect("a loss"),
    );
    let found = found.as_f64().expect("an ELBO");
    assert!((found + trained).abs() < 1.0, "{found} {trained}");
    let thousandth: Vec<f32> = rows(64).iter().map(|value| value / 1000.0).collect();
    let other = npy("'<f4'", false, "(64, 3)", &floats(&thousandth));
    fs::write(folder.join("other.npy"), other).expect("a file");
    let arguments = ["evaluate", "run", "--data", "other.npy", "--device", "cpu"];
    let said = stderr(&accepted(folder, &arguments));
    assert_says(&said, &["warning: ", "are they in the same units?"]);
}

#[test]
fn a_run_of_standardized_rows_in_two_parts_is_the_run_in_one() {
    let folder = temporary();
    let folder = folder.path();
    let path = rows_file(folder, 40);
    let data = path.to_string_lossy();
    let run = |out: &str, epochs: &str| {
        let arguments = [
            "train",
            "--device",
            "cpu",
            "--hidden",
            "8",
            "--latent",
            "2",
            "--data",
            &data,
            "--likelihood",
            "gaussian",
            "--standardize",
            "--batch-size",
            "8",
            "--epochs",
            epochs,
            "--out",
            out,
        ];
        accepted(folder, &arguments);
    };
    run("whole", "4");
    run("parts", "2");
    let resume = [
        "train", "--resume", "parts", "--epochs", "4", "--device", "cpu",
    ];
    accepted(folder, &resume);
    let model = |run: &str| fs::read(folder.join(run).join("model.safetensors")).expect("a model");
    assert!(model("whole") == model("parts"));
}

#[test]
fn values_of_a_sensor_are_scaled_where_asked_and_pictures_come_back() {
    let folder = temporary();
    let folder = folder.path();
    // Each picture has both ends of the range, so that those of the test split are within that of the others.
    let value = |i: u16| match i % 12 {
        0 => 0,
        1 => 4095,
        _ => (i * 31) % 4096,
    };
    let values: Vec<u8> = (0..20 * 12).flat_map(|i| value(i).to_le_bytes()).collect();
    let path = folder.join("sensor.npy");
    fs::write(&path, npy("'<u2'", false, "(20, 4, 3)", &values)).expect("a file");
    let said = train(folder, &path, &[]);
    assert_says(&said, &["divided by 65535", "warning: ", "--scale 40"]);
    fs::remove_dir_all(folder.join("run")).expect("a run");
    for (scale, words) in [("4095", "scaled: 0"), ("range", "scaled: 0 to 1")] {
        let said = train(folder, &path, &["--scale", scale]);
        assert_says(&said, &[words]);
        assert!(!said.contains("warning"), "{said}");
        let config = fs::read_to_string(folder.join("run/config.toml")).expect("config.toml");
        assert_says(&config, &["scale = "]);
        for arguments in [
            &["evaluate", "run", "--device", "cpu"][..],
            &["reconstruct", "run", "--device", "cpu"],
            &["latents", "run", "--device", "cpu"],
            &["explore", "run", "--device", "cpu", "--export", "page.html"],
        ] {
            accepted(folder, arguments);
        }
        fs::remove_file(folder.join("page.html")).expect("a page");
        fs::remove_dir_all(folder.join("run")).expect("a run");
    }
    for wrong in ["0", "-1", "nan", "inf", "much"] {
        let data = path.to_string_lossy();
        let scale = format!("--scale={wrong}");
        let arguments = [&QUICK[..], &["run", "--data", &data, &scale]].concat();
        refused_in(folder, &arguments, CONFIG, &["--scale"]);
    }
}
