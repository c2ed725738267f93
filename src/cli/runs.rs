//! `elbo runs`

use std::path::{Path, PathBuf};

use clap::Args;

use super::{note, result};
use crate::error::Error;
use crate::watch::list;

/// Where `elbo train` makes run folders.
const RUNS: &str = "runs";

/// List the runs in a folder, the newest last
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct RunsArgs {
    /// Folder that holds run folders; others in it are skipped [default: runs]
    folder: Option<PathBuf>,
    /// Print one JSON array instead of a table [default: off]
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  elbo runs
  elbo runs experiments --json";

pub(super) fn run(args: &RunsArgs) -> anyhow::Result<()> {
    let folder = args.folder.as_deref().unwrap_or(Path::new(RUNS));
    // Before the first run there is no folder, which is no mistake of the user's.
    let runs = if args.folder.is_none() && !folder.exists() {
        Vec::new()
    } else {
        list::runs(folder)?
    };
    if args.json {
        let text = serde_json::to_string(&runs)
            .map_err(|e| Error::config(format!("--json: {e}"), "the table, without --json"))?;
        return result(text);
    }
    if runs.is_empty() {
        note(format_args!(
            "no runs in {}; `elbo train` makes one",
            folder.display()
        ));
        return Ok(());
    }
    for line in list::lines(&runs) {
        result(line)?;
    }
    Ok(())
}
