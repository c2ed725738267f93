//! Reads a file of ONNX back and computes with it, in plain loops: what another program would make of it.

use std::collections::HashMap;

use prost::Message;

use super::proto::{DataType, Graph, Model, Node, Size, Tensor, ValueInfo};

/// A tensor of floats.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Value {
    pub(super) sizes: Vec<usize>,
    pub(super) values: Vec<f32>,
}

/// A file as it reads back.
pub(super) struct Interpreter {
    pub(super) model: Model,
}

/// Name and sizes of an input or output; `None` is a size with a name only.
pub(super) fn signature(info: &ValueInfo) -> (&str, Vec<Option<i64>>) {
    let tensor = info
        .kind
        .as_ref()
        .and_then(|kind| kind.tensor_type.as_ref());
    let tensor = tensor.expect("a tensor");
    let expected = match &*info.name {
        "class" => DataType::Int64,
        _ => DataType::Float,
    };
    assert_eq!(tensor.elem_type, i32::from(expected));
    let shape = tensor.shape.as_ref().expect("a shape");
    let sizes = shape.dim.iter().map(|dim| match dim.value {
        Some(Size::Fixed(size)) => Some(size),
        _ => None,
    });
    (&info.name, sizes.collect())
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(&tensor.raw_data)
}

fn integers(tensor: &Tensor) -> Vec<i64> {
    bytemuck::pod_collect_to_vec(&tensor.raw_data)
}

impl Interpreter {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let model = Model::decode(bytes).expect("a message");
        assert!(model.graph.is_some());
        Self { model }
    }

    pub(super) fn graph(&self) -> &Graph {
        self.model.graph.as_ref().expect("a graph")
    }

    fn constant(&self, name: &str) -> Option<&Tensor> {
        let all = &self.graph().initializer;
        all.iter().find(|tensor| tensor.name == name)
    }

    /// The outputs by name, of the inputs in their order. Whole numbers are floats here, which have them as they are.
    pub(super) fn run(&self, inputs: &[Value]) -> HashMap<String, Value> {
        let graph = self.graph();
        assert_eq!(graph.input.len(), inputs.len());
        let names = graph.input.iter().map(|input| input.name.clone());
        let mut known: HashMap<_, _> = names.zip(inputs.iter().cloned()).collect();
        for node in &graph.node {
            let value = self.step(node, &known);
            let earlier = known.insert(node.output[0].clone(), value);
            assert!(earlier.is_none(), "{} is written twice", node.output[0]);
        }
        let wanted: Vec<_> = graph.output.iter().map(|output| &output.name).collect();
        known.retain(|name, _| wanted.contains(&name));
        known
    }

    fn step(&self, node: &Node, known: &HashMap<String, Value>) -> Value {
        let value = |index: usize| -> Value {
            let name = &node.input[index];
            known.get(name).cloned().unwrap_or_else(|| {
                let tensor = self.constant(name).expect(name);
                Value {
                    sizes: tensor.dims.iter().map(|&size| size as usize).collect(),
                    values: match tensor.data_type == i32::from(DataType::Int64) {
                        true => integers(tensor).iter().map(|&n| n as f32).collect(),
                        false => floats(tensor),
                    },
                }
            })
        };
        let x = value(0);
        let map = |f: &dyn Fn(f32) -> f32| Value {
            sizes: x.sizes.clone(),
            values: x.values.iter().map(|&x| f(x)).collect(),
        };
        let with = |f: &dyn Fn(f32, f32) -> f32| {
            let other = value(1).values;
            // A single number goes with every value.
            let others = other.iter().cycle();
            assert!(other.len() == 1 || other.len() == x.values.len());
            Value {
                sizes: x.sizes.clone(),
                values: x
                    .values
                    .iter()
                    .zip(others)
                    .map(|(&x, &y)| f(x, y))
                    .collect(),
            }
        };
        let attribute = |name: &str| node.attribute.iter().find(|known| known.name == name);
        match node.op_type.as_str() {
            "Gemm" => {
                assert_eq!(attribute("transB").and_then(|found| found.i), Some(1));
                gemm(&x, &value(1), &value(2))
            }
            "Relu" => map(&|x| x.max(0.0)),
            "LeakyRelu" => {
                let slope = attribute("alpha").and_then(|found| found.f).expect("alpha");
                map(&|x| if x < 0.0 { slope * x } else { x })
            }
            "Tanh" => map(&f32::tanh),
            "Sigmoid" => map(&|x| 1.0 / (1.0 + (-x).exp())),
            "Mul" => with(&|x, y| x * y),
            "Add" => with(&|x, y| x + y),
            "Clip" => {
                let (least, most) = (value(1).values[0], value(2).values[0]);
                map(&|x| x.clamp(least, most))
            }
            "Flatten" => Value {
                sizes: vec![x.sizes[0], x.sizes[1..].iter().product()],
                ..x
            },
            "Reshape" => {
                let shape = self.constant(&node.input[1]).expect("a shape");
                reshaped(x, &integers(shape))
            }
            "Unsqueeze" => {
                assert_eq!(integers(self.constant(&node.input[1]).expect("axes")), [1]);
                let mut sizes = x.sizes.clone();
                sizes.insert(1, 1);
                Value { sizes, ..x }
            }
            "Equal" => equal(&x, &value(1)),
            "Cast" => {
                let to = attribute("to").and_then(|found| found.i);
                assert_eq!(to, Some(i64::from(i32::from(DataType::Float))));
                x
            }
            "Concat" => {
                assert_eq!(attribute("axis").and_then(|found| found.i), Some(-1));
                beside(&x, &value(1))
            }
            other => panic!("{other} is not part of what is written"),
        }
    }
}

