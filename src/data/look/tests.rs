use super::*;
use crate::data::Values;
use crate::shape::ImageShape;

const UINT16: Stored = Stored::Integer {
    signed: false,
    bits: 16,
};

fn images(stored: Stored, width: usize, values: Values) -> Images {
    Images {
        stored,
        ..Images::new(ImageShape::new(1, width, 1), values)
    }
}

fn values(images: &Images) -> Values {
    images.values().expect("in memory").into_owned()
}

fn floats(images: &Images) -> Vec<f32> {
    images.to_f32().expect("in memory")
}

fn looked(train: Images, test: Images, options: &DataOptions) -> Result<Dataset> {
    look(
        Dataset::new("x", train, test),
        options,
        Path::new("x"),
        &mut |_| {},
    )
}

fn looked_at(stored: Stored, values: &[f32]) -> (Dataset, Look) {
    let split = images(stored, values.len() / 2, Values::Floats(values.to_vec()));
    let dataset = looked(split.clone(), split, &DataOptions::default()).expect("values");
    let look = dataset.look.clone().expect("a look");
    (dataset, look)
}

#[test]
fn bytes_stay_bytes_and_their_ends_are_counted() {
    let split = images(Stored::BYTES, 2, Values::Bytes(vec![0, 255, 7, 9]));
    let dataset = looked(split.clone(), split.clone(), &DataOptions::default());
    let dataset = dataset.expect("values");
    assert_eq!(values(&dataset.train), values(&split));
    let look = dataset.look.expect("a look");
    assert_eq!(look.values, "bytes 0 to 255, 50 % at 0 or 255");
    assert!(!look.binary && look.warnings.is_empty(), "{look:?}");
}

#[test]
fn bits_are_found_over_both_splits_and_become_full_bytes() {
    let split = |values: &[u8]| images(Stored::BYTES, 2, Values::Bytes(values.to_vec()));
    let options = DataOptions::default();
    let bits = looked(split(&[0, 1, 1, 0]), split(&[0, 1]), &options).expect("bits");
    assert_eq!(values(&bits.train), Values::Bytes(vec![0, 255, 255, 0]));
    let look = bits.look.expect("a look");
    assert!(look.binary && look.values.contains("bits"), "{look:?}");
    // The training split of a dark data set must not be taken for bits alone.
    let dark = looked(split(&[0, 1, 1, 0]), split(&[0, 90]), &options).expect("greys");
    assert_eq!(values(&dark.train), Values::Bytes(vec![0, 1, 1, 0]));
    assert!(!dark.look.expect("a look").binary);
}

/// One that holds grey values beside bits, as read with and without a trained model.
#[test]
fn a_third_split_does_not_change_what_the_others_mean() {
    let split = |values: &[u8]| images(Stored::BYTES, 2, Values::Bytes(values.to_vec()));
    let (train, test, val) = (split(&[0, 1, 1, 0]), split(&[0, 1]), split(&[0, 90]));
    let plain = DataOptions::default();
    let as_trained = looked(train.clone(), test.clone(), &plain).expect("bits");
    let trained = DataOptions {
        reading: Some(as_trained.reading.clone()),
        ..DataOptions::default()
    };
    for options in [&plain, &trained] {
        let dataset = Dataset {
            val: Some(val.clone()),
            ..Dataset::new("x", train.clone(), test.clone())
        };
        let dataset = look(dataset, options, Path::new("x"), &mut |_| {}).expect("bits and greys");
        let fingerprint = |dataset: &Dataset| dataset.fingerprint().expect("in memory");
        assert_eq!(fingerprint(&dataset), fingerprint(&as_trained));
        assert_eq!(dataset.reading, as_trained.reading);
        assert_eq!(values(&dataset.val.expect("a split")), values(&val));
        let look = dataset.look.expect("a look");
        assert!(!look.binary && look.values.contains("bytes"), "{look:?}");
    }
    // The other way round: a dark third split has no bits.
    let dataset = Dataset {
        val: Some(test.clone()),
        ..Dataset::new("x", val.clone(), val)
    };
    let dataset = look(dataset, &plain, Path::new("x"), &mut |_| {}).expect("greys");
    assert_eq!(values(&dataset.val.expect("a split")), values(&test));
}

