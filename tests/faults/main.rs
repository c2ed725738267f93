//! What becomes of the program where the calls of a Vulkan driver fail: a loader of our own fails them.
//!
//! A part of the calls by default; all of them, which takes minutes, with `ELBO_LONG=1`.

#![cfg(target_os = "linux")]

mod creations;
mod losses;
#[path = "../shared/skipped.rs"]
mod skipped;
mod support;
