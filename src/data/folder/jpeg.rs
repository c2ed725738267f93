//! Whether a JPEG holds all that its header promises.
//!
//! Decoders forgive what ends early: they draw grey where nothing came. So the coded data of each scan are walked
//! through first (ITU-T T.81, annexes B, F and G), symbol by symbol without their meaning: every block of every scan
//! has to be there. What this does not know (arithmetic coding, tables that a file leaves out) is left to the decoder.

mod scan;

use super::MAX_SIDE;
use scan::{Scan, Table, Tables};

/// Why a file is no whole picture.
pub(super) type Fault = &'static str;

pub(super) const ENDS_EARLY: Fault = "the file ends early";
const DATA_END_EARLY: Fault = "its coded data end early";
const DAMAGED: Fault = "its coded data are damaged";

/// Scans of a picture, at most: each passes over all blocks, though it may take a few bytes only. Four components of 64
/// coefficients with 14 bits each, one at a time, would need more; encoders make ten.
const MAX_SCANS: usize = 500;

/// One colour component.
#[derive(Clone, Debug)]
struct Component {
    id: u8,
    /// Blocks of an MCU, across and down.
    across: usize,
    down: usize,
    /// Whether a scan has brought its mean values.
    seen: bool,
    /// A bit for each coefficient of each block that is not zero; in progressive files only.
    nonzero: Vec<u64>,
    /// Blocks across in [`Component::nonzero`], whole MCUs.
    stride: usize,
}

/// What the frame header says.
#[derive(Clone, Debug)]
struct Frame {
    height: usize,
    width: usize,
    progressive: bool,
    components: Vec<Component>,
    /// Greatest of the components' [`Component::across`] and [`Component::down`].
    most_across: usize,
    most_down: usize,
    /// Whether a scan has been left to the decoder.
    left: bool,
}

/// Walks through a file from marker to marker, to the end-of-image marker; what follows it does not matter.
pub(super) fn check(bytes: &[u8]) -> Result<(), Fault> {
    let mut tables = Tables::default();
    let mut frame: Option<Frame> = None;
    let mut at = 2; // after the start-of-image marker
    let mut scans = 0;
    loop {
        let (marker, after) = next_marker(bytes, at)?;
        at = after;
        match marker {
            0xD9 => break,
            // Markers that stand alone.
            0x01 | 0xD0..=0xD8 => continue,
            _ => {}
        }
        let segment = segment(bytes, at)?;
        at += segment.len() + 2;
        match marker {
            0xC4 => tables.define(segment)?,
            // A picture has one frame; another one could claim any size.
            0xC0..=0xC2 if frame.is_some() => return Err(DAMAGED),
            0xC0..=0xC2 => frame = Some(Frame::read(segment, marker == 0xC2)?),
            0xDD => tables.restart = segment.get(..2).map_or(0, big_endian),
            0xDA => {
                scans += 1;
                if scans > MAX_SCANS {
                    return Err(DAMAGED);
                }
                at += scan(&bytes[at..], segment, &tables, frame.as_mut())?;
            }
            _ => {}
        }
    }
    match frame {
        Some(frame) if frame.components.iter().any(|component| !component.seen) => {
            Err(DATA_END_EARLY)
        }
        _ => Ok(()),
    }
}

/// Checks the coded data at the beginning of `bytes` and returns their length.
fn scan(
    bytes: &[u8],
    header: &[u8],
    tables: &Tables,
    frame: Option<&mut Frame>,
) -> Result<usize, Fault> {
    let end = coded_end(bytes).ok_or(ENDS_EARLY)?;
    if let Some(frame) = frame {
        Scan::read(header, tables, frame)?.check(&bytes[..end], frame)?;
    }
    Ok(end)
}

