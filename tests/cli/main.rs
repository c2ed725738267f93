//! The program as its users meet it: what it refuses, with which words and exit code, and what it
//! leaves behind.

mod bad_data;
mod bench;
mod concern;
mod conditional;
mod damage;
mod documentation;
mod drivers;
mod export;
#[cfg(target_os = "linux")]
mod faults;
#[path = "../data/formats.rs"]
mod formats;
#[path = "../shared/python.rs"]
mod interpreter;
mod latents;
mod layers;
mod look;
mod maps;
#[cfg(target_os = "linux")]
mod memory;
mod options;
mod other_data;
mod outputs;
mod prior;
#[cfg(target_os = "linux")]
mod processes;
mod python;
mod pytorch;
mod refused;
mod room;
mod runs;
mod shown;
#[cfg(unix)]
mod signals;
#[path = "../shared/skipped.rs"]
mod skipped;
mod starting;
mod stopping;
mod streams;
mod support;
#[cfg(unix)]
mod sweep;
mod training;
#[path = "../shared/trial.rs"]
mod trial;
mod tuning;
mod view;
mod watch;
