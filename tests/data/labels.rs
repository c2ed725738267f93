//! Arrays of a `.npz` by their names, and labels.

use std::path::PathBuf;

use elbo::data::{Arrays, DataOptions, Progress, SourceOptions, load_stored};
use tempfile::TempDir;

use crate::array::file;
use crate::formats::{npy, npz};
use crate::support::{assert_says, bytes_of, error_of, error_with, load_path, load_with};

/// An archive of three training and two test images, with these labels of the test images.
fn labelled(kind: &str, shape: &str, values: &[u8]) -> (TempDir, PathBuf) {
    let images =
        |count: u8, shape: &str| npy("'|u1'", false, shape, &(0..count).collect::<Vec<u8>>());
    let arrays = [
        ("x_train", images(3, "(3, 1)")),
        ("x_test", images(2, "(2, 1)")),
        ("y_train", npy("'|u1'", false, "(3,)", &[7, 0, 255])),
        ("y_test", npy(kind, false, shape, values)),
    ];
    file("x.npz", &npz(&arrays, true))
}

#[test]
fn labels_of_every_type_are_read() {
    let two = |bytes: &[&[u8]]| bytes.concat();
    for (kind, shape, values) in [
        ("'|u1'", "(2,)", two(&[&[5], &[1]])),
        ("'|i1'", "(2, 1)", two(&[&[5], &[1]])),
        (
            "'<u2'",
            "(2,)",
            two(&[&5_u16.to_le_bytes(), &1_u16.to_le_bytes()]),
        ),
        (
            "'<i4'",
            "(2,)",
            two(&[&5_i32.to_le_bytes(), &1_i32.to_le_bytes()]),
        ),
        (
            "'>f4'",
            "(2,)",
            two(&[&5_f32.to_be_bytes(), &1_f32.to_be_bytes()]),
        ),
        (
            "'<f8'",
            "(2,)",
            two(&[&5_f64.to_le_bytes(), &1_f64.to_le_bytes()]),
        ),
        (
            "'>u2'",
            "(2,)",
            two(&[&5_u16.to_be_bytes(), &1_u16.to_be_bytes()]),
        ),
        // One-hot rows.
        (
            "'|u1'",
            "(2, 6)",
            two(&[&[0, 0, 0, 0, 0, 1], &[0, 1, 0, 0, 0, 0]]),
        ),
        (
            "'<i8'",
            "(2,)",
            two(&[&5_i64.to_le_bytes(), &1_i64.to_le_bytes()]),
        ),
        (
            "'<u8'",
            "(2, 1)",
            two(&[&5_u64.to_le_bytes(), &1_u64.to_le_bytes()]),
        ),
    ] {
        let (_folder, path) = labelled(kind, shape, &values);
        let dataset = load_path(&path).expect("labels");
        assert_eq!(
            dataset.train.labels.as_deref(),
            Some(&[7, 0, 255][..]),
            "{kind}"
        );
        assert_eq!(dataset.test.labels.as_deref(), Some(&[5, 1][..]), "{kind}");
    }
}

#[test]
fn labels_that_are_none_are_refused_with_a_way_to_leave_them_out() {
    let half = [0.5_f32, 1.0].map(f32::to_le_bytes).concat();
    for (kind, shape, values, words) in [
        ("'|u1'", "(3,)", vec![0; 3], "expected 2 labels"),
        ("'|u1'", "(2, 3)", vec![0, 0, 1, 1, 0, 1], "argmax"),
        (
            "'|u1'",
            "(2, 3)",
            vec![0, 0, 0, 1, 0, 0],
            "a row with a single 1",
        ),
        ("'<f4'", "(2,)", half, "got 0.5 for image 0"),
        ("'|i1'", "(2,)", vec![1, 0xff], "got -1 for image 1"),
        (
            "'<u8'",
            "(2,)",
            vec![0xff; 16],
            "got 18446744073709551615 for image 0",
        ),
        ("'<i4'", "(2,)", vec![0; 7], "7 bytes follow"),
        ("'|O'", "(2,)", vec![0; 16], "y.astype(str)"),
        ("'<U1'", "(2,)", vec![0xff; 8], "bytes that are none"),
    ] {
        let (_folder, path) = labelled(kind, shape, &values);
        assert_says(&error_of(&path), &["array `y_test`", words]);
        let without = with_arrays("test-labels=none");
        let dataset = load_with(&path, &without).expect("images without labels");
        assert_eq!(dataset.test.labels, None);
        assert_eq!(dataset.train.labels, Some(vec![7, 0, 255]));
    }
}

