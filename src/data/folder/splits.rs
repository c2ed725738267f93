//! Which pictures of a folder are for training and which are held out, from the names of its folders.
//!
//! Nothing is guessed: a folder that looks like a split is one, or an error says why it cannot be. Held-out
//! pictures that are trained on, or a class named `train`, would pass unseen.

mod role;

use std::collections::BTreeMap;
use std::path::Path;

use super::find::Picture;
use crate::error::{Error, Result};
use crate::number::counted;
use role::Role;

/// What each picture is for, and the class that it belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arrangement {
    /// Whether the folders are the splits. Without that, every picture is in [`Arrangement::train`].
    pub(super) own_splits: bool,
    /// Indices of pictures, in their order.
    pub(super) train: Vec<usize>,
    /// Those to measure on.
    pub(super) test: Vec<usize>,
    /// Those of a third split.
    pub(super) val: Vec<usize>,
    /// Name of that split's folder.
    pub(super) val_name: String,
    /// Class of each picture, in no split or in any.
    pub(super) classes: Vec<Option<String>>,
    /// What a user should know of it, a line each.
    pub(super) notes: Vec<String>,
}

/// The folders of one depth: how many pictures each holds.
type Heads<'a> = BTreeMap<&'a str, usize>;

/// Arranges the pictures below `root` by the names of their folders.
///
/// Where `whole` asks for all pictures in one piece, a lone folder of any split is no fault.
///
/// # Errors
///
/// [`Error::Data`] for folders of which some look like splits, but that do not make a training and a test split.
pub(super) fn arrange(root: &Path, pictures: &[Picture], whole: bool) -> Result<Arrangement> {
    let mut depth = 0;
    loop {
        let heads = heads(pictures, depth);
        let direct = pictures.len() - heads.values().sum::<usize>();
        let roles = heads.keys().filter(|head| Role::of(head).is_some()).count();
        match heads.keys().next() {
            Some(only) if heads.len() == 1 && direct == 0 => {
                if let Some(role) = Role::of(only) {
                    return lone(root, pictures, depth, only, role, whole);
                }
                // A folder that holds all pictures is looked into, as archives tend to wrap their content in one.
                depth += 1;
            }
            Some(_) if roles > 0 => return by_roles(root, pictures, depth, &heads),
            _ if splits_below_classes(pictures, depth, &heads) => {
                return by_roles_of_classes(root, pictures, depth);
            }
            _ => return classes_only(root, pictures, depth, &heads),
        }
    }
}

/// The folders at a depth below the root, with the number of pictures in them.
fn heads(pictures: &[Picture], depth: usize) -> Heads<'_> {
    let mut heads = Heads::new();
    for head in pictures.iter().filter_map(|picture| picture.folder(depth)) {
        *heads.entry(head).or_default() += 1;
    }
    heads
}

/// `train/` (6 pictures), `foo/` (1 picture).
fn list(heads: &Heads<'_>) -> String {
    const MAX_LISTED: usize = 12;
    let mut listed: Vec<String> = heads
        .iter()
        .take(MAX_LISTED)
        .map(|(name, count)| format!("`{name}/` ({})", counted(*count as u64, "picture")))
        .collect();
    if heads.len() > MAX_LISTED {
        listed.push(format!("{} more", heads.len() - MAX_LISTED));
    }
    listed.join(", ")
}

/// All pictures as one source, of classes by the folders at `depth`.
fn in_one_piece(pictures: &[Picture], depth: usize, notes: Vec<String>) -> Arrangement {
    let class = |picture: &Picture| picture.folder(depth).map(str::to_owned);
    Arrangement {
        own_splits: false,
        train: (0..pictures.len()).collect(),
        test: Vec::new(),
        val: Vec::new(),
        val_name: String::new(),
        classes: pictures.iter().map(class).collect(),
        notes,
    }
}

/// All pictures lie in one folder whose name is that of a split.
fn lone(
    root: &Path,
    pictures: &[Picture],
    depth: usize,
    name: &str,
    role: Role,
    whole: bool,
) -> Result<Arrangement> {
    if whole {
        return Ok(in_one_piece(pictures, depth + 1, Vec::new()));
    }
    if role != Role::Train {
        return Err(Error::data(
            root,
            format!(
                "expected a folder `train/` beside `{name}/`, which holds all {} pictures",
                pictures.len()
            ),
            format!(
                "`data = {}` to take these pictures for both training and testing, or `train/` with others",
                below(root, pictures, depth).display()
            ),
        ));
    }
    let note = format!(
        "found `{name}/` and no test split beside it: test images are chosen among its {} pictures",
        pictures.len()
    );
    Ok(in_one_piece(pictures, depth + 1, vec![note]))
}

