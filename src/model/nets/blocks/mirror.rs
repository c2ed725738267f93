//! The decoder of an encoder that has none of its own: its layers in reverse.

use super::{Block, Blocks, Kernel, greatest_divisor};

/// A layer that goes the way back of another, to what that takes, with what belongs to it.
struct Back {
    layer: Block,
    gives: Vec<usize>,
    own: Vec<Block>,
}

impl Block {
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
            Self::Up(..) => Self::Conv(of(&Kernel {
                channels: 0,
                size: 3,
                stride: 2,
            })),
            Self::Norm(_) | Self::Activation(_) => self.clone(),
            Self::Residual(inner) => Self::Residual(inner.reversed(takes)),
        }
    }

    /// What belongs to a layer as it can belong to another, which gives these sizes: a norm has no more groups than share
    /// the channels out, and values have none.
    fn fitting(&self, sizes: &[usize]) -> Option<Self> {
        match (self, sizes) {
            (Self::Norm(groups), &[.., channels]) if sizes.len() == 3 => {
                Some(Self::Norm(greatest_divisor(*groups, channels)))
            }
            (Self::Norm(_), _) => None,
            (other, _) => Some(other.clone()),
        }
    }
}

impl Blocks {
    /// The decoder that goes the way of this encoder of images of these sizes back: its layers in reverse, each to what
    /// that one takes. What belongs to a layer comes behind the layer that goes its way back, but for the last of all.
    /// From a code that is a map a convolution leads to the map that the encoder ends in, and from others a linear layer.
    #[must_use]
    pub fn mirrored(&self, image: &[usize], of_map: bool) -> Self {
        let takes = match self.take_map() {
            true => image.to_vec(),
            false => vec![image.iter().product()],
        };
        let layers = self.iter().skip_while(|block| block.belongs());
        let (mut back, gives) = back(layers, &takes, false);
        match self.iter().find(|block| !block.belongs()) {
            // The one that gives the values of an image is not among a decoder's own.
            Some(Block::Linear(_) | Block::Map(_)) => {
                let last = back.pop();
                let before = back
                    .last()
                    .map_or(Block::linear(&gives), |back| back.layer.clone());
                // Unless a map that is no image stands before it.
                if let (Some(last), Some(true), &[height, width, channels]) =
                    (last, before.gives_map(), image)
                {
                    back.push(Back {
                        layer: Block::Map([height, width, channels]),
                        own: Vec::new(),
                        ..last
                    });
                }
            }
            _ => {
                if let Some(last) = back.last_mut() {
                    last.own.clear();
                }
            }
        }
        // From the code to what the encoder's last layer gives.
        let first = match *gives {
            [_, _, channels] if of_map => Block::Conv(Kernel {
                channels,
                size: 3,
                stride: 1,
            }),
            _ => Block::linear(&gives),
        };
        let first = std::iter::once(first);
        let rest = back
            .into_iter()
            .flat_map(|Back { layer, own, .. }| std::iter::once(layer).chain(own));
        Self(first.chain(rest).collect())
    }

    /// The layers of a residual block in reverse, in the same form: one that begins with a norm has norms before its layers.
    fn reversed(&self, takes: &[usize]) -> Self {
        let before = self.0.first().is_some_and(Block::belongs);
        let (back, _) = back(self.iter(), takes, before);
        let mut all = Vec::new();
        for Back { layer, own, .. } in back {
            let behind = if before { 0 } else { own.len() };
            let (first, last) = own.split_at(own.len() - behind);
            all.extend_from_slice(first);
            all.push(layer);
            all.extend_from_slice(last);
        }
        if before {
            let layers = self.0.iter().rposition(|block| !block.belongs());
            let rest = &self.0[layers.map_or(0, |last| last + 1)..];
            all.extend(rest.iter().filter_map(|block| block.fitting(takes)));
        }
        Self(all)
    }
}

/// The layers that go the way of some back to what the first takes, and what the last gives. What belongs to a layer lies
/// before it, or behind it.
fn back<'a>(
    blocks: impl Iterator<Item = &'a Block>,
    takes: &[usize],
    before: bool,
) -> (Vec<Back>, Vec<usize>) {
    let (mut all, mut sizes) = (Vec::<Back>::new(), takes.to_vec());
    let mut waiting = Vec::new();
    for block in blocks {
        if block.belongs() {
            match all.last_mut() {
                Some(Back { gives, own, .. }) if !before => own.extend(block.fitting(gives)),
                _ => waiting.push(block),
            }
            continue;
        }
        let gives = block.gives(&sizes);
        let fitting = |own: &Block| own.fitting(&gives);
        all.push(Back {
            layer: block.reversed(&sizes),
            own: waiting.drain(..).filter_map(fitting).collect(),
            gives: sizes,
        });
        sizes = gives;
    }
    all.reverse();
    (all, sizes)
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
            assert_eq!(blocks(encoder).mirrored(&[30], false).to_string(), decoder);
        }
    }

    #[test]
    fn norms_and_activations_come_back_behind_the_layer_they_belong_to() {
        for (image, encoder, decoder) in [
            // Behind the last layer there is none; groups that do not fit become fewer.
            (
                [28, 28, 1],
                "conv 32 k4 /2, norm 8, conv 64 k4 /2, norm 8, tanh, linear 256",
                "linear 256, linear 7x7x64, deconv 32 k4 *2, norm 8, tanh, deconv 1 k4 *2",
            ),
            (
                [8, 8, 3],
                "norm 3, conv 20 k3, relu, conv 64 k4 /2, norm 8",
                "linear 4x4x64, deconv 20 k4 *2, norm 4, conv 3 k3",
            ),
            // Within a residual block they stay where they are: before a layer, or behind it.
            (
                [8, 8, 3],
                "conv 12 k3, residual(norm 4, conv 18 k3, norm 9, conv 12 k1), norm 6, conv 8 k4 /2",
                "linear 4x4x8, deconv 12 k4 *2, residual(norm 3, conv 18 k1, norm 2, conv 12 k3), norm 6, conv 3 k3",
            ),
            (
                [8, 8, 4],
                "residual(conv 6 k3, norm 3, silu, conv 4 k3, norm 2), conv 8 k4 /2",
                "linear 4x4x8, deconv 4 k4 *2, residual(conv 6 k3, norm 2, conv 4 k3, norm 1, silu)",
            ),
            // What belongs to a map belongs to no values.
            (
                [4, 4, 3],
                "linear 30, leaky-relu, linear 2x2x8, norm 4, conv 8 k2 /2",
                "linear 1x1x8, deconv 8 k2 *2, linear 30",
            ),
        ] {
            assert_eq!(blocks(encoder).mirrored(&image, false).to_string(), decoder);
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
            // Doubled maps, with the last row left out.
            (
                [5, 6, 3],
                "up 4 to 9x12, norm 2, conv 6 k3",
                "linear 9x12x6, conv 4 k3, conv 3 k3 /2",
            ),
            ([4, 4, 3], "linear 9", "linear 9"),
            // A map that is made of values, by a layer whose way back makes an image of a map.
            (
                [6, 5, 3],
                "linear 4x4x8, norm 2, conv 8 k3 /2",
                "linear 2x2x8, deconv 8 k3 *2, linear 6x5x3",
            ),
        ] {
            assert_eq!(blocks(encoder).mirrored(&image, false).to_string(), decoder);
        }
    }
}
