//! NumPy's files.

use std::path::PathBuf;
use std::sync::Arc;

use elbo::data::{Axes, DataOptions, Images, SourceOptions, Stored, Values};
use elbo::shape::ImageShape;
use tempfile::TempDir;

use crate::formats::{floats, npy, npz, write};
use crate::support::{
    assert_says, bytes_of, error_of, error_with, load_path, load_with, values_of,
};

pub(crate) fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
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
            assert_eq!(*values_of(&dataset.train), Values::Floats(vec![0.5, -2.0]));
            assert_eq!(*values_of(&dataset.test), Values::Floats(vec![3.0]));
            let range = dataset.train.value_range();
            assert_eq!(range.expect("in memory"), (-2.0, 0.5));
            let image = dataset.train.image_f32(1);
            assert_eq!(image.expect("in memory"), [-2.0]);
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
    let list = "got 2: a [4, 1] of `|u1`, b [4, 1] of `|u1`";
    assert_says(
        &message,
        &["`train` and `test`", list, "`array = train=a,test=b`"],
    );
}

#[test]
fn every_type_of_numbers_is_read_as_it_is_stored() {
    let whole = |signed, bits| Stored::Integer { signed, bits };
    let bytes = |numbers: [i64; 4], width: usize, big: bool| -> Vec<u8> {
        let number = |number: i64| match big {
            true => number.to_be_bytes()[8 - width..].to_vec(),
            false => number.to_le_bytes()[..width].to_vec(),
        };
        numbers.into_iter().flat_map(number).collect()
    };
    for (descr, width, stored) in [
        ("'<u2'", 2, whole(false, 16)),
        ("'>i2'", 2, whole(true, 16)),
        ("'<i4'", 4, whole(true, 32)),
        ("'>u4'", 4, whole(false, 32)),
        ("'>i8'", 8, whole(true, 64)),
        ("'<u8'", 8, whole(false, 64)),
    ] {
        let values = bytes([0, 255, 4095, 7], width, descr.contains('>'));
        let images = whole_of(&npy(descr, false, "(2, 2)", &values));
        assert_eq!(
            *values_of(&images),
            Values::Floats(vec![0.0, 255.0, 4095.0, 7.0]),
            "{descr}"
        );
        assert_eq!(images.stored, stored, "{descr}");
    }
    let doubles = [0.5_f64, -1e30, 0.1, 2.0].map(f64::to_be_bytes).concat();
    let images = whole_of(&npy("'>f8'", false, "(2, 2)", &doubles));
    assert_eq!(
        *values_of(&images),
        Values::Floats(vec![0.5, -1e30, 0.1, 2.0])
    );
    assert_eq!(images.stored, Stored::Float { bits: 64 });
    // Half: 1.0 is 0x3c00.
    let images = whole_of(&npy("'<f2'", false, "(2, 1)", &[0, 0x3c, 0, 0xbc]));
    assert_eq!(*values_of(&images), Values::Floats(vec![1.0, -1.0]));
    let images = whole_of(&npy("'|b1'", false, "(2, 2)", &[0, 1, 1, 0]));
    assert_eq!(*values_of(&images), Values::Bytes(vec![0, 1, 1, 0]));
    assert_eq!(images.stored, Stored::Bool);
}

/// All images of an array, in their order.
fn whole_of(bytes: &[u8]) -> Images {
    let options = DataOptions {
        whole: true,
        ..DataOptions::default()
    };
    let (_folder, path) = file("x.npy", bytes);
    Arc::unwrap_or_clone(load_with(&path, &options).expect("a good array").test)
}

#[test]
fn numbers_that_float32_would_change_are_refused_with_their_place() {
    let large = [0_i64, 1, 2, 1_700_000_001].map(i64::to_le_bytes).concat();
    let huge = [0.0, 1.0, 1e300, 2.0].map(f64::to_le_bytes).concat();
    for (descr, fortran, values, words) in [
        ("'<i8'", false, &large, "got 1700000001 in image 1, value 1"),
        ("'<f8'", false, &huge, "got 1e300 in image 1, value 0"),
        // In Fortran order the third number is that of the first row and second column.
        ("'<f8'", true, &huge, "got 1e300 in image 0, value 1"),
        (
            "'|b1'",
            false,
            &vec![0, 1, 7, 0],
            "the byte 7 in image 1, value 0",
        ),
    ] {
        let message = error_of_bytes("x.npy", &npy(descr, fortran, "(2, 2)", values));
        assert_says(&message, &[words, "the array: expected", "try: "]);
    }
}

