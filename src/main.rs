//! The program: parse, run, map errors to exit codes.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use elbo::cli;

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
        .format(|out, record| {
            let text = cli::in_flags(record.args());
            writeln!(out, "[{:<5} {}] {text}", record.level(), record.target())
        })
        .init();
    cli::run(cli::Cli::parse()).unwrap_or_else(|error| cli::fail(&error))
}
