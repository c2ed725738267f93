//! From a specification to a graph.

pub mod blocks;
mod options;
pub(super) mod presets;
mod sequence;

pub use options::{NetName, NetOptions};
pub(super) use presets::are_photographs;

use crate::error::{Error, Result};
use crate::graph::{Graph, Init, Value};
use crate::layers::activation;
use crate::model::ModelSpec;

/// A model as a graph, with the values by which it meets the world.
#[derive(Clone, Debug)]
pub struct Net {
    /// Layers and parameters.
    pub graph: Graph,
    /// Images, from elsewhere.
    pub image: Value,
    /// What the encoder makes of them: the numbers of q(z|x), or a code.
    pub posterior: Value,
    /// The parts of that: one value, or one for each head.
    pub heads: Vec<Value>,
    /// Latent codes, from elsewhere.
    pub code: Value,
    /// Classes of the images and of the codes, 1 in the place of their own and 0 elsewhere, from elsewhere; `None` where the
    /// model is told none.
    pub classes: Option<(Value, Value)>,
    /// What the decoder makes of them.
    pub output: Value,
    /// Means of p(x|z): the output itself, or a function of it.
    pub mean: Value,
    /// The parameter that is the logarithm of a sigma that training finds.
    pub log_sigma: Option<usize>,
}

impl Net {
    /// The graph of a valid specification.
    ///
    /// # Errors
    /// [`Error::Config`] where layers do not go together.
    pub fn new(spec: &ModelSpec) -> Result<Self> {
        let mut net = sequence::build(spec)
            .map_err(|found| mismatch(&format!("{}\n{}", found.reason, found.trail), found.hint))?;
        if let Some(activation) = spec.likelihood.mean_activation() {
            let (attrs, inputs) = (activation.attrs(), [net.output]);
            let mean = net
                .graph
                .node(&activation::LAYER, attrs, &["means".into()], &inputs);
            net.mean = mean.map_err(|reason| mismatch(&reason, sequence::LAYERS_HINT))?;
        }
        net.graph.output(net.posterior);
        net.graph.output(net.output);
        if spec.likelihood.found_sigma().is_some() {
            let init = Init::Constant(spec.log_sigma());
            net.log_sigma = Some(net.graph.parameter("log_sigma", &[1], init));
        }
        Ok(net)
    }
}

fn mismatch(reason: &str, hint: &str) -> Error {
    Error::config(
        format!("the layers of the model do not go together: {reason}"),
        hint,
    )
}
