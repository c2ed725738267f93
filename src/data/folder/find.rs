//! Finding the pictures below a folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::formats;
use crate::error::{Error, Result};

/// Deeper folders are taken for a mistake.
const MAX_DEPTH: usize = 32;
/// Extensions that are listed of what is skipped.
const MAX_KINDS: usize = 8;

/// A picture's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) path: PathBuf,
    /// Names of the folders below the root that lead to it, and then its own.
    pub(super) parts: Vec<String>,
}

impl Picture {
    /// The path below the root, with `/` on every system.
    pub(super) fn name(&self) -> String {
        self.parts.join("/")
    }

    /// The folder at a depth below the root: 0 is directly in it.
    pub(super) fn folder(&self, depth: usize) -> Option<&str> {
        let folders = &self.parts[..self.parts.len().saturating_sub(1)];
        folders.get(depth).map(String::as_str)
    }
}

/// What lies below a folder.
#[derive(Default)]
pub(super) struct Found {
    /// In the order of their names, folder by folder: the same on every system.
    pub(super) pictures: Vec<Picture>,
    /// How many files of other extensions there are.
    skipped: BTreeMap<String, usize>,
}

impl Found {
    /// `skipped: 3 .txt, 1 .heic (read: …)`, where anything was.
    pub(super) fn skipped(&self) -> Option<String> {
        if self.skipped.is_empty() {
            return None;
        }
        let mut kinds: Vec<(&String, &usize)> = self.skipped.iter().collect();
        kinds.sort_by(|a, b| b.1.cmp(a.1));
        let rest: usize = kinds.iter().skip(MAX_KINDS).map(|(_, count)| **count).sum();
        let mut listed: Vec<String> = kinds
            .iter()
            .take(MAX_KINDS)
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        if rest > 0 {
            listed.push(format!("{rest} of other kinds"));
        }
        Some(format!(
            "skipped: {} (read: {})",
            listed.join(", "),
            formats::extensions()
        ))
    }
}

/// All pictures below `root`. Hidden files and folders are passed over, files of other extensions counted.
///
/// # Errors
///
/// [`Error::Data`] for a folder that cannot be listed, links in a circle, folders that are too deep, and a folder
/// without any picture.
pub(super) fn find(root: &Path) -> Result<Found> {
    let mut found = Found::default();
    let top = real_path(root)?;
    walk(root, &mut Vec::new(), &mut vec![top], &mut found)?;
    if found.pictures.is_empty() {
        let skipped = found.skipped();
        return Err(Error::data(
            root,
            format!(
                "expected {} pictures ({}), found none{}",
                formats::names(),
                formats::extensions(),
                skipped.map_or_else(String::new, |skipped| format!("; {skipped}"))
            ),
            "give the folder that holds them; MNIST's files are named train-images-idx3-ubyte.gz \
             and t10k-images-idx3-ubyte.gz",
        ));
    }
    Ok(found)
}

fn real_path(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(|reason| {
        Error::data(
            path,
            format!("expected a file or folder, but it cannot be opened: {reason}"),
            "remove it if it is a link that leads nowhere or in a circle, or allow reading it",
        )
    })
}

/// Adds what one folder holds; `parts` leads to it from the root, `above` holds the real paths of it and the
/// folders above.
fn walk(
    folder: &Path,
    parts: &mut Vec<String>,
    above: &mut Vec<PathBuf>,
    found: &mut Found,
) -> Result<()> {
    let unreadable = |reason: std::io::Error| {
        Error::data(
            folder,
            format!("expected a folder that can be listed, got: {reason}"),
            "allow reading it, or move it elsewhere",
        )
    };
    let mut names = fs::read_dir(folder)
        .map_err(unreadable)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    names.sort_unstable();
    for name in names {
        let text = name.to_string_lossy();
        if text.starts_with('.') {
            continue;
        }
        let path = folder.join(&name);
        parts.push(text.into_owned());
        if path.is_dir() {
            let real = real_path(&path)?;
            if above.contains(&real) {
                return Err(Error::data(
                    &path,
                    "expected folders without a circle, but this one leads back above itself",
                    "remove the link",
                ));
            }
            if above.len() > MAX_DEPTH {
                return Err(Error::data(
                    &path,
                    format!(
                        "expected folders at most {MAX_DEPTH} deep below the one that was given, got a deeper one"
                    ),
                    "give a folder nearer to the pictures, or move this one up",
                ));
            }
            above.push(real);
            walk(&path, parts, above, found)?;
            above.pop();
        } else if formats::is_picture(&path) {
            let parts = parts.clone();
            found.pictures.push(Picture { path, parts });
        } else {
            *found.skipped.entry(kind(&path)).or_default() += 1;
        }
        parts.pop();
    }
    Ok(())
}

/// What a file that is no picture is counted under.
fn kind(path: &Path) -> String {
    match path.extension() {
        Some(extension) => format!(".{}", extension.to_string_lossy().to_lowercase()),
        None => "without extension".to_owned(),
    }
}
