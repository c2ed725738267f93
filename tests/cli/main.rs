//! The program as its users meet it: what it refuses, with which words and exit code, and what it
//! leaves behind.

mod bad_data;
mod bench;
mod export;
#[path = "../data/formats.rs"]
mod formats;
mod options;
mod python;
mod refused;
mod runs;
mod streams;
mod support;
mod tuning;