fn with_arrays(text: &str) -> DataOptions {
    DataOptions {
        source: SourceOptions {
            arrays: text.parse::<Arrays>().expect("arrays"),
            ..SourceOptions::default()
        },
        ..DataOptions::default()
    }
}

/// UTF-32, padded to `len` characters, as NumPy has text.
fn text(names: &[&str], len: usize) -> Vec<u8> {
    let padded = names.iter().flat_map(|name| {
        let characters = name.chars().map(u32::from);
        characters.chain(std::iter::repeat(0)).take(len)
    });
    padded.flat_map(u32::to_le_bytes).collect()
}

#[test]
fn labels_of_text_are_classes_by_their_names_over_all_splits() {
    let images = |count| npy("'|u1'", false, &format!("({count}, 1)"), &vec![1; count]);
    let arrays = [
        ("x_train", images(3)),
        ("x_test", images(2)),
        (
            "y_train",
            npy("'<U5'", false, "(3,)", &text(&["dog", "cat", "dog"], 5)),
        ),
        ("y_test", npy("'|S4'", false, "(2,)", b"cat\0\xc3\xa4h\0")),
    ];
    let (_folder, path) = file("x.npz", &npz(&arrays, true));
    let dataset = load_path(&path).expect("labels");
    assert_eq!(dataset.classes, ["cat", "dog", "äh"]);
    assert_eq!(dataset.train.labels, Some(vec![1, 0, 1]));
    assert_eq!(dataset.test.labels, Some(vec![0, 2]));
    let mixed = [
        arrays[0].clone(),
        arrays[1].clone(),
        arrays[2].clone(),
        ("y_test", npy("'|u1'", false, "(2,)", &[0, 1])),
    ];
    let (_folder, path) = file("x.npz", &npz(&mixed, true));
    assert_says(&error_of(&path), &["labels of one kind"]);
}

/// What loading an archive of these arrays of bytes, `[count, 1]`, gives and says.
fn load_arrays(
    arrays: &[(&str, usize)],
    options: &DataOptions,
) -> (elbo::Result<elbo::data::Dataset>, Vec<String>) {
    let arrays: Vec<_> = arrays
        .iter()
        .map(|&(name, count)| {
            let shape = format!("({count}, 1)");
            (name, npy("'|u1'", false, &shape, &vec![count as u8; count]))
        })
        .collect();
    let (_folder, path) = file("x.npz", &npz(&arrays, true));
    let mut notes = Vec::new();
    let dataset = load_stored(&path.to_string_lossy(), options, &mut |news| {
        if let Progress::Note(note) = news {
            notes.push(note.to_owned());
        }
    });
    (dataset, notes)
}

