//! Encoder and decoder as files of ONNX.
//!
//! Opset 17 has all that is needed, and runtimes since 2022 read it.

#[cfg(test)]
mod interpret;
mod proto;
#[cfg(test)]
mod tests;

use prost::Message;

use proto::{
    Attribute, AttributeType, DataType, Dimension, Graph, Model, Node, OperatorSet, Property,
    Shape, Size, Tensor, TensorType, Type, ValueInfo,
};

use super::Trained;
use super::layers::Part;
use crate::error::{Error, Result};
use crate::graph::{self, Constant, Described, Operator, Operators};
use crate::model::{self, ModelSpec, words};

const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;

/// The input with the numbers of classes.
const CLASS: &str = "class";

/// Most bytes of parameters in a file: a message of protobuf holds less than 2 GiB, and the rest of it is small.
const MOST_BYTES: u64 = (1 << 31) - (1 << 20);

/// The bytes of a `.onnx` file of half a model, for batches of any size. All inputs and outputs are float32; images
/// are `[batch, height, width, channels]`, or `[batch, values]` where the model was trained on rows of values.
///
/// | part | input | outputs |
/// |---|---|---|
/// | encoder of a VAE | `images` | `mu`, `logvar` `[batch, latent]`, the latter within ±30 |
/// | encoder of an autoencoder | `images` | `code` `[batch, latent]` |
/// | decoder | `z` `[batch, latent]` | `means`, images |
///
/// Of codes that are maps, `[batch, height, width, channels]` stands in the place of `[batch, latent]`.
///
/// Both parts of a model that was told the class of each image have a second input, `class`, numbers `[batch]` of int64.
///
/// # Errors
/// [`Error::Config`] where the part has more than 2 GiB, the most that such a file holds, or where the weights are
/// not the specification's.
pub fn onnx(trained: &Trained<'_>, part: Part) -> Result<Vec<u8>> {
    let model = model::Model::new(trained.spec)?;
    check_size(part, part.bytes(&model))?;
    let graph = graph(trained, &model, part)?;
    let metadata_props = properties(trained, &model)?;
    let model = Model {
        ir_version: IR_VERSION,
        producer_name: env!("CARGO_PKG_NAME").to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: describe(trained.spec, part),
        graph: Some(graph),
        opset_import: vec![OperatorSet {
            domain: String::new(),
            version: OPSET,
        }],
        metadata_props,
    };
    Ok(model.encode_to_vec())
}

fn check_size(part: Part, bytes: u64) -> Result<()> {
    if bytes > MOST_BYTES {
        return Err(Error::config(
            format!(
                "`format = onnx`: the {} has {bytes} bytes of parameters, {MOST_BYTES} is the most that a file holds",
                part.name()
            ),
            "`format = safetensors`, or a smaller model",
        ));
    }
    Ok(())
}

fn describe(spec: &ModelSpec, part: Part) -> String {
    format!(
        "{} of a {} {}",
        part.name(),
        spec.kind.text(),
        words::shape(spec)
    )
}

/// What someone has to know to use the model, as names and values.
fn properties(trained: &Trained<'_>, model: &model::Model) -> Result<Vec<Property>> {
    let spec = trained.spec;
    let scaling = trained.source_scaling();
    let mut all = vec![
        ("kind", text(&spec.kind)),
        ("image", format!("{:?}", spec.image.sizes())),
        ("latent", spec.latent.to_string()),
        ("activation", text(&spec.activation)),
        ("likelihood", text(&spec.likelihood)),
        ("binarize", text(&trained.binarize)),
        ("beta", spec.beta.to_string()),
        ("offset", list(&scaling.offset)?),
        ("divisor", list(&scaling.divisor)?),
    ];
    if let Some(sigma) = trained.sigma(model) {
        all.push(("sigma", sigma.to_string()));
    }
    if let Some(condition) = &spec.condition {
        let names = serde_json::to_string(condition.classes());
        let names = names.map_err(|reason| Error::internal(format!("the classes: {reason}")))?;
        all.push(("classes", names));
    }
    let property = |(key, value): (&str, String)| Property {
        key: key.to_owned(),
        value,
    };
    Ok(all.into_iter().map(property).collect())
}

/// Numbers as JSON.
fn list(numbers: &[f32]) -> Result<String> {
    serde_json::to_string(numbers).map_err(|reason| {
        Error::internal(format!(
            "the scaling of the values cannot be written: {reason}"
        ))
    })
}

/// The name that a value has in a configuration.
fn text(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(serde_json::Value::Object(fields)) => {
            let name = fields.get("name").and_then(serde_json::Value::as_str);
            name.unwrap_or_default().to_owned()
        }
        _ => String::new(),
    }
}

