//! What lies between encoder and decoder, one file per kind of latent code.

pub mod gaussian;
mod levels;
pub mod point;
mod shape;

pub use levels::Levels;
pub use shape::LatentShape;

use serde::{Deserialize, Serialize};

use crate::model::objectives::Gradients;
use crate::model::pass::Pass;
use crate::plan::Slice;

/// What is made of a code before it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LatentKind {
    /// Nothing: its values are any numbers
    Continuous,
    /// Each channel is rounded to one of a few levels, so that a code is whole numbers (Mentzer et al. 2023)
    Fsq,
}

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
