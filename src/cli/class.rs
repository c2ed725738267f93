//! `--class`: what codes are decoded as, by a model that is told the class of an image.

use std::path::PathBuf;

use clap::Args;

use crate::error::{Error, Result};
use crate::model::Condition;
use crate::train::RunFolder;

/// The class of the images that a command decodes.
#[derive(Args, Debug, Default)]
pub(super) struct ClassArgs {
    /// Class of the images, by its name, or by its number counted from 0; of a run of --condition class only
    /// [default: none]
    #[arg(long, value_name = "NAME|NUMBER")]
    class: Option<String>,
}

impl ClassArgs {
    /// The number of the class that is named, if one is.
    ///
    /// # Errors
    /// [`Error::Config`] where the run has no such class; [`Error::Model`] where it was trained without classes.
    pub(super) fn named(&self, folder: &RunFolder) -> Result<Option<u32>> {
        let Some(name) = &self.class else {
            return Ok(None);
        };
        match &folder.config().model.condition {
            Some(condition) => condition.find(name).map(Some),
            None => Err(Error::model(
                folder.path(),
                format!("--class {name}: this run was trained without classes"),
                "no --class, or a run of --condition class",
            )),
        }
    }

    /// The same where a model that is told a class needs one; `hint` says what else names it.
    ///
    /// # Errors
    /// As [`ClassArgs::named`]; [`Error::Config`] with the classes that there are.
    pub(super) fn needed(&self, folder: &RunFolder, hint: &str) -> Result<Option<u32>> {
        let named = self.named(folder)?;
        match &folder.config().model.condition {
            Some(condition) if named.is_none() => Err(unnamed(condition, hint)),
            _ => Ok(named),
        }
    }
}

fn unnamed(condition: &Condition, hint: &str) -> Error {
    Error::config(
        format!(
            "the model decodes a code as an image of a class, one of {}, and none is named",
            condition.in_words()
        ),
        format!("--class with one of them{hint}"),
    )
}

/// A part of a file's name that says of which class its images are.
pub(super) fn in_file_name(class: Option<u32>) -> String {
    class.map_or_else(String::new, |class| format!("class-{class}-"))
}

/// The classes of codes in a file of text, a line for each.
#[derive(Args, Debug, Default)]
pub(super) struct ClassesArgs {
    #[command(flatten)]
    pub(super) one: ClassArgs,
    /// File with the class of each code, a name or number a line, in the place of --class [default: none]
    #[arg(long, value_name = "FILE.txt", conflicts_with = "class")]
    classes: Option<PathBuf>,
}

/// The classes of some codes.
pub(super) enum Classes {
    /// The model is told none.
    None,
    /// One for all.
    One(u32),
    /// One for each.
    Each(Vec<u32>),
}

impl ClassesArgs {
    /// The classes of `count` codes.
    ///
    /// # Errors
    /// As [`ClassArgs::needed`]; [`Error::Io`] and [`Error::Data`] of the file.
    pub(super) fn of(&self, folder: &RunFolder) -> Result<Classes> {
        let Some(path) = &self.classes else {
            let one = self
                .one
                .needed(folder, ", or --classes with a file of them")?;
            return Ok(one.map_or(Classes::None, Classes::One));
        };
        let Some(condition) = &folder.config().model.condition else {
            return Err(Error::model(
                folder.path(),
                format!(
                    "--classes {}: this run was trained without classes",
                    path.display()
                ),
                "no --classes, or a run of --condition class",
            ));
        };
        let bytes = std::fs::read(path).map_err(Error::io(path, "read the classes"))?;
        let text = String::from_utf8(bytes).map_err(|_| {
            Error::data(
                path,
                "the classes are no text in UTF-8",
                "a text of a class a line, in UTF-8",
            )
        })?;
        // Some programs write a byte order mark, and blank lines at the end.
        let text = text
            .trim_start_matches('\u{feff}')
            .trim_end_matches(['\n', '\r']);
        let number = |(line, name): (usize, &str)| {
            let trimmed = || condition.find(name.trim());
            condition.find(name).or_else(|_| trimmed()).map_err(|_| {
                Error::data(
                    path,
                    format!("line {}: no class {name:?}", line + 1),
                    format!("one of {} in each line", condition.in_words()),
                )
            })
        };
        let lines = text.lines().enumerate();
        lines.map(number).collect::<Result<_>>().map(Classes::Each)
    }
}

impl Classes {
    /// Checks that there are as many as codes.
    ///
    /// # Errors
    /// [`Error::Config`] with both numbers.
    pub(super) fn check(&self, codes: usize) -> Result<()> {
        match self {
            Self::Each(all) if all.len() != codes => Err(Error::config(
                format!("--classes: {} lines for {codes} codes", all.len()),
                "a line for each code",
            )),
            _ => Ok(()),
        }
    }

    /// Those of `codes` codes.
    pub(super) fn numbers(&self, codes: usize) -> Vec<u32> {
        match self {
            Self::None => Vec::new(),
            Self::One(class) => vec![*class; codes],
            Self::Each(all) => all.clone(),
        }
    }
}
