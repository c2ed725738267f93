//! `elbo export`: what it writes and where, and what it refuses. `python.rs` has what others make of the files.

use std::fs;

use crate::support::{
    CONFIG, DATA_OR_MODEL, accepted, refused, refused_in, stderr, stdout, temporary, train_small,
};

#[test]
fn files_of_onnx_and_safetensors_are_written_to_where_they_were_asked_for() {
    let folder = temporary();
    train_small(folder.path(), "run", &[]);
    let at = |name: &str| folder.path().join(name);
    let export = |more: &[&str]| {
        let arguments = [&["export", "run", "--format"], more].concat();
        stdout(&accepted(folder.path(), &arguments))
    };
    assert_eq!(export(&["onnx", "--out", "both"]), "both\n");
    let names = ["encoder.onnx", "decoder.onnx"];
    let both = names.map(|name| fs::read(at("both").join(name)).expect(name));
    assert_eq!(fs::read_dir(at("both")).expect("the folder").count(), 2);
    export(&["onnx", "--part", "encoder", "--out", "one.onnx"]);
    assert!(fs::read(at("one.onnx")).expect("a file") == both[0]);
    export(&["onnx", "--part", "decoder"]);
    assert!(fs::read(at("run/decoder.onnx")).expect("a file") == both[1]);
    export(&["onnx"]);
    assert!(at("run/onnx/decoder.onnx").is_file());
    export(&["safetensors"]);
    export(&["safetensors", "--out", "again.safetensors"]);
    let first = fs::read(at("run/export.safetensors")).expect("a file");
    assert!(fs::read(at("again.safetensors")).expect("a file") == first);
    assert!(
        first.windows(9).any(|part| part == b"bernoulli"),
        "what the model is"
    );
}

#[test]
fn nothing_is_overwritten_by_an_export() {
    let folder = temporary();
    train_small(folder.path(), "run", &[]);
    for extension in ["", ".onnx", ".safetensors"] {
        let at = |name: &str| folder.path().join(format!("{name}{extension}"));
        fs::write(at("mine"), "dear").expect("a file");
        fs::create_dir(at("empty")).expect("a folder");
    }
    for (format, names) in [
        (&["onnx"][..], ["mine", "empty"]),
        (&["onnx", "--part", "decoder"], ["mine.onnx", "empty.onnx"]),
        (&["safetensors"], ["mine.safetensors", "empty.safetensors"]),
    ] {
        for out in names {
            let arguments = [&["export", "run", "--out", out, "--format"], format].concat();
            refused_in(folder.path(), &arguments, CONFIG, &[out, "not overwritten"]);
        }
    }
    let text = fs::read_to_string(folder.path().join("mine")).expect("the file");
    assert_eq!(text, "dear");
    assert_eq!(
        fs::read_dir(folder.path().join("empty"))
            .expect("it")
            .count(),
        0
    );
}

#[test]
fn an_export_without_sense_is_refused() {
    refused(&["export", "run"], CONFIG, &["--format"]);
    refused(
        &["export", "run", "--format", "torch"],
        CONFIG,
        &["onnx", "pytorch", "safetensors"],
    );
    refused(
        &["export", "none", "--format", "onnx"],
        DATA_OR_MODEL,
        &["none"],
    );
    let folder = temporary();
    train_small(folder.path(), "run", &[]);
    let arguments = [
        "export",
        "run",
        "--format",
        "safetensors",
        "--part",
        "encoder",
    ];
    refused_in(folder.path(), &arguments, CONFIG, &["--part", "try: "]);
    fs::remove_file(folder.path().join("run/model.safetensors")).expect("the parameters");
    for format in ["onnx", "pytorch", "safetensors"] {
        let arguments = ["export", "run", "--format", format];
        refused_in(
            folder.path(),
            &arguments,
            DATA_OR_MODEL,
            &["model.safetensors"],
        );
    }
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
}

#[test]
fn an_export_says_what_the_model_takes_for_the_numbers_of_the_data() {
    let folder = temporary();
    let table: String = (0..40)
        .map(|i| format!("{},{}\n", 100 + i % 7, i * i % 11))
        .collect();
    fs::write(folder.path().join("d.csv"), format!("a,b\n{table}")).expect("a table");
    for (option, words, keys) in [
        (
            &["--standardize"][..],
            "(values of the data - offset) / divisor",
            ["\"offset\":[1", "\"divisor\":["],
        ),
        (
            &["--scale", "50"],
            "values of the data / 50 ",
            ["\"offset\":[0.0]", "\"divisor\":[50.0]"],
        ),
        (
            &["--scale", "range"],
            "values of the data / 106 ",
            ["\"offset\":[0.0]", "\"divisor\":[106.0]"],
        ),
    ] {
        let out = option.concat().replace("--", "");
        let train = [
            "train",
            "--device",
            "cpu",
            "--epochs",
            "1",
            "--hidden",
            "4",
            "--latent",
            "2",
            "--data",
            "d.csv",
            "--out",
            &out,
            "--likelihood",
            "gaussian",
        ];
        accepted(folder.path(), &[&train[..], option].concat());
        for format in ["onnx", "pytorch", "safetensors"] {
            let said = stderr(&accepted(
                folder.path(),
                &["export", &out, "--format", format],
            ));
            assert!(said.contains(words), "{said}");
        }
        let file = fs::read(folder.path().join(&out).join("export.safetensors")).expect("a file");
        let text = String::from_utf8_lossy(&file).replace("\\\"", "\"");
        for key in keys {
            assert!(text.contains(key), "{key}: {option:?}");
        }
    }
}
