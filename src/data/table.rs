//! Tables: `.csv` and `.tsv`, plain or packed by gzip. A row is an image of one row of values.

mod cell;
mod columns;
mod text;

use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};

use self::cell::{Cell, has_decimal_comma};
use self::columns::{Columns, is_header};
use super::array::row_shape;
use super::classes::{classes_of, numbers_of};
use super::{DataOptions, Dataset, Images, Progress, Stored, Values, split};
use crate::error::{Error, Result};

const ENDINGS: [&str; 4] = [".csv", ".tsv", ".csv.gz", ".tsv.gz"];
/// Characters of a cell that an error shows.
const MOST_SHOWN: usize = 40;

/// Whether the name of a file is that of a table.
pub(super) fn is_table(path: &Path) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Reads the numbers of a table, split by the seed: the columns that [`DataOptions::columns`] names, or all of them but
/// [`DataOptions::label_column`]. A first row that is no row of values names the columns. Values are separated by commas,
/// semicolons, tabs or single spaces.
///
/// # Errors
///
/// [`Error::Data`] with line and column for what is missing or no number, for rows that differ in length, for a last
/// line without its end, and for a gzip stream that is damaged, cut off or followed by anything.
pub(super) fn load(
    path: &Path,
    name: &str,
    options: &DataOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Dataset> {
    let file = path.to_string_lossy().to_ascii_lowercase();
    let tabs = file.trim_end_matches(".gz").ends_with(".tsv");
    let opened = text::open(path, tabs)?;
    let mut reader = ReaderBuilder::new()
        .delimiter(opened.separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(opened.text);
    let (mut first, mut row) = (ByteRecord::new(), ByteRecord::new());
    // Without a first row there is no header, no column and no other row.
    read_row(path, &mut reader, &mut first)?;
    let mut more = read_row(path, &mut reader, &mut row)?;
    let has_header = is_header(&first, more.then_some(&row));
    let columns = match has_header {
        true => Columns::named(&first),
        false => Columns::unnamed(first.len()),
    };
    let mut table = Table::new(path, columns, options)?;
    if !has_header {
        table.push(&first)?;
    }
    while more {
        table.push(&row)?;
        more = read_row(path, &mut reader, &mut row)?;
    }
    if table.rows == 0 || table.columns.count() == 0 {
        return Err(Error::data(
            path,
            "expected rows of numbers, got none",
            "a table of at least two rows, below its header if it has one",
        ));
    }
    if options.source.columns.is_empty() && table.drop_row_numbers() {
        progress(Progress::Note(
            "the first column has no name and counts the rows: it is left out (`columns = …` takes it)",
        ));
    }
    let usual = if tabs { b'\t' } else { b',' };
    let separator = Some(opened.separator).filter(|&separator| separator != usual);
    progress(Progress::Note(&table.summary(has_header, separator)));
    // Of `x.csv.gz` the name is `x.csv` so far.
    let name = match is_table(Path::new(name)) {
        true => &name[..name.len() - ".csv".len()],
        false => name,
    };
    table.into_dataset(name, options)
}

/// Reads the next row into `row`; false after the last one.
fn read_row(
    path: &Path,
    reader: &mut csv::Reader<text::Whole>,
    row: &mut ByteRecord,
) -> Result<bool> {
    let more = reader
        .read_byte_record(row)
        .map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(reason) => text::unreadable(path, reason),
            other => Error::data(
                path,
                format!("it is no table: {other:?}"),
                "rows of numbers",
            ),
        })?;
    reader.get_mut().get_mut().1.end_row();
    Ok(more)
}

/// What has been read of a table.
struct Table<'a> {
    path: &'a Path,
    columns: Columns,
    /// Columns of the values, in their order.
    chosen: Vec<usize>,
    /// Column of the labels.
    label: Option<usize>,
    /// `[rows, chosen]`
    values: Vec<f32>,
    labels: Vec<String>,
    rows: usize,
}

impl<'a> Table<'a> {
    fn new(path: &'a Path, columns: Columns, options: &DataOptions) -> Result<Self> {
        let refused = |option: &str, message: String| {
            Error::data(
                path,
                format!("`{option} = …`: {message}"),
                "columns by their names or their numbers, from 1; ranges as in `columns = 2-5,7`",
            )
        };
        let trained_on = &options.trained_on;
        let label = match (&options.source.label_column, &trained_on.label_column) {
            (None, None) => None,
            (None, Some(name)) => columns.position(name),
            (Some(name), _) => {
                let found = columns.choose(std::slice::from_ref(name));
                let found = found.map_err(|message| refused("label-column", message))?;
                match *found {
                    [column] => Some(column),
                    _ => {
                        let message = format!("expected one column, got `{name}`");
                        return Err(refused("label-column", message));
                    }
                }
            }
        };
        let chosen = if !options.source.columns.is_empty() {
            columns
                .choose(&options.source.columns)
                .map_err(|message| refused("columns", message))?
        } else if !trained_on.columns.is_empty() && columns.have_names() {
            columns.like(&trained_on.columns).map_err(|message| {
                Error::data(
                    path,
                    message,
                    "`columns = …` with those of this table that stand for the model's, in its order",
                )
            })?
        } else {
            (0..columns.count())
                .filter(|column| Some(*column) != label)
                .collect()
        };
        Ok(Self {
            path,
            columns,
            chosen,
            label,
            values: Vec::new(),
            labels: Vec::new(),
            rows: 0,
        })
    }

