//! Images of a data set with their codes, and what the codes say about each latent dimension.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::data::{Binarize, Images, Split};
use crate::error::Result;
use crate::model::{Inference, Latents, is_active};
use crate::view::{self, Spread, kl_by_value};

/// Least and greatest value of a slider: three standard deviations of the prior.
const USUAL: f32 = 3.0;

/// Images and the mean of q(z|x) of each.
#[derive(Debug)]
pub(super) struct Gallery {
    /// The images.
    pub(super) images: Images,
    /// Place of each among the images that they were chosen from.
    pub(super) places: Vec<usize>,
    /// How many those are.
    pub(super) total: usize,
    /// Their classes, in order: a class has the same number and look whichever images are chosen.
    pub(super) classes: Vec<u32>,
    /// `[images, latent]`
    pub(super) codes: Vec<f32>,
    /// Each latent dimension, the most active one first.
    pub(super) dimensions: Vec<Dimension>,
}

/// A latent dimension over the images of a gallery.
#[derive(Serialize, Debug, Clone, PartialEq)]
pub(super) struct Dimension {
    /// Its place in a code.
    pub(super) index: usize,
    /// Mean KL(q(z|x) ‖ p(z)) in nats; the variance of the code for an autoencoder.
    pub(super) activity: f64,
    /// Whether it counts as an active unit, as in the metrics of training. Codes of an autoencoder have no scale by
    /// which one could be idle.
    pub(super) active: bool,
    /// Mean of the codes.
    pub(super) mean: f64,
    /// Their standard deviation.
    pub(super) deviation: f64,
    /// Range that holds the codes and, for a VAE, most of the prior.
    pub(super) low: f32,
    pub(super) high: f32,
}

impl Gallery {
    /// Encodes at most `most` of the images, as the model sees them, spread evenly over them all: data may be in the order of
    /// their classes.
    pub(super) fn new(
        model: &mut Inference,
        images: &Images,
        most: usize,
        (split, binarize): (Split, Binarize),
    ) -> Result<Self> {
        let total = images.len();
        let labels = images.labels.iter().flatten().copied();
        let classes: BTreeSet<u32> = labels.collect();
        let places = spread(total, most);
        let images = match binarize {
            Binarize::None => images.select(&places)?,
            // Draws go by the place among all.
            _ => model.see(images, split, binarize)?.select(&places)?,
        };
        let latents = view::encode(model, &images, Split::Test, Binarize::None)?;
        let latent = latents.mu.len() / images.len().max(1);
        Ok(Self {
            dimensions: dimensions(&latents, latent),
            images,
            places,
            total,
            classes: classes.into_iter().collect(),
            codes: latents.mu,
        })
    }

    /// The code of an image.
    pub(super) fn code(&self, image: usize) -> &[f32] {
        let latent = self.dimensions.len();
        &self.codes[image * latent..(image + 1) * latent]
    }
}

/// At most `most` of `count` places, evenly spread.
fn spread(count: usize, most: usize) -> Vec<usize> {
    let kept = count.min(most);
    (0..kept).map(|i| i * count / kept).collect()
}

fn dimensions(latents: &Latents, latent: usize) -> Vec<Dimension> {
    let spread = Spread::of(&latents.mu, latent);
    let kl = (!latents.logvar.is_empty()).then(|| kl_by_value(latents, latent));
    let dimension = |index: usize| {
        let column = || latents.mu.iter().copied().skip(index).step_by(latent);
        let least = column().fold(f32::INFINITY, f32::min);
        let greatest = column().fold(f32::NEG_INFINITY, f32::max);
        let deviation = spread.deviation[index];
        let (activity, low, high) = match &kl {
            Some(kl) => (kl[index], least.min(-USUAL), greatest.max(USUAL)),
            // A code that never changes still gets a slider that moves it.
            None if least == greatest => (deviation.powi(2), least - 1.0, greatest + 1.0),
            None => (deviation.powi(2), least, greatest),
        };
        Dimension {
            index,
            activity,
            active: kl.is_none() || is_active(deviation.powi(2)),
            mean: spread.mean[index],
            deviation,
            low,
            high,
        }
    };
    let mut all: Vec<_> = (0..latent).map(dimension).collect();
    // Stable, so that equal ones keep their order.
    all.sort_by(|a, b| b.activity.total_cmp(&a.activity));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::digits;
    use crate::device::Device;
    use crate::model::{ModelSpec, Weights};

    #[test]
    fn chosen_places_are_spread_over_all() {
        assert_eq!(spread(10, 5), [0, 2, 4, 6, 8]);
        assert_eq!(spread(3, 5), [0, 1, 2]);
        assert!(spread(0, 5).is_empty());
    }

    #[test]
    fn a_gallery_has_binarised_images_as_the_model_sees_them() {
        let spec = ModelSpec {
            encoder: [4].into(),
            latent: 2.into(),
            ..ModelSpec::reference()
        };
        let weights = Weights::initial(&spec, 1).expect("weights");
        let mut model = Inference::new(Device::Cpu, &spec, &weights, 1).expect("a model");
        let images = digits::generate(1, 20, 3).test;
        let seen = model
            .see(&images, Split::Test, Binarize::Fixed)
            .expect("images");
        let codes = model
            .encode(&images, Split::Test, Binarize::Fixed)
            .expect("codes");
        let how = (Split::Test, Binarize::Fixed);
        let gallery = Gallery::new(&mut model, &images, 5, how).expect("a gallery");
        let values = |images: &Images| images.values().expect("in memory").into_owned();
        let chosen = seen.select(&gallery.places).expect("in memory");
        assert_eq!(values(&gallery.images), values(&chosen));
        assert_ne!(values(&seen), values(&images));
        for (place, code) in gallery.places.iter().zip(gallery.codes.chunks(2)) {
            assert_eq!(code, &codes.mu[2 * place..2 * place + 2]);
        }
    }

    #[test]
    fn dimensions_come_by_their_kl() {
        // The first dimension is the prior itself, the second one knows its image, the third one has a KL but the
        // same code for all images.
        let latents = Latents {
            mu: vec![0.0, -2.0, 1.0, 0.0, 4.0, 1.0],
            logvar: vec![0.0, -3.0, 0.0, 0.0, -3.0, 0.0],
        };
        let found = dimensions(&latents, 3);
        assert_eq!(found.iter().map(|d| d.index).collect::<Vec<_>>(), [1, 2, 0]);
        let expected = 0.5 * (10.0 + (-3.0_f64).exp() - 1.0 + 3.0);
        assert!((found[0].activity - expected).abs() < 1e-12, "{found:?}");
        assert_eq!((found[1].activity, found[2].activity), (0.5, 0.0));
        assert_eq!((found[0].mean, found[0].deviation), (1.0, 3.0));
        assert_eq!((found[0].low, found[0].high), (-3.0, 4.0));
        let active: Vec<bool> = found.iter().map(|d| d.active).collect();
        assert_eq!(active, [true, false, false]);
    }

    #[test]
    fn dimensions_of_an_autoencoder_come_by_their_variance() {
        let latents = Latents {
            mu: vec![5.0, 0.0, 5.0, 8.0],
            logvar: Vec::new(),
        };
        let found = dimensions(&latents, 2);
        assert_eq!((found[0].index, found[0].activity), (1, 16.0));
        assert_eq!((found[0].low, found[0].high), (0.0, 8.0));
        assert_eq!((found[1].low, found[1].high), (4.0, 6.0));
        assert!(found[1].active);
    }
}
