//! Settings, which the library names as a configuration does, as the flags of the command line.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

use clap::{Command, CommandFactory};

use super::Cli;

/// Names of the options of all commands.
static OPTIONS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let program = Cli::command();
    let arguments = program.get_subcommands().flat_map(Command::get_arguments);
    let names = arguments.filter_map(|argument| argument.get_long().map(str::to_owned));
    names.collect()
});

/// A text of the library in the words of the command line: each `` `NAME = VALUE` `` whose name is that of an option
/// becomes `` `--NAME VALUE` ``. A switch that is on has no value there, and neither has `…`, which stands for any.
pub fn in_flags(text: impl fmt::Display) -> String {
    let text = text.to_string();
    let mut rest = text.as_str();
    let mut said = String::with_capacity(text.len());
    while let Some((before, behind)) = rest.split_once('`') {
        said += before;
        said.push('`');
        rest = behind;
        // A name of a file may hold this mark, so that each one may begin a setting.
        if let Some((name, value)) = setting(behind) {
            said += &format!("--{name}");
            if !["…", "true"].contains(&value) {
                said += &format!(" {value}");
            }
            said.push('`');
            rest = &behind[name.len() + SAYS.len() + value.len() + 1..];
        }
    }
    said + rest
}

/// What stands between a name and its value.
const SAYS: &str = " = ";

/// The setting that a text begins with, up to the mark behind it.
fn setting(text: &str) -> Option<(&str, &str)> {
    let (span, _) = text.split_once('`')?;
    let (name, value) = span.split_once(SAYS)?;
    OPTIONS.contains(name).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_become_flags_and_nothing_else_does() {
        for (text, expected) in [
            (
                "`batch-size = 0`: expected 1 to 9\n  try: `batch-size = 9`",
                "`--batch-size 0`: expected 1 to 9\n  try: `--batch-size 9`",
            ),
            (
                "no `beta = …`, `skip-broken = true`",
                "no `--beta`, `--skip-broken`",
            ),
            // An option of another command than `elbo train`.
            ("a smaller `steps = …`", "a smaller `--steps`"),
            (
                "`encoder = \"linear 3, linear 4\"`, `columns = 'a b'`",
                "`--encoder \"linear 3, linear 4\"`, `--columns 'a b'`",
            ),
            ("`array = labels=none`", "`--array labels=none`"),
            (
                "a`b.npy: `latent = 3` of `x_val`",
                "a`b.npy: `--latent 3` of `x_val`",
            ),
            ("``latent = 3``", "``--latent 3``"),
        ] {
            assert_eq!(in_flags(text), expected);
        }
        for same in [
            "",
            "`",
            "`nothing = 3`",
            "`latent`, `latent=3`, `--latent 3`, latent = 3",
            "`latent = 3",
            "a`b = c`d.png: `x_val` is the test split",
            "`np.savez(\"data.npz\", latent = 3)`",
            "…`…",
        ] {
            assert_eq!(in_flags(same), same);
        }
    }
}
