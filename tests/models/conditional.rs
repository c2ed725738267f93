//! Models that are told the class of each image.

mod classifier;

use elbo::data::{Binarize, Dataset, Images, Split, digits};
use elbo::device::Device;
use elbo::model::{Condition, Inference, ModelKind, ModelSpec, Prior, Weights};
use elbo::number::Bytes;
use elbo::plan::{self, Runtime, Tune};
use elbo::train::{EpochRecord, TrainOptions, Trainer, train};

use crate::gradients::{LEARNED, check, layers};
use crate::resume::stopped_and_resumed;
use crate::support::{Report, devices, digest, digit_model, mnist_folder, named_objective, small};
use classifier::{Classifier, share_of_asked};

fn classes(count: usize) -> Option<Condition> {
    let names = (0..count).map(|class| class.to_string());
    Some(Condition::new(names.collect()))
}

/// A model for the built-in digits.
fn told() -> ModelSpec {
    ModelSpec {
        condition: classes(10),
        ..digit_model()
    }
}

/// The same with convolutions, to whose images a class is joined as a channel.
fn told_of_maps() -> ModelSpec {
    ModelSpec {
        encoder: layers("conv 4 k4 /2, conv 6 k4 /2, linear 12"),
        ..told()
    }
}

#[test]
fn gradients_of_models_that_are_told_a_class_match_differences() {
    let mut report = Report::default();
    let spec = |kind, count| ModelSpec {
        condition: classes(count),
        ..small(kind, 10, &[6, 4], 3)
    };
    check(&mut report, "VAE", &spec(ModelKind::Vae, 3), 21);
    check(&mut report, "AE", &spec(ModelKind::Ae, 2), 22);
    let residual = ModelSpec {
        encoder: layers("linear 5, residual(linear 4, linear 5)"),
        decoder: Some(layers("linear 4, residual(linear 4), linear 5")),
        likelihood: LEARNED,
        ..spec(ModelKind::Vae, 4)
    };
    check(&mut report, "residual", &residual, 23);
    let weighed = ModelSpec {
        objective: Some(named_objective("iwae")),
        importance: 4,
        ..spec(ModelKind::Vae, 3)
    };
    check(&mut report, "4 samples", &weighed, 24);
    let maps = ModelSpec {
        image: elbo::shape::ImageShape::new(4, 5, 1),
        encoder: layers("conv 3 k3 /2, conv 2 k3, linear 4"),
        ..spec(ModelKind::Vae, 3)
    };
    check(&mut report, "maps", &maps, 25);
    report.conclude("differences");
}

#[test]
fn a_run_that_is_told_classes_goes_on_to_the_same_bits() {
    for spec in [told(), told_of_maps()] {
        stopped_and_resumed(&spec, &[1, 7, 12, 13, 30]);
    }
}

fn record(
    runtime: Box<dyn Runtime>,
    spec: &ModelSpec,
    options: &TrainOptions,
    data: &Dataset,
) -> (f64, String) {
    let mut trainer = Trainer::new(runtime, spec, options, data, 0).expect("a trainer");
    let found = trainer.epoch(&mut |_: &EpochRecord| {}).expect("an epoch");
    let weights = trainer.weights().expect("weights");
    (found.expect("its record").test.total, digest(&weights))
}

#[test]
fn classes_are_those_of_the_images_in_windows_and_in_shards_too() {
    let data = digits::generate(9 * 64 + 35, 600, 3);
    let options = TrainOptions {
        batch_size: 64,
        ..TrainOptions::default()
    };
    let in_windows = TrainOptions {
        // Room for some batches of training images, and for one of test images.
        device_memory: Some(Bytes(2 * 784 * 512 + 100)),
        ..options.clone()
    };
    let in_shards = TrainOptions {
        shards: 4,
        ..options.clone()
    };
    for i in 0..devices().len() {
        let of = |options| {
            let (name, runtime) = devices().swap_remove(i);
            (name, record(runtime, &told(), options, &data))
        };
        let (name, whole) = of(&options);
        assert_eq!(of(&in_windows).1, whole, "{name}");
        let (_, (loss, _)) = of(&in_shards);
        assert!(
            (loss - whole.0).abs() <= 1e-4 * whole.0,
            "{name}: {loss}, {whole:?}"
        );
    }
}

#[test]
fn both_devices_learn_the_same_of_classes() {
    let data = digits::generate(256, 64, 3);
    for spec in [told(), told_of_maps()] {
        let losses = devices().into_iter().map(|(_, runtime)| {
            let options = TrainOptions::default();
            record(runtime, &spec, &options, &data).0
        });
        let losses: Vec<f64> = losses.collect();
        for loss in &losses {
            assert!((loss - losses[0]).abs() <= 1e-4 * losses[0], "{losses:?}");
        }
    }
}

/// A model after a short training in steps of so many images.
fn trained(data: &Dataset, epochs: u32, batch_size: usize, spec: &ModelSpec) -> Inference {
    let options = TrainOptions {
        epochs,
        batch_size,
        ..TrainOptions::default()
    };
    let runtime = plan::open(Device::Cpu, Tune::Quick);
    let weights = train(runtime, spec, &options, data, &mut |_: &EpochRecord| {});
    let weights = weights.expect("a trained model");
    Inference::new(Device::Cpu, spec, &weights, 5).expect("a model")
}

/// The images with the labels of the images before them.
fn mislabelled(images: &Images) -> Images {
    let mut labels = images.labels.clone().expect("labels");
    labels.rotate_right(1);
    Images {
        labels: Some(labels),
        ..images.clone()
    }
}

