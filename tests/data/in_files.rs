//! Images that stay in their files, and are read as they are wanted: the same as those in memory.

mod cache;

use std::fs::{self, OpenOptions};
use std::path::Path;

use elbo::data::{Axes, DataOptions, Dataset, Images, Scale, SourceOptions, Split, Values};
use elbo::number::Bytes;
use image::{DynamicImage, ImageBuffer, Luma, Rgba, RgbaImage};
use tempfile::TempDir;

use crate::formats::{gzip, idx, npy, write};
use crate::support::{assert_says, load_noted};

/// The same options, with room for nothing in memory.
fn without_room(options: &DataOptions) -> DataOptions {
    DataOptions {
        host_memory: Some(Bytes(1)),
        ..options.clone()
    }
}

/// Fails unless both are the same images.
fn assert_same(files: &Images, memory: &Images, what: &str) {
    assert!(files.are_in_files() && !memory.are_in_files(), "{what}");
    assert_eq!(files.len(), memory.len(), "{what}");
    assert_eq!(files.bytes(), memory.bytes(), "{what}");
    let read = |images: &Images, places: &[usize]| images.read(places).expect("images");
    let all = files.values().expect("images");
    assert_eq!(all, memory.values().expect("in memory"), "{what}");
    // Not in the order of the file, and some twice.
    let count = memory.len();
    for step in [1, 3, 5, 7] {
        let places: Vec<usize> = (0..2 * count)
            .map(|i| (i * step + 2) % count.max(1))
            .collect();
        assert_eq!(read(files, &places), read(memory, &places), "{what}");
    }
    let range = |images: &Images| images.value_range().expect("values");
    assert_eq!(range(files), range(memory), "{what}");
    assert_eq!(files.labels, memory.labels, "{what}");
    assert_eq!(files.names, memory.names, "{what}");
    assert_eq!(files.rows, memory.rows, "{what}");
    assert_eq!(files.stored, memory.stored, "{what}");
}

/// Fails unless the data are the same in memory and in their files.
fn assert_alike(path: &Path, options: &DataOptions) -> String {
    let what = format!("{} {options:?}", path.display());
    let (memory, _) = load_noted(path, options);
    let (files, notes) = load_noted(path, &without_room(options));
    let (memory, files) = (memory.expect("in memory"), files.expect("in files"));
    let words = [
        "the images stay in their files",
        "`host-memory = 1B` is given",
    ];
    assert_says(&notes, &words);
    for (files, memory) in files.splits().zip(memory.splits()) {
        assert_same(files, memory, &what);
    }
    assert_eq!(files.val.is_some(), memory.val.is_some(), "{what}");
    assert_eq!(files.look, memory.look, "{what}");
    let warnings = |dataset: &Dataset| dataset.look.as_ref().map(|look| look.warnings.clone());
    assert_eq!(warnings(&files), warnings(&memory), "{what}");
    assert_eq!(files.reading, memory.reading, "{what}");
    assert_eq!(files.classes, memory.classes, "{what}");
    assert_eq!(files.left_out, memory.left_out, "{what}");
    let hash = |dataset: &Dataset| dataset.fingerprint().expect("images");
    assert_eq!(hash(&files), hash(&memory), "{what}");
    let split = |dataset: &Dataset| dataset.fingerprint_as_split(options).expect("images");
    assert_eq!(split(&files), split(&memory), "{what}");
    for split in [Split::Test, Split::All] {
        let of = |dataset: &Dataset| {
            let images = split.of(dataset.clone()).expect("images").expect("a split");
            images.values().expect("in memory").into_owned()
        };
        assert_eq!(of(&files), of(&memory), "{what}");
    }
    notes
}

/// An array of 60 images of 2×3 of a type, whose values are `number` of their places.
fn array<const N: usize>(descr: &str, shape: &str, number: impl Fn(usize) -> [u8; N]) -> Vec<u8> {
    let values: Vec<u8> = (0..360).flat_map(number).collect();
    npy(descr, false, shape, &values)
}

