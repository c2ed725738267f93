//! Files are read back and computed with, beside the program.

use clap::ValueEnum;

use super::interpret::{Interpreter, Value, signature};
use super::*;
use crate::data::{Binarize, Images, Reading, Scaling, Split, Values};
use crate::device::Device;
use crate::export::tests::{model, weights};
use crate::model::{Activation, Condition, Inference, LatentShape, Likelihood, ModelKind, Sigma};
use crate::shape::ImageShape;

const TOLERANCE: f32 = 1e-5;
const ROWS: usize = 3;

fn part(spec: &ModelSpec, part: Part) -> Interpreter {
    let weights = weights(spec);
    let trained = Trained {
        spec,
        weights: &weights,
        binarize: Binarize::Dynamic,
        reading: &Reading {
            scaling: Some(Scaling {
                shift: vec![-1.5; spec.image.values()],
                scale: vec![0.1; spec.image.values()],
            }),
            ..Reading::default()
        },
    };
    Interpreter::new(&onnx(&trained, part).expect("a file"))
}

fn near(found: &Value, expected: &[f32]) {
    assert_eq!(found.values.len(), expected.len());
    for (found, expected) in found.values.iter().zip(expected) {
        let error = (found - expected).abs();
        assert!(error <= TOLERANCE, "found {found}, expected {expected}");
    }
}

/// Both parts of a model, read back, against the program.
fn check(spec: &ModelSpec) {
    let mut inference = Inference::new(Device::Cpu, spec, &weights(spec), 1).expect("a model");
    let wave = |len: usize| (0..len).map(|i| 0.5 + 0.5 * (i as f32).sin());
    let pixels: Vec<f32> = wave(ROWS * spec.image.values()).collect();
    let codes: Vec<f32> = wave(ROWS * spec.latent.values())
        .map(|value| 6.0 * value - 3.0)
        .collect();
    let numbers = spec.condition.as_ref().map(|condition| {
        let count = condition.count() as u32;
        (0..ROWS as u32).map(|row| (2 * row + 1) % count).collect()
    });
    let images = Images {
        labels: numbers.clone(),
        ..Images::new(spec.image, Values::Floats(pixels.clone()))
    };
    let numbers: Vec<u32> = numbers.unwrap_or_default();
    // What a part takes beside the images or codes.
    let with_classes = |input: Value| {
        let values = numbers.iter().map(|&number| number as f32).collect();
        let classes = Value {
            sizes: vec![ROWS],
            values,
        };
        match spec.condition {
            Some(_) => vec![input, classes],
            None => vec![input],
        }
    };
    let latents = inference
        .encode(&images, Split::All, Binarize::None)
        .expect("codes");
    let sizes = [vec![ROWS], spec.image.sizes()].concat();
    let seen = part(spec, Part::Encoder).run(&with_classes(Value {
        sizes: sizes.clone(),
        values: pixels,
    }));
    match spec.kind {
        ModelKind::Vae => {
            assert_eq!(seen.len(), 2);
            near(&seen["mu"], &latents.mu);
            near(&seen["logvar"], &latents.logvar);
        }
        ModelKind::Ae => {
            assert_eq!(seen.len(), 1);
            near(&seen["code"], &latents.mu);
        }
    }
    let means = inference.decode_of(&codes, &numbers).expect("means");
    let seen = part(spec, Part::Decoder).run(&with_classes(Value {
        sizes: [vec![ROWS], spec.latent.sizes()].concat(),
        values: codes,
    }));
    assert_eq!(seen["means"].sizes, sizes);
    near(&seen["means"], &means);
}

#[test]
fn every_model_reads_back_as_what_the_program_computes() {
    let gaussian = |sigma| Likelihood::Gaussian { sigma };
    let squared = [Likelihood::SquaredError, Likelihood::LinearSquaredError];
    let both = [
        Likelihood::Bernoulli,
        gaussian(Sigma::Fixed(0.5)),
        gaussian(Sigma::Learned(0.5)),
    ];
    for &activation in Activation::value_variants() {
        for likelihood in both {
            check(&model(ModelKind::Vae, likelihood, activation));
        }
        for likelihood in both.into_iter().chain(squared) {
            check(&model(ModelKind::Ae, likelihood, activation));
        }
    }
}

#[test]
fn codes_that_are_maps_have_their_channels_last() {
    for kind in [ModelKind::Vae, ModelKind::Ae] {
        let spec = ModelSpec {
            image: ImageShape::new(6, 5, 2),
            encoder: "conv 4 k3 /2, conv 3 k3".parse().expect("layers"),
            latent: LatentShape::Map([3, 3, 2]),
            ..model(kind, Likelihood::Bernoulli, Activation::Relu)
        };
        let of_code = vec![None, Some(3), Some(3), Some(2)];
        let graph = part(&spec, Part::Encoder);
        for head in &graph.graph().output {
            assert_eq!(signature(head).1, of_code);
        }
        let graph = part(&spec, Part::Decoder);
        assert_eq!(signature(&graph.graph().input[0]), ("z", of_code));
    }
}

