//! A folder of pictures; its subfolders are splits or classes.

mod broken;
mod cache;
mod decode;
mod filed;
mod fill;
mod find;
pub(super) mod formats;
mod jpeg;
mod read;
mod splits;
mod whole;

use std::collections::BTreeSet;
use std::path::Path;

use super::{DataOptions, Dataset, Progress, in_files, split};
use crate::error::{Error, Result};
use crate::number::counted;
use crate::shape::ImageShape;
use broken::Broken;
use cache::Cache;
use decode::{Form, Header};
use filed::Filed;
use fill::Filling;
use find::Picture;
use read::Source;
use splits::Arrangement;

/// Greatest height and width of a picture, in pixels.
const MAX_SIDE: usize = 16_384;
/// With sizes that differ, so many pictures are decoded to name those that are broken in the same message. Of more,
/// that would take longer than one waits for an error.
const CHECKED: usize = 1000;

/// Indices of the pictures of each split.
struct Chosen {
    train: Vec<usize>,
    test: Vec<usize>,
    val: Vec<usize>,
}

impl Chosen {
    /// Those of all splits, in ascending order.
    fn all(&self) -> Vec<usize> {
        let mut all = [&self.train[..], &self.test, &self.val].concat();
        all.sort_unstable();
        all
    }
}