#[test]
fn an_option_names_the_arrays() {
    let arrays = [("images", 9), ("x_val", 4), ("z", 2)];
    let (dataset, notes) = load_arrays(&arrays, &with_arrays("train=images,test=x_val"));
    let dataset = dataset.expect("arrays");
    assert_eq!((dataset.train.len(), dataset.test.len()), (9, 4));
    assert_eq!(
        notes,
        ["`z` is left out: `array = …` says which array is what"]
    );
    let (dataset, _) = load_arrays(&arrays, &with_arrays("images"));
    let dataset = dataset.expect("one array, split");
    assert_eq!((dataset.train.len(), dataset.test.len()), (8, 1));
    let (missing, _) = load_arrays(&arrays, &with_arrays("train=image"));
    let message = missing.expect_err("no such array").to_string();
    assert_says(
        &message,
        &[
            "no array `image`",
            "images [9, 1] of `|u1`",
            "x_val",
            "`array = train=images",
        ],
    );
    let (unclear, _) = load_arrays(&arrays, &DataOptions::default());
    let message = unclear.expect_err("no usual names").to_string();
    assert_says(&message, &["`array = train=images,test=x_val`"]);
    let (_folder, path) = file("x.npy", &npy("'|u1'", false, "(2, 1)", &[1; 2]));
    assert_says(
        &error_with(&path, &with_arrays("images")),
        &["`array = train=images", "one array"],
    );
}

#[test]
fn a_third_split_is_left_out_aloud_unless_it_is_asked_for() {
    let arrays = [("x_test", 2), ("x_train", 9), ("x_val", 4)];
    let (dataset, notes) = load_arrays(&arrays, &DataOptions::default());
    let dataset = dataset.expect("arrays");
    assert_eq!((dataset.train.len(), dataset.test.len()), (9, 2));
    assert!(dataset.val.is_none());
    assert_eq!(
        notes,
        ["`x_val` is left out; `split = val` of the commands on a run looks at it"]
    );
    let asked = DataOptions {
        val: true,
        ..DataOptions::default()
    };
    let (dataset, notes) = load_arrays(&arrays, &asked);
    let val = dataset.expect("arrays").val.expect("a third split");
    assert_eq!(bytes_of(&val), [4; 4]);
    assert_eq!(notes, [""; 0]);
    for name in ["val", "x_valid", "validation"] {
        let (dataset, notes) = load_arrays(&[("train", 9), (name, 4)], &DataOptions::default());
        assert_eq!(dataset.expect("two splits").test.len(), 4, "{name}");
        assert_eq!(
            notes,
            [format!("`{name}` is the test split: there is no other")]
        );
    }
}

#[test]
fn splits_of_other_types_are_refused() {
    let arrays = [
        ("x_train", npy("'|u1'", false, "(2, 1)", &[1; 2])),
        ("x_test", npy("'<f4'", false, "(2, 1)", &[0; 8])),
    ];
    let (_folder, path) = file("x.npz", &npz(&arrays, true));
    let words = ["bytes in `x_train` and float32 in `x_test`", "try: "];
    assert_says(&error_of(&path), &words);
    // Floats of two widths mean the same.
    let doubles = npy("'<f8'", false, "(2, 1)", &[0; 16]);
    let arrays = [("x_train", doubles), arrays[1].clone()];
    let (_folder, path) = file("x.npz", &npz(&arrays, true));
    load_path(&path).expect("floats");
}

#[test]
fn labels_beside_a_single_array_go_with_its_images() {
    let values: Vec<u8> = (0..20).collect();
    let image_array = npy("'|u1'", false, "(20, 1)", &values);
    let labels: Vec<u8> = values.iter().map(|value| 100 + value).collect();
    let label_array = npy("'|u1'", false, "(20,)", &labels);
    let arrays = [("faces", image_array), ("y", label_array.clone())];
    let (_folder, path) = file("x.npz", &npz(&arrays, false));
    let dataset = load_path(&path).expect("labels");
    for images in [&dataset.train, &dataset.test] {
        let expected = bytes_of(images).iter().map(|&value| 100 + u32::from(value));
        assert_eq!(images.labels, Some(expected.collect()));
    }
    let without = load_with(&path, &with_arrays("labels=none")).expect("images");
    assert_eq!(without.test.labels, None);
    // A single array is the images, whatever its name.
    let (_folder, path) = file("y.npz", &npz(&[("y", label_array)], false));
    assert_says(&error_of(&path), &["shape [20]"]);
}
