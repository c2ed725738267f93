//! Pictures of 16 bits a value, and of floating-point numbers.

use elbo::data::{Stored, Values};
use image::ImageBuffer;

use super::*;

fn sensor(path: &Path, least: u16) {
    let picture = ImageBuffer::from_fn(3, 2, |x, y| Luma([least + 1000 * x as u16 + y as u16]));
    save(DynamicImage::ImageLuma16(picture), path);
}

#[test]
fn pictures_of_16_bits_keep_all_their_bits() {
    for extension in ["png", "tiff"] {
        let folder = tempfile::tempdir().expect("folder");
        for i in 0..3 {
            sensor(&folder.path().join(format!("{i}.{extension}")), i);
        }
        let dataset = load_noted(folder.path(), &whole()).0.expect("pictures");
        let expected = [0.0, 1000.0, 2000.0, 1.0, 1001.0, 2001.0];
        let Values::Floats(values) = values_of(&dataset.test) else {
            panic!("bytes");
        };
        for (value, expected) in values.iter().zip(expected) {
            assert!((65535.0 * value - expected).abs() < 0.01, "{value}");
        }
        let look = dataset.look.expect("a look");
        assert_says(&look.values, &["uint16 0 to 2003"]);
        let stored = Stored::Integer {
            signed: false,
            bits: 16,
        };
        assert_eq!(dataset.test.stored, stored);
        assert_eq!(dataset.test.shape, ImageShape::new(2, 3, 1));
    }
}

#[test]
fn pictures_of_16_bits_among_others_are_brought_to_8_and_said() {
    let folder = tempfile::tempdir().expect("folder");
    let bright = ImageBuffer::from_pixel(3, 2, Luma([0x8000_u16]));
    save(
        DynamicImage::ImageLuma16(bright),
        &folder.path().join("a.png"),
    );
    save(grey(3, 2, 7), &folder.path().join("b.png"));
    let (dataset, notes) = load_noted(folder.path(), &whole());
    assert_eq!(
        bytes_of(&dataset.expect("pictures").test)[..7],
        [128, 128, 128, 128, 128, 128, 7]
    );
    assert_says(&notes, &["1 picture of 2 with 16 bits"]);
}

#[test]
fn floating_point_pictures_are_refused_with_another_way() {
    let folder = greys(2);
    let floats = image::Rgb32FImage::from_pixel(3, 4, Rgb([0.5, 2.0, -1.0]));
    save(
        DynamicImage::ImageRgb32F(floats),
        &folder.path().join("a.tiff"),
    );
    assert_says(
        &error_of(folder.path()),
        &["a.tiff", "8 or 16 bits", "np.save"],
    );
}
