//! The columns of a table: their names, and which of them are wanted.

use csv::ByteRecord;

use super::cell::{Cell, is_number};

/// Columns that an error lists.
const MOST_LISTED: usize = 12;

/// The columns of a table, counted from 0 here and from 1 wherever a user reads or writes them.
pub(super) struct Columns {
    /// Names of all columns, in order; empty without a header.
    names: Vec<String>,
    count: usize,
}

impl Columns {
    /// Those of a table with this header.
    pub(super) fn named(header: &ByteRecord) -> Self {
        let name = |(at, field): (usize, &[u8])| {
            let name = String::from_utf8_lossy(field);
            // NumPy writes its header behind a `#`.
            let name = match at {
                0 => name.trim_start_matches('#').trim(),
                _ => name.trim(),
            };
            name.to_owned()
        };
        Self {
            names: header.iter().enumerate().map(name).collect(),
            count: header.len(),
        }
    }

    /// Columns without names.
    pub(super) fn unnamed(count: usize) -> Self {
        Self {
            names: Vec::new(),
            count,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Whether a header names them.
    pub(super) fn have_names(&self) -> bool {
        !self.names.is_empty()
    }

    /// The only column of this name.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        let mut named = (0..self.names.len()).filter(|&column| self.names[column] == name);
        named.next().filter(|_| named.next().is_none())
    }

    /// The columns of a trained model, by the names that they had ([`Columns::name`]).
    ///
    /// # Errors
    /// A message with those that there are not, or not once.
    pub(super) fn like(&self, trained_on: &[String]) -> Result<Vec<usize>, String> {
        let place = |name: &String| match self.position(name) {
            // A column without a name goes by its number.
            None => (0..self.count).find(|&column| self.name(column) == *name),
            found => found,
        };
        let missing: Vec<&str> = trained_on
            .iter()
            .filter(|name| place(name).is_none())
            .map(String::as_str)
            .collect();
        if missing.is_empty() {
            return Ok(trained_on.iter().filter_map(place).collect());
        }
        Err(format!(
            "the model was trained on columns that this table has not: {}; it has {}",
            missing.join(", "),
            self.list(0..self.count)
        ))
    }

    /// A column's name, or its number where it has none.
    pub(super) fn name(&self, column: usize) -> String {
        match self.names.get(column) {
            Some(name) if !name.is_empty() => name.clone(),
            _ => (column + 1).to_string(),
        }
    }

    /// A column in an error.
    pub(super) fn describe(&self, column: usize) -> String {
        match self.names.get(column) {
            Some(name) if !name.is_empty() => format!("column {} (`{name}`)", column + 1),
            _ => format!("column {}", column + 1),
        }
    }

    /// Whether the first column is one that programs write to count rows: by a header without a name for it.
    pub(super) fn may_count_rows(&self) -> bool {
        let first = self.names.first().map(String::as_str);
        matches!(first, Some("" | "Unnamed: 0"))
    }

    /// The columns that the parts of an option name, in their order.
    ///
    /// # Errors
    /// A message with what there is.
    pub(super) fn choose(&self, wanted: &[String]) -> Result<Vec<usize>, String> {
        let mut chosen: Vec<usize> = Vec::new();
        for part in wanted.iter().map(|part| part.trim()) {
            for column in self.find(part)? {
                if chosen.contains(&column) {
                    return Err(format!("{} is chosen twice", self.describe(column)));
                }
                chosen.push(column);
            }
        }
        Ok(chosen)
    }

    /// The columns of a name, a number or a range of numbers.
    fn find(&self, part: &str) -> Result<std::ops::Range<usize>, String> {
        let named = |name: &&String| *name == part;
        match self.names.iter().filter(named).count() {
            0 => {}
            1 => {
                let at = self.names.iter().position(|name| name == part);
                return Ok(at.map_or(0..0, |at| at..at + 1));
            }
            count => {
                return Err(format!(
                    "{count} columns are called `{part}`: give the number of one, from 1"
                ));
            }
        }
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| {
            let number = text.trim().parse::<usize>();
            number
                .ok()
                .filter(|&number| (1..=self.count).contains(&number))
        };
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Ok(first - 1..last),
            _ => Err(format!(
                "there is no column `{part}`, but {}: {}",
                self.count,
                self.list(0..self.count)
            )),
        }
    }

    /// Columns by their names, the first of many.
    pub(super) fn list(&self, columns: impl ExactSizeIterator<Item = usize>) -> String {
        let count = columns.len();
        let mut names: Vec<String> = columns
            .take(MOST_LISTED)
            .map(|column| self.name(column))
            .collect();
        if count > names.len() {
            names.push(format!("{} more", count - names.len()));
        }
        names.join(", ")
    }

