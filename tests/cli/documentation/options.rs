//! The tables of options in `docs/commands.md`, made from the program's own definitions.

use std::fmt::Write;
use std::fs;

use clap::{Arg, Command, CommandFactory};
use elbo::cli::Cli;

use super::page;

const PAGE: &str = "docs/commands.md";
const END: &str = "<!-- end -->\n";
/// Set, it has the tables written anew instead of compared.
const WRITE: &str = "ELBO_TEST_WRITE";
/// Options that several commands take, by the headings under which they are described once.
const SHARED: [(&str, &[&str]); 3] = [
    ("Parameters", &["checkpoint", "weights"]),
    (
        "Images",
        &[
            "data",
            "split",
            "background",
            "skip-broken",
            "array",
            "axes",
            "columns",
            "label-column",
        ],
    ),
    ("Device", &["device"]),
];
/// A command that takes all of [`SHARED`].
const WITH_SHARED: &str = "reconstruct";
/// The command whose options others refer to.
const TRAIN: &str = "train";
/// Longest line of text; rows of tables may be longer.
const WIDTH: usize = 120;

/// A row of a table: an argument, and the heading of `--help` under which it stands.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    name: String,
    flag: String,
    meaning: String,
    default: String,
    heading: Option<String>,
}

/// Text on one line.
fn line(text: &impl ToString) -> String {
    let text = text.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A line's end in a cell.
const BREAK: &str = "<br>";

/// As Markdown has it in a cell: no end of the cell, and no tag outside of code but for [`BREAK`].
fn cell(text: &str) -> String {
    let text = text.replace('|', "\\|");
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(i, part)| match i % 2 {
        0 => part.replace('<', "\\<").replace("\\<br>", BREAK),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("`")
}

/// Flag and value, as `--hidden UNITS,…`; of a choice, what it can be.
fn flag(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default().join(" ");
    let count = argument.get_num_args().expect("built");
    let Some(name) = argument.get_long() else {
        let more = if count.max_values() > 1 { "…" } else { "" };
        return format!("{names}{more}");
    };
    if !argument.get_action().takes_values() {
        return format!("--{name}");
    }
    let values = argument.get_possible_values();
    let choices: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
    let more = if names.ends_with(",…") { ",…" } else { "" };
    let value = match choices.is_empty() {
        true => names,
        false => choices.join("|") + more,
    };
    match count.min_values() {
        0 => format!("--{name} [{value}]"),
        _ => format!("--{name} {value}"),
    }
}

/// What it does, and its default: that of the definition, or what the text says of one.
fn meaning(argument: &Arg) -> (String, String) {
    let help = line(argument.get_help().expect("a text"));
    let (text, default) = match help.split_once(" [default: ") {
        Some((text, default)) => (text.to_owned(), default.trim_end_matches(']').to_owned()),
        None if argument.is_required_set() => (help, "required".into()),
        None => {
            let defaults = argument.get_default_values().iter();
            let defaults: Vec<_> = defaults.map(|value| value.to_string_lossy()).collect();
            assert!(!defaults.is_empty(), "no default of {argument}");
            (help, format!("`{}`", defaults.join(",")))
        }
    };
    let values = argument.get_possible_values();
    let values = values.iter().filter_map(|value| {
        let help = line(value.get_help()?);
        Some(format!("{BREAK}`{}`: {help}", value.get_name()))
    });
    let values: Vec<String> = values.collect();
    match values.is_empty() || !argument.get_action().takes_values() {
        true => (text, default),
        false => (text + &values.concat(), default),
    }
}

fn rows(command: &Command) -> Vec<Row> {
    let arguments = command.get_arguments();
    let own =
        arguments.filter(|argument| !["help", "version"].contains(&argument.get_id().as_str()));
    own.map(|argument| {
        let (meaning, default) = meaning(argument);
        Row {
            name: argument.get_long().unwrap_or_default().to_owned(),
            flag: flag(argument),
            meaning,
            default,
            heading: argument.get_help_heading().map(String::from),
        }
    })
    .collect()
}

/// Tables of rows, one under each heading of `--help`.
fn tables(rows: &[Row]) -> String {
    let mut headings: Vec<&Option<String>> = vec![&None];
    for row in rows {
        if !headings.contains(&&row.heading) {
            headings.push(&row.heading);
        }
    }
    let mut text = String::new();
    for heading in headings {
        let mut own = rows.iter().filter(|row| row.heading == *heading).peekable();
        let Some(first) = own.peek() else { continue };
        let title = match heading {
            Some(heading) => heading,
            None if first.name.is_empty() => "Argument",
            None => "Option",
        };
        let _ = writeln!(text, "| {title} | meaning | default |\n|---|---|---|");
        for row in own {
            let [flag, meaning, default] =
                [&row.flag, &row.meaning, &row.default].map(|text| cell(text));
            let _ = writeln!(text, "| `{flag}` | {meaning} | {default} |");
        }
        text.push('\n');
    }
    text
}

/// A paragraph of several lines.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("a line");
        if last.is_empty() {
            *last = word.into();
        } else if last.chars().count() + 1 + word.chars().count() <= WIDTH {
            *last += &format!(" {word}");
        } else {
            lines.push(word.into());
        }
    }
    lines.join("\n") + "\n\n"
}

