//! NumPy's files.

use std::path::{Path, PathBuf};

use elbo::data::{DataOptions, Values};
use elbo::shape::ImageShape;
use tempfile::TempDir;

use crate::formats::{floats, npy, npz, write};
use crate::support::{assert_says, bytes_of, error_of, error_with, load_path, load_with};

fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join(name);
    write(&path, bytes);
    (folder, path)
}

fn error_of_bytes(name: &str, bytes: &[u8]) -> String {
    let (_folder, path) = file(name, bytes);
    error_of(&path)
}

#[test]
fn npy_is_split_by_the_seed_and_keeps_every_image() {
    let (_folder, path) = file(
        "faces.npy",
        &npy("'|u1'", false, "(20, 1)", &(0..20).collect::<Vec<u8>>()),
    );
    let split = |seed| {
        let options = DataOptions {
            seed,
            ..DataOptions::default()
        };
        load_with(&path, &options).expect("a good array")
    };
    let dataset = split(0);
    assert_eq!(dataset.name, "faces");
    assert_eq!((dataset.train.len(), dataset.test.len()), (18, 2));
    let mut all = [bytes_of(&dataset.train), bytes_of(&dataset.test)].concat();
    all.sort_unstable();
    assert_eq!(all, (0..20).collect::<Vec<u8>>());
    assert_eq!(bytes_of(&split(0).test), bytes_of(&dataset.test));
    assert!((1..9).any(|seed| bytes_of(&split(seed).test) != bytes_of(&dataset.test)));
}

#[test]
fn an_array_left_whole_is_the_test_split_in_its_own_order() {
    let options = DataOptions {
        whole: true,
        ..DataOptions::default()
    };
    for (shape, count) in [("(1, 1)", 1), ("(20, 1)", 20)] {
        let values: Vec<u8> = (0..count).collect();
        let (_folder, path) = file("x.npy", &npy("'|u1'", false, shape, &values));
        let dataset = load_with(&path, &options).expect("a good array");
        assert_eq!(dataset.train.len(), 0);
        assert_eq!(bytes_of(&dataset.test), values);
    }
}

#[test]
fn rows_may_be_longer_than_a_pictures_side() {
    let (_folder, path) = file("x.npy", &npy("'|u1'", false, "(2, 20000)", &[1; 40_000]));
    let options = DataOptions {
        image_size: Some((1, 20_000)),
        ..DataOptions::default()
    };
    let dataset = load_with(&path, &options).expect("a good array");
    assert_eq!(dataset.train.shape, ImageShape::new(1, 20_000, 1));
}

#[test]
fn array_shapes_become_image_shapes() {
    let shapes = [
        ("(2, 12)", ImageShape::new(1, 12, 1)),
        ("(2, 3, 4)", ImageShape::new(3, 4, 1)),
        ("(2, 2, 2, 3)", ImageShape::new(2, 2, 3)),
    ];
    for (shape, expected) in shapes {
        let (_folder, path) = file("x.npy", &npy("'|u1'", false, shape, &[1; 24]));
        assert_eq!(load_path(&path).expect(shape).train.shape, expected);
    }
    let (_folder, path) = file("x.npy", &npy("'|u1'", false, "(24,)", &[1; 24]));
    assert_says(
        &error_of(&path),
        &["[images, values]", "got shape [24]", "reshape"],
    );
}

#[test]
fn rows_take_the_image_size_that_is_asked_for() {
    let (_folder, path) = file("x.npy", &npy("'|u1'", false, "(2, 12)", &[1; 24]));
    let mut options = DataOptions {
        image_size: Some((3, 4)),
        ..DataOptions::default()
    };
    let dataset = load_with(&path, &options).expect("12 = 3×4");
    assert_eq!(dataset.train.shape, ImageShape::new(3, 4, 1));
    options.image_size = Some((4, 4));
    assert_says(&error_with(&path, &options), &["4×4×1 = 16", "got 12"]);
}

#[test]
fn npz_brings_its_own_splits() {
    let train = npy("'<f4'", false, "(2, 1)", &floats(&[0.5, -2.0]));
    let test = npy("'<f4'", false, "(1, 1)", &floats(&[3.0]));
    for names in [["train", "test"], ["x_train", "x_test"]] {
        for compressed in [false, true] {
            let arrays = [(names[0], train.clone()), (names[1], test.clone())];
            let (_folder, path) = file("x.npz", &npz(&arrays, compressed));
            let dataset = load_path(&path).expect("a good archive");
            assert_eq!(dataset.train.values, Values::Floats(vec![0.5, -2.0]));
            assert_eq!(dataset.test.values, Values::Floats(vec![3.0]));
            assert_eq!(dataset.train.value_range(), (-2.0, 0.5));
            assert_eq!(dataset.train.image_f32(1), [-2.0]);
        }
    }
}

