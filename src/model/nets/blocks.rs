//! Layers one after another, as short text: `conv 32 k4 /2, linear 512, residual(linear 512, linear 512)`.

mod mirror;
mod text;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::layers::{Activation, convolution};

/// The layers of an encoder before its heads, or of a decoder. Where a decoder ends in values that are no map, the linear
/// layer that makes an image of them is not among its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks(Vec<Block>);

/// A part of them. The model's activation follows each layer and each norm, but for those that a norm or an activation of
/// their own follows, and the last of a residual block or of a decoder that ends in a map.
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
    /// Twice as many rows and columns, then a convolution of 3×3 to so many channels; to a map of this height and width, a
    /// row or column less.
    Up(usize, Option<[usize; 2]>),
    /// A group norm (Wu and He 2018) of so many groups of the channels.
    Norm(usize),
    /// A nonlinearity.
    Activation(Activation),
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
    /// Whether it belongs to a layer, rather than being one.
    pub(super) fn belongs(&self) -> bool {
        matches!(self, Self::Norm(_) | Self::Activation(_))
    }

    /// Whether it takes a map rather than values; `None` where it takes either.
    fn takes_map(&self) -> Option<bool> {
        match self {
            Self::Linear(_) | Self::Map(_) => Some(false),
            Self::Conv(_) | Self::Deconv(..) | Self::Up(..) | Self::Norm(_) => Some(true),
            Self::Activation(_) => None,
            Self::Residual(inner) => inner.iter().find_map(Self::takes_map),
        }
    }

    /// Whether it gives a map; `None` where it gives what it takes.
    fn gives_map(&self) -> Option<bool> {
        match self {
            Self::Linear(_) => Some(false),
            Self::Map(_) | Self::Conv(_) | Self::Deconv(..) | Self::Up(..) | Self::Norm(_) => {
                Some(true)
            }
            Self::Activation(_) => None,
            Self::Residual(inner) => inner.iter().rev().find_map(Self::gives_map),
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
            Self::Up(channels, Some([height, width])) => vec![*height, *width, *channels],
            Self::Up(channels, None) => map(&|rows| rows.saturating_mul(2), *channels),
            Self::Norm(_) | Self::Activation(_) | Self::Residual(_) => takes.to_vec(),
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
        self.iter().find_map(Block::takes_map).unwrap_or(false)
    }

    /// Whether what they give is a map, as far as the layers say it.
    pub fn give_map(&self) -> bool {
        let last = self.iter().rev().find_map(Block::gives_map);
        last.unwrap_or(false)
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
            Block::Up(channels, size) => [&[*channels], &size.unwrap_or([1; 2])[..]].concat(),
            Block::Norm(groups) => vec![*groups],
            Block::Activation(_) => Vec::new(),
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
}

/// The greatest divisor of both.
pub(super) fn greatest_divisor(a: usize, b: usize) -> usize {
    match b {
        0 => a.max(1),
        _ => greatest_divisor(b, a % b),
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
