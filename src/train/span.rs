//! Lengths of training as a user gives them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::number::with_unit;

/// A length of training: `3`, `0.5 epochs`, `500 steps`, `10 minutes`. A number alone means epochs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Span {
    /// Passes over the training images, also parts of one.
    Epochs(f64),
    /// Optimiser steps.
    Steps(u64),
    /// Minutes of training.
    Minutes(f64),
}

impl Span {
    /// As optimiser steps, where an epoch has `batches` of them: rounded to the nearest. `None` for minutes.
    pub fn steps(self, batches: usize) -> Option<u64> {
        match self {
            Self::Epochs(epochs) => Some((epochs * batches as f64).round() as u64),
            Self::Steps(steps) => Some(steps),
            Self::Minutes(_) => None,
        }
    }

    /// Whether it has no length.
    pub fn is_zero(self) -> bool {
        match self {
            Self::Epochs(length) | Self::Minutes(length) => length == 0.0,
            Self::Steps(steps) => steps == 0,
        }
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || {
            format!(
                "\"{text}\": expected a number of epochs, or a number with its unit, such as 500steps, 2epochs or \
                 10minutes"
            )
        };
        let (number, unit) = with_unit(text);
        let length = || match number.parse::<f64>() {
            Ok(length) if length.is_finite() => Ok(length),
            _ => Err(fault()),
        };
        match unit {
            "" | "epoch" | "epochs" => length().map(Self::Epochs),
            "minute" | "minutes" | "min" => length().map(Self::Minutes),
            "step" | "steps" => number.parse().map(Self::Steps).map_err(|_| fault()),
            _ => Err(fault()),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Epochs(1.0) => write!(f, "1 epoch"),
            Self::Epochs(epochs) => write!(f, "{epochs} epochs"),
            Self::Steps(1) => write!(f, "1 step"),
            Self::Steps(steps) => write!(f, "{steps} steps"),
            Self::Minutes(1.0) => write!(f, "1 minute"),
            Self::Minutes(minutes) => write!(f, "{minutes} minutes"),
        }
    }
}

impl TryFrom<String> for Span {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written_alike() {
        for (text, span) in [
            ("3", Span::Epochs(3.0)),
            ("0.5epochs", Span::Epochs(0.5)),
            ("1 epoch", Span::Epochs(1.0)),
            ("500steps", Span::Steps(500)),
            (" 1 step ", Span::Steps(1)),
            ("10min", Span::Minutes(10.0)),
            ("2.5 minutes", Span::Minutes(2.5)),
        ] {
            assert_eq!(text.parse(), Ok(span), "{text}");
            assert_eq!(span.to_string().parse(), Ok(span), "{text}");
        }
        for wrong in [
            "", "steps", "-1", "1.5steps", "3 hours", "1e9", "NaN", "..", "1 2",
        ] {
            let fault = wrong.parse::<Span>().expect_err(wrong);
            assert!(fault.contains("500steps"), "{fault}");
        }
    }

    #[test]
    fn epochs_become_whole_steps_and_minutes_do_not() {
        assert_eq!(Span::Epochs(1.5).steps(469), Some(704));
        assert_eq!(Span::Steps(7).steps(469), Some(7));
        assert_eq!(Span::Minutes(1.0).steps(469), None);
    }
}
