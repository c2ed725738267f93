//! Numbers in, numbers out: what is written follows from the name of the file.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::formats::{npy, npz, write};
use crate::support::{
    CONFIG, DATA_OR_MODEL, accepted, contents, refused_in, stderr, stdout, temporary,
};

const IMAGES: usize = 30;

/// A run on named classes: a folder of pictures of two classes, five by four.
fn pictures(folder: &Path) {
    for i in 0..IMAGES {
        let class = ["cats", "dogs"][i % 2];
        let picture = image::GrayImage::from_fn(5, 4, |x, y| {
            image::Luma([(37 * i as u32 + 50 * x * (1 + i as u32 % 2) + 23 * y) as u8])
        });
        let path = folder
            .join("pictures")
            .join(class)
            .join(format!("{i:02}.png"));
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        picture.save(path).expect("a picture");
    }
}

fn train(folder: &Path, more: &[&str]) {
    let mut arguments = vec!["train", "--device", "cpu", "--hidden", "8", "--latent", "2"];
    arguments.extend(["--epochs", "1", "--batch-size", "4", "--quiet"]);
    if !more.contains(&"--out") {
        arguments.extend(["--out", "run"]);
    }
    if !more.contains(&"--data") {
        arguments.extend(["--data", "pictures", "--test-fraction", "0.4"]);
        pictures(folder);
    }
    arguments.extend(more);
    accepted(folder, &arguments);
}

fn run(folder: &Path, command: &str) -> String {
    let arguments: Vec<&str> = command.split(' ').chain(["--device", "cpu"]).collect();
    stdout(&accepted(folder, &arguments))
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("a text");
    text.lines().map(str::to_owned).collect()
}

/// Shape and values of a `.npy` file of float32.
fn array(path: &Path) -> (String, Vec<f32>) {
    let bytes = fs::read(path).expect("an array");
    let end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..end]).into_owned();
    assert!(header.contains("'<f4'"), "{header}");
    let values = bytes[end..]
        .chunks(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let shape = header.split("'shape': ").nth(1).expect("a shape");
    let shape = shape.split(')').next().expect("a shape").to_owned() + ")";
    (shape, values.collect())
}

#[test]
fn a_name_that_a_command_cannot_write_is_refused_before_anything_is_done() {
    let folder = temporary();
    train(folder.path(), &[]);
    let before = contents(folder.path());
    fs::write(
        folder.path().join("codes.npy"),
        npy("'<f4'", false, "(1, 2)", &[0; 8]),
    )
    .expect("codes");
    let mut with_codes = contents(folder.path());
    assert!(with_codes.len() > before.len());
    for (command, can) in [
        ("sample run --out x.jpg", ".png, .npy or .csv"),
        ("sample run --out x", ".png, .npy or .csv"),
        ("sample run --out -", ".png, .npy or .csv"),
        ("reconstruct run --out x.jpg", ".png, .npy or .csv"),
        ("encode run --out x.parquet", ".npy or .csv"),
        ("encode run --logvar x.png", ".npy or .csv"),
        ("encode run --names x.json", ".txt or .csv"),
        ("decode run codes.npy --out x.tsv", ".npy, .csv or .png"),
        ("interpolate run --out x.csv", ".png, .gif or .npy"),
        ("traverse run --out x.webp", ".png, .gif or .npy"),
        ("manifold run --out x.gif", ".png or .npy"),
        ("latents run --out x.npy", ".png"),
        ("score run --out x.png", ".csv, .jsonl or .npy"),
        ("score run --names x.npy", ".txt or .csv"),
        ("compare run --out x.gif", ".html or .png"),
        ("explore run --export x.png", ".html"),
        (
            "export run --format safetensors --out x.onnx",
            ".safetensors",
        ),
        (
            "export run --format onnx --part encoder --out x.pb",
            ".onnx",
        ),
        ("export run --format onnx --out x.onnx", "a folder"),
        ("bench --growth --out x.svg", ".png"),
    ] {
        let arguments: Vec<&str> = command.split(' ').collect();
        refused_in(folder.path(), &arguments, CONFIG, &[can, "try: "]);
    }
    with_codes.retain(|path, _| !path.ends_with(".lock"));
    let mut after = contents(folder.path());
    after.retain(|path, _| !path.ends_with(".lock"));
    assert!(after == with_codes, "something was written");
}