/// Whether each of a column of numbers, `[rows, 1]`, is each of a row.
fn equal(column: &Value, row: &Value) -> Value {
    assert_eq!((column.sizes[1], row.sizes.len()), (1, 1));
    let of = |&a: &f32| row.values.iter().map(move |&b| f32::from(u8::from(a == b)));
    Value {
        sizes: vec![column.sizes[0], row.sizes[0]],
        values: column.values.iter().flat_map(of).collect(),
    }
}

/// Two values side by side along their last axis.
fn beside(a: &Value, b: &Value) -> Value {
    let last = |value: &Value| *value.sizes.last().expect("an axis");
    let (left, right) = (last(a), last(b));
    let mut sizes = a.sizes.clone();
    *sizes.last_mut().expect("an axis") += right;
    let rows = a.values.chunks(left).zip(b.values.chunks(right));
    Value {
        sizes,
        values: rows.flat_map(|(a, b)| [a, b].concat()).collect(),
    }
}

/// The same values under other sizes, of which 0 is that which was there.
fn reshaped(x: Value, shape: &[i64]) -> Value {
    let sizes = shape.iter().zip(&x.sizes);
    let first = sizes.map(|(&size, &old)| if size == 0 { old } else { size as usize });
    let mut sizes: Vec<usize> = first.collect();
    sizes.extend(shape[sizes.len()..].iter().map(|&size| size as usize));
    assert_eq!(sizes.iter().product::<usize>(), x.values.len());
    Value { sizes, ..x }
}

/// x·weightᵀ + bias
fn gemm(x: &Value, weight: &Value, bias: &Value) -> Value {
    let (rows, inputs, outputs) = (x.sizes[0], x.sizes[1], weight.sizes[0]);
    assert_eq!((weight.sizes[1], bias.sizes[0]), (inputs, outputs));
    let mut values = Vec::with_capacity(rows * outputs);
    for row in x.values.chunks(inputs) {
        for (weight, &bias) in weight.values.chunks(inputs).zip(&bias.values) {
            let terms = row.iter().zip(weight);
            let sum: f64 = terms.map(|(&x, &w)| f64::from(x) * f64::from(w)).sum();
            values.push((sum + f64::from(bias)) as f32);
        }
    }
    Value {
        sizes: vec![rows, outputs],
        values,
    }
}
