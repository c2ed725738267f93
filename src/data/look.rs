//! The look at a data set before anything is computed with it: what its values are, and what of them cannot be meant.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;
use super::scaling::{Integers, Meaning, Reading, Scale, Scaling, join};
use super::survey::{Extremes, Survey, moments};
use super::{DataOptions, Dataset, Images, Progress, Stored};
use crate::error::{Error, Result};
use crate::number::{counted, significant};

/// A greatest value of a whole number's type so many times that of the data is another one than the data's.
const FAR_BELOW: f32 = 4.0;
/// Spreads of columns that differ by more let the widest one alone count.
const UNEVEN: f64 = 1000.0;

/// What the values of a data set are: of all of its splits that were read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Look {
    /// All in one line: `bytes 0 to 255, 81 % at 0 or 255`.
    pub values: String,
    /// Whether a model sees 0 and 1 and nothing between.
    pub binary: bool,
    /// What looks wrong, each with what to do.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

/// Takes a data set's stored numbers as what they stand for, looks at them, and keeps what it found.
///
/// # Errors
/// [`Error::Data`] where all values are equal, or do not fit the reading of a trained model.
pub(super) fn look(
    mut dataset: Dataset,
    options: &DataOptions,
    source: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Dataset> {
    let (each, hash) = survey(&dataset, source, progress)?;
    let extremes = each.iter().flatten().map(|found| found.extremes.clone());
    let Some(stored) = extremes.reduce(Extremes::with) else {
        return Ok(dataset);
    };
    if options.reading.is_none() && stored.range().0 == stored.range().1 {
        return Err(all_equal(stored.range().0, source));
    }
    // The training and the test split come first. Whether a third one is read must not change what they mean; it is
    // read by what all are together, so that a dark one has no bits.
    let scaling = scaling(&dataset, &each, options, source)?;
    let reading_of = |splits| {
        let integers = integers(&dataset, &each, splits);
        match &options.reading {
            Some(trained) => trained.for_others(integers, source),
            None => Ok(Reading {
                scaling: scaling.clone(),
                ..Reading::of_integers(integers)
            }),
        }
    };
    let (reading, joint) = (reading_of(2)?, reading_of(each.len())?);
    let ends = Ends::of(&dataset, &each, stored.range());
    let kind = shown_split(&dataset).stored;
    let mut warnings = Vec::new();
    warnings.extend(all_alike(&dataset.train, each[0].as_ref()));
    if options.reading.is_none() {
        warnings.extend(uneven(&dataset, &stored, &joint)?);
    }
    let readings = [&reading, &reading, &joint];
    let ranges: Vec<_> = used_ranges(&dataset, &each, readings);
    let used = |split: usize| ranges[split].unwrap_or_default();
    reading.apply(Arc::make_mut(&mut dataset.train), used(0));
    reading.apply(Arc::make_mut(&mut dataset.test), used(1));
    if let Some(val) = &mut dataset.val {
        joint.apply(val, used(2));
    }
    let are_as_stored = dataset.splits().all(|images| reading.keeps(images.stored));
    dataset.hash = match hash.filter(|_| !dataset.train.is_empty()) {
        Some(_) if !are_as_stored => Some(Fingerprint::of([&dataset.train, &dataset.test])?),
        hash => hash,
    };
    let shown = ranges.iter().flatten().next().copied();
    let used = ranges.into_iter().flatten().reduce(join);
    let used = used.unwrap_or_default();
    match &options.reading {
        Some(trained) => warnings.extend(trained.doubt(used)),
        None => warnings.extend(
            two_values(&ends, used)
                .or_else(|| far_below(kind, joint.meaning(kind), stored.range()))
                .or_else(|| scaled_to_little(options.scale, used)),
        ),
    }
    dataset.look = Some(Look {
        values: words(kind, &joint, stored.range(), used, &ends),
        binary: ends.are_all() && used == (0.0, 1.0),
        warnings,
    });
    dataset.reading = Reading {
        range: options
            .reading
            .as_ref()
            .map_or(shown, |trained| trained.range),
        ..reading
    };
    Ok(dataset)
}

/// What each split holds as it is stored; where all are in files also their hash, so that they need not be read again for
/// it.
fn survey(
    dataset: &Dataset,
    source: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(Vec<Option<Survey>>, Option<String>)> {
    let are_in_files = dataset.splits().all(Images::are_in_files);
    let total: usize = dataset.splits().map(Images::len).sum();
    let what = source.display().to_string();
    let (mut hash, mut done) = (Fingerprint::default(), 0);
    let mut each = Vec::new();
    for (split, images) in dataset.splits().enumerate() {
        let is_hashed = are_in_files && split < Fingerprint::SPLITS;
        if is_hashed {
            hash.start(images);
        }
        each.push(Survey::of(images, |values| {
            if is_hashed {
                hash.add(values);
            }
            done += values.len() / images.shape.values();
            if images.are_in_files() {
                progress(Progress::Part {
                    what: &what,
                    done: done as u64,
                    total: total as u64,
                    unit: "images",
                });
            }
        })?);
    }
    Ok((each, are_in_files.then(|| hash.finish())))
}

/// The least and the greatest value of each split as the model sees them; `None` of one without any. What makes them of stored
/// numbers keeps their order, so that those of all are among those of the extremes.
fn used_ranges(
    dataset: &Dataset,
    each: &[Option<Survey>],
    readings: [&Reading; 3],
) -> Vec<Option<(f32, f32)>> {
    let splits = dataset.splits().zip(each).zip(readings);
    let range = |((images, found), reading): ((&Images, &Option<Survey>), &Reading)| {
        let values = found.as_ref()?.extremes.as_images();
        Some(reading.used(values, images.stored).range())
    };
    splits.map(range).collect()
}

/// The split that stands for all where they are described.
fn shown_split(dataset: &Dataset) -> &Images {
    match dataset.train.is_empty() {
        true => &dataset.test,
        false => &dataset.train,
    }
}

/// The least and the greatest of the whole numbers of the first splits.
fn integers(dataset: &Dataset, each: &[Option<Survey>], splits: usize) -> Option<(f32, f32)> {
    let first = dataset.splits().zip(each).take(splits);
    let whole = first.filter(|(images, _)| matches!(images.stored, Stored::Integer { .. }));
    let ranges = whole.filter_map(|(_, found)| Some(found.as_ref()?.range()));
    ranges.reduce(join)
}

/// The scaling that a trained model or the options ask for; it is fitted to the split that stands for all.
fn scaling(
    dataset: &Dataset,
    each: &[Option<Survey>],
    options: &DataOptions,
    source: &Path,
) -> Result<Option<Scaling>> {
    let images = shown_split(dataset);
    let scaling = match (&options.reading, options.scale) {
        (Some(trained), _) => trained.scaling.clone(),
        (None, Some(Scale::By(by))) => Some(Scaling::by(by)),
        (None, Some(Scale::Range)) => each.iter().flatten().next().map(|found| {
            let (least, most) = found.range();
            Scaling::between(least, most)
        }),
        (None, None) if options.standardize => Some(Scaling::standard(&moments(images)?)),
        (None, None) => None,
    };
    if let Some(scaling) = &scaling {
        scaling.check(images.shape.values(), source)?;
    }
    Ok(scaling)
}

/// How many values are the least and the greatest one, of how many.
struct Ends {
    least: usize,
    most: usize,
    all: usize,
}

impl Ends {
    fn of(dataset: &Dataset, each: &[Option<Survey>], range: (f32, f32)) -> Self {
        let mut ends = Self {
            least: 0,
            most: 0,
            all: 0,
        };
        for (images, found) in dataset.splits().zip(each) {
            let [least, most] = found.as_ref().map_or([0; 2], |found| found.at_ends(range));
            ends.least += least;
            ends.most += most;
            ends.all += images.len() * images.shape.values();
        }
        // Of equal values, which only a trained model may meet, ones are the greatest and others the least.
        match range {
            (least, most) if least == most && most > 0.0 => ends.least = 0,
            (least, most) if least == most => ends.most = 0,
            _ => {}
        }
        ends
    }

    /// Whether there are no other values, and both of these.
    fn are_all(&self) -> bool {
        self.least > 0 && self.most > 0 && self.least + self.most == self.all
    }
}

fn number(value: f32) -> String {
    significant(f64::from(value), 6)
}

fn percent(part: usize, all: usize) -> String {
    format!("{:.0} %", 100.0 * part as f64 / all.max(1) as f64)
}

/// All of it in one line.
fn words(
    kind: Stored,
    reading: &Reading,
    (least, most): (f32, f32),
    used: (f32, f32),
    ends: &Ends,
) -> String {
    let (low, high) = (number(least), number(most));
    let meaning = reading.meaning(kind);
    if meaning == Meaning::Bits {
        let ones = percent(ends.most, ends.all);
        return format!("bits (0 and 1, stored as {kind}), {ones} are 1");
    }
    if least == most {
        return format!("{kind}, all {low}");
    }
    let at_ends = match ends.are_all() {
        true => format!("binary, {} are {high}", percent(ends.most, ends.all)),
        false => format!(
            "{} at {low} or {high}",
            percent(ends.least + ends.most, ends.all)
        ),
    };
    let text = format!("{kind} {low} to {high}, {at_ends}");
    let used = format!("{} to {}", number(used.0), number(used.1));
    match meaning {
        Meaning::Bytes if kind != Stored::BYTES => format!("{text}, taken as bytes"),
        Meaning::FractionOf(by) => format!("{text}, divided by {by}: {used}"),
        Meaning::Scaled if reading.scaling.as_ref().is_some_and(Scaling::is_by_value) => {
            format!("{text}, standardized: {used}")
        }
        Meaning::Scaled => format!("{text}, scaled: {used}"),
        _ => text,
    }
}

/// Says where images of two values are not 0 and 1 to the model, but could be.
fn two_values(ends: &Ends, used: (f32, f32)) -> Option<String> {
    let between = used.0 >= 0.0 && used.1 <= 1.0 && used != (0.0, 1.0);
    (ends.are_all() && between).then(|| {
        format!(
            "there are two values only, which the model sees as {} and {}: `scale = range` makes them 0 and 1",
            number(used.0),
            number(used.1)
        )
    })
}

/// Says where `--scale` leaves next to nothing of the values.
fn scaled_to_little(scale: Option<Scale>, (least, most): (f32, f32)) -> Option<String> {
    let little = least >= 0.0 && most > 0.0 && most * FAR_BELOW <= 1.0;
    (matches!(scale, Some(Scale::By(_))) && little).then(|| {
        format!(
            "after `scale = …` the values reach from {} to {} only: without it, or with the greatest value that there can be",
            number(least),
            number(most)
        )
    })
}

fn all_equal(value: f32, source: &Path) -> Error {
    Error::data(
        source,
        format!(
            "all values are {}: there is nothing to learn",
            number(value)
        ),
        "data whose values differ; of pictures that are drawn by their transparency alone `background = white` shows the \
         drawing, `channels = 4` keeps it",
    )
}

/// Says that every training image is the same.
fn all_alike(images: &Images, found: Option<&Survey>) -> Option<String> {
    let all = counted(images.len() as u64, "training image");
    (images.len() > 1 && found?.are_alike).then(|| {
        format!(
            "all {all} are the same: a model of them learns one picture; look at how they were made"
        )
    })
}

/// Says where the greatest value is far below that of its type, with what makes up for it.
fn far_below(kind: Stored, meaning: Meaning, (least, most): (f32, f32)) -> Option<String> {
    let full = match (meaning, kind) {
        (Meaning::Bytes, _) => 255.0,
        (Meaning::FractionOf(full), _) => full,
        (Meaning::AsStored, Stored::Float { .. }) => 1.0,
        _ => return None,
    };
    (least >= 0.0 && most > 0.0 && most * FAR_BELOW <= full).then(|| {
        format!(
            "the greatest value is {}, and {full} would be full scale: `scale = {}` makes it 1, if it is meant to be \
             (12 bits of a sensor in 16, or a division too many)",
            number(most),
            number(most)
        )
    })
}

/// Says where rows of values have columns of very different spreads, or of none.
fn uneven(dataset: &Dataset, stored: &Extremes, reading: &Reading) -> Result<Vec<String>> {
    let images = shown_split(dataset);
    let shape = images.shape;
    let rows_of_values = shape.height == 1 && shape.channels == 1;
    if !rows_of_values || images.are_bytes() || reading.integers == Integers::Bytes {
        return Ok(Vec::new());
    }
    let name = |place: usize| match dataset.columns.get(place) {
        Some(name) => format!("`{name}`"),
        None => (place + 1).to_string(),
    };
    let mut said = Vec::new();
    let constant = stored.constant();
    if !constant.is_empty() {
        let first: Vec<String> = constant.iter().take(10).map(|&place| name(place)).collect();
        let count = counted(constant.len() as u64, "column");
        said.push(format!(
            "{count} of {} never change: {}{}",
            shape.width,
            first.join(", "),
            if constant.len() > first.len() {
                ", …"
            } else {
                ""
            }
        ));
    }
    if reading.scaling.is_some() {
        return Ok(said);
    }
    let moments = moments(images)?;
    let spreads = moments.iter().map(|found| found.deviation).enumerate();
    let spreads = spreads.filter(|&(_, spread)| spread > 0.0);
    let by_spread = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1);
    let widest = spreads.clone().max_by(by_spread);
    if let (Some(widest), Some(narrowest)) = (widest, spreads.min_by(by_spread))
        && widest.1 > UNEVEN * narrowest.1
    {
        said.push(format!(
            "columns spread by {} (column {}) to {} (column {}), so that the widest alone would count: `standardize = true` \
             brings all to one spread",
            significant(narrowest.1, 3),
            name(narrowest.0),
            significant(widest.1, 3),
            name(widest.0)
        ));
    }
    Ok(said)
}

#[cfg(test)]
mod tests;
