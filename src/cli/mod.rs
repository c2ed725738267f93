//! The command line: one file per command, nothing but arguments and calls into the library.
//!
//! Results go to stdout, everything else to stderr.

mod bench;
mod bench_text;
mod class;
mod compare;
mod config;
mod decode;
mod devices;
mod encode;
mod evaluate;
mod explore;
mod export;
mod flags;
mod init;
mod interpolate;
mod latents;
mod loading;
mod manifold;
mod out;
mod prior;
mod reconstruct;
mod report;
mod reporter;
mod rows;
mod runs;
mod sample;
mod saved;
mod score;
mod signals;
mod streams;
mod train;
mod traverse;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub use self::flags::in_flags;
use crate::device::{Device, Selection};
use crate::kernel::Precision;
use crate::model::words as text;

/// Trains autoencoders and variational autoencoders on any GPU that Vulkan, Metal or DX12 reaches,
/// or on the CPU.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  elbo train                                   a VAE on the built-in digits
  elbo train --data mnist --epochs 10          the VAE of PyTorch's examples
  elbo sample runs/20260131-235959-vae-mnist   a grid of new images from a trained one
  elbo explore runs/20260131-235959-vae-mnist  a page to look into it, in a browser
  elbo devices                                 the GPUs there are
  elbo bench                                   where the time of training goes

Exit codes: 0 done, 1 input/output, 2 options or configuration, 3 data or saved run, 4 device,
5 a loss that is not finite, 130, 143 and 129 stopped by Ctrl-C, SIGTERM and SIGHUP.";

#[derive(Debug, Subcommand)]
enum Command {
    Train(Box<train::TrainArgs>),
    Sample(sample::SampleArgs),
    Reconstruct(reconstruct::ReconstructArgs),
    Encode(encode::EncodeArgs),
    Decode(decode::DecodeArgs),
    Evaluate(evaluate::EvaluateArgs),
    Score(score::ScoreArgs),
    Export(export::ExportArgs),
    Interpolate(interpolate::InterpolateArgs),
    Traverse(traverse::TraverseArgs),
    Manifold(manifold::ManifoldArgs),
    Latents(latents::LatentsArgs),
    Report(report::ReportArgs),
    Compare(compare::CompareArgs),
    Runs(runs::RunsArgs),
    Explore(explore::ExploreArgs),
    Devices(devices::DevicesArgs),
    Bench(bench::BenchArgs),
}

/// Runs a command and gives its exit code.
///
/// # Errors
/// A [`crate::Error`], or the [`io::Error`] of stdout.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let command = &cli.command;
    if let Command::Train(args) = command {
        return train::run(args);
    }
    let outcome = run_once(command).or_else(|error| match error.downcast_ref() {
        Some(crate::Error::Lost { what }) if streams::are_untouched() => {
            warn(format_args!("{what}\n  once more, from the start"));
            run_once(command)
        }
        _ => Err(error),
    });
    outcome.map(|()| ExitCode::SUCCESS)
}

/// Runs a command that may be run again where it has written nothing.
fn run_once(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Train(args) => train::run(args).map(drop),
        Command::Sample(args) => sample::run(args),
        Command::Reconstruct(args) => reconstruct::run(args),
        Command::Encode(args) => encode::run(args),
        Command::Decode(args) => decode::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Score(args) => score::run(args),
        Command::Export(args) => export::run(args),
        Command::Interpolate(args) => interpolate::run(args),
        Command::Traverse(args) => traverse::run(args),
        Command::Manifold(args) => manifold::run(args),
        Command::Latents(args) => latents::run(args),
        Command::Report(args) => report::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Runs(args) => runs::run(args),
        Command::Explore(args) => explore::run(args),
        Command::Devices(args) => devices::run(args),
        Command::Bench(args) => bench::run(args),
    }
}

/// A line of results.
fn result(line: impl fmt::Display) -> anyhow::Result<()> {
    streams::touch();
    writeln!(io::stdout(), "{line}").context("stdout: cannot write the results")
}

/// Says what looks wrong, and goes on.
fn warn(what: impl fmt::Display) {
    note(format_args!("warning: {what}"));
}

/// A line for whoever watches. With stderr closed nobody does, which is no reason to stop.
fn note(line: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{}", in_flags(line));
}

/// Prints an error and gives its exit code; 0 where whoever read our results had enough.
pub fn fail(error: &anyhow::Error) -> ExitCode {
    let code = exit_code(error);
    if code != 0 {
        say_error("", error);
    }
    ExitCode::from(code)
}

/// Prints an error; `whose` says which program's it is, where there are several.
fn say_error(whose: &str, error: &anyhow::Error) {
    let text = match ours(error) {
        Some(ours) => ours.to_string(),
        None => format!("{error:#}"),
    };
    // A name in it may hold what a terminal takes for orders.
    let text = text.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}");
    note(format_args!("error: {whose}{text}"));
}

/// The exit code of an error; 0 where whoever read our results had enough.
fn exit_code(error: &anyhow::Error) -> u8 {
    match ours(error) {
        Some(ours) => ours.exit_code(),
        None if is_broken_pipe(error) => 0,
        None => 1,
    }
}

fn ours(error: &anyhow::Error) -> Option<&crate::Error> {
    error.chain().find_map(|e| e.downcast_ref())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|e| e.downcast_ref::<io::Error>())
        .any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// A bar on stderr, for a terminal. It has no colour, so NO_COLOR needs nothing.
fn bar(template: &str) -> ProgressBar {
    // A template that does not parse would only cost the look of the bar.
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    bar.with_style(style)
}

/// Runs what counts the images whose log p(x) it has estimated, with a bar where stderr is a terminal.
fn with_bar<T>(
    run: impl FnOnce(&mut dyn FnMut(usize, usize)) -> crate::Result<T>,
) -> crate::Result<T> {
    let bar = io::stderr()
        .is_terminal()
        .then(|| bar("log p(x) [{bar:30}] {pos}/{len} images"));
    let done = run(&mut |done, all| {
        if let Some(bar) = &bar {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        }
    });
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    done
}

/// Opens the device that `--device` means, for products of `precision`, and says which one it is. A driver that is missing
/// is what `elbo train` and `elbo devices` speak of.
fn open_device(selection: &str, precision: Precision) -> crate::Result<Device> {
    let (device, lines) = find_device(selection, precision, 0)?;
    match device {
        Device::Cpu => note(lines.lines().next().unwrap_or_default()),
        Device::Gpu(_) => note(lines),
    }
    Ok(device)
}

/// The device that `--device` means, and what is to be said of it. `before` says how many processes of this machine choose
/// theirs first.
fn find_device(
    selection: &str,
    precision: Precision,
    before: usize,
) -> crate::Result<(Device, String)> {
    let selection = selection.parse::<Selection>()?.behind(before);
    let device = precision.open(&selection)?;
    let mut lines = format!("device: {}", device.name());
    if let Some(notice) = device.notice(&selection) {
        lines += &format!("\n  {notice}");
    }
    Ok((device, lines))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_option_is_documented() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            assert!(command.get_after_help().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                let name = format!("{} {}", command.get_name(), argument.get_id());
                assert!(argument.get_help().is_some(), "{name}");
            }
        }
    }
}
