//! The order of layers and who speaks of flags, and that nothing lies about unused: by the text of the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use elbo::ops::KERNELS;

/// Modules of the crate; each may import those before it.
const ORDER: [&str; 24] = [
    "error", "option", "shape", "number", "rng", "files", "host", "ranks", "draw", "device",
    "kernel", "ops", "plan", "graph", "layers", "data", "model", "train", "watch", "view",
    "export", "explore", "bench", "cli",
];

/// Modules that any other may import.
const LEAVES: [&str; 9] = [
    "error", "option", "shape", "number", "rng", "files", "host", "ranks", "draw",
];

/// Stands beside the layers rather than above those before it.
const LEAVES_ONLY: &str = "data";

/// Where a name of the crate's root is defined.
const ROOT_NAMES: [(&str, &str); 3] = [
    ("Error", "error"),
    ("Result", "error"),
    ("params", "kernel"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files under a folder with an extension, by their paths relative to the repository.
fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let mut folders = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|known| known == extension) {
                let name = path.strip_prefix(root()).expect("inside");
                let name = name.to_string_lossy().replace('\\', "/");
                found.push((name, fs::read_to_string(&path).expect("text")));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no .{extension} in {folder}");
    found
}

/// Modules that a text names by `crate::…`, comments left out.
fn imports(text: &str) -> BTreeSet<String> {
    let code: Vec<&str> = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or(""))
        .collect();
    let code = code.join("\n");
    let name = |text: &str| -> String {
        let letters = text
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_');
        letters.collect()
    };
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => {
                found.insert(name(rest));
            }
            Some(group) => {
                // The names at the outermost level of `crate::{a::{b, c}, d}`.
                let mut depth = 0;
                let mut first = true;
                for (i, c) in group.char_indices() {
                    if depth == 0 && first && !c.is_whitespace() {
                        found.insert(name(&group[i..]));
                        first = false;
                    }
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => first = true,
                        _ => {}
                    }
                }
            }
        }
    }
    found.remove("");
    found
}

/// What a file imports against the order.
fn violations(path: &str, text: &str) -> Vec<String> {
    let module = path.trim_start_matches("src/").split(['/', '.']).next();
    let module = module.unwrap_or("");
    let place = |name: &str| ORDER.iter().position(|known| *known == name);
    let Some(own) = place(module) else {
        return vec![format!("{path}: {module} has no place among the layers")];
    };
    let mut found = Vec::new();
    for name in imports(text) {
        let defined = ROOT_NAMES.iter().find(|(known, _)| *known == name);
        let name = defined.map_or(name.as_str(), |(_, module)| *module);
        let allowed = match place(name) {
            Some(other) if other == own => true,
            Some(other) => other < own && (module != LEAVES_ONLY || LEAVES.contains(&name)),
            None => false,
        };
        if !allowed {
            found.push(format!("{path}: {module} must not import {name}"));
        }
    }
    found
}

