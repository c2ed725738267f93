//! Using a trained model.

use crate::data::{Binarize, Images, Split, Storage, Values};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::model::condition::check_each;
use crate::model::log_sum::{LogSumExp, mean_and_error};
use crate::model::plans::{self, Mode, buffers};
use crate::model::scores::{self, Scores};
use crate::model::session::{Measured, SAMPLE_ROWS, Session};
use crate::model::{Likelihood, Loss, Model, ModelSpec, Prior, Units, Weights};
use crate::ops::bounded;
use crate::plan::{self, Tune};
use crate::rng::{Purpose, Stream};

/// A trained model on a device.
///
/// ```
/// use elbo::data::{Binarize, Split, digits};
/// use elbo::device::Device;
/// use elbo::model::{Inference, ModelSpec, Prior, Weights};
///
/// // Those of a run: `RunFolder::open(path)?.weights()?`, and its `config().model`.
/// let spec = ModelSpec::reference();
/// let weights = Weights::initial(&spec, 1)?;
///
/// let mut model = Inference::new(Device::Cpu, &spec, &weights, 1)?;
/// let images = digits::generate(10, 1, 0).train;
/// let latents = model.encode(&images, Split::All, Binarize::None)?;
/// assert_eq!(latents.mu.len(), 10 * spec.latent.values());
/// let means = model.decode(&latents.mu)?;
/// assert_eq!(means.len(), 10 * spec.image.values());
/// let samples = model.sample(&Prior::Gaussian, 3, false)?;
/// assert_eq!(samples.len(), 3 * spec.image.values());
/// # Ok::<(), elbo::Error>(())
/// ```
pub struct Inference {
    session: Session,
    /// The class that codes are decoded as.
    class: Option<u32>,
}

/// q(z|x) of some images: `[images, latent]` each.
#[derive(Clone, Debug)]
pub struct Latents {
    /// Means; the code itself for an autoencoder.
    pub mu: Vec<f32>,
    /// Logarithms of the variances, within the bound of ±30; empty for an autoencoder.
    pub logvar: Vec<f32>,
}

/// Losses over a split, and log p(x) where importance samples were asked for.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Images measured.
    pub images: usize,
    /// Mean loss, one draw of z per image.
    pub loss: Loss,
    /// What each latent dimension carries; `None` for an autoencoder.
    pub units: Option<Units>,
    /// Mean of the importance-weighted bound of log p(x) over the images and its standard error, in nats
    /// per image. The error of a single image is NaN.
    pub log_likelihood: Option<(f64, f64)>,
}

impl Inference {
    /// Puts a model on a device. `seed` is that of every draw.
    ///
    /// # Errors
    /// [`Error::Config`] where the weights are not the specification's, [`Error::Device`] where the device
    /// refuses.
    pub fn new(device: Device, spec: &ModelSpec, weights: &Weights, seed: u64) -> Result<Self> {
        let model = Model::new(spec)?;
        let arena = weights.to_arena(model.parameters())?;
        let session = Session::new(plan::open(device, Tune::Quick), model, &arena, seed)?;
        Ok(Self {
            session,
            class: None,
        })
    }

    /// What the model is.
    pub fn spec(&self) -> &ModelSpec {
        self.session.model.spec()
    }

    /// The seed of every draw.
    pub fn seed(&self) -> u64 {
        self.session.seed
    }

    /// Most images that are computed at once.
    pub fn batch_rows(&self) -> usize {
        self.session.batch_rows()
    }

    /// Sets the seed of every draw from now on.
    pub fn reseed(&mut self, seed: u64) {
        self.session.seed = seed;
    }

    /// Sets the class, by its number, that a model which is told one decodes codes as from now on; `None` where each code
    /// comes with its own.
    ///
    /// # Errors
    /// [`Error::Config`] where the model is told no class, or has none of this number.
    pub fn set_class(&mut self, class: Option<u32>) -> Result<()> {
        if let Some(number) = class {
            check_each(self.session.model.spec(), 1, &[number])?;
        }
        self.class = class;
        Ok(())
    }

    /// The classes of so many codes that come without.
    fn classes(&self, codes: usize) -> Result<Vec<u32>> {
        match (&self.session.model.spec().condition, self.class) {
            (None, _) => Ok(Vec::new()),
            (Some(_), Some(class)) => Ok(vec![class; codes]),
            (Some(condition), None) => Err(Error::config(
                format!(
                    "the model decodes a code as an image of a class, one of {}, and none is named",
                    condition.in_words()
                ),
                "`class = …`",
            )),
        }
    }

