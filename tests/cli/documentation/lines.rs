//! Command lines and options that the documentation names.

use clap::error::ErrorKind;
use clap::{Command, CommandFactory};
use elbo::cli::Cli;

use super::{Line, Page, draft, page, pages, root};

/// How the program is called where it is not installed.
const FROM_SOURCE: [&str; 4] = ["cargo", "run", "--release", "--"];

/// The commands of a line of shell, as words: between pipes, without redirections and comments.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut quote = None;
    let mut word: Option<String> = None;
    let mut redirected = false;
    for letter in line.chars().chain([' ']) {
        match (quote, letter) {
            (Some(mark), letter) if mark == letter => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ' ' | '|' | '<' | '>') => {
                let ended = word.take();
                if let Some(word) = ended {
                    if !redirected {
                        commands.last_mut().expect("a command").push(word);
                    }
                    redirected = false;
                }
                match letter {
                    '|' => commands.push(Vec::new()),
                    '<' | '>' => redirected = true,
                    _ => {}
                }
            }
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    commands
}

/// What is wrong with the calls of the program in a line of shell.
fn refused(line: &str) -> Option<String> {
    for words in commands(line) {
        let words = match words.strip_prefix(&FROM_SOURCE.map(String::from)) {
            Some(rest) => [&["elbo".into()], rest].concat(),
            None => words,
        };
        if let [cargo, run, _, kind, example, ..] = &words[..]
            && [cargo, run, kind] == ["cargo", "run", "--example"]
            && !root().join(format!("examples/{example}.rs")).exists()
        {
            return Some(format!("no example {example}"));
        }
        if words.first().is_none_or(|word| word != "elbo") {
            continue;
        }
        if let Err(error) = Cli::command().try_get_matches_from(&words)
            && !matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            )
        {
            return Some(error.to_string());
        }
    }
    None
}

/// Whether a command has an option of this name, with its hyphens.
fn takes(command: &Command, option: &str) -> bool {
    let longs = command.get_arguments().filter_map(|own| own.get_long());
    let mut names = longs.chain(["help", "version"]);
    option
        .strip_prefix("--")
        .is_some_and(|name| names.any(|own| own == name))
}

/// What is wrong with text that is set as code: a call of the program, which may be abridged, or an option.
fn unknown(text: &str) -> Option<String> {
    let program = Cli::command();
    let mut words = text.split(|letter: char| letter.is_whitespace() || letter == '=');
    let first = words.next()?;
    if first != "elbo" {
        let mut all = program.get_subcommands();
        let wrong = first.starts_with("--") && !all.any(|command| takes(command, first));
        return wrong.then(|| format!("no command has {first}"));
    }
    let name = words.next().filter(|name| !name.starts_with('-'))?;
    let Some(command) = program.find_subcommand(name) else {
        return Some(format!("no command {name}"));
    };
    let mut options = words.filter(|word| word.starts_with("--"));
    let option = options.find(|option| !takes(command, option))?;
    Some(format!("elbo {name} has no {option}"))
}

/// What a page names that the program does not have.
fn faults(page: &Page) -> Vec<String> {
    let mut faults = Vec::new();
    for line in page.lines() {
        if let Line::Code("sh" | "text", line) = line {
            faults.extend(refused(line).map(|why| format!("{}: {line}: {why}", page.name())));
        }
    }
    for (words, code) in page.prose() {
        if code {
            faults.extend(unknown(&words).map(|why| format!("{}: {words}: {why}", page.name())));
        }
    }
    faults
}

#[test]
fn every_command_line_of_the_documentation_is_one_of_the_program() {
    let pages = pages();
    let faults: Vec<String> = pages.iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    let calls = |page: &Page| {
        let lines = page.lines().into_iter();
        let code = lines.filter_map(|line| match line {
            Line::Code(_, line) => Some(commands(line)),
            Line::Prose(_) => None,
        });
        code.flatten()
            .filter(|words| words.first().is_some_and(|word| word == "elbo"))
            .count()
    };
    let calls: usize = pages.iter().map(calls).sum();
    assert!(calls > 50, "{calls} calls were looked at");
}

#[test]
fn the_readme_has_an_example_of_every_command() {
    let readme = page("README.md");
    let rows: Vec<&str> = readme.text.lines().collect();
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        let row = |row: &&str| {
            let rest = row.strip_prefix(&format!("| `elbo {name}"));
            rest.is_some_and(|rest| rest.starts_with([' ', '`']))
        };
        assert_eq!(rows.iter().filter(|line| row(line)).count(), 1, "{name}");
    }
}

#[test]
fn the_check_of_command_lines_finds_what_is_wrong() {
    let fine = [
        "elbo train --background '#e0e0ff'   # --nothing",
        "elbo encode a --data - < images.npy | elbo decode a - > b.npy",
        "cargo run --release -- train    # the picture above",
        "cargo run --release --example wrong_digit -- mnist",
        "python -c \"elbo --nothing\"",
    ];
    for line in fine {
        let page = draft(&format!("```sh\n{line}\n```\n"));
        assert_eq!(faults(&page), Vec::<String>::new());
    }
    let bad = [
        "elbo trian",
        "elbo train --latnet 2",
        "elbo train --latent two",
        "elbo evaluate",
        "elbo encode a --data - < images.npy | elbo decod a - > b.npy",
        "cargo run --release -- train --nothing",
        "cargo run --release --example nothing -- mnist",
    ];
    for line in bad {
        let page = draft(&format!("```sh\n{line}\n```\n"));
        assert_eq!(faults(&page).len(), 1, "{line}");
    }
    let spans = [
        ("`elbo sample RUN --count 3`, `--seed N`, `-`", 0),
        ("`elbo sampel RUN`", 1),
        ("`elbo sample --binarize none`", 1),
        ("`--nothing N`", 1),
    ];
    for (text, count) in spans {
        assert_eq!(faults(&draft(text)).len(), count, "{text}");
    }
}
