//! Using a trained model.

use crate::data::{Binarize, Images};
use crate::device::Device;
use crate::error::Result;
use crate::model::{Loss, ModelSpec, Weights};

/// A trained model on a device.
pub struct Inference {}

/// q(z|x) of some images: `[images, latent]` each.
#[derive(Clone, Debug)]
pub struct Latents {
    /// Means; the code itself for an autoencoder.
    pub mu: Vec<f32>,
    /// Logarithms of the variances; empty for an autoencoder.
    pub logvar: Vec<f32>,
}

/// Losses over a split, and log p(x) where importance samples were asked for.
#[derive(Clone, Copy, Debug)]
pub struct Evaluation {
    /// Images measured.
    pub images: usize,
    /// Mean loss, one draw of z per image.
    pub loss: Loss,
    /// Mean of the importance-weighted bound of log p(x) over the images and its standard error, in nats per image.
    pub log_likelihood: Option<(f64, f64)>,
}

impl Inference {
    /// Puts a model on a device.
    pub fn new(_device: Device, _spec: &ModelSpec, _weights: &Weights, _seed: u64) -> Result<Self> {
        todo!()
    }
    /// `count` images: z from the prior, decoded; means, or drawn from p(x|z) where `draw`. `[count, values]`.
    pub fn sample(&mut self, _count: usize, _draw: bool) -> Result<Vec<f32>> {
        todo!()
    }
    /// Means of the images' reconstructions from the mean code, `[images, values]`.
    pub fn reconstruct(&mut self, _images: &Images, _binarize: Binarize) -> Result<Vec<f32>> {
        todo!()
    }
    /// q(z|x) of each image.
    pub fn encode(&mut self, _images: &Images, _binarize: Binarize) -> Result<Latents> {
        todo!()
    }
    /// Losses; `importance_samples` = 0 leaves log p(x) out. `progress(done, all)` is called now and then.
    pub fn evaluate(
        &mut self,
        _images: &Images,
        _binarize: Binarize,
        _importance_samples: usize,
        _progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Evaluation> {
        todo!()
    }
}
