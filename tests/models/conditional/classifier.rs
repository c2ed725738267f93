//! What an image shows, by the real images that are nearest to it.

use elbo::data::Images;
use elbo::model::{Inference, Prior};

/// Nearest real images that vote.
const VOTES: usize = 3;

/// Real images with their classes.
pub(super) struct Classifier {
    values: Vec<f32>,
    labels: Vec<u32>,
    size: usize,
}

impl Classifier {
    pub(super) fn of(images: &Images) -> Self {
        Self {
            values: images.to_f32().expect("in memory"),
            labels: images.labels.clone().expect("labels"),
            size: images.shape.values(),
        }
    }

    /// The class that most of the nearest real images have; of as many, the nearest one's.
    fn class(&self, image: &[f32]) -> u32 {
        let distance = |(known, &label): (&[f32], &u32)| {
            // Several sums at once, which a processor adds side by side.
            let mut sums = [0.0_f32; 8];
            for (a, b) in known.chunks(8).zip(image.chunks(8)) {
                for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
                    *sum += (a - b) * (a - b);
                }
            }
            (sums.iter().sum::<f32>(), label)
        };
        let known = self.values.chunks(self.size).zip(&self.labels);
        let mut all: Vec<(f32, u32)> = known.map(distance).collect();
        all.select_nth_unstable_by(VOTES, |a, b| a.0.total_cmp(&b.0));
        all.truncate(VOTES);
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let votes = |class| all.iter().filter(|(_, label)| *label == class).count();
        let most = all.iter().map(|&(_, class)| votes(class)).max();
        let first = all.iter().find(|&&(_, class)| Some(votes(class)) == most);
        first.expect("a nearest image").1
    }

    /// The share of images that are of the class which `asked` says of each.
    pub(super) fn share(&self, images: &[f32], asked: impl Fn(usize) -> u32) -> f64 {
        let images = images.chunks(self.size);
        let count = images.len();
        let right = images
            .enumerate()
            .filter(|(i, image)| self.class(image) == asked(*i));
        right.count() as f64 / count as f64
    }

    /// The share of other real images whose class it knows.
    pub(super) fn accuracy(&self, images: &Images) -> f64 {
        let labels = images.labels.as_ref().expect("labels");
        self.share(&images.to_f32().expect("in memory"), |image| labels[image])
    }
}

/// The share of a model's samples, so many of each class, that are of the class which they were asked to be of.
pub(super) fn share_of_asked(classifier: &Classifier, model: &mut Inference, each: usize) -> f64 {
    let classes = model
        .spec()
        .condition
        .as_ref()
        .map_or(0, |known| known.count());
    let asked: Vec<u32> = (0..classes as u32)
        .flat_map(|class| vec![class; each])
        .collect();
    let images = model.sample_of(&Prior::Gaussian, asked.len(), &asked, false);
    classifier.share(&images.expect("samples"), |sample| asked[sample])
}
