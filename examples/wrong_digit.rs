//! Trains a VAE on the images of one class alone, and says by what share its -ELBO tells those of the other classes from
//! them: `cargo run --release --example wrong_digit -- mnist 7`. Without a class, each in turn.

use std::env;

use elbo::Result;
use elbo::data::{Binarize, DataOptions, Dataset, Images, Split, load};
use elbo::device::Device;
use elbo::model::{Inference, ModelSpec};
use elbo::plan::{self, Tune};
use elbo::train::{EpochRecord, TrainOptions, train};

fn main() -> Result<()> {
    let source = env::args().nth(1).unwrap_or("digits".into());
    let only: Option<u32> = env::args().nth(2).and_then(|class| class.parse().ok());
    let data = load(&source, &DataOptions::default(), &mut |_| {})?;
    let labels = data.test.labels.clone().unwrap_or_default();
    let last = labels.iter().copied().max().unwrap_or(0);
    let mut areas = Vec::new();
    for class in (0..=last).filter(|class| only.is_none_or(|only| only == *class)) {
        let scores = strangeness(&data, class)?;
        let scored = scores.iter().zip(&labels);
        let (own, others): (Vec<_>, Vec<_>) = scored.partition(|(_, label)| **label == class);
        let values = |part: Vec<(&f64, &u32)>| part.into_iter().map(|(score, _)| *score).collect();
        let (own, others): (Vec<f64>, Vec<f64>) = (values(own), values(others));
        let area = area_under_roc(&own, &others);
        println!("{class}: area under the ROC curve {area:.4}");
        areas.push(area);
    }
    let mean = areas.iter().sum::<f64>() / areas.len() as f64;
    println!("mean: {mean:.4}");
    Ok(())
}

/// -ELBO of each test image by a model of one class.
fn strangeness(data: &Dataset, class: u32) -> Result<Vec<f64>> {
    let of_class = |images: &Images| {
        let labels = images.labels.iter().flatten();
        let places = labels.enumerate().filter(|(_, label)| **label == class);
        images.select(&places.map(|(place, _)| place).collect::<Vec<_>>())
    };
    let one = Dataset::new("one class", of_class(&data.train)?, of_class(&data.test)?);
    let spec = ModelSpec {
        image: one.train.shape,
        ..ModelSpec::reference()
    };
    let options = TrainOptions::default();
    let runtime = plan::open(Device::Cpu, Tune::Quick);
    let weights = train(runtime, &spec, &options, &one, &mut |_: &EpochRecord| ())?;
    let mut model = Inference::new(Device::Cpu, &spec, &weights, options.seed)?;
    let scores = model.score(&data.test, Split::Test, Binarize::None, 0, &mut |_, _| ())?;
    let images = 0..data.test.len();
    Ok(images.map(|image| scores.negative_elbo(image)).collect())
}

/// How often one of the others has the greater score, of all pairs of one and another; half where they are equal.
fn area_under_roc(own: &[f64], others: &[f64]) -> f64 {
    let mut own = own.to_vec();
    own.sort_by(f64::total_cmp);
    let below = |score: &f64| {
        let less = own.partition_point(|value| value < score);
        let equal = own[less..].partition_point(|value| value <= score);
        less as f64 + 0.5 * equal as f64
    };
    others.iter().map(below).sum::<f64>() / (own.len() * others.len()) as f64
}
