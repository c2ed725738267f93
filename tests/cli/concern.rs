//! Runs whose numbers are finite and say nothing good.

use std::fs;

use serde_json::Value;

use crate::support::{accepted, stderr, stdout, temporary};

/// A small model on the CPU, for two epochs on the built-in digits.
const SMALL: [&str; 9] = [
    "train", "--device", "cpu", "--epochs", "2", "--hidden", "32", "--latent", "4",
];

/// What a run of a small model prints, on stdout and stderr.
fn shown(folder: &std::path::Path, out: &str, more: &[&str]) -> [String; 2] {
    let all = [&SMALL[..], &["--out", out], more].concat();
    let output = accepted(folder, &all);
    [stdout(&output), stderr(&output)]
}

#[test]
fn a_run_that_goes_astray_says_so_at_the_epoch_and_at_the_end() {
    let folder = temporary();
    let (at, wild) = (folder.path(), ["--lr", "1e3"]);
    let [_, said] = shown(at, "wild", &wild);
    assert_eq!(said.matches("training goes astray").count(), 1, "{said}");
    let end = said.split("training went astray").nth(1);
    let end = end.unwrap_or_else(|| panic!("no end in {said}"));
    for part in ["of epoch ", "nats per image", "a smaller `--lr`"] {
        assert!(end.contains(part), "no {part:?} in {end}");
    }
    let page = fs::read_to_string(at.join("wild/report.html")).expect("the page");
    assert!(page.contains("<b>Warning:</b> training goes astray"));
    let [lines, said] = shown(at, "json", &[&wild[..], &["--json", "--quiet"]].concat());
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let mut epochs = lines.iter().filter(|line| line["kind"] == "epoch");
    assert!(epochs.all(|epoch| epoch["astray"] == true));
    assert_eq!(
        lines.last().map(|end| &end["concern"]),
        Some(&"astray".into())
    );
    assert!(
        !said.contains("goes astray") && said.contains("went astray"),
        "{said}"
    );
}

#[test]
fn codes_that_say_nothing_are_said_once() {
    let folder = temporary();
    let (at, heavy) = (folder.path(), ["--beta", "1000"]);
    let words = "none of the 4 latent dimensions is active";
    for (out, more) in [("aloud", &[][..]), ("quiet", &["--quiet"])] {
        let [_, said] = shown(at, out, &[&heavy[..], more].concat());
        assert_eq!(said.matches(words).count(), 1, "{said}");
        for part in ["`--beta`", "`--kl-warmup`", "`--free-bits`"] {
            assert!(said.contains(part), "no {part:?} in {said}");
        }
    }
}

#[test]
fn nothing_is_wrong_with_a_run_that_learns() {
    let folder = temporary();
    for (out, more) in [
        ("vae", &[][..]),
        ("ae", &["--model", "ae"]),
        ("gaussian", &["--likelihood", "gaussian", "--sigma", "0.1"]),
        (
            "optimal",
            &["--likelihood", "gaussian", "--sigma", "optimal"],
        ),
        ("warm", &["--kl-warmup", "2"]),
    ] {
        let [_, said] = shown(folder.path(), out, more);
        assert!(
            !said.contains("astray") && !said.contains("is active"),
            "{said}"
        );
    }
}
