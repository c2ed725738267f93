//! The README's table of options is made from the program's own definitions.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use clap::{Arg, CommandFactory};
use elbo::cli::Cli;

const START: &str = "<!-- made by the test `the_readme_lists_every_option_as_help_does` -->\n";
const END: &str = "<!-- end of the table -->\n";
/// Set, it has the table written anew instead of compared.
const WRITE: &str = "ELBO_TEST_WRITE";

/// Flag and value, as `--hidden UNITS,…`; of a choice, what it can be.
fn flag(argument: &Arg) -> String {
    let name = argument.get_long().expect("an option with a name");
    let values = argument.get_possible_values();
    let choices: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
    let names = argument.get_value_names().unwrap_or_default();
    match argument.get_action().takes_values() {
        false => format!("--{name}"),
        true if choices.is_empty() => format!("--{name} {}", names.join(" ")),
        true => format!("--{name} {}", choices.join("|")),
    }
}

/// What it does, and its default: that of the definition, or what the text says of one.
fn meaning(argument: &Arg) -> (String, String) {
    let help = argument.get_help().expect("a text").to_string();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((text, default)) = help.split_once(" [default: ") {
        return (text.into(), default.trim_end_matches(']').into());
    }
    let defaults = argument.get_default_values().iter();
    let defaults: Vec<_> = defaults.map(|value| value.to_string_lossy()).collect();
    assert!(!defaults.is_empty(), "no default of {argument}");
    (help, format!("`{}`", defaults.join(",")))
}

fn table() -> String {
    let command = Cli::command();
    let train = command.find_subcommand("train").expect("`elbo train`");
    let mut text = String::new();
    for heading in ["Model", "Data", "Training", "Run"] {
        let _ = writeln!(text, "\n| {heading} | meaning | default |\n|---|---|---|");
        let own = train
            .get_arguments()
            .filter(|argument| argument.get_help_heading() == Some(heading));
        for argument in own {
            let escape = |text: String| text.replace('|', "\\|");
            let (meaning, default) = meaning(argument);
            let (flag, meaning) = (escape(flag(argument)), escape(meaning));
            let _ = writeln!(text, "| `{flag}` | {meaning} | {} |", escape(default));
        }
    }
    text + "\n"
}

#[test]
fn the_readme_lists_every_option_as_help_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).expect("the README");
    let (before, rest) = readme.split_once(START).expect("the table's start");
    let (found, after) = rest.split_once(END).expect("the table's end");
    if std::env::var_os(WRITE).is_some() {
        let text = [before, START, &table(), END, after].concat();
        fs::write(&path, text).expect("the README");
        return;
    }
    assert!(
        found == table(),
        "the options have changed: {WRITE}=1 cargo test --release --test cli documentation"
    );
}
