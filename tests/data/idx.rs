//! Folders of IDX files.

use std::fs;
use std::path::Path;

use elbo::data::{Expected, expect};
use elbo::shape::ImageShape;
use tempfile::TempDir;

use crate::formats::{gzip, idx, write};
use crate::support::{assert_says, bytes_of, error_of, load_path};

const IMAGES: u32 = 0x0803;
const LABELS: u32 = 0x0801;

/// Three training images and two test images of 2×3, with labels.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let train: Vec<u8> = (0..18).collect();
    let put = |name: &str, bytes: &[u8]| write(&folder.path().join(name), bytes);
    put("train-images-idx3-ubyte", &idx(IMAGES, &[3, 2, 3], &train));
    put("train-labels-idx1-ubyte", &idx(LABELS, &[3], &[5, 0, 9]));
    put("t10k-images-idx3-ubyte", &idx(IMAGES, &[2, 2, 3], &[7; 12]));
    put("t10k-labels-idx1-ubyte", &idx(LABELS, &[2], &[1, 2]));
    folder
}

/// The message where the training images are `bytes`.
fn error_of_images(folder: &Path, bytes: &[u8]) -> String {
    write(&folder.join("train-images-idx3-ubyte"), bytes);
    error_of(folder)
}

#[test]
fn idx_folder_gives_values_shape_and_labels() {
    let folder = folder();
    let dataset = load_path(folder.path()).expect("a good folder");
    assert_eq!(dataset.train.shape, ImageShape::new(2, 3, 1));
    assert_eq!(bytes_of(&dataset.train), (0..18).collect::<Vec<u8>>());
    assert_eq!(dataset.train.labels.as_deref(), Some(&[5, 0, 9][..]));
    assert_eq!(bytes_of(&dataset.test), [7; 12]);
    assert_eq!(dataset.test.labels.as_deref(), Some(&[1, 2][..]));
}

#[test]
fn gz_dotted_names_and_missing_labels_are_accepted() {
    let folder = tempfile::tempdir().expect("folder");
    let images = idx(IMAGES, &[2, 1, 1], &[1, 2]);
    write(
        &folder.path().join("train-images.idx3-ubyte.gz"),
        &gzip(&images),
    );
    write(&folder.path().join("t10k-images.idx3-ubyte"), &images);
    let dataset = load_path(folder.path()).expect("a good folder");
    assert_eq!(bytes_of(&dataset.train), [1, 2]);
    assert_eq!(dataset.train.labels, None);
}

#[test]
fn what_is_expected_of_a_folder_is_what_it_gives() {
    let folder = folder();
    let path = folder.path().join("train-images-idx3-ubyte");
    let source = folder.path().to_str().expect("a name in Unicode");
    let expected = Some(Expected {
        images: 3,
        shape: ImageShape::new(2, 3, 1),
    });
    assert_eq!(expect(source), expected);
    let bytes = fs::read(&path).expect("images");
    write(&path, &gzip(&bytes));
    assert_eq!(expect(source), expected, "gzip");
    // A file that loading refuses is none of its business.
    for damaged in [&bytes[..10], &idx(LABELS, &[18], &[0; 18])] {
        write(&path, damaged);
        assert_eq!(expect(source), None);
    }
    assert_eq!(expect("no such folder"), None);
}

#[test]
fn gzip_is_known_by_content_not_by_name() {
    let folder = folder();
    let path = folder.path().join("train-images-idx3-ubyte");
    let bytes = fs::read(&path).expect("read");
    fs::remove_file(&path).expect("remove");
    write(&folder.path().join("train-images-idx3-ubyte.gz"), &bytes);
    assert_eq!(
        load_path(folder.path()).expect("plain bytes").train.len(),
        3
    );
}

#[test]
fn truncated_idx_is_refused_at_every_length() {
    let folder = folder();
    let whole = idx(IMAGES, &[3, 2, 3], &[1; 18]);
    for length in 0..whole.len() {
        let message = error_of_images(folder.path(), &whole[..length]);
        assert_says(
            &message,
            &["train-images-idx3-ubyte: ", "try: copy or download"],
        );
    }
    load_path_after(folder.path(), &whole);
}

