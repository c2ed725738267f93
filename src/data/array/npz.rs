//! A `.npz` file: a zip archive of arrays.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

use super::labels::{self, Labels};
use super::names::is_held_out;
use super::{Arrays, check_types, read_images};
use crate::data::npy::{Element, Header, SAVE_HINT};
use crate::data::{DataOptions, Dataset, Images, MAX_DEFLATE_RATIO, Progress, split};
use crate::error::{Error, Result};

/// What NumPy appends to an array's name to name its entry of a `.npz`.
const ENTRY_SUFFIX: &str = ".npy";
/// Arrays that an error lists.
const MOST_LISTED: usize = 12;

struct Archive<'a> {
    path: &'a Path,
    zip: ZipArchive<BufReader<File>>,
    /// Bytes of the file.
    packed: u64,
    /// Names of its arrays, in order.
    names: Vec<String>,
}

/// Reads the arrays that [`DataOptions::arrays`] or their usual names say are images and labels, and says which are
/// left out.
pub(super) fn load(
    path: &Path,
    name: &str,
    options: &DataOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Dataset> {
    let mut archive = Archive::open(path)?;
    let mut arrays = archive.choose(&options.source.arrays)?;
    say_what_is_left_out(&archive.names, &arrays, options, progress);
    if arrays.test.is_none() && arrays.val.is_some() {
        (arrays.test, arrays.test_labels) = (arrays.val.take(), arrays.val_labels.take());
    }
    if !options.val {
        (arrays.val, arrays.val_labels) = (None, None);
    }
    let mut read = |images: &Option<String>, labels: &Option<String>| -> Result<_> {
        let Some(images) = images else {
            return Ok(None);
        };
        archive.images(images, labels.as_deref(), options).map(Some)
    };
    let train = read(&arrays.train, &arrays.labels)?;
    let test = read(&arrays.test, &arrays.test_labels)?;
    let val = read(&arrays.val, &arrays.val_labels)?;
    let mut parts: Vec<(Images, Option<Labels>)> =
        [train, test, val].into_iter().flatten().collect();
    let names = [&arrays.train, &arrays.test, &arrays.val];
    let names = names.into_iter().flatten().map(String::as_str);
    let typed: Vec<_> = names.zip(parts.iter().map(|part| &part.0)).collect();
    check_types(path, &typed)?;
    let classes =
        labels::number(&mut parts).map_err(|(what, hint)| Error::data(path, what, hint))?;
    let mut parts = parts.into_iter().map(|part| part.0);
    let Some(train) = parts.next() else {
        return Err(archive.unclear("expected an array of images", &options.source.arrays));
    };
    let Some(test) = parts.next() else {
        let dataset = split::dataset(train, name, options, path)?;
        return Ok(Dataset { classes, ..dataset });
    };
    Ok(Dataset {
        val: parts.next(),
        classes,
        ..Dataset::new(name, train, test)
    })
}

/// One line for each thing that somebody might miss.
fn say_what_is_left_out(
    names: &[String],
    arrays: &Arrays,
    options: &DataOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) {
    match (&arrays.test, &arrays.val) {
        (None, Some(val)) => {
            progress(Progress::Note(&format!(
                "`{val}` is the test split: there is no other"
            )));
        }
        (Some(_), Some(val)) if !options.val => {
            progress(Progress::Note(&format!(
                "`{val}` is left out; `split = val` of the commands on a run looks at it"
            )));
        }
        _ => {}
    }
    let used: Vec<&str> = arrays.names().collect();
    let others = names.iter().filter(|name| !used.contains(&name.as_str()));
    let others: Vec<String> = others.map(|name| format!("`{name}`")).collect();
    if !others.is_empty() {
        let verb = if others.len() == 1 { "is" } else { "are" };
        let others = others.join(", ");
        progress(Progress::Note(&format!(
            "{others} {verb} left out: `array = …` says which array is what"
        )));
    }
}

impl<'a> Archive<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path, "open it"))?;
        let packed = file.metadata().map_err(Error::io(path, "read its size"))?;
        let zip = ZipArchive::new(BufReader::new(file)).map_err(|reason| {
            Error::data(
                path,
                format!("expected a zip archive of arrays: {reason}"),
                SAVE_HINT,
            )
        })?;
        let entries = zip.file_names();
        let mut names: Vec<String> = entries
            .filter_map(|entry| Some(entry.ok()?.strip_suffix(ENTRY_SUFFIX)?.to_owned()))
            .collect();
        names.sort_unstable();
        Ok(Self {
            path,
            zip,
            packed: packed.len(),
            names,
        })
    }

    /// Which of its arrays is what.
    fn choose(&mut self, wanted: &Arrays) -> Result<Arrays> {
        let has = |name: &str| self.names.iter().any(|own| own == name);
        if let Some(missing) = wanted.names().find(|name| !has(name)) {
            let what = format!("`array = {wanted}`: there is no array `{missing}`");
            return Err(self.unclear(&what, wanted));
        }
        wanted
            .completed(&self.names)
            .map_err(|message| self.unclear(&message, wanted))
    }

    /// An error that lists what there is, with an example of what to write.
    fn unclear(&mut self, what: &str, wanted: &Arrays) -> Error {
        let names = self.names.clone();
        let mut found = Vec::new();
        for name in names.iter().take(MOST_LISTED) {
            let header = self.entry(name, |what, mut entry, _| {
                Header::read(Path::new(""), what, &mut entry)
            });
            // An array that cannot be read is listed all the same.
            found.push((name.as_str(), header.ok()));
        }
        let mut list: Vec<String> = found
            .iter()
            .map(|(name, header)| match header {
                Some(header) => format!("{name} {:?} of `{}`", header.shape, header.descr),
                None => (*name).to_owned(),
            })
            .collect();
        if names.len() > found.len() {
            list.push(format!("{} more", names.len() - found.len()));
        }
        let hint = match example(&found, wanted) {
            Some(example) => format!("`array = {}`", crate::files::quoted(&example.to_string())),
            None => "np.savez(\"data.npz\", train=x_train, test=x_test)".to_owned(),
        };
        Error::data(
            self.path,
            format!("{what}, got {}: {}", names.len(), list.join(", ")),
            hint,
        )
    }

    /// Images and their labels.
    fn images(
        &mut self,
        name: &str,
        labels: Option<&str>,
        options: &DataOptions,
    ) -> Result<(Images, Option<Labels>)> {
        let path = self.path;
        let images = self.entry(name, |what, entry, size| {
            read_images(path, what, entry, size, options)
        })?;
        let Some(labels) = labels else {
            return Ok((images, None));
        };
        let labels = self.entry(labels, |what, entry, size| {
            labels::read(path, what, entry, size, images.len())
        })?;
        Ok((images, Some(labels)))
    }

    /// Opens an entry and gives `read` its description, its bytes, and how many there are.
    fn entry<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str, &mut dyn Read, u64) -> Result<T>,
    ) -> Result<T> {
        let (path, packed) = (self.path, self.packed);
        let what = format!("array `{name}`");
        let entry = self.zip.by_name(&format!("{name}{ENTRY_SUFFIX}"));
        let mut entry = entry.map_err(|reason| {
            Error::data(path, format!("{what} cannot be read: {reason}"), SAVE_HINT)
        })?;
        let size = entry.size();
        if size > packed.saturating_mul(MAX_DEFLATE_RATIO) {
            return Err(Error::data(
                path,
                format!("{what} claims to unpack to {size} bytes, from a file of {packed}"),
                SAVE_HINT,
            ));
        }
        read(&what, &mut entry, size)
    }
}

