//! Looking at a trained model: ways between two codes, each latent value by itself, the plane of two values, and
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
mod plot;
mod traverse;

pub use codes::{Spread, encode, kl_by_value};
pub use film::Film;
pub use format::Format;
pub use interpolate::{Ends, interpolate};
pub use latents::{Classes, latents};
pub use manifold::{check as check_manifold, manifold};
pub use path::Path;
pub use pca::Plane;
pub use plot::class_colours;
pub use traverse::{Traversal, traverse};