/// The folder at `depth` that all pictures lie in.
fn below(root: &Path, pictures: &[Picture], depth: usize) -> std::path::PathBuf {
    let parts = pictures.first().map_or(&[][..], |first| &first.parts[..]);
    let folders = &parts[..parts.len().min(depth + 1)];
    folders
        .iter()
        .fold(root.to_owned(), |path, part| path.join(part))
}

/// Folders without a name of a split are classes.
fn classes_only(
    root: &Path,
    pictures: &[Picture],
    depth: usize,
    heads: &Heads<'_>,
) -> Result<Arrangement> {
    refuse_hidden_splits(root, pictures, heads, depth)?;
    // With pictures directly in the folder that was looked into, the one above it is the class of all.
    let depth = if heads.len() > 1 { depth } else { 0 };
    Ok(in_one_piece(pictures, depth, Vec::new()))
}

/// Refuses splits that the arrangement at `depth` would mix: `seg_train` beside `seg_test`, or folders named
/// `train` and `test` side by side deeper down.
fn refuse_hidden_splits(
    root: &Path,
    pictures: &[Picture],
    heads: &Heads<'_>,
    depth: usize,
) -> Result<()> {
    if let Some((first, second)) = role::alike(heads.keys().copied()) {
        return Err(Error::data(
            root,
            format!(
                "expected `train/` and `test/`, or classes, got {}: `{first}/` and `{second}/` look like splits",
                list(heads)
            ),
            "rename them to `train/` and `test/` (`val/` for a third), or, if they are classes, without these words",
        ));
    }
    let mut seen: BTreeMap<&[String], (Role, &str)> = BTreeMap::new();
    for picture in pictures {
        for at in depth + 1..picture.parts.len().saturating_sub(1) {
            let (above, name) = (&picture.parts[..at], picture.parts[at].as_str());
            let Some(role) = Role::of(name) else {
                continue;
            };
            let (first, other) = *seen.entry(above).or_insert((role, name));
            if first != role {
                return Err(Error::data(
                    root.join(above.join("/")),
                    format!(
                        "expected classes or pictures, got `{other}/` and `{name}/`, which look like splits"
                    ),
                    "move them up: `train/` and `test/` directly in the data folder, with the classes below each, or in every class",
                ));
            }
        }
    }
    Ok(())
}

/// Whether every folder at `depth` holds nothing but folders named as splits, of more than one kind in all.
fn splits_below_classes(pictures: &[Picture], depth: usize, heads: &Heads<'_>) -> bool {
    let roles: Option<Vec<Role>> = pictures
        .iter()
        .map(|picture| picture.folder(depth + 1).and_then(Role::of))
        .collect();
    let mixed = |roles: Vec<Role>| roles.iter().any(|role| *role != roles[0]);
    !heads.is_empty() && roles.is_some_and(mixed)
}

/// `train/`, `test/`, … at `depth`, with the classes below each.
fn by_roles(
    root: &Path,
    pictures: &[Picture],
    depth: usize,
    heads: &Heads<'_>,
) -> Result<Arrangement> {
    let mut folders: BTreeMap<Role, &str> = BTreeMap::new();
    for name in heads.keys() {
        let Some(role) = Role::of(name) else {
            continue;
        };
        if let Some(other) = folders.insert(role, name)
            && role != Role::Other
        {
            return Err(Error::data(
                root,
                format!("expected one folder for each split, got {}", list(heads)),
                format!(
                    "put the pictures of `{other}/` and `{name}/` into one folder, or move one elsewhere"
                ),
            ));
        }
    }
    let role = |picture: &Picture| picture.folder(depth).and_then(Role::of);
    let named = |role: Role| folders.get(&role).copied();
    let names = [named(Role::Train), named(Role::Test), named(Role::Val)];
    let mut arrangement = assigned(root, pictures, role, names, heads)?;
    arrangement.classes = classes_below(pictures, depth);
    Ok(arrangement)
}

