//! Multilayer perceptrons.
//!
//! With L hidden layers: encoder `fc1` … `fcL`; heads `fc(L+1)1` (mu) and `fc(L+1)2` (logvar), or the code `fc(L+1)` of
//! an autoencoder; decoder `fc(L+2)` … `fc(2L+2)`. For the reference model that is `fc1 fc21 fc22 fc3 fc4`, as in
//! PyTorch's example. The heads are one layer side by side.

use super::Net;
use crate::graph::{Graph, Value};
use crate::layers::{activation, linear, reshape};
use crate::model::ModelSpec;

pub(super) fn build(spec: &ModelSpec) -> Result<Net, String> {
    let mut graph = Graph::default();
    let sizes = spec.image.sizes();
    let image = graph.input("image", &sizes);
    let mut x = image;
    if sizes.len() > 1 {
        let attrs = reshape::attrs(&[spec.image.values()]);
        x = graph.node(&reshape::LAYER, attrs, &["flatten".into()], &[x])?;
    }
    let mut number = 1;
    for &units in &spec.hidden {
        x = hidden(&mut graph, spec, number, units, x)?;
        number += 1;
    }
    let heads = spec.kind.latent().heads;
    let names: Vec<String> = match heads.len() {
        1 => vec![format!("fc{number}")],
        count => (1..=count)
            .map(|head| format!("fc{number}{head}"))
            .collect(),
    };
    let attrs = linear::attrs(names.len() * spec.latent);
    let posterior = graph.node(&linear::LAYER, attrs, &names, &[x])?;
    number += 1;
    let code = graph.input("code", &[spec.latent]);
    let mut x = code;
    for &units in spec.hidden.iter().rev() {
        x = hidden(&mut graph, spec, number, units, x)?;
        number += 1;
    }
    let attrs = linear::attrs(spec.image.values());
    let mut output = graph.node(&linear::LAYER, attrs, &[format!("fc{number}")], &[x])?;
    if sizes.len() > 1 {
        let attrs = reshape::attrs(&sizes);
        output = graph.node(&reshape::LAYER, attrs, &["unflatten".into()], &[output])?;
    }
    Ok(Net {
        graph,
        image,
        posterior,
        code,
        output,
        mean: output,
        log_sigma: None,
    })
}

/// A hidden layer: linear, then the nonlinearity.
fn hidden(
    graph: &mut Graph,
    spec: &ModelSpec,
    number: usize,
    units: usize,
    x: Value,
) -> Result<Value, String> {
    let name = format!("fc{number}");
    let after = format!("{name} activation");
    let x = graph.node(&linear::LAYER, linear::attrs(units), &[name], &[x])?;
    graph.node(&activation::LAYER, spec.activation.attrs(), &[after], &[x])
}
