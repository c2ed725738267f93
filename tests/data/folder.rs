//! Folders of pictures.

mod alpha;
mod broken;
mod depth;
mod splits;
mod trials;
mod truncated;

use std::fs;
use std::path::Path;

use elbo::data::{DataOptions, Dataset, SourceOptions};
use elbo::shape::ImageShape;
use image::{DynamicImage, GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use tempfile::TempDir;

use crate::formats::write;
#[cfg(unix)]
use crate::skipped::skipped;
use crate::support::{
    assert_says, bytes_of, error_of, error_with, load_noted, load_path, load_with, values_of,
};

fn save(picture: impl Into<DynamicImage>, path: &Path) {
    fs::create_dir_all(path.parent().expect("a file in a folder")).expect("folder");
    picture.into().save(path).expect("save");
}

fn grey(width: u32, height: u32, value: u8) -> GrayImage {
    GrayImage::from_pixel(width, height, Luma([value]))
}

fn options(height: usize, width: usize) -> DataOptions {
    DataOptions {
        image_size: Some((height, width)),
        ..DataOptions::default()
    }
}

/// All pictures as the test split, in the order of their names.
fn whole() -> DataOptions {
    DataOptions {
        whole: true,
        ..DataOptions::default()
    }
}

/// A folder with `count` grey pictures of 4×3 (height×width), whose value is their number.
fn greys(count: u8) -> TempDir {
    let folder = tempfile::tempdir().expect("folder");
    for i in 0..count {
        save(grey(3, 4, i), &folder.path().join(format!("{i:03}.png")));
    }
    folder
}

#[test]
fn equal_grey_pictures_keep_size_and_channel() {
    let folder = greys(20);
    let dataset = load_path(folder.path()).expect("pictures");
    assert_eq!(dataset.train.shape, ImageShape::new(4, 3, 1));
    assert_eq!((dataset.train.len(), dataset.test.len()), (18, 2));
    assert_eq!(dataset.train.labels, None);
    assert!(dataset.classes.is_empty());
    let mut seen: Vec<u8> = [bytes_of(&dataset.train), bytes_of(&dataset.test)].concat();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, (0..20).collect::<Vec<u8>>());
    let again = load_path(folder.path()).expect("pictures");
    assert_eq!(bytes_of(&again.test), bytes_of(&dataset.test));
}

#[test]
fn one_colour_picture_makes_all_rgb_unless_told_otherwise() {
    let folder = greys(3);
    let red = RgbImage::from_pixel(3, 4, Rgb([200, 0, 0]));
    save(red, &folder.path().join("red.png"));
    let dataset = load_path(folder.path()).expect("pictures");
    assert_eq!(dataset.train.shape, ImageShape::new(4, 3, 3));
    let told = DataOptions {
        channels: Some(1),
        ..DataOptions::default()
    };
    let dataset = load_with(folder.path(), &told).expect("pictures");
    assert_eq!(dataset.train.shape, ImageShape::new(4, 3, 1));
}

#[test]
fn pictures_are_cropped_about_the_centre_and_resized() {
    let folder = tempfile::tempdir().expect("folder");
    // 30×10 with a white middle third: a square crop sees nothing but white.
    let wide = GrayImage::from_fn(30, 10, |x, _| {
        Luma([if (10..20).contains(&x) { 255 } else { 0 }])
    });
    let tall = GrayImage::from_fn(10, 30, |_, y| {
        Luma([if (10..20).contains(&y) { 255 } else { 0 }])
    });
    save(grey(10, 10, 9), &folder.path().join("square.png"));
    save(tall, &folder.path().join("tall.png"));
    save(wide, &folder.path().join("wide.png"));
    let square = DataOptions {
        image_size: Some((5, 5)),
        ..whole()
    };
    let dataset = load_with(folder.path(), &square).expect("pictures");
    assert_eq!(dataset.test.shape, ImageShape::new(5, 5, 1));
    assert_eq!(
        *bytes_of(&dataset.test),
        [[9; 25], [255; 25], [255; 25]].concat()
    );
    let dataset = load_with(folder.path(), &options(7, 40)).expect("enlarged");
    assert_eq!(dataset.train.shape, ImageShape::new(7, 40, 1));
}

