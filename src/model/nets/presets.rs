//! Encoders that are sized from the images.

use super::blocks::{Block, Blocks, Kernel};
use crate::shape::ImageShape;

/// A map with fewer rows or columns is not halved any more.
const LEAST_HALVED: usize = 8;

/// Channels are doubled so often at most.
const MOST_DOUBLED: u32 = 3;

/// Whether linear layers do as well as convolutions: rows of values, and grey images as small as digits.
pub(super) fn suits_mlp(image: ImageShape) -> bool {
    let is_small = image.channels == 1 && image.height.max(image.width) <= 28;
    is_small || image.sizes().len() == 1
}

/// Convolutions that halve an image until it has fewer than [`LEAST_HALVED`] rows or columns, the first to `width`
/// channels, each further one to twice as many.
pub(crate) fn conv(image: ImageShape, width: usize) -> Blocks {
    let mut least = image.height.min(image.width);
    let mut layers = Vec::new();
    while least >= LEAST_HALVED {
        let doubled = (layers.len() as u32).min(MOST_DOUBLED);
        layers.push(Block::Conv(Kernel {
            channels: width.saturating_mul(1 << doubled),
            size: 4,
            stride: 2,
        }));
        least /= 2;
    }
    if layers.is_empty() {
        layers.push(Block::Conv(Kernel {
            channels: width,
            size: 3,
            stride: 1,
        }));
    }
    Blocks::new(layers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn convolutions_are_sized_from_the_images() {
        for (image, layers) in [
            ([32, 32, 3], "conv 32 k4 /2, conv 64 k4 /2, conv 128 k4 /2"),
            ([9, 200, 1], "conv 32 k4 /2"),
            ([3, 3, 4], "conv 32 k3"),
            (
                [300, 240, 3],
                "conv 32 k4 /2, conv 64 k4 /2, conv 128 k4 /2, conv 256 k4 /2, conv 256 k4 /2",
            ),
        ] {
            let [height, width, channels] = image;
            let image = ImageShape::new(height, width, channels);
            assert_eq!(conv(image, 32).to_string(), layers);
        }
    }

    #[test]
    fn digits_and_rows_of_values_suit_linear_layers() {
        for ([height, width, channels], suits) in [
            ([28, 28, 1], true),
            ([29, 28, 1], false),
            ([28, 28, 3], false),
            ([1, 900, 1], true),
        ] {
            let image = ImageShape::new(height, width, channels);
            assert_eq!(suits_mlp(image), suits, "{image}");
        }
    }
}
