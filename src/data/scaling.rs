//! From stored numbers to the values that a model sees, and back.
//!
//! Readers give what is stored. Here, and nowhere else, it is decided what whole numbers mean (bits, grey values, a
//! fraction of their type's greatest), and what a user asks for is done: [`Scale`] and standardising. A trained
//! model keeps its [`Reading`], by which all later images are taken as those that it was trained on.

mod scale;
#[cfg(test)]
mod tests;

use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use scale::Scale;

use super::survey::Moments;
use super::{Images, Storage, Stored, Values};
use crate::error::{Error, Result};

/// A scaling that was asked for: used = (stored − shift) / scale.
///
/// One entry counts for all values, otherwise there is one for each value of an image, in the order of
/// [`crate::shape::ImageShape`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scaling {
    /// What is subtracted.
    pub shift: Vec<f32>,
    /// What the difference is divided by.
    pub scale: Vec<f32>,
}

impl Scaling {
    /// Division by a number.
    pub fn by(scale: f32) -> Self {
        Self {
            shift: vec![0.0],
            scale: vec![scale],
        }
    }

    /// From `least` and `most` to 0 and 1.
    pub fn between(least: f32, most: f32) -> Self {
        let scale = (f64::from(most) - f64::from(least)) as f32;
        Self {
            shift: vec![least],
            // One value only has no range; it becomes 0.
            scale: vec![if scale > 0.0 { scale } else { 1.0 }],
        }
    }

    /// To mean 0 and deviation 1 at each place; where all values are the same, they become 0.
    pub(super) fn standard(moments: &[Moments]) -> Self {
        let scale = moments.iter().map(|found| found.deviation as f32);
        Self {
            shift: moments.iter().map(|found| found.mean as f32).collect(),
            scale: scale
                .map(|scale| if scale.is_normal() { scale } else { 1.0 })
                .collect(),
        }
    }

    /// Checks that it fits images of so many values; `source` is where it comes from, for errors.
    ///
    /// # Errors
    /// [`Error::Data`] where entries are missing or too many, or are of no use.
    pub fn check(&self, values: usize, source: &Path) -> Result<()> {
        let entries = self.scale.len();
        let usable = |scale: &f32| scale.is_finite() && *scale > 0.0;
        if self.shift.len() != entries || ![1, values].contains(&entries) {
            return Err(Error::data(
                source,
                format!(
                    "images have {values} values, but their scaling is one of {} shifts and {entries} scales",
                    self.shift.len()
                ),
                "images of the size that the model was trained on",
            ));
        }
        if !self.scale.iter().all(usable) || !self.shift.iter().all(|shift| shift.is_finite()) {
            return Err(Error::data(
                source,
                "its values reach too far to be scaled: a shift or a scale is no finite, positive float32",
                "divide the values by a constant first",
            ));
        }
        Ok(())
    }

    /// Scales whole images, `[images, values]`, in place.
    pub fn apply(&self, values: &mut [f32]) {
        self.each(values, |value, shift, scale| (value - shift) / scale);
    }

    /// Turns values that a model sees back into the units of the data, `[images, values]`, in place.
    pub fn undo(&self, values: &mut [f32]) {
        self.each(values, |value, shift, scale| value * scale + shift);
    }

    fn each(&self, values: &mut [f32], change: impl Fn(f32, f32, f32) -> f32 + Sync) {
        match (self.shift.as_slice(), self.scale.as_slice()) {
            (&[shift], &[scale]) => values
                .par_iter_mut()
                .with_min_len(1 << 14)
                .for_each(|value| *value = change(*value, shift, scale)),
            (shift, scale) => values.par_chunks_mut(scale.len().max(1)).for_each(|image| {
                for ((value, &shift), &scale) in image.iter_mut().zip(shift).zip(scale) {
                    *value = change(*value, shift, scale);
                }
            }),
        }
    }

    /// Whether every value has its own entry.
    pub fn is_by_value(&self) -> bool {
        self.scale.len() > 1
    }
}

/// What whole numbers are taken as, where no scaling is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Integers {
    /// There were none: by what they are, when there are some.
    #[default]
    Undecided,
    /// Only 0 and 1 occur: they are these.
    Bits,
    /// Grey values 0 to 255, also in a wider type.
    Bytes,
    /// By their type: 16 bits without sign are divided by 65535, others stay as they are.
    OfType,
}

impl Integers {
    /// By the least and the greatest of them.
    fn by_range((least, most): (f32, f32)) -> Self {
        if least >= 0.0 && most <= 1.0 {
            Self::Bits
        } else if least >= 0.0 && most <= 255.0 {
            Self::Bytes
        } else {
            Self::OfType
        }
    }
}

/// How the numbers of a source become the values that a model sees; what a trained model keeps of its data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Reading {
    /// What whole numbers are taken as.
    #[serde(default)]
    pub integers: Integers,
    /// The least and the greatest value that the model saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<(f32, f32)>,
    /// What was asked for in place of the rule by type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
}

