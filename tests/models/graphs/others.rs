//! What others than the executors make of every layer: the page's script, and readers of ONNX.

use std::collections::BTreeSet;

use elbo::graph::{Described, Lowering, Operators, Parameters, Value};

use super::{X, cases};

/// A page without WebGPU computes by its script what decodes and encodes.
#[test]
fn the_script_of_the_page_knows_the_kernels_of_every_layer() {
    let script = include_str!("../../../src/explore/page/script.js");
    for case in cases() {
        let parameters = Parameters::new(&case.graph);
        let mut lower = Lowering::new(&case.graph, &parameters, "a graph");
        lower.rows = case.rows;
        let x = lower.shared(X, case.len(case.input));
        lower.set(case.input, x);
        lower.forward(case.output, None);
        for step in lower.finish().steps {
            let kernel = step.kernel.name;
            assert!(
                script.contains(&format!("\n  {kernel}(")),
                "{}: {kernel}",
                case.name
            );
        }
    }
}

#[test]
fn operators_of_onnx_fit_together() {
    for case in cases() {
        let mut operators = Operators::default();
        let name = |value| match case.graph.producer(value) {
            Some(node) => node.label(),
            None => "x".to_owned(),
        };
        let dims = |value: Value| &*case.graph.info(value).dims;
        for node in case.graph.nodes() {
            let inputs: Vec<String> = node.inputs.iter().map(|&value| name(value)).collect();
            (node.layer.onnx)(
                &mut operators,
                &Described {
                    node,
                    name: &node.names[0],
                    inputs: &inputs,
                    output: &name(node.output),
                    input_dims: dims(node.inputs[0]),
                    output_dims: dims(node.output),
                },
            );
        }
        operators.channels_last(&name(case.output));
        let constants = operators
            .constants
            .iter()
            .map(|constant| constant.name().to_owned());
        let mut known: BTreeSet<String> = constants.collect();
        assert_eq!(
            known.len(),
            operators.constants.len(),
            "{}: one of a name",
            case.name
        );
        known.insert("x".to_owned());
        for operator in operators.nodes {
            let unknown = operator.inputs.iter().find(|input| !known.contains(*input));
            assert_eq!(unknown, None, "{}: {}", case.name, operator.kind);
            assert!(
                known.insert(operator.output),
                "{}: written twice",
                case.name
            );
        }
        assert!(known.contains(&name(case.output)), "{}", case.name);
        let tensors = Parameters::new(&case.graph).tensors;
        assert!(
            tensors.iter().all(|tensor| known.contains(&tensor.name)),
            "{}",
            case.name
        );
    }
}
