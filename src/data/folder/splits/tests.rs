use super::*;

fn pictures(names: &[&str]) -> Vec<Picture> {
    let picture = |name: &&str| Picture {
        path: name.into(),
        parts: name.split('/').map(str::to_owned).collect(),
    };
    names.iter().map(picture).collect()
}

fn arranged(names: &[&str]) -> Arrangement {
    match arrange(Path::new("data"), &pictures(names), false) {
        Ok(arrangement) => arrangement,
        Err(error) => panic!("{names:?}: {error}"),
    }
}

fn refused(names: &[&str]) -> String {
    match arrange(Path::new("data"), &pictures(names), false) {
        Ok(arrangement) => panic!("{names:?}: {arrangement:?}"),
        Err(error) => error.to_string(),
    }
}

fn classes(arrangement: &Arrangement) -> Vec<&str> {
    arrangement
        .classes
        .iter()
        .map(|class| class.as_deref().unwrap_or("-"))
        .collect()
}

#[test]
fn pairs_of_splits_are_found_by_all_their_names() {
    for (train, test) in [
        ("train", "test"),
        ("train", "val"),
        ("train", "valid"),
        ("train", "validation"),
        ("Train", "Test"),
        ("TRAIN", "VAL"),
        ("training", "testing"),
        ("training_set", "test_set"),
        ("train2017", "val2017"),
    ] {
        let names = [format!("{train}/cat/1.png"), format!("{test}/dog/2.png")];
        for above in ["", "mine/", "archive/mine/", "images/"] {
            let names = names.each_ref().map(|name| format!("{above}{name}"));
            let found = arranged(&names.each_ref().map(String::as_str));
            assert!(found.own_splits, "{names:?}");
            assert_eq!(
                (&found.train[..], &found.test[..]),
                (&[0][..], &[1][..]),
                "{names:?}"
            );
            assert_eq!(classes(&found), ["cat", "dog"], "{names:?}");
            assert_eq!(
                found.notes.is_empty(),
                (train, test) == ("train", "test"),
                "{names:?}"
            );
        }
    }
}

#[test]
fn a_third_split_is_kept_apart() {
    let found = arranged(&["train/1.png", "valid/2.png", "valid/3.png", "test/4.png"]);
    assert_eq!((&found.train[..], &found.test[..]), (&[0][..], &[3][..]));
    assert_eq!(
        (&found.val[..], found.val_name.as_str()),
        (&[1, 2][..], "valid")
    );
    assert_eq!(classes(&found), ["-"; 4]);
}

#[test]
fn what_lies_beside_both_splits_is_left_out_and_said() {
    let found = arranged(&[
        "preview.png",
        "train/1.png",
        "test/2.png",
        "extra/3.png",
        "dev/4.png",
    ]);
    assert_eq!((&found.train[..], &found.test[..]), (&[1][..], &[2][..]));
    let note = found.notes.join("\n");
    for part in [
        "left out",
        "`extra/` (1 picture)",
        "`dev/`",
        "1 picture beside",
    ] {
        assert!(note.contains(part), "{part} is missing in {note}");
    }
}

#[test]
fn splits_within_every_class_are_splits() {
    let found = arranged(&[
        "cat/train/1.png",
        "cat/test/2.png",
        "dog/train/3.png",
        "dog/val/4.png",
    ]);
    assert_eq!(
        (&found.train[..], &found.test[..], &found.val[..]),
        (&[0, 2][..], &[1][..], &[3][..])
    );
    assert_eq!(classes(&found), ["cat", "cat", "dog", "dog"]);
}

#[test]
fn a_split_wrapped_in_its_own_name_is_looked_into() {
    let found = arranged(&[
        "training_set/training_set/cats/1.png",
        "training_set/training_set/dogs/2.png",
        "test_set/test_set/dogs/3.png",
    ]);
    assert_eq!((&found.train[..], &found.test[..]), (&[0, 1][..], &[2][..]));
    assert_eq!(classes(&found), ["cats", "dogs", "dogs"]);
}

#[test]
fn a_lone_training_folder_is_split_and_said() {
    let found = arranged(&["train/cat/1.png", "train/dog/2.png"]);
    assert!(!found.own_splits);
    assert_eq!(found.train, [0, 1]);
    assert_eq!(classes(&found), ["cat", "dog"]);
    assert!(
        found.notes[0].contains("no test split"),
        "{:?}",
        found.notes
    );
}

#[test]
fn folders_that_only_look_like_splits_are_never_classes() {
    for (names, parts) in [
        (
            &["train/1.png", "cats/2.png"][..],
            &["`cats/` (1 picture)", "`train/`", "`test/`", "class"][..],
        ),
        (
            &["train/1.png", "foo/2.png", "bar/3.png"],
            &["`foo/`", "`bar/`", "class"],
        ),
        (&["train/1.png", "dev/2.png"], &["rename `dev/` to `test/`"]),
        (&["test/1.png", "cats/2.png"], &["`train/` beside `test/`"]),
        (
            &["holdout/1.png", "cats/2.png"],
            &["`train/` beside `holdout/`"],
        ),
        (&["test/1.png", "val/2.png"], &["`train/` beside"]),
        (
            &["test/1.png"],
            &["`train/` beside `test/`", "`data = data/test`"],
        ),
        (
            &["train/1.png", "2.png"],
            &["`test/` or `val/` beside `train/`"],
        ),
        (
            &["train/1.png", "training/2.png", "test/3.png"],
            &["one folder for each split"],
        ),
        (
            &["Train/1.png", "train/2.png", "test/3.png"],
            &["one folder for each split"],
        ),
        (
            &["seg_train/1.png", "seg_test/2.png"],
            &["`seg_test/` and `seg_train/` look like splits"],
        ),
        (
            &["cat/train/1.png", "cat/test/2.png", "dog/3.png"],
            &["data/cat", "look like splits"],
        ),
    ] {
        let message = refused(names);
        for part in parts {
            // Paths have the system's separator, folders in a sentence have a slash behind them.
            let path = part.replace("data/", &Path::new("data").join("").to_string_lossy());
            assert!(
                message.contains(&path),
                "{names:?}: `{part}` is missing in {message}"
            );
        }
    }
}

#[test]
fn folders_without_a_name_of_a_split_are_classes() {
    let found = arranged(&["cat/old/1.png", "cat/2.png", "dog/3.png"]);
    assert!(!found.own_splits && found.notes.is_empty());
    assert_eq!(classes(&found), ["cat", "cat", "dog"]);
    assert_eq!(
        classes(&arranged(&["mine/cat/1.png", "mine/dog/2.png"])),
        ["cat", "dog"]
    );
    assert_eq!(
        classes(&arranged(&["cat/1.png", "cat/2.png"])),
        ["cat", "cat"]
    );
    assert_eq!(
        classes(&arranged(&["cat/old/1.png", "cat/old/2.png"])),
        ["cat", "cat"]
    );
    assert_eq!(classes(&arranged(&["1.png", "2.png"])), ["-", "-"]);
}

#[test]
fn all_pictures_of_a_lone_split_can_be_taken_whole() {
    let found = arrange(
        Path::new("data"),
        &pictures(&["test/cat/1.png", "test/dog/2.png"]),
        true,
    );
    let found = found.expect("all pictures");
    assert!(!found.own_splits && found.notes.is_empty());
    assert_eq!(classes(&found), ["cat", "dog"]);
}
