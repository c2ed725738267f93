//! What an option is: one field of a struct that derives [`clap::Args`] and serde's traits.
//!
//! The field's type is the option's, its doc comment the text of `--help` and of the documentation, its name the
//! flag and the key of `config.toml` (where the two differ, `#[arg(long)]` and `#[serde(rename)]` say the same), its
//! `default_value` what [`defaults`] gives. Configurations are flat tables of these keys; those of several sources are
//! laid over each other as tables and read once.

use std::collections::BTreeSet;
use std::fmt;
use std::num::{IntErrorKind, ParseIntError};
use std::ops::{Deref, RangeInclusive};
use std::str::FromStr;

use clap::{ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value, de::DeTable};

/// The options as they are where nobody gives any.
///
/// # Panics
/// Where a default is not a value of its option, which is a fault of the struct.
pub fn defaults<T: Args>() -> T {
    let command = T::augment_args(Command::new("defaults").no_binary_name(true));
    let none: [&str; 0] = [];
    let read = command.try_get_matches_from(none);
    read.and_then(|matches| T::from_arg_matches(&matches))
        .expect("defaults that their own options accept")
}

/// An option of a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its flag without the dashes, and its key.
    pub name: String,
    /// The heading that it stands under.
    pub heading: String,
}

/// The options of a struct, in the order of its fields.
pub fn known<T: Args>() -> Vec<Known> {
    let command = T::augment_args(Command::new("known"));
    let arguments = command.get_arguments();
    let options = arguments.filter_map(|argument| {
        Some(Known {
            name: argument.get_long()?.to_owned(),
            heading: argument.get_help_heading().unwrap_or_default().to_owned(),
        })
    });
    options.collect()
}

/// Options of a command line, and those of them that it gives.
#[derive(Clone, Debug)]
pub struct Given<T> {
    options: T,
    names: BTreeSet<String>,
}

impl<T: Args> Default for Given<T> {
    fn default() -> Self {
        Self {
            options: defaults(),
            names: BTreeSet::new(),
        }
    }
}

impl<T> Deref for Given<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.options
    }
}

impl<T> Given<T> {
    /// Names of those that were given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

impl<T: Serialize> Given<T> {
    /// Those that were given, by their keys.
    ///
    /// # Errors
    /// What TOML has no place for.
    pub fn table(&self) -> Result<Table, toml::ser::Error> {
        let mut table = table(&self.options)?;
        table.retain(|name, _| self.names.contains(name));
        Ok(table)
    }
}

impl<T: Args> FromArgMatches for Given<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        let command = T::augment_args(Command::new("known"));
        let given = command.get_arguments().filter(|argument| {
            let source = matches.value_source(argument.get_id().as_str());
            source == Some(ValueSource::CommandLine)
        });
        let names = given.filter_map(|argument| argument.get_long().map(str::to_owned));
        let names = names.collect();
        let options = T::from_arg_matches_mut(matches)?;
        Ok(Self { options, names })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<T: Args> Args for Given<T> {
    fn augment_args(command: Command) -> Command {
        T::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        T::augment_args_for_update(command)
    }
}

/// Options as a table of their keys.
///
/// # Errors
/// What TOML has no place for.
pub fn table<T: Serialize>(options: &T) -> Result<Table, toml::ser::Error> {
    Table::try_from(options)
}

/// The options of one struct out of a table that may have the keys of others too.
///
/// # Errors
/// A value that is none of its option.
pub fn from_table<T: DeserializeOwned>(table: &Table) -> Result<T, toml::de::Error> {
    Value::Table(table.clone()).try_into()
}

/// The most that TOML's integers hold.
const HELD: u64 = i64::MAX as u64;

/// Bounds above this one are no reason to name them.
const NAMED: u64 = 100_000;

/// A parser of whole numbers of a range, with spaces around them or not.
pub fn whole<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let (least, most) = (range.start(), range.end());
        let number = text.trim().parse::<u64>();
        let held = number.iter().find(|number| range.contains(*number));
        let held = held.and_then(|number| T::try_from(*number).ok());
        held.ok_or_else(|| match number.as_ref().map_err(ParseIntError::kind) {
            _ if *most <= NAMED => format!("expected a whole number from {least} to {most}"),
            // More than the type holds.
            Ok(number) if range.contains(number) => "expected a smaller number".to_owned(),
            Ok(number) if number > most => format!("expected {most} at most"),
            Err(IntErrorKind::PosOverflow) => format!("expected {most} at most"),
            _ => format!("expected a whole number, {least} or more"),
        })
    }
}

