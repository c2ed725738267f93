//! Splits by the names of folders, and what is said of them.

use super::*;

/// A folder of 2×2 pictures with these names, each of the value of its place.
fn named(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("folder");
    for (value, name) in (1..).zip(names) {
        save(grey(2, 2, value), &folder.path().join(name));
    }
    folder
}

#[test]
fn a_third_split_is_said_and_left_out_or_read_by_the_option() {
    let folder = named(&[
        "train/a/1.png",
        "valid/a/2.png",
        "valid/b/3.png",
        "test/b/4.png",
    ]);
    let (dataset, notes) = load_noted(folder.path(), &DataOptions::default());
    let dataset = dataset.expect("pictures");
    assert_eq!(
        (bytes_of(&dataset.train), bytes_of(&dataset.test)),
        (&[1; 4][..], &[4; 4][..])
    );
    assert!(dataset.val.is_none());
    assert_says(&notes, &["left out", "`valid/`", "2 pictures"]);
    let asked = DataOptions {
        val: true,
        ..DataOptions::default()
    };
    let (dataset, notes) = load_noted(folder.path(), &asked);
    let dataset = dataset.expect("pictures");
    let val = dataset.val.expect("the third split");
    assert_eq!(bytes_of(&val), [2, 2, 2, 2, 3, 3, 3, 3]);
    assert_eq!(val.labels.as_deref(), Some(&[0, 1][..]));
    assert_eq!(
        val.names.expect("names"),
        ["valid/a/2.png", "valid/b/3.png"]
    );
    assert_eq!(notes, "");
}

#[test]
fn a_third_split_changes_neither_channels_nor_depth_of_the_others() {
    let folder = named(&["train/1.png", "test/2.png"]);
    let red = RgbImage::from_pixel(2, 2, Rgb([200, 0, 0]));
    save(red, &folder.path().join("val/3.png"));
    let wide = tempfile::tempdir().expect("folder");
    for (name, value) in [("train/1.png", 300), ("test/2.png", 40_000)] {
        let picture = image::ImageBuffer::from_pixel(2, 2, Luma([value]));
        save(DynamicImage::ImageLuma16(picture), &wide.path().join(name));
    }
    save(grey(2, 2, 255), &wide.path().join("val/3.png"));
    let asked = DataOptions {
        val: true,
        ..DataOptions::default()
    };
    let (mut greatest, mut stored) = (Vec::new(), Vec::new());
    for folder in [&folder, &wide] {
        let as_trained = load_path(folder.path()).expect("pictures");
        let dataset = load_with(folder.path(), &asked).expect("pictures");
        let fingerprint = |dataset: &Dataset| dataset.fingerprint().expect("in memory");
        assert_eq!(fingerprint(&dataset), fingerprint(&as_trained));
        let val = dataset.val.expect("the third split");
        assert_eq!(val.shape, as_trained.train.shape);
        assert_eq!(val.stored, as_trained.train.stored);
        greatest.push(val.value_range().expect("in memory").1);
        stored.push(val.stored);
    }
    assert_eq!(stored[0], elbo::data::Stored::BYTES);
    // Red as grey, by BT.709; white of 8 bits as white of 16.
    assert!((greatest[0] * 255.0 - 42.0).abs() < 2.0, "{greatest:?}");
    assert_eq!(greatest[1], 65535.0);
}

#[test]
fn validation_is_the_test_split_where_there_is_no_other_and_said() {
    for (train, val) in [
        ("train", "val"),
        ("Train", "Valid"),
        ("training", "validation"),
    ] {
        let folder = named(&[&format!("{train}/1.png"), &format!("{val}/2.png")]);
        let (dataset, notes) = load_noted(folder.path(), &DataOptions::default());
        let dataset = dataset.expect("pictures");
        assert_eq!(bytes_of(&dataset.train), [1; 4]);
        assert_eq!(bytes_of(&dataset.test), [2; 4]);
        assert!(dataset.classes.is_empty(), "{:?}", dataset.classes);
        assert_says(&notes, &[&format!("testing on `{val}/` (1 picture)")]);
    }
}

#[test]
fn a_folder_that_looks_like_a_split_is_no_class() {
    for (names, parts) in [
        (
            ["train/1.png", "cats/2.png"],
            ["`cats/` (1 picture)", "`test/` or `val/`"],
        ),
        (
            ["train/1.png", "holdout/2.png"],
            ["`holdout/` (1 picture)", "rename `holdout/`"],
        ),
        (
            ["test/1.png", "cats/2.png"],
            ["`train/` beside `test/`", "if it is a class"],
        ),
    ] {
        assert_says(&error_of(named(&names).path()), &parts);
    }
}

#[test]
fn files_that_are_no_pictures_are_counted_by_extension() {
    let folder = greys(3);
    for name in ["a.txt", "b.TXT", "c.heic", "README", ".hidden"] {
        write(&folder.path().join(name), b"something");
    }
    let (dataset, notes) = load_noted(folder.path(), &DataOptions::default());
    assert_eq!(dataset.expect("pictures").train.len(), 2);
    assert_says(
        &notes,
        &["skipped: 2 .txt, 1 .heic, 1 without extension (read: .png, "],
    );
    assert_eq!(notes.lines().count(), 1);
}

#[test]
fn pictures_keep_their_paths_below_the_folder_as_names() {
    let folder = named(&["b/x/2.png", "a/1.png"]);
    let dataset = load_with(folder.path(), &whole()).expect("pictures");
    assert_eq!(
        dataset.test.names.clone().expect("names"),
        ["a/1.png", "b/x/2.png"]
    );
}