    /// `count` images: codes from `prior`, decoded; means, or drawn from p(x|z) where `draw`.
    /// `[count, values]`. A model that is told a class decodes all as that of [`Inference::set_class`].
    ///
    /// # Errors
    /// [`Error::Config`] for N(0, I) and an autoencoder that was not trained with a prior, and as [`Prior::draw`] and
    /// [`Inference::decode`]; [`Error::Device`].
    pub fn sample(&mut self, prior: &Prior, count: usize, draw: bool) -> Result<Vec<f32>> {
        let classes = self.classes(count)?;
        self.sample_of(prior, count, &classes, draw)
    }

    /// The same, each code as an image of its own class; none where the model is told none.
    ///
    /// # Errors
    /// As [`Inference::sample`]; [`Error::Config`] where there are other than `count` classes.
    pub fn sample_of(
        &mut self,
        prior: &Prior,
        count: usize,
        classes: &[u32],
        draw: bool,
    ) -> Result<Vec<f32>> {
        let spec = self.session.model.spec();
        if matches!(prior, Prior::Gaussian) && !spec.has_prior() {
            return Err(Error::config(
                "an autoencoder has no prior to sample from",
                "`prior = mixture:10`, a density that is fitted to its codes, or a run of `model = vae` or `objective = wae`",
            ));
        }
        let mut codes = prior.draw(self.session.seed, count, spec.latent.values())?;
        if let Some(levels) = &spec.levels {
            levels.snap(&mut codes);
        }
        let mut images = self.decode_of(&codes, classes)?;
        if draw {
            self.draw(&mut images)?;
        }
        Ok(images)
    }

    /// Means of p(x|z) of codes `[count, latent]`: `[count, values]`. A model that is told a class decodes them as that of
    /// [`Inference::set_class`].
    ///
    /// # Errors
    /// [`Error::Config`] where the codes are not whole rows, and where a model that is told a class was told none;
    /// [`Error::Device`].
    pub fn decode(&mut self, codes: &[f32]) -> Result<Vec<f32>> {
        let classes = self.classes(codes.len() / self.session.model.spec().latent.values())?;
        self.decode_of(codes, &classes)
    }

    /// Means of p(x|z, y) of codes `[count, latent]`, each as an image of its own class y: `[count, values]`. No classes where
    /// the model is told none.
    ///
    /// # Errors
    /// [`Error::Config`] where the codes are not whole rows, and where their classes are not as many or not the model's;
    /// [`Error::Device`].
    pub fn decode_of(&mut self, codes: &[f32], classes: &[u32]) -> Result<Vec<f32>> {
        let latent = self.session.model.spec().latent.values();
        if !codes.len().is_multiple_of(latent) {
            return Err(Error::config(
                format!("{} values are not codes of {latent} each", codes.len()),
                "whole codes",
            ));
        }
        check_each(self.session.model.spec(), codes.len() / latent, classes)?;
        if codes.is_empty() {
            return Ok(Vec::new());
        }
        self.session.decode(codes, classes)
    }

    /// Replaces means by draws from p(x|z).
    fn draw(&mut self, images: &mut [f32]) -> Result<()> {
        let mut stream = Stream::new(self.session.seed, Purpose::Likelihood, 0);
        match self.session.model.spec().likelihood {
            Likelihood::Bernoulli => {
                for value in images {
                    *value = f32::from(u8::from(stream.uniform() < *value));
                }
            }
            Likelihood::Gaussian { .. } => {
                let sigma = self.session.log_sigma()?.exp();
                for value in images {
                    *value += sigma * stream.normal();
                }
            }
            Likelihood::SquaredError | Likelihood::LinearSquaredError => {}
        }
        Ok(())
    }

    /// Puts images on the device. Where each value is drawn once, `split` says for which of the two sets of
    /// draws: the training images are then those that training saw.
    fn upload(
        &mut self,
        images: &Images,
        split: Split,
        binarize: Binarize,
    ) -> Result<plans::Source> {
        let purpose = match (binarize, split) {
            (Binarize::Fixed, Split::Train) => Purpose::Binarisation,
            _ => Purpose::EvaluationBinarisation,
        };
        self.session.upload("images", images, binarize, purpose)
    }

