//! What `elbo sample` draws codes from.

use std::fmt;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::loading::load;
use super::{note, saved, text, warn};
use crate::data::{Images, Split};
use crate::error::{Error, Result};
use crate::model::{Fit, Inference, Latents, Prior, PriorName, Weights};
use crate::train::{RunFolder, anchored};
use crate::view;

/// Version of the fit: another one is not taken from a file.
const FORMAT: &str = "1";

/// Refuses a prior that a run cannot have, before anything is read, and gives its part of the name of a picture: nothing for
/// that of the model itself.
pub(super) fn check(name: PriorName, folder: &RunFolder, data: Option<&str>) -> Result<String> {
    if name != PriorName::Gaussian && folder.config().model.condition.is_some() {
        return Err(Error::model(
            folder.path(),
            format!(
                "--prior {name}: it would be that of the codes of all classes, and this run is told the class of an image"
            ),
            match folder.config().model.has_prior() {
                true => "--prior gaussian, which is the prior of every class",
                false => "a run of --model vae, whose prior is that of every class",
            },
        ));
    }
    if name == PriorName::Frequencies && folder.config().model.levels.is_none() {
        return Err(Error::model(
            folder.path(),
            "--prior frequencies: the codes of this run are no whole numbers, so that none comes twice",
            "--prior mixture:10, or a run of --latent-kind fsq",
        ));
    }
    if name != PriorName::Gaussian {
        return Ok(format!("{}-", name.to_string().replace(':', "-")));
    }
    saved::require_prior(
        folder,
        "which has no prior to sample from",
        match folder.config().model.condition {
            Some(_) => "a run of --model vae or --objective wae",
            None => {
                "--prior mixture:10, which is fitted to its codes, or a run of --model vae or --objective wae"
            }
        },
    )?;
    match data {
        None => Ok(String::new()),
        Some(data) => Err(Error::config(
            format!("--data {data}: no image is needed for --prior gaussian"),
            "it left out, or --prior mixture:10 with it",
        )),
    }
}

/// The prior of this name; `model` has the parameters of `weights` and the seed of the run.
pub(super) fn of(
    name: PriorName,
    folder: &RunFolder,
    weights: &Weights,
    model: &mut Inference,
    data: Option<&str>,
) -> Result<Prior> {
    match name {
        PriorName::Gaussian => Ok(Prior::Gaussian),
        PriorName::Mixture(count) => mixture(count, folder, weights, model, data),
        PriorName::Codes => {
            let training = Training::load(folder, data)?;
            Ok(Prior::Codes(training.codes(folder, model)?))
        }
        PriorName::Frequencies => {
            let levels = model.spec().levels.as_ref();
            let channels = levels.map_or(1, |levels| levels.of_channels().len());
            let training = Training::load(folder, data)?;
            Ok(Prior::Frequencies(training.codes(folder, model)?, channels))
        }
    }
}

/// The mixture that the run folder holds, or one that is fitted anew and kept there.
fn mixture(
    count: usize,
    folder: &RunFolder,
    weights: &Weights,
    model: &mut Inference,
    data: Option<&str>,
) -> Result<Prior> {
    let path = folder
        .path()
        .join(format!("prior-mixture-{count}.safetensors"));
    // What is known without the images needs none of them.
    let mut training = None;
    let images = match folder.data_hash() {
        Some(hash) => hash,
        None => training.insert(Training::load(folder, data)?).hash.clone(),
    };
    let made_of = made_of(count, folder, weights, &images)?;
    match Fit::load(&path, &made_of) {
        Ok(Some(fit)) => {
            note(Told(&fit, "taken from", &path));
            return Ok(Prior::Mixture(fit.mixture));
        }
        Ok(None) if path.exists() => note(format_args!(
            "{}: fitted to other parameters or data; it is fitted anew",
            path.display()
        )),
        Ok(None) => {}
        // It can be made again.
        Err(error) => warn(format_args!("{error}\n  it is fitted anew")),
    }
    let training = match training {
        Some(training) => training,
        None => Training::load(folder, data)?,
    };
    let codes = training.codes(folder, model)?;
    let seed = folder.config().train.seed;
    let fit = Fit::of(&codes.mu, model.spec().latent.values(), count, seed)?;
    if !fit.converged {
        warn(format_args!(
            "--prior mixture:{count}: {} iterations were not enough: it may not be the best mixture yet",
            fit.iterations
        ));
    }
    if count * (model.spec().latent.values() + 1) > training.images.len() {
        warn(format_args!(
            "--prior mixture:{count}: fewer codes than a Gaussian of {} dimensions needs for each, so that it repeats codes \
             of the training images",
            model.spec().latent.values()
        ));
    }
    match fit.save(&path, &made_of) {
        Ok(()) => note(Told(&fit, "kept in", &path)),
        // What was fitted can be used all the same.
        Err(error) => {
            note(Told(&fit, "not kept in", &path));
            warn(error);
        }
    }
    Ok(Prior::Mixture(fit.mixture))
}