/// A number of things, which TOML's integers can hold.
///
/// # Errors
/// In words, what was expected.
pub fn count<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    whole(0..=HELD)(text)
}

/// As [`count`], of at least one thing.
///
/// # Errors
/// In words, what was expected.
pub fn positive<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    whole(1..=HELD)(text)
}

/// Checks that the value of a setting is a finite number, 0 or more.
///
/// # Errors
/// [`crate::Error::Config`] with the setting, and with what to try.
pub(crate) fn check_amount(name: &str, value: f32, hint: impl Into<String>) -> crate::Result<()> {
    match value.is_finite() && value >= 0.0 {
        true => Ok(()),
        false => Err(crate::Error::config(
            format!("`{name} = {value}`: expected a finite number, 0 or more"),
            hint,
        )),
    }
}

/// A number with or without a fraction.
///
/// # Errors
/// In words, what was expected.
pub fn number<T: FromStr>(text: &str) -> Result<T, String> {
    let number = text.trim().parse();
    number.map_err(|_| "expected a number, such as 0.5".to_owned())
}

/// A seed, of which TOML's integers hold the lower half only: a larger one is written as text. For clap, and for
/// `#[serde(with)]`.
pub(crate) mod seed {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn parse(text: &str) -> Result<u64, String> {
        super::whole(0..=u64::MAX)(text)
    }

    pub(crate) fn serialize<S: Serializer>(seed: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        match i64::try_from(*seed) {
            Ok(small) => serializer.serialize_i64(small),
            Err(_) => serializer.collect_str(seed),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a number, 0 or more")]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(seed) => Ok(seed),
            Written::Text(text) => parse(&text).map_err(D::Error::custom),
        }
    }
}

/// What is wrong with a text of keys and values: its line, counted from 1, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    line: Option<usize>,
    reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}", self.reason)
    }
}

/// Reads a text of keys and values. Each key has to be one of `names`, and `check` gets each value by itself.
///
/// # Errors
/// The first line that is not TOML, or has an unknown key, or a value that `check` refuses.
pub fn read(
    text: &str,
    names: &[String],
    check: impl Fn(&Table) -> Result<(), toml::de::Error>,
) -> Result<Table, Fault> {
    let line_of = |at: usize| 1 + text.get(..at).unwrap_or(text).matches('\n').count();
    let broken = |error: &toml::de::Error, at: Option<usize>| Fault {
        line: error.span().map(|span| span.start).or(at).map(line_of),
        reason: error.message().trim().replace('\n', "; "),
    };
    let places = DeTable::parse(text).map_err(|e| broken(&e, None))?;
    let table: Table = toml::from_str(text).map_err(|e| broken(&e, None))?;
    for (key, _) in places.get_ref() {
        let (name, at) = (key.get_ref().as_ref(), key.span().start);
        if !names.iter().any(|known| known == name) {
            return Err(Fault {
                line: Some(line_of(at)),
                reason: unknown(name, names),
            });
        }
        let own = table.iter().filter(|(key, _)| *key == name);
        let alone: Table = own
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        check(&alone).map_err(|e| {
            let fault = broken(&e, Some(at));
            Fault {
                reason: format!("`{name}`: {}", fault.reason),
                ..fault
            }
        })?;
    }
    Ok(table)
}

/// Names that are less alike than this are not meant.
const ALIKE: f64 = 0.8;