/// Inputs, outputs, operators and constants of half a model.
fn graph(trained: &Trained<'_>, model: &model::Model, part: Part) -> Result<Graph> {
    let spec = trained.spec;
    let sizes = spec.image.sizes();
    let mut graph = Graph {
        name: part.name().to_owned(),
        ..Graph::default()
    };
    match part {
        Part::Encoder => {
            let values = trained.values_in_words();
            graph.input.push(floats(part.input(), &sizes, &values));
            for head in spec.kind.latent().heads {
                graph
                    .output
                    .push(floats(head.name, &spec.latent.sizes(), head.text));
            }
        }
        Part::Decoder => {
            graph
                .input
                .push(floats(part.input(), &spec.latent.sizes(), "latent codes"));
            graph
                .output
                .push(floats("means", &sizes, trained.means_in_words()));
        }
    }
    let mut operators = Operators::default();
    if let Some(class) = part.class(model) {
        let value = model.graph().info(class);
        graph.input.push(numbers(CLASS, &classes_in_words(spec)));
        one_hot(&mut operators, &value.name, value.len());
    }
    part.walk(model, |of, head| {
        let onnx = of.node.layer.onnx;
        match head.and_then(|head| head.bound) {
            None => onnx(&mut operators, of),
            Some(bound) => {
                let unbounded = format!("{}.unbounded", of.output);
                onnx(
                    &mut operators,
                    &Described {
                        output: &unbounded,
                        ..*of
                    },
                );
                operators.channels_last(&unbounded);
                let least = operators.scalar(&format!("{}.least", of.output), -bound);
                let most = operators.scalar(&format!("{}.most", of.output), bound);
                operators.node("Clip", &[&unbounded, &least, &most], of.output, &[]);
            }
        }
    })?;
    for output in &graph.output {
        operators.channels_last(&output.name);
    }
    graph.node = operators.nodes.into_iter().map(node).collect();
    for constant in operators.constants {
        graph.initializer.push(tensor(trained, constant)?);
    }
    Ok(graph)
}

/// Makes values of the numbers of classes: 1 in the place of a class, otherwise 0.
fn one_hot(operators: &mut Operators, out: &str, count: usize) {
    let places: Vec<usize> = (0..count).collect();
    let places = operators.sizes(out, "places", &places);
    let axis = operators.sizes(out, "axis", &[1]);
    let column = operators.step("Unsqueeze", &[CLASS, &axis], out, "column");
    let equal = operators.step("Equal", &[&column, &places], out, "equal");
    let float = graph::Attribute::Int(DataType::Float as i64);
    operators.node("Cast", &[&equal], out, &[("to", float)]);
}

/// The names of the classes, by their numbers.
fn classes_in_words(spec: &ModelSpec) -> String {
    let classes = spec.condition.iter().flat_map(|known| known.classes());
    let classes: Vec<&str> = classes.map(String::as_str).collect();
    format!("numbers of classes, from 0: {}", classes.join(", "))
}

/// An operator in the format's terms.
fn node(operator: Operator) -> Node {
    let attribute = |(name, value): (&str, graph::Attribute)| {
        let mut attribute = Attribute {
            name: name.to_owned(),
            ..Attribute::default()
        };
        let kind = match value {
            graph::Attribute::Float(value) => {
                attribute.f = Some(value);
                AttributeType::Float
            }
            graph::Attribute::Int(value) => {
                attribute.i = Some(value);
                AttributeType::Int
            }
            graph::Attribute::Ints(values) => {
                attribute.ints = values;
                AttributeType::Ints
            }
        };
        attribute.kind = kind.into();
        attribute
    };
    Node {
        input: operator.inputs,
        name: operator.output.clone(),
        output: vec![operator.output],
        op_type: operator.kind.to_owned(),
        attribute: operator.attributes.into_iter().map(attribute).collect(),
    }
}

/// A constant in the format's terms; parameters with the values that they have.
fn tensor(trained: &Trained<'_>, constant: Constant) -> Result<Tensor> {
    let (name, data_type, dims, raw_data) = match constant {
        Constant::Parameter { name, shape } => {
            let found = trained.weights.get(&name);
            let Some((_, values)) = found.filter(|(found, _)| *found == shape) else {
                return Err(Error::config(
                    format!(
                        "weights: {name}: expected shape {shape:?}, found {:?}",
                        found.map(|(shape, _)| shape)
                    ),
                    "weights of a model of the same sizes",
                ));
            };
            let dims = shape.iter().map(|&size| size as i64).collect();
            (name, DataType::Float, dims, bytes(values))
        }
        Constant::Scalar { name, value } => (name, DataType::Float, vec![], bytes(&[value])),
        Constant::Floats { name, values } => (
            name,
            DataType::Float,
            vec![values.len() as i64],
            bytes(&values),
        ),
        Constant::Row { name, value, len } => {
            let row = vec![value; len];
            (name, DataType::Float, vec![len as i64], bytes(&row))
        }
        Constant::Integers { name, values } => {
            let raw = values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            (name, DataType::Int64, vec![values.len() as i64], raw)
        }
    };
    Ok(Tensor {
        dims,
        data_type: data_type.into(),
        name,
        raw_data,
    })
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// float32 `[batch, …]`
fn floats(name: &str, sizes: &[usize], doc: &str) -> ValueInfo {
    value(name, DataType::Float, sizes, doc)
}

/// int64 `[batch]`
fn numbers(name: &str, doc: &str) -> ValueInfo {
    value(name, DataType::Int64, &[], doc)
}

fn value(name: &str, data_type: DataType, sizes: &[usize], doc: &str) -> ValueInfo {
    let fixed = sizes.iter().map(|&size| Size::Fixed(size as i64));
    let all = std::iter::once(Size::Named("batch".to_owned())).chain(fixed);
    let dim = all.map(|size| Dimension { value: Some(size) }).collect();
    ValueInfo {
        name: name.to_owned(),
        kind: Some(Type {
            tensor_type: Some(TensorType {
                elem_type: data_type.into(),
                shape: Some(Shape { dim }),
            }),
        }),
        doc_string: doc.to_owned(),
    }
}
