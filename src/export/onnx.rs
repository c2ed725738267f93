//! Encoder and decoder as files of ONNX.
//!
//! Opset 17 has all that is needed, and runtimes since 2022 read it. GELU is made of smaller operators: it is one
//! of ONNX's only from opset 20 on.

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
use super::layers::{Layer, Layers};
use crate::error::{Error, Result};
use crate::model::{Activation, ModelKind, ModelSpec};
use crate::ops::LOGVAR_BOUND;
use crate::ops::activation::{GELU_CUBIC, GELU_SCALE, LEAK};

const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;

/// Most bytes of parameters in a file: a message of protobuf holds less than 2 GiB, and the rest of it is small.
const MOST_BYTES: u64 = (1 << 31) - (1 << 20);

/// Half of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// `images` to `mu` and `logvar` of q(z|x), or to the `code` of an autoencoder
    Encoder,
    /// `z` to the `means` of p(x|z)
    Decoder,
}

impl Part {
    /// Both, in the order of computation.
    pub const ALL: [Self; 2] = [Self::Encoder, Self::Decoder];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Encoder => "encoder",
            Self::Decoder => "decoder",
        }
    }

    /// The name of its file.
    pub fn file(self) -> &'static str {
        match self {
            Self::Encoder => "encoder.onnx",
            Self::Decoder => "decoder.onnx",
        }
    }
}

/// The bytes of a `.onnx` file of half a model, for batches of any size. All inputs and outputs are float32; images
/// are `[batch, height, width, channels]`, or `[batch, values]` where the model was trained on rows of values.
///
/// | part | input | outputs |
/// |---|---|---|
/// | encoder of a VAE | `images` | `mu`, `logvar` `[batch, latent]`, the latter within ±30 |
/// | encoder of an autoencoder | `images` | `code` `[batch, latent]` |
/// | decoder | `z` `[batch, latent]` | `means`, images |
///
/// # Errors
/// [`Error::Config`] where the part has more than 2 GiB, the most that such a file holds, or where the weights are
/// not the specification's.
pub fn onnx(trained: &Trained<'_>, part: Part) -> Result<Vec<u8>> {
    let spec = trained.spec;
    let layers = Layers::new(spec);
    check_size(&layers, part)?;
    let mut builder = Builder {
        trained,
        graph: Graph {
            name: part.name().to_owned(),
            ..Graph::default()
        },
    };
    match part {
        Part::Encoder => builder.encoder(&layers)?,
        Part::Decoder => builder.decoder(&layers)?,
    }
    let model = Model {
        ir_version: IR_VERSION,
        producer_name: env!("CARGO_PKG_NAME").to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: describe(spec, part),
        graph: Some(builder.graph),
        opset_import: vec![OperatorSet {
            domain: String::new(),
            version: OPSET,
        }],
        metadata_props: properties(trained)?,
    };
    Ok(model.encode_to_vec())
}

fn check_size(layers: &Layers, part: Part) -> Result<()> {
    let bytes: u64 = match part {
        Part::Encoder => {
            let heads = layers.heads.iter().map(|head| &head.layer);
            layers.encoder.iter().chain(heads).map(Layer::bytes).sum()
        }
        Part::Decoder => layers.decoder.iter().map(Layer::bytes).sum(),
    };
    if bytes > MOST_BYTES {
        return Err(Error::config(
            format!(
                "--format onnx: the {} has {bytes} bytes of parameters, {MOST_BYTES} is the most that a file holds",
                part.name()
            ),
            "--format safetensors, or a smaller model",
        ));
    }
    Ok(())
}

fn describe(spec: &ModelSpec, part: Part) -> String {
    let model = match spec.kind {
        ModelKind::Vae => "variational autoencoder",
        ModelKind::Ae => "autoencoder",
    };
    let widths: Vec<String> = spec.widths().iter().map(ToString::to_string).collect();
    format!("{} of a {model} {}", part.name(), widths.join("-"))
}