/// Names of options, in a sentence.
fn list(rows: &[Row]) -> String {
    let names = rows.iter().map(|row| format!("`--{}`", row.name));
    names.collect::<Vec<_>>().join(", ")
}

/// The rows that a command has in common with `elbo train`, taken out.
fn as_in_train(rows: &mut Vec<Row>, train: &[Row]) -> String {
    let same: Vec<Row> = rows
        .iter()
        .filter(|row| train.contains(row))
        .cloned()
        .collect();
    rows.retain(|row| !same.contains(row));
    match same.is_empty() {
        true => String::new(),
        false => wrapped(&format!(
            "As in [`elbo train`](#elbo-train): {}.",
            list(&same)
        )),
    }
}

/// The options that several commands take.
fn shared(program: &Command) -> String {
    let find = |name: &str| rows(program.find_subcommand(name).expect("a command"));
    let (all, train) = (find(WITH_SHARED), find(TRAIN));
    let mut text = String::new();
    for (heading, names) in SHARED {
        let mut own: Vec<Row> = all.clone();
        own.retain(|row| names.contains(&row.name.as_str()));
        assert_eq!(own.len(), names.len(), "{heading}: {own:?}");
        let same = as_in_train(&mut own, &train);
        let _ = write!(text, "### {heading}\n\n{}{same}", tables(&own));
    }
    text
}

/// The examples at the end of a command's help, with what is said of each as a comment.
fn examples(command: &Command) -> String {
    let text = command.get_after_help().expect("examples").to_string();
    let lines = text.strip_prefix("Examples:\n").expect("examples").lines();
    let lines = lines.map(|line| match line.trim().split_once("  ") {
        Some((example, of_it)) => format!("{:<40} # {}\n", example, of_it.trim()),
        None => format!("{}\n", line.trim()),
    });
    format!("```sh\n{}```\n", lines.collect::<String>())
}

/// What is said of a command: what it does, its arguments, its examples.
fn section(program: &Command, command: &Command) -> String {
    let about = command.get_long_about().or(command.get_about());
    let about = about.expect("a text").to_string();
    let mut text = String::new();
    for paragraph in about.split("\n\n") {
        let end = if paragraph.ends_with('.') { "" } else { "." };
        text += &wrapped(&format!("{paragraph}{end}"));
    }
    let usage = line(&command.clone().render_usage());
    let usage = usage.strip_prefix("Usage: ").expect("a usage");
    let _ = write!(text, "`{usage}`\n\n");
    let mut own = rows(command);
    let of = |name: &str| rows(program.find_subcommand(name).expect("a command"));
    let (all, train) = (of(WITH_SHARED), of(TRAIN));
    let mut groups = Vec::new();
    for (heading, names) in SHARED {
        let mut group = all.clone();
        group.retain(|row| names.contains(&row.name.as_str()));
        if group.iter().all(|row| own.contains(row)) {
            own.retain(|row| !group.contains(row));
            groups.push(format!("[{heading}](#{})", heading.to_lowercase()));
        }
    }
    let same = match command.get_name() {
        TRAIN => String::new(),
        _ => as_in_train(&mut own, &train),
    };
    text += &tables(&own);
    text += &same;
    if !groups.is_empty() {
        text += &wrapped(&format!("Also the options under {}.", groups.join(" and ")));
    }
    text + &examples(command)
}

/// What the tests make of the page, as (start of it, heading before it, text), in order.
fn parts() -> Vec<(String, String, String)> {
    let mut program = Cli::command();
    program.build();
    let start = |name: &str| format!("<!-- made by a test: {name} -->\n");
    let mut parts = vec![(
        start("shared options"),
        "## Options of several commands\n".into(),
        shared(&program),
    )];
    for command in program
        .get_subcommands()
        .filter(|own| own.get_name() != "help")
    {
        let name = format!("elbo {}", command.get_name());
        parts.push((
            start(&name),
            format!("## `{name}`\n"),
            section(&program, command),
        ));
    }
    parts
}

#[test]
fn every_option_is_documented_as_help_has_it() {
    let page = page(PAGE);
    let parts = parts();
    let mut made = String::new();
    let mut rest = page.text.as_str();
    for (start, heading, text) in &parts {
        let (before, after) = rest
            .split_once(start.as_str())
            .unwrap_or_else(|| panic!("{PAGE}: not there, or not in the order of --help: {start}"));
        assert!(before.contains(heading.as_str()), "{PAGE}: no {heading}");
        let (_, after) = after.split_once(END).expect("the end of a part");
        made += &[before, start, "\n", text.trim_end(), "\n\n", END].concat();
        rest = after;
    }
    made += rest;
    assert_eq!(
        made.matches("<!-- made by").count(),
        parts.len(),
        "{PAGE}: of no command"
    );
    if std::env::var_os(WRITE).is_some() {
        fs::write(&page.path, made).expect("the page");
        return;
    }
    if let Some((found, made)) = page.text.lines().zip(made.lines()).find(|(a, b)| a != b) {
        panic!(
            "{PAGE} has\n{found}\nwhere the program has\n{made}\n{WRITE}=1 cargo test --release --test cli documentation"
        );
    }
    assert!(page.text == made, "{PAGE}: {WRITE}=1 writes it anew");
}