    /// The images as the model sees them: themselves, or drawn as 0 and 255 where they are binarised. By the same draws as
    /// in every other use of the same images.
    ///
    /// # Errors
    /// As [`Inference::reconstruct`].
    pub fn see(&mut self, images: &Images, split: Split, binarize: Binarize) -> Result<Images> {
        if binarize == Binarize::None {
            return Ok(images.clone());
        }
        let source = self.upload(images, split, binarize)?;
        let mut seen = Vec::with_capacity(images.len() * images.shape.values());
        self.session
            .see(&source, |_, image| seen.extend_from_slice(image))?;
        Ok(Images {
            storage: Storage::Memory(Values::Bytes(seen)),
            ..images.clone()
        })
    }

    /// Means of the images' reconstructions from the mean code, `[images, values]`.
    ///
    /// # Errors
    /// [`Error::Config`] where the images do not fit the model; [`Error::Device`].
    pub fn reconstruct(
        &mut self,
        images: &Images,
        split: Split,
        binarize: Binarize,
    ) -> Result<Vec<f32>> {
        let source = self.upload(images, split, binarize)?;
        let values = images.shape.values();
        let mut all = Vec::with_capacity(images.len() * values);
        self.session.sweep(
            &plans::RECONSTRUCT,
            &source,
            buffers::DECODED,
            values,
            |_, batch| {
                all.extend_from_slice(batch);
                Ok(())
            },
        )?;
        Ok(all)
    }

    /// q(z|x) of each image.
    ///
    /// # Errors
    /// As [`Inference::reconstruct`].
    pub fn encode(&mut self, images: &Images, split: Split, binarize: Binarize) -> Result<Latents> {
        let source = self.upload(images, split, binarize)?;
        let latent = self.session.model.spec().latent.values();
        let width = self.session.model.head_values();
        let mut latents = Latents {
            mu: Vec::with_capacity(images.len() * latent),
            logvar: Vec::new(),
        };
        self.session.sweep(
            &plans::ENCODE,
            &source,
            buffers::HEADS,
            width,
            |_, batch| {
                for row in batch.chunks(width) {
                    latents.mu.extend_from_slice(&row[..latent]);
                    let logvar = row[latent..].iter().map(|&value| bounded(value));
                    latents.logvar.extend(logvar);
                }
                Ok(())
            },
        )?;
        Ok(latents)
    }