#[test]
fn a_sensor_s_twelve_bits_are_said_with_their_factor() {
    let (dataset, look) = looked_at(UINT16, &[0.0, 4095.0, 300.0, 5.0]);
    let most = dataset.train.value_range().expect("in memory").1;
    assert!((most - 4095.0 / 65535.0).abs() < 1e-7);
    assert!(look.values.contains("divided by 65535"), "{look:?}");
    assert!(look.warnings[0].contains("`scale = 4095`"), "{look:?}");
    let twice = looked_at(Stored::FLOATS, &[0.0, 0.003_921_568_6, 0.001, 0.002]).1;
    assert!(
        twice.warnings[0].contains("`scale = 0.00392157`"),
        "{twice:?}"
    );
}

#[test]
fn two_values_that_are_not_0_and_1_and_scales_that_leave_little_are_said() {
    let split = images(Stored::BYTES, 2, Values::Bytes(vec![0, 128, 128, 0]));
    let dataset = looked(split.clone(), split, &DataOptions::default()).expect("values");
    let look = dataset.look.expect("a look");
    assert!(look.warnings[0].contains("`scale = range`"), "{look:?}");
    assert_eq!(look.warnings.len(), 1, "{look:?}");
    let scaled = DataOptions {
        scale: Some(Scale::By(255.0)),
        ..DataOptions::default()
    };
    let split = images(Stored::FLOATS, 2, Values::Floats(vec![0.0, 1.0, 0.5, 0.1]));
    let look = looked(split.clone(), split, &scaled).expect("values").look;
    let look = look.expect("a look");
    assert!(look.warnings[0].contains("after `scale = …`"), "{look:?}");
}

#[test]
fn equal_values_for_a_trained_model_are_described_as_such() {
    let split = images(Stored::BYTES, 2, Values::Bytes(vec![0, 1, 1, 0]));
    let trained = looked(split.clone(), split, &DataOptions::default()).expect("bits");
    let options = DataOptions {
        reading: Some(trained.reading),
        ..DataOptions::default()
    };
    for (value, words) in [(0, "0 % are 1"), (1, "100 % are 1")] {
        let split = images(Stored::BYTES, 2, Values::Bytes(vec![value; 4]));
        let look = looked(split.clone(), split, &options).expect("values").look;
        let values = look.expect("a look").values;
        assert!(values.contains(words), "{values}");
    }
}

#[test]
fn what_is_asked_for_is_fitted_to_the_training_images() {
    let train = images(
        Stored::FLOATS,
        2,
        Values::Floats(vec![1.0, 10.0, 3.0, 30.0]),
    );
    let test = images(Stored::FLOATS, 2, Values::Floats(vec![5.0, 20.0]));
    let range = DataOptions {
        scale: Some(Scale::Range),
        ..DataOptions::default()
    };
    let dataset = looked(train.clone(), test.clone(), &range).expect("scaled");
    let range = dataset.train.value_range();
    assert_eq!(range.expect("in memory"), (0.0, 1.0));
    assert_eq!(floats(&dataset.test), [4.0 / 29.0, 19.0 / 29.0]);
    let standard = DataOptions {
        standardize: true,
        ..DataOptions::default()
    };
    let dataset = looked(train, test.clone(), &standard).expect("standardised");
    assert_eq!(floats(&dataset.train), [-1.0, -1.0, 1.0, 1.0]);
    assert_eq!(floats(&dataset.test), [3.0, 0.0]);
    // A trained model takes other images as it took its own.
    let trained = DataOptions {
        reading: Some(dataset.reading),
        ..DataOptions::default()
    };
    let again = looked(test.clone(), test, &trained).expect("read alike");
    assert_eq!(floats(&again.train), [3.0, 0.0]);
}

#[test]
fn equal_values_are_refused_and_equal_images_said() {
    let split = images(Stored::BYTES, 2, Values::Bytes(vec![7; 4]));
    let error = looked(split.clone(), split, &DataOptions::default()).expect_err("one value");
    assert!(
        error.to_string().contains("`background = white`"),
        "{error}"
    );
    let alike = looked_at(Stored::FLOATS, &[0.5, 1.0, 0.5, 1.0]).1;
    assert!(
        alike.warnings[0].contains("all 2 training images"),
        "{alike:?}"
    );
}

#[test]
fn columns_that_one_drowns_or_that_never_change_are_named() {
    let look = looked_at(Stored::Text, &[1.0, 1e6, 7.0, 2.0, 5e6, 7.0]).1;
    assert!(
        look.warnings[0].contains("1 column of 3 never change: 3"),
        "{look:?}"
    );
    assert!(
        look.warnings[1].contains("`standardize = true`"),
        "{look:?}"
    );
    assert_eq!(look.warnings.len(), 2, "{look:?}");
}
