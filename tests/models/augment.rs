//! Training images that are moved at random: what a step sees of them, and what stays as it is.

use elbo::data::{Augment, Binarize, digits};
use elbo::model::plans::Update;
use elbo::model::{Model, ModelKind, ModelSpec};
use elbo::plan::{Shared, buffer_bytes};
use elbo::rng::{self, Purpose};
use elbo::train::{EpochRecord, TrainOptions, Trainer};

use crate::reproducibility::{epoch, trainer};
use crate::support::{byte_source, bytes_of, devices, digest, digit_model, expose, load};

/// The images of a batch as the model sees them, where a test looks at them.
const SEEN: Shared = Shared::floats("x");

const BOTH: Augment = Augment {
    flip: true,
    crop: 3,
};

/// What becomes of an image of 28×28 by the draw of a row, as the documentation has it.
fn moved(image: &[u8], seed: u64, step: u32, row: u32) -> Vec<u8> {
    let draw = rng::draw(rng::key(seed), Purpose::Augmentation as u32, step, row);
    let shift = |bits: u32| (f64::from(bits) / 2.0_f64.powi(32) * 7.0).floor() as i32 - 3;
    let reflected = |at: i32| match at {
        ..0 => -at,
        28.. => 54 - at,
        _ => at,
    };
    let place = |y: i32, x: i32| {
        let x = if draw[0] >> 31 == 1 { 27 - x } else { x };
        reflected(y + shift(draw[1])) * 28 + reflected(x + shift(draw[2]))
    };
    let places = (0..28).flat_map(|y| (0..28).map(move |x| (y, x)));
    places.map(|(y, x)| image[place(y, x) as usize]).collect()
}

#[test]
fn a_step_sees_each_image_by_the_draw_of_its_seed_step_and_row() {
    let spec = digit_model();
    let model = Model::new(&spec).expect("a model");
    let (rows, seed, step, first) = (21, 0x1234_5678_9abc_def0, 41, 5);
    let mut source = byte_source(first + rows, spec.image.values(), seed);
    source.first_row = first;
    let update = Update {
        augment: BOTH,
        ..Update::default()
    };
    let images = digits::generate(first + rows, 1, 3).train;
    let bytes = bytes_of(&images);
    let seen = &bytes[28 * 28 * first..];
    let expected = seen.chunks(28 * 28).zip(first as u32..);
    let expected: Vec<u8> = expected
        .flat_map(|(image, row)| moved(image, seed, step, row))
        .collect();
    assert_ne!(expected, seen);
    for (device, mut runtime) in devices() {
        let mut plan = model.train(rows, &source, update);
        expose(&mut plan, SEEN);
        let arena = model.parameters().initial(seed);
        load(runtime.as_mut(), model.parameters(), &arena, &source, bytes);
        runtime.allocate(SEEN, seen.len()).expect("allocate");
        let counters = source.counters();
        runtime
            .write_words(counters, 0, &[step, 0, 0])
            .expect("write");
        let plan = runtime.prepare(plan).expect("prepare");
        runtime.run(plan, 1).expect("run");
        let found = runtime.read(SEEN, 0, seen.len()).expect("read");
        let found: Vec<u8> = found.iter().map(|v| (v * 255.0).round() as u8).collect();
        assert!(found == expected, "{device}");
    }
}

/// An epoch of an autoencoder, in which nothing else is random.
fn run(mut trainer: Trainer) -> (EpochRecord, String) {
    let record = epoch(&mut trainer);
    (record, digest(&trainer.weights().expect("weights")))
}

#[test]
fn images_of_the_test_stay_as_they_are() {
    let spec = ModelSpec {
        kind: ModelKind::Ae,
        ..digit_model()
    };
    let dataset = digits::generate(300, 50, 5);
    for device in 0..devices().len() {
        let of = |augment, learning_rate, binarize| {
            let options = TrainOptions {
                batch_size: 64,
                learning_rate,
                augment,
                binarize,
                ..TrainOptions::default()
            };
            let (_, runtime) = devices().swap_remove(device);
            run(trainer(runtime, &spec, &options, &dataset))
        };
        // What does not learn tells the images apart and nothing else.
        for binarize in [Binarize::None, Binarize::Fixed] {
            let (plain, _) = of(Augment::default(), 0.0, binarize);
            let (moved, _) = of(BOTH, 0.0, binarize);
            assert_eq!(plain.test, moved.test);
            assert_ne!(plain.train, moved.train);
        }
        let digest = |augment| of(augment, 1e-3, Binarize::None).1;
        let [plain, flipped, shifted] =
            [(false, 0), (true, 0), (false, 3)].map(|(flip, crop)| digest(Augment { flip, crop }));
        assert!(plain != flipped && plain != shifted && flipped != shifted);
    }
}

#[test]
fn moves_are_a_step_and_a_copy_of_the_batch_where_they_are_asked_for() {
    let spec = digit_model();
    let model = Model::new(&spec).expect("a model");
    let source = byte_source(64, spec.image.values(), 1);
    let plan = |augment| {
        let update = Update {
            augment,
            ..Update::default()
        };
        model.train(64, &source, update)
    };
    let names = |augment| -> Vec<&str> {
        let steps = plan(augment).steps;
        steps.iter().map(|step| step.kernel.name).collect()
    };
    let (plain, moved) = (names(Augment::default()), names(BOTH));
    assert_eq!(plain[0], "gather");
    assert_eq!(moved[..2], ["gather", "augment"]);
    assert_eq!(moved[2..], plain[1..]);
    let bytes = |augment| -> u64 {
        let memories = plan(augment).memories.into_iter();
        memories.map(|(_, len)| buffer_bytes(len)).sum()
    };
    let more = bytes(BOTH) - bytes(Augment::default());
    assert!(more <= 4 * 64 * 784, "{more} bytes");
}

#[test]
fn images_of_the_grids_stay_as_they_are() {
    let dataset = digits::generate(100, 50, 5);
    let options = TrainOptions {
        batch_size: 50,
        augment: BOTH,
        ..TrainOptions::default()
    };
    for (device, runtime) in devices() {
        let mut trainer = trainer(runtime, &digit_model(), &options, &dataset);
        let pictures = trainer.pictures().expect("pictures");
        let shown: Vec<u8> = pictures
            .originals
            .iter()
            .map(|v| (v * 255.0).round() as u8)
            .collect();
        let images: Vec<&[u8]> = bytes_of(&dataset.test).chunks(28 * 28).collect();
        let known = |image: &[u8]| images.contains(&image);
        assert!(shown.chunks(28 * 28).all(known), "{device}");
    }
}
