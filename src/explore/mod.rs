//! A page to look into a trained model: served to this machine's own browser, or as one file to send.
//!
//! The page decodes by WebGPU with the shaders of this program: its plans are written as JSON (`wire.rs`), and a
//! small runner in the page (`page/runner.js`) executes them. Where a browser has no WebGPU, a served page asks
//! the program (`server.rs`), and a file reads the same plans as a script (`page/script.js`).

mod explorer;
mod file;
mod gallery;
mod http;
mod server;
mod wire;

pub use explorer::{Explorer, Setting};
pub use server::{PORT, Server};
