//! The reconstruction loss alone: −log p(x|z), or a squared error. What an autoencoder minimises.

use super::{Objective, RECONSTRUCTION, fused};

/// The record.
pub(super) static OBJECTIVE: Objective = Objective {
    name: "reconstruction",
    terms: |_| vec![RECONSTRUCTION],
    lower: |pass, seen| fused(pass, seen, None),
};
