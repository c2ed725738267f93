//! The reconstruction loss alone: −log p(x|z), or a squared error. What an autoencoder minimises.

use super::{Objective, RECONSTRUCTION, reconstruction_and_kl};

/// The record.
pub(super) static OBJECTIVE: Objective = Objective {
    name: "reconstruction",
    terms: &[RECONSTRUCTION],
    has_prior: false,
    bound: None,
    beta: None,
    weighs_codes: false,
    of_batch: false,
    lower: |pass| reconstruction_and_kl(pass, None),
};
