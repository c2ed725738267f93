//! What lies between encoder and decoder, one file per kind of latent code.

pub mod gaussian;
pub mod point;
mod shape;

pub use shape::LatentShape;

use crate::model::objectives::Gradients;
use crate::model::pass::Pass;
use crate::plan::Slice;

/// A kind of latent code.
pub struct Latent {
    /// What the encoder gives for it, `[latent]` each, side by side.
    pub heads: &'static [Head],
    /// A code in PyTorch, drawn by the names of the heads.
    pub torch: &'static str,
    /// Whether it has a prior to draw from.
    pub has_prior: bool,
    /// Codes from what the encoder gives: draws where there is noise, otherwise their means.
    pub(super) code: fn(&mut Pass<'_>, Slice) -> Code,
    /// The gradient of what the encoder gives, from that of the codes and what else the objective has for it.
    pub(super) backward: fn(&mut Pass<'_>, &Encoded, Slice, &Gradients) -> Slice,
    /// Sums of each latent dimension over the batch, on top of those that are there; `None` where there are none.
    pub(super) units: Option<fn(&mut Pass<'_>, Slice)>,
}

/// A part of what the encoder gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Head {
    /// Its name: `mu`, `logvar`, `code`.
    pub name: &'static str,
    /// What it is, in words.
    pub text: &'static str,
    /// It is used within plus and minus this.
    pub bound: Option<f64>,
}

/// Codes, and the noise that they were drawn by.
#[derive(Clone, Copy)]
pub(super) struct Code {
    pub(super) z: Slice,
    pub(super) epsilon: Option<Slice>,
}

/// What the encoder gave, and the codes that were made of it.
#[derive(Clone, Copy)]
pub(super) struct Encoded {
    pub(super) posterior: Slice,
    pub(super) code: Code,
}
