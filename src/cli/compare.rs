//! `elbo compare`

use std::collections::BTreeSet;
use std::path::{PathBuf, absolute};

use clap::Args;

use super::out::{self, Kind};
use super::{note, result};
use crate::error::Error;
use crate::files;
use crate::watch::compare::Comparison;

/// Show runs beside each other: losses, speed, what differs in their configurations, and their curves
///
/// Runs whose losses mean different things are in tables of their own, and a note says why.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct CompareArgs {
    /// Run folders
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Curves over each other, to create as a page (.html) or a picture (.png); repeat it for both
    /// [default: none]
    #[arg(long, value_name = "FILE")]
    out: Vec<PathBuf>,
    /// Print one JSON object instead of tables [default: off]
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  elbo compare runs/a runs/b
  elbo compare runs/* --out compare.html --out compare.png
  elbo compare runs/a runs/b --json";

pub(super) fn run(args: &CompareArgs) -> anyhow::Result<()> {
    let mut outputs = Vec::new();
    let mut places = BTreeSet::new();
    for out in &args.out {
        outputs.push((
            out,
            out::kind("--out", Some(out), &[Kind::Html, Kind::Png])?,
        ));
        if !places.insert(absolute(out).unwrap_or_else(|_| out.clone())) {
            return Err(Error::config(
                format!("--out {}: is given twice", out.display()),
                "--out compare.html --out compare.png",
            )
            .into());
        }
    }
    let comparison = Comparison::read(&args.runs)?;
    for (out, kind) in outputs {
        let bytes = match kind {
            Kind::Png => comparison.png()?,
            _ => comparison.html().into_bytes(),
        };
        files::create(out, &bytes)?;
        note(format_args!("curves: {}", out.display()));
    }
    if args.json {
        return result(comparison.json()?);
    }
    for line in comparison.lines() {
        result(line)?;
    }
    Ok(())
}
