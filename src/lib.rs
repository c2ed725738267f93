//! `elbo` trains autoencoders and variational autoencoders on any GPU that Vulkan, Metal or DX12
//! reaches, and on the CPU.
//!
//! Layers, each of which imports only those before it (a test checks it):
//! leaves ([`error`], [`shape`], [`rng`], [`files`], [`draw`]) ← [`device`] ← [`kernel`] ← [`ops`] ← [`plan`]
//! ← [`model`] ← [`train`] ← [`explore`] ← [`mod@bench`] ← [`cli`]; [`data`] needs the leaves only.

pub mod bench;
pub mod cli;
pub mod data;
pub mod device;
pub mod draw;
pub mod error;
pub mod explore;
pub mod files;
pub mod kernel;
pub mod model;
pub mod ops;
pub mod plan;
pub mod rng;
pub mod shape;
pub mod train;

pub use error::{Error, Result};
