//! What layers are in PyTorch: text of Python. Whoever puts the texts together knows no layer by name.

/// A layer in PyTorch. Maps are `[batch, channels, height, width]` there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Torch {
    /// A module that takes and gives `[batch, values]`: `nn.Linear(784, 400)`.
    OfValues(String),
    /// A module that takes and gives maps: `nn.Conv2d(1, 32, 4, stride=2, padding=1)`; of several lines, the inner ones
    /// indented.
    OfMaps(String),
    /// A module of each value by itself, `nn.ReLU()`, and the same as a function of `{}`, `F.relu({})`.
    OfEach {
        /// The module.
        module: String,
        /// The function.
        function: String,
    },
    /// A method of the tensor that it takes: `.flatten(1)`.
    Method(String),
    /// A module of a class of its own, which takes values or maps and gives as many.
    Own {
        /// The module.
        module: String,
        /// What defines its class.
        definition: &'static str,
    },
    /// Its two inputs side by side, of maps their channels.
    Joined,
    /// A class around the layers whose names begin with its own: it takes what the first of them takes, and what the last
    /// of them gives.
    Around {
        /// Its name.
        class: &'static str,
        /// What defines it.
        definition: &'static str,
    },
}
