//! Trains a VAE on images of your own, and draws new ones: `cargo run --release --example train_own_data`.

use std::{env, f32::consts::TAU, ops::Range, path::Path};

use elbo::data::{Dataset, Images, Values};
use elbo::device::{Device, Selection};
use elbo::draw::Grid;
use elbo::model::{Inference, ModelSpec, Prior};
use elbo::train::{EpochRecord, TrainOptions, train};
use elbo::{Result, files, plan, shape::ImageShape};

const SHAPE: ImageShape = ImageShape::new(28, 28, 1);

/// An image of the data: a moon, of some size and lit from some side. Yours go here: values from 0 to 1, row by row,
/// channels last.
fn moon(number: usize) -> Vec<f32> {
    let [size, side] = [0.7549, 0.5698].map(|step| (step * number as f32).fract());
    let light = (TAU * side).sin_cos();
    let value = |at: usize| {
        let [y, x] = [at / 28, at % 28].map(|at| (at as f32 - 13.5) / (9.0 + 4.0 * size));
        let z = (1.0 - x * x - y * y).max(0.0).sqrt();
        (10.0 * z).min(1.0) * (light.0 * y + light.1 * x + 0.4 * z).clamp(0.0, 1.0)
    };
    (0..SHAPE.values()).map(value).collect()
}

fn main() -> Result<()> {
    let images = |numbers: Range<usize>| -> Images {
        Images::new(SHAPE, Values::Floats(numbers.flat_map(moon).collect()))
    };
    let dataset = Dataset::new("moons", images(0..8_000), images(8_000..9_000));
    let mut spec = ModelSpec::reference();
    (spec.image, spec.latent) = (SHAPE, 3.into());
    let options = TrainOptions::default();
    let device = || Device::open(&Selection::Auto(0));

    let runtime = plan::open(device()?, plan::Tune::Quick);
    let mut watch = |epoch: &EpochRecord| println!("{}: {:.2}", epoch.epoch, epoch.test.total);
    let weights = train(runtime, &spec, &options, &dataset, &mut watch)?;

    let mut model = Inference::new(device()?, &spec, &weights, options.seed)?;
    let grid = Grid::of_images(&model.sample(&Prior::Gaussian, 64, false)?, SHAPE, 8)?;
    let path = env::args().nth(1).unwrap_or("moons.png".into());
    files::create(Path::new(&path), &grid.png()?)
}