    /// Columns as `--columns` takes them: by names where that is short, otherwise by numbers, in ranges.
    pub(super) fn option(&self, columns: &[usize]) -> String {
        let plain = |column: &&usize| {
            let name = self.name(**column);
            !name.contains([',', ' ', '"', '\'', '-'])
        };
        let few = columns.len() <= MOST_LISTED / 2;
        if few && columns.iter().filter(plain).count() == columns.len() {
            let names: Vec<String> = columns.iter().map(|&column| self.name(column)).collect();
            return names.join(",");
        }
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for &column in columns {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == column => *last = column,
                _ => ranges.push((column, column)),
            }
        }
        let range = |&(first, last): &(usize, usize)| match first == last {
            true => format!("{}", first + 1),
            false => format!("{}-{}", first + 1, last + 1),
        };
        ranges.iter().map(range).collect::<Vec<_>>().join(",")
    }
}

/// Whether the first row holds names and no values.
///
/// It does where a column has text there and a number in the next row, or where there is no number in it at all. It does
/// too where it counts from 0, as pandas names columns that have no names.
pub(super) fn is_header(first: &ByteRecord, second: Option<&ByteRecord>) -> bool {
    if counts_from_0(first) {
        return true;
    }
    let is_text = |field: &[u8]| Cell::of(field) == Cell::Text;
    if !first.iter().any(is_text) {
        return false;
    }
    let Some(second) = second else {
        return true;
    };
    let mut pairs = first.iter().zip(second);
    !first.iter().any(is_number) || pairs.any(|(name, value)| is_text(name) && is_number(value))
}

fn counts_from_0(row: &ByteRecord) -> bool {
    // Two numbers, 0 and 1, are more likely values, but for a column without a name before them.
    const FEWEST: usize = 3;
    let skipped = usize::from(row.get(0).is_some_and(<[u8]>::is_empty));
    let names = row.iter().skip(skipped);
    row.len() >= FEWEST
        && names
            .enumerate()
            .all(|(at, name)| name == at.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: &[&str]) -> ByteRecord {
        ByteRecord::from(fields)
    }

    #[test]
    fn a_header_is_told_from_a_row_of_values() {
        for (first, second, expected) in [
            (&["a", "b"][..], &["1", "2"][..], true),
            (&["id", "x"], &["k1", "2"], true),
            (&["", "x"], &["0", "2.5"], true),
            (&["0", "1", "2"], &["5", "6", "7"], true),
            (&["", "0", "1"], &["0", "6", "7"], true),
            (&["name", "kind"], &["a", "b"], true),
            (&["1.5", "2"], &["1", "2"], false),
            (&["5.1", "setosa"], &["4.9", "setosa"], false),
            (&["", "2"], &["1", "2"], false),
            (&["0"], &["1"], false),
        ] {
            assert_eq!(
                is_header(&row(first), Some(&row(second))),
                expected,
                "{first:?}"
            );
        }
        assert!(is_header(&row(&["a", "b"]), None));
        assert!(!is_header(&row(&["1", "2"]), None));
    }

    #[test]
    fn columns_are_chosen_by_name_number_and_range_in_the_order_given() {
        let columns = Columns::named(&row(&["# a", "b", "c", "3", "b"]));
        let choose = |parts: &[&str]| {
            let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
            columns.choose(&parts)
        };
        assert_eq!(choose(&["c", "a"]), Ok(vec![2, 0]));
        // A name comes before a number.
        assert_eq!(choose(&["3", "1-2"]), Ok(vec![3, 0, 1]));
        assert_eq!(choose(&[" 4-5 "]), Ok(vec![3, 4]));
        for (parts, words) in [
            (&["b"][..], "2 columns are called `b`"),
            (&["d"], "no column `d`, but 5: a, b, c, 3, b"),
            (&["0"], "no column `0`"),
            (&["6"], "no column `6`"),
            (&["2-9"], "no column `2-9`"),
            (&["a", "1"], "column 1 (`a`) is chosen twice"),
        ] {
            let message = choose(parts).expect_err(words);
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn columns_are_written_as_the_option_takes_them() {
        let columns = Columns::named(&row(&["a", "b", "c d", "e"]));
        assert_eq!(columns.option(&[0, 1, 3]), "a,b,e");
        assert_eq!(columns.option(&[0, 1, 2]), "1-3");
        let many = Columns::unnamed(20);
        let all_but_one: Vec<usize> = (0..20).filter(|&column| column != 4).collect();
        assert_eq!(many.option(&all_but_one), "1-4,6-20");
        assert_eq!(
            many.list(0..20),
            "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8 more"
        );
    }
}
