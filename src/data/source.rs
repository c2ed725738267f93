//! What a data set is read from: the kinds of sources, and the options that each of them takes.

use std::path::Path;

use toml::Table;

use super::{DataOptions, array, folder, idx, table};
use crate::error::{Error, Result};
use crate::option;

/// A kind of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Digits,
    Mnist,
    FashionMnist,
    Idx,
    Pictures,
    Array,
    Table,
}

/// The data sets that have names.
const NAMED: [(&str, Source); 3] = [
    ("digits", Source::Digits),
    ("mnist", Source::Mnist),
    ("fashion-mnist", Source::FashionMnist),
];

/// Names of data sets, which [`load`](super::load) knows before it looks for a path.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMED.iter().map(|(name, _)| *name)
}

/// Options that only some kinds take, and which. All others ask for something that the images then have or not.
const TAKEN_BY: [(&str, &[Source]); 10] = {
    use Source::{Array, Digits, FashionMnist, Mnist, Pictures, Table};
    [
        ("test-fraction", &[Pictures, Array, Table]),
        ("split-seed", &[Digits, Pictures, Array, Table]),
        ("mirror", &[Mnist, FashionMnist]),
        ("background", &[Pictures]),
        ("skip-broken", &[Pictures]),
        ("cache", &[Pictures]),
        ("array", &[Array]),
        ("axes", &[Array]),
        ("columns", &[Table]),
        ("label-column", &[Table]),
    ]
};

impl Source {
    /// The kind of a name or a path, and nothing about what is in it.
    ///
    /// # Errors
    /// [`Error::Config`] for what is neither, [`Error::Data`] for a file of another kind, [`Error::Io`] for what the
    /// system refuses to look at.
    pub(super) fn of(source: &str) -> Result<Self> {
        let path = Path::new(source);
        if let Some((_, named)) = NAMED.iter().find(|(name, _)| *name == source) {
            return Ok(*named);
        }
        Ok(match source {
            _ if path.is_dir() && idx::is_idx_folder(path) => Self::Idx,
            _ if path.is_dir() => Self::Pictures,
            _ if path.is_file() && array::is_array(path) => Self::Array,
            _ if path.is_file() && table::is_table(path) => Self::Table,
            _ => return Err(unknown(source)),
        })
    }

    /// The name of a data set that has one, and otherwise nothing.
    pub(super) fn name(self) -> &'static str {
        let named = NAMED.iter().find(|(_, named)| *named == self);
        named.map_or("", |(name, _)| name)
    }

    /// What it is, in words.
    fn in_words(self) -> &'static str {
        match self {
            Self::Digits => "the built-in digits",
            Self::Mnist | Self::FashionMnist => self.name(),
            Self::Idx => "a folder of IDX files",
            Self::Pictures => "a folder of pictures",
            Self::Array => "a .npy or .npz file",
            Self::Table => "a table",
        }
    }

    /// Refuses options, by their names, that say nothing about such a source.
    ///
    /// # Errors
    /// [`Error::Config`] with the kinds of sources that take the option.
    pub(super) fn check<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
        for name in names {
            let taken = TAKEN_BY.iter().find(|(option, _)| *option == name);
            let Some((_, kinds)) = taken.filter(|(_, kinds)| !kinds.contains(&self)) else {
                continue;
            };
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.in_words()).collect();
            return Err(Error::config(
                format!("`{name} = …` is no option of {}", self.in_words()),
                format!("leave it out: it is one of {}", kinds.join(", ")),
            ));
        }
        Ok(())
    }
}

/// Refuses options, by their names, that say nothing about a source.
///
/// # Errors
/// [`Error::Config`] for such an option, and what [`load`](super::load) says of a source that there is not.
pub fn check_options<'a>(source: &str, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    Source::of(source)?.check(names)
}

/// Whether a source is a folder of pictures.
///
/// # Errors
/// What [`load`](super::load) says of a source that there is not.
pub fn is_pictures(source: &str) -> Result<bool> {
    Ok(Source::of(source)? == Source::Pictures)
}

/// Names of the options that are not as they are where nobody gives any.
pub(super) fn chosen(options: &DataOptions) -> Vec<String> {
    let table = |options: &DataOptions| option::table(options).unwrap_or_default();
    let (defaults, all): (Table, Table) = (table(&DataOptions::default()), table(options));
    let chosen = all
        .into_iter()
        .filter(|(name, value)| defaults.get(name) != Some(value));
    chosen.map(|(name, _)| name).collect()
}

/// The error for a name or a path that is no source.
fn unknown(source: &str) -> Error {
    let path = Path::new(source);
    let named = NAMED.iter().map(|(name, kind)| match kind {
        Source::Digits => format!("`{name}` (built in)"),
        _ => format!("`{name}`"),
    });
    let named: Vec<String> = named.collect();
    // Not `exists`, which says no to a path that this user may not look at.
    match path.metadata() {
        Ok(file) if file.is_file() => Error::data(
            path,
            "expected a .npy, .npz, .csv, .tsv, .csv.gz or .tsv.gz file, or a folder",
            "give the folder that holds the IDX files or the pictures, or save an array with `np.save`",
        ),
        Ok(_) => Error::data(
            path,
            "expected a file or a folder, got something else, such as a pipe or a device",
            "copy its content into a file",
        ),
        Err(reason) if reason.kind() == std::io::ErrorKind::NotFound => Error::config(
            format!("there is no data set and no path `{source}`"),
            format!(
                "{}, or the path of a folder with IDX files, a folder with {} pictures, or a .npy, .npz, .csv \
                 or .tsv file",
                named.join(", "),
                folder::formats::names()
            ),
        ),
        Err(reason) => Error::io(path, "open it")(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_of_one_kind_is_an_option() {
        let known = option::known::<DataOptions>();
        for (name, kinds) in TAKEN_BY {
            assert!(known.iter().any(|known| known.name == name), "{name}");
            assert!(!kinds.is_empty());
        }
        // What all kinds take.
        let all = known.iter().map(|known| known.name.as_str());
        let all: Vec<&str> = all
            .filter(|name| TAKEN_BY.iter().all(|(own, _)| own != name))
            .collect();
        assert_eq!(
            all,
            [
                "image-size",
                "channels",
                "scale",
                "standardize",
                "host-memory"
            ]
        );
    }

    #[test]
    fn options_that_are_not_the_defaults_are_chosen() {
        assert!(chosen(&DataOptions::default()).is_empty());
        let options = DataOptions {
            seed: 3,
            channels: Some(4),
            ..DataOptions::default()
        };
        assert_eq!(chosen(&options), ["channels", "split-seed"]);
    }
}
