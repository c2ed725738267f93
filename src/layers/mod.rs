//! The layers, one file per layer: sizes, parameters, steps, gradients, and what it is in ONNX and PyTorch.
//!
//! [`LAYERS`] is the registry: the tests demand of every layer in it what they demand of one.

pub mod activation;
pub mod add;
pub mod convolution;
pub mod fsq;
pub mod group_norm;
pub mod join;
pub mod linear;
pub mod reshape;
pub mod transposed_convolution;
pub mod up;

pub use activation::Activation;

use crate::graph::Layer;

/// Every layer of the program.
pub static LAYERS: &[&Layer] = &[
    &activation::LAYER,
    &add::LAYER,
    &convolution::LAYER,
    &fsq::LAYER,
    &group_norm::LAYER,
    &join::LAYER,
    &linear::LAYER,
    &reshape::LAYER,
    &transposed_convolution::LAYER,
    &up::LAYER,
];
