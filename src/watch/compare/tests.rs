use super::*;
use crate::data::Binarize;
use crate::model::{Likelihood, ModelKind, Sigma};
use crate::watch::run::tests::run;

fn named(name: &str, change: impl FnOnce(&mut Run)) -> Run {
    let mut run = run(3, 3);
    run.name = name.into();
    run.path = format!("runs/{name}").into();
    change(&mut run);
    run
}

fn comparison(runs: Vec<Run>) -> Comparison {
    Comparison::of(runs).expect("runs")
}

#[test]
fn what_is_the_same_stands_once_and_what_differs_in_columns() {
    let both = comparison(vec![
        named("a", |_| {}),
        named("b", |run| run.config.train.learning_rate = 0.003),
    ]);
    let lines = both.lines();
    let text = lines.join("\n");
    assert_eq!(text.matches("VAE 784-400-3-400-784").count(), 1, "{text}");
    assert_eq!(text.matches("CPU (2 threads)").count(), 1, "{text}");
    assert!(both.notes().is_empty(), "{text}");
    let row = |name: &str| {
        let line = lines.iter().find(|line| line.starts_with(name));
        line.expect("a row").split_whitespace().collect::<Vec<_>>()
    };
    assert!(row("run").ends_with(&["seconds", "lr"]), "{text}");
    let expected = [
        "b", "111.67", "3", "111.67", "86.67", "25.00", "3/3", "2,000", "6.0", "0.003",
    ];
    assert_eq!(row("b"), expected, "{text}");
    assert_eq!(both.rows()[0].differs["lr"], "0.001");
    assert_eq!(both.rows()[0].differs.len(), 1);
}

#[test]
fn losses_of_different_meaning_are_told_apart() {
    let squared: fn(&mut Run) = |run| {
        run.config.model.kind = ModelKind::Ae;
        run.config.model.likelihood = Likelihood::SquaredError;
    };
    let binarised: fn(&mut Run) = |run| run.config.train.binarize = Binarize::Fixed;
    let other: fn(&mut Run) = |run| run.config.record.data = "mnist".into();
    let gaussian: fn(&mut Run) = |run| {
        run.config.model.likelihood = Likelihood::Gaussian {
            sigma: Sigma::Fixed(1.0),
        };
    };
    let gaussian_binarised: fn(&mut Run) = |run| {
        run.config.model.likelihood = Likelihood::Gaussian {
            sigma: Sigma::Fixed(1.0),
        };
        run.config.train.binarize = Binarize::Dynamic;
    };
    let three = comparison(vec![
        named("a", gaussian),
        named("b", gaussian_binarised),
        named("c", gaussian),
    ]);
    assert_eq!(three.groups().len(), 2, "grey and binarised Gaussians");
    for (change, words) in [
        (squared, "squared error per image"),
        (binarised, "binarised once"),
        (other, "mnist"),
        (gaussian, "Gaussian on grey pixels"),
    ] {
        let both = comparison(vec![
            named("a", |_| {}),
            named("b", change),
            named("c", |_| {}),
        ]);
        let notes = both.notes().join("\n");
        assert!(notes.starts_with("NOT COMPARABLE"), "{words}: {notes}");
        assert!(notes.contains(words), "{words}: {notes}");
        assert_eq!(both.groups()[0].names, ["a", "c"]);
        assert_eq!(both.groups()[1].names, ["b"]);
    }
}

#[test]
fn names_of_folders_reach_no_terminal_raw() {
    let both = comparison(vec![
        named("a\n\u{1b}[2J", |_| {}),
        named("b", |run| run.config.train.binarize = Binarize::Fixed),
    ]);
    let lines = both.lines();
    assert!(
        !lines.iter().any(|line| line.contains(char::is_control)),
        "{lines:?}"
    );
    assert!(lines[0].contains("a\u{fffd}\u{fffd}[2J"), "{lines:?}");
}

#[test]
fn weights_of_the_kl_are_compared_by_the_elbo() {
    let both = comparison(vec![
        named("a", |_| {}),
        named("b", |run| run.config.model.beta = 4.0),
    ]);
    assert_eq!(both.groups().len(), 1);
    assert_eq!(both.groups()[0].figure, "negative ELBO");
    let text = both.lines().join("\n");
    assert!(text.contains("weight or hold the KL differently"), "{text}");
    assert!(text.contains("beta"), "{text}");
    assert!(!text.contains("not the ELBO"), "{text}");
    assert_eq!(text.matches("likelihood").count(), 1, "one model: {text}");
}

#[test]
fn a_kl_that_is_held_elsewhere_is_compared_by_the_elbo() {
    let held = |nats| move |run: &mut Run| run.config.model.capacity = Some(nats);
    let both = comparison(vec![named("a", held(5.0)), named("b", held(25.0))]);
    assert_eq!(both.groups().len(), 1);
    assert_eq!(both.groups()[0].figure, "negative ELBO");
    let alike = comparison(vec![named("a", held(5.0)), named("b", held(5.0))]);
    assert_eq!(alike.groups()[0].figure, "test loss");
}