/// `cats/train/`, `cats/test/`, `dogs/train/`, …
fn by_roles_of_classes(root: &Path, pictures: &[Picture], depth: usize) -> Result<Arrangement> {
    let role = |picture: &Picture| picture.folder(depth + 1).and_then(Role::of);
    let name = |wanted: Role| {
        let found = pictures
            .iter()
            .find(|picture| role(picture) == Some(wanted));
        found.and_then(|picture| picture.folder(depth + 1))
    };
    let names = [name(Role::Train), name(Role::Test), name(Role::Val)];
    let below = heads(pictures, depth + 1);
    let mut arrangement = assigned(root, pictures, role, names, &below)?;
    let class = |picture: &Picture| picture.folder(depth).map(str::to_owned);
    arrangement.classes = pictures.iter().map(class).collect();
    Ok(arrangement)
}

/// Shares pictures out by role; `names` are the folders of the training, test and third split.
fn assigned(
    root: &Path,
    pictures: &[Picture],
    role: impl Fn(&Picture) -> Option<Role>,
    [train, test, val]: [Option<&str>; 3],
    heads: &Heads<'_>,
) -> Result<Arrangement> {
    let (Some(train), Some(measured)) = (train, test.or(val)) else {
        return Err(incomplete(root, train, heads));
    };
    let of = |wanted: Role| -> Vec<usize> {
        let mine = |i: &usize| role(&pictures[*i]) == Some(wanted);
        (0..pictures.len()).filter(mine).collect()
    };
    let (test_images, val_images) = match test {
        Some(_) => (of(Role::Test), of(Role::Val)),
        None => (of(Role::Val), Vec::new()),
    };
    let train_images = of(Role::Train);
    let mut notes = Vec::new();
    if (train, measured) != ("train", "test") {
        notes.push(format!(
            "training on `{train}/` ({}), testing on `{measured}/` ({})",
            counted(train_images.len() as u64, "picture"),
            counted(test_images.len() as u64, "picture")
        ));
    }
    let used = train_images.len() + test_images.len() + val_images.len();
    if used < pictures.len() {
        let others = heads.iter().filter(|(name, _)| !is_split(name));
        let others: Heads<'_> = others.map(|(name, count)| (*name, *count)).collect();
        let inside: usize = others.values().sum();
        let mut parts = Vec::new();
        if !others.is_empty() {
            parts.push(list(&others));
        }
        let direct = (pictures.len() - used).saturating_sub(inside);
        if direct > 0 {
            parts.push(format!(
                "{} beside the splits",
                counted(direct as u64, "picture")
            ));
        }
        notes.push(format!("left out: {}", parts.join(", ")));
    }
    Ok(Arrangement {
        own_splits: true,
        train: train_images,
        test: test_images,
        val: val_images,
        val_name: val.unwrap_or_default().to_owned(),
        classes: Vec::new(),
        notes,
    })
}

fn is_split(name: &str) -> bool {
    matches!(Role::of(name), Some(Role::Train | Role::Test | Role::Val))
}

/// Some folders look like splits, but not like a training and a test split.
fn incomplete(root: &Path, train: Option<&str>, heads: &Heads<'_>) -> Error {
    let looks: Vec<&str> = heads
        .keys()
        .copied()
        .filter(|name| Role::of(name).is_some())
        .collect();
    let split = looks.first().copied().unwrap_or_default();
    let missing = match train {
        Some(name) => format!("`test/` or `val/` beside `{name}/`"),
        None => format!("`train/` beside `{split}/`"),
    };
    let held_out = heads
        .keys()
        .find(|name| train.is_some() && Some(**name) != train);
    let first = match held_out {
        Some(other) if heads.len() == 2 => {
            format!("rename `{other}/` to `test/` if it holds the test images, or")
        }
        _ => format!("add {missing}; or"),
    };
    Error::data(
        root,
        format!("expected {missing}, got {}", list(heads)),
        format!("{first} rename `{split}/`, for instance to `{split} class/`, if it is a class"),
    )
}

/// The folder below the split of each picture. A split that wraps its content in a folder of its own name
/// (`train/train/cats`) is looked into.
fn classes_below(pictures: &[Picture], depth: usize) -> Vec<Option<String>> {
    let mut wrapped: BTreeMap<&str, bool> = BTreeMap::new();
    for picture in pictures {
        let Some(split) = picture.folder(depth) else {
            continue;
        };
        let again = picture
            .folder(depth + 1)
            .is_some_and(|folder| Role::of(folder) == Role::of(split));
        *wrapped.entry(split).or_insert(true) &= again;
    }
    let class = |picture: &Picture| {
        let split = picture.folder(depth)?;
        let deeper = usize::from(wrapped.get(split).copied().unwrap_or(false));
        picture.folder(depth + 1 + deeper).map(str::to_owned)
    };
    pictures.iter().map(class).collect()
}

#[cfg(test)]
mod tests;