#[test]
fn arrays_without_numbers_get_a_hint_that_works() {
    for (descr, words) in [
        ("'|O'", "np.stack(images)"),
        ("'<U3'", "numbers written as text"),
        ("'|S9'", "numbers written as text"),
        ("'<c16'", "x.imag"),
        ("[('a', '<f4'), ('b', '<f4')]", "structured_to_unstructured"),
    ] {
        let message = error_of_bytes("x.npy", &npy(descr, false, "(2, 1)", &[0; 16]));
        assert_says(&message, &["expected numbers, got", words]);
    }
}

#[test]
fn fortran_order_is_read_as_the_same_array() {
    // x[image, row, column] = 6 image + 3 row + column
    let c: Vec<u8> = (0..12).collect();
    let fortran: Vec<u8> = (0..3)
        .flat_map(|k| (0..2).flat_map(move |j| (0..2).map(move |i| 6 * i + 3 * j + k)))
        .collect();
    let images = whole_of(&npy("'|u1'", true, "(2, 2, 3)", &fortran));
    assert_eq!(*values_of(&images), Values::Bytes(c.clone()));
    assert_eq!(images.shape, ImageShape::new(2, 3, 1));
    let floats_of = |bytes: &[u8]| bytes.iter().map(|&b| f32::from(b)).collect::<Vec<_>>();
    let images = whole_of(&npy(
        "'<f4'",
        true,
        "(2, 2, 3)",
        &floats(&floats_of(&fortran)),
    ));
    assert_eq!(*values_of(&images), Values::Floats(floats_of(&c)));
}

#[test]
fn channels_first_are_refused_or_turned_as_the_option_says() {
    // Two images of two channels, 3×3.
    let values: Vec<u8> = (0..36).collect();
    let array = npy("'|u1'", false, "(2, 2, 3, 3)", &values);
    let (_folder, path) = file("x.npy", &array);
    assert_says(
        &error_of(&path),
        &["[_, 2, 3, 3]", "`axes = nchw`", "`axes = nhwc`"],
    );
    let with = |axes| DataOptions {
        source: SourceOptions {
            axes: Some(axes),
            ..SourceOptions::default()
        },
        whole: true,
        ..DataOptions::default()
    };
    let turned = load_with(&path, &with(Axes::Nchw)).expect("images").test;
    assert_eq!(turned.shape, ImageShape::new(3, 3, 2));
    assert_eq!(bytes_of(&turned)[..4], [0, 9, 1, 10]);
    assert_eq!(bytes_of(&turned)[18..22], [18, 27, 19, 28]);
    let kept = load_with(&path, &with(Axes::Nhwc)).expect("images").test;
    assert_eq!(kept.shape, ImageShape::new(2, 3, 3));
    assert_eq!(bytes_of(&kept), values);
    // The place of a NaN is that in the file.
    let mut floats = [0.0_f32; 36];
    floats[18 + 9] = f32::NAN;
    let bytes = floats
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect::<Vec<_>>();
    let (_folder, path) = file("x.npy", &npy("'<f4'", false, "(2, 2, 3, 3)", &bytes));
    assert_says(&error_with(&path, &with(Axes::Nchw)), &["image 1, value 9"]);
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
    for (descr, width) in TYPES {
        for fortran in [false, true] {
            refuse_every_beginning("x.npy", &npy(descr, fortran, "(2, 3)", &vec![0; 6 * width]));
        }
    }
}

/// Each type with its width, in one order of bytes or the other.
const TYPES: [(&str, usize); 14] = [
    ("'|u1'", 1),
    ("'|b1'", 1),
    ("'|i1'", 1),
    ("'<u2'", 2),
    ("'>i2'", 2),
    ("'>u4'", 4),
    ("'<i4'", 4),
    ("'<u8'", 8),
    ("'>i8'", 8),
    ("'<f2'", 2),
    ("'>f2'", 2),
    ("'>f4'", 4),
    ("'<f8'", 8),
    ("'>f8'", 8),
];

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
    for (descr, width) in TYPES {
        for fortran in [false, true] {
            let array = npy(descr, fortran, "(2, 1)", &vec![0; 2 * width + 1]);
            let follow = format!("but {} bytes follow", 2 * width + 1);
            assert_says(&error_of_bytes("x.npy", &array), &["shape [2, 1]", &follow]);
        }
    }
}

#[test]
fn false_sizes_are_refused_without_allocating() {
    for shape in [
        "(4000000000, 4000000000)",
        "(18446744073709551615, 2)",
        "(1000000000, 784)",
    ] {
        for (descr, fortran) in [("'|u1'", false), ("'<f4'", true), ("'>f8'", false)] {
            let array = npy(descr, fortran, shape, &[1; 8]);
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
        &error_of_bytes("x.txt", b"1,2"),
        &["expected a .npy, .npz, .csv, .tsv, .csv.gz or .tsv.gz file, or a folder"],
    );
}