/// What someone has to know to use the model, as names and values.
fn properties(trained: &Trained<'_>) -> Result<Vec<Property>> {
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
    if let Some(sigma) = trained.sigma() {
        all.push(("sigma", sigma.to_string()));
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
        Error::config(
            format!("the scaling of the values cannot be written: {reason}"),
            "please report this as a fault of the program",
        )
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

/// A graph in the making.
struct Builder<'a> {
    trained: &'a Trained<'a>,
    graph: Graph,
}

impl Builder<'_> {
    fn encoder(&mut self, layers: &Layers) -> Result<()> {
        let spec = self.trained.spec;
        let sizes = spec.image.sizes();
        let values = self.trained.values_in_words();
        self.graph.input.push(floats("images", &sizes, &values));
        let mut x = "images".to_owned();
        if sizes.len() > 1 {
            self.node("Flatten", &[&x], "values", vec![int("axis", 1)]);
            "values".clone_into(&mut x);
        }
        for layer in &layers.encoder {
            x = self.layer(layer, &x, None)?;
        }
        for head in &layers.heads {
            let what = match head.output {
                "mu" => "means of q(z|x)",
                "logvar" => "logarithms of the variances of q(z|x)",
                _ => "the latent code",
            };
            if head.output == "logvar" {
                let unbounded = self.layer(&head.layer, &x, None)?;
                let least = self.scalar("logvar.least", -LOGVAR_BOUND);
                let most = self.scalar("logvar.most", LOGVAR_BOUND);
                self.node("Clip", &[&unbounded, &least, &most], head.output, vec![]);
            } else {
                self.layer(&head.layer, &x, Some(head.output))?;
            }
            let output = floats(head.output, &[spec.latent], what);
            self.graph.output.push(output);
        }
        Ok(())
    }

    fn decoder(&mut self, layers: &Layers) -> Result<()> {
        let spec = self.trained.spec;
        let sizes = spec.image.sizes();
        let range = match spec.likelihood.mean_activation() {
            Some(_) => "means of p(x|z), from 0 to 1",
            None => "means of p(x|z), of the values that the encoder takes",
        };
        self.graph
            .input
            .push(floats("z", &[spec.latent], "latent codes"));
        self.graph.output.push(floats("means", &sizes, range));
        let mut x = "z".to_owned();
        for (i, layer) in layers.decoder.iter().enumerate() {
            let last = i + 1 == layers.decoder.len();
            let out = (last && sizes.len() == 1).then_some("means");
            x = self.layer(layer, &x, out)?;
        }
        if sizes.len() > 1 {
            // A size of 0 is that of the input: the batch.
            let shape: Vec<u8> = std::iter::once(0)
                .chain(sizes)
                .flat_map(|size| (size as i64).to_le_bytes())
                .collect();
            let name = "means.shape";
            let dims = vec![shape.len() as i64 / 8];
            self.constant(name, DataType::Int64, dims, shape);
            self.node("Reshape", &[&x, name], "means", vec![]);
        }
        Ok(())
    }

    /// A linear layer with its activation. Returns the name of its output: `out`, or one of its own.
    fn layer(&mut self, layer: &Layer, input: &str, out: Option<&str>) -> Result<String> {
        let [weight, bias] = ["weight", "bias"].map(|part| format!("{}.{part}", layer.name));
        self.parameter(&weight, &[layer.outputs, layer.inputs])?;
        self.parameter(&bias, &[layer.outputs])?;
        let out = out.map_or_else(|| format!("{}.output", layer.name), str::to_owned);
        let linear = match layer.activation {
            Some(_) => format!("{}.linear", layer.name),
            None => out.clone(),
        };
        self.node(
            "Gemm",
            &[input, &weight, &bias],
            &linear,
            vec![int("transB", 1)],
        );
        if let Some(activation) = layer.activation {
            self.activation(activation, &linear, &out);
        }
        Ok(out)
    }

    fn activation(&mut self, activation: Activation, x: &str, out: &str) {
        match activation {
            Activation::Relu => self.node("Relu", &[x], out, vec![]),
            Activation::LeakyRelu => {
                self.node("LeakyRelu", &[x], out, vec![float("alpha", LEAK as f32)]);
            }
            Activation::Tanh => self.node("Tanh", &[x], out, vec![]),
            Activation::Sigmoid => self.node("Sigmoid", &[x], out, vec![]),
            Activation::Silu => {
                let gate = self.step("Sigmoid", &[x], out, "gate");
                self.node("Mul", &[x, &gate], out, vec![]);
            }
            Activation::Gelu => {
                // x/2·(1 + tanh(scale·x + scale·cubic·x³))
                let scale = self.scalar("gelu.scale", GELU_SCALE);
                let cubic = self.scalar("gelu.cubic", GELU_SCALE * GELU_CUBIC);
                let one = self.scalar("gelu.one", 1.0);
                let half = self.scalar("gelu.half", 0.5);
                let square = self.step("Mul", &[x, x], out, "square");
                let term = self.step("Mul", &[&square, &cubic], out, "term");
                let slope = self.step("Add", &[&term, &scale], out, "slope");
                let inner = self.step("Mul", &[&slope, x], out, "inner");
                let tanh = self.step("Tanh", &[&inner], out, "tanh");
                let gate = self.step("Add", &[&tanh, &one], out, "gate");
                let halved = self.step("Mul", &[x, &half], out, "half");
                self.node("Mul", &[&halved, &gate], out, vec![]);
            }
        }
    }

    /// An operator on the way to `out`. Returns the name of its output.
    fn step(&mut self, op: &str, inputs: &[&str], out: &str, name: &str) -> String {
        let name = format!("{out}.{name}");
        self.node(op, inputs, &name, vec![]);
        name
    }

    /// An operator, named after its output.
    fn node(&mut self, op: &str, inputs: &[&str], out: &str, attribute: Vec<Attribute>) {
        self.graph.node.push(Node {
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: vec![out.to_owned()],
            name: out.to_owned(),
            op_type: op.to_owned(),
            attribute,
        });
    }

    /// One of the model's parameters.
    fn parameter(&mut self, name: &str, shape: &[usize]) -> Result<()> {
        let found = self.trained.weights.get(name);
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
        self.constant(name, DataType::Float, dims, bytes(values));
        Ok(())
    }

    /// A number of all layers, under its name. Returns the name.
    fn scalar(&mut self, name: &str, value: f64) -> String {
        if !self
            .graph
            .initializer
            .iter()
            .any(|known| known.name == name)
        {
            self.constant(name, DataType::Float, vec![], bytes(&[value as f32]));
        }
        name.to_owned()
    }

    fn constant(&mut self, name: &str, data_type: DataType, dims: Vec<i64>, raw_data: Vec<u8>) {
        self.graph.initializer.push(Tensor {
            dims,
            data_type: data_type.into(),
            name: name.to_owned(),
            raw_data,
        });
    }
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// float32 `[batch, …]`
fn floats(name: &str, sizes: &[usize], doc: &str) -> ValueInfo {
    let fixed = sizes.iter().map(|&size| Size::Fixed(size as i64));
    let all = std::iter::once(Size::Named("batch".to_owned())).chain(fixed);
    let dim = all.map(|size| Dimension { value: Some(size) }).collect();
    ValueInfo {
        name: name.to_owned(),
        kind: Some(Type {
            tensor_type: Some(TensorType {
                elem_type: DataType::Float.into(),
                shape: Some(Shape { dim }),
            }),
        }),
        doc_string: doc.to_owned(),
    }
}

fn int(name: &str, value: i64) -> Attribute {
    Attribute {
        name: name.to_owned(),
        f: None,
        i: Some(value),
        kind: AttributeType::Int.into(),
    }
}

fn float(name: &str, value: f32) -> Attribute {
    Attribute {
        name: name.to_owned(),
        f: Some(value),
        i: None,
        kind: AttributeType::Float.into(),
    }
}
