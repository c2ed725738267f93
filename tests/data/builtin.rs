//! The digits that the program draws.

use std::time::Instant;

use elbo::data::digits::{self, TEST_IMAGES, TRAIN_IMAGES};
use elbo::shape::ImageShape;
use sha2::{Digest, Sha256};

use crate::support::bytes_of;

#[test]
fn digits_of_a_seed_never_change() {
    let dataset = digits::generate(64, 16, 0);
    let mut hasher = Sha256::new();
    hasher.update(bytes_of(&dataset.train));
    hasher.update(bytes_of(&dataset.test));
    let hash: String = hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    // Whoever changes how digits look changes every figure measured on them: say so in the
    // changelog together with the new hash.
    assert_eq!(
        hash,
        "62d5d710deda9fad489f0bb6ec9835855a6d11c320b59d4a6a85d02dcaf9cb87"
    );
    assert_ne!(
        bytes_of(&digits::generate(64, 16, 1).train),
        bytes_of(&dataset.train)
    );
}

#[test]
fn digits_do_not_depend_on_their_number_or_on_threads() {
    let all = digits::generate(200, 20, 3);
    let few = digits::generate(50, 5, 3);
    assert_eq!(bytes_of(&few.train), &bytes_of(&all.train)[..50 * 784]);
    assert_eq!(bytes_of(&few.test), &bytes_of(&all.test)[..5 * 784]);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .expect("one thread");
    let single = pool.install(|| digits::generate(200, 20, 3));
    assert_eq!(bytes_of(&single.train), bytes_of(&all.train));
    assert_eq!(single.train.labels, all.train.labels);
}

#[test]
fn default_digits_have_the_size_and_look_of_mnist() {
    let start = Instant::now();
    let mut lines = Vec::new();
    let dataset = elbo::data::load("digits", &Default::default(), &mut |news| {
        lines.push(format!("{news:?}"));
    })
    .expect("digits need nothing");
    eprintln!("70,000 digits in {:.2} s", start.elapsed().as_secs_f32());
    assert_eq!(dataset.train.shape, ImageShape::new(28, 28, 1));
    assert_eq!(
        (dataset.train.len(), dataset.test.len()),
        (TRAIN_IMAGES, TEST_IMAGES)
    );
    for images in [&dataset.train, &dataset.test] {
        let labels = images.labels.as_ref().expect("labels");
        for class in 0..10 {
            let count = labels.iter().filter(|&&label| label == class).count();
            let expected = images.len() / 10;
            assert!(
                count.abs_diff(expected) < expected / 8,
                "{count} of class {class}"
            );
        }
        for image in bytes_of(images).chunks(784) {
            let ink = image.iter().filter(|&&byte| byte > 127).count();
            assert!((12..330).contains(&ink), "{ink} bright pixels");
            assert!(image.iter().any(|&byte| byte > 200));
            let edge = |i: usize| [i / 28, i % 28].iter().any(|&at| at == 0 || at == 27);
            assert!(
                (0..784).all(|i| !edge(i) || image[i] == 0),
                "ink at the edge"
            );
        }
        assert_eq!(images.value_range().expect("in memory"), (0.0, 1.0));
    }
    // MNIST's mean pixel is 0.1307.
    let sum: u64 = bytes_of(&dataset.train)
        .iter()
        .map(|&byte| u64::from(byte))
        .sum();
    let mean = sum as f64 / 255.0 / (TRAIN_IMAGES * 784) as f64;
    assert!((0.115..0.145).contains(&mean), "mean pixel {mean}");
}