#[test]
fn a_model_of_rows_of_values_takes_and_gives_rows() {
    let mut spec = model(ModelKind::Vae, Likelihood::Bernoulli, Activation::Relu);
    spec.image = ImageShape::new(1, 9, 1);
    check(&spec);
    let read = part(&spec, Part::Decoder);
    let means = signature(&read.graph().output[0]);
    assert_eq!(means, ("means", vec![None, Some(9)]));
}

#[test]
fn a_model_that_is_told_a_class_takes_it_as_a_second_input() {
    let plain = model(ModelKind::Vae, Likelihood::Bernoulli, Activation::Relu);
    let names = ["cat", "dog", "\u{200b}eel\"", "fox"].map(str::to_owned);
    let spec = ModelSpec {
        condition: Some(Condition::new(names.to_vec())),
        ..plain
    };
    check(&spec);
    for of in Part::ALL {
        let read = part(&spec, of);
        let class = &read.graph().input[1];
        assert_eq!(signature(class), ("class", vec![None]));
        assert!(class.doc_string.contains("cat, dog"));
        let properties = &read.model.metadata_props;
        let classes = properties.iter().find(|known| known.key == "classes");
        let classes = classes.map(|property| &*property.value);
        let classes: Vec<String> = serde_json::from_str(classes.expect("classes")).expect("JSON");
        assert_eq!(classes, names);
    }
}

#[test]
fn a_file_says_what_it_is() {
    let likelihood = Likelihood::Gaussian {
        sigma: Sigma::Learned(0.5),
    };
    let spec = model(ModelKind::Vae, likelihood, Activation::LeakyRelu);
    let read = part(&spec, Part::Encoder);
    let graph = read.graph();
    assert_eq!(
        signature(&graph.input[0]),
        ("images", vec![None, Some(3), Some(2), Some(2)])
    );
    let outputs: Vec<_> = graph.output.iter().map(signature).collect();
    assert_eq!(
        outputs,
        ["mu", "logvar"].map(|name| (name, vec![None, Some(4)]))
    );
    let model = &read.model;
    assert_eq!(
        (model.ir_version, model.opset_import[0].version),
        (IR_VERSION, OPSET)
    );
    assert_eq!(model.producer_name, "elbo");
    assert_eq!(model.producer_version, env!("CARGO_PKG_VERSION"));
    assert!(
        model.doc_string.contains("12-7-5-4-5-7-12"),
        "{}",
        model.doc_string
    );
    let property = |key: &str| {
        let found = model.metadata_props.iter().find(|known| known.key == key);
        found.map(|property| property.value.as_str())
    };
    assert_eq!(property("likelihood"), Some("gaussian"));
    assert_eq!(property("activation"), Some("leaky-relu"));
    assert_eq!(property("image"), Some("[3, 2, 2]"));
    assert_eq!(property("binarize"), Some("dynamic"));
    for (key, number) in [("offset", -1.5), ("divisor", 0.1)] {
        let text = property(key).expect(key);
        let numbers: Vec<f32> = serde_json::from_str(text).expect("JSON");
        assert_eq!(numbers, [number; 12], "{key}");
    }
    assert_eq!(property("sigma"), Some("0.5"), "as it is before training");
}

#[test]
fn more_than_a_file_holds_is_refused_before_it_is_made() {
    let mut spec = ModelSpec::reference();
    spec.encoder = [20_000, 30_000].into();
    // None are looked at: the size is known without them.
    let none = weights(&model(
        ModelKind::Vae,
        Likelihood::Bernoulli,
        Activation::Relu,
    ));
    let trained = Trained {
        spec: &spec,
        weights: &none,
        binarize: Binarize::None,
        reading: &Reading::default(),
    };
    for part in Part::ALL {
        let error = onnx(&trained, part).expect_err("over 2 GiB").to_string();
        assert!(
            error.contains(part.name()) && error.contains("safetensors"),
            "{error}"
        );
    }
}

#[test]
fn weights_of_another_model_are_refused() {
    let spec = model(ModelKind::Vae, Likelihood::Bernoulli, Activation::Relu);
    let weights = weights(&spec);
    let other = ModelSpec {
        latent: 2.into(),
        ..spec
    };
    let trained = Trained {
        spec: &other,
        weights: &weights,
        binarize: Binarize::None,
        reading: &Reading::default(),
    };
    let error = onnx(&trained, Part::Encoder)
        .expect_err("other sizes")
        .to_string();
    assert!(error.contains("fc31.weight"), "{error}");
}
