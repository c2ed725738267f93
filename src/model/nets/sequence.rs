//! Encoder and decoder as blocks one after another.
//!
//! Where all blocks are linear layers, L of them in the encoder: `fc1` … `fcL`; heads `fc(L+1)1` (mu) and `fc(L+1)2`
//! (logvar), or the code `fc(L+1)` of an autoencoder; then those of the decoder. For the reference model that is
//! `fc1 fc21 fc22 fc3 fc4`, as in PyTorch's example. Other models have the names that nested `nn.Sequential`s give:
//! `encoder.0`, within a residual block `encoder.2.0`, `mu`, `decoder.0`. There a map is flattened before a linear layer
//! and unflattened behind one, which takes a place too. The heads are one layer side by side.
//!
//! A class, as a value for each that there are, of which its own is 1, is joined to what the encoder's and the decoder's first
//! layers take: a linear layer of it adds a learned embedding then. To a map it is joined as one more channel, which a linear
//! layer makes of it.

#[cfg(test)]
mod tests;

use std::fmt;

use super::Net;
use super::blocks::{Block, Blocks, Kernel};
use crate::graph::{Attrs, Graph, Layer, Value};
use crate::layers::{
    activation, add, convolution, fsq, group_norm, join, linear, reshape, transposed_convolution,
    up,
};
use crate::model::ModelSpec;
use crate::shape::ImageShape;

pub(super) fn build(spec: &ModelSpec) -> Result<Net, Mismatch> {
    let decoder = spec.decoder_blocks();
    let is_chain = spec.encoder.widths().and(decoder.widths()).is_some();
    let mut sequence = Sequence {
        spec,
        graph: Graph::default(),
        number: is_chain.then_some(1),
        trail: Trail::default(),
        is_of_code: false,
    };
    let ends = sequence.ends(&decoder);
    ends.map_err(|reason| Mismatch {
        reason,
        hint: match sequence.trail.parts {
            _ if sequence.is_of_code => LATENT_HINT,
            2 if spec.decoder.is_none() => MIRROR_HINT,
            _ => LAYERS_HINT,
        },
        trail: sequence.trail,
    })
}

/// What helps where layers do not go together.
pub(super) const LAYERS_HINT: &str = "layers each of which takes what the one before gives; a residual block gives as many values as it takes";

/// What helps where they are those of a decoder that nobody wrote.
const MIRROR_HINT: &str =
    "`decoder = …`, as the encoder's layers in reverse do not lead back to an image";

/// What helps where the encoder does not end in a map of the code's size.
const LATENT_HINT: &str = "`latent = …` of as many rows and columns as the encoder's map has, with a network of convolutions (`net = conv`, no \
     `hidden = …`); or a number of values, `latent = 20`";

/// A graph in the making.
struct Sequence<'a> {
    spec: &'a ModelSpec,
    graph: Graph,
    /// The number of the next linear layer, where they are numbered.
    number: Option<usize>,
    /// The layers so far, as they were written.
    trail: Trail,
    /// Whether it is the sizes of the code that do not fit.
    is_of_code: bool,
}

