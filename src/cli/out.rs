//! What a command writes, by the extension of the file's name.

use std::path::Path;

use super::streams;
use crate::error::{Error, Result};
use crate::files;
use crate::view::Format;

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A picture.
    Png,
    /// A picture that moves.
    Gif,
    /// An array of float32 in NumPy's format.
    Npy,
    /// A table with a header.
    Csv,
    /// A JSON object a line.
    Jsonl,
    /// A text of one name a line.
    Txt,
    /// A page.
    Html,
    /// One half of a model.
    Onnx,
    /// A model's parameters.
    Safetensors,
    /// A program of Python.
    Py,
}

impl Kind {
    /// All there are.
    const ALL: [Self; 10] = [
        Self::Png,
        Self::Gif,
        Self::Npy,
        Self::Csv,
        Self::Jsonl,
        Self::Txt,
        Self::Html,
        Self::Onnx,
        Self::Safetensors,
        Self::Py,
    ];

    /// The extension of its files.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Gif => "gif",
            Self::Npy => "npy",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Txt => "txt",
            Self::Html => "html",
            Self::Onnx => "onnx",
            Self::Safetensors => "safetensors",
            Self::Py => "py",
        }
    }

    /// Whether people can read it in a terminal.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Csv | Self::Jsonl | Self::Txt)
    }

    /// What the name of a file says that it is, of what a command `can` write.
    fn of(path: &Path, can: &[Self]) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        let named = |kind: &Self| match kind {
            Self::Html => ["html", "htm"].contains(&extension.as_str()),
            kind => kind.extension() == extension,
        };
        can.iter().copied().find(named)
    }
}

/// Checks the file that `option` names before any work is done for it, and says what to write: the first of what
/// the command `can` write where nothing is named.
///
/// # Errors
/// [`Error::Config`] where the name has none of these extensions, and as [`files::check_new`].
pub(super) fn kind(option: &str, path: Option<&Path>, can: &[Kind]) -> Result<Kind> {
    let first = can.first().copied().unwrap_or(Kind::Npy);
    let Some(path) = path else {
        return Ok(first);
    };
    let Some(found) = Kind::of(path, can) else {
        let file = match streams::is_stream(path) {
            true => Path::new("result"),
            false => path,
        };
        return Err(Error::config(
            format!(
                "{option} {}: expected a name in {}",
                path.display(),
                listed(can)
            ),
            format!(
                "{option} {}",
                file.with_extension(first.extension()).display()
            ),
        ));
    };
    files::check_new(path)?;
    Ok(found)
}

/// Refuses the name of a file for what will be a folder of two files, and what is there already. `or` is what else a hint
/// offers.
///
/// # Errors
/// [`Error::Config`] where the name is that of a file of this program, and as [`files::check_new`].
pub(super) fn folder(option: &str, path: Option<&Path>, or: &str) -> Result<()> {
    let Some(path) = path else {
        return Ok(());
    };
    if streams::is_stream(path) || Kind::of(path, &Kind::ALL).is_some() {
        let (hint, stem) = (path.display(), path.with_extension(""));
        let stem = if streams::is_stream(path) {
            Path::new("result")
        } else {
            &stem
        };
        return Err(Error::config(
            format!("{option} {hint}: expected the name of a folder, for two files"),
            format!("{option} {}{or}", stem.display()),
        ));
    }
    files::check_new(path)
}

/// The form of a picture of several steps; an array takes as many steps as the still picture.
pub(super) fn format(kind: Kind) -> Format {
    match kind {
        Kind::Gif => Format::Gif,
        _ => Format::Png,
    }
}

/// The same where `-` means stdout, which gets the first of what the command can write.
///
/// # Errors
/// As [`kind`].
pub(super) fn kind_or_stream(option: &str, path: Option<&Path>, can: &[Kind]) -> Result<Kind> {
    kind(option, path.filter(|path| !streams::is_stream(path)), can)
}

/// Refuses a file that `option` names and that takes something else already.
pub(super) fn check_apart(option: &str, path: Option<&Path>, taken: &Path, by: &str) -> Result<()> {
    // The same file by another name: `a.npy`, `./a.npy`.
    let absolute = |path: &Path| std::path::absolute(path).ok();
    if path.is_none_or(|path| absolute(path) != absolute(taken)) {
        return Ok(());
    }
    let place = if streams::is_stream(taken) {
        "stdout".into()
    } else {
        taken.to_string_lossy()
    };
    Err(Error::config(
        format!("{option}: {place} takes {by} already"),
        format!("another {option} or --out"),
    ))
}

/// Extensions in words: `.png, .npy or .csv`.
fn listed(kinds: &[Kind]) -> String {
    let names: Vec<String> = kinds
        .iter()
        .map(|kind| format!(".{}", kind.extension()))
        .collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAN: [Kind; 3] = [Kind::Png, Kind::Npy, Kind::Csv];

    #[test]
    fn the_extension_says_what_to_write() {
        let of = |name: &str| Kind::of(Path::new(name), &CAN);
        assert_eq!(of("a/b.png"), Some(Kind::Png));
        assert_eq!(of("b.NPY"), Some(Kind::Npy));
        for name in ["b", "b.gif", "png", "b.png.txt", "-", ".csv"] {
            assert_eq!(of(name), None, "{name}");
        }
        assert_eq!(
            Kind::of(Path::new("a.htm"), &[Kind::Html]),
            Some(Kind::Html)
        );
    }

    #[test]
    fn another_extension_is_refused_with_what_it_can_be() {
        let refused = |name: &str| {
            let error = kind("--out", Some(Path::new(name)), &CAN).expect_err("refused");
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        };
        let text = refused("there/is/no/such/folder/codes.parquet");
        assert!(text.contains(".png, .npy or .csv"), "{text}");
        assert!(
            text.contains("--out there/is/no/such/folder/codes.png"),
            "{text}"
        );
        assert!(refused("-").contains("--out result.png"));
        assert_eq!(kind("--out", None, &CAN).expect("a default"), Kind::Png);
        let stream = kind_or_stream("--out", Some(Path::new("-")), &CAN[1..]);
        assert_eq!(stream.expect("stdout"), Kind::Npy);
    }
}
