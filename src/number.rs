//! Numbers as text.

mod bytes;

pub use bytes::Bytes;

/// The number that a text begins with, and the unit behind it.
pub fn with_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

/// `652824` as `652,824`.
pub fn grouped(number: u64) -> String {
    by_thousands(&number.to_string())
}

/// `1 epoch`, `2 epochs`.
pub fn counted(number: u64, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {what}{ending}", grouped(number))
}

fn by_thousands(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// With so many decimals; digits are grouped from 10,000 on: `-22,000.5`.
pub fn decimal(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if value.abs() < 1e4 || !value.is_finite() {
        return text;
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.as_str()),
    };
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    format!("{sign}{}{rest}", by_thousands(whole))
}

/// With so many decimals at most, without zeros at its end: `2.5`, `3`.
pub fn rounded(value: f64, decimals: usize) -> String {
    match trimmed(&format!("{value:.decimals$}")) {
        "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

fn trimmed(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

/// With so many significant digits at most and a power of ten, without zeros at its end: `3.33e29`, `0`.
pub fn scientific(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let after_first = digits.saturating_sub(1);
    let text = format!("{value:.after_first$e}");
    let (number, power) = text.split_at(text.find('e').unwrap_or(text.len()));
    format!("{}{power}", trimmed(number))
}

/// With so many significant digits at most (or those of its whole part), without zeros at its end: `105.529`, `3e-7`.
pub fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor() as i32;
    if !(-5..15).contains(&magnitude) {
        return scientific(value, digits);
    }
    let after_first = digits.saturating_sub(1) as i32;
    rounded(value, (after_first - magnitude).max(0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        let seen = [0, 12, 999, 1000, 652_824, 1_000_000].map(grouped);
        assert_eq!(seen, ["0", "12", "999", "1,000", "652,824", "1,000,000"]);
        let seen = [-22_000.46, 12_000.0, 9999.96, -0.25].map(|value| decimal(value, 1));
        assert_eq!(seen, ["-22,000.5", "12,000.0", "10000.0", "-0.2"]);
    }

    #[test]
    fn numbers_have_no_more_digits_than_they_need() {
        let seen = [-3.0, -0.5, -1e-17, 0.0, 2.25, 1.0 / 3.0, 10.0].map(|v| rounded(v, 2));
        assert_eq!(seen, ["-3", "-0.5", "0", "0", "2.25", "0.33", "10"]);
    }

    #[test]
    fn significant_digits_are_kept_whatever_the_magnitude() {
        let values = [0.0, 105.529_016_256, 0.001, 123_456_789.0, 3e-7, -0.25];
        let seen = values.map(|value| significant(value, 6));
        assert_eq!(
            seen,
            ["0", "105.529", "0.001", "123456789", "3e-7", "-0.25"]
        );
        assert_eq!(significant(-1.234_567e-300, 4), "-1.235e-300");
        assert_eq!(significant(f64::INFINITY, 4), "inf");
    }
}
