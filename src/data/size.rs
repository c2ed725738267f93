//! What `--image-size` and its key take: height and width, of an image.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Height and width of `28` (both) or `32x48`.
///
/// # Errors
/// In words, what was expected.
pub(super) fn parse(text: &str) -> Result<(usize, usize), String> {
    let (height, width) = text.split_once(['x', '×']).unwrap_or((text, text));
    match (height.trim().parse(), width.trim().parse()) {
        (Ok(height), Ok(width)) if height > 0 && width > 0 => Ok((height, width)),
        _ => Err("expected a number of pixels above 0, such as 28, or HEIGHTxWIDTH".into()),
    }
}

pub(super) fn serialize<S: Serializer>(
    size: &Option<(usize, usize)>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match size {
        Some((height, width)) => serializer.collect_str(&format_args!("{height}x{width}")),
        None => serializer.serialize_none(),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<(usize, usize)>, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "expected a number of pixels, or \"HEIGHTxWIDTH\""
    )]
    enum Written {
        Side(usize),
        Text(String),
    }
    let text = match Written::deserialize(deserializer)? {
        Written::Side(side) => side.to_string(),
        Written::Text(text) => text,
    };
    parse(&text).map(Some).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_sizes_are_one_number_or_height_by_width() {
        assert_eq!(parse("28"), Ok((28, 28)));
        assert_eq!(parse("32x48"), Ok((32, 48)));
        for wrong in ["", "0", "x", "28x", "28x0", "-1", "2.5", "1x2x3"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
