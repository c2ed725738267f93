//! Levels of finite scalar quantisation, and the whole numbers that codes of them are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::ops::fsq::{MOST_CHANNELS, MOST_LEVELS};

/// Most codes of one place: floats number as many exactly.
const MOST_CODES: u64 = 1 << 24;

/// How many levels each channel of a code has (Mentzer et al. 2023). A code is one of their product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels(Vec<u32>);

impl Levels {
    /// Those that the paper has for about 2¹⁰ codes.
    pub fn usual() -> Self {
        Self(vec![8, 5, 5, 5])
    }

    /// Of each channel.
    pub fn of_channels(&self) -> &[u32] {
        &self.0
    }

    /// Different codes of one place.
    pub fn codes(&self) -> u32 {
        self.0.iter().product()
    }

    /// The numbers of the codes that values are, one for each place: values of one place after another, as a model's encoder
    /// gives them.
    pub fn numbers(&self, values: &[f32]) -> Vec<u32> {
        let number = |code: &[f32]| {
            let digits = self.0.iter().zip(code).rev();
            digits.fold(0, |number, (&levels, &value)| {
                let unit = levels / 2;
                let digit = (value * unit as f32).round() + unit as f32;
                // A code that is none of a model's own goes to the level that is nearest.
                number * levels + (digit.max(0.0) as u32).min(levels - 1)
            })
        };
        values.chunks(self.0.len()).map(number).collect()
    }

    /// The values of codes.
    ///
    /// # Errors
    /// [`Error::Config`] with the first number that is no code.
    pub fn values(&self, numbers: &[f32]) -> Result<Vec<f32>> {
        let mut values = Vec::with_capacity(numbers.len() * self.0.len());
        for (place, &number) in numbers.iter().enumerate() {
            if number.fract() != 0.0 || !(0.0..self.codes() as f32).contains(&number) {
                return Err(Error::config(
                    format!(
                        "place {place} of the codes is {number}, and the codes of `levels = {self}` are whole numbers from 0 to {}",
                        self.codes() - 1
                    ),
                    "codes that this model gave",
                ));
            }
            let mut rest = number as u32;
            for &levels in &self.0 {
                let unit = (levels / 2) as f32;
                values.push(((rest % levels) as f32 - unit) / unit);
                rest /= levels;
            }
        }
        Ok(values)
    }

    /// Moves values to the nearest codes.
    pub fn snap(&self, values: &mut [f32]) {
        for (at, value) in values.iter_mut().enumerate() {
            let levels = self.0[at % self.0.len()];
            let unit = (levels / 2) as f32;
            let level = (*value * unit).round();
            *value = level.clamp(-unit, (levels - 1) as f32 - unit) / unit;
        }
    }
}

impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let levels: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&levels.join(","))
    }
}

impl TryFrom<Vec<u32>> for Levels {
    type Error = String;

    fn try_from(levels: Vec<u32>) -> std::result::Result<Self, String> {
        if !(1..=MOST_CHANNELS).contains(&levels.len()) {
            return Err(format!(
                "expected the levels of 1 to {MOST_CHANNELS} channels, such as 8,5,5,5, got {}",
                levels.len()
            ));
        }
        if let Some(own) = levels.iter().find(|own| !(2..=MOST_LEVELS).contains(own)) {
            return Err(format!(
                "a channel has 2 to {MOST_LEVELS} levels, got {own}"
            ));
        }
        let codes = levels.iter().fold(1, |codes, &own| codes * u64::from(own));
        match codes {
            0..=MOST_CODES => Ok(Self(levels)),
            _ => Err(format!("{codes} codes, {MOST_CODES} are the most")),
        }
    }
}

impl FromStr for Levels {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let levels: std::result::Result<Vec<u32>, _> =
            text.split(',').map(|own| own.trim().parse()).collect();
        let levels = levels.map_err(|_| {
            format!("expected the levels of each channel, such as 8,5,5,5, got {text:?}")
        })?;
        levels.try_into()
    }
}

impl Serialize for Levels {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Levels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let levels = Vec::<u32>::deserialize(deserializer)?;
        levels.try_into().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_values_of_its_own_and_comes_back() {
        for text in ["8,5,5,5", "2", "3,2", "255"] {
            let levels: Levels = text.parse().expect(text);
            assert_eq!(levels.to_string(), text);
            let all: Vec<f32> = (0..levels.codes()).map(|code| code as f32).collect();
            let values = levels.values(&all).expect("codes");
            assert!(values.iter().all(|value| (-1.0..=1.0).contains(value)));
            let back = levels.numbers(&values);
            assert_eq!(back, (0..levels.codes()).collect::<Vec<u32>>());
            // What is near to a code is moved to it.
            let mut near: Vec<f32> = values.iter().map(|value| value + 1e-3).collect();
            levels.snap(&mut near);
            for (a, b) in near.iter().zip(&values) {
                assert!((a - b).abs() < 1e-6, "{text}: {a} {b}");
            }
        }
        let levels: Levels = "2,3".parse().expect("levels");
        let mut far = [9.0, 9.0, -9.0, -9.0];
        levels.snap(&mut far);
        assert_eq!(far, [0.0, 1.0, -1.0, -1.0]);
    }

    #[test]
    fn what_is_no_code_and_no_number_of_levels_is_refused() {
        let levels = Levels::usual();
        for wrong in [-1.0, 0.5, 1000.0, f32::NAN, f32::INFINITY] {
            let error = levels
                .values(&[3.0, wrong])
                .expect_err("no code")
                .to_string();
            assert!(error.contains("place 1"), "{error}");
            assert!(error.contains("from 0 to 999"), "{error}");
        }
        for wrong in [
            "",
            "8,,5",
            "1,5",
            "8,256",
            "-3",
            "2,2,2,2,2,2,2,2,2",
            "255,255,255,255",
        ] {
            assert!(wrong.parse::<Levels>().is_err(), "{wrong}");
        }
    }
}