#[test]
fn images_go_out_as_arrays_and_tables() {
    let folder = temporary();
    let folder = folder.path();
    train(folder, &[]);
    for (command, shape) in [
        ("sample run --count 3 --out a.npy", "(3, 4, 5, 1)"),
        ("reconstruct run --count 2 --out b.npy", "(2, 4, 5, 1)"),
        (
            "interpolate run --rows 2 --steps 3 --out c.npy",
            "(2, 3, 4, 5, 1)",
        ),
        ("traverse run --steps 3 --out d.npy", "(2, 3, 4, 5, 1)"),
        ("manifold run --size 3 --out e.npy", "(3, 3, 4, 5, 1)"),
    ] {
        let name = run(folder, command);
        let (found, values) = array(&folder.join(name.trim()));
        assert_eq!(found, shape, "{command}");
        assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
    }
    run(folder, "sample run --count 3 --out f.csv");
    let table = lines(&folder.join("f.csv"));
    assert_eq!(table.len(), 4);
    assert!(table[0].starts_with("x0,x1,") && table[0].ends_with(",x19"));
    let from_table = table[1..].iter().flat_map(|line| line.split(','));
    let from_table: Vec<f32> = from_table
        .map(|cell| cell.parse().expect("a number"))
        .collect();
    assert_eq!(from_table, array(&folder.join("a.npy")).1);
    let codes = "encode run --out codes.npy";
    run(folder, codes);
    run(folder, "decode run codes.npy --out g.csv");
    assert_eq!(lines(&folder.join("g.csv")).len(), 13);
}

#[test]
fn codes_have_names_and_classes_beside_them() {
    let folder = temporary();
    let folder = folder.path();
    train(folder, &[]);
    run(folder, "encode run --out codes.csv");
    let table = lines(&folder.join("codes.csv"));
    assert_eq!(table[0], "name,label,z0,z1");
    assert_eq!(table.len(), 13);
    run(folder, "encode run --out codes.npy --names names.txt");
    let (shape, codes) = array(&folder.join("codes.npy"));
    assert_eq!(shape, "(12, 2)");
    let names = lines(&folder.join("names.txt"));
    for ((line, name), code) in table[1..].iter().zip(&names).zip(codes.chunks(2)) {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells[0], name);
        assert!(["cats", "dogs"].contains(&cells[1]), "{line}");
        assert_eq!(cells[2].parse::<f32>().expect("a number"), code[0]);
        assert_eq!(cells[3].parse::<f32>().expect("a number"), code[1]);
    }
    refused_in(
        folder,
        &["encode", "run", "--out", "a.csv", "--names", "./a.csv"],
        CONFIG,
        &["--names", "takes the means already"],
    );
}

#[test]
fn scores_have_the_means_that_evaluate_prints() {
    let folder = temporary();
    let folder = folder.path();
    train(folder, &["--binarize", "dynamic"]);
    run(folder, "score run --importance-samples 7 --out s.csv");
    run(
        folder,
        "score run --importance-samples 7 --out s.npy --names s.txt",
    );
    let evaluated = run(folder, "evaluate run --importance-samples 7 --json");
    let evaluated: Value = serde_json::from_str(&evaluated).expect("JSON");
    let table = lines(&folder.join("s.csv"));
    assert_eq!(table[0], "name,label,reconstruction,kl,neg_elbo,log_p");
    let first = |line: &String| line.split(',').next().map(str::to_owned);
    let names: Vec<_> = table[1..].iter().filter_map(first).collect();
    assert_eq!(lines(&folder.join("s.txt")), names);
    let (shape, values) = array(&folder.join("s.npy"));
    assert_eq!((shape.as_str(), table.len()), ("(12, 4)", 13));
    let mean = |column: usize| {
        let cells = table[1..]
            .iter()
            .map(|line| line.split(',').nth(2 + column));
        let numbers = cells.map(|cell| cell.and_then(|cell| cell.parse::<f64>().ok()));
        numbers.map(|number| number.expect("a number")).sum::<f64>() / 12.0
    };
    for (column, (key, sign)) in [
        ("reconstruction", 1.0),
        ("kl", 1.0),
        ("elbo", -1.0),
        ("log_likelihood", 1.0),
    ]
    .into_iter()
    .enumerate()
    {
        let expected = sign * evaluated[key].as_f64().expect("a number");
        let found = mean(column);
        assert!(
            (found - expected).abs() < 1e-5 * expected.abs(),
            "{key}: {found}, {expected}"
        );
        let array = values
            .iter()
            .skip(column)
            .step_by(4)
            .map(|&v| f64::from(v))
            .sum::<f64>()
            / 12.0;
        assert!(
            (found - array).abs() < 1e-5 * expected.abs(),
            "{key}: {array}"
        );
    }
}

