//! Watching runs: TensorBoard's event files, the page of a run, runs beside each other, the list of runs.
//!
//! All of it works from what a run folder holds, so that it serves a run that trains as well as an old one.

pub mod compare;
mod html;
pub mod list;
mod pictures;
mod plot;
pub mod report;
mod run;
mod settings;
mod table;
pub mod tensorboard;

pub use pictures::{Picture, PictureKind, Pictures};
pub use run::{Run, Status};
