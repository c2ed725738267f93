//! The sigma that training finds where it is the optimal one.

use std::f64::consts::PI;

use elbo::data::digits;
use elbo::model::{Likelihood, ModelKind, ModelSpec, Sigma};
use elbo::train::{EpochRecord, TrainOptions};

use crate::reproducibility::{epoch, trainer};
use crate::support::{devices, digit_model};

/// Rounding of sums that two runs add up with other factors in them, as a share of the result.
const ROUNDING: f64 = 16.0 * f32::EPSILON as f64;

/// Two epochs of a model that does not learn, so that the second has another order and nothing else.
fn records(likelihood: Likelihood) -> Vec<(&'static str, [EpochRecord; 2])> {
    let spec = ModelSpec {
        kind: ModelKind::Ae,
        likelihood,
        ..digit_model()
    };
    // The last batch has 44 images.
    let dataset = digits::generate(300, 50, 5);
    let options = TrainOptions {
        batch_size: 128,
        learning_rate: 0.0,
        weight_decay: 0.1,
        ..TrainOptions::default()
    };
    let run = |(device, runtime)| {
        let mut trainer = trainer(runtime, &spec, &options, &dataset);
        (device, [epoch(&mut trainer), epoch(&mut trainer)])
    };
    devices().into_iter().map(run).collect()
}

#[test]
fn an_epoch_finds_the_root_mean_squared_error_of_its_images_and_is_tested_by_it() {
    let optimal = Likelihood::Gaussian {
        sigma: Sigma::Optimal,
    };
    let values = digit_model().image.values() as f64;
    let squared = records(Likelihood::LinearSquaredError);
    for ((device, found), (_, squared)) in records(optimal).iter().zip(&squared) {
        for (found, squared) in found.iter().zip(squared) {
            let near = |what: &str, found: f64, expected: f64| {
                let error = (found - expected).abs() / (ROUNDING * expected.abs());
                println!("{device}: {what}: {error:.3} of its limit");
                assert!(error <= 1.0, "{device}: {what} {found}, not {expected}");
            };
            let variance = squared.train.total / values;
            let sigma = f64::from(found.sigma.expect("a sigma"));
            near("sigma", sigma, variance.sqrt());
            let constant = 0.5 * (2.0 * PI * variance).ln();
            let expected = squared.test.total / (2.0 * variance) + values * constant;
            near("test loss", found.test.total, expected);
        }
    }
}
