//! Encoder and decoder as blocks one after another.
//!
//! Where all blocks are linear layers, L of them in the encoder: `fc1` … `fcL`; heads `fc(L+1)1` (mu) and `fc(L+1)2`
//! (logvar), or the code `fc(L+1)` of an autoencoder; then those of the decoder. For the reference model that is
//! `fc1 fc21 fc22 fc3 fc4`, as in PyTorch's example. Other models have the names that nested `nn.Sequential`s give:
//! `encoder.0`, within a residual block `encoder.2.0`, `mu`, `decoder.0`. There a map is flattened before a linear layer
//! and unflattened behind one, which takes a place too. The heads are one layer side by side.

use super::Net;
use super::blocks::{Block, Blocks, Kernel};
use crate::graph::{Attrs, Graph, Layer, Value};
use crate::layers::{activation, add, convolution, linear, reshape, transposed_convolution};
use crate::model::ModelSpec;
use crate::shape::ImageShape;

pub(super) fn build(spec: &ModelSpec) -> Result<Net, String> {
    let decoder = spec.decoder_blocks();
    let is_chain = spec.encoder.widths().and(decoder.widths()).is_some();
    let mut sequence = Sequence {
        spec,
        graph: Graph::default(),
        number: is_chain.then_some(1),
    };
    let ends = sequence.ends(&decoder);
    ends.map_err(|reason| sequence.so_far(&reason))
}

/// A graph in the making.
struct Sequence<'a> {
    spec: &'a ModelSpec,
    graph: Graph,
    /// The number of the next linear layer, where they are numbered.
    number: Option<usize>,
}

