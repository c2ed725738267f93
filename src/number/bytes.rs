//! Amounts of memory as a user gives them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An amount of memory: `512MiB`, `4GB`, `1000000`. A number alone means bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub struct Bytes(pub u64);

/// Units and their bytes. Each comes before those that its multiples could be written in as well.
const UNITS: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
];

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || {
            format!(
                "\"{text}\": expected an amount of memory above 0, such as 512MiB, 4GB or 1000000"
            )
        };
        let (number, unit) = super::with_unit(text);
        let unit = match unit {
            "" | "B" => 1,
            unit => {
                let known = UNITS
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(unit));
                known.ok_or_else(fault)?.1
            }
        };
        let number: f64 = number.parse().map_err(|_| fault())?;
        let bytes = (number * unit as f64).round();
        match bytes >= 1.0 && bytes < 2f64.powi(53) {
            true => Ok(Self(bytes as u64)),
            false => Err(fault()),
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |unit: u64| self.0 > 0 && self.0.is_multiple_of(unit);
        match UNITS.iter().find(|(_, unit)| fits(*unit)) {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}B", self.0),
        }
    }
}

/// An amount in a file: a number of bytes, or text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Text(String),
}

impl TryFrom<Written> for Bytes {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Number(bytes) => bytes.to_string().parse(),
            Written::Text(text) => text.parse(),
        }
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> Self {
        bytes.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written_alike() {
        for (text, bytes, written) in [
            ("1", 1, "1B"),
            ("1000", 1000, "1KB"),
            ("1024B", 1024, "1KiB"),
            ("1.5 gib", 3 << 29, "1536MiB"),
            (" 4GB ", 4_000_000_000, "4GB"),
            ("3000MiB", 3000 << 20, "3000MiB"),
            ("2TB", 2_000_000_000_000, "2TB"),
        ] {
            let found: Bytes = text.parse().expect(text);
            assert_eq!((found.0, &*found.to_string()), (bytes, written), "{text}");
            assert_eq!(written.parse(), Ok(found));
        }
        for text in [
            "",
            "GB",
            "0",
            "0.0001KB",
            "-1GB",
            "1e9",
            "nan",
            "4 gigabytes",
            "9999999TB",
        ] {
            let fault = text.parse::<Bytes>().expect_err(text);
            assert!(fault.contains("512MiB"), "{fault}");
        }
    }
}
