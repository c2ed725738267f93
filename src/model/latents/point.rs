//! The code of an autoencoder: the encoder's output itself.

use super::{Code, Encoded, Head, Latent};
use crate::model::pass::Pass;
use crate::ops::add;
use crate::plan::Slice;

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
    backward,
    units: None,
};

fn backward(pass: &mut Pass<'_>, _: &Encoded, d_code: Slice, own: Option<Slice>) -> Slice {
    let Some(own) = own else {
        return d_code;
    };
    let sum = pass.lower.transient("code gradient", d_code.len);
    let call = add::call(d_code.len);
    pass.lower
        .step("code gradient", &add::KERNEL, call, &[d_code, own, sum]);
    sum
}
