//! Layers one after another, as short text: `linear 512, residual(linear 512, linear 512)`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The layers of an encoder before its heads, or of a decoder before its last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks(Vec<Block>);

/// A part of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A linear layer of so many outputs. The nonlinearity follows, but for the last layer of a residual block.
    Linear(usize),
    /// x + f(x) of layers f (He et al. 2016), which give as many values as they take.
    Residual(Blocks),
}

impl Blocks {
    /// Its parts, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Block> {
        self.0.iter()
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Outputs of each layer, where all are linear ones.
    pub fn widths(&self) -> Option<Vec<usize>> {
        let width = |block: &Block| match block {
            Block::Linear(outputs) => Some(*outputs),
            Block::Residual(_) => None,
        };
        self.iter().map(width).collect()
    }

    /// Outputs of all linear layers, those within residual blocks too.
    pub fn outputs(&self) -> Vec<usize> {
        let of = |block: &Block| match block {
            Block::Linear(outputs) => vec![*outputs],
            Block::Residual(inner) => inner.outputs(),
        };
        self.iter().flat_map(of).collect()
    }

    /// The same layers with `outputs` outputs each.
    #[must_use]
    pub fn of_width(&self, outputs: usize) -> Self {
        let of = |block: &Block| match block {
            Block::Linear(_) => Block::Linear(outputs),
            Block::Residual(inner) => Block::Residual(inner.of_width(outputs)),
        };
        Self(self.iter().map(of).collect())
    }

    /// Each level of a multilayer perceptron with a residual block of two layers behind it.
    #[must_use]
    pub fn with_residuals(widths: &[usize]) -> Self {
        let level = |&width: &usize| {
            let block = Block::Residual([width, width].as_slice().into());
            [Block::Linear(width), block]
        };
        Self(widths.iter().flat_map(level).collect())
    }

    /// The decoder that goes the way of this encoder of `values` values back: its layers in reverse, each with as many
    /// outputs as that one has inputs. What makes values of an image of the last of them is not one of them.
    #[must_use]
    pub fn mirrored(&self, values: usize) -> Self {
        let mut widths = self.iter().filter_map(|block| match block {
            Block::Linear(outputs) => Some(*outputs),
            Block::Residual(_) => None,
        });
        // From the code to what the encoder's last layer gives.
        let first = Block::Linear(widths.next_back().unwrap_or(values));
        let mut back = self.reversed(values);
        if let Some(Block::Linear(_)) = self.0.first() {
            back.pop();
        }
        back.insert(0, first);
        Self(back)
    }

    /// The layers in reverse, from what they give to `inputs`.
    fn reversed(&self, mut inputs: usize) -> Vec<Block> {
        let mut back = Vec::new();
        for block in self.iter() {
            back.push(match block {
                Block::Linear(_) => Block::Linear(inputs),
                Block::Residual(inner) => Block::Residual(Self(inner.reversed(inputs))),
            });
            if let Block::Linear(outputs) = block {
                inputs = *outputs;
            }
        }
        back.reverse();
        back
    }
}

impl From<&[usize]> for Blocks {
    fn from(widths: &[usize]) -> Self {
        Self(widths.iter().copied().map(Block::Linear).collect())
    }
}

impl<const N: usize> From<[usize; N]> for Blocks {
    fn from(widths: [usize; N]) -> Self {
        widths.as_slice().into()
    }
}

impl fmt::Display for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, block) in self.iter().enumerate() {
            let between = if i > 0 { ", " } else { "" };
            write!(f, "{between}{block}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linear(outputs) => write!(f, "linear {outputs}"),
            Self::Residual(inner) => write!(f, "residual({inner})"),
        }
    }
}

/// What is left of a text that is read from the left.
struct Rest<'a> {
    whole: &'a str,
    rest: &'a str,
    /// Residual blocks that are open.
    depth: usize,
}

/// Residual blocks within each other.
const MOST_DEPTH: usize = 16;

