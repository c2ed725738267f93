//! Every kernel against the oracle: the twin at f32, and every variant on a GPU.
//!
//! `harness` runs a case three ways and compares; `ops/<op>.rs` has an op's cases; `reflection` checks
//! the shaders without a GPU; `bites` proves that the comparison fails on a wrong kernel.
//! Needs a GPU, a software Vulkan included; `ELBO_TEST_GPU=skip` leaves the GPU's part out, and says so.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod bites;
mod constants;
mod dispatch;
mod harness;
mod headers;
mod matrices;
mod ops;
mod reflection;
mod run;
#[path = "../shared/skipped.rs"]
mod skipped;
mod tolerance;
mod translated;
mod uses;