impl Sequence<'_> {
    /// The whole model.
    fn ends(&mut self, decoder: &Blocks) -> Result<Net, String> {
        let spec = self.spec;
        let sizes = spec.image.sizes();
        let image = self.graph.input("image", &sizes);
        let mut x = image;
        if sizes.len() > 1 && !spec.encoder.take_map() {
            x = self.reshape("flatten", &[spec.image.values()], x)?;
        }
        let (x, _) = self.blocks(&spec.encoder, "encoder", x, false)?;
        let posterior = self.heads(x)?;
        let code = self.graph.input("code", &[spec.latent]);
        let (x, place) = self.blocks(decoder, "decoder", code, decoder.give_map())?;
        let output = match self.graph.info(x).dims.len() {
            3 => self.image_of(x)?,
            _ => {
                let name = self.name("decoder", place);
                let values = self.linear(&[name], &[spec.image.values()], x)?;
                match sizes.len() {
                    1 => values,
                    _ => self.reshape("unflatten", &sizes, values)?,
                }
            }
        };
        Ok(Net {
            graph: std::mem::take(&mut self.graph),
            image,
            posterior,
            code,
            output,
            mean: output,
            log_sigma: None,
        })
    }

    /// A map that the decoder ends in, where it is an image.
    fn image_of(&self, x: Value) -> Result<Value, String> {
        let (found, image) = (&self.graph.info(x).dims, self.spec.image.sizes());
        match *found == image {
            true => Ok(x),
            false => Err(format!(
                "the decoder ends in a map of {}, and an image is {}; its last layer may be `conv {} k3`",
                times(found),
                times(&image),
                self.spec.image.channels
            )),
        }
    }

    /// The sizes of all values so far, and what went wrong then.
    fn so_far(&self, reason: &str) -> String {
        let mut lines = vec![reason.to_owned()];
        let is_known = self.spec.image != ImageShape::UNKNOWN;
        for value in self.graph.values().iter().skip(usize::from(!is_known)) {
            let name = value.name.trim_end_matches(" output");
            lines.push(format!("  {name}: {}", times(&value.dims)));
        }
        lines.join("\n")
    }

    /// The name of a linear layer, at its place within others.
    fn name(&mut self, within: &str, place: usize) -> String {
        match &mut self.number {
            Some(number) => {
                *number += 1;
                format!("fc{}", *number - 1)
            }
            None => format!("{within}.{place}"),
        }
    }

    /// Blocks one after another, from x on: what they give, and how many places they take. With `plain` the last layer
    /// has no activation.
    fn blocks(
        &mut self,
        blocks: &Blocks,
        within: &str,
        mut x: Value,
        plain: bool,
    ) -> Result<(Value, usize), String> {
        let mut place = 0;
        for (i, block) in blocks.iter().enumerate() {
            let is_plain = plain && i + 1 == blocks.len();
            if let Block::Residual(inner) = block {
                x = self.residual(inner, &format!("{within}.{place}"), x)?;
                place += 1;
                continue;
            }
            // PyTorch flattens a map before a linear layer, and unflattens what becomes one.
            let is_map = self.graph.info(x).dims.len() == 3;
            place += usize::from(is_map && matches!(block, Block::Linear(_) | Block::Map(_)));
            let name = self.name(within, place);
            x = self.layer(block, &name, x)?;
            place += 1;
            if !is_plain {
                let after = match self.number {
                    Some(_) => format!("{name} activation"),
                    None => format!("{within}.{place}"),
                };
                let attrs = self.spec.activation.attrs();
                x = self.node(&activation::LAYER, attrs, after, &[x])?;
                place += 1;
            }
            place += usize::from(matches!(block, Block::Map(_)));
        }
        Ok((x, place))
    }

    /// A layer without its activation.
    fn layer(&mut self, block: &Block, name: &str, x: Value) -> Result<Value, String> {
        let name = name.to_owned();
        match block {
            Block::Linear(outputs) => self.linear(&[name], &[*outputs], x),
            Block::Map(sizes) => self.linear(&[name], sizes, x),
            Block::Conv(Kernel {
                channels,
                size,
                stride,
            }) => {
                let attrs = convolution::attrs(*channels, *size, *stride);
                self.node(&convolution::LAYER, attrs, name, &[x])
            }
            Block::Deconv(kernel, to) => {
                let to = match (to, &*self.graph.info(x).dims) {
                    (Some(to), _) => *to,
                    (None, &[height, width, _]) => {
                        [height, width].map(|size| size.saturating_mul(kernel.stride))
                    }
                    // It is refused for what it takes.
                    (None, _) => [0; 2],
                };
                let Kernel {
                    channels,
                    size,
                    stride,
                } = *kernel;
                let attrs = transposed_convolution::attrs(channels, size, stride, to);
                self.node(&transposed_convolution::LAYER, attrs, name, &[x])
            }
            Block::Residual(inner) => self.residual(inner, &name, x),
        }
    }

    fn residual(&mut self, inner: &Blocks, name: &str, x: Value) -> Result<Value, String> {
        let (y, _) = self.blocks(inner, name, x, true)?;
        let [takes, gives] = [x, y].map(|value| &self.graph.info(value).dims);
        if takes != gives {
            return Err(format!(
                "{name}: residual({inner}) takes {} and gives {}",
                times(takes),
                times(gives)
            ));
        }
        self.node(&add::LAYER, Attrs::default(), name.to_owned(), &[y, x])
    }

    /// What the encoder gives for the latent code.
    fn heads(&mut self, x: Value) -> Result<Value, String> {
        let heads = self.spec.kind.latent().heads;
        let own = |head: &crate::model::latents::Head| head.name.to_owned();
        let names: Vec<String> = match &mut self.number {
            None => heads.iter().map(own).collect(),
            Some(number) => {
                *number += 1;
                let number = *number - 1;
                match heads.len() {
                    1 => vec![format!("fc{number}")],
                    count => (1..=count).map(|i| format!("fc{number}{i}")).collect(),
                }
            }
        };
        self.linear(&names, &[heads.len() * self.spec.latent], x)
    }

    /// A linear layer, or several side by side.
    fn linear(&mut self, names: &[String], outputs: &[usize], x: Value) -> Result<Value, String> {
        let attrs = linear::attrs(outputs);
        self.graph.node(&linear::LAYER, attrs, names, &[x])
    }

    fn reshape(&mut self, name: &str, sizes: &[usize], x: Value) -> Result<Value, String> {
        let attrs = reshape::attrs(sizes);
        self.node(&reshape::LAYER, attrs, name.to_owned(), &[x])
    }

    fn node(
        &mut self,
        layer: &'static Layer,
        attrs: Attrs,
        name: String,
        inputs: &[Value],
    ) -> Result<Value, String> {
        self.graph.node(layer, attrs, &[name], inputs)
    }
}

/// Sizes as a text: 7×7×64.
fn times(sizes: &[usize]) -> String {
    let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
    sizes.join("×")
}
