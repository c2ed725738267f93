//! The program: parse, run, map errors to exit codes.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

/// Has a layer of Mesa leave itself out, which prints two errors into everything where `XDG_RUNTIME_DIR` is not set, as in
/// a plain container. It orders devices by a wish of its user's, which nobody there has.
#[cfg(target_os = "linux")]
#[allow(
    unsafe_code,
    reason = "the first thing that main does: no other thread reads the environment meanwhile"
)]
fn silence_mesa() {
    const LEAVE_OUT: &str = "NODEVICE_SELECT";
    let is_missing = std::env::var_os("XDG_RUNTIME_DIR").is_none_or(|path| path.is_empty());
    if is_missing && std::env::var_os(LEAVE_OUT).is_none() {
        // SAFETY: there is no other thread yet.
        unsafe { std::env::set_var(LEAVE_OUT, "1") };
    }
}

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    silence_mesa();
    let quiet = env_logger::Env::default().default_filter_or("elbo=warn");
    env_logger::Builder::from_env(quiet)
        .format_timestamp(None)
        .init();
    match elbo::cli::run(elbo::cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) => report(&error),
    }
}

/// Prints an error and gives its exit code; 0 where whoever read our results had enough.
fn report(error: &anyhow::Error) -> ExitCode {
    let ours = error.chain().find_map(|e| e.downcast_ref::<elbo::Error>());
    let (text, code) = match ours {
        Some(ours) => (ours.to_string(), ours.exit_code()),
        None if is_broken_pipe(error) => return ExitCode::SUCCESS,
        None => (format!("{error:#}"), 1),
    };
    // A name in it may hold what a terminal takes for orders.
    let text = text.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}");
    // With stderr closed as well there is nobody left to tell.
    let _ = writeln!(io::stderr(), "error: {text}");
    ExitCode::from(code)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|e| e.downcast_ref::<io::Error>())
        .any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}
