//! Looking at a trained model: paths between two codes, each latent dimension by itself, the plane of two dimensions, and
//! where the images of a data set lie.
//!
//! Everything here makes codes, has them decoded, and lays the images out. Sizes are looked at before anything is
//! decoded.

mod codes;
mod film;
mod format;
mod gif;
mod interpolate;
mod latents;
mod manifold;
mod normal;
mod path;
mod pca;
mod traverse;

pub use codes::{Spread, encode, kl_by_value};
pub use film::Film;
pub use format::{Format, check_grid};
pub use interpolate::{Ends, check as check_interpolate, interpolate};
pub use latents::{Classes, check as check_latents, latents};
pub use manifold::{check as check_manifold, manifold, picture as manifold_picture};
pub use path::Path;
pub use pca::Plane;
pub use traverse::{Traversal, check as check_traverse, traverse};