#[test]
fn truncated_gz_is_refused_at_every_length() {
    let folder = folder();
    let whole = gzip(&idx(IMAGES, &[3, 2, 3], &[1; 18]));
    for length in 0..whole.len() {
        let message = error_of_images(folder.path(), &whole[..length]);
        assert_says(&message, &["train-images-idx3-ubyte: "]);
    }
    load_path_after(folder.path(), &whole);
}

/// The loop above proves nothing unless the whole file is accepted.
fn load_path_after(folder: &Path, whole: &[u8]) {
    write(&folder.join("train-images-idx3-ubyte"), whole);
    load_path(folder).expect("the whole file");
}

#[test]
fn truncated_labels_are_refused_at_every_length() {
    let folder = folder();
    let whole = idx(LABELS, &[3], &[5, 0, 9]);
    for length in 0..whole.len() {
        write(
            &folder.path().join("train-labels-idx1-ubyte"),
            &whole[..length],
        );
        assert_says(&error_of(folder.path()), &["train-labels-idx1-ubyte: "]);
    }
}

#[test]
fn damaged_gz_is_refused_by_its_checksum() {
    let folder = folder();
    let mut bytes = gzip(&idx(IMAGES, &[3, 2, 3], &[1; 18]));
    let checksum = bytes.len() - 8;
    bytes[checksum] ^= 1;
    let message = error_of_images(folder.path(), &bytes);
    assert_says(&message, &["its end is damaged"]);
}

#[test]
fn trailing_bytes_are_refused() {
    let folder = folder();
    let mut bytes = idx(IMAGES, &[3, 2, 3], &[1; 18]);
    let mut packed = gzip(&bytes);
    packed.push(0);
    let message = error_of_images(folder.path(), &packed);
    assert_says(&message, &["bytes follow the end of the gzip stream"]);
    bytes.push(0);
    for bytes in [bytes.clone(), gzip(&bytes)] {
        let message = error_of_images(folder.path(), &bytes);
        assert_says(
            &message,
            &["bytes follow the 3×2×3 = 18 that its header promises"],
        );
    }
}

#[test]
fn gzip_bomb_stops_at_the_size_in_the_header() {
    let folder = folder();
    // 64 MiB of zeros behind a header of one pixel.
    let mut bytes = idx(IMAGES, &[1, 1, 1], &[]);
    bytes.resize(64 << 20, 0);
    let message = error_of_images(folder.path(), &gzip(&bytes));
    assert_says(&message, &["bytes follow the 1×1×1 = 1"]);
}

#[test]
fn header_that_promises_too_much_is_refused_without_allocating() {
    let folder = folder();
    let message = error_of_images(folder.path(), &idx(IMAGES, &[u32::MAX; 3], &[1]));
    assert_says(&message, &["more than fit into memory"]);
    let message = error_of_images(folder.path(), &idx(IMAGES, &[60_000, 65_535, 65_535], &[1]));
    assert_says(&message, &["60000×65535×65535", "got 1"]);
    let message = error_of_images(folder.path(), &idx(IMAGES, &[0, 28, 28], &[]));
    assert_says(&message, &["0×28×28 values: none"]);
}

#[test]
fn wrong_magic_says_expected_and_got() {
    let folder = folder();
    let message = error_of_images(folder.path(), &idx(LABELS, &[3], &[5, 0, 9]));
    assert_says(
        &message,
        &["0x00000803", "got 0x00000801", "changed places"],
    );
}

#[test]
fn label_count_must_match() {
    let folder = folder();
    let labels = idx(LABELS, &[2], &[5, 0]);
    write(&folder.path().join("train-labels-idx1-ubyte"), &labels);
    let message = error_of(folder.path());
    assert_says(&message, &["expected 3 labels", "got 2", "optional"]);
}

#[test]
fn missing_split_is_named() {
    let folder = folder();
    fs::remove_file(folder.path().join("t10k-images-idx3-ubyte")).expect("remove");
    assert_says(
        &error_of(folder.path()),
        &["expected `t10k-images-idx3-ubyte`"],
    );
}

#[test]
fn splits_of_different_sizes_are_refused() {
    let folder = folder();
    let test = idx(IMAGES, &[2, 3, 2], &[7; 12]);
    write(&folder.path().join("t10k-images-idx3-ubyte"), &test);
    let message = error_of(folder.path());
    assert_says(
        &message,
        &["one size", "2×3×1 for training", "3×2×1 in the test split"],
    );
}