impl Sequence<'_> {
    /// The whole model.
    fn ends(&mut self, decoder: &Blocks) -> Result<Net, String> {
        let spec = self.spec;
        let sizes = spec.image.sizes();
        let image = self.graph.input("image", &sizes);
        let mut x = image;
        self.trail.part("encoder");
        // Before the images are there, layers of values do not say how many these are.
        if spec.image != ImageShape::UNKNOWN {
            self.trail.passed("image", &sizes);
        }
        if sizes.len() > 1 && !spec.encoder.take_map() {
            x = self.reshape("flatten", &[spec.image.values()], x)?;
        }
        let (x, of_image) = self.told("encoder", x)?;
        let (x, _) = self.blocks(&spec.encoder, "encoder", x, false)?;
        let (posterior, heads) = self.heads(x)?;
        let sizes_of_code = spec.latent.sizes();
        let code = self.graph.input("code", &sizes_of_code);
        self.trail.part(match spec.decoder {
            Some(_) => "decoder",
            None => "decoder, the encoder's layers in reverse",
        });
        self.trail.passed("code", &sizes_of_code);
        let (x, of_code) = self.told("decoder", code)?;
        let (x, place) = self.blocks(decoder, "decoder", x, decoder.give_map())?;
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
            heads,
            code,
            classes: of_image.zip(of_code),
            output,
            mean: output,
            log_sigma: None,
        })
    }

    /// A value, and beside it the class where the model is told one, which comes from elsewhere.
    fn told(&mut self, within: &str, x: Value) -> Result<(Value, Option<Value>), String> {
        let Some(condition) = &self.spec.condition else {
            return Ok((x, None));
        };
        let name = format!("class for the {within}");
        let class = self.graph.input(&name, &[condition.count()]);
        let beside = match *self.graph.info(x).dims {
            [height, width, _] => {
                let name = match within {
                    "encoder" => "class_map",
                    _ => "code_class_map",
                };
                self.linear(&[name.to_owned()], &[height, width, 1], class)?
            }
            _ => class,
        };
        let joined = self.node(
            &join::LAYER,
            Attrs::default(),
            format!("{within} class"),
            &[x, beside],
        )?;
        self.trail.passed("class", &self.graph.info(joined).dims);
        Ok((joined, Some(class)))
    }

    /// A map that the decoder ends in, where it is an image.
    fn image_of(&mut self, x: Value) -> Result<Value, String> {
        let (found, image) = (&self.graph.info(x).dims, self.spec.image.sizes());
        if *found == image {
            return Ok(x);
        }
        let wanted = times(&image);
        self.trail.failed(&format!("image of {wanted}"));
        let ends = format!(
            "the decoder ends in a map of {}, and an image is {wanted}",
            times(found)
        );
        Err(match (&**found, &*image) {
            (&[height, width, _], &[to_height, to_width, channels])
                if [height, width] == [to_height, to_width] =>
            {
                format!("{ends}; its last layer may be `conv {channels} k3`")
            }
            (_, &[height, width, _]) => {
                format!("{ends}; `deconv` and `up` take a size to end in, `to {height}x{width}`")
            }
            _ => ends,
        })
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

    /// Blocks one after another, from x on: what they give, and how many places they take. With `plain` no activation
    /// follows the last one.
    fn blocks(
        &mut self,
        blocks: &Blocks,
        within: &str,
        mut x: Value,
        plain: bool,
    ) -> Result<(Value, usize), String> {
        let mut place = 0;
        let mut rest = blocks.iter().peekable();
        while let Some(block) = rest.next() {
            // PyTorch flattens a map before a linear layer, and unflattens what becomes one.
            let is_map = self.graph.info(x).dims.len() == 3;
            place += usize::from(is_map && matches!(block, Block::Linear(_) | Block::Map(_)));
            let name = self.name(within, place);
            x = self.traced(block, &name, x)?;
            place += 1;
            let has_activation = match (block, rest.peek()) {
                (Block::Activation(_) | Block::Residual(_), _) => false,
                (_, Some(next)) => !matches!(next, Block::Norm(_) | Block::Activation(_)),
                (_, None) => !plain,
            };
            if has_activation {
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

    /// A layer without its activation, and what is said of it.
    fn traced(&mut self, block: &Block, name: &str, x: Value) -> Result<Value, String> {
        let text = match block {
            // What is before its bracket has been told of by then.
            Block::Residual(_) => ")".to_owned(),
            other => other.to_string(),
        };
        match self.layer(block, name, x) {
            Ok(made) => {
                self.trail.passed(&text, &self.graph.info(made).dims);
                Ok(made)
            }
            Err(reason) => {
                self.trail.failed(&text);
                // Names of layers count what nobody wrote, such as activations.
                let own = reason.strip_prefix(&format!("{name}: "));
                Err(own.map_or(reason.clone(), |own| format!("{text}: {own}")))
            }
        }
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
                let to = to.unwrap_or_else(|| self.enlarged(x, kernel.stride));
                let Kernel {
                    channels,
                    size,
                    stride,
                } = *kernel;
                let attrs = transposed_convolution::attrs(channels, size, stride, to);
                self.node(&transposed_convolution::LAYER, attrs, name, &[x])
            }
            Block::Up(channels, to) => {
                let to = to.unwrap_or_else(|| self.enlarged(x, 2));
                self.node(&up::LAYER, up::attrs(*channels, to), name, &[x])
            }
            Block::Norm(groups) => {
                self.node(&group_norm::LAYER, group_norm::attrs(*groups), name, &[x])
            }
            Block::Activation(function) => {
                self.node(&activation::LAYER, function.attrs(), name, &[x])
            }
            Block::Residual(inner) => self.residual(inner, &name, x),
        }
    }

    /// So many times as many rows and columns as a map has; none of values, which a layer that needs a map refuses.
    fn enlarged(&self, x: Value, times: usize) -> [usize; 2] {
        match *self.graph.info(x).dims {
            [height, width, _] => [height, width].map(|size| size.saturating_mul(times)),
            _ => [0; 2],
        }
    }

    fn residual(&mut self, inner: &Blocks, name: &str, x: Value) -> Result<Value, String> {
        self.trail.open("residual(");
        let (y, _) = self.blocks(inner, name, x, true)?;
        self.trail.close();
        let [takes, gives] = [x, y].map(|value| &self.graph.info(value).dims);
        if takes != gives {
            return Err(format!(
                "residual({inner}) takes {} and gives {}",
                times(takes),
                times(gives)
            ));
        }
        // The block begins as the identity (Goyal et al. 2017): deep networks learn faster at first.
        self.graph.start_at_zero(y);
        self.node(&add::LAYER, Attrs::default(), name.to_owned(), &[y, x])
    }

    /// What the encoder gives for the latent code, and the values that it is side by side.
    fn heads(&mut self, x: Value) -> Result<(Value, Vec<Value>), String> {
        if let Some(sizes) = self.spec.latent.map() {
            return self.heads_of_map(x, sizes);
        }
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
        let all = self.linear(&names, &[heads.len() * self.spec.latent.values()], x)?;
        let all = self.quantized(all)?;
        Ok((all, vec![all]))
    }

    /// A code as it is decoded, with its channels rounded to levels where it has some.
    fn quantized(&mut self, code: Value) -> Result<Value, String> {
        let Some(levels) = &self.spec.levels else {
            return Ok(code);
        };
        let attrs = fsq::attrs(levels.of_channels(), true);
        self.node(&fsq::LAYER, attrs, "quantized".to_owned(), &[code])
    }

    /// The same of a map: a convolution of single pixels for each head, whose values then lie side by side as those of a
    /// linear layer do.
    fn heads_of_map(
        &mut self,
        x: Value,
        [height, width, channels]: [usize; 3],
    ) -> Result<(Value, Vec<Value>), String> {
        let found = self.graph.info(x).dims.clone();
        if found.len() != 3 || found[..2] != [height, width] {
            let latent = self.spec.latent;
            self.is_of_code = true;
            self.trail.failed(&format!("latent {latent}"));
            return Err(format!(
                "the encoder ends in {}, and `latent = {latent}` is a map of {height}×{width} pixels",
                match *found {
                    [values] => format!("{values} values"),
                    _ => format!("a map of {}", times(&found)),
                }
            ));
        }
        let (mut heads, mut flat) = (Vec::new(), Vec::new());
        for head in self.spec.kind.latent().heads {
            let attrs = convolution::attrs(channels, 1, 1);
            let own = self.node(&convolution::LAYER, attrs, head.name.to_owned(), &[x])?;
            let own = self.quantized(own)?;
            let name = format!("{} side by side", head.name);
            flat.push(self.reshape(&name, &[height * width * channels], own)?);
            heads.push(own);
        }
        let all = match *flat {
            [one] => one,
            _ => self.node(&join::LAYER, Attrs::default(), "heads".to_owned(), &flat)?,
        };
        Ok((all, heads))
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

/// Why layers do not go together, with what led there.
#[derive(Debug)]
pub(super) struct Mismatch {
    pub(super) reason: String,
    /// What would help.
    pub(super) hint: &'static str,
    pub(super) trail: Trail,
}

/// Layers as they were written, a line for each with the size of what it gives, as far as they go together.
#[derive(Debug, Default)]
pub(super) struct Trail {
    lines: Vec<String>,
    parts: usize,
    depth: usize,
    is_at_fault: bool,
}

impl Trail {
    /// A heading.
    fn part(&mut self, name: &str) {
        self.lines.push(format!("  {name}"));
        self.parts += 1;
    }

    fn line(&mut self, text: &str) {
        let indent = "  ".repeat(self.depth + 2);
        self.lines.push(format!("{indent}{text}"));
    }

    fn open(&mut self, text: &str) {
        self.line(text);
        self.depth += 1;
    }

    fn close(&mut self) {
        self.depth -= 1;
    }

    fn passed(&mut self, text: &str, sizes: &[usize]) {
        self.line(&format!("{text}: {}", times(sizes)));
    }

    /// The layer at fault: the innermost one, which is told of first.
    fn failed(&mut self, text: &str) {
        if !self.is_at_fault {
            self.line(&format!("{text}: <-- here"));
            self.is_at_fault = true;
        }
    }
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

/// Sizes as a text: 7×7×64.
fn times(sizes: &[usize]) -> String {
    let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
    sizes.join("×")
}
