//! The documentation agrees with the program and with itself: its tables of options are made from the program's own
//! definitions, its links lead somewhere, and its command lines name what there is.

mod lines;
mod links;
mod options;

use std::fs;
use std::path::{Path, PathBuf};

/// How many lines a README may have, to be read in minutes.
const README_LINES: usize = 200;

/// A page of the documentation.
struct Page {
    path: PathBuf,
    text: String,
}

/// A line in a block of code, with the block's language, or one outside of them.
enum Line<'a> {
    Code(&'a str, &'a str),
    Prose(&'a str),
}

impl Page {
    fn name(&self) -> String {
        let path = self.path.strip_prefix(root()).unwrap_or(&self.path);
        path.display().to_string()
    }

    /// The lines of the page, without those that fence code.
    fn lines(&self) -> Vec<Line<'_>> {
        let mut language = None;
        let mut lines = Vec::new();
        for line in self.text.lines() {
            match (line.strip_prefix("```"), language) {
                (Some(name), None) => language = Some(name),
                (Some(_), Some(_)) => language = None,
                (None, Some(name)) => lines.push(Line::Code(name, line)),
                (None, None) => lines.push(Line::Prose(line)),
            }
        }
        assert!(language.is_none(), "{}: a block without end", self.name());
        lines
    }

    /// What is not in blocks of code, as (words, whether they are set as code).
    fn prose(&self) -> Vec<(String, bool)> {
        let lines = self.lines().into_iter().filter_map(|line| match line {
            Line::Prose(line) => Some(line),
            Line::Code(..) => None,
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        let parts = text.split('`').enumerate();
        let parts: Vec<_> = parts
            .map(|(i, part)| (part.to_owned(), i % 2 == 1))
            .collect();
        assert!(parts.len() % 2 == 1, "{}: an odd backtick", self.name());
        parts
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(path: &str) -> Page {
    let path = root().join(path);
    let text = fs::read_to_string(&path).expect("a page");
    Page { path, text }
}

/// A page that is not on the disk, in the folder of the README.
fn draft(text: &str) -> Page {
    Page {
        path: root().join("DRAFT.md"),
        text: text.into(),
    }
}

/// All pages: those beside the README, and those in `docs/`.
fn pages() -> Vec<Page> {
    let mut names = Vec::new();
    for folder in ["", "docs/"] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder") {
            let name = entry.expect("a file").file_name();
            let name = name.into_string().expect("a name");
            if name.ends_with(".md") {
                names.push(format!("{folder}{name}"));
            }
        }
    }
    names.sort();
    assert!(names.contains(&"README.md".into()) && names.contains(&"docs/commands.md".into()));
    names.iter().map(|name| page(name)).collect()
}

#[test]
fn the_readme_is_short() {
    let lines = page("README.md").text.lines().count();
    assert!(
        lines <= README_LINES,
        "README.md has {lines} lines, at most {README_LINES} are to be: what is not for a newcomer belongs into docs/"
    );
}
