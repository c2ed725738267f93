//! The code of an autoencoder: the encoder's output itself.

use super::{Code, Encoded, Head, Latent};
use crate::model::objectives::Gradients;
use crate::model::pass::Pass;
use crate::plan::Slice;

/// The record.
pub static LATENT: Latent = Latent {
    heads: &[Head {
        name: "code",
        text: "the latent code",
        bound: None,
    }],
    torch: "code",
    has_prior: false,
    code: |_, posterior| Code {
        z: posterior,
        epsilon: None,
    },
    backward,
    units: None,
};

fn backward(pass: &mut Pass<'_>, _: &Encoded, d_code: Slice, of: &Gradients) -> Slice {
    if let Some(own) = of.posterior {
        pass.lower.contribute(pass.net.posterior, own);
    }
    d_code
}
