//! The choice of a source by name or path, and its options.

use std::path::Path;

use elbo::data::{DataOptions, Images, Storage, Values};
use elbo::shape::ImageShape;

use crate::support::{assert_says, bytes_of, error_of, error_with, values_of};

#[test]
fn unknown_source_lists_what_is_possible() {
    let message = error_of(Path::new("minst"));
    let parts = [
        "`minst`",
        "digits",
        "mnist",
        "fashion-mnist",
        "PNG, JPEG, TIFF",
        ".npz",
        ".csv",
    ];
    assert_says(&message, &parts);
}

#[test]
fn options_out_of_range_are_refused() {
    let path = Path::new("digits");
    for test_fraction in [0.0, 1.0, -0.5, f64::NAN] {
        let options = DataOptions {
            test_fraction,
            ..DataOptions::default()
        };
        assert_says(
            &error_with(path, &options),
            &["test fraction between 0 and 1"],
        );
    }
    let options = DataOptions {
        image_size: Some((0, 4)),
        ..DataOptions::default()
    };
    assert_says(&error_with(path, &options), &["image size of at least 1×1"]);
    let options = DataOptions {
        channels: Some(5),
        ..DataOptions::default()
    };
    assert_says(
        &error_with(path, &options),
        &["4 (RGB and alpha) channels, got 5"],
    );
}

#[cfg(unix)]
#[test]
fn device_files_are_refused() {
    assert_says(&error_of(Path::new("/dev/null")), &["got something else"]);
}

#[test]
fn images_give_values_range_and_the_first_nan() {
    let mut images = Images {
        labels: Some(vec![8, 9]),
        ..Images::new(
            ImageShape::new(1, 2, 1),
            Values::Bytes(vec![0, 255, 51, 102]),
        )
    };
    assert_eq!(images.len(), 2);
    assert_eq!(images.image_f32(1).expect("in memory"), [0.2, 0.4]);
    assert_eq!(images.value_range().expect("in memory"), (0.0, 1.0));
    assert_eq!(values_of(&images).first_non_finite(), None);
    let chosen = images.select(&[1, 0, 1]).expect("in memory");
    assert_eq!(chosen.labels.as_deref(), Some(&[9, 8, 9][..]));
    assert_eq!(bytes_of(&chosen), [51, 102, 0, 255, 51, 102]);
    images.storage = Storage::Memory(Values::Floats(vec![-1.0, 2.0, 0.5, f32::NAN]));
    assert_eq!(images.value_range().expect("in memory"), (-1.0, 2.0));
    assert_eq!(values_of(&images).first_non_finite(), Some(3));
    images.storage = Storage::Memory(Values::Floats(Vec::new()));
    assert!(images.is_empty());
    assert_eq!(images.value_range().expect("in memory"), (0.0, 0.0));
}
