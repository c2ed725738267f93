//! The plane of two latent dimensions.

use super::Spread;
use super::format::Format;
use super::normal::quantile;
use crate::draw::{Grid, Layout, Shades};
use crate::error::{Error, Result};
use crate::model::{Inference, ModelSpec};
use crate::shape::ImageShape;

/// A square of images, `[side · side, values]` in reading order, that covers the space of two latent dimensions with equal probability between
/// neighbours (Kingma & Welling 2014, figure 4): the middles of equal parts of the unit square through the inverse
/// of the normal distribution. The first dimension grows to the right, the second upwards, as on a scatter plot.
/// `spread` is that of the prior, or of an autoencoder's codes.
///
/// # Errors
/// [`Error::Config`] for a model of another number of latent dimensions, and where the picture would be too large;
/// [`Error::Device`].
pub fn manifold(
    model: &mut Inference,
    spec: &ModelSpec,
    spread: &Spread,
    side: usize,
) -> Result<Vec<f32>> {
    check(spec, side)?;
    model.decode(&codes(spread, side))
}

/// The picture of the images of a [`manifold`]: without gaps, they are one surface.
///
/// # Errors
/// [`Error::Config`] where `images` are not whole images.
pub fn picture(images: &[f32], shape: ImageShape, side: usize, shades: Shades) -> Result<Grid> {
    let layout = Layout {
        shades,
        ..layout(side)
    };
    Grid::laid_out(images, shape, &layout)
}

/// What [`manifold`] refuses.
///
/// # Errors
/// As [`manifold`].
pub fn check(spec: &ModelSpec, side: usize) -> Result<()> {
    if spec.latent.values() != 2 {
        return Err(Error::config(
            format!(
                "a manifold needs a model of 2 latent dimensions, this one has {}",
                spec.latent.values()
            ),
            "a run of `latent = 2`, or a traversal of this one's codes",
        ));
    }
    let size = layout(side).size(side.saturating_mul(side), spec.image);
    Format::Png.check(size, 1, "a smaller `size = …`")
}

fn layout(side: usize) -> Layout {
    Layout {
        gap: 0,
        ..Layout::new(side)
    }
}

/// `[side · side, 2]`, in reading order.
fn codes(spread: &Spread, side: usize) -> Vec<f32> {
    let at = |value: usize, place: usize| {
        let share = (place as f64 + 0.5) / side as f64;
        (spread.mean[value] + spread.deviation[value] * quantile(share)) as f32
    };
    let rows = (0..side).rev();
    rows.flat_map(|up| (0..side).flat_map(move |right| [at(0, right), at(1, up)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_cover_the_plane_by_quantiles_the_second_value_upwards() {
        let spread = Spread {
            mean: vec![1.0, 0.0],
            deviation: vec![2.0, 1.0],
        };
        // The quantiles of 1/4 and 3/4.
        let quartile = 0.674_489_750_196_081_7;
        let (low, high) = ((1.0 - 2.0 * quartile) as f32, (1.0 + 2.0 * quartile) as f32);
        let (down, up) = (-quartile as f32, quartile as f32);
        assert_eq!(
            codes(&spread, 2),
            [low, up, high, up, low, down, high, down]
        );
        assert_eq!(codes(&spread, 1), [1.0, 0.0]);
    }

    #[test]
    fn other_models_and_huge_pictures_are_refused() {
        let mut spec = ModelSpec::reference();
        assert!(check(&spec, 20).is_err());
        spec.latent = 2.into();
        assert!(check(&spec, 20).is_ok());
        assert!(check(&spec, 1000).is_err());
        assert!(check(&spec, usize::MAX).is_err());
    }
}
