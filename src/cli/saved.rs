//! What the commands that use a trained model have in common.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::{note, open_device};
use crate::data::{self, DataOptions, Dataset, Images, Values};
use crate::error::{Error, Result};
use crate::model::{Inference, ModelKind, Weights};
use crate::train::{RunConfig, RunFolder};

/// Which images of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Split {
    /// The images to learn from
    Train,
    /// The images to measure on
    Test,
}

impl Split {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }

    pub(super) fn of(self, dataset: Dataset) -> Images {
        match self {
            Self::Train => dataset.train,
            Self::Test => dataset.test,
        }
    }
}

/// The saved model on a device.
pub(super) fn model(
    run: &RunConfig,
    weights: &Weights,
    device: &str,
    seed: u64,
) -> Result<Inference> {
    Inference::new(open_device(device)?, &run.model, weights, seed)
}

/// Loads the run's own images, or those of `source`, brought to the size that the model takes.
pub(super) fn images(run: &RunConfig, source: Option<&str>) -> Result<Dataset> {
    let shape = run.model.image;
    let (source, options) = match source {
        Some(other) if other != run.data.source => (
            other,
            DataOptions {
                image_size: Some((shape.height, shape.width)),
                // Arrays may have any number of channels, pictures are grey or RGB.
                channels: Some(shape.channels).filter(|channels| [1, 3].contains(channels)),
                ..run.data.options()
            },
        ),
        _ => (run.data.source.as_str(), run.data.options()),
    };
    let dataset = data::load(source, &options, &mut |line| note(line))?;
    if dataset.train.shape != shape {
        return Err(Error::data(
            source,
            format!(
                "images of {}, but the model takes {shape}",
                dataset.train.shape
            ),
            "--data with images of that size",
        ));
    }
    Ok(dataset)
}

/// Where to write: `--out`, or a name in the run folder. Refuses what exists.
pub(super) fn output(folder: &RunFolder, out: Option<&Path>, name: &str) -> Result<PathBuf> {
    let path = out.map_or_else(|| folder.path().join(name), Path::to_owned);
    crate::files::check_new(&path)?;
    Ok(path)
}

/// Refuses what only a VAE can do.
pub(super) fn require_vae(folder: &RunFolder, what: &str, hint: &str) -> Result<()> {
    match folder.config().model.kind {
        ModelKind::Vae => Ok(()),
        ModelKind::Ae => Err(Error::model(
            folder.path(),
            format!("this run is an autoencoder, {what}"),
            hint,
        )),
    }
}

/// The first `count` images, or all where there are fewer.
pub(super) fn first(images: &Images, count: usize) -> Images {
    let count = count.min(images.len());
    let end = count * images.shape.values();
    Images {
        shape: images.shape,
        values: match &images.values {
            Values::Bytes(bytes) => Values::Bytes(bytes[..end].to_vec()),
            Values::Floats(floats) => Values::Floats(floats[..end].to_vec()),
        },
        labels: images
            .labels
            .as_ref()
            .map(|labels| labels[..count].to_vec()),
    }
}

/// Values as the model sees them before binarisation: bytes stand for 0..=1.
pub(super) fn floats(values: &Values) -> Vec<f32> {
    match values {
        Values::Bytes(bytes) => bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect(),
        Values::Floats(floats) => floats.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::ImageShape;

    #[test]
    fn the_first_images_keep_their_values_and_labels() {
        let images = Images {
            shape: ImageShape::new(1, 2, 1),
            values: Values::Bytes(vec![0, 51, 102, 255, 1, 2]),
            labels: Some(vec![7, 8, 9]),
        };
        let two = first(&images, 2);
        assert_eq!(two.values, Values::Bytes(vec![0, 51, 102, 255]));
        assert_eq!(two.labels, Some(vec![7, 8]));
        assert_eq!(floats(&two.values), [0.0, 0.2, 0.4, 1.0]);
        assert_eq!(first(&images, 10).len(), 3);
    }
}