#[test]
fn the_strangest_images_are_named() {
    let folder = temporary();
    let folder = folder.path();
    train(folder, &[]);
    let top = run(folder, "score run --out s.jsonl --top 3");
    let mut all: Vec<Value> = lines(&folder.join("s.jsonl"))
        .iter()
        .map(|line| serde_json::from_str(line).expect("a JSON object"))
        .collect();
    let key = |line: &Value| line["neg_elbo"].as_f64().expect("a number");
    all.sort_by(|a, b| key(b).total_cmp(&key(a)));
    let found: Vec<&str> = top
        .lines()
        .skip(1)
        .filter_map(|line| line.split(' ').next())
        .collect();
    let expected: Vec<&str> = all[..3]
        .iter()
        .filter_map(|line| line["name"].as_str())
        .collect();
    assert_eq!(found, expected, "{top}");
    assert!(
        all.iter()
            .all(|line| line["label"].is_string() && line.get("log_p").is_none())
    );
    train(folder, &["--model", "ae", "--out", "ae"]);
    run(folder, "score ae --out ae.csv");
    assert_eq!(
        lines(&folder.join("ae.csv"))[0],
        "name,label,reconstruction"
    );
    refused_in(
        folder,
        &["score", "ae", "--importance-samples", "2"],
        DATA_OR_MODEL,
        &["autoencoder"],
    );
}

#[test]
fn data_that_changed_after_training_are_told_of() {
    let folder = temporary();
    let folder = folder.path();
    let images = |seed: usize| {
        let values: Vec<u8> = (0..IMAGES * 20)
            .map(|i| ((i * i + seed) % 251) as u8)
            .collect();
        npz(
            &[("images", npy("'|u1'", false, "(30, 4, 5)", &values))],
            true,
        )
    };
    write(&folder.join("d.npz"), &images(1));
    train(folder, &["--data", "d.npz"]);
    let told = |more: &[&str]| {
        let arguments = [&["evaluate", "run", "--device", "cpu"], more].concat();
        stderr(&accepted(folder, &arguments)).contains("changed since")
    };
    for split in ["train", "test", "all"] {
        assert!(!told(&["--split", split]), "{split}");
    }
    write(&folder.join("d.npz"), &images(2));
    for split in ["train", "test", "all"] {
        assert!(told(&["--split", split]), "{split}");
    }
    write(&folder.join("other.npz"), &images(3));
    assert!(!told(&["--data", "other.npz"]));
}

#[test]
fn what_has_no_name_is_named_by_its_row_of_the_whole_source() {
    let folder = temporary();
    let folder = folder.path();
    let table: String = (0..40)
        .map(|i| format!("{},{}\n", i % 9, i * i % 31))
        .collect();
    fs::write(folder.join("d.csv"), format!("a,b\n{table}")).expect("a table");
    let options = ["--data", "d.csv", "--scale", "31", "--test-fraction", "0.4"];
    train(folder, &options);
    run(folder, "score run --out s.csv --names names.txt");
    run(folder, "encode run --out test.csv");
    run(folder, "encode run --split all --out all.csv");
    let all = lines(&folder.join("all.csv"));
    let test = lines(&folder.join("test.csv"));
    assert_eq!((all.len(), test.len()), (41, 17));
    // The same name before the same code.
    for line in &test {
        assert!(all.contains(line), "{line}");
    }
    let first = |line: &String| line.split(',').next().map(str::to_owned);
    let names: Vec<_> = test.iter().filter_map(first).collect();
    let scored: Vec<_> = lines(&folder.join("s.csv"))
        .iter()
        .filter_map(first)
        .collect();
    assert_eq!(scored, names);
    assert_eq!(lines(&folder.join("names.txt")), names[1..]);
    let places: Vec<String> = (0..16).map(|place| place.to_string()).collect();
    assert_ne!(names[1..], places);
}