/// What stored numbers stand for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Meaning {
    /// 0 and 1.
    Bits,
    /// Grey values, byte / 255.
    Bytes,
    /// A fraction of their type's greatest value.
    FractionOf(f32),
    /// Themselves.
    AsStored,
    /// What [`Scaling`] makes of them.
    Scaled,
}

impl Reading {
    /// What numbers of a type stand for by it.
    pub fn meaning(&self, stored: Stored) -> Meaning {
        if self.scaling.is_some() {
            return Meaning::Scaled;
        }
        match (stored, self.integers) {
            (Stored::Bool, _) | (Stored::Integer { .. }, Integers::Bits) => Meaning::Bits,
            (Stored::BYTES, _) | (Stored::Integer { .. }, Integers::Bytes) => Meaning::Bytes,
            (
                Stored::Integer {
                    signed: false,
                    bits: 16,
                },
                _,
            ) => Meaning::FractionOf(f32::from(u16::MAX)),
            _ => Meaning::AsStored,
        }
    }

    /// What made the values that the model saw of the numbers that its source held: used = (stored − shift) / scale.
    pub fn of_source(&self) -> Scaling {
        if let Some(scaling) = &self.scaling {
            return scaling.clone();
        }
        // Of the types only 16 bits without sign are brought to 0 to 1: others that are neither bits nor bytes
        // reach beyond.
        let is_fraction = matches!(self.range, Some((least, most)) if least >= 0.0 && most <= 1.0);
        Scaling::by(match self.integers {
            Integers::Bytes => f32::from(u8::MAX),
            Integers::OfType if is_fraction => f32::from(u16::MAX),
            Integers::OfType | Integers::Bits | Integers::Undecided => 1.0,
        })
    }

    /// By what whole numbers there are, the least and the greatest of each split that holds some.
    pub(super) fn of_integers(range: Option<(f32, f32)>) -> Self {
        Self {
            integers: range.map_or(Integers::Undecided, Integers::by_range),
            ..Self::default()
        }
    }

    /// The reading of a trained model, for other images whose whole numbers have this range.
    ///
    /// # Errors
    /// [`Error::Data`] where these numbers cannot be what the model's were.
    pub(super) fn for_others(&self, range: Option<(f32, f32)>, source: &Path) -> Result<Self> {
        let (Some(range), None) = (range, &self.scaling) else {
            return Ok(self.clone());
        };
        let found = Integers::by_range(range);
        let integers = match (self.integers, found) {
            (Integers::Undecided, found) => found,
            // Whatever is there, these are grey values: a dark image has no bits.
            (Integers::Bytes, Integers::Bits | Integers::Bytes) => Integers::Bytes,
            // Grey values for a model of bits: a probability each.
            (Integers::Bits, Integers::Bits | Integers::Bytes) => found,
            (Integers::OfType, _) => Integers::OfType,
            (Integers::Bits | Integers::Bytes, _) => {
                let most = match self.integers {
                    Integers::Bits => 1,
                    _ => 255,
                };
                return Err(Error::data(
                    source,
                    format!(
                        "the model was trained on whole numbers from 0 to {most}, but these reach from {} to {}",
                        range.0, range.1
                    ),
                    "numbers of that range, or a run with `scale = …`",
                ));
            }
        };
        Ok(Self {
            integers,
            ..self.clone()
        })
    }

    /// Whether the values that a model sees are the stored numbers.
    pub(super) fn keeps(&self, stored: Stored) -> bool {
        match self.meaning(stored) {
            Meaning::AsStored => true,
            Meaning::Bytes => stored == Stored::BYTES,
            Meaning::Bits | Meaning::FractionOf(_) | Meaning::Scaled => false,
        }
    }

    /// Turns stored numbers into the values that the model sees, or has them be so when they are read. `range` is that of
    /// these values.
    pub(super) fn apply(&self, images: &mut Images, range: (f32, f32)) {
        match &mut images.storage {
            Storage::Memory(values) => {
                let stored = std::mem::replace(values, Values::Bytes(Vec::new()));
                *values = self.used(stored, images.stored);
            }
            Storage::Files(files) => files.read_as(self, range),
        }
    }

    /// The same for values of whole images.
    pub(super) fn used(&self, values: Values, stored: Stored) -> Values {
        match (self.meaning(stored), values) {
            (Meaning::Bits, Values::Bytes(mut bits)) => {
                // Bytes stand for byte / 255, so that bits cost no more than grey values.
                bits.par_iter_mut()
                    .with_min_len(1 << 16)
                    .for_each(|bit| *bit *= 255);
                Values::Bytes(bits)
            }
            (Meaning::Bits, Values::Floats(bits)) => to_bytes(&bits, 255.0),
            (Meaning::Bytes, Values::Floats(greys)) => to_bytes(&greys, 1.0),
            (Meaning::Bytes | Meaning::AsStored, same) => same,
            (Meaning::FractionOf(most), values) => scaled(values, &Scaling::by(most)),
            (Meaning::Scaled, values) => match &self.scaling {
                Some(scaling) => scaled(values, scaling),
                None => values,
            },
        }
    }