/// The next marker and where it ends; fill bytes and stray bytes before it are passed over.
fn next_marker(bytes: &[u8], from: usize) -> Result<(u8, usize), Fault> {
    let mut at = from;
    loop {
        match bytes.get(at..at + 2).ok_or(ENDS_EARLY)? {
            [0xFF, marker] if !matches!(marker, 0 | 0xFF) => return Ok((*marker, at + 2)),
            _ => at += 1,
        }
    }
}

/// What a segment holds after its length.
fn segment(bytes: &[u8], at: usize) -> Result<&[u8], Fault> {
    let length = bytes.get(at..at + 2).map(big_endian).ok_or(ENDS_EARLY)?;
    let end = at + length.max(2);
    bytes.get(at + 2..end).ok_or(ENDS_EARLY)
}

fn big_endian(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Where coded data end: at the first marker but those of restarts.
fn coded_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == 0xFF)?;
        match bytes.get(at + 1)? {
            0 | 0xD0..=0xD7 => at += 2,
            0xFF => at += 1,
            _ => return Some(at),
        }
    }
}

impl Frame {
    fn read(segment: &[u8], progressive: bool) -> Result<Self, Fault> {
        let [_, h1, h2, w1, w2, count, rest @ ..] = segment else {
            return Err(DAMAGED);
        };
        let components = rest
            .chunks_exact(3)
            .take(usize::from(*count))
            .map(|chunk| Component {
                id: chunk[0],
                across: usize::from(chunk[1] >> 4).clamp(1, 4),
                down: usize::from(chunk[1] & 15).clamp(1, 4),
                seen: false,
                nonzero: Vec::new(),
                stride: 0,
            });
        let mut frame = Self {
            height: big_endian(&[*h1, *h2]),
            width: big_endian(&[*w1, *w2]),
            progressive,
            components: components.collect(),
            most_across: 1,
            most_down: 1,
            left: false,
        };
        let too_large = frame.height.max(frame.width) > MAX_SIDE;
        if too_large || frame.components.len() != usize::from(*count) || *count > 4 {
            return Err(DAMAGED);
        }
        if let [only] = &mut frame.components[..] {
            // Of a single component an MCU is one block, whatever the factors say.
            (only.across, only.down) = (1, 1);
        }
        for component in &frame.components {
            frame.most_across = frame.most_across.max(component.across);
            frame.most_down = frame.most_down.max(component.down);
        }
        if progressive {
            let (across, down) = frame.mcus();
            for component in &mut frame.components {
                component.stride = across * component.across;
                let blocks = component.stride * down * component.down;
                component
                    .nonzero
                    .try_reserve_exact(blocks)
                    .map_err(|_| DAMAGED)?;
                component.nonzero.resize(blocks, 0);
            }
        }
        Ok(frame)
    }

    /// MCUs of all components, across and down.
    fn mcus(&self) -> (usize, usize) {
        (
            self.width.div_ceil(8 * self.most_across),
            self.height.div_ceil(8 * self.most_down),
        )
    }

    /// Blocks of a component in a scan of its own, across and down.
    fn blocks(&self, component: &Component) -> (usize, usize) {
        (
            (self.width * component.across).div_ceil(8 * self.most_across),
            (self.height * component.down).div_ceil(8 * self.most_down),
        )
    }
}

impl Tables {
    /// Reads the tables of a segment.
    fn define(&mut self, mut segment: &[u8]) -> Result<(), Fault> {
        while let [place, rest @ ..] = segment {
            let (counts, rest) = rest.split_at_checked(16).ok_or(DAMAGED)?;
            let total: usize = counts.iter().map(|count| usize::from(*count)).sum();
            let (symbols, rest) = rest.split_at_checked(total).ok_or(DAMAGED)?;
            let kind = if place >> 4 == 0 {
                &mut self.dc
            } else {
                &mut self.ac
            };
            let slot = kind.get_mut(usize::from(place & 15)).ok_or(DAMAGED)?;
            *slot = Some(Table::new(counts, symbols));
            segment = rest;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