/// What `--array` could say of a file: the largest array whose name is not that of a held-out split as the training images, one of equal images as the test
/// images, and labels for as many images.
fn example(found: &[(&str, Option<Header>)], wanted: &Arrays) -> Option<Arrays> {
    let readable = found
        .iter()
        .filter_map(|(name, header)| Some((*name, header.as_ref()?)));
    let is_images = |header: &Header| {
        header.shape.len() >= 2 && matches!(Element::parse(&header.descr), Ok(Element::Number(_)))
    };
    let images: Vec<(&str, &Header)> = readable
        .clone()
        .filter(|(_, header)| is_images(header))
        .collect();
    let size = |header: &Header| {
        header
            .shape
            .iter()
            .fold(1, |a: usize, &b| a.saturating_mul(b))
    };
    let rank = |(name, header): &&(&str, &Header)| (!is_held_out(name), size(header));
    // The first of equals, where `max_by_key` would give the last.
    let largest = images.iter().rev().max_by_key(rank);
    let named = images
        .iter()
        .find(|(name, _)| wanted.train.as_deref() == Some(*name));
    let (train, header) = named.or(largest).copied()?;
    let others = images
        .iter()
        .filter(|(name, other)| *name != train && other.shape[1..] == header.shape[1..]);
    let test = others.clone().find(|(name, _)| is_held_out(name));
    let test = test.or_else(|| others.clone().next());
    let labels = readable
        .clone()
        .find(|(_, other)| *other.shape == header.shape[..1]);
    let owned = |(name, _): (&str, &Header)| name.to_owned();
    Some(Arrays {
        train: Some(train.to_owned()),
        test: test.copied().map(owned),
        labels: labels.map(owned),
        ..Arrays::default()
    })
}