#[test]
fn jpeg_is_read_and_other_files_are_skipped() {
    let folder = tempfile::tempdir().expect("folder");
    save(grey(8, 8, 100), &folder.path().join("a.jpg"));
    save(grey(8, 8, 200), &folder.path().join("b.JPEG"));
    write(&folder.path().join("notes.txt"), b"not a picture");
    write(
        &folder.path().join("._a.png"),
        b"left behind by another system",
    );
    let dataset = load_path(folder.path()).expect("pictures");
    assert_eq!(dataset.train.len() + dataset.test.len(), 2);
    assert!(
        bytes_of(&dataset.train)[0].abs_diff(100) < 3
            || bytes_of(&dataset.train)[0].abs_diff(200) < 3
    );
}

#[test]
fn transparent_pixels_become_black() {
    let folder = tempfile::tempdir().expect("folder");
    for name in ["a.png", "b.png"] {
        let hidden = RgbaImage::from_pixel(2, 2, Rgba([255, 255, 255, 0]));
        save(hidden, &folder.path().join(name));
    }
    save(grey(2, 2, 9), &folder.path().join("c.png"));
    let dataset = load_with(folder.path(), &whole()).expect("pictures");
    assert_eq!(bytes_of(&dataset.test)[..24], [0; 24]);
}

#[test]
fn subfolders_are_classes_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().expect("folder");
    for i in 0..10 {
        save(grey(2, 2, i), &folder.path().join(format!("dog/{i}.png")));
        save(
            grey(2, 2, 100 + i),
            &folder.path().join(format!("cat/old/{i}.png")),
        );
    }
    let dataset = load_path(folder.path()).expect("pictures");
    assert_eq!(dataset.classes, ["cat", "dog"]);
    for images in [&dataset.train, &dataset.test] {
        let labels = images.labels.as_ref().expect("classes");
        for (image, &label) in bytes_of(images).chunks(4).zip(labels) {
            assert_eq!(label, u32::from(image[0] < 100), "cat is 0, dog is 1");
        }
    }
}

#[test]
fn train_and_test_folders_are_the_splits() {
    let folder = tempfile::tempdir().expect("folder");
    save(grey(2, 2, 1), &folder.path().join("train/a/1.png"));
    save(grey(2, 2, 2), &folder.path().join("train/b/2.png"));
    save(grey(2, 2, 3), &folder.path().join("test/b/3.png"));
    let dataset = load_path(folder.path()).expect("pictures");
    assert_eq!(bytes_of(&dataset.train), [1, 1, 1, 1, 2, 2, 2, 2]);
    assert_eq!(bytes_of(&dataset.test), [3; 4]);
    assert_eq!(dataset.train.labels.as_deref(), Some(&[0, 1][..]));
    assert_eq!(dataset.test.labels.as_deref(), Some(&[1][..]));
}

#[test]
fn different_sizes_name_two_files_and_the_option() {
    let folder = greys(3);
    save(grey(9, 9, 1), &folder.path().join("odd.png"));
    let message = error_of(folder.path());
    let parts = ["odd.png", "000.png", "9×9", "4×3", "`image-size = 64`"];
    assert_says(&message, &parts);
    load_with(folder.path(), &options(8, 8)).expect("resized");
}

#[test]
fn pictures_beyond_the_greatest_size_are_refused() {
    let folder = greys(3);
    let message = error_with(folder.path(), &options(4, 100_000));
    assert_says(&message, &["image size of 1 to 16384", "4×100000"]);
}

#[test]
fn a_folder_left_whole_is_the_test_split_in_the_order_of_names() {
    let whole = whole();
    let dataset = load_with(greys(5).path(), &whole).expect("pictures");
    assert_eq!(dataset.train.len(), 0);
    let pixels = bytes_of(&dataset.test).iter().step_by(12).copied();
    assert_eq!(pixels.collect::<Vec<u8>>(), [0, 1, 2, 3, 4]);
    let single = tempfile::tempdir().expect("folder");
    let ramp = GrayImage::from_fn(3, 1, |x, _| Luma([x as u8 * 9]));
    save(ramp, &single.path().join("a.png"));
    let dataset = load_with(single.path(), &whole).expect("a picture");
    assert_eq!((dataset.train.len(), dataset.test.len()), (0, 1));
}

#[test]
fn text_named_png_is_named() {
    let folder = greys(3);
    write(&folder.path().join("letter.png"), b"Dear reader");
    for message in [
        error_of(folder.path()),
        error_with(folder.path(), &options(8, 8)),
    ] {
        assert_says(
            &message,
            &[
                "letter.png",
                "expected a PNG, JPEG, TIFF, BMP, WebP, GIF or PNM picture",
                "remove the file",
            ],
        );
    }
}

