//! What layers are in ONNX: operators and constants by their names, and nothing of the format's bytes.

/// An attribute of an operator.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// A whole number.
    Int(i64),
    /// Whole numbers.
    Ints(Vec<i64>),
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
    /// Numbers in a row.
    Floats {
        /// Its name.
        name: String,
        /// Its values.
        values: Vec<f32>,
    },
    /// The same number so many times in a row.
    Row {
        /// Its name.
        name: String,
        /// Each of its values.
        value: f32,
        /// How many they are.
        len: usize,
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
            | Self::Floats { name, .. }
            | Self::Row { name, .. }
            | Self::Integers { name, .. } => name,
        }
    }
}

/// Operators in their order, and the constants that they read.
///
/// ONNX has the channels of a map before its pixels, this program behind them. A map is turned where a layer needs it in
/// the other order, once: between layers that are content with either it stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Operators {
    /// The operators.
    pub nodes: Vec<Operator>,
    /// The constants.
    pub constants: Vec<Constant>,
    turned: Vec<Turned>,
}

/// A map whose channels come first.
#[derive(Clone, Debug, PartialEq)]
struct Turned {
    /// Its name.
    first: String,
    /// The name of the same with its channels last.
    last: String,
    /// Whether that is there too.
    is_both: bool,
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

    /// The same with attributes.
    pub fn step_with(
        &mut self,
        kind: &'static str,
        inputs: &[&str],
        out: &str,
        name: &str,
        attributes: &[(&'static str, Attribute)],
    ) -> String {
        let name = format!("{out}.{name}");
        self.node(kind, inputs, &name, attributes);
        name
    }

    /// The map of this name with its channels first.
    pub fn channels_first(&mut self, map: &str) -> String {
        if let Some(known) = self.turned.iter().find(|known| known.last == map) {
            return known.first.clone();
        }
        let first = self.made_channels_first(map);
        self.channels_last_is_there(map);
        self.transpose(map, &first, [0, 3, 1, 2]);
        first
    }

    /// The name under which a layer makes the map of this name with its channels first.
    pub fn made_channels_first(&mut self, map: &str) -> String {
        let first = format!("{map}.channels_first");
        self.turned.push(Turned {
            first: first.clone(),
            last: map.to_owned(),
            is_both: false,
        });
        first
    }

    /// Makes sure that the map of this name is there with its channels last.
    pub fn channels_last(&mut self, map: &str) {
        if let Some(first) = self.channels_last_is_there(map) {
            self.transpose(&first, map, [0, 2, 3, 1]);
        }
    }

    /// Notes that a map is there with its channels last. Gives its other name where that was not so before.
    fn channels_last_is_there(&mut self, map: &str) -> Option<String> {
        let known = self.turned.iter_mut().find(|known| known.last == map)?;
        let was_there = std::mem::replace(&mut known.is_both, true);
        (!was_there).then(|| known.first.clone())
    }

    /// Names of inputs and output of a layer that takes maps in either order, all in the same.
    pub fn in_one_order(&mut self, inputs: &[String], output: &str) -> (Vec<String>, String) {
        let is_turned = |map: &String| self.turned.iter().any(|known| known.last == *map);
        if inputs.iter().any(is_turned) {
            let inputs = inputs.iter().map(|map| self.channels_first(map)).collect();
            return (inputs, self.made_channels_first(output));
        }
        (inputs.to_vec(), output.to_owned())
    }

    fn transpose(&mut self, from: &str, to: &str, order: [i64; 4]) {
        let order = [("perm", Attribute::Ints(order.to_vec()))];
        self.node("Transpose", &[from], to, &order);
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

    /// Numbers in a row. Returns their name.
    pub fn floats(&mut self, name: &str, values: Vec<f32>) -> String {
        self.constants.push(Constant::Floats {
            name: name.to_owned(),
            values,
        });
        name.to_owned()
    }

    /// The same number so many times in a row. Returns its name.
    pub fn row(&mut self, name: &str, value: f32, len: usize) -> String {
        self.constants.push(Constant::Row {
            name: name.to_owned(),
            value,
            len,
        });
        name.to_owned()
    }

    /// Sizes or places in a row, for what makes an output. A size of 0 is that of the input, such as the batch. Returns their
    /// name.
    pub fn sizes(&mut self, output: &str, name: &str, sizes: &[usize]) -> String {
        let name = format!("{output}.{name}");
        self.constants.push(Constant::Integers {
            name: name.clone(),
            values: sizes.iter().map(|&size| size as i64).collect(),
        });
        name
    }
}