/// Reads all pictures below `root`, split as its folders say, otherwise by the seed. Hidden files are passed over,
/// those that are no pictures counted in a note.
///
/// Pictures are turned upright, cropped about their centre to the form of [`DataOptions::image_size`] and resized to
/// it; what is transparent is laid on [`DataOptions::background`], unless alpha is a channel. Where all pictures hold
/// 16 bits a value, the numbers are given as they are stored; otherwise they are brought to 8. Channels and depth are
/// those of the training and test pictures, to which a third split is brought.
///
/// Splits are chosen among all pictures there are, before one is opened: which split a picture is in depends neither
/// on what else is broken nor on [`DataOptions::skip_broken`], so that mending a file moves no other. Only where that
/// would leave a split empty is it chosen again among those that can be read.
///
/// # Errors
///
/// [`Error::Data`] that names every file that cannot be decoded or is too large, unless they are skipped; for
/// pictures of different sizes without an image size, for folders that look like splits but are none, for a loop of
/// links, for a folder without any picture, and where transparency leaves nothing but one value.
pub(super) fn load(
    root: &Path,
    name: &str,
    options: &DataOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Dataset> {
    let found = find::find(root)?;
    let arrangement = splits::arrange(root, &found.pictures, options.whole)?;
    found
        .skipped()
        .iter()
        .chain(&arrangement.notes)
        .for_each(|note| progress(Progress::Note(note)));
    let chosen = choose(root, &arrangement, options, progress)?;
    let source = Source {
        root,
        pictures: &found.pictures,
    };
    let all = chosen.all();
    let cache = Cache::of(&source, &all, options);
    let is_trained = options.reading.is_some();
    let known = match cache.as_ref().map(|cache| cache.open(progress)) {
        // Commands on a run may do without its cache, and leave it as it is.
        Some(Err(_)) if is_trained => None,
        Some(found) => found?,
        None => None,
    };
    let (filed, form, broken) = match known {
        Some((filed, broken)) => {
            let form = filed.form;
            (Some(filed), form, broken)
        }
        None => {
            let (headers, mut broken) = headers(&source, &chosen, options, progress)?;
            let form = form(&source, &headers, &chosen, options)?;
            say_depth(&headers, &form, progress);
            let values = all.len() * form.shape.values();
            let filed = match cache.filter(|_| !is_trained) {
                Some(cache) => Some(cache.fill(form, &mut broken, progress)?),
                None if in_files::bound(options, values, !form.wide).is_some() => {
                    let indices = all.clone();
                    Some(Filed::look(&source, form, indices, &mut broken, progress)?)
                }
                None => None,
            };
            (filed, form, broken)
        }
    };
    let filling = Filling {
        source: &source,
        arrangement: &arrangement,
        form: &form,
        options,
        total: all.len(),
        filed,
    };
    let mut dataset = filling.fill(chosen, broken, progress)?;
    name.clone_into(&mut dataset.name);
    Ok(dataset)
}

/// The pictures of each split. A third one is left empty unless it is asked for.
fn choose(
    root: &Path,
    arrangement: &Arrangement,
    options: &DataOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Chosen> {
    if !arrangement.own_splits {
        let (train, test) = split::choose(arrangement.train.len(), options, root)?;
        let val = Vec::new();
        return Ok(Chosen { train, test, val });
    }
    let third = &arrangement.val;
    if !third.is_empty() && !options.val {
        progress(Progress::Note(&format!(
            "left out: the third split `{}/` ({}); `split = val` of the commands on a run looks at it",
            arrangement.val_name,
            counted(third.len() as u64, "picture")
        )));
    }
    Ok(Chosen {
        train: arrangement.train.clone(),
        test: arrangement.test.clone(),
        val: if options.val {
            third.clone()
        } else {
            Vec::new()
        },
    })
}

/// Headers of pictures, each with its picture's index.
type Headers = Vec<(usize, Header)>;

/// The headers of all chosen pictures, and the pictures that are broken. Reads no more than
/// headers, unless there is an error to tell of: then all others are decoded to name all broken ones at once.
fn headers(
    source: &Source<'_>,
    chosen: &Chosen,
    options: &DataOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(Headers, Vec<Broken>)> {
    let all = chosen.all();
    let (mut headers, mut broken) = source.each(&all, &mut |_| {}, decode::header);
    let fatal = !broken.is_empty() && !options.source.skip_broken;
    let mixed = options.image_size.is_none() && one_size(source, &headers).is_err();
    if fatal || mixed && headers.len() <= CHECKED {
        let opened: Vec<usize> = headers.iter().map(|(index, _)| *index).collect();
        let (_, more) = source.each(&opened, progress, decode::check);
        let bad: BTreeSet<usize> = more.iter().map(|broken| broken.index).collect();
        headers.retain(|(index, _)| !bad.contains(index));
        broken.extend(more);
    }
    if headers.is_empty() || !broken.is_empty() && !options.source.skip_broken {
        let sizes = match options.image_size {
            None if !headers.is_empty() => one_size(source, &headers).err(),
            _ => None,
        };
        return Err(broken::refuse(
            source.root,
            broken,
            all.len(),
            sizes.as_ref(),
        ));
    }
    Ok((headers, broken))
}

/// The height and width of all pictures.
fn one_size(source: &Source<'_>, headers: &[(usize, Header)]) -> Result<(usize, usize)> {
    let Some((first_index, first)) = headers.first() else {
        return Ok((1, 1));
    };
    let odd = |header: &Header| (header.height, header.width) != (first.height, first.width);
    let Some((index, other)) = headers.iter().find(|(_, header)| odd(header)) else {
        return Ok((first.height, first.width));
    };
    Err(Error::data(
        &source.pictures[*index].path,
        format!(
            "expected pictures of one size, got {}×{} here and {}×{} (height×width) in {}",
            other.height,
            other.width,
            first.height,
            first.width,
            source.pictures[*first_index].path.display()
        ),
        "`image-size = 64` crops and resizes all pictures to 64×64",
    ))
}

/// The form that all pictures get: that of the training and test pictures, to which those of a third split are brought.
/// So whether that one is read changes nothing about the others.
fn form(
    source: &Source<'_>,
    headers: &[(usize, Header)],
    chosen: &Chosen,
    options: &DataOptions,
) -> Result<Form> {
    let (height, width) = match options.image_size {
        Some(size) => size,
        None => one_size(source, headers)?,
    };
    if height.max(width) > MAX_SIDE {
        return Err(Error::config(
            format!(
                "expected an image size of 1 to {MAX_SIDE} pixels a side, got {height}×{width}"
            ),
            "`image-size = 64`",
        ));
    }
    let background = options.source.background.unwrap_or_default();
    let third: BTreeSet<usize> = chosen.val.iter().copied().collect();
    let of_model = || {
        let headers = headers.iter().filter(|(index, _)| !third.contains(index));
        headers.map(|(_, header)| header)
    };
    let grey = |header: &Header| header.grey && (background.is_grey() || !header.alpha);
    let channels = match options.channels {
        Some(channels) => channels,
        None if of_model().all(grey) => 1,
        None => 3,
    };
    Ok(Form {
        shape: ImageShape::new(height, width, channels),
        background,
        wide: of_model().all(|header| header.wide),
    })
}

fn say_depth(headers: &[(usize, Header)], form: &Form, progress: &mut dyn FnMut(Progress<'_>)) {
    let wide = headers.iter().filter(|(_, header)| header.wide).count();
    if wide > 0 && !form.wide {
        progress(Progress::Note(&format!(
            "{} of {} with 16 bits a value, which are brought to 8 as the others have",
            counted(wide as u64, "picture"),
            headers.len()
        )));
    }
}
