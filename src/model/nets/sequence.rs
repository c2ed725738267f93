//! Encoder and decoder as blocks one after another.
//!
//! Where all blocks are linear layers, L of them in the encoder: `fc1` … `fcL`; heads `fc(L+1)1` (mu) and `fc(L+1)2`
//! (logvar), or the code `fc(L+1)` of an autoencoder; then those of the decoder. For the reference model that is
//! `fc1 fc21 fc22 fc3 fc4`, as in PyTorch's example. Other models have the names that nested `nn.Sequential`s give:
//! `encoder.0`, within a residual block `encoder.2.0`, `mu`, `decoder.0`. The heads are one layer side by side.

use super::Net;
use super::blocks::{Block, Blocks};
use crate::graph::{Attrs, Graph, Value};
use crate::layers::{activation, add, linear, reshape};
use crate::model::ModelSpec;

pub(super) fn build(spec: &ModelSpec) -> Result<Net, String> {
    let decoder = spec.decoder_blocks();
    let is_chain = spec.encoder.widths().and(decoder.widths()).is_some();
    let mut sequence = Sequence {
        spec,
        graph: Graph::default(),
        number: is_chain.then_some(1),
    };
    let sizes = spec.image.sizes();
    let image = sequence.graph.input("image", &sizes);
    let mut x = image;
    if sizes.len() > 1 {
        x = sequence.reshape("flatten", &[spec.image.values()], x)?;
    }
    let (x, _) = sequence.blocks(&spec.encoder, "encoder", x, false)?;
    let posterior = sequence.heads(x)?;
    let code = sequence.graph.input("code", &[spec.latent]);
    let (x, place) = sequence.blocks(&decoder, "decoder", code, false)?;
    let name = sequence.name("decoder", place);
    let mut output = sequence.linear(&[name], spec.image.values(), x)?;
    if sizes.len() > 1 {
        output = sequence.reshape("unflatten", &sizes, output)?;
    }
    Ok(Net {
        graph: sequence.graph,
        image,
        posterior,
        code,
        output,
        mean: output,
        log_sigma: None,
    })
}

/// A graph in the making.
struct Sequence<'a> {
    spec: &'a ModelSpec,
    graph: Graph,
    /// The number of the next linear layer, where they are numbered.
    number: Option<usize>,
}

impl Sequence<'_> {
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

    /// Blocks one after another, from x on: what they give, and how many places they take. The last layer of a residual
    /// block is `plain`: it has no activation.
    fn blocks(
        &mut self,
        blocks: &Blocks,
        within: &str,
        mut x: Value,
        plain: bool,
    ) -> Result<(Value, usize), String> {
        let mut place = 0;
        for (i, block) in blocks.iter().enumerate() {
            match block {
                Block::Linear(outputs) => {
                    let name = self.name(within, place);
                    x = self.linear(std::slice::from_ref(&name), *outputs, x)?;
                    place += 1;
                    if !plain || i + 1 < blocks.len() {
                        let after = match self.number {
                            Some(_) => format!("{name} activation"),
                            None => format!("{within}.{place}"),
                        };
                        let attrs = self.spec.activation.attrs();
                        x = self.graph.node(&activation::LAYER, attrs, &[after], &[x])?;
                        place += 1;
                    }
                }
                Block::Residual(inner) => {
                    let name = format!("{within}.{place}");
                    let (y, _) = self.blocks(inner, &name, x, true)?;
                    let [takes, gives] = [x, y].map(|value| self.graph.info(value).len());
                    if takes != gives {
                        return Err(format!("{block} takes {takes} values and gives {gives}"));
                    }
                    x = self
                        .graph
                        .node(&add::LAYER, Attrs::default(), &[name], &[y, x])?;
                    place += 1;
                }
            }
        }
        Ok((x, place))
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
        self.linear(&names, heads.len() * self.spec.latent, x)
    }

    /// A linear layer, or several side by side.
    fn linear(&mut self, names: &[String], outputs: usize, x: Value) -> Result<Value, String> {
        let attrs = linear::attrs(outputs);
        self.graph.node(&linear::LAYER, attrs, names, &[x])
    }

    fn reshape(&mut self, name: &str, sizes: &[usize], x: Value) -> Result<Value, String> {
        let attrs = reshape::attrs(sizes);
        self.graph
            .node(&reshape::LAYER, attrs, &[name.to_owned()], &[x])
    }
}
