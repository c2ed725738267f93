//! The formats of pictures that are read: one table, which every text about them is made from.

use std::path::Path;

/// A format's name, and the extensions of its files in lower case.
const FORMATS: [(&str, &[&str]); 7] = [
    ("PNG", &["png", "apng"]),
    ("JPEG", &["jpg", "jpeg", "jfif", "jpe"]),
    ("TIFF", &["tif", "tiff"]),
    ("BMP", &["bmp", "dib"]),
    ("WebP", &["webp"]),
    ("GIF", &["gif"]),
    ("PNM", &["pgm", "ppm", "pbm", "pnm"]),
];

/// The formats in words: `PNG, JPEG, … or GIF`.
pub(in crate::data) fn names() -> String {
    let names = FORMATS.map(|(name, _)| name);
    match names.split_last() {
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// All extensions: `.png, .apng, …`.
pub(super) fn extensions() -> String {
    let all = FORMATS.iter().flat_map(|(_, extensions)| *extensions);
    let dotted: Vec<String> = all.map(|extension| format!(".{extension}")).collect();
    dotted.join(", ")
}

/// Whether a file's extension, in any letter case, is that of a picture.
pub(super) fn is_picture(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    FORMATS
        .iter()
        .flat_map(|(_, extensions)| *extensions)
        .any(|known| extension == *known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_known_by_its_extension_in_any_case() {
        for name in [
            "a.png", "a.JPEG", "b.c.Jfif", "a.TIF", "a.webp", "a.gif", "a.bmp",
        ] {
            assert!(is_picture(Path::new(name)), "{name}");
        }
        for name in ["png", ".png", "a.txt", "a.png.gz", "a.heic", "a."] {
            assert!(!is_picture(Path::new(name)), "{name}");
        }
        assert_eq!(names(), "PNG, JPEG, TIFF, BMP, WebP, GIF or PNM");
    }
}