#[test]
fn a_loss_that_is_no_elbo_is_called_so_in_every_form() {
    let beta: fn(&mut Run) = |run| run.config.model.beta = 4.0;
    let words = "nats per image; not the ELBO";
    let alike = comparison(vec![named("a", beta), named("b", beta)]);
    let text = alike.lines().join("\n");
    assert!(text.contains(&format!("losses: {words}")), "{text}");
    assert!(text.contains("likelihood, beta 4"), "{text}");
    // The heading, and the charts over epochs and over time.
    assert_eq!(alike.html().matches(words).count(), 3);
    assert_eq!(alike.groups()[0].caption, words);
    // Beside another group too, whose losses are of the same unit.
    let apart = comparison(vec![
        named("a", beta),
        named("b", |run| run.config.train.binarize = Binarize::Fixed),
    ]);
    assert_eq!(apart.lines().join("\n").matches(words).count(), 1);
    // As well: the heading of the table, and the charts.
    assert_eq!(apart.html().matches(words).count(), 3);
}

/// A run on data of a place, with their hash where a checkpoint knows it.
fn data(source: &'static str, hash: Option<&'static str>) -> impl Fn(&mut Run) {
    move |run| {
        run.config.data.source = source.into();
        run.data = hash.map(str::to_owned);
    }
}

/// Names of the runs of each group.
fn names(runs: Vec<Run>) -> Vec<String> {
    let comparison = comparison(runs);
    let groups = comparison.groups().iter();
    groups.map(|group| group.names.join("")).collect()
}

#[test]
fn data_are_told_apart_by_their_hash() {
    let (one, other) = (Some("1234567890"), Some("fedcba9876"));
    // Of one name, and as configured alike.
    let runs = || {
        vec![
            named("a", data("/x/train.npz", one)),
            named("b", data("/y/train.npz", other)),
            // A copy, by other settings that had no effect.
            named("c", |run| {
                data("/z/train.npz", one)(run);
                run.config.data.options.seed = 7;
            }),
            // Not yet known: as the run that was told to take the same.
            named("d", data("/y/train.npz", None)),
            named("e", data("/nowhere.npz", None)),
        ]
    };
    assert_eq!(names(runs()), ["ac", "bd", "e"]);
    let notes = comparison(runs()).notes().join("\n");
    for words in ["from /x/train.npz", "from /y/train.npz"] {
        assert!(notes.contains(words), "{notes}");
    }
    let changed = comparison(vec![
        named("a", data("/x/train.npz", one)),
        named("b", data("/x/train.npz", other)),
    ]);
    let notes = changed.notes().join("\n");
    assert!(
        notes.contains("12345678") && notes.contains("fedcba98"),
        "{notes}"
    );
    // Without any hash, by what was asked for.
    let split = named("b", |run| run.config.data.options.seed = 7);
    let notes = comparison(vec![named("a", |_| {}), split])
        .notes()
        .join("\n");
    assert!(
        notes.contains("seed 0") && notes.contains("seed 7"),
        "{notes}"
    );
}

#[test]
fn the_json_has_what_the_table_has() {
    let both = comparison(vec![
        named("a", |_| {}),
        named("b", |run| {
            run.config.model.kind = ModelKind::Ae;
            run.lines.clear();
        }),
    ]);
    let json = both.json().expect("JSON");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["runs"][0]["last"]["kl"], 25.0);
    assert_eq!(json["runs"][0]["best"]["epoch"], 3);
    assert_eq!(json["runs"][0]["status"], "finished");
    assert!(json["runs"][1]["last"].is_null());
    assert_eq!(json["groups"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["notes"].as_array().map(Vec::len), Some(1));
}

#[test]
fn runs_of_one_name_are_called_by_their_paths() {
    let both = comparison(vec![
        named("a", |_| {}),
        named("a", |run| run.path = "old/a".into()),
    ]);
    assert_eq!(both.rows()[0].run, "runs/a");
    assert_eq!(both.rows()[1].run, "old/a");
    assert!(Comparison::of(Vec::new()).is_err());
}

#[test]
fn data_without_a_hash_are_those_of_who_was_told_the_same_where_all_agree() {
    let (one, other) = (Some("1234567890"), Some("fedcba9876"));
    // A file that changed between two runs says nothing of a third, in whatever order.
    for order in [[one, other], [other, one]] {
        let runs = || {
            vec![
                named("a", data("/x/train.npz", None)),
                named("b", data("/x/train.npz", order[0])),
                named("c", data("/x/train.npz", order[1])),
            ]
        };
        assert_eq!(names(runs()), ["a", "b", "c"]);
        let notes = comparison(runs()).notes().join("\n");
        assert!(notes.contains("not yet hashed by a checkpoint"), "{notes}");
    }
    // What another run tells is told, also of the first.
    let runs_of_two = || {
        vec![
            named("a", data("/x/train.npz", None)),
            named("b", data("/x/train.npz", one)),
            named("c", |run| {
                data("/x/train.npz", other)(run);
                run.config.data.options.mirrors = vec!["http://other/".into()];
                run.config.data.options.image_size = Some((28, 28));
            }),
        ]
    };
    let notes = comparison(runs_of_two()).notes().join("\n");
    assert_eq!(names(runs_of_two()), ["ab", "c"]);
    for hash in ["sha256 12345678", "sha256 fedcba98"] {
        assert!(notes.contains(hash), "{notes}");
    }
}
