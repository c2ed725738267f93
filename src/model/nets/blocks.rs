//! Layers one after another, as short text: `conv 32 k4 /2, linear 512, residual(linear 512, linear 512)`.

mod text;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::layers::convolution;

/// The layers of an encoder before its heads, or of a decoder. Where a decoder ends in values that are no map, the linear
/// layer that makes an image of them is not among its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks(Vec<Block>);

/// A part of them. A nonlinearity follows each layer, but for the last one of a residual block or of a decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A linear layer of so many outputs.
    Linear(usize),
    /// A linear layer whose outputs are a map of this height, width and number of channels.
    Map([usize; 3]),
    /// A convolution.
    Conv(Kernel),
    /// A transposed convolution, to a map of this height and width; without them to one of `stride` times as many rows and
    /// columns.
    Deconv(Kernel, Option<[usize; 2]>),
    /// x + f(x) of layers f (He et al. 2016), which give as many values as they take.
    Residual(Blocks),
}

/// What a convolution is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Channels of its output.
    pub channels: usize,
    /// Rows and columns of its kernel.
    pub size: usize,
    /// Pixels from one window to the next.
    pub stride: usize,
}

impl Block {
    /// Whether it takes a map rather than values.
    fn takes_map(&self) -> bool {
        match self {
            Self::Linear(_) | Self::Map(_) => false,
            Self::Conv(_) | Self::Deconv(..) => true,
            Self::Residual(inner) => inner.take_map(),
        }
    }

    /// The layer that gives these sizes.
    fn linear(sizes: &[usize]) -> Self {
        match *sizes {
            [height, width, channels] => Self::Map([height, width, channels]),
            _ => Self::Linear(sizes.iter().product()),
        }
    }

    /// Sizes of what it gives; 0 where its layers do not go together.
    fn gives(&self, takes: &[usize]) -> Vec<usize> {
        let map = |f: &dyn Fn(usize) -> usize, channels| match *takes {
            [height, width, _] => vec![f(height), f(width), channels],
            _ => vec![0, 0, channels],
        };
        match self {
            Self::Linear(outputs) => vec![*outputs],
            Self::Map(sizes) => sizes.to_vec(),
            Self::Conv(kernel) => {
                let size = |size| convolution::size(size, kernel.size, kernel.stride);
                map(&|rows| size(rows).unwrap_or(0), kernel.channels)
            }
            Self::Deconv(kernel, Some([height, width])) => vec![*height, *width, kernel.channels],
            Self::Deconv(kernel, None) => {
                map(&|rows| rows.saturating_mul(kernel.stride), kernel.channels)
            }
            Self::Residual(_) => takes.to_vec(),
        }
    }

    /// What goes the way back, to what it takes.
    fn reversed(&self, takes: &[usize]) -> Self {
        let of = |kernel: &Kernel| Kernel {
            channels: takes.last().copied().unwrap_or(0),
            ..*kernel
        };
        match self {
            Self::Linear(_) | Self::Map(_) => Self::linear(takes),
            // As many rows and columns as before.
            Self::Conv(kernel) if kernel.stride == 1 && kernel.size % 2 == 1 => {
                Self::Conv(of(kernel))
            }
            Self::Conv(kernel) => {
                let back = Self::Deconv(of(kernel), None);
                let is_size = back.gives(&self.gives(takes)) == takes;
                match *takes {
                    [height, width, _] if !is_size => {
                        Self::Deconv(of(kernel), Some([height, width]))
                    }
                    _ => back,
                }
            }
            Self::Deconv(kernel, _) => Self::Conv(of(kernel)),
            Self::Residual(inner) => Self::Residual(Blocks(inner.reversed(takes).0)),
        }
    }
}

impl Blocks {
    /// These, one after another.
    pub fn new(blocks: Vec<Block>) -> Self {
        Self(blocks)
    }

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

    /// Whether the first layer takes a map rather than values.
    pub fn take_map(&self) -> bool {
        self.0.first().is_some_and(Block::takes_map)
    }

