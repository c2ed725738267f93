//! The code of an autoencoder: the encoder's output itself.

use super::{Code, Head, Latent};

/// The record.
pub static LATENT: Latent = Latent {
    heads: &[Head {
        name: "code",
        text: "the latent code",
        bound: None,
    }],
    has_prior: false,
    code: |_, posterior| Code {
        z: posterior,
        epsilon: None,
    },
    backward: |_, _, d_code, _| d_code,
    units: None,
};
