//! Layers as text: how they are written and read.

use std::fmt;
use std::str::FromStr;

use super::{Block, Blocks, Kernel};
use crate::layers::Activation;

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
            Self::Map([height, width, channels]) => write!(f, "linear {height}x{width}x{channels}"),
            Self::Conv(Kernel {
                channels,
                size,
                stride,
            }) => {
                write!(f, "conv {channels} k{size}")?;
                match stride {
                    1 => Ok(()),
                    _ => write!(f, " /{stride}"),
                }
            }
            Self::Deconv(kernel, to) => {
                let Kernel {
                    channels,
                    size,
                    stride,
                } = kernel;
                write!(f, "deconv {channels} k{size} *{stride}{}", to_size(*to))
            }
            Self::Up(channels, to) => write!(f, "up {channels}{}", to_size(*to)),
            Self::Norm(groups) => write!(f, "norm {groups}"),
            Self::Activation(function) => f.write_str(&word(*function)),
            Self::Residual(inner) => write!(f, "residual({inner})"),
        }
    }
}

/// The size that a map is brought to, where it is given.
fn to_size(to: Option<[usize; 2]>) -> String {
    to.map_or(String::new(), |[height, width]| {
        format!(" to {height}x{width}")
    })
}

/// An activation in one word.
fn word(function: Activation) -> String {
    function.name().replace(' ', "-")
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

/// Rows of a kernel, and pixels from one window to the next.
const MOST_STEPS: usize = 1024;

const WORDS: &str = "`linear N`, `conv C kK /S`, `deconv C kK *S`, `up C`, `norm G`, an activation such as `relu`, or \
                     `residual(…)`";

impl<'a> Rest<'a> {
    /// What is left, without the space before it.
    fn at(&self) -> &'a str {
        self.rest.trim_start()
    }

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

    /// A number from 1 to `most`, right behind what was read.
    fn number(&mut self, most: usize, what: &str) -> Result<usize, String> {
        let at = self.at();
        match self.take(|c| c.is_ascii_digit()).parse() {
            Ok(number) if (1..=most).contains(&number) => Ok(number),
            _ => Err(self.expected(what, at)),
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
        let at = self.at();
        match self.take(|c| c.is_alphabetic() || c == '-') {
            "linear" => self.linear(),
            "conv" => {
                let what = "a number of channels, as in `conv 32 k3 /2`,";
                let channels = self.number(usize::MAX, what)?;
                Ok(Block::Conv(self.kernel(channels, "/")?))
            }
            "deconv" => {
                let what = "a number of channels, as in `deconv 32 k4 *2`,";
                let channels = self.number(usize::MAX, what)?;
                let kernel = self.kernel(channels, "*")?;
                let to = self.skip("to").then(|| self.size()).transpose()?;
                Ok(Block::Deconv(kernel, to))
            }
            "up" => {
                let what = "a number of channels, as in `up 32`,";
                let channels = self.number(usize::MAX, what)?;
                let to = self.skip("to").then(|| self.size()).transpose()?;
                Ok(Block::Up(channels, to))
            }
            "norm" => {
                let what = "a number of groups, as in `norm 8`,";
                Ok(Block::Norm(self.number(usize::MAX, what)?))
            }
            "residual" => {
                let at = self.at();
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
            other => {
                let known = Activation::ALL.into_iter();
                let found = known.map(Block::Activation).find(|known| match known {
                    Block::Activation(function) => word(*function) == other,
                    _ => false,
                });
                found.ok_or_else(|| self.expected(WORDS, at))
            }
        }
    }

    fn linear(&mut self) -> Result<Block, String> {
        const WHAT: &str = "a number of outputs, 1 or more, as in `linear 256`,";
        let first = self.number(usize::MAX, WHAT)?;
        if !self.skip("x") {
            return Ok(Block::Linear(first));
        }
        let width = self.number(usize::MAX, "a width, as in `linear 7x7x64`,")?;
        let at = self.at();
        if !self.skip("x") {
            return Err(self.expected("`x` and channels, as in `linear 7x7x64`,", at));
        }
        let channels = self.number(usize::MAX, "channels, as in `linear 7x7x64`,")?;
        Ok(Block::Map([first, width, channels]))
    }

    /// Size and stride behind a number of channels, the stride behind its sign.
    fn kernel(&mut self, channels: usize, sign: &str) -> Result<Kernel, String> {
        let mut kernel = Kernel {
            channels,
            size: 3,
            stride: 1,
        };
        let (mut has_size, mut has_stride) = (false, false);
        loop {
            let at = self.at();
            if has_size && at.starts_with('k') || has_stride && at.starts_with(sign) {
                return Err(self.expected("`,`, as a kernel has one size and one stride,", at));
            }
            if self.skip("k") {
                has_size = true;
                let what = format!("a size of the kernel, 1 to {MOST_STEPS}, as in `k3`,");
                kernel.size = self.number(MOST_STEPS, &what)?;
            } else if self.skip(sign) {
                has_stride = true;
                let what = format!("a stride, 1 to {MOST_STEPS}, as in `{sign}2`,");
                kernel.stride = self.number(MOST_STEPS, &what)?;
            } else {
                return Ok(kernel);
            }
        }
    }

    /// Height and width of a map.
    fn size(&mut self) -> Result<[usize; 2], String> {
        const WHAT: &str = "height and width, as in `to 7x7`,";
        let height = self.number(usize::MAX, WHAT)?;
        let at = self.at();
        if !self.skip("x") {
            return Err(self.expected(WHAT, at));
        }
        Ok([height, self.number(usize::MAX, WHAT)?])
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
            "conv 32 k4 /2, conv 64 k3, residual(conv 64 k3, conv 64 k1), linear 256",
            "linear 7x7x64, deconv 32 k4 *2, deconv 1 k3 *2 to 27x28",
            "conv 8 k3, norm 4, leaky-relu, residual(norm 8, conv 8 k3), linear 5, relu",
            "linear 7x7x8, up 8, up 4 to 27x28",
            "linear 9, tanh, linear 9, sigmoid, linear 9, silu, linear 9, gelu",
        ] {
            assert_eq!(blocks(text).to_string(), text);
        }
        let spaced = blocks(" linear  3 ,residual ( linear 3 ) ");
        assert_eq!(spaced.to_string(), "linear 3, residual(linear 3)");
        assert_eq!(blocks("conv 8").to_string(), "conv 8 k3");
        assert_eq!(blocks("conv 8/2 k5").to_string(), "conv 8 k5 /2");
        assert_eq!(
            blocks("deconv 8 *2 to 3 x 4").to_string(),
            "deconv 8 k3 *2 to 3x4"
        );
    }

    #[test]
    fn what_cannot_be_read_is_pointed_at() {
        for (text, place) in [
            ("", "`residual(…)` at its end"),
            (
                "linear",
                "a number of outputs, 1 or more, as in `linear 256`, at its end",
            ),
            ("linear 0", "at character 8: \"0\""),
            ("linear 99999999999999999999", "at character 8"),
            ("linear 5, konv 3", "at character 11: \"konv 3\""),
            ("linear 5 linear 6", "expected `,` at character 10"),
            ("linear 5,", "`residual(…)` at its end"),
            ("residual linear 5", "`(`"),
            ("residual(linear 5", "`,` or `)` at its end"),
            ("residual()", "at character 10: \")\""),
            ("conv", "a number of channels"),
            ("up k3", "as in `up 32`, at character 4"),
            ("up 8 *2", "expected `,` at character 6"),
            (
                "conv 8, norm",
                "a number of groups, as in `norm 8`, at its end",
            ),
            ("conv 8, norm 0", "as in `norm 8`, at character 14"),
            ("linear 5, leaky relu", "at character 11"),
            ("linear 5, relu 3", "expected `,` at character 16"),
            (
                "conv 8 k0",
                "a size of the kernel, 1 to 1024, as in `k3`, at character 9: \"0\"",
            ),
            (
                "conv 8 k3 /0",
                "a stride, 1 to 1024, as in `/2`, at character 12",
            ),
            ("conv 8 k3 *2", "expected `,` at character 11: \"*2\""),
            (
                "conv 8 k3 k5",
                "one size and one stride, at character 11: \"k5\"",
            ),
            ("deconv 8 *2 k4 *3", "one stride, at character 16: \"*3\""),
            ("linear 7x7", "channels, as in `linear 7x7x64`, at its end"),
            ("deconv 8 *2 to 7", "height and width"),
            ("linear 5)", "expected `,` at character 9: \")\""),
        ] {
            let error = text.parse::<Blocks>().expect_err(text);
            assert!(error.contains(place), "{text}: {error}");
        }
        let deep = "residual(".repeat(100_000);
        assert!(deep.parse::<Blocks>().is_err());
    }
}