fn unknown(name: &str, names: &[String]) -> String {
    let likeness = |known: &String| strsim::jaro_winkler(known, name);
    let nearest = names
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .filter(|known| likeness(known) > ALIKE);
    match nearest {
        Some(nearest) => format!("unknown key `{name}`; a similar one is `{nearest}`"),
        None => format!("unknown key `{name}`; the keys are the options of training"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use serde::Deserialize;

    #[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case", default)]
    struct Two {
        /// A number
        #[arg(long, default_value_t = 7)]
        first_one: u32,
        /// A word
        #[arg(long)]
        word: Option<String>,
    }

    impl Default for Two {
        fn default() -> Self {
            defaults()
        }
    }

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        given: Given<Two>,
        #[arg(long)]
        other: bool,
    }

    fn names() -> Vec<String> {
        known::<Two>().into_iter().map(|known| known.name).collect()
    }

    fn read_text(text: &str) -> Result<Table, String> {
        let check = |table: &Table| from_table::<Two>(table).map(drop);
        read(text, &names(), check).map_err(|fault| fault.to_string())
    }

    #[test]
    fn only_what_the_command_line_gives_is_laid_over_a_file() {
        let line = |words: &[&str]| {
            let words = [&["elbo"], words].concat();
            Line::try_parse_from(words).expect("options").given
        };
        let file = read_text("first-one = 3\nword = \"file\"").expect("a file");
        for (words, expected) in [
            (&[][..], (3, "file")),
            (&["--word", "flag", "--other"], (3, "flag")),
            // The default, but asked for.
            (&["--first-one", "7"], (7, "file")),
        ] {
            let mut both = file.clone();
            both.extend(line(words).table().expect("a table"));
            let found: Two = from_table(&both).expect("options");
            assert_eq!(
                (found.first_one, found.word.as_deref()),
                (expected.0, Some(expected.1))
            );
        }
        assert_eq!(*line(&[]), Two::default());
    }

    #[test]
    fn numbers_may_have_spaces_and_are_refused_with_what_was_expected() {
        assert_eq!(count(" 200"), Ok(200));
        assert_eq!(count("9223372036854775807"), Ok(i64::MAX as u64));
        assert_eq!(whole(0..=u64::MAX)("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(number(" 0.25"), Ok(0.25));
        assert!(number::<f32>("0,5").is_err());
        for (range, text, expected) in [
            (0..=HELD, "2 00", "a whole number, 0 or more"),
            (0..=HELD, "", "0 or more"),
            (0..=HELD, "-1", "0 or more"),
            (1..=HELD, "1.5", "1 or more"),
            (1..=HELD, "0", "1 or more"),
            (
                0..=HELD,
                "9223372036854775808",
                "9223372036854775807 at most",
            ),
            (0..=u64::MAX, "18446744073709551616", "615 at most"),
            (0..=HELD, "4294967296", "smaller"),
            (2..=10_000, "1", "from 2 to 10000"),
            (2..=10_000, "10001", "from 2 to 10000"),
        ] {
            let refused = whole::<u32>(range)(text).expect_err(text);
            assert!(refused.contains(expected), "{text}: {refused}");
        }
    }

    #[test]
    fn a_fault_names_its_line_and_key() {
        for (text, words) in [
            ("\nfirst-on = 3", ["line 2", "`first-on`", "`first-one`"]),
            (
                "word = \"a\"\nfirst-one = \"b\"",
                ["line 2", "`first-one`", "u32"],
            ),
            ("word = 3\n", ["line 1", "`word`", "string"]),
            (
                "# a\nquite-other = 3\n",
                ["line 2", "`quite-other`", "options of"],
            ),
            (
                "word = \"a\"\nword = \"b\"\n",
                ["line 2", "duplicate", "key"],
            ),
            ("word: 3", ["line 1", "", ""]),
        ] {
            let fault = read_text(text).expect_err(text);
            assert!(
                words.iter().all(|word| fault.contains(word)),
                "{text}: {fault}"
            );
        }
    }
}
