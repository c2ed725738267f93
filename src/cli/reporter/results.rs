//! What a run came to.

use serde_json::json;

use super::Shown;
use crate::cli::{result, text, warn};
use crate::train::metrics::{Epoch, Line};
use crate::train::{Concern, Ending, RunFolder, ending_in_words};

/// Prints what a run came to.
pub(in crate::cli) fn results(
    folder: &RunFolder,
    ending: Ending,
    shown: Shown,
) -> anyhow::Result<()> {
    let path = folder.path();
    let lines = folder.lines()?;
    let epochs = lines.iter().filter_map(|line| match line {
        Line::Epoch(epoch) => Some(epoch),
        Line::Report(_) => None,
    });
    let epochs: Vec<&Epoch> = epochs.collect();
    let last = epochs.last();
    let spec = &folder.config().model;
    let concern = Concern::of(&epochs);
    if shown.json {
        let ending = match ending {
            Ending::Finished => "finished",
            Ending::Stale => "stale",
            Ending::Stopped => "stopped",
            Ending::BrokenOff => "interrupted",
        };
        let mut end = json!({
            "kind": "end",
            "run": path.display().to_string(),
            "ending": ending,
            "epochs": last.map_or(0, |epoch| epoch.epoch),
        });
        if let Some(concern) = concern {
            end["concern"] = concern.name().into();
        }
        result(end)?;
        say_ending(folder, &epochs, shown);
        return Ok(());
    }
    result(format_args!("run: {}", path.display()))?;
    if let Some(last) = last {
        result(format_args!("train: {}", text::loss(spec, &last.train)))?;
        result(format_args!("test: {}", text::loss(spec, &last.test)))?;
        if let (Some(sigma), Some(rule)) = (last.sigma, spec.likelihood.sigma()) {
            result(format_args!("sigma: {sigma:.4}, {}", rule.rule()))?;
        }
    }
    say_ending(folder, &epochs, shown);
    Ok(())
}

/// Says what is wrong with a run that is over, so that its results do not look like success. What an epoch's warning has
/// said is not said again, unless nobody was told.
fn say_ending(folder: &RunFolder, epochs: &[&Epoch], shown: Shown) {
    let (run, Some(last)) = (folder.config(), epochs.last()) else {
        return;
    };
    let what = match Concern::of(epochs) {
        Some(Concern::Astray) => ending_in_words(run, epochs),
        Some(concern) if shown.quiet => Some(concern.in_words(run, last)),
        _ => None,
    };
    if let (Some(what), Some(concern)) = (what, Concern::of(epochs)) {
        warn(format_args!("{what}; try: {}", concern.hint(run)));
    }
}
