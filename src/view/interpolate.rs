//! From one code to another.

use super::codes::encode_at;
use super::film::Film;
use super::format::Format;
use super::path::Path;
use crate::data::{Binarize, Images, Split};
use crate::draw::Shades;
use crate::error::{Error, Result};
use crate::model::{Inference, ModelSpec, gaussian};

/// The ends of some paths.
#[derive(Clone, Debug)]
pub struct Ends {
    /// `[paths, 2, latent]`.
    codes: Vec<f32>,
    /// The images that they are codes of, `[paths, 2, values]`.
    images: Option<Vec<f32>>,
}

impl Ends {
    /// Draws from the prior: the codes 0 and 1, 2 and 3, … of `elbo sample` with the same seed.
    pub fn of_prior(seed: u64, paths: usize, latent: usize) -> Self {
        Self {
            codes: gaussian(seed, 2 * paths, latent),
            images: None,
        }
    }

    /// The codes (means) of images: from image `from + i` to image `to + i`, for each i of `0..paths`.
    ///
    /// # Errors
    /// [`Error::Config`] where there is no such image, and as [`super::encode`].
    pub fn of_images(
        model: &mut Inference,
        images: &Images,
        (from, to): (usize, usize),
        paths: usize,
        split: Split,
        binarize: Binarize,
    ) -> Result<Self> {
        let count = images.len();
        for (option, first) in [("from", from), ("to", to)] {
            let last = first.saturating_add(paths - 1);
            if last >= count {
                return Err(Error::config(
                    format!(
                        "`{option} = {first}`: there is no image {last}, they are 0 to {}",
                        count - 1
                    ),
                    "a smaller index, or fewer `rows = …`",
                ));
            }
        }
        let indices: Vec<usize> = (0..paths)
            .flat_map(|path| [from + path, to + path])
            .collect();
        let (codes, seen) = encode_some(model, images, &indices, split, binarize)?;
        Ok(Self {
            codes,
            images: Some(seen.to_f32()?),
        })
    }

    fn paths(&self, latent: usize) -> usize {
        self.codes.len() / (2 * latent)
    }
}

/// Codes (means) of the images at `indices`, `[indices, latent]`, and these images as the model sees them.
///
/// # Errors
/// As [`encode_at`].
pub(super) fn encode_some(
    model: &mut Inference,
    images: &Images,
    indices: &[usize],
    split: Split,
    binarize: Binarize,
) -> Result<(Vec<f32>, Images)> {
    let seen = match binarize {
        Binarize::None => images.select(indices)?,
        // Draws go by an image's place: only with all those before it does it get those of `elbo encode`.
        _ => {
            let most = indices.iter().max().map_or(0, |last| last + 1);
            model
                .see(&images.first(most)?, split, binarize)?
                .select(indices)?
        }
    };
    let place = |place: usize| indices[place];
    let codes = encode_at(model, &seen, split, Binarize::None, &place)?.mu;
    Ok((codes, seen))
}

/// Images along the paths between `ends`, `steps` each, the ends included. Where these are images, they are shown
/// themselves before and behind their row.
///
/// # Errors
/// [`Error::Config`] where the picture would be too large for its format; [`Error::Device`].
pub fn interpolate(
    model: &mut Inference,
    spec: &ModelSpec,
    ends: Ends,
    path: Path,
    steps: usize,
    format: Format,
) -> Result<Film> {
    let (latent, paths) = (spec.latent.values(), ends.paths(spec.latent.values()));
    check(spec, paths, steps, ends.images.is_some(), format)?;
    let mut codes = Vec::with_capacity(paths * steps * latent);
    for pair in ends.codes.chunks_exact(2 * latent) {
        codes.extend(path.codes(&pair[..latent], &pair[latent..], steps));
    }
    Ok(Film {
        shape: spec.image,
        steps,
        images: model.decode(&codes)?,
        ends: ends.images,
        rows: Vec::new(),
        columns: Vec::new(),
        shades: Shades::default(),
    })
}

/// Refuses what [`interpolate`] would refuse, before there is an end of a path; `images`: whether these are images'.
///
/// # Errors
/// [`Error::Config`] where the picture would be too large for its format.
pub fn check(
    spec: &ModelSpec,
    paths: usize,
    steps: usize,
    images: bool,
    format: Format,
) -> Result<()> {
    Film::check(format, (paths, steps), spec.image, images, false)
}
