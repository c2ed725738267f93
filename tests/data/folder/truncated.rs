//! Files that end early or hold other bytes, of every format.

use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, Frame, ImageEncoder, ImageFormat};

use super::*;

fn noise() -> RgbImage {
    RgbImage::from_fn(21, 19, |x, y| {
        Rgb([(x * 67 + y * 31) as u8, (x * y) as u8, (9 * x) as u8])
    })
}

fn in_format(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).expect("encode");
    bytes.into_inner()
}

fn grey_jpeg() -> Vec<u8> {
    let picture = DynamicImage::ImageRgb8(noise()).into_luma8();
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90)
        .write_image(&picture, 21, 19, ExtendedColorType::L8)
        .expect("encode");
    bytes
}

/// Two images of one file.
fn animation() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for _ in 0..2 {
        let picture = DynamicImage::ImageRgb8(noise()).into_rgba8();
        encoder.encode_frame(Frame::new(picture)).expect("encode");
    }
    drop(encoder);
    bytes
}

/// An uncompressed TIFF whose directory comes first and whose values come last.
fn tiff_with_values_last() -> Vec<u8> {
    let entries: [(u16, u16, u32, u32); 8] = [
        (256, 3, 1, 5),
        (257, 3, 1, 4),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8 + 2 + 8 * 12 + 4),
        (278, 3, 1, 4),
        (279, 4, 1, 20),
    ];
    let mut bytes = b"II*\0\x08\0\0\0\x08\0".to_vec();
    for (tag, kind, count, value) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0; 4]);
    bytes.extend(1..=20);
    bytes
}

/// A small whole file of each kind, under a name of it.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a.png", in_format(noise(), ImageFormat::Png)),
        ("a.jpg", in_format(noise(), ImageFormat::Jpeg)),
        ("grey.jpg", grey_jpeg()),
        ("a.tiff", in_format(noise(), ImageFormat::Tiff)),
        ("last.tif", tiff_with_values_last()),
        ("a.bmp", in_format(noise(), ImageFormat::Bmp)),
        ("a.webp", in_format(noise(), ImageFormat::WebP)),
        (
            "a.gif",
            in_format(
                DynamicImage::ImageRgb8(noise()).into_rgba8(),
                ImageFormat::Gif,
            ),
        ),
        ("two.gif", animation()),
        ("a.ppm", in_format(noise(), ImageFormat::Pnm)),
    ]
}

/// What this program's encoders cannot write, of 21×19 pixels, made with Pillow; the BMP's runs by hand.
const OTHERS: [(&str, &[u8]); 10] = [
    ("progressive.jpg", include_bytes!("files/progressive.jpg")),
    ("grey.jpg", include_bytes!("files/grey-progressive.jpg")),
    ("restarts.jpg", include_bytes!("files/restarts.jpg")),
    ("lzw.tif", include_bytes!("files/lzw.tif")),
    ("deflate.tif", include_bytes!("files/deflate.tif")),
    ("packbits.tif", include_bytes!("files/packbits.tif")),
    ("lossy.webp", include_bytes!("files/lossy.webp")),
    ("interlaced.gif", include_bytes!("files/interlaced.gif")),
    ("indexed.png", include_bytes!("files/indexed.png")),
    ("rle.bmp", include_bytes!("files/rle.bmp")),
];

/// All of both.
fn every_file() -> Vec<(&'static str, Vec<u8>)> {
    let others = OTHERS.map(|(name, bytes)| (name, bytes.to_vec()));
    files().into_iter().chain(others).collect()
}

/// Loads a folder that holds nothing but this file.
fn load_alone(folder: &Path, name: &str, bytes: &[u8]) -> elbo::Result<Dataset> {
    write(&folder.join(name), bytes);
    load_with(folder, &whole())
}

#[test]
fn every_truncation_of_every_format_is_refused_by_name() {
    for (name, bytes) in every_file() {
        let folder = tempfile::tempdir().expect("folder");
        load_alone(folder.path(), name, &bytes).unwrap_or_else(|error| panic!("{error}"));
        for length in 0..bytes.len() {
            match load_alone(folder.path(), name, &bytes[..length]) {
                Ok(_) => panic!("{length} of {} bytes of {name} sufficed", bytes.len()),
                Err(error) => assert_says(&error.to_string(), &[name]),
            }
        }
    }
}

/// A frame of a video (MJPEG), which stands for the usual Huffman tables by its name, AVI1, and leaves them out.
#[test]
fn a_jpeg_that_leaves_its_huffman_tables_to_the_decoder_is_read() {
    let segments = |bytes: &[u8], marker: u8| bytes.windows(2).position(|at| at == [0xFF, marker]);
    let mut bytes = grey_jpeg();
    for marker in [0xE0, 0xC4] {
        while let Some(at) = segments(&bytes, marker) {
            let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
            bytes.drain(at..at + 2 + length);
        }
    }
    bytes.splice(2..2, *b"\xFF\xE0\0\x10AVI1\0\0\0\0\0\0\0\0\0\0");
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("folder"));
    let [bare, full] = [("bare.jpg", bytes), ("full.jpg", grey_jpeg())];
    let of = |folder: &TempDir, (name, bytes): (&str, Vec<u8>)| {
        let dataset = load_alone(folder.path(), name, &bytes).expect("a picture");
        bytes_of(&dataset.test).to_vec()
    };
    assert_eq!(of(&folders[0], bare), of(&folders[1], full));
}

#[test]
fn bytes_behind_a_jpeg_do_no_harm() {
    let folder = tempfile::tempdir().expect("folder");
    let bytes = [grey_jpeg(), b"what a camera adds".to_vec()].concat();
    load_alone(folder.path(), "a.jpg", &bytes).expect("a picture");
}

#[test]
fn changed_bytes_of_every_format_do_no_harm() {
    // A linear congruence (Knuth's MMIX) is random enough.
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as usize) % below
    };
    for (name, bytes) in every_file() {
        let folder = tempfile::tempdir().expect("folder");
        for _ in 0..300 {
            let mut changed = bytes.clone();
            for _ in 0..1 + random(3) {
                changed[random(bytes.len())] = random(256) as u8;
            }
            if let Err(error) = load_alone(folder.path(), name, &changed) {
                assert_says(&error.to_string(), &["try: "]);
            }
        }
    }
}

#[test]
fn of_an_animation_the_first_image_is_read_and_said() {
    let folder = tempfile::tempdir().expect("folder");
    write(&folder.path().join("a.gif"), &animation());
    let (dataset, notes) = load_noted(folder.path(), &whole());
    assert_eq!(dataset.expect("a picture").test.len(), 1);
    assert_says(&notes, &["1 picture with several frames", "first"]);
}
