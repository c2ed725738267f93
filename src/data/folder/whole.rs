//! Whether a picture's file holds all that its form promises, where decoders do not mind.

use super::jpeg;

/// What a walk through a file has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// Whether it holds more pictures than the first.
    pub(super) animated: bool,
}

/// Goes through a file from part to part.
///
/// # Errors
///
/// Why it is no whole picture. A form that has no walk here, and one that its decoder checks, passes.
pub(super) fn check(bytes: &[u8]) -> Result<Shown, &'static str> {
    let animated = match bytes {
        [0x89, b'P', b'N', b'G', ..] => png(bytes).ok_or(jpeg::ENDS_EARLY)?,
        [0xFF, 0xD8, ..] => {
            jpeg::check(bytes)?;
            false
        }
        [b'G', b'I', b'F', ..] => gif(bytes).ok_or(jpeg::ENDS_EARLY)?,
        [b'R', b'I', b'F', b'F', ..] => webp(bytes).ok_or(jpeg::ENDS_EARLY)?,
        [b'I', b'I', 42, 0, ..] => {
            tiff(bytes, u32::from_le_bytes, u16::from_le_bytes).ok_or(jpeg::ENDS_EARLY)?
        }
        [b'M', b'M', 0, 42, ..] => {
            tiff(bytes, u32::from_be_bytes, u16::from_be_bytes).ok_or(jpeg::ENDS_EARLY)?
        }
        [b'B', b'M', ..] => {
            bmp(bytes).ok_or(jpeg::ENDS_EARLY)?;
            false
        }
        // A cut in the last number of a text leaves a number.
        [b'P', b'1'..=b'3', ..] => return Err("PNM as plain text is not read, binary PNM is"),
        _ => false,
    };
    Ok(Shown { animated })
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// Chunks of length, type, data and checksum, up to `IEND` (PNG, 3rd edition, 5.3).
fn png(bytes: &[u8]) -> Option<bool> {
    let (mut at, mut animated) = (8_usize, false);
    loop {
        let length = u32::from_be_bytes(array(bytes, at)?) as usize;
        let kind: [u8; 4] = array(bytes, at + 4)?;
        animated |= &kind == b"acTL";
        at = at.checked_add(length)?.checked_add(12)?;
        if at > bytes.len() {
            return None;
        }
        if &kind == b"IEND" {
            return Some(animated);
        }
    }
}

/// Blocks up to the trailer (GIF89a, appendix A); animated if there are two images.
fn gif(bytes: &[u8]) -> Option<bool> {
    let table = |flags: u8| match flags & 0x80 {
        0 => 0,
        _ => 3 << ((flags & 7) + 1),
    };
    let mut at = 13 + table(*bytes.get(10)?);
    let mut images = 0;
    loop {
        match bytes.get(at)? {
            0x3B => return Some(images > 1),
            0x2C => {
                images += 1;
                // Descriptor, colours, and the size of the first codes.
                at += 10 + table(*bytes.get(at + 9)?) + 1;
            }
            0x21 => at += 2,
            // Not a block: left to the decoder, as some write more between blocks.
            _ => return Some(images > 1),
        }
        loop {
            let length = usize::from(*bytes.get(at)?);
            at += 1 + length;
            if length == 0 {
                break;
            }
        }
    }
}

/// The pixels of a run-length encoding, whose length is said: a decoder can do without their end mark. Of others it
/// counts the bytes.
fn bmp(bytes: &[u8]) -> Option<()> {
    let number = |at: usize| array(bytes, at).map(u32::from_le_bytes);
    let start = number(10)? as usize;
    // The first header of OS/2 is shorter than 40 bytes, and knows no compression.
    let length = match (number(14)?, number(30)) {
        (40.., Some(1 | 2)) => number(34)? as usize,
        _ => 0,
    };
    (start.checked_add(length)? <= bytes.len()).then_some(())
}

/// One RIFF chunk that tells its length; a flag in its first part says that there are frames.
fn webp(bytes: &[u8]) -> Option<bool> {
    let length = u32::from_le_bytes(array(bytes, 4)?) as usize;
    let whole = bytes.len() >= length.checked_add(8)?;
    let extended = bytes.get(12..16) == Some(b"VP8X");
    whole.then(|| extended && bytes.get(20).is_some_and(|flags| flags & 2 != 0))
}

/// The strips or tiles of the first directory, all within the file (TIFF 6.0, section 3). A further directory is
/// another page.
fn tiff(bytes: &[u8], long: fn([u8; 4]) -> u32, short: fn([u8; 2]) -> u16) -> Option<bool> {
    let directory = long(array(bytes, 4)?) as usize;
    let entries = usize::from(short(array(bytes, directory)?));
    let numbers = |entry: usize| -> Option<Vec<usize>> {
        let kind = short(array(bytes, entry + 2)?);
        let count = long(array(bytes, entry + 4)?) as usize;
        let size = match kind {
            3 => 2,
            4 => 4,
            // Not what this knows: left to the decoder.
            _ => return Some(Vec::new()),
        };
        let total = count.checked_mul(size)?;
        let at = match total {
            0..=4 => entry + 8,
            _ => long(array(bytes, entry + 8)?) as usize,
        };
        let list = bytes.get(at..at.checked_add(total)?)?;
        let number = |chunk: &[u8]| match *chunk {
            [a, b] => usize::from(short([a, b])),
            [a, b, c, d] => long([a, b, c, d]) as usize,
            _ => 0,
        };
        Some(list.chunks_exact(size).map(number).collect())
    };
    let (mut places, mut lengths) = (Vec::new(), Vec::new());
    for entry in (0..entries).map(|entry| directory + 2 + 12 * entry) {
        match short(array(bytes, entry)?) {
            273 | 324 => places = numbers(entry)?,
            279 | 325 => lengths = numbers(entry)?,
            _ => {}
        }
    }
    for (place, length) in places.iter().zip(&lengths) {
        if place.checked_add(*length)? > bytes.len() {
            return None;
        }
    }
    let next = long(array(bytes, directory + 2 + 12 * entries)?);
    Some(next != 0)
}
