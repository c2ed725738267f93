//! The data layer: what it reads, and what it refuses, with which words.

mod array;
mod builtin;
mod download;
mod folder;
mod formats;
mod idx;
mod in_files;
mod labels;
mod mnist;
#[path = "../shared/skipped.rs"]
mod skipped;
mod sources;
mod support;
mod table;
#[path = "../shared/trial.rs"]
mod trial;
mod trials;