    /// Whether what they give is a map, as far as the last layer says it.
    pub fn give_map(&self) -> bool {
        match self.0.last() {
            Some(Block::Linear(_)) | None => false,
            Some(Block::Map(_) | Block::Conv(_) | Block::Deconv(..)) => true,
            Some(Block::Residual(inner)) => inner.give_map(),
        }
    }

    /// Outputs of each layer, where all are linear ones.
    pub fn widths(&self) -> Option<Vec<usize>> {
        let width = |block: &Block| match block {
            Block::Linear(outputs) => Some(*outputs),
            _ => None,
        };
        self.iter().map(width).collect()
    }

    /// All sizes that layers are told, those within residual blocks too.
    pub fn sizes(&self) -> Vec<usize> {
        let of = |block: &Block| match block {
            Block::Linear(outputs) => vec![*outputs],
            Block::Map(sizes) => {
                let all = sizes
                    .iter()
                    .fold(1, |all: usize, &size| all.saturating_mul(size));
                vec![all]
            }
            Block::Conv(kernel) => kernel.sizes().to_vec(),
            Block::Deconv(kernel, size) => {
                let own = size.unwrap_or([1; 2]);
                [&kernel.sizes()[..], &own].concat()
            }
            Block::Residual(inner) => inner.sizes(),
        };
        self.iter().flat_map(of).collect()
    }

    /// The same layers, of which linear ones have `outputs` outputs each.
    #[must_use]
    pub fn of_width(&self, outputs: usize) -> Self {
        let of = |block: &Block| match block {
            Block::Linear(_) => Block::Linear(outputs),
            Block::Residual(inner) => Block::Residual(inner.of_width(outputs)),
            other => other.clone(),
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

    /// The decoder that goes the way of this encoder of images of these sizes back: its layers in reverse, each to what
    /// that one takes.
    #[must_use]
    pub fn mirrored(&self, image: &[usize]) -> Self {
        let takes = match self.take_map() {
            true => image.to_vec(),
            false => vec![image.iter().product()],
        };
        let (mut back, gives) = self.reversed(&takes);
        if let Some(Block::Linear(_) | Block::Map(_)) = self.0.first() {
            back.pop();
        }
        // From the code to what the encoder's last layer gives.
        back.insert(0, Block::linear(&gives));
        Self(back)
    }

    /// The layers that go the way back to these sizes, and the sizes that they begin with.
    fn reversed(&self, takes: &[usize]) -> (Vec<Block>, Vec<usize>) {
        let (mut back, mut sizes) = (Vec::new(), takes.to_vec());
        for block in self.iter() {
            back.push(block.reversed(&sizes));
            sizes = block.gives(&sizes);
        }
        back.reverse();
        (back, sizes)
    }
}

impl Kernel {
    fn sizes(&self) -> [usize; 3] {
        [self.channels, self.size, self.stride]
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
            assert_eq!(blocks(encoder).mirrored(&[30]).to_string(), decoder);
        }
    }

    #[test]
    fn a_mirror_of_convolutions_gives_the_size_back() {
        for (image, encoder, decoder) in [
            (
                [28, 28, 1],
                "conv 32 k4 /2, conv 64 k4 /2, linear 256",
                "linear 256, linear 7x7x64, deconv 32 k4 *2, deconv 1 k4 *2",
            ),
            // Odd sizes, and height beside width.
            (
                [7, 12, 3],
                "conv 8 k3 /2, conv 8 k3, conv 16 k3 /2",
                "linear 2x3x16, deconv 8 k3 *2, conv 8 k3, deconv 3 k3 *2 to 7x12",
            ),
            (
                [8, 8, 3],
                "conv 4 k3, residual(conv 6 k3, conv 4 k1), conv 5 k4",
                "linear 7x7x5, deconv 4 k4 *1 to 8x8, residual(conv 6 k1, conv 4 k3), conv 3 k3",
            ),
            ([4, 4, 3], "linear 9", "linear 9"),
        ] {
            assert_eq!(blocks(encoder).mirrored(&image).to_string(), decoder);
        }
    }
}