fn arrays() -> Vec<(&'static str, Vec<u8>)> {
    let byte = |i: usize| [(i * 7 % 251) as u8];
    let real = |i: usize| i as f64 / 3.0 - 50.0;
    vec![
        ("bytes", array("'|u1'", "(60, 2, 3)", byte)),
        (
            "bits",
            array("'|u1'", "(60, 2, 3)", |i| [(i % 3 == 1).into()]),
        ),
        (
            "booleans",
            array("'|b1'", "(60, 2, 3)", |i| [(i % 5 == 1).into()]),
        ),
        (
            "wide bytes",
            array("'<i8'", "(60, 6)", |i| (i as i64 % 256).to_le_bytes()),
        ),
        (
            "16 bits",
            array("'>u2'", "(60, 2, 3)", |i| (150 * i as u16).to_be_bytes()),
        ),
        (
            "doubles",
            array("'<f8'", "(60, 6)", |i| real(i).to_le_bytes()),
        ),
        (
            "floats",
            array("'<f4'", "(60, 6)", |i| (real(i) as f32).to_le_bytes()),
        ),
        ("channels", array("'|u1'", "(60, 3, 1, 2)", byte)),
    ]
}

#[test]
fn arrays_in_files_are_what_they_are_in_memory() {
    let folder = tempfile::tempdir().expect("folder");
    for (name, bytes) in arrays() {
        let path = folder.path().join(format!("{name}.npy"));
        write(&path, &bytes);
        let axes = (name == "channels").then_some(Axes::Nchw);
        let plain = DataOptions {
            source: SourceOptions {
                axes,
                ..SourceOptions::default()
            },
            ..DataOptions::default()
        };
        assert_alike(&path, &plain);
        for options in [
            DataOptions {
                standardize: true,
                ..plain.clone()
            },
            DataOptions {
                scale: Some(Scale::Range),
                test_fraction: 0.5,
                ..plain.clone()
            },
            DataOptions {
                whole: true,
                ..plain.clone()
            },
        ] {
            assert_alike(&path, &options);
        }
    }
}

#[test]
fn idx_files_are_read_as_they_are_wanted_unless_they_are_packed() {
    let folder = tempfile::tempdir().expect("folder");
    let put = |name: &str, bytes: &[u8]| write(&folder.path().join(name), bytes);
    let train: Vec<u8> = (0..120).collect();
    put("train-images-idx3-ubyte", &idx(0x0803, &[20, 2, 3], &train));
    put(
        "t10k-images-idx3-ubyte",
        &idx(0x0803, &[4, 2, 3], &train[..24]),
    );
    put("t10k-labels-idx1-ubyte", &idx(0x0801, &[4], &[3, 1, 2, 0]));
    assert_alike(folder.path(), &DataOptions::default());
    put(
        "t10k-images-idx3-ubyte",
        &gzip(&idx(0x0803, &[4, 2, 3], &train[..24])),
    );
    let room = |bytes| DataOptions {
        host_memory: Some(Bytes(bytes)),
        ..DataOptions::default()
    };
    // There is room for the packed file, and not for both.
    let dataset = load_noted(folder.path(), &room(30)).0.expect("images");
    assert!(dataset.train.are_in_files() && !dataset.test.are_in_files());
    let plain = load_noted(folder.path(), &DataOptions::default()).0;
    let hash = |dataset: Dataset| dataset.fingerprint().expect("images");
    assert_eq!(hash(dataset), hash(plain.expect("images")));
    for (source, options) in [(folder.path(), room(20)), (Path::new("digits"), room(1000))] {
        let error = load_noted(source, &options).0.expect_err("no room");
        assert_eq!(error.exit_code(), 2);
        assert_says(
            &error.to_string(),
            &["`host-memory = ", "without .gz", "np.save"],
        );
    }
}

