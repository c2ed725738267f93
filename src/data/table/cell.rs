//! One value of a table.

use crate::data::npy::Number;

/// How people write that there is no value.
const MISSING: [&str; 9] = ["", "na", "n/a", "nan", "null", "none", "?", "-", "#n/a"];

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell {
    Number(Number),
    /// Nothing, or one of the ways to say so.
    Missing,
    Text,
}

impl Cell {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let Ok(text) = std::str::from_utf8(bytes.trim_ascii()) else {
            return Self::Text;
        };
        // Most cells: whole numbers, of which a float would not say whether it holds them exactly.
        if let Ok(number) = text.parse::<i64>() {
            return Self::Number(Number::Whole(number.into()));
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() && text.bytes().any(|byte| byte.is_ascii_digit()) => {
                Self::Number(Number::Real(number))
            }
            _ if MISSING.iter().any(|way| way.eq_ignore_ascii_case(text)) => Self::Missing,
            _ => Self::Text,
        }
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Number(_))
    }
}

pub(super) fn is_number(bytes: &[u8]) -> bool {
    Cell::of(bytes).is_number()
}

/// Whether a cell is a number but for a comma in the place of its decimal point.
pub(super) fn has_decimal_comma(text: &str) -> bool {
    let mut parts = text.split(',');
    let three = (parts.next(), parts.next(), parts.next());
    matches!(three, (Some(_), Some(_), None)) && is_number(text.replace(',', ".").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_numbers_or_missing_or_text() {
        for (text, expected) in [
            ("12", Cell::Number(Number::Whole(12))),
            (" -7 ", Cell::Number(Number::Whole(-7))),
            ("+1.5e3", Cell::Number(Number::Real(1500.0))),
            (".5", Cell::Number(Number::Real(0.5))),
            ("", Cell::Missing),
            ("NaN", Cell::Missing),
            ("NA", Cell::Missing),
            ("?", Cell::Missing),
            ("inf", Cell::Text),
            ("1e999", Cell::Text),
            ("1,5", Cell::Text),
            ("setosa", Cell::Text),
        ] {
            assert_eq!(Cell::of(text.as_bytes()), expected, "{text:?}");
        }
        assert_eq!(Cell::of(&[0xff]), Cell::Text);
        assert!(has_decimal_comma("-1,5") && has_decimal_comma("3,0e2"));
        assert!(!has_decimal_comma("1,234,567") && !has_decimal_comma("a,b"));
    }
}