#[test]
fn what_an_image_is_worth_goes_by_its_own_class() {
    let data = digits::generate(4000, 30, 7);
    let mut model = trained(&data, 6, 32, &told());
    let samples = 300;
    let mut score = |images: &Images| {
        let found = model.score(images, Split::Test, Binarize::None, samples, &mut |_, _| ());
        found.expect("scores")
    };
    let (right, wrong) = (score(&data.test), score(&mislabelled(&data.test)));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (own, others) = (mean(&right.reconstruction), mean(&wrong.reconstruction));
    println!("reconstruction {own:.1} nats by the own class, {others:.1} by another");
    assert!(own + 5.0 < others, "{own}, {others}");
    // An image by itself has the bound that it has among others, but for the draws: the class of a code is its image's.
    for image in [0, 11, 29] {
        let alone = score(&data.test.select(&[image]).expect("an image"));
        let (alone, among) = (alone.log_likelihood[0], right.log_likelihood[image]);
        assert!(
            (alone - among).abs() < 5.0,
            "image {image}: {alone}, {among}"
        );
    }
    let (own, others) = (mean(&right.log_likelihood), mean(&wrong.log_likelihood));
    println!("log p(x|y) {own:.1} nats by the own class, {others:.1} by another");
    assert!(own - 5.0 > others, "{own}, {others}");
}

#[test]
fn codes_are_decoded_as_images_of_their_class() {
    let spec = told();
    let weights = Weights::initial(&spec, 1).expect("weights");
    for (device, runtime) in devices() {
        drop(runtime);
        let on = match device {
            "CPU" => Device::Cpu,
            _ => Device::Gpu(Box::new(crate::support::gpu().expect("a GPU"))),
        };
        let mut model = Inference::new(on, &spec, &weights, 1).expect("a model");
        let codes = vec![0.5; 600 * spec.latent.values()];
        let numbers: Vec<u32> = (0..600).map(|code| code % 10).collect();
        let together = model.decode_of(&codes, &numbers).expect("images");
        for class in 0..10 {
            model.set_class(Some(class)).expect("a class");
            let alone = model
                .decode(&codes[..spec.latent.values()])
                .expect("an image");
            for (code, image) in together.chunks(784).enumerate() {
                let is_own = code as u32 % 10 == class;
                let is_near = image.iter().zip(&alone).all(|(a, b)| (a - b).abs() < 1e-5);
                assert_eq!(is_own, is_near, "{device}: code {code}, class {class}");
            }
        }
        model.set_class(None).expect("no class");
        for error in [
            model.decode(&codes).expect_err("no class"),
            model.decode_of(&codes, &[1]).expect_err("one class"),
            model
                .decode_of(&codes, &[10; 600])
                .expect_err("an unknown class"),
            model.set_class(Some(10)).expect_err("an unknown class"),
        ] {
            assert_eq!(error.exit_code(), 2, "{error}");
            assert!(error.to_string().contains("class"), "{error}");
        }
    }
}

#[test]
fn images_without_the_class_that_a_model_is_told_are_refused() {
    let spec = told();
    let weights = Weights::initial(&spec, 1).expect("weights");
    let mut model = Inference::new(Device::Cpu, &spec, &weights, 1).expect("a model");
    let images = digits::generate(4, 1, 0).train.first(4).expect("images");
    for (labels, expected) in [(None, "no labels"), (Some(vec![1, 2, 10, 3]), "class 10")] {
        let images = Images {
            labels,
            ..images.clone()
        };
        let error = model.encode(&images, Split::All, Binarize::None);
        let error = error.expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// Trains, draws images of each class, and has the classifier name them.
fn check_samples(data: &Dataset, epochs: u32, batch_size: usize, spec: &ModelSpec) {
    let classifier = Classifier::of(&data.train);
    let known = classifier.accuracy(&data.test);
    println!(
        "the classifier knows {:.1} % of real test images",
        100.0 * known
    );
    assert!(known >= 0.95, "{known}");
    let mut model = trained(data, epochs, batch_size, spec);
    let share = share_of_asked(&classifier, &mut model, 40);
    println!("{:.1} % of samples are of the asked class", 100.0 * share);
    assert!(share >= 0.9, "{share}");
}

#[test]
fn samples_of_digits_are_of_the_asked_class() {
    // With more latent dimensions it takes longer until codes leave it to the class which digit they are of.
    let spec = ModelSpec {
        encoder: [256].into(),
        latent: 2.into(),
        ..told()
    };
    check_samples(&digits::generate(6000, 500, 3), 20, 32, &spec);
}

#[test]
#[ignore = "minutes"]
fn samples_of_mnist_are_of_the_asked_class() {
    let Some(folder) = mnist_folder() else { return };
    let options = elbo::data::DataOptions::default();
    let data = elbo::data::load(&folder.to_string_lossy(), &options, &mut |_| {});
    let data = data.expect("MNIST");
    let test = data
        .test
        .select(&(0..10_000).step_by(20).collect::<Vec<_>>());
    let train = (*data.train).clone();
    let data = Dataset::new("mnist", train, test.expect("images"));
    let spec = ModelSpec {
        encoder: [256].into(),
        latent: 2.into(),
        ..told()
    };
    check_samples(&data, 6, 32, &spec);
}

#[test]
fn samples_of_a_class_that_nobody_asked_for_are_found() {
    let data = digits::generate(3000, 100, 3);
    let classifier = Classifier::of(&data.train);
    let mut model = trained(&data, 1, 128, &digit_model());
    // Of a model that is told nothing, a tenth is of any class.
    let images = model.sample(&Prior::Gaussian, 100, false).expect("samples");
    let share = classifier.share(&images, |sample| sample as u32 % 10);
    assert!(share < 0.4, "{share}");
}
