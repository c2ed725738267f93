//! Links within the documentation.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use super::{Line, Page, draft, page, pages};

/// The targets of a page's links and pictures.
fn targets(page: &Page) -> Vec<String> {
    let prose = page.prose().into_iter();
    // Words set as code hold no links, and may be the text of one.
    let text: String = prose
        .filter_map(|(text, code)| (!code).then_some(text))
        .collect();
    let rest = text.split("](").skip(1);
    let targets = rest.map(|rest| rest.split(')').next().unwrap_or_default().to_owned());
    targets.collect()
}

/// The names of a page's headings, as GitHub makes them: lower case, hyphens for spaces, no punctuation, a number after a
/// repeated one.
fn anchors(page: &Page) -> HashSet<String> {
    let mut anchors = HashSet::new();
    for line in page.lines() {
        let Line::Prose(line) = line else { continue };
        let text = line.trim_start_matches('#');
        let Some(text) = text.strip_prefix(' ').filter(|_| text.len() < line.len()) else {
            continue;
        };
        let name = text.to_lowercase().replace(' ', "-");
        let kept = |letter: &char| letter.is_alphanumeric() || "-_".contains(*letter);
        let name: String = name.chars().filter(kept).collect();
        let mut numbered = name.clone();
        let mut number = 0;
        while !anchors.insert(numbered.clone()) {
            number += 1;
            numbered = format!("{name}-{number}");
        }
    }
    anchors
}

/// Where a link leads, and the heading there; `None` of one out of the project.
fn target(page: &Page, link: &str) -> Option<(PathBuf, Option<String>)> {
    if ["https://", "http://"]
        .iter()
        .any(|scheme| link.starts_with(scheme))
    {
        return None;
    }
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let folder = page.path.parent().expect("a folder");
    let path = match path {
        "" => page.path.clone(),
        path => folder.join(path),
    };
    Some((path, (!heading.is_empty()).then(|| heading.to_owned())))
}

/// The links of a page that lead nowhere.
fn broken(page: &Page) -> Vec<String> {
    let mut broken = Vec::new();
    for link in targets(page) {
        let Some((path, heading)) = target(page, &link) else {
            continue;
        };
        let name = format!("{}: {link}", page.name());
        if path == page.path {
            if heading.is_some_and(|heading| !anchors(page).contains(&heading)) {
                broken.push(format!("{name}: no such heading on this page"));
            }
        } else if !path.exists() {
            broken.push(format!("{name}: no such file"));
        } else if let Some(heading) = heading {
            let text = fs::read_to_string(&path).expect("a page");
            if !anchors(&Page { path, text }).contains(&heading) {
                broken.push(format!("{name}: no such heading"));
            }
        }
    }
    broken
}

#[test]
fn every_link_of_the_documentation_leads_somewhere() {
    let pages = pages();
    let broken: Vec<String> = pages.iter().flat_map(broken).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_readme_leads_to_every_page() {
    let readme = page("README.md");
    let links = targets(&readme).into_iter();
    let reached: HashSet<PathBuf> = links
        .filter_map(|link| Some(target(&readme, &link)?.0))
        .collect();
    for page in pages()
        .iter()
        .filter(|page| page.name().starts_with("docs"))
    {
        assert!(reached.contains(&page.path), "{}", page.name());
    }
}

#[test]
fn the_check_of_links_finds_what_is_wrong() {
    let headings = "# First, `elbo`\n## Twice\n## Twice\n";
    let good = "[a](#first-elbo) [`b`](#twice-1) [c](README.md#set-up) ![d](assets/samples.png) [e](https://a.b/#c)\n";
    let code = "`[a](nowhere.md)`\n```text\n[a](nowhere.md)\n# Not a heading\n```\n";
    let fine = draft(&[headings, good, code].concat());
    assert_eq!(broken(&fine), Vec::<String>::new());
    let bad = [
        "nowhere.md",
        "#twice-2",
        "#not-a-heading",
        "README.md#nowhere",
        "assets/none.png",
    ];
    for link in bad {
        let page = draft(&format!("{headings}{code}[a]({link})\n"));
        let found = broken(&page);
        assert!(found.len() == 1 && found[0].contains(link), "{found:?}");
    }
}