    fn push(&mut self, row: &ByteRecord) -> Result<()> {
        if row.len() != self.columns.count() {
            return Err(Error::data(
                self.path,
                format!(
                    "line {}: expected {} values, as in the first line, got {}",
                    line_of(row),
                    self.columns.count(),
                    row.len()
                ),
                "rows of one length; a text that holds separators stands in quotes",
            ));
        }
        for &column in &self.chosen {
            let field = row.get(column).unwrap_or_default();
            match Cell::of(field) {
                Cell::Number(number) => {
                    let value = number.to_f32();
                    let value = value.map_err(|(what, hint)| self.at(row, column, &what, hint))?;
                    self.values.push(value);
                }
                Cell::Missing => return Err(self.missing(row, column, field)),
                Cell::Text => return Err(self.no_number(row, column, field)),
            }
        }
        if let Some(column) = self.label {
            let field = row.get(column).unwrap_or_default().trim_ascii();
            if Cell::of(field) == Cell::Missing {
                return Err(self.missing(row, column, field));
            }
            self.labels
                .push(String::from_utf8_lossy(field).into_owned());
        }
        self.rows += 1;
        Ok(())
    }

    /// An error with its line and column.
    fn at(&self, row: &ByteRecord, column: usize, what: &str, hint: impl Into<String>) -> Error {
        let column = self.columns.describe(column);
        Error::data(
            self.path,
            format!("line {}, {column}: {what}", line_of(row)),
            hint,
        )
    }

    fn missing(&self, row: &ByteRecord, column: usize, field: &[u8]) -> Error {
        let got = match field.trim_ascii() {
            [] => "got nothing".to_owned(),
            field => format!("got `{}`", shown(field)),
        };
        self.at(
            row,
            column,
            &format!("expected a value, {got}"),
            "leave such rows out (`df.dropna()`) or fill them (`df.fillna(df.mean(numeric_only=True))`), or \
             `columns = …` without this one",
        )
    }

    fn no_number(&self, row: &ByteRecord, column: usize, field: &[u8]) -> Error {
        let text = shown(field.trim_ascii());
        if has_decimal_comma(&text) {
            return self.at(
                row,
                column,
                &format!("expected a decimal point, got `{text}`"),
                "numbers with a point: `df.to_csv(path, decimal='.', index=False)`; of a table with semicolons \
                 `tr ';,' ',.' < x.csv > points.csv`",
            );
        }
        let is_number = |column: &usize| row.get(*column).is_some_and(cell::is_number);
        let numbers: Vec<usize> = (0..row.len())
            .filter(|column| Some(*column) != self.label && is_number(column))
            .collect();
        let name = self.columns.option(&[column]);
        let hint = match numbers.is_empty() {
            true => "a table of numbers; names as text can be labels only".to_owned(),
            false => format!(
                "the columns of numbers: `columns = {}`; `label-column = {name}` makes classes of this one",
                self.columns.option(&numbers)
            ),
        };
        self.at(
            row,
            column,
            &format!("expected a number, got `{text}`"),
            hint,
        )
    }

    /// Leaves the first column out if it is one that pandas or R writes to count rows; says whether it is.
    fn drop_row_numbers(&mut self) -> bool {
        let width = self.chosen.len();
        if width < 2 || self.chosen.first() != Some(&0) || !self.columns.may_count_rows() {
            return false;
        }
        let counts_from = |start: usize| {
            let rows = self.values.chunks_exact(width);
            rows.enumerate()
                .all(|(at, row)| row[0] == (at + start) as f32)
        };
        if !counts_from(0) && !counts_from(1) {
            return false;
        }
        let mut at = 0;
        self.values.retain(|_| {
            at += 1;
            (at - 1) % width != 0
        });
        self.chosen.remove(0);
        true
    }

    /// One line of what has been read.
    fn summary(&self, has_header: bool, separator: Option<u8>) -> String {
        let columns = self.columns.list(self.chosen.iter().copied());
        let header = if has_header { "" } else { ", no header" };
        let separator = match separator {
            None => "",
            Some(b';') => ", separated by semicolons",
            Some(b'\t') => ", separated by tabs",
            Some(b' ') => ", separated by spaces",
            Some(_) => ", separated by commas",
        };
        let (rows, chosen) = (self.rows, self.chosen.len());
        format!(
            "table: {rows} rows, {chosen} of {} columns: {columns}{header}{separator}",
            self.columns.count()
        )
    }

    fn into_dataset(self, name: &str, options: &DataOptions) -> Result<Dataset> {
        let shape = row_shape(self.chosen.len(), options)
            .map_err(|(what, hint)| Error::data(self.path, what, hint))?;
        let mut images = Images {
            stored: Stored::Text,
            ..Images::new(shape, Values::Floats(self.values))
        };
        let mut classes = Vec::new();
        if self.label.is_some() {
            let numbers: Option<Vec<u32>> = self.labels.iter().map(|l| l.parse().ok()).collect();
            images.labels = numbers.or_else(|| {
                classes = classes_of(self.labels.iter());
                Some(numbers_of(&self.labels, &classes))
            });
        }
        let columns = self.chosen.iter().map(|&column| self.columns.name(column));
        let dataset = split::dataset(images, name, options, self.path)?;
        Ok(Dataset {
            classes,
            columns: columns.collect(),
            ..dataset
        })
    }
}

/// The line that a row begins in, from 1.
fn line_of(row: &ByteRecord) -> u64 {
    row.position().map_or(0, csv::Position::line)
}

/// A cell in an error.
fn shown(field: &[u8]) -> String {
    let text = String::from_utf8_lossy(field);
    match text.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}