/// A PNG of 45 bytes whose header claims the given size.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend(width.to_be_bytes());
    chunk.extend(height.to_be_bytes());
    chunk.extend([8, 0, 0, 0, 0]);
    let mut crc = flate2::Crc::new();
    crc.update(&chunk);
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    bytes.extend(&chunk);
    bytes.extend(crc.sum().to_be_bytes());
    bytes.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    bytes
}

#[test]
fn picture_bomb_is_refused_by_its_header() {
    let folder = greys(3);
    let path = folder.path().join("bomb.png");
    // The second has few pixels, but is longer than any picture; a row of the third
    // is more than the decoder itself takes.
    let cases = [
        (100_000, 100_000, "got 100000×100000"),
        (1, 100_000, "got 100000×1"),
        (i32::MAX as u32, 1, "got Memory limit exceeded"),
    ];
    for (width, height, got) in cases {
        write(&path, &png_header(width, height));
        for message in [
            error_of(folder.path()),
            error_with(folder.path(), &options(8, 8)),
        ] {
            assert_says(&message, &["bomb.png", "1 to 16384 pixels a side", got]);
        }
    }
}

/// They would take 10 GB, if memory were written to before they are decoded.
#[test]
fn small_files_that_claim_large_pictures_are_named() {
    let folder = tempfile::tempdir().expect("folder");
    for i in 0..40 {
        let path = folder.path().join(format!("{i:02}.png"));
        write(&path, &png_header(16_384, 16_384));
    }
    assert_says(
        &error_of(folder.path()),
        &["40", "00.png", "09.png", "ends early"],
    );
}

#[test]
fn empty_folder_says_what_belongs_there() {
    let folder = tempfile::tempdir().expect("folder");
    let message = error_of(folder.path());
    assert_says(
        &message,
        &[
            ".png, .apng, .jpg, .jpeg",
            "found none",
            "train-images-idx3-ubyte.gz",
        ],
    );
}

#[test]
fn single_picture_cannot_be_split() {
    assert_says(&error_of(greys(1).path()), &["at least 2 images", "got 1"]);
}

#[cfg(unix)]
#[test]
fn link_circles_are_named() {
    let folder = greys(3);
    std::os::unix::fs::symlink("..", folder.path().join("up")).expect("link");
    // The link leads to the folder above, which holds this folder, and so on.
    let below = folder.path().join("below");
    fs::create_dir(&below).expect("folder");
    fs::remove_file(folder.path().join("up")).expect("remove");
    std::os::unix::fs::symlink(folder.path(), below.join("loop")).expect("link");
    let message = error_of(folder.path());
    assert_says(&message, &["below/loop", "circle", "remove the link"]);
    assert_eq!(
        message.matches("below").count(),
        1,
        "walked in circles first"
    );
    fs::remove_file(below.join("loop")).expect("remove");
    std::os::unix::fs::symlink("self.png", folder.path().join("self.png")).expect("link");
    assert_says(&error_of(folder.path()), &["self.png"]);
}

#[test]
fn deep_folders_are_read_and_too_deep_ones_are_no_circle() {
    let folder = greys(3);
    let below = |depth| folder.path().join(vec!["x"; depth].join("/"));
    save(grey(3, 4, 200), &below(32).join("deep.png"));
    let dataset = load_with(folder.path(), &whole()).expect("pictures");
    assert_eq!(dataset.test.len(), 4);
    save(grey(3, 4, 200), &below(33).join("deeper.png"));
    let message = error_of(folder.path());
    let below = Path::new("x").join("x");
    let words = [
        &below.to_string_lossy(),
        "at most 32 deep",
        "move this one up",
    ];
    assert_says(&message, &words);
    assert!(!message.contains("circle"), "{message}");
}

#[cfg(unix)]
#[test]
fn unreadable_picture_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = greys(3);
    let path = folder.path().join("001.png");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("permissions");
    if fs::File::open(&path).is_ok() {
        skipped("user", "this user may read every file");
        return;
    }
    assert_says(&error_of(folder.path()), &["001.png", "cannot open it"]);
}

#[cfg(unix)]
#[test]
fn dangling_link_and_folder_named_png_do_no_harm() {
    let folder = greys(4);
    fs::create_dir(folder.path().join("album.png")).expect("folder");
    load_path(folder.path()).expect("a folder may have any name");
    std::os::unix::fs::symlink("gone", folder.path().join("zzz.png")).expect("link");
    assert_says(&error_of(folder.path()), &["zzz.png"]);
}
