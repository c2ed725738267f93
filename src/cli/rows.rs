//! Rows of numbers on their way out: as an array, or as a table with names beside them.

use std::path::Path;

use super::note;
use super::out::Kind;
use super::saved::Chosen;
use super::streams::Output;
use crate::data::class_name;
use crate::error::Error;
use crate::files;

/// What stands before the numbers of each row of a table: the image's name, and its class where it has one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beside<'a> {
    names: Option<&'a [String]>,
    rows: Option<&'a [usize]>,
    labels: Option<&'a [u32]>,
    classes: &'a [String],
}

impl<'a> Beside<'a> {
    /// The place of each row, where nothing else is known.
    pub(super) const PLACES: Self = Self {
        names: None,
        rows: None,
        labels: None,
        classes: &[],
    };

    /// Of chosen images, in their order.
    pub(super) fn of(chosen: &'a Chosen) -> Self {
        Self {
            names: chosen.images.names.as_deref(),
            rows: chosen.images.rows.as_deref(),
            labels: chosen.images.labels.as_deref(),
            classes: &chosen.classes,
        }
    }

    /// Whether the images have classes.
    pub(super) fn has_labels(&self) -> bool {
        self.labels.is_some()
    }

    /// The name of an image; without one its row in the array or table that it comes from, counted from 0.
    pub(super) fn name(&self, row: usize) -> String {
        if let Some(name) = self.names.and_then(|names| names.get(row)) {
            return name.clone();
        }
        let of_source = self.rows.and_then(|rows| rows.get(row));
        of_source.unwrap_or(&row).to_string()
    }

    /// The name of an image's class; where classes have none, its number.
    pub(super) fn label(&self, row: usize) -> Option<String> {
        let label = *self.labels?.get(row)?;
        Some(class_name(self.classes, label).into_owned())
    }

    /// Names of the columns that stand before the numbers.
    pub(super) fn header(&self) -> Vec<String> {
        let label = self.has_labels().then_some("label");
        let names = ["name"].into_iter().chain(label);
        names.map(str::to_owned).collect()
    }

    /// What stands in them.
    pub(super) fn cells(&self, row: usize) -> Vec<String> {
        let mut cells = vec![self.name(row)];
        if self.has_labels() {
            cells.push(self.label(row).unwrap_or_default());
        }
        cells
    }
}

/// Lines of a table, as [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180) has them but for the ends of lines.
pub(super) fn csv_lines<R>(lines: impl IntoIterator<Item = R>) -> anyhow::Result<Vec<u8>>
where
    R: IntoIterator<Item = String>,
{
    let mut writer = csv::Writer::from_writer(Vec::new());
    for line in lines {
        writer.write_record(line)?;
    }
    Ok(writer.into_inner()?)
}

/// Names of the columns of a table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Columns<'a> {
    /// A word with the place of each, counted from 0: `z0`.
    Counted(&'a str),
    /// Those that the data have.
    Named(&'a [String]),
}

impl Columns<'_> {
    fn name(self, column: usize) -> String {
        match self {
            Self::Counted(word) => format!("{word}{column}"),
            Self::Named(names) => names.get(column).cloned().unwrap_or_default(),
        }
    }
}

/// An array or a table that is written row by row.
pub(super) struct RowWriter<'a> {
    output: Output,
    kind: Kind,
    /// What a table has before its numbers; nothing for numbers that are no images of a data set.
    beside: Option<Beside<'a>>,
    columns: usize,
    written: usize,
    /// Whether an array is of int32.
    whole: bool,
}

