use super::*;

const UINT16: Stored = Stored::Integer {
    signed: false,
    bits: 16,
};

fn used(reading: &Reading, values: Values, stored: Stored) -> Values {
    reading.used(values, stored)
}

#[test]
fn a_scale_is_a_positive_number_or_the_range() {
    for (text, scale) in [("4095", Scale::By(4095.0)), ("range", Scale::Range)] {
        assert_eq!(text.parse(), Ok(scale));
        assert_eq!(scale.to_string(), text);
    }
    for text in ["0", "-1", "nan", "inf", "1e-45", "Range", "", "4 095"] {
        let error = text.parse::<Scale>().expect_err(text);
        assert!(error.contains("`range`"), "{error}");
    }
}

#[test]
fn a_scale_reads_back_from_toml_as_a_number_or_a_word() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Data {
        scale: Scale,
    }
    for scale in [Scale::By(0.003_921_569), Scale::By(4095.0), Scale::Range] {
        let text = toml::to_string(&Data { scale }).expect("TOML");
        assert_eq!(toml::from_str::<Data>(&text).expect("TOML"), Data { scale });
    }
    let whole: Data = toml::from_str("scale = 15").expect("a whole number");
    assert_eq!(whole.scale, Scale::By(15.0));
    for text in ["scale = 0", "scale = -2.5", "scale = \"rnage\""] {
        assert!(toml::from_str::<Data>(text).is_err(), "{text}");
    }
}

#[test]
fn what_is_scaled_comes_back_undone() {
    let by_value = Scaling {
        shift: vec![1.0, -2.0],
        scale: vec![4.0, 0.5],
    };
    let stored = [1.0, -2.0, 9.0, 0.0];
    for (scaling, expected) in [
        (by_value, [0.0, 0.0, 2.0, 4.0]),
        (Scaling::by(2.0), [0.5, -1.0, 4.5, 0.0]),
        (
            Scaling::between(-2.0, 9.0),
            [3.0 / 11.0, 0.0, 1.0, 2.0 / 11.0],
        ),
    ] {
        let mut values = stored;
        scaling.apply(&mut values);
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{values:?}");
        }
        scaling.undo(&mut values);
        for (value, stored) in values.iter().zip(stored) {
            assert!((value - stored).abs() < 1e-5, "{values:?}");
        }
    }
}

#[test]
fn a_scaling_that_does_not_fit_is_refused() {
    let source = Path::new("x.npy");
    let scaling = |shift: &[f32], scale: &[f32]| Scaling {
        shift: shift.to_vec(),
        scale: scale.to_vec(),
    };
    scaling(&[0.0], &[2.0])
        .check(3, source)
        .expect("one for all");
    scaling(&[0.0; 3], &[2.0; 3])
        .check(3, source)
        .expect("one each");
    for bad in [
        scaling(&[0.0; 2], &[2.0; 2]),
        scaling(&[0.0], &[2.0; 3]),
        scaling(&[], &[]),
        scaling(&[0.0], &[0.0]),
        scaling(&[f32::NAN], &[1.0]),
        Scaling::between(f32::MIN, f32::MAX),
    ] {
        let error = bad.check(3, source).expect_err("no use");
        assert_eq!(error.exit_code(), 3, "{bad:?}");
    }
}

#[test]
fn whole_numbers_mean_what_their_range_says() {
    let of = |range| Reading::of_integers(Some(range));
    let floats = |values: &[f32]| Values::Floats(values.to_vec());
    let bits = used(&of((0.0, 1.0)), Values::Bytes(vec![0, 1]), Stored::BYTES);
    assert_eq!(bits, Values::Bytes(vec![0, 255]));
    let bits = used(&of((0.0, 1.0)), floats(&[0.0, 1.0]), UINT16);
    assert_eq!(bits, Values::Bytes(vec![0, 255]));
    let greys = used(&of((0.0, 255.0)), floats(&[3.0, 255.0]), UINT16);
    assert_eq!(greys, Values::Bytes(vec![3, 255]));
    let wide = used(&of((0.0, 300.0)), floats(&[0.0, 65535.0]), UINT16);
    assert_eq!(wide, floats(&[0.0, 1.0]));
    let signed = Stored::Integer {
        signed: true,
        bits: 16,
    };
    let same = used(&of((-3.0, 200.0)), floats(&[-3.0, 200.0]), signed);
    assert_eq!(same, floats(&[-3.0, 200.0]));
    for stored in [Stored::FLOATS, Stored::Text] {
        let same = used(&of((0.0, 1.0)), floats(&[0.0, 1.0]), stored);
        assert_eq!(same, floats(&[0.0, 1.0]), "{stored}");
    }
    let none = Reading::default();
    let bits = used(&none, Values::Bytes(vec![1, 0]), Stored::Bool);
    assert_eq!(bits, Values::Bytes(vec![255, 0]));
}