    /// Losses; `importance_samples` = 0 leaves log p(x) out. `progress(done, all)` counts images of the
    /// importance weighting.
    ///
    /// # Errors
    /// As [`Inference::reconstruct`]; [`Error::Config`] for importance samples of an autoencoder.
    pub fn evaluate(
        &mut self,
        images: &Images,
        split: Split,
        binarize: Binarize,
        importance_samples: usize,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Evaluation> {
        self.check_samples(importance_samples)?;
        let source = self.upload(images, split, binarize)?;
        let passes = self.session.evaluation(&source)?;
        let Measured { loss, units } = self.session.measure(&source, &passes, 0)?;
        let log_likelihood = match importance_samples {
            0 => None,
            samples => Some(mean_and_error(
                &self.log_likelihood(&source, samples, progress)?,
            )),
        };
        Ok(Evaluation {
            images: images.len(),
            loss,
            units,
            log_likelihood,
        })
    }

    /// The losses of each image by one code of it. Of objectives that have one code their means are those of
    /// [`Inference::evaluate`] with the same arguments, as the draw of z is the same.
    ///
    /// # Errors
    /// As [`Inference::evaluate`].
    pub fn score(
        &mut self,
        images: &Images,
        split: Split,
        binarize: Binarize,
        importance_samples: usize,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Scores> {
        self.check_samples(importance_samples)?;
        let source = self.upload(images, split, binarize)?;
        let mut scores = scores::measure(&mut self.session, &source)?;
        if importance_samples > 0 {
            scores.log_likelihood = self.log_likelihood(&source, importance_samples, progress)?;
        }
        Ok(scores)
    }

    /// The sigma of a Gaussian likelihood that training found, learned or optimal; `None` where it was given.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn found_sigma(&mut self) -> Result<Option<f32>> {
        let log_sigma = self.session.found_log_sigma()?;
        Ok(log_sigma.map(f32::exp))
    }

    fn check_samples(&self, importance_samples: usize) -> Result<()> {
        match importance_samples > 0 && !self.session.model.spec().is_variational() {
            false => Ok(()),
            true => Err(Error::config(
                "`importance-samples = …`: an autoencoder has no likelihood of images",
                "a run of `model = vae`",
            )),
        }
    }

    /// log (1/K) Σ w of each image, the bound of Burda et al. 2016.
    fn log_likelihood(
        &mut self,
        source: &plans::Source,
        samples: usize,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<f64>> {
        let session = &mut self.session;
        // Either several images with all their samples, or one image with some of its samples.
        let most = session.rows_within(SAMPLE_ROWS);
        let images = (most / samples).clamp(1, source.images);
        let chunk = most.min(samples);
        session.allocate_batch(images)?;
        let rows = images * chunk;
        session.allocate(buffers::LOG_WEIGHTS, 2 * rows)?;
        let (mut found, mut done) = (Vec::with_capacity(source.images), 0);
        let mut noise = 0_u32;
        let (counts, parts) = ([images, source.images % images], [chunk, samples % chunk]);
        let sizes = counts.map(|count| parts.map(|part| [count, part]));
        session.keep_sizes(
            &plans::ENCODE,
            Some(source),
            &counts.map(|count| [count, 1]),
        );
        session.keep_sizes(&plans::LOG_WEIGHTS, Some(source), sizes.as_flattened());
        while done < source.images {
            let count = images.min(source.images - done);
            let mut bounds = vec![LogSumExp::default(); count];
            let mut left = samples;
            let encode = session.prepare(&plans::ENCODE, Mode::Run, [count, 1], Some(source))?;
            let batch = (done / images) as u32;
            let counters = source.counters();
            session
                .runtime
                .write_words(counters, 0, &[batch, done as u32, 0])?;
            session.runtime.run(encode, 1)?;
            while left > 0 {
                let each = chunk.min(left);
                let size = [count, each];
                let weigh = session.prepare(&plans::LOG_WEIGHTS, Mode::Run, size, Some(source))?;
                // The place of the images, whose classes the decoder is told.
                let place = [noise, done as u32, 0];
                session.runtime.write_words(counters, 0, &place)?;
                noise = noise.wrapping_add(1);
                session.runtime.run(weigh, 1)?;
                let terms = session
                    .runtime
                    .read(buffers::LOG_WEIGHTS, 0, 2 * count * each)?;
                let log_weight =
                    |terms: &[f32]| -terms.iter().map(|&term| f64::from(term)).sum::<f64>();
                for (bound, terms) in bounds.iter_mut().zip(terms.chunks(2 * each)) {
                    terms
                        .chunks(2)
                        .for_each(|terms| bound.add(log_weight(terms)));
                }
                left -= each;
            }
            let log_samples = (samples as f64).ln();
            found.extend(bounds.iter().map(|bound| bound.value() - log_samples));
            done += count;
            progress(done, source.images);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Allocation;
    use crate::shape::ImageShape;

    #[test]
    fn plans_are_those_of_the_last_number_of_importance_samples() {
        let spec = ModelSpec {
            image: ImageShape::new(2, 3, 1),
            encoder: [5].into(),
            latent: 2.into(),
            ..ModelSpec::reference()
        };
        let weights = Weights::initial(&spec, 1).expect("weights");
        let bytes = (0..6 * spec.image.values()).map(|i| (i % 251) as u8);
        let images = Images::new(spec.image, Values::Bytes(bytes.collect()));
        let open = || Inference::new(Device::Cpu, &spec, &weights, 1).expect("a model");
        // The estimate, and the memory of the plans that are there after it.
        let estimate = |model: &mut Inference, samples| {
            let found = model.evaluate(
                &images,
                Split::Test,
                Binarize::None,
                samples,
                &mut |_, _| (),
            );
            let mut plans = model.session.memory();
            // One for a row stays once it is there.
            plans.retain(|part: &Allocation| {
                part.name.starts_with("plan ") && part.name != "plan encode 1"
            });
            (found.expect("an estimate").log_likelihood, plans)
        };
        let mut several = open();
        // Also so many that an image takes two passes, of two sizes, and that images are no multiple of a pass's.
        for samples in [1, 7, 1000, 3, SAMPLE_ROWS + 900, 5, 6] {
            let found = estimate(&mut several, samples);
            assert_eq!(found, estimate(&mut open(), samples), "{samples}");
        }
    }
}