impl<'a> RowWriter<'a> {
    /// A new file, or stdout. `others`: whether there are other outputs too.
    pub(super) fn open(
        path: &Path,
        kind: Kind,
        others: bool,
        beside: Option<Beside<'a>>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            output: Output::open(path, kind, others)?,
            kind,
            beside,
            columns: 0,
            written: 0,
            whole: false,
        })
    }

    /// Says that all numbers are whole, so that an array is one of int32.
    pub(super) fn of_whole_numbers(&mut self) {
        self.whole = true;
    }

    /// Begins an array of this shape; a table has these columns.
    pub(super) fn begin(&mut self, shape: &[usize], columns: Columns<'_>) -> anyhow::Result<()> {
        self.columns = shape.iter().skip(1).product();
        if self.kind != Kind::Csv {
            let header = match self.whole {
                true => files::npy_header_whole(shape),
                false => files::npy_header(shape),
            };
            return self.output.write(&header);
        }
        let mut header = self.beside.map_or_else(Vec::new, |beside| beside.header());
        header.extend((0..self.columns).map(|column| columns.name(column)));
        self.output.write(&csv_lines([header])?)
    }

    /// Whole rows.
    pub(super) fn values(&mut self, values: &[f32]) -> anyhow::Result<()> {
        if self.kind != Kind::Csv {
            let bytes = match self.whole {
                true => files::npy_whole(values),
                false => files::npy_values(values),
            };
            return self.output.write(&bytes);
        }
        let rows = values.chunks_exact(self.columns.max(1));
        let count = rows.len();
        let (beside, first) = (self.beside, self.written);
        let lines = rows.enumerate().map(|(i, row)| {
            let mut cells = beside.map_or_else(Vec::new, |beside| beside.cells(first + i));
            cells.extend(row.iter().map(ToString::to_string));
            cells
        });
        let lines = csv_lines(lines)?;
        self.written += count;
        self.output.write(&lines)
    }

    /// What is left once all rows have been written.
    pub(super) fn into_output(self) -> Output {
        self.output
    }
}

/// Writes rows of numbers to a file at once: as an array of `shape`, or a table.
pub(super) fn write(
    path: &Path,
    kind: Kind,
    beside: Option<Beside<'_>>,
    (shape, columns): (&[usize], Columns<'_>),
    values: &[f32],
) -> anyhow::Result<()> {
    let mut rows = RowWriter::open(path, kind, false, beside)?;
    rows.begin(shape, columns)?;
    rows.values(values)?;
    super::streams::finish([rows.into_output()])
}

/// Writes the names of images, in their order: one a line, or a table of names and labels. Says where.
pub(super) fn write_names(
    path: &Path,
    kind: Kind,
    beside: Beside<'_>,
    count: usize,
) -> anyhow::Result<()> {
    let bytes = match kind {
        Kind::Csv => {
            let header = std::iter::once(beside.header());
            csv_lines(header.chain((0..count).map(|row| beside.cells(row))))?
        }
        _ => lines_of_names(path, beside, count)?.into_bytes(),
    };
    files::create(path, &bytes)?;
    note(format_args!("names: {}", path.display()));
    Ok(())
}

fn lines_of_names(path: &Path, beside: Beside<'_>, count: usize) -> anyhow::Result<String> {
    let mut text = String::new();
    for row in 0..count {
        let name = beside.name(row);
        if name.contains(['\n', '\r']) {
            return Err(Error::config(
                format!(
                    "--names {}: the name {name:?} has a line break in it, and would be two lines",
                    path.display()
                ),
                format!("--names {}", path.with_extension("csv").display()),
            )
            .into());
        }
        text += &name;
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_stand_before_the_numbers_and_are_quoted_where_they_have_to_be() {
        let names = ["a/1.png".to_owned(), "b, \"2\".png".to_owned()];
        let classes = ["cat".to_owned()];
        let beside = Beside {
            names: Some(&names),
            labels: Some(&[0, 7]),
            classes: &classes,
            ..Beside::PLACES
        };
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("codes.csv");
        let mut rows = RowWriter::open(&path, Kind::Csv, false, Some(beside)).expect("a file");
        rows.begin(&[2, 2], Columns::Counted("z"))
            .expect("a header");
        // In two batches.
        rows.values(&[0.1, -2.0]).expect("a row");
        rows.values(&[1e-7, f32::NAN]).expect("a row");
        rows.into_output().finish().expect("a file");
        let text = std::fs::read_to_string(path).expect("the file");
        assert_eq!(
            text,
            "name,label,z0,z1\na/1.png,cat,0.1,-2\n\"b, \"\"2\"\".png\",7,0.0000001,NaN\n"
        );
    }

    #[test]
    fn a_name_with_a_line_break_is_no_line_of_a_text() {
        let names = ["a\nb".to_owned()];
        let beside = Beside {
            names: Some(&names),
            ..Beside::PLACES
        };
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("names.txt");
        assert!(write_names(&path, Kind::Txt, beside, 1).is_err());
        assert!(!path.exists());
        let path = folder.path().join("names.csv");
        write_names(&path, Kind::Csv, beside, 1).expect("a table");
        let text = std::fs::read_to_string(path).expect("the file");
        assert_eq!(text, "name\n\"a\nb\"\n");
    }
}
