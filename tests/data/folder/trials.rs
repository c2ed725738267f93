//! Inputs from outside of this repository, made by other programs.

use super::*;
use crate::trial::trial;

#[test]
fn half_pictures_are_refused_by_name() {
    for name in ["jpg-half", "jpg-progressive-half"] {
        if let Some(path) = trial(&format!("2-truncated/{name}")) {
            assert_says(&error_of(&path), &["3.jpg", "`skip-broken = true`"]);
        }
    }
    if let Some(path) = trial("2-truncated/png-half") {
        assert_says(&error_of(&path), &["3.png"]);
    }
    if let Some(path) = trial("2-truncated/three-broken") {
        assert_says(
            &error_of(&path),
            &["3 of 6 pictures", "`skip-broken = true`"],
        );
        let options = DataOptions {
            source: SourceOptions {
                skip_broken: true,
                ..SourceOptions::default()
            },
            ..DataOptions::default()
        };
        let dataset = load_with(&path, &options).expect("the other three");
        assert_eq!(dataset.train.len() + dataset.test.len(), 3);
    }
}

#[test]
fn whole_pictures_of_other_programs_are_read_in_every_format() {
    if let Some(path) = trial("5-formats/mixed") {
        let dataset = load_with(&path, &whole()).expect("all pictures");
        assert_eq!(dataset.test.len(), 20);
    }
    // Those that are whole, of baseline and progressive JPEG.
    for name in ["jpg-half", "jpg-progressive-half"] {
        let Some(path) = trial(&format!("2-truncated/{name}")) else {
            continue;
        };
        let options = DataOptions {
            source: SourceOptions {
                skip_broken: true,
                ..SourceOptions::default()
            },
            ..whole()
        };
        assert_eq!(
            load_with(&path, &options).expect("five").test.len(),
            5,
            "{name}"
        );
    }
}

#[test]
fn folders_of_splits_are_never_classes() {
    for name in ["train-val", "Train-Test", "train-valid-test"] {
        if let Some(path) = trial(&format!("4-splits/{name}")) {
            let (dataset, notes) = load_noted(&path, &DataOptions::default());
            let dataset = dataset.expect("splits");
            assert_eq!((dataset.train.len(), dataset.test.len()), (8, 4), "{name}");
            assert_eq!(dataset.classes, ["cat", "dog"]);
            assert!(!notes.is_empty(), "{name}");
        }
    }
}

#[test]
fn ink_on_nothing_is_never_all_black_without_a_word() {
    for name in ["rgba", "grey-alpha"] {
        if let Some(path) = trial(&format!("6-alpha/{name}")) {
            assert_says(&error_of(&path), &["alpha", "`background = white`"]);
            let options = DataOptions {
                source: SourceOptions {
                    background: Some("white".parse().expect("a colour")),
                    ..SourceOptions::default()
                },
                ..whole()
            };
            load_with(&path, &options).expect("ink on white");
        }
    }
}

#[test]
fn files_of_other_programs_are_refused_wherever_they_end() {
    for name in ["5-formats/mixed", "2-truncated/jpg-progressive-half"] {
        let Some(path) = trial(name) else {
            continue;
        };
        for entry in fs::read_dir(&path).expect("a folder") {
            let file = entry.expect("a file").path();
            let name = file.file_name().expect("a name").to_string_lossy();
            let bytes = fs::read(&file).expect("read");
            let alone = tempfile::tempdir().expect("folder");
            let copy = alone.path().join(&*name);
            for part in 0..300 {
                write(&copy, &bytes[..bytes.len() * part / 300]);
                let message = error_with(alone.path(), &whole());
                assert_says(&message, &[&name]);
            }
        }
    }
}
