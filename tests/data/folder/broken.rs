//! Pictures that cannot be read: named at once, or left out.

use super::*;

fn skipping() -> DataOptions {
    DataOptions {
        source: SourceOptions {
            skip_broken: true,
            ..SourceOptions::default()
        },
        ..DataOptions::default()
    }
}

/// Cuts the last bytes off a file.
fn cut(path: &Path, bytes: usize) {
    let whole = fs::read(path).expect("read");
    write(path, &whole[..whole.len() - bytes]);
}

/// Twelve pictures, of which 001 has no header, and 004 and 007 end early.
fn three_broken() -> TempDir {
    let folder = greys(12);
    write(&folder.path().join("001.png"), b"no picture");
    for name in ["004.png", "007.png"] {
        cut(&folder.path().join(name), 20);
    }
    folder
}

#[test]
fn all_broken_pictures_are_named_at_once_whatever_is_wrong_with_them() {
    let folder = three_broken();
    let sized = options(8, 8);
    for message in [error_of(folder.path()), error_with(folder.path(), &sized)] {
        let parts = [
            "3 of 12 pictures",
            "001.png: ",
            "004.png: ",
            "007.png: ",
            "`skip-broken = true`",
        ];
        assert_says(&message, &parts);
    }
    save(grey(9, 9, 1), &folder.path().join("odd.png"));
    let message = error_of(folder.path());
    assert_says(
        &message,
        &[
            "001.png: ",
            "007.png: ",
            "odd.png",
            "9×9",
            "`image-size = 64`",
        ],
    );
}

#[test]
fn broken_pictures_among_different_sizes_are_named_with_them() {
    let folder = greys(4);
    cut(&folder.path().join("002.png"), 20);
    save(grey(9, 9, 1), &folder.path().join("odd.png"));
    let message = error_of(folder.path());
    assert_says(
        &message,
        &["1 of 5 pictures", "002.png: ", "odd.png", "9×9"],
    );
}

#[test]
fn of_many_broken_pictures_ten_are_listed_and_all_counted() {
    let folder = greys(30);
    for i in 0..15 {
        cut(&folder.path().join(format!("{i:03}.png")), 20);
    }
    let message = error_of(folder.path());
    assert_says(&message, &["15 of 30 pictures", "009.png: ", "and 5 more"]);
    assert!(!message.contains("010.png"), "{message}");
}

#[test]
fn skipping_goes_on_without_the_broken_ones_and_names_them() {
    let folder = three_broken();
    let (dataset, notes) = load_noted(folder.path(), &skipping());
    let dataset = dataset.expect("the others");
    let mut seen: Vec<u8> = [bytes_of(&dataset.train), bytes_of(&dataset.test)].concat();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [0, 2, 3, 5, 6, 8, 9, 10, 11]);
    assert_says(
        &notes,
        &["left out 3 pictures of 12", "001.png, 004.png, 007.png"],
    );
    for images in [&dataset.train, &dataset.test] {
        let names = images.names.as_ref().expect("names");
        for (name, pixels) in names.iter().zip(bytes_of(images).chunks(12)) {
            assert_eq!(
                *name,
                format!("{:03}.png", pixels[0]),
                "a name belongs to its picture"
            );
        }
    }
}

#[test]
fn no_picture_changes_its_split_because_another_one_is_broken() {
    let whole = load_path(greys(12).path()).expect("pictures");
    let dataset = load_with(three_broken().path(), &skipping()).expect("the others");
    let test: Vec<u8> = bytes_of(&whole.test).to_vec();
    for value in bytes_of(&dataset.test) {
        assert!(test.contains(value), "{value} was for training");
    }
    for value in bytes_of(&dataset.train) {
        assert!(!test.contains(value), "{value} was held out");
    }
}

#[test]
fn pictures_that_are_all_broken_are_an_error_also_when_skipping() {
    let folder = greys(3);
    for i in 0..3 {
        cut(&folder.path().join(format!("00{i}.png")), 20);
    }
    assert_says(
        &error_with(folder.path(), &skipping()),
        &["3 of 3 pictures"],
    );
    let folder = tempfile::tempdir().expect("folder");
    for name in ["train/1.png", "train/2.png", "test/3.png"] {
        save(grey(2, 2, 1), &folder.path().join(name));
    }
    cut(&folder.path().join("test/3.png"), 20);
    let message = error_with(folder.path(), &skipping());
    assert_says(
        &message,
        &["none of 1 picture of the test split can be read"],
    );
}

#[test]
fn a_split_that_broken_pictures_would_leave_empty_is_chosen_again() {
    let folder = greys(4);
    let dataset = load_path(folder.path()).expect("pictures");
    let held_out = dataset.test.names.clone().expect("names");
    assert_eq!(held_out.len(), 1);
    cut(&folder.path().join(&held_out[0]), 20);
    let (dataset, notes) = load_noted(folder.path(), &skipping());
    let dataset = dataset.expect("the other three");
    assert_eq!((dataset.train.len(), dataset.test.len()), (2, 1));
    assert_says(&notes, &["left out 1 picture of 4", &held_out[0]]);
}
