//! Other data for a trained model: read as its own were, but for what is true of those alone.

use std::fs;
use std::path::Path;

use crate::formats::{floats, npy, npz};
use crate::streams::array;
use crate::support::{CONFIG, DATA_OR_MODEL, accepted, refused_in, stderr, temporary};

const CPU: [&str; 2] = ["--device", "cpu"];

/// A table of 20 rows, with columns in the order of `columns`: `a` and `b` are numbers, `kind` is a class.
fn table(folder: &Path, name: &str, columns: &[&str]) {
    let cell = |column: &str, row: usize| match column {
        "a" => (row as f32 / 20.0).to_string(),
        "b" => (1.0 - 0.3 * (row as f32).sin()).to_string(),
        "kind" => ["left", "right"][row % 2].to_owned(),
        other => format!("{}", other.len() + row),
    };
    let line = |cells: Vec<String>| cells.join(",") + "\n";
    let rows = (0..20).map(|row| line(columns.iter().map(|column| cell(column, row)).collect()));
    let header = line(columns.iter().map(ToString::to_string).collect());
    let text: String = std::iter::once(header).chain(rows).collect();
    fs::write(folder.join(name), text).expect("a table");
}

fn train(folder: &Path, data: &str, more: &[&str]) {
    let arguments = [
        "train",
        "--epochs",
        "1",
        "--hidden",
        "8",
        "--latent",
        "2",
        "--out",
        "run",
        "--likelihood",
        "gaussian",
        "--data",
        data,
    ];
    accepted(folder, &[&arguments[..], &CPU, more].concat());
}

fn codes(folder: &Path, data: &str, more: &[&str]) -> Vec<f32> {
    let out = format!("{}.codes.npy", data.replace('/', "-"));
    let arguments = ["encode", "run", "--data", data, "--out", &out];
    accepted(folder, &[&arguments[..], &CPU, more].concat());
    array(&fs::read(folder.join(out)).expect("codes")).1
}

#[test]
fn columns_of_another_table_are_taken_by_the_names_that_the_model_knows() {
    let folder = temporary();
    let folder = folder.path();
    table(folder, "own.csv", &["a", "b", "kind"]);
    train(folder, "own.csv", &["--label-column", "kind"]);
    table(folder, "same.csv", &["a", "b", "kind"]);
    let expected = codes(folder, "same.csv", &[]);
    // In another order, beside others, without labels.
    for (name, columns) in [
        ("swapped.csv", &["kind", "b", "a"][..]),
        ("more.csv", &["id", "b", "other", "a"]),
        ("unlabelled.csv", &["a", "b"]),
    ] {
        table(folder, name, columns);
        assert_eq!(codes(folder, name, &[]), expected, "{name}");
    }
    // Without a header they are taken in their order.
    let text = fs::read_to_string(folder.join("unlabelled.csv")).expect("a table");
    let (_, rows) = text.split_once('\n').expect("a header");
    fs::write(folder.join("bare.csv"), rows).expect("a table");
    assert_eq!(codes(folder, "bare.csv", &[]), expected);

    table(folder, "renamed.csv", &["width", "b"]);
    let arguments = [&["encode", "run", "--data", "renamed.csv"][..], &CPU].concat();
    let words = ["this table has not: a", "it has width, b", "--columns"];
    refused_in(folder, &arguments, DATA_OR_MODEL, &words);
    let by_hand = codes(folder, "renamed.csv", &["--columns", "width,b"]);
    assert_eq!(by_hand.len(), expected.len());
    let arguments = [&["evaluate", "run", "--columns", "a,b"][..], &CPU].concat();
    refused_in(
        folder,
        &arguments,
        CONFIG,
        &["--columns", "try: --columns with --data"],
    );
}

/// A folder of pictures of five columns.
fn pictures(folder: &Path, height: u32, count: u32) {
    fs::create_dir(folder).expect("a folder");
    for i in 0..count {
        let value = |x, _| image::Luma([(30 * i + 40 * x) as u8]);
        let picture = image::GrayImage::from_fn(5, height, value);
        let saved = picture.save(folder.join(format!("{i}.png")));
        saved.expect("a picture");
    }
}

#[test]
fn pictures_are_no_rows_for_a_model_of_a_table() {
    let folder = temporary();
    let folder = folder.path();
    table(folder, "own.csv", &["a", "b", "kind"]);
    train(folder, "own.csv", &["--label-column", "kind"]);
    pictures(&folder.join("photos"), 6, 3);
    let arguments = [&["encode", "run", "--data", "photos"][..], &CPU].concat();
    let words = ["photos: expected rows of 2 values", "found pictures"];
    refused_in(folder, &arguments, DATA_OR_MODEL, &words);
}

#[test]
fn pictures_of_one_row_are_taken_by_a_model_of_such() {
    let folder = temporary();
    let folder = folder.path();
    for (name, count) in [("own", 6), ("others", 4)] {
        pictures(&folder.join(name), 1, count);
    }
    train(folder, "own", &[]);
    assert_eq!(codes(folder, "others", &[]).len(), 4 * 2);
}

#[test]
fn arrays_of_another_file_are_named_for_it() {
    let folder = temporary();
    let folder = folder.path();
    let images = |count: usize| {
        let values: Vec<f32> = (0..6 * count).map(|i| (0.3 * i as f32).sin()).collect();
        npy(
            "'<f4'",
            false,
            &format!("({count}, 2, 3)"),
            &floats(&values),
        )
    };
    let arrays = [("mine", images(20)), ("more", images(7))];
    fs::write(folder.join("own.npz"), npz(&arrays, false)).expect("a file");
    train(folder, "own.npz", &["--array", "train=mine,test=more"]);
    // A file of one array has no names.
    fs::write(folder.join("x.npy"), images(20)).expect("a file");
    let expected = codes(folder, "x.npy", &[]);
    let arrays = [("this", images(20)), ("that", images(3))];
    fs::write(folder.join("two.npz"), npz(&arrays, false)).expect("a file");
    assert_eq!(
        codes(folder, "two.npz", &["--array", "train=this"]),
        expected
    );
}

#[test]
fn broken_pictures_of_other_data_are_left_out_where_asked_and_are_no_change_of_the_own() {
    let folder = temporary();
    let folder = folder.path();
    fs::create_dir(folder.join("own")).expect("a folder");
    for i in 0..12_u8 {
        let picture =
            image::GrayImage::from_fn(4, 4, |x, y| image::Luma([20 * i + 3 * x as u8 + y as u8]));
        picture
            .save(folder.join(format!("own/{i:02}.png")))
            .expect("a picture");
    }
    let whole = fs::read(folder.join("own/05.png")).expect("a picture");
    fs::write(folder.join("own/05.png"), &whole[..whole.len() / 2]).expect("a file");
    train(folder, "own", &["--skip-broken"]);
    // Its own data are what they were, in one piece too.
    for split in ["test", "train", "all"] {
        let arguments = [&["evaluate", "run", "--split", split][..], &CPU].concat();
        let said = stderr(&accepted(folder, &arguments));
        assert!(!said.contains("changed"), "{split}: {said}");
    }
    fs::remove_file(folder.join("own/06.png")).expect("a picture");
    let arguments = [&["evaluate", "run", "--split", "all"][..], &CPU].concat();
    let said = stderr(&accepted(folder, &arguments));
    assert!(
        said.contains("warning: ") && said.contains("changed"),
        "{said}"
    );
    let json = accepted(folder, &[&arguments[..], &["--json"]].concat());
    let figures: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(figures["data_changed"], true);
}