#[test]
fn imports_follow_the_order_of_layers() {
    let mut found = Vec::new();
    for (path, text) in files("src", "rs") {
        if path != "src/lib.rs" && path != "src/main.rs" {
            found.extend(violations(&path, &text));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn an_import_against_the_order_is_noticed() {
    for (path, text) in [
        ("src/device/mod.rs", "use crate::plan::Plan;"),
        (
            "src/ops/adam.rs",
            "fn f() { crate::model::plans::train(); }",
        ),
        (
            "src/data/idx.rs",
            "use crate::{error::Error, device::{Device, Gpu}};",
        ),
        (
            "src/data/idx.rs",
            "use crate::{\n    error::{Error, Result},\n    kernel,\n};",
        ),
        ("src/kernel/mod.rs", "use crate::data::Images;"),
        ("src/error.rs", "use crate::files;"),
        ("src/shape.rs", "use crate::Error; use crate::unheard_of;"),
        ("src/new.rs", ""),
    ] {
        let count = violations(path, text).len();
        assert_eq!(count, 1, "{path}: {text}: {:?}", violations(path, text));
    }
    for (path, text) in [
        (
            "src/cli/mod.rs",
            "use crate::{data, error::{Error, Result}, train};",
        ),
        ("src/error.rs", "//! [`crate::cli`]\n// crate::train"),
        (
            "src/ops/adam.rs",
            "crate::params! {}\nuse crate::kernel::Call;",
        ),
        (
            "src/data/idx.rs",
            "use crate::error::Result;\nuse crate::data::Images;",
        ),
    ] {
        assert!(violations(path, text).is_empty(), "{path}: {text}");
    }
}

/// Lines of a file's own code, not of its tests, that speak of the command line. Text begins no line with `//`.
fn words_of_the_command_line(path: &str, text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("");
    let is_flag = |rest: &str| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '{');
    let speaks = |line: &&str| {
        // `var(--name)` is of a style sheet.
        let parts: Vec<&str> = line.split("--").collect();
        let mut pairs = parts.windows(2);
        let flag = pairs.any(|pair| is_flag(pair[1]) && !pair[0].ends_with("var("));
        flag || line.contains("`elbo ")
    };
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines
        .filter(speaks)
        .map(|line| format!("{path}: {}", line.trim()))
        .collect()
}

#[test]
fn only_the_command_line_speaks_of_flags_and_commands() {
    let mut found = Vec::new();
    for (path, text) in files("src", "rs") {
        if !path.starts_with("src/cli/") && !path.ends_with("/tests.rs") {
            found.extend(words_of_the_command_line(&path, &text));
        }
    }
    assert!(
        found.is_empty(),
        "name a setting as `latent = 20`, of which the command line makes a flag:\n{}",
        found.join("\n")
    );
}

#[test]
fn a_flag_in_a_text_is_noticed() {
    for line in [
        "error(\"a smaller --lr\")",
        "format!(\"--{name} is\")",
        "    and `elbo runs` lists them\",",
    ] {
        assert_eq!(words_of_the_command_line("a.rs", line).len(), 1, "{line}");
    }
    for text in [
        "// --lr\n    /// --beta",
        "a - -b; \"var(--c1)\"; // -----",
        "#[cfg(test)]\nmod tests {\n    \"--lr\"",
    ] {
        assert!(words_of_the_command_line("a.rs", text).is_empty(), "{text}");
    }
}

#[test]
fn every_shader_is_part_of_a_kernel() {
    let sources = files("src", "rs");
    let named = |text: &str| sources.iter().any(|(_, source)| source.contains(text));
    for (path, _) in files("shaders", "wgsl") {
        let families = ["shaders/matmul/", "shaders/convolution/"];
        let part = families.iter().find_map(|family| path.strip_prefix(family));
        let part = part.and_then(|name| name.strip_suffix(".wgsl"));
        let used = match part {
            Some(part) => named(&format!("part!(\"{part}\")")),
            None => named(&format!("include_str!(\"../../{path}\")")),
        };
        assert!(used, "{path} is in no kernel");
    }
}

#[test]
fn every_op_has_its_shader_and_its_place_in_the_registry() {
    let (_, registry) = files("src/ops", "rs")
        .into_iter()
        .find(|(path, _)| path == "src/ops/mod.rs")
        .expect("the registry");
    let mut ops = 0;
    for (path, text) in files("src/ops", "rs") {
        let name = path.trim_start_matches("src/ops/").trim_end_matches(".rs");
        let kernels = text.matches(": Kernel = Kernel {").count();
        // The registry, and what ops share.
        if ["mod", "likelihood", "product"].contains(&name) {
            assert_eq!(kernels, 0, "{path}");
            continue;
        }
        ops += kernels;
        assert!(kernels > 0, "{path} has no kernel");
        let listed = registry.matches(&format!("&{name}::")).count();
        assert_eq!(listed, kernels, "{name} in KERNELS");
        let shader = root().join("shaders").join(name);
        assert!(
            shader.is_dir() || shader.with_extension("wgsl").is_file(),
            "{name} has no shader"
        );
    }
    assert_eq!(ops, KERNELS.len());
    let names: BTreeSet<&str> = KERNELS.iter().map(|kernel| kernel.name).collect();
    assert_eq!(names.len(), KERNELS.len(), "names are unique");
}

const MOST_LINES: usize = 500;
const MOST_LINES_OF_A_FUNCTION: usize = 80;

/// Functions that are too long, as rustfmt lays them out: from `fn` to the brace of the same indent.
fn long_functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let words = line.trim_start();
        let starts = [
            "fn ",
            "pub fn ",
            "pub(crate) fn ",
            "pub(super) fn ",
            "const fn ",
        ];
        if !starts.iter().any(|start| words.starts_with(start)) || words.ends_with(';') {
            continue;
        }
        let closing = format!("{}}}", " ".repeat(indent(line)));
        let length = lines[i..].iter().position(|line| *line == closing);
        let length = length.map_or(1, |last| last + 1);
        if length > MOST_LINES_OF_A_FUNCTION {
            found.push((i + 1, length));
        }
    }
    found
}

#[test]
fn long_files_and_functions_give_their_reason() {
    for folder in ["src", "tests", "examples"] {
        for (path, text) in files(folder, "rs") {
            let count = text.lines().count();
            assert!(
                count <= MOST_LINES || text.contains("//! Over 500 lines: "),
                "{path} has {count} lines: cut it, or say why in a line `//! Over 500 lines: …`"
            );
            let long = long_functions(&text);
            assert!(
                long.is_empty() || text.contains("// Over 80 lines: "),
                "{path}: (line, length) of {long:?}: cut it, or say why in `// Over 80 lines: …`"
            );
        }
    }
}

#[test]
fn a_long_function_is_noticed() {
    let body = "        step();\n".repeat(MOST_LINES_OF_A_FUNCTION - 2);
    let text = format!("impl A {{\n    fn f() {{\n{body}    }}\n}}\n");
    assert_eq!(long_functions(&text), []);
    let text = text.replacen("step();", "step();\n        step();", 1);
    assert_eq!(long_functions(&text), [(2, MOST_LINES_OF_A_FUNCTION + 1)]);
}
