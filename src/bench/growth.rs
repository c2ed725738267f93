//! How the time of an image grows with the sizes of a model and of a batch.

use clap::ValueEnum;
use serde::Serialize;

use super::Subject;
use crate::device::Selection;
use crate::error::Result;
use crate::model::LatentShape;

/// A cliff: the time of an image grows by more than this factor beyond its operations.
pub const CLIFF: f64 = 1.5;

/// A size that is varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Axis {
    /// Images a step.
    Batch,
    /// Units of every hidden layer.
    Hidden,
    /// Values of the latent code.
    Latent,
}

impl Axis {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Batch, Self::Hidden, Self::Latent];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Batch => "batch size",
            Self::Hidden => "hidden units",
            Self::Latent => "latent dimensions",
        }
    }

    /// The sizes that are measured: powers of two.
    fn sizes(self, subject: &Subject) -> impl Iterator<Item = usize> + use<> {
        let powers = match self {
            Self::Batch => 5..=13,
            Self::Hidden => 7..=12,
            Self::Latent => 1..=9,
        };
        // Codes of levels have so many channels each.
        let levels = subject
            .model
            .levels
            .as_ref()
            .filter(|_| self == Self::Latent);
        let each = levels.map_or(1, |own| own.of_channels().len());
        powers
            .map(|power| 1 << power)
            .filter(move |size| size % each == 0)
    }

    /// The subject with this size in place of its own.
    fn set(self, subject: &Subject, size: usize) -> Subject {
        let mut subject = subject.clone();
        match self {
            Self::Batch => subject.batch_size = size,
            Self::Hidden => {
                let model = &mut subject.model;
                model.encoder = model.encoder.of_width(size);
                model.decoder = model.decoder.as_ref().map(|own| own.of_width(size));
            }
            // Of a map its channels.
            Self::Latent => {
                subject.model.latent = match subject.model.latent {
                    LatentShape::Values(_) => LatentShape::Values(size),
                    LatentShape::Map([height, width, _]) => LatentShape::Map([height, width, size]),
                }
            }
        }
        subject
    }
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The size that was varied.
    pub axis: Axis,
    /// Its value.
    pub size: usize,
    /// Seconds of a training step for each of its images, least of several: a cliff is to be the device's, not of
    /// who shares it.
    pub seconds_per_image: f64,
    /// Operations of the matrix products for each image, two a multiply-add.
    pub operations_per_image: f64,
    /// Growth of the time since the size before as a factor of the growth of the operations.
    pub beyond_operations: Option<f64>,
    /// Whether that is more than [`CLIFF`].
    pub cliff: bool,
}

/// How time grows with each size, the others as they are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Growth {
    /// The device's name.
    pub device: String,
    /// Where the axes cross.
    #[serde(flatten)]
    pub subject: Subject,
    /// Measurements, by axis and size.
    pub points: Vec<Point>,
}

impl Growth {
    /// Measures every size on some axes, and tells `progress` of each point.
    ///
    /// # Errors
    /// [`crate::Error::Config`] where a size is not usable, [`crate::Error::Device`].
    pub fn measure(
        subject: &Subject,
        selection: &Selection,
        axes: &[Axis],
        progress: &mut dyn FnMut(&Point),
    ) -> Result<Self> {
        subject.validate()?;
        let wanted = || Axis::ALL.into_iter().filter(|axis| axes.contains(axis));
        let all =
            wanted().flat_map(|axis| axis.sizes(subject).map(move |size| axis.set(subject, size)));
        let mut most = subject.batch_size;
        for subject in all {
            // Before anything is measured, so that nothing measured is lost.
            subject.validate()?;
            most = most.max(subject.batch_size);
        }
        let dataset = Axis::Batch.set(subject, most).images();
        let mut growth = Self {
            device: subject.precision.open(selection)?.name(),
            subject: subject.clone(),
            points: Vec::new(),
        };
        for axis in wanted() {
            let mut before = None;
            for size in axis.sizes(subject) {
                let subject = axis.set(subject, size);
                // A device of its own, so that no point holds the memory of those before.
                let runtime = subject.open(subject.precision.open(selection)?);
                let mut trainer = subject.trainer(runtime, &dataset)?;
                let id = trainer.plan()?;
                let operations = trainer.runtime().plan(id).operations();
                let images = subject.batch_size as f64;
                let seconds = trainer.time_training()?.least;
                let point = Point::new(
                    (axis, size),
                    (seconds / images, operations as f64 / images),
                    before.as_ref(),
                );
                progress(&point);
                growth.points.push(point);
                before = Some(point);
            }
        }
        Ok(growth)
    }

    /// The axes that were measured.
    pub fn axes(&self) -> Vec<Axis> {
        let mut axes: Vec<Axis> = self.points.iter().map(|point| point.axis).collect();
        axes.dedup();
        axes
    }

    /// The points of an axis.
    pub fn along(&self, axis: Axis) -> impl Iterator<Item = &Point> {
        self.points.iter().filter(move |point| point.axis == axis)
    }
}

impl Point {
    /// A measurement beside the one of the size before.
    fn new(
        (axis, size): (Axis, usize),
        (seconds_per_image, operations_per_image): (f64, f64),
        before: Option<&Self>,
    ) -> Self {
        let beyond_operations = before.map(|before| {
            let time = seconds_per_image / before.seconds_per_image;
            time / (operations_per_image / before.operations_per_image)
        });
        Self {
            axis,
            size,
            seconds_per_image,
            operations_per_image,
            beyond_operations,
            cliff: beyond_operations.is_some_and(|beyond| beyond > CLIFF),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_grows_beyond_its_operations_is_a_cliff() {
        let first = Point::new((Axis::Hidden, 128), (1e-6, 1e3), None);
        assert!(!first.cliff && first.beyond_operations.is_none());
        let beside = |seconds, operations| {
            Point::new((Axis::Hidden, 256), (seconds, operations), Some(&first))
        };
        assert!(!beside(2.9e-6, 2e3).cliff, "1.45 times as slow");
        assert!(beside(3.1e-6, 2e3).cliff, "1.55 times as slow");
        assert!(!beside(0.5e-6, 1e3).cliff, "faster");
    }
}
