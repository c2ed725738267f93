//! `elbo` trains autoencoders and variational autoencoders on any GPU that Vulkan, Metal or DX12
//! reaches, and on the CPU.
//!
//! From a data set to a picture of what was learned (`examples/train_own_data.rs` has the same with images of one's
//! own):
//!
//! ```
//! use elbo::data::digits;
//! use elbo::device::{Device, Selection};
//! use elbo::model::{Inference, ModelSpec, Prior};
//! use elbo::plan::{self, Tune};
//! use elbo::draw::Grid;
//! use elbo::train::{EpochRecord, TrainOptions, train};
//!
//! let dataset = digits::generate(1_000, 200, 0);
//! let spec = ModelSpec {
//!     encoder: [64].into(),
//!     latent: 8.into(),
//!     ..ModelSpec::reference()
//! };
//! let options = TrainOptions {
//!     epochs: 1,
//!     ..TrainOptions::default()
//! };
//! // `Selection::Auto(0)` takes a GPU where there is one.
//! let device = || Device::open(&Selection::Cpu);
//!
//! let runtime = plan::open(device()?, Tune::Quick);
//! let mut watch = |epoch: &EpochRecord| println!("{:.1} nats per image", epoch.test.total);
//! let weights = train(runtime, &spec, &options, &dataset, &mut watch)?;
//!
//! let mut model = Inference::new(device()?, &spec, &weights, options.seed)?;
//! let grid = Grid::of_images(&model.sample(&Prior::Gaussian, 64, false)?, spec.image, 8)?;
//! let png = grid.png()?;
//! # assert!(png.starts_with(b"\x89PNG"));
//! # Ok::<(), elbo::Error>(())
//! ```
//!
//! Layers, each of which imports only those before it (a test checks it):
//! leaves ([`error`], [`option`], [`shape`], [`number`], [`rng`], [`files`], [`host`], [`ranks`], [`draw`]) ← [`device`] ← [`kernel`] ← [`ops`] ← [`plan`]
//! ← [`graph`] ← [`layers`] ← [`model`] ← [`train`] ← [`watch`] ← [`view`] ← [`export`] ← [`explore`] ← [`mod@bench`] ← [`cli`]; [`data`] needs the leaves only.

pub mod bench;
pub mod cli;
pub mod data;
pub mod device;
pub mod draw;
pub mod error;
pub mod explore;
pub mod export;
pub mod files;
pub mod graph;
pub mod host;
pub mod kernel;
pub mod layers;
pub mod model;
pub mod number;
pub mod ops;
pub mod option;
pub mod plan;
pub mod ranks;
pub mod rng;
pub mod shape;
pub mod train;
pub mod view;
pub mod watch;

pub use error::{Error, Result};
