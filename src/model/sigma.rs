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
}

impl Sigma {
    /// The number, or what it is before training.
    pub fn initial(self) -> f32 {
        match self {
            Self::Fixed(value) | Self::Learned(value) => value,
        }
    }
}

impl FromStr for Sigma {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let number = |text: &str| {
            let value = text.trim().parse();
            value.map_err(|_| "expected a number above 0, or `learned`".to_owned())
        };
        match text.split_once(':') {
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
        }
    }
}

impl Serialize for Sigma {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(value) => serializer.serialize_f32(*value),
            Self::Learned(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Sigma {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a number above 0, or \"learned\"")]
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
    fn sigma_is_a_number_or_learned() {
        for (text, expected) in [
            ("0.5", Sigma::Fixed(0.5)),
            ("learned", Sigma::Learned(1.0)),
            ("learned:0.1", Sigma::Learned(0.1)),
        ] {
            let sigma: Sigma = text.parse().expect(text);
            assert_eq!(sigma, expected);
            assert_eq!(sigma.to_string(), text);
        }
        for wrong in ["learn", "learned:", "learned0.5", "", "1,5"] {
            assert!(wrong.parse::<Sigma>().is_err(), "{wrong}");
        }
    }
}
