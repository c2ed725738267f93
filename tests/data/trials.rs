//! Arrays as people have them, where this machine has the inputs.

use elbo::data::{Arrays, Axes, DataOptions, SourceOptions, Stored};
use elbo::shape::ImageShape;

use crate::support::{assert_says, error_of, load_path, load_with};
use crate::trial::trial;

#[test]
fn booleans_are_bits() {
    let Some(path) = trial("1-range/bits_bool.npy") else {
        return;
    };
    let images = load_path(&path).expect("booleans").train;
    assert_eq!(images.stored, Stored::Bool);
    assert_eq!(images.shape, ImageShape::new(16, 16, 1));
}

#[test]
fn channels_first_are_seen_and_read_where_that_is_said() {
    for (name, channels) in [("n1hw_u8.npy", 1), ("n2hw_u8.npy", 2)] {
        let Some(path) = trial(&format!("8-channels-first/{name}")) else {
            return;
        };
        assert_says(&error_of(&path), &["`axes = nchw`"]);
        let options = DataOptions {
            source: SourceOptions {
                axes: Some(Axes::Nchw),
                ..SourceOptions::default()
            },
            ..DataOptions::default()
        };
        let images = load_with(&path, &options).expect("images").train;
        assert_eq!(images.shape, ImageShape::new(16, 16, channels));
    }
}

#[test]
fn a_ragged_array_gets_a_hint_that_works() {
    if let Some(path) = trial("10-hints/ragged_object.npy") {
        assert_says(
            &error_of(&path),
            &["`|O`", "images of one size", "np.stack"],
        );
    }
}

#[test]
fn labels_of_text_are_classes() {
    if let Some(path) = trial("10-hints/labels_text.npz") {
        let dataset = load_path(&path).expect("labels of text");
        assert!(dataset.classes.len() > 1, "{:?}", dataset.classes);
        assert!(dataset.classes.is_sorted());
        assert!(dataset.train.labels.is_some() && dataset.test.labels.is_some());
    }
}

#[test]
fn names_that_say_nothing_are_answered_with_the_option_that_names_them() {
    for (name, images, labels) in [
        ("arr_0_arr_1.npz", "arr_0", "arr_1"),
        ("images_labels.npz", "images", "labels"),
    ] {
        let Some(path) = trial(&format!("11-names/{name}")) else {
            return;
        };
        let arrays = format!("train={images},labels={labels}");
        assert_says(&error_of(&path), &[&format!("try: `array = {arrays}`")]);
        let options = DataOptions {
            source: SourceOptions {
                arrays: arrays.parse::<Arrays>().expect("arrays"),
                ..SourceOptions::default()
            },
            ..DataOptions::default()
        };
        let dataset = load_with(&path, &options).expect("named arrays");
        assert!(dataset.train.labels.is_some());
        assert_eq!(dataset.train.len() + dataset.test.len(), 30);
    }
}

#[test]
fn a_third_split_is_used_by_name() {
    if let Some(path) = trial("4-splits/x_train_x_val_x_test.npz") {
        let options = DataOptions {
            val: true,
            ..DataOptions::default()
        };
        let dataset = load_with(&path, &options).expect("three splits");
        let val = dataset.val.map(|images| images.len());
        assert_eq!(
            (dataset.train.len(), val, dataset.test.len()),
            (16, Some(7), 7)
        );
    }
}