/// A hash of all that a mixture depends on but the device, on which codes differ by rounding only.
fn made_of(count: usize, folder: &RunFolder, weights: &Weights, images: &str) -> Result<[u8; 32]> {
    let run = folder.config();
    let mut hash = Sha256::new();
    let version = env!("CARGO_PKG_VERSION");
    let (seed, binarize) = (run.train.seed, run.train.binarize);
    hash.update(format!(
        "{FORMAT} {version} {count} {seed} {binarize:?} {images} {:?}",
        run.model
    ));
    for (name, shape, values) in weights.iter() {
        hash.update(format!("{name} {shape:?}"));
        values
            .iter()
            .for_each(|value| hash.update(value.to_le_bytes()));
    }
    Ok(hash.finalize().into())
}

/// What is said of a mixture: how it came to be, and where it lies.
struct Told<'a>(&'a Fit, &'static str, &'a Path);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(fit, verb, path) = self;
        let components = fit.mixture.components();
        let used = components.iter().filter(|one| one.weight() > 0.0).count();
        write!(
            f,
            "prior: {}",
            text::counted(components.len() as u64, "Gaussian")
        )?;
        if used < components.len() {
            write!(f, " ({used} of them with codes)")?;
        }
        write!(
            f,
            " fitted to {} codes of {} dimensions in {}: mean log-likelihood {:.4} nats per code; {verb} {}",
            text::grouped(fit.codes as u64),
            fit.mixture.latent(),
            text::counted(fit.iterations as u64, "iteration"),
            fit.log_likelihood,
            path.display()
        )
    }
}

/// The training images of a run, and the hash of its data.
struct Training {
    images: Images,
    hash: String,
}

impl Training {
    /// Loads those of the run, from where they lay or from where they are now.
    ///
    /// # Errors
    /// [`Error::Data`] where they are not those that it was trained on, or cannot be read.
    fn load(folder: &RunFolder, place: Option<&str>) -> Result<Self> {
        let run = folder.config();
        let source = match place {
            Some(place) => anchored(place),
            None => {
                saved::check_place(&run.data)?;
                run.data.source.clone()
            }
        };
        let dataset = load(&source, saved::as_trained_on(run))?;
        let hash = dataset.fingerprint()?;
        if folder.data_hash().is_some_and(|known| known != hash) {
            return Err(Error::data(
                &source,
                "these are not the images that the run was trained on, to whose codes its prior is fitted",
                "--data with the place of the same images",
            ));
        }
        let images = Split::Train.of(dataset)?;
        let images = images.ok_or_else(|| Error::internal("no training images"))?;
        Ok(Self { images, hash })
    }

    /// Their q(z|x), or their codes.
    fn codes(&self, folder: &RunFolder, model: &mut Inference) -> Result<Latents> {
        let binarize = folder.config().train.binarize;
        view::encode(model, &self.images, Split::Train, binarize)
    }
}
