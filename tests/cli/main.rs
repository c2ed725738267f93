//! The program as its users meet it: what it refuses, with which words and exit code, and what it
//! leaves behind.

mod bad_data;
mod bench;
#[path = "../data/formats.rs"]
mod formats;
mod options;
mod refused;
mod runs;
mod support;
mod tuning;
mod watch;