#[test]
fn npz_with_one_array_is_split_and_others_are_listed() {
    let array = npy("'|u1'", false, "(4, 1)", &[1, 2, 3, 4]);
    let (_folder, path) = file("x.npz", &npz(&[("images", array.clone())], true));
    assert_eq!(load_path(&path).expect("one array").train.len(), 3);
    let arrays = npz(&[("a", array.clone()), ("b", array)], false);
    let message = error_of_bytes("x.npz", &arrays);
    assert_says(
        &message,
        &["`train` and `test`", "got 2: a, b", "np.savez("],
    );
}

#[test]
fn other_types_say_how_to_convert() {
    for descr in ["'<f8'", "'<i8'", "'>f4'", "'|b1'", "[('a', '<f4')]"] {
        let message = error_of_bytes("x.npy", &npy(descr, false, "(2, 1)", &[0; 16]));
        assert_says(
            &message,
            &["expected u8 or little-endian f32", "x.astype(np.float32)"],
        );
    }
}

#[test]
fn fortran_order_says_how_to_convert() {
    let message = error_of_bytes("x.npy", &npy("'|u1'", true, "(2, 2)", &[0; 4]));
    assert_says(&message, &["got Fortran order", "np.ascontiguousarray(x)"]);
}

#[test]
fn non_finite_value_is_named_by_its_index() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let values = floats(&[0.0, 1.0, 2.0, 3.0, 4.0, bad]);
        let message = error_of_bytes("x.npy", &npy("'<f4'", false, "(3, 2)", &values));
        assert_says(&message, &["image 2, value 1", "np.nan_to_num"]);
    }
}

/// Loads every beginning of a file; only the whole may be accepted, and nothing may panic.
fn refuse_every_beginning(name: &str, whole: &[u8]) {
    let (_folder, path) = file(name, whole);
    load_path(&path).expect("the whole file");
    for length in 0..whole.len() {
        write(&path, &whole[..length]);
        assert_says(&error_of(&path), &[name, "try: "]);
    }
}

#[test]
fn truncated_npy_is_refused_at_every_length() {
    refuse_every_beginning("x.npy", &npy("'|u1'", false, "(2, 3)", &[1; 6]));
    refuse_every_beginning("x.npy", &npy("'<f4'", false, "(2, 3)", &floats(&[1.0; 6])));
}

#[test]
fn truncated_npz_is_refused_at_every_length() {
    let array = npy("'<f4'", false, "(2, 3)", &floats(&[1.0; 6]));
    for compressed in [false, true] {
        refuse_every_beginning("x.npz", &npz(&[("images", array.clone())], compressed));
    }
}

#[test]
fn damaged_npz_never_panics() {
    let array = npy("'<f4'", false, "(2, 3)", &floats(&[1.0; 6]));
    for compressed in [false, true] {
        let whole = npz(&[("images", array.clone())], compressed);
        let (_folder, path) = file("x.npz", &whole);
        for at in 0..whole.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                write(&path, &bytes);
                // Some bytes, such as the date, mean nothing: what counts is to come back.
                let _ = load_path(&path);
            }
        }
    }
}

#[test]
fn trailing_bytes_of_npy_are_refused() {
    let message = error_of_bytes("x.npy", &npy("'|u1'", false, "(2, 1)", &[1, 2, 3]));
    assert_says(&message, &["shape [2, 1]", "but 3 bytes follow"]);
}

#[test]
fn false_sizes_are_refused_without_allocating() {
    for shape in [
        "(4000000000, 4000000000)",
        "(18446744073709551615, 2)",
        "(1000000000, 784)",
    ] {
        for descr in ["'|u1'", "'<f4'"] {
            let array = npy(descr, false, shape, &[1; 8]);
            assert_says(
                &error_of_bytes("x.npy", &array),
                &["its header promises shape"],
            );
            let archive = npz(&[("images", array)], true);
            assert_says(&error_of_bytes("x.npz", &archive), &["array `images`"]);
        }
    }
    let message = error_of_bytes("x.npy", &npy("'|u1'", false, "(2, -1)", &[1, 2]));
    assert_says(&message, &["holds `-1`, expected a number"]);
    // Version 2 headers have 32 bits for their own length.
    let message = error_of_bytes("x.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff{");
    assert_says(&message, &["header of at most 65536 bytes"]);
}

