//! Labels as NumPy keeps them: whole numbers of any type, names, or one-hot rows.

use std::io::Read;
use std::path::Path;

use super::read_end;
use crate::data::Images;
use crate::data::classes::{classes_of, numbers_of};
use crate::data::npy::{Element, Fault, Header, Number, SAVE_HINT, Type};
use crate::error::{Error, Result};

/// A hint for every file whose labels are at fault.
const OPTIONAL: &str =
    "the labels that belong to these images, or `array = labels=none`: they are optional";

/// Labels of some images.
pub(super) enum Labels {
    /// Numbers of classes.
    Numbers(Vec<u32>),
    /// Names of classes.
    Names(Vec<String>),
}

/// Reads an array of labels, `[images]`, `[images, 1]` or one-hot `[images, classes]`, from a stream of exactly
/// `length` bytes.
///
/// # Errors
/// [`Error::Data`] for anything but a whole number of 0 or more, or a name, for each of `images`.
pub(super) fn read(
    path: &Path,
    what: &str,
    reader: &mut (impl Read + ?Sized),
    length: u64,
    images: usize,
) -> Result<Labels> {
    let refused =
        |message: String, hint: &str| Error::data(path, format!("{what}: {message}"), hint);
    let broken = |message: String| refused(message, SAVE_HINT);
    let header = Header::read(path, what, reader)?;
    let element = Element::parse(&header.descr).map_err(|_| {
        let hint = match header.descr.ends_with('O') {
            true => "names as text: `y.astype(str)`; or `array = labels=none`: they are optional",
            false => OPTIONAL,
        };
        let got = &header.descr;
        refused(
            format!("expected labels as whole numbers or text, got `{got}`"),
            hint,
        )
    })?;
    match *header.shape {
        [count] | [count, _] if count == images => {}
        [count] | [count, _] => {
            let what = format!("expected {images} labels, one for each image, got {count}");
            return Err(refused(what, OPTIONAL));
        }
        ref other => {
            return Err(refused(
                format!("expected labels of shape [images], got shape {other:?}"),
                "one number for each image; `array = labels=none` leaves them out",
            ));
        }
    }
    let width = header.shape.get(1).copied().unwrap_or(1);
    let count = header.count(element.bytes(), length).map_err(broken)?;
    let labels = match element {
        Element::Number(of) => numbers(of, reader, count, width).map(Labels::Numbers),
        Element::Text {
            len,
            unicode,
            big_endian,
        } if width == 1 => {
            let bytes = len * if unicode { 4 } else { 1 };
            names(reader, count, bytes, (unicode, big_endian)).map(Labels::Names)
        }
        Element::Text { .. } => Err(Fault::Number {
            at: 0,
            what: format!("expected a name for each image, got {width}"),
            hint: OPTIONAL,
        }),
    };
    let labels = labels.map_err(|fault| match fault {
        Fault::Io(reason) => broken(format!("reading its values failed: {reason}")),
        Fault::Number { at, what, hint } => {
            refused(format!("{what} for image {}", at / width.max(1)), hint)
        }
    })?;
    let got = match &labels {
        Labels::Numbers(labels) => labels.len(),
        Labels::Names(labels) => labels.len(),
    };
    if got != images {
        return Err(broken(format!(
            "its header promises {images} labels, got {got}"
        )));
    }
    read_end(reader).map_err(broken)?;
    Ok(labels)
}

/// Labels of `count` numbers, `width` of them for an image.
fn numbers(
    of: Type,
    reader: &mut (impl Read + ?Sized),
    count: usize,
    width: usize,
) -> Result<Vec<u32>, Fault> {
    let mut labels = Vec::new();
    if width == 1 {
        of.read_each(reader, count, |at, number| {
            labels.push(label(at, number)?);
            Ok(())
        })?;
        return Ok(labels);
    }
    let mut class = None;
    of.read_each(reader, count, |at, number| {
        let fault = Fault::Number {
            at,
            what: format!("expected one label, or a row with a single 1, of {width} numbers"),
            hint: "of scores `y.argmax(axis=1)`; `array = labels=none` leaves them out",
        };
        match number {
            Number::Whole(0) | Number::Real(0.0) => {}
            Number::Whole(1) | Number::Real(1.0) if class.is_none() => class = Some(at % width),
            _ => return Err(fault),
        }
        if at % width + 1 == width {
            let class = class.take().and_then(|class| u32::try_from(class).ok());
            labels.push(class.ok_or(fault)?);
        }
        Ok(())
    })?;
    Ok(labels)
}

fn label(at: usize, number: Number) -> Result<u32, Fault> {
    let refused = |what: String, hint| Err(Fault::Number { at, what, hint });
    match number {
        Number::Whole(number) => u32::try_from(number).or_else(|_| {
            let most = u32::MAX;
            refused(
                format!("expected labels of 0 to {most}, got {number}"),
                OPTIONAL,
            )
        }),
        Number::Real(number) => {
            let label = number as u32;
            if f64::from(label) == number {
                return Ok(label);
            }
            refused(
                format!("expected labels as whole numbers of 0 or more, got {number}"),
                "classes as numbers or text; `array = labels=none` leaves them out",
            )
        }
    }
}

/// `count` names of `width` bytes each. Memory grows with what arrives.
fn names(
    reader: &mut (impl Read + ?Sized),
    count: usize,
    width: usize,
    (unicode, big_endian): (bool, bool),
) -> Result<Vec<String>, Fault> {
    let mut names = Vec::new();
    let mut bytes = Vec::new();
    for at in 0..count {
        bytes.clear();
        let outcome = Read::take(&mut *reader, width as u64).read_to_end(&mut bytes);
        outcome.map_err(Fault::Io)?;
        if bytes.len() < width {
            break;
        }
        let name = match unicode {
            true => utf_32(&bytes, big_endian),
            false => String::from_utf8(bytes.clone()).ok(),
        };
        let name = name.ok_or_else(|| Fault::Number {
            at,
            what: "expected text, got bytes that are none".to_owned(),
            hint: OPTIONAL,
        })?;
        names.push(name.trim_end_matches('\0').to_owned());
    }
    Ok(names)
}

fn utf_32(bytes: &[u8], big_endian: bool) -> Option<String> {
    let characters = bytes.as_chunks::<4>().0.iter();
    characters
        .map(|&bytes| {
            char::from_u32(match big_endian {
                true => u32::from_be_bytes(bytes),
                false => u32::from_le_bytes(bytes),
            })
        })
        .collect()
}

/// Gives images their labels. Names become numbers by their order, over all parts; returns the names.
///
/// # Errors
/// A message and a hint where some parts have numbers and others names.
pub(super) fn number(
    parts: &mut [(Images, Option<Labels>)],
) -> Result<Vec<String>, (String, &'static str)> {
    let of_names = |labels: &Labels| match labels {
        Labels::Names(names) => Some(names.clone()),
        Labels::Numbers(_) => None,
    };
    let labels = parts.iter().filter_map(|part| part.1.as_ref());
    let total = labels.clone().count();
    let named: Vec<Vec<String>> = labels.filter_map(of_names).collect();
    if !named.is_empty() && named.len() != total {
        return Err((
            "expected labels of one kind, got numbers for one split and names for another"
                .to_owned(),
            "numbers or names for all; `array = labels=none,test-labels=none` leaves them out",
        ));
    }
    let classes = classes_of(named.iter().flatten());
    for (images, labels) in parts {
        images.labels = labels.take().map(|labels| match labels {
            Labels::Numbers(numbers) => numbers,
            Labels::Names(names) => numbers_of(&names, &classes),
        });
    }
    Ok(classes)
}
