//! The real MNIST, where this machine has it.

use std::env;
use std::path::PathBuf;

use elbo::shape::ImageShape;

use crate::skipped::skipped;
use crate::support::{bytes_of, load_path};

#[test]
fn real_mnist_is_read_whole() {
    let folder = env::var_os("ELBO_MNIST").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/mnist")),
        PathBuf::from,
    );
    if !folder.is_dir() {
        let what = "set ELBO_MNIST to its folder";
        skipped(
            "mnist",
            format_args!("no MNIST at {}; {what}", folder.display()),
        );
        return;
    }
    let dataset = load_path(&folder).expect("MNIST");
    assert_eq!(dataset.train.shape, ImageShape::new(28, 28, 1));
    assert_eq!((dataset.train.len(), dataset.test.len()), (60_000, 10_000));
    let labels = dataset.train.labels.as_ref().expect("labels");
    assert_eq!(labels[..5], [5, 0, 4, 1, 9]);
    assert_eq!(
        dataset.test.labels.as_ref().expect("labels")[..5],
        [7, 2, 1, 0, 4]
    );
    let sum: u64 = bytes_of(&dataset.train)
        .iter()
        .map(|&byte| u64::from(byte))
        .sum();
    let mean = sum as f64 / 255.0 / (60_000.0 * 784.0);
    assert!((mean - 0.1307).abs() < 1e-4, "mean pixel {mean}");
}
