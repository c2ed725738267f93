//! What a model consists of, layer by layer.

use crate::graph::Node;
use crate::model::Model;
use crate::model::plans::{DECODE, ENCODE_VALUES, Mode};

/// A layer of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerSummary {
    /// Its name: `encoder.0`.
    pub name: String,
    /// What it is: `convolution`.
    pub kind: &'static str,
    /// Sizes of a row of its output.
    pub sizes: Vec<usize>,
    /// Its parameters.
    pub parameters: u64,
    /// Multiply-adds of one image.
    pub multiply_adds: u64,
}

impl Model {
    /// Its layers, in the order of computation.
    pub fn summary(&self) -> Vec<LayerSummary> {
        let plans = [ENCODE_VALUES, DECODE].map(|task| self.plan(&task, Mode::Run, [1, 1], None));
        let multiply_adds = |label: &str| {
            let steps = plans.iter().flat_map(|plan| &plan.steps);
            let of_layer = steps.filter(|step| step.label == label);
            of_layer
                .map(|step| (step.kernel.multiply_adds)(&step.call))
                .sum()
        };
        let of = |node: &Node| LayerSummary {
            name: node.label(),
            kind: node.layer.name,
            sizes: self.graph().info(node.output).dims.clone(),
            parameters: node
                .parameters
                .clone()
                .map(|index| self.parameters().values(index) as u64)
                .sum(),
            multiply_adds: multiply_adds(&node.label()),
        };
        self.graph().nodes().iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelSpec;

    #[test]
    fn layers_have_all_parameters_and_their_multiply_adds() {
        let mut spec = ModelSpec::reference();
        spec.encoder = "conv 8 k4 /2, linear 30".parse().expect("layers");
        let model = Model::new(&spec).expect("a model");
        let all = model.summary();
        let parameters: u64 = all.iter().map(|layer| layer.parameters).sum();
        assert_eq!(parameters, spec.parameter_count());
        let convolution = &all[0];
        assert_eq!(convolution.sizes, [14, 14, 8]);
        assert_eq!(convolution.multiply_adds, 14 * 14 * 8 * 16);
        let linear = all.iter().find(|layer| layer.name == "encoder.3");
        let linear = linear.expect("behind a flattened map");
        assert_eq!(linear.multiply_adds, 14 * 14 * 8 * 30);
        assert_eq!(linear.parameters, linear.multiply_adds + 30);
    }
}