/// Pictures of two classes, two of them broken, one transparent.
fn pictures() -> TempDir {
    let folder = tempfile::tempdir().expect("folder");
    for i in 0..24_u8 {
        let path = folder
            .path()
            .join(format!("{}/{i:03}.png", if i % 2 == 0 { "a" } else { "b" }));
        fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
        let alpha = if i == 5 { 100 } else { 255 };
        let pixel = |x: u32, y: u32| Rgba([10 * i, x as u8, 90 * y as u8, alpha]);
        DynamicImage::ImageRgba8(RgbaImage::from_fn(5, 4, pixel))
            .save(&path)
            .expect("save");
    }
    write(&folder.path().join("a/002.png"), b"no picture");
    let cut = folder.path().join("b/007.png");
    let whole = fs::read(&cut).expect("read");
    write(&cut, &whole[..whole.len() - 20]);
    folder
}

fn skipping() -> DataOptions {
    DataOptions {
        test_fraction: 0.4,
        source: SourceOptions {
            skip_broken: true,
            ..SourceOptions::default()
        },
        ..DataOptions::default()
    }
}

#[test]
fn pictures_in_files_are_what_they_are_in_memory() {
    let folder = pictures();
    for (image_size, channels) in [(None, None), (Some((3, 2)), None), (None, Some(4))] {
        let options = DataOptions {
            image_size,
            channels,
            ..skipping()
        };
        let notes = assert_alike(folder.path(), &options);
        assert_says(
            &notes,
            &["left out 2 pictures of 24", "a/002.png, b/007.png"],
        );
        let all = DataOptions {
            whole: true,
            ..options
        };
        assert_alike(folder.path(), &all);
    }
    // Without that they are refused, in the same words.
    let error = |options: &DataOptions| {
        load_noted(folder.path(), options)
            .0
            .expect_err("broken")
            .to_string()
    };
    let plain = DataOptions::default();
    assert_eq!(error(&without_room(&plain)), error(&plain));
}

#[test]
fn pictures_of_16_bits_and_of_own_splits_are_read_as_they_are_wanted() {
    let folder = tempfile::tempdir().expect("folder");
    for (split, count) in [("train", 7), ("test", 3), ("val", 2)] {
        for i in 0..count {
            let path = folder.path().join(format!("{split}/{i}.png"));
            fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
            let pixel = |x: u32, y: u32| Luma([(900 * i + 300 * x + y) as u16]);
            DynamicImage::ImageLuma16(ImageBuffer::from_fn(3, 2, pixel))
                .save(&path)
                .expect("save");
        }
    }
    for val in [false, true] {
        let options = DataOptions {
            val,
            ..DataOptions::default()
        };
        assert_alike(folder.path(), &options);
    }
}

/// The message of reading all training images of a file that is `changed` after it was opened.
fn error_after(changed: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("x.npy");
    let (_, bytes) = arrays().swap_remove(0);
    write(&path, &bytes);
    let options = without_room(&DataOptions::default());
    let dataset = load_noted(&path, &options).0.expect("images");
    dataset.train.read(&[0, 5]).expect("as it was");
    changed(&path);
    let error = dataset.train.values().expect_err("changed");
    assert_eq!(error.exit_code(), 3);
    error.to_string()
}

#[test]
fn a_file_that_changes_while_it_is_read_is_refused() {
    let open = |path: &Path| OpenOptions::new().write(true).open(path).expect("the file");
    let shorter = error_after(|path| open(path).set_len(200).expect("cut"));
    let longer = error_after(|path| open(path).set_len(2000).expect("longer"));
    for message in [shorter, longer] {
        assert_says(&message, &["x.npy", "has changed since it was opened"]);
    }
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    let written = error_after(|path| open(path).set_modified(later).expect("a time"));
    assert_says(&written, &["x.npy", "has changed since it was opened"]);
}

