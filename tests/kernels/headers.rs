//! The header of every shader: what it computes, the shape of each binding, what an invocation stands for, and what
//! goes wrong numerically if one is not careful.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use elbo::kernel::{Capabilities, ENTRY};

use crate::ops;

const FORMULA: &str = "Formula:";
const BINDINGS: &str = "Bindings:";
const INVOCATION: &str = "Invocation:";
const HAZARDS: [&str; 2] = ["Hazard:", "Hazards:"];

/// The parts of a header by their label; what precedes the first label is without one.
fn parts(text: &str) -> BTreeMap<&str, String> {
    let mut label = "";
    let mut parts = BTreeMap::<&str, String>::new();
    for line in text.lines() {
        let Some(line) = line.strip_prefix("//") else {
            break;
        };
        let line = line.trim();
        let first = line.split_whitespace().next().unwrap_or_default();
        let known = [FORMULA, BINDINGS, INVOCATION].into_iter().chain(HAZARDS);
        let line = match known.into_iter().find(|known| *known == first) {
            Some(found) => {
                label = if HAZARDS.contains(&found) {
                    HAZARDS[0]
                } else {
                    found
                };
                &line[found.len()..]
            }
            None => line,
        };
        let part = parts.entry(label).or_default();
        *part += line.trim();
        part.push('\n');
    }
    parts
}

/// Names of the storage bindings that a text declares.
fn declared(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| line.contains("var<storage"));
    let names = lines.filter_map(|line| Some(line.split_once("> ")?.1.split_once(':')?.0));
    names.collect()
}

/// Whether a header's part on the bindings has the shape of one: its name, alone or in a list, and a `[`.
fn has_shape(bindings: &str, name: &str) -> bool {
    // A line may have several lists, each before its shape.
    let lists = bindings.lines().flat_map(|line| line.split(']'));
    let mut lists = lists.filter_map(|list| list.split_once('['));
    lists.any(|(names, _)| {
        let mut words = names.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.any(|word| word == name)
    })
}

/// What a shader's header lacks.
fn lacking(text: &str) -> Vec<String> {
    let parts = parts(text);
    let mut lacking = Vec::new();
    if text.contains(&format!("fn {ENTRY}(")) {
        for label in [FORMULA, BINDINGS, INVOCATION, HAZARDS[0]] {
            let empty = parts.get(label).is_none_or(|part| part.trim().is_empty());
            if empty {
                lacking.push(format!("no part {label:?}"));
            }
        }
    }
    let bindings = parts.get(BINDINGS).map_or("", String::as_str);
    for name in declared(text) {
        if !has_shape(bindings, name) {
            lacking.push(format!("no shape of {name}"));
        }
    }
    lacking
}

/// Every file under `shaders/`, by its path from there.
fn shaders() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut folders = vec![root.clone()];
    let mut shaders = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
            shaders.insert(name.replace('\\', "/"), fs::read_to_string(&path).unwrap());
        }
    }
    shaders
}

#[test]
fn every_shader_says_what_it_computes_from_which_shapes_and_what_its_hazard_is() {
    let shaders = shaders();
    let mut faults = Vec::new();
    let mut entries = 0;
    for (name, text) in &shaders {
        entries += usize::from(text.contains(&format!("fn {ENTRY}(")));
        faults.extend(lacking(text).iter().map(|fault| format!("{name}: {fault}")));
    }
    assert!(entries > 20, "{entries} entry points");
    // Every binding of every kernel is declared in one of these files, whose header was asked for it.
    for case in ops::cases() {
        for variant in (case.kernel.variants)(&case.call, &Capabilities::EVERYTHING) {
            let known = |part: &&str| shaders.values().any(|text| text == part);
            assert!(variant.parts.iter().all(known), "{}", case.kernel.name);
            let all: Vec<_> = variant
                .parts
                .iter()
                .flat_map(|part| declared(part))
                .collect();
            for binding in case.kernel.bindings {
                assert!(
                    all.contains(&binding.name),
                    "{}: {}",
                    case.kernel.name,
                    binding.name
                );
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn headers_without_a_part_or_a_binding_are_found() {
    let text = include_str!("../../shaders/elbo.wgsl");
    assert_eq!(lacking(text), Vec::<String>::new());
    for (right, wrong, fault) in [
        ("// Formula:  ", "// ", "no part \"Formula:\""),
        ("// Invocation:", "//", "no part \"Invocation:\""),
        ("// Hazards:", "//", "no part \"Hazard:\""),
        ("// Bindings: ", "// ", "no part \"Bindings:\""),
        ("heads, d_heads ", "heads ", "no shape of d_heads"),
        (
            "log_sigma               [1]",
            "log_sigma, one value",
            "no shape of log_sigma",
        ),
        (
            "partials                [threads, 4]",
            "[threads, 4]",
            "no shape of partials",
        ),
    ] {
        assert!(text.contains(right), "{right}");
        let found = lacking(&text.replacen(right, wrong, 1));
        assert!(
            found.iter().any(|line| line == fault),
            "{wrong:?}: {found:?}"
        );
    }
}