#[test]
fn archive_that_claims_an_impossible_ratio_is_refused() {
    let array = npy("'|u1'", false, "(2, 1)", &[1, 2]);
    let mut archive = npz(&[("images", array.clone())], true);
    let directory = archive
        .windows(4)
        .position(|at| at == b"PK\x01\x02")
        .expect("directory");
    archive[directory + 24..directory + 28].copy_from_slice(&u32::MAX.to_le_bytes());
    // 0xffffffff stands for a zip64 field, which is missing; one less is a size.
    archive[directory + 24] = 0xfe;
    let message = error_of_bytes("x.npz", &archive);
    assert_says(&message, &["claims to unpack to 4294967294 bytes"]);
}

#[test]
fn single_image_cannot_be_split() {
    let message = error_of_bytes("x.npy", &npy("'|u1'", false, "(1, 4)", &[1; 4]));
    assert_says(&message, &["at least 2 images", "got 1"]);
}

#[test]
fn empty_splits_are_refused() {
    let full = npy("'|u1'", false, "(1, 4)", &[1; 4]);
    let empty = npy("'|u1'", false, "(0, 4)", &[]);
    let message = error_of_bytes("x.npz", &npz(&[("train", full), ("test", empty)], false));
    assert_says(&message, &["expected test images, got none"]);
}

#[test]
fn other_files_are_refused_by_extension() {
    assert_says(
        &error_of_bytes("x.csv", b"1,2"),
        &["expected a .npy or .npz file, or a folder"],
    );
    assert_says(&error_of(Path::new(file!())), &["expected a .npy or .npz"]);
}

fn with_labels(options: DataOptions) -> DataOptions {
    DataOptions {
        labels: true,
        ..options
    }
}

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
fn labels_of_every_whole_type_are_read_where_they_are_asked_for() {
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
        let dataset = load_with(&path, &with_labels(DataOptions::default())).expect("labels");
        assert_eq!(
            dataset.train.labels.as_deref(),
            Some(&[7, 0, 255][..]),
            "{kind}"
        );
        assert_eq!(dataset.test.labels.as_deref(), Some(&[5, 1][..]), "{kind}");
        let without = load_path(&path).expect("images");
        assert_eq!((without.train.labels, without.test.labels), (None, None));
    }
}

#[test]
fn labels_that_are_none_are_refused_only_where_they_are_asked_for() {
    for (kind, shape, values, words) in [
        ("'|u1'", "(3,)", vec![0; 3], "expected 2 labels"),
        ("'|u1'", "(2, 3)", vec![0; 6], "argmax"),
        ("'<f4'", "(2,)", vec![0; 8], "astype(np.int64)"),
        ("'|i1'", "(2,)", vec![1, 0xff], "got -1 for image 1"),
        (
            "'<u8'",
            "(2,)",
            vec![0xff; 16],
            "got 18446744073709551615 for image 0",
        ),
        ("'<i4'", "(2,)", vec![0; 7], "7 bytes follow"),
    ] {
        let (_folder, path) = labelled(kind, shape, &values);
        let message = error_with(&path, &with_labels(DataOptions::default()));
        assert_says(&message, &["array `y_test`", words]);
        load_path(&path).expect("images without labels");
    }
}

#[test]
fn labels_beside_a_single_array_go_with_its_images() {
    let values: Vec<u8> = (0..20).collect();
    let image_array = npy("'|u1'", false, "(20, 1)", &values);
    let labels: Vec<u8> = values.iter().map(|value| 100 + value).collect();
    let label_array = npy("'|u1'", false, "(20,)", &labels);
    let arrays = [("faces", image_array), ("y", label_array.clone())];
    let (_folder, path) = file("x.npz", &npz(&arrays, false));
    let dataset = load_with(&path, &with_labels(DataOptions::default())).expect("labels");
    for images in [&dataset.train, &dataset.test] {
        let expected = bytes_of(images).iter().map(|&value| 100 + u32::from(value));
        assert_eq!(images.labels, Some(expected.collect()));
    }
    assert_eq!(load_path(&path).expect("images").test.labels, None);
    // A single array is the images, whatever its name.
    let (_folder, path) = file("y.npz", &npz(&[("y", label_array)], false));
    let dataset = load_with(&path, &with_labels(DataOptions::default()));
    assert_eq!(
        dataset
            .err()
            .map(|error| error.to_string().contains("shape [20]")),
        Some(true)
    );
}
