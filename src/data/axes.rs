//! Which axis of an array holds the channels.

use super::Values;
use crate::shape::ImageShape;

/// Order of the axes of an array `[images, …]` of four dimensions.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Axes {
    /// Images, channels, height, width: PyTorch's order
    Nchw,
    /// Images, height, width, channels: TensorFlow's order
    Nhwc,
}

/// The image that an array of four dimensions holds; `sizes` are those after the first one.
///
/// # Errors
/// A message where nobody has said what the axes are, and they look like channels first.
pub(super) fn image_shape(sizes: [usize; 3], axes: Option<Axes>) -> Result<ImageShape, String> {
    let [first, second, third] = sizes;
    match axes {
        Some(Axes::Nchw) => Ok(ImageShape::new(second, third, first)),
        None if looks_channels_first(sizes) => Err(format!(
            "expected [images, height, width, channels], got sizes that look like [images, channels, height, \
             width]: [_, {first}, {second}, {third}] would be images of {first}×{second} with {third} channels"
        )),
        _ => Ok(ImageShape::new(first, second, third)),
    }
}

/// Whether images are more likely `[channels, height, width]`.
///
/// Channels come last where the image would be square or nearly so, as pictures and what a convolution makes of them
/// are, and where up to four are fewer than rows and columns. Where more are, the two readings are compared: `[64, 32,
/// 16]` may be either, `[480, 640, 12]` is no image of 640×12. Where there are not fewer, channels come first if the
/// first size is the smallest one, or if the last two are a square, or if there were more channels than columns. What is
/// left is unusual either way, and taken as it is documented.
fn looks_channels_first([first, second, third]: [usize; 3]) -> bool {
    /// How many times longer than wide an image may be that is nearly square.
    const NEARLY: f64 = 1.25;
    /// An image so many times longer and narrower than the other reading's is not what is meant.
    const FAR: f64 = 2.0;
    let aspect = |a: usize, b: usize| a.max(b) as f64 / a.min(b).max(1) as f64;
    if first == second || third == 1 {
        return false;
    }
    if third > 4 && second > 1 && third <= first.min(second) {
        let last = aspect(first, second);
        return last > NEARLY && aspect(second, third) <= FAR * last;
    }
    let columns_of_channels = second > 1 && third > 4 && third >= second;
    third >= first.min(second)
        && (first < second.min(third) || second == third || columns_of_channels)
}

/// Images whose channels come first with their channels last; `shape` is that of the result.
pub(super) fn to_channels_last(values: Values, shape: ImageShape) -> Values {
    match values {
        Values::Bytes(bytes) => Values::Bytes(turn(bytes, shape)),
        Values::Floats(floats) => Values::Floats(turn(floats, shape)),
    }
}

/// Turns image by image in place, so that no second copy of the data is needed.
fn turn<T: Copy>(mut values: Vec<T>, shape: ImageShape) -> Vec<T> {
    let pixels = shape.height * shape.width;
    let size = shape.values();
    if size == 0 {
        return values;
    }
    let mut image = Vec::with_capacity(size);
    for turned in values.chunks_exact_mut(size) {
        image.clear();
        image.extend_from_slice(turned);
        for (pixel, channels) in turned.chunks_exact_mut(shape.channels).enumerate() {
            for (channel, value) in channels.iter_mut().enumerate() {
                *value = image[channel * pixels + pixel];
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_images_are_no_false_alarm() {
        for sizes in [
            [28, 28, 1],
            [32, 32, 3],
            [64, 64, 4],
            [16, 16, 2],
            [4, 4, 3],
            [2, 2, 3],
            [1, 28, 1],
            [28, 1, 1],
            [480, 640, 3],
            [640, 480, 4],
            [9, 9, 200],
            [7, 7, 512],
            [1, 1, 1],
            [145, 145, 16],
            [1000, 1, 12],
            [480, 640, 12],
            [720, 1280, 8],
            [14, 16, 8],
            [64, 32, 4],
            [100, 120, 31],
            [48, 64, 16],
            [1096, 715, 102],
        ] {
            assert!(!looks_channels_first(sizes), "{sizes:?}");
        }
    }

    #[test]
    fn channels_first_are_seen_for_any_number_of_them() {
        for channels in [1, 2, 3, 4, 5, 8, 12, 15] {
            assert!(looks_channels_first([channels, 16, 16]), "{channels}");
            assert!(looks_channels_first([channels, 48, 64]), "{channels}");
            assert!(looks_channels_first([channels, 64, 48]), "{channels}");
        }
        assert!(looks_channels_first([64, 8, 8]));
        assert!(looks_channels_first([512, 4, 4]));
        assert!(looks_channels_first([64, 8, 10]));
    }

    #[test]
    fn channels_first_are_seen_where_an_image_is_narrower_than_it_has_channels() {
        for sizes in [
            [64, 32, 16],
            [12, 16, 8],
            [8, 16, 8],
            [16, 64, 8],
            [512, 7, 5],
            [128, 20, 10],
        ] {
            assert!(looks_channels_first(sizes), "{sizes:?}");
        }
    }

    #[test]
    fn an_option_decides_whatever_the_sizes_look_like() {
        let shape = image_shape([1, 16, 16], Some(Axes::Nhwc));
        assert_eq!(shape, Ok(ImageShape::new(1, 16, 16)));
        let shape = image_shape([28, 30, 1], Some(Axes::Nchw));
        assert_eq!(shape, Ok(ImageShape::new(30, 1, 28)));
        assert!(image_shape([3, 64, 64], None).is_err());
    }

    #[test]
    fn turned_images_have_the_channels_of_a_pixel_beside_each_other() {
        // Two images of two channels, 1×3.
        let first: Vec<u8> = vec![0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32];
        let last = to_channels_last(Values::Bytes(first), ImageShape::new(1, 3, 2));
        let expected = vec![0, 10, 1, 11, 2, 12, 20, 30, 21, 31, 22, 32];
        assert_eq!(last, Values::Bytes(expected));
    }
}