impl<'a> Rest<'a> {
    fn skip(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        let found = self.rest.strip_prefix(token);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn take(&mut self, belongs: fn(char) -> bool) -> &'a str {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// An error that points at `at`, a part of the text from some place to its end.
    fn expected(&self, what: &str, at: &str) -> String {
        let before = &self.whole[..self.whole.len() - at.len()];
        let place = before.chars().count() + 1;
        match at.trim_start() {
            "" => format!("expected {what} at its end"),
            at => {
                let shown: String = at.chars().take(30).collect();
                format!("expected {what} at character {place}: {shown:?}")
            }
        }
    }

    fn blocks(&mut self) -> Result<Blocks, String> {
        let mut all = vec![self.block()?];
        while self.skip(",") {
            all.push(self.block()?);
        }
        Ok(Blocks(all))
    }

    fn block(&mut self) -> Result<Block, String> {
        let at = self.rest.trim_start();
        match self.take(|c| c.is_alphanumeric()) {
            "linear" => {
                let at = self.rest.trim_start();
                match self.take(|c| c.is_alphanumeric()).parse() {
                    Ok(outputs) if outputs > 0 => Ok(Block::Linear(outputs)),
                    _ => {
                        Err(self
                            .expected("a number of outputs, 1 or more, as in `linear 256`,", at))
                    }
                }
            }
            "residual" => {
                let at = self.rest.trim_start();
                if self.depth == MOST_DEPTH {
                    return Err(self.expected("no more residual blocks within each other", at));
                }
                if !self.skip("(") {
                    return Err(self.expected("`(`, as in `residual(linear 256, linear 256)`,", at));
                }
                self.depth += 1;
                let inner = self.blocks()?;
                let at = self.rest;
                if !self.skip(")") {
                    return Err(self.expected("`,` or `)`", at));
                }
                self.depth -= 1;
                Ok(Block::Residual(inner))
            }
            _ => Err(self.expected("`linear N` or `residual(…)`", at)),
        }
    }
}

impl FromStr for Blocks {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut rest = Rest {
            whole: text,
            rest: text,
            depth: 0,
        };
        let blocks = rest.blocks()?;
        match rest.rest.trim() {
            "" => Ok(blocks),
            _ => Err(rest.expected("`,`", rest.rest)),
        }
    }
}

impl Serialize for Blocks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Blocks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(text: &str) -> Blocks {
        text.parse().expect(text)
    }

    #[test]
    fn text_comes_back_as_it_was() {
        for text in [
            "linear 400",
            "linear 512, linear 256",
            "linear 8, residual(linear 5, linear 8), residual(residual(linear 8), linear 8)",
        ] {
            assert_eq!(blocks(text).to_string(), text);
        }
        let spaced = blocks(" linear  3 ,residual ( linear 3 ) ");
        assert_eq!(spaced.to_string(), "linear 3, residual(linear 3)");
    }

    #[test]
    fn what_cannot_be_read_is_pointed_at() {
        for (text, place) in [
            ("", "`linear N` or `residual(…)` at its end"),
            (
                "linear",
                "a number of outputs, 1 or more, as in `linear 256`, at its end",
            ),
            ("linear 0", "at character 8: \"0\""),
            ("linear 99999999999999999999", "at character 8"),
            ("linear 5, konv 3", "at character 11: \"konv 3\""),
            ("linear 5 linear 6", "expected `,` at character 10"),
            ("linear 5,", "`linear N` or `residual(…)` at its end"),
            ("residual linear 5", "`(`"),
            ("residual(linear 5", "`,` or `)` at its end"),
            ("residual()", "at character 10: \")\""),
            ("linear 5)", "expected `,` at character 9: \")\""),
        ] {
            let error = text.parse::<Blocks>().expect_err(text);
            assert!(error.contains(place), "{text}: {error}");
        }
        let deep = "residual(".repeat(100_000);
        assert!(deep.parse::<Blocks>().is_err());
    }

    #[test]
    fn a_mirror_goes_the_way_back() {
        for (encoder, decoder) in [
            ("linear 400", "linear 400"),
            ("linear 512, linear 256", "linear 256, linear 512"),
            (
                "linear 9, residual(linear 4, linear 9), linear 7",
                "linear 7, linear 9, residual(linear 4, linear 9)",
            ),
            (
                "linear 9, residual(linear 4, residual(linear 5, linear 4), linear 9)",
                "linear 9, residual(linear 4, residual(linear 5, linear 4), linear 9)",
            ),
            (
                "residual(linear 6, linear 30), linear 7",
                "linear 7, linear 30, residual(linear 6, linear 30)",
            ),
        ] {
            assert_eq!(blocks(encoder).mirrored(30).to_string(), decoder);
        }
    }
}
