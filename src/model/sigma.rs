//! The standard deviation of a Gaussian likelihood, as a user says it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where the standard deviation of a Gaussian likelihood comes from; it is one for all values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sigma {
    /// It is this number.
    Fixed(f32),
    /// It is a parameter of the model, which starts at this number.
    Learned(f32),
    /// It is the one by which each batch is most likely, its root mean squared error, and no gradient goes through it
    /// (Rybkin, Daniilidis & Levine 2021). Whatever is not training takes that of the last epoch.
    Optimal,
}

impl Sigma {
    /// The number, or what it is before training.
    pub fn initial(self) -> f32 {
        match self {
            Self::Fixed(value) | Self::Learned(value) => value,
            Self::Optimal => 1.0,
        }
    }

    /// Its rule in a word.
    pub fn rule(self) -> &'static str {
        match self {
            Self::Fixed(_) => "fixed",
            Self::Learned(_) => "learned",
            Self::Optimal => "optimal",
        }
    }
}

impl FromStr for Sigma {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let number = |text: &str| {
            let value = text.trim().parse();
            value.map_err(|_| "expected a number above 0, `learned` or `optimal`".to_owned())
        };
        match text.split_once(':') {
            _ if text == "optimal" => Ok(Self::Optimal),
            _ if text == "learned" => Ok(Self::Learned(1.0)),
            Some(("learned", start)) => number(start).map(Self::Learned),
            _ => number(text).map(Self::Fixed),
        }
    }
}

impl fmt::Display for Sigma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(value) => write!(f, "{value}"),
            Self::Learned(1.0) => write!(f, "learned"),
            Self::Learned(start) => write!(f, "learned:{start}"),
            Self::Optimal => write!(f, "optimal"),
        }
    }
}

impl Serialize for Sigma {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(value) => serializer.serialize_f32(*value),
            Self::Learned(_) | Self::Optimal => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Sigma {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "expected a number above 0, \"learned\" or \"optimal\""
        )]
        enum Written {
            Number(f32),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(value) => Ok(Self::Fixed(value)),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigma_is_a_number_learned_or_optimal() {
        for (text, expected) in [
            ("0.5", Sigma::Fixed(0.5)),
            ("learned", Sigma::Learned(1.0)),
            ("learned:0.1", Sigma::Learned(0.1)),
            ("optimal", Sigma::Optimal),
        ] {
            let sigma: Sigma = text.parse().expect(text);
            assert_eq!(sigma, expected);
            assert_eq!(sigma.to_string(), text);
            // As a configuration has it.
            let written = serde_json::to_string(&sigma).expect("JSON");
            let read: Sigma = serde_json::from_str(&written).expect(text);
            assert_eq!(read, expected);
        }
        for wrong in ["learn", "learned:", "learned0.5", "optimal:0.1", "", "1,5"] {
            assert!(wrong.parse::<Sigma>().is_err(), "{wrong}");
        }
    }
}
