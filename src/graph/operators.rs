//! What layers are in ONNX: operators and constants by their names, and nothing of the format's bytes.

/// An attribute of an operator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Attribute {
    /// A whole number.
    Int(i64),
    /// A float.
    Float(f32),
}

/// An operator, named after its output.
#[derive(Clone, Debug, PartialEq)]
pub struct Operator {
    /// Its type: `Gemm`.
    pub kind: &'static str,
    /// Names of its inputs.
    pub inputs: Vec<String>,
    /// Name of its output.
    pub output: String,
    /// Its attributes, by their names.
    pub attributes: Vec<(&'static str, Attribute)>,
}

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// One of the model's parameters.
    Parameter {
        /// Its name, in the model and in the file.
        name: String,
        /// Its sizes.
        shape: Vec<usize>,
    },
    /// A number.
    Scalar {
        /// Its name.
        name: String,
        /// Its value.
        value: f32,
    },
    /// Whole numbers in a row.
    Integers {
        /// Its name.
        name: String,
        /// Its values.
        values: Vec<i64>,
    },
}

impl Constant {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Parameter { name, .. }
            | Self::Scalar { name, .. }
            | Self::Integers { name, .. } => name,
        }
    }
}

/// Operators in their order, and the constants that they read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Operators {
    /// The operators.
    pub nodes: Vec<Operator>,
    /// The constants.
    pub constants: Vec<Constant>,
}

impl Operators {
    /// Adds an operator.
    pub fn node(
        &mut self,
        kind: &'static str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&'static str, Attribute)],
    ) {
        self.nodes.push(Operator {
            kind,
            inputs: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: output.to_owned(),
            attributes: attributes.to_vec(),
        });
    }

    /// Adds an operator on the way to `out`. Returns the name of its output.
    pub fn step(&mut self, kind: &'static str, inputs: &[&str], out: &str, name: &str) -> String {
        let name = format!("{out}.{name}");
        self.node(kind, inputs, &name, &[]);
        name
    }

    /// One of the model's parameters.
    pub fn parameter(&mut self, name: &str, shape: &[usize]) {
        self.constants.push(Constant::Parameter {
            name: name.to_owned(),
            shape: shape.to_vec(),
        });
    }

    /// A number of all layers, under its name, once. Returns the name.
    pub fn scalar(&mut self, name: &str, value: f64) -> String {
        if !self.constants.iter().any(|known| known.name() == name) {
            self.constants.push(Constant::Scalar {
                name: name.to_owned(),
                value: value as f32,
            });
        }
        name.to_owned()
    }

    /// Whole numbers in a row.
    pub fn integers(&mut self, name: &str, values: &[i64]) {
        self.constants.push(Constant::Integers {
            name: name.to_owned(),
            values: values.to_vec(),
        });
    }
}
