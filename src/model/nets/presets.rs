//! Encoders that are sized from the images.

use super::blocks::{Block, Blocks, Kernel, greatest_divisor};
use crate::shape::ImageShape;

/// A map with fewer rows or columns is not halved any more.
const LEAST_HALVED: usize = 8;

/// Channels are doubled so often at most.
const MOST_DOUBLED: u32 = 3;

/// Groups of a norm, where they share the channels out.
const GROUPS: usize = 8;

/// Whether images are taken for photographs: neither rows of values, nor grey images as small as digits.
pub(crate) fn are_photographs(image: ImageShape) -> bool {
    let is_small = image.channels == 1 && image.height.max(image.width) <= 28;
    !is_small && image.sizes().len() > 1
}

/// Linear layers of these widths, with so many residual blocks of two layers behind each.
pub(crate) fn of_values(widths: &[usize], blocks: usize) -> Blocks {
    let level = |&width: &usize| {
        let block = Block::Residual([width, width].into());
        std::iter::once(Block::Linear(width)).chain(std::iter::repeat_n(block, blocks))
    };
    Blocks::new(widths.iter().flat_map(level).collect())
}

/// Convolutions that halve an image until it has fewer than [`LEAST_HALVED`] rows or columns, the first to `width`
/// channels, each further one to twice as many. With residual blocks, so many of them behind each, there are norms. Where the
/// code is a map, they go on until they come to its rows.
pub(crate) fn of_maps(
    image: ImageShape,
    width: usize,
    blocks: usize,
    code: Option<[usize; 3]>,
) -> Blocks {
    let least = image.height.min(image.width);
    let halvings = match code {
        Some([rows, ..]) => {
            // As convolutions of 4×4 pixels do.
            let halved = |height: &usize| Some(height / 2).filter(|&half| half > 0);
            let heights = std::iter::successors(Some(image.height), halved);
            heights.take_while(|&height| height > rows).count() as u32
        }
        None => (least / LEAST_HALVED)
            .checked_ilog2()
            .map_or(0, |log| log + 1),
    };
    let convolution = |channels, size, stride| {
        Block::Conv(Kernel {
            channels,
            size,
            stride,
        })
    };
    let level = |number: u32| {
        let channels = width.saturating_mul(1 << number.min(MOST_DOUBLED));
        let layer = match halvings {
            0 => convolution(channels, 3, 1),
            _ => convolution(channels, 4, 2),
        };
        let norm = Block::Norm(greatest_divisor(GROUPS, channels));
        let same = convolution(channels, 3, 1);
        let block = Block::Residual(Blocks::new(vec![same.clone(), norm.clone(), same]));
        let behind = (blocks > 0).then_some(norm);
        let blocks = std::iter::repeat_n(block, blocks);
        std::iter::once(layer).chain(behind).chain(blocks)
    };
    Blocks::new((0..halvings.max(1)).flat_map(level).collect())
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
            assert_eq!(of_maps(image, 32, 0, None).to_string(), layers);
        }
    }

    #[test]
    fn convolutions_go_on_to_the_rows_of_a_code_that_is_a_map() {
        for (image, code, layers) in [
            ([28, 28, 1], [7, 7, 16], "conv 8 k4 /2, conv 16 k4 /2"),
            ([32, 32, 3], [8, 8, 4], "conv 8 k4 /2, conv 16 k4 /2"),
            (
                [32, 32, 3],
                [1, 1, 9],
                "conv 8 k4 /2, conv 16 k4 /2, conv 32 k4 /2, conv 64 k4 /2, conv 64 k4 /2",
            ),
            ([9, 9, 1], [9, 9, 1], "conv 8 k3"),
            ([9, 9, 1], [4, 4, 1], "conv 8 k4 /2"),
        ] {
            let [height, width, channels] = image;
            let image = ImageShape::new(height, width, channels);
            assert_eq!(of_maps(image, 8, 0, Some(code)).to_string(), layers);
        }
    }

    #[test]
    fn a_resnet_has_residual_blocks_behind_each_layer() {
        assert_eq!(
            of_maps(ImageShape::new(20, 16, 3), 12, 2, None).to_string(),
            "conv 12 k4 /2, norm 4, residual(conv 12 k3, norm 4, conv 12 k3), residual(conv 12 k3, norm 4, conv 12 k3), \
             conv 24 k4 /2, norm 8, residual(conv 24 k3, norm 8, conv 24 k3), residual(conv 24 k3, norm 8, conv 24 k3)"
        );
        assert_eq!(
            of_values(&[9, 4], 1).to_string(),
            "linear 9, residual(linear 9, linear 9), linear 4, residual(linear 4, linear 4)"
        );
    }

    #[test]
    fn digits_and_rows_of_values_are_no_photographs() {
        for ([height, width, channels], is_one) in [
            ([28, 28, 1], false),
            ([29, 28, 1], true),
            ([28, 28, 3], true),
            ([1, 900, 1], false),
        ] {
            let image = ImageShape::new(height, width, channels);
            assert_eq!(are_photographs(image), is_one, "{image}");
        }
    }
}
