//! `elbo report`

use std::path::PathBuf;

use clap::Args;

use super::result;
use crate::watch::report;

/// Make the page of a run: curves, pictures, figures and configuration in one HTML file
///
/// Writes report.html into the run folder, in place of an earlier one. Training keeps it up to date.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReportArgs {
    /// Run folder
    run: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  elbo report runs/reference";

pub(super) fn run(args: &ReportArgs) -> anyhow::Result<()> {
    result(report::write(&args.run, None)?.display())
}
