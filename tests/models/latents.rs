//! Kinds and sizes of latent codes.

use elbo::data::{Binarize, Split, digits};
use elbo::device::Device;
use elbo::model::{
    Activation, Inference, LatentShape, Latents, Likelihood, ModelKind, ModelSpec, Prior, Weights,
};
use elbo::train::{EpochRecord, KlWeight, TrainOptions, Trainer};

use crate::gradients::layers;
use crate::resume::{options, stopped_and_resumed, stopped_and_resumed_by};
use crate::support::{devices, digit_model, named_objective};

/// A model of digits whose codes are maps of 7×7 pixels.
fn of_map(kind: ModelKind) -> ModelSpec {
    ModelSpec {
        kind,
        encoder: layers("conv 4 k4 /2, conv 6 k4 /2"),
        latent: LatentShape::Map([7, 7, 2]),
        ..digit_model()
    }
}

/// The same whose codes are whole numbers.
fn of_levels() -> ModelSpec {
    ModelSpec {
        levels: Some("8,5".parse().expect("levels")),
        likelihood: Likelihood::SquaredError,
        ..of_map(ModelKind::Ae)
    }
}

#[test]
fn codes_that_are_maps_go_on_to_the_same_bits() {
    stopped_and_resumed(&of_map(ModelKind::Vae), &[1, 12, 13]);
    let of_ae = TrainOptions {
        kl_schedule: KlWeight::default(),
        free_bits: 0.0,
        ..options()
    };
    for spec in [of_map(ModelKind::Ae), of_levels()] {
        stopped_and_resumed_by(&of_ae, &spec, &[1, 12, 13]);
    }
}

#[test]
fn both_devices_learn_the_same_of_codes_that_are_maps() {
    let data = digits::generate(256, 64, 3);
    let of = |name: &str| ModelSpec {
        objective: Some(named_objective(name)),
        ..of_map(ModelKind::Vae)
    };
    let weighed = ModelSpec {
        importance: 3,
        ..of("iwae")
    };
    let plain = [of_map(ModelKind::Vae), of_map(ModelKind::Ae)];
    for spec in plain.into_iter().chain([weighed, of("beta-tc"), of("mmd")]) {
        let losses = devices().into_iter().map(|(_, runtime)| {
            let options = TrainOptions::default();
            let trainer = Trainer::new(runtime, &spec, &options, &data, 0);
            let mut trainer = trainer.expect("a trainer");
            let epoch = trainer.epoch(&mut |_: &EpochRecord| {}).expect("an epoch");
            epoch.expect("its record").test.total
        });
        let losses: Vec<f64> = losses.collect();
        for loss in &losses {
            assert!((loss - losses[0]).abs() <= 1e-4 * losses[0], "{losses:?}");
        }
    }
}

#[test]
fn codes_of_levels_learn_and_are_whole_numbers() {
    let data = digits::generate(3000, 200, 3);
    let spec = ModelSpec {
        encoder: layers("conv 8 k4 /2, conv 16 k4 /2"),
        activation: Activation::Silu,
        ..of_levels()
    };
    let levels = spec.levels.clone().expect("levels");
    for (device, runtime) in devices() {
        let options = TrainOptions {
            batch_size: 16,
            learning_rate: 2e-3,
            epochs: 3,
            ..TrainOptions::default()
        };
        let trainer = Trainer::new(runtime, &spec, &options, &data, 0);
        let mut trainer = trainer.expect("a trainer");
        let losses = [(); 3].map(|()| {
            let epoch = trainer.epoch(&mut |_: &EpochRecord| {}).expect("an epoch");
            epoch.expect("its record").test.total
        });
        println!("{device}: {losses:?}");
        // The mean image has about 100.
        let is_falling = losses.windows(2).all(|pair| pair[1] < pair[0]);
        assert!(is_falling && losses[2] < 50.0, "{device}: {losses:?}");
        let weights = trainer.weights().expect("weights");
        let mut model = Inference::new(Device::Cpu, &spec, &weights, 1).expect("a model");
        let found = model.encode(&data.test, Split::Test, Binarize::None);
        let codes = found.expect("codes").mu;
        let numbers: Vec<f32> = levels
            .numbers(&codes)
            .into_iter()
            .map(|number| number as f32)
            .collect();
        assert_eq!(numbers.len(), 200 * 49);
        let back = levels.values(&numbers).expect("codes");
        for (a, b) in back.iter().zip(&codes) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
        let used: std::collections::BTreeSet<u32> = levels.numbers(&codes).into_iter().collect();
        assert!(used.len() > 8, "{used:?}");
        // By frequencies: whatever a place has, some image has there.
        let prior = Prior::Frequencies(
            Latents {
                mu: codes.clone(),
                logvar: Vec::new(),
            },
            2,
        );
        for drawn in prior.draw(5, 20, 98).expect("codes").chunks(98) {
            for (place, code) in drawn.chunks(2).enumerate() {
                let has = |image: &[f32]| image[2 * place..][..2] == *code;
                assert!(codes.chunks(98).any(has), "place {place}");
            }
        }
        assert!(model.sample(&prior, 3, false).is_ok());
    }
}

#[test]
fn a_code_decodes_to_what_lies_where_its_pixels_do() {
    // One pixel of a code is seen by the part of the image around it alone.
    let spec = of_map(ModelKind::Vae);
    let weights = Weights::initial(&spec, 1).expect("weights");
    let mut model = Inference::new(Device::Cpu, &spec, &weights, 1).expect("a model");
    let mut codes = vec![0.0; 2 * 98];
    let (row, column) = (1, 5);
    codes[98 + 2 * (7 * row + column)] = 3.0;
    let images = model.decode(&codes).expect("images");
    let (plain, marked) = images.split_at(784);
    let changed = |at: &usize| (plain[*at] - marked[*at]).abs() > 1e-6;
    let places: Vec<usize> = (0..784).filter(changed).collect();
    assert!(places.len() > 16, "{places:?}");
    for at in places {
        let (y, x) = (at / 28, at % 28);
        let is_near = y.abs_diff(4 * row + 2) <= 10 && x.abs_diff(4 * column + 2) <= 10;
        assert!(is_near, "pixel {y}, {x}");
    }
    let samples = model.sample(&Prior::Gaussian, 3, false).expect("samples");
    assert_eq!(samples.len(), 3 * 784);
}