    /// How numbers that come through a stream become values, row by row.
    ///
    /// # Errors
    /// As [`Scaling::check`], for rows of `width` values.
    pub fn rows(&self, width: usize, source: &Path) -> Result<RowReading> {
        if let Some(scaling) = &self.scaling {
            scaling.check(width, source)?;
        }
        Ok(RowReading {
            reading: self.clone(),
            source: source.to_owned(),
            range: None,
        })
    }
}

/// [`Reading`] of a stream, whose range is not known before its end.
#[derive(Debug)]
pub struct RowReading {
    reading: Reading,
    /// What the stream is called in errors.
    source: std::path::PathBuf,
    /// Least and greatest value so far, as stored and as used.
    range: Option<[(f32, f32); 2]>,
}

impl RowReading {
    /// The values that a model sees of rows of numbers as they are stored.
    ///
    /// # Errors
    /// [`Error::Data`] for whole numbers that cannot be what the model's were.
    pub fn take(&mut self, values: Values, stored: Stored) -> Result<Values> {
        let range = |values: &Values| match values {
            Values::Bytes(bytes) => spread(bytes.iter().map(|&byte| f32::from(byte))),
            Values::Floats(floats) => spread(floats.iter().copied()),
        };
        let Some(found) = range(&values) else {
            return Ok(values);
        };
        let reading = self.reading_of(stored, found)?;
        let used = reading.used(values, stored);
        let as_used = match (&used, range(&used)) {
            (Values::Bytes(_), Some((least, most))) => (least / 255.0, most / 255.0),
            (_, other) => other.unwrap_or(found),
        };
        let found = [found, as_used];
        self.range = Some(match self.range {
            Some(known) => [join(known[0], found[0]), join(known[1], found[1])],
            None => found,
        });
        Ok(used)
    }

    /// What a batch decides cannot depend on the batch, so that nothing is left undecided here.
    fn reading_of(&self, stored: Stored, (least, most): (f32, f32)) -> Result<Reading> {
        let trained = &self.reading;
        if !matches!(stored, Stored::Integer { .. }) || trained.scaling.is_some() {
            return Ok(trained.clone());
        }
        let limit = match trained.integers {
            Integers::Bits => Some(1.0),
            Integers::Bytes => Some(255.0),
            Integers::Undecided | Integers::OfType => None,
        };
        match limit {
            Some(limit) if least < 0.0 || most > limit => Err(Error::data(
                &self.source,
                format!(
                    "expected whole numbers from 0 to {limit}, as the model was trained on, got {}",
                    if least < 0.0 { least } else { most }
                ),
                match trained.integers {
                    Integers::Bits => "bits, as `(x > 127).astype(np.uint8)`",
                    _ => "grey values of 0 to 255, as `x.astype(np.uint8)`",
                },
            )),
            Some(_) => Ok(trained.clone()),
            None => Ok(Reading {
                integers: Integers::OfType,
                ..trained.clone()
            }),
        }
    }

    /// What looks wrong about the whole stream, once it has ended.
    pub fn doubt(&self) -> Option<String> {
        let [_, used] = self.range?;
        self.reading.doubt(used)
    }
}

impl Reading {
    /// What looks wrong about values of this range, for a model that was trained on others.
    pub(super) fn doubt(&self, (least, most): (f32, f32)) -> Option<String> {
        /// A greatest value so many times narrower or farther off is another unit, not another image.
        const FARTHER: f64 = 9.0;
        const NARROWER: f64 = 50.0;
        let (low, high) = self.range?;
        let width = f64::from(high) - f64::from(low);
        let own = f64::from(most) - f64::from(least);
        if width <= 0.0 || own <= 0.0 {
            return None;
        }
        let beyond = f64::from(most) > f64::from(high) + FARTHER * width
            || f64::from(least) < f64::from(low) - FARTHER * width;
        let narrow = own < width / NARROWER;
        (beyond || narrow).then(|| {
            let number = |value: f32| crate::number::significant(f64::from(value), 4);
            format!(
                "values of {} to {}, but the model was trained on {} to {}: are they in the same units?",
                number(least),
                number(most),
                number(low),
                number(high)
            )
        })
    }
}

/// The range of what lies in either.
pub(super) fn join(one: (f32, f32), other: (f32, f32)) -> (f32, f32) {
    (one.0.min(other.0), one.1.max(other.1))
}

/// The least and the greatest; `None` of nothing.
fn spread(values: impl Iterator<Item = f32>) -> Option<(f32, f32)> {
    let pairs = values.map(|value| (value, value));
    pairs.reduce(join)
}

/// Whole numbers of 0 to 255 after they are multiplied.
fn to_bytes(values: &[f32], by: f32) -> Values {
    let bytes = values.par_iter().with_min_len(1 << 14);
    Values::Bytes(bytes.map(|value| (value * by) as u8).collect())
}

fn scaled(values: Values, scaling: &Scaling) -> Values {
    let mut floats = match values {
        Values::Floats(floats) => floats,
        Values::Bytes(bytes) => {
            let bytes = bytes.par_iter().with_min_len(1 << 14);
            bytes.map(|&byte| f32::from(byte)).collect()
        }
    };
    scaling.apply(&mut floats);
    Values::Floats(floats)
}