#[test]
fn a_trained_model_takes_others_as_its_own() {
    let trained = |integers| Reading {
        integers,
        ..Reading::default()
    };
    let others = |integers, range| {
        let found = trained(integers).for_others(Some(range), Path::new("x"));
        found.map(|found| found.integers)
    };
    // A dark picture is one of grey values still.
    assert_eq!(
        others(Integers::Bytes, (0.0, 1.0)).ok(),
        Some(Integers::Bytes)
    );
    assert_eq!(
        others(Integers::OfType, (0.0, 9.0)).ok(),
        Some(Integers::OfType)
    );
    assert_eq!(
        others(Integers::Bits, (0.0, 255.0)).ok(),
        Some(Integers::Bytes)
    );
    assert_eq!(
        others(Integers::Undecided, (0.0, 1.0)).ok(),
        Some(Integers::Bits)
    );
    for integers in [Integers::Bits, Integers::Bytes] {
        let error = others(integers, (0.0, 3000.0)).expect_err("wider");
        assert!(error.to_string().contains("3000"), "{error}");
    }
}

#[test]
fn a_stream_is_taken_as_the_models_own_data_and_doubted_at_its_end() {
    let rows = |integers| {
        let reading = Reading {
            integers,
            range: Some((0.0, 1.0)),
            scaling: None,
        };
        reading.rows(2, Path::new("stdin")).expect("no scaling")
    };
    let mut bits = rows(Integers::Bits);
    let taken = bits.take(Values::Bytes(vec![0, 1]), Stored::BYTES);
    assert_eq!(taken.expect("bits"), Values::Bytes(vec![0, 255]));
    let error = bits.take(Values::Bytes(vec![0, 255]), Stored::BYTES);
    let error = error.expect_err("a grey value").to_string();
    assert!(
        error.contains("stdin") && error.contains("0 to 1"),
        "{error}"
    );
    assert_eq!(bits.doubt(), None);

    let mut greys = rows(Integers::Bytes);
    let taken = greys.take(Values::Bytes(vec![0, 1]), Stored::BYTES);
    assert_eq!(taken.expect("bytes"), Values::Bytes(vec![0, 1]));
    let doubt = greys.doubt().expect("bits for a model of bytes");
    assert!(doubt.contains("0 to 0.003922"), "{doubt}");
    let more = greys.take(Values::Bytes(vec![0, 200]), Stored::BYTES);
    more.expect("bytes");
    assert_eq!(greys.doubt(), None);
}

#[test]
fn a_stream_is_scaled_as_the_training_data_was() {
    let reading = Reading {
        scaling: Some(Scaling::by(4.0)),
        ..Reading::default()
    };
    let mut rows = reading.rows(2, Path::new("stdin")).expect("one entry");
    let taken = rows.take(Values::Bytes(vec![2, 4]), Stored::BYTES);
    assert_eq!(taken.expect("bytes"), Values::Floats(vec![0.5, 1.0]));
    let narrow = Reading {
        scaling: Some(Scaling {
            shift: vec![0.0; 3],
            scale: vec![1.0; 3],
        }),
        ..Reading::default()
    };
    assert!(narrow.rows(2, Path::new("stdin")).is_err());
}

#[test]
fn the_scaling_of_a_source_gives_the_values_that_the_model_saw() {
    let int32 = Stored::Integer {
        signed: true,
        bits: 32,
    };
    let scaled = Reading {
        scaling: Some(Scaling::between(-1.0, 3.0)),
        ..Reading::default()
    };
    for (reading, stored, values) in [
        (Reading::default(), Stored::FLOATS, [0.25, 7.0]),
        (Reading::of_integers(Some((0.0, 1.0))), int32, [0.0, 1.0]),
        (
            Reading::of_integers(Some((0.0, 255.0))),
            int32,
            [3.0, 255.0],
        ),
        (
            Reading::of_integers(Some((0.0, 4095.0))),
            UINT16,
            [1.0, 4095.0],
        ),
        (
            Reading::of_integers(Some((-5.0, 4095.0))),
            int32,
            [-5.0, 4095.0],
        ),
        (scaled, Stored::FLOATS, [-1.0, 2.0]),
    ] {
        let seen = used(&reading, Values::Floats(values.to_vec()), stored).to_f32();
        let reading = Reading {
            range: Some((seen[0], seen[1])),
            ..reading
        };
        let mut found = values;
        reading.of_source().apply(&mut found);
        assert_eq!(found.to_vec(), seen, "{reading:?}");
    }
}
