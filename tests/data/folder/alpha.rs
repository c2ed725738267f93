//! Transparent pictures.

use elbo::data::Background;

use super::*;

/// Black ink on nothing: the upper half of each picture is drawn.
fn ink(folder: &Path, count: u8) {
    for i in 0..count {
        let picture = RgbaImage::from_fn(4, 4, |_, y| {
            Rgba([0, 0, 0, if y < 2 { 255 - i } else { 0 }])
        });
        save(picture, &folder.join(format!("{i}.png")));
    }
}

fn on(background: &str) -> DataOptions {
    DataOptions {
        source: SourceOptions {
            background: Some(background.parse().expect("a colour")),
            ..SourceOptions::default()
        },
        ..whole()
    }
}

fn of_channels(channels: usize) -> DataOptions {
    DataOptions {
        channels: Some(channels),
        ..whole()
    }
}

#[test]
fn ink_on_nothing_is_refused_with_the_cause_unless_a_background_shows_it() {
    let folder = tempfile::tempdir().expect("folder");
    ink(folder.path(), 3);
    let message = error_of(folder.path());
    assert_says(
        &message,
        &[
            "alpha",
            "laid on black",
            "`background = white`",
            "`channels = 4`",
        ],
    );
    let (dataset, notes) = load_noted(folder.path(), &on("white"));
    let dataset = dataset.expect("pictures");
    assert_eq!(bytes_of(&dataset.test)[..48], [[0; 24], [255; 24]].concat());
    assert_eq!(notes, "", "a background that was chosen needs no word");
    let message = error_with(folder.path(), &on("black"));
    assert_says(&message, &["alpha", "`background = white`"]);
}

#[test]
fn transparency_on_black_is_said() {
    let folder = tempfile::tempdir().expect("folder");
    ink(folder.path(), 2);
    save(grey(4, 4, 9), &folder.path().join("grey.png"));
    let (dataset, notes) = load_noted(folder.path(), &whole());
    dataset.expect("pictures");
    assert_says(
        &notes,
        &["2 pictures", "`background = white`", "`channels = 4`"],
    );
}

#[test]
fn a_colour_behind_grey_pictures_makes_them_rgb() {
    let folder = tempfile::tempdir().expect("folder");
    let picture = image::GrayAlphaImage::from_pixel(2, 2, image::LumaA([255, 0]));
    save(picture, &folder.path().join("a.png"));
    let opaque = image::GrayAlphaImage::from_pixel(2, 2, image::LumaA([7, 255]));
    save(opaque, &folder.path().join("b.png"));
    let dataset = load_with(folder.path(), &on("#102030")).expect("pictures");
    assert_eq!(dataset.test.shape, ImageShape::new(2, 2, 3));
    assert_eq!(bytes_of(&dataset.test)[..3], [16, 32, 48]);
    assert_eq!(bytes_of(&dataset.test)[12..15], [7, 7, 7]);
    let grey = load_with(folder.path(), &on("#ffffff")).expect("pictures");
    assert_eq!(grey.test.shape, ImageShape::new(2, 2, 1));
    assert_eq!(Background::WHITE, "#ffffff".parse().expect("a colour"));
}

#[test]
fn four_channels_keep_colour_and_alpha_as_stored_and_two_keep_grey_and_alpha() {
    let folder = tempfile::tempdir().expect("folder");
    let pixel = Rgba([200, 100, 50, 10]);
    save(
        RgbaImage::from_pixel(2, 2, pixel),
        &folder.path().join("a.png"),
    );
    save(
        RgbImage::from_pixel(2, 2, Rgb([1, 2, 3])),
        &folder.path().join("b.png"),
    );
    let (dataset, notes) = load_noted(folder.path(), &of_channels(4));
    let dataset = dataset.expect("pictures");
    assert_eq!(dataset.test.shape, ImageShape::new(2, 2, 4));
    assert_eq!(bytes_of(&dataset.test)[..4], pixel.0);
    assert_eq!(bytes_of(&dataset.test)[16..20], [1, 2, 3, 255]);
    assert_eq!(notes, "");
    let dataset = load_with(folder.path(), &of_channels(2)).expect("pictures");
    assert_eq!(dataset.test.shape, ImageShape::new(2, 2, 2));
    assert_eq!(bytes_of(&dataset.test)[1], 10);
    let message = error_with(folder.path(), &of_channels(5));
    assert_says(&message, &["4 (RGB and alpha)", "got 5"]);
}

#[test]
fn a_hidden_colour_does_not_run_into_its_neighbours_when_resized() {
    let folder = tempfile::tempdir().expect("folder");
    // Red on the left; white hidden under nothing on the right.
    let picture = RgbaImage::from_fn(8, 8, |x, _| match x {
        0..=3 => Rgba([255, 0, 0, 255]),
        _ => Rgba([255, 255, 255, 0]),
    });
    save(picture, &folder.path().join("a.png"));
    let options = DataOptions {
        image_size: Some((3, 3)),
        ..of_channels(4)
    };
    let dataset = load_with(folder.path(), &options).expect("pictures");
    for pixel in bytes_of(&dataset.test).chunks(4) {
        assert!(pixel[3] == 0 || pixel[..3] == [255, 0, 0], "{pixel:?}");
    }
}