#[test]
fn a_picture_that_vanishes_or_breaks_is_named() {
    let folder = pictures();
    let dataset = load_noted(folder.path(), &without_room(&skipping()))
        .0
        .expect("pictures");
    let names = dataset.train.names.clone().expect("names");
    let path = folder.path().join(&names[3]);
    let whole = fs::read(&path).expect("read");
    let error = |images: &[usize]| dataset.train.read(images).map(drop);
    error(&[1, 3]).expect("as it was");
    write(&path, &whole[..30]);
    assert_says(&error(&[1, 3]).expect_err("cut").to_string(), &[&names[3]]);
    // A whole picture, but another one.
    fs::copy(folder.path().join(&names[1]), &path).expect("a copy");
    let words = [&names[3][..], "its file has been written to"];
    assert_says(&error(&[1, 3]).expect_err("another").to_string(), &words);
    fs::remove_file(&path).expect("removed");
    assert_says(&error(&[1, 3]).expect_err("gone").to_string(), &[&names[3]]);
    error(&[1, 2]).expect("others");
}

#[test]
fn what_a_run_knows_its_images_by_is_known_before_it_begins() {
    let folder = tempfile::tempdir().expect("folder");
    for (name, bytes) in arrays() {
        let path = folder.path().join(format!("{name}.npy"));
        write(&path, &bytes);
        let options = DataOptions {
            source: SourceOptions {
                axes: (name == "channels").then_some(Axes::Nchw),
                ..SourceOptions::default()
            },
            ..DataOptions::default()
        };
        let memory = load_noted(&path, &options).0.expect("images");
        let files = load_noted(&path, &without_room(&options))
            .0
            .expect("images");
        // Otherwise a file that fails would take the checkpoint with it.
        write(&path, b"something else");
        assert_eq!(
            files.fingerprint().expect("known"),
            memory.fingerprint().expect("images"),
            "{name}"
        );
    }
}

#[test]
fn values_that_are_scaled_take_the_memory_of_floats() {
    let folder = pictures();
    let plain = skipping();
    let scaled = DataOptions {
        scale: Some(Scale::By(200.0)),
        ..plain.clone()
    };
    // 24 pictures of 60 values, of which 22 are kept.
    for (options, bytes, are_in_files) in [
        (&plain, 24 * 60, false),
        (&plain, 22 * 60 - 1, true),
        (&scaled, 4 * 22 * 60 - 1, true),
        (&scaled, 4 * 24 * 60, false),
    ] {
        let options = DataOptions {
            host_memory: Some(Bytes(bytes)),
            ..options.clone()
        };
        let dataset = load_noted(folder.path(), &options).0.expect("pictures");
        assert_eq!(dataset.train.are_in_files(), are_in_files, "{options:?}");
    }
}

#[test]
fn an_array_of_no_images_is_refused_whatever_their_size_is() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("x.npy");
    for shape in [
        "(0, 2147483648, 2147483648)",
        "(0, 3)",
        "(5, 0)",
        "(4, 0, 7)",
    ] {
        write(&path, &npy("'<f4'", false, shape, &[]));
        for whole in [false, true] {
            let options = DataOptions {
                whole,
                ..DataOptions::default()
            };
            let error = load_noted(&path, &options).0.expect_err("no images");
            assert_says(&error.to_string(), &["x.npy", "got "]);
        }
    }
}

#[test]
fn numbers_that_cannot_be_values_are_named_in_files_too() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("x.npy");
    let number = |i: usize| if i == 100 { f32::NAN } else { i as f32 };
    write(
        &path,
        &array("'<f4'", "(60, 6)", |i| number(i).to_le_bytes()),
    );
    for options in [
        DataOptions::default(),
        without_room(&DataOptions::default()),
    ] {
        let message = load_noted(&path, &options)
            .0
            .expect_err("a NaN")
            .to_string();
        assert_says(&message, &["got a NaN or an infinity in image 16, value 4"]);
    }
    write(
        &path,
        &array("'|b1'", "(60, 6)", |i| [if i == 7 { 2 } else { 1 }]),
    );
    for options in [
        DataOptions::default(),
        without_room(&DataOptions::default()),
    ] {
        let message = load_noted(&path, &options)
            .0
            .expect_err("no boolean")
            .to_string();
        assert_says(&message, &["got the byte 2 in image 1, value 1"]);
    }
}

/// Values of images, for comparisons.
fn values(images: &Images) -> Values {
    images.values().expect("images").into_owned()
}
