//! Pictures of what a model has learned: their sizes and names, what goes into them, and what is refused.

use std::fs;
use std::path::Path;

use crate::formats::{npy, npz, write};
use crate::support::{
    CONFIG, DATA_OR_MODEL, INPUT_OUTPUT, accepted, contents, refused_in, stderr, stdout, temporary,
};

/// Height and width of an image; shown sixteen times as large at most, and no more than eight.
const SIDES: (usize, usize) = (4, 3);
const SCALE: u32 = 8;
const TILE: (u32, u32) = (SIDES.1 as u32 * SCALE, SIDES.0 as u32 * SCALE);
const TRAIN: usize = 24;
const TEST: usize = 12;

/// A tiny model of a kind and a number of latent dimensions, trained on images with three classes.
fn train(folder: &Path, out: &str, more: &[&str]) {
    if !folder.join("data.npz").exists() {
        let images = |count: usize, seed: usize| {
            let values = count * SIDES.0 * SIDES.1;
            let values: Vec<u8> = (0..values)
                .map(|i| ((i * i + seed) * 37 % 251) as u8)
                .collect();
            npy(
                "'|u1'",
                false,
                &format!("({count}, {}, {})", SIDES.0, SIDES.1),
                &values,
            )
        };
        let labels = |count: usize| {
            let labels: Vec<u8> = (0..count).map(|i| (i % 3) as u8).collect();
            npy("'|u1'", false, &format!("({count},)"), &labels)
        };
        let arrays = [
            ("x_train", images(TRAIN, 1)),
            ("x_test", images(TEST, 2)),
            ("y_train", labels(TRAIN)),
            ("y_test", labels(TEST)),
        ];
        write(&folder.join("data.npz"), &npz(&arrays, true));
        let arrays = [("x_train", images(TRAIN, 1)), ("x_test", images(TEST, 2))];
        write(&folder.join("plain.npz"), &npz(&arrays, true));
        let arrays = [
            ("x_train", images(TRAIN, 1)),
            ("x_test", images(TEST, 2)),
            ("y_test", labels(5)),
        ];
        write(&folder.join("wrong.npz"), &npz(&arrays, true));
    }
    let mut arguments = vec!["train", "--device", "cpu", "--hidden", "8", "--epochs", "1"];
    arguments.extend(["--batch-size", "8", "--data", "data.npz", "--out", out]);
    arguments.extend(more);
    accepted(folder, &arguments);
}

/// Runs a command on the CPU; gives the size of the picture that it says it has made.
fn size(folder: &Path, arguments: &[&str]) -> (u32, u32) {
    let output = accepted(folder, &[arguments, &["--device", "cpu"]].concat());
    let path = folder.join(stdout(&output).trim());
    let picture = image::open(&path).expect("a picture");
    (picture.width(), picture.height())
}

/// Frames of a GIF, and its size.
fn frames(path: &Path) -> (usize, (u32, u32)) {
    let bytes = fs::read(path).expect("a file");
    let mut decoder = gif::DecodeOptions::new()
        .read_info(&bytes[..])
        .expect("a GIF");
    assert_eq!(decoder.repeat(), gif::Repeat::Infinite);
    let size = (u32::from(decoder.width()), u32::from(decoder.height()));
    let mut count = 0;
    while decoder.read_next_frame().expect("a frame").is_some() {
        count += 1;
    }
    (count, size)
}

/// Pixels of so many images beside each other.
fn across(images: u32) -> u32 {
    images * (TILE.0 + 2) + 2
}

fn down(images: u32) -> u32 {
    images * (TILE.1 + 2) + 2
}

#[test]
fn ways_have_a_row_each_and_their_images_at_the_ends() {
    let folder = temporary();
    train(folder.path(), "run", &["--latent", "2"]);
    train(folder.path(), "ae", &["--latent", "2", "--model", "ae"]);
    let size = |arguments: &[&str]| size(folder.path(), arguments);
    assert_eq!(size(&["interpolate", "run"]), (across(11), down(1)));
    assert!(folder.path().join("run/interpolation-seed-1.png").is_file());
    let prior = [
        "interpolate",
        "run",
        "--rows",
        "3",
        "--steps",
        "5",
        "--seed",
        "2",
    ];
    assert_eq!(size(&prior), (across(5), down(3)));
    for run in ["run", "ae"] {
        let images = [
            "interpolate",
            run,
            "--from",
            "3",
            "--to",
            "7",
            "--path",
            "spherical",
        ];
        let more = ["--rows", "2", "--steps", "4"];
        assert_eq!(
            size(&[&images[..], &more].concat()),
            (across(6) + 12, down(2))
        );
        let name = format!("{run}/interpolation-data-test-3-7.png");
        assert!(folder.path().join(name).is_file());
    }
    // 24 training images and 12 for tests: there are 36 in all.
    let all = [
        "interpolate",
        "run",
        "--from",
        "0",
        "--to",
        "35",
        "--split",
        "all",
    ];
    assert_eq!(size(&all), (across(13) + 12, down(1)));
}

#[test]
fn the_ends_of_a_way_are_shown_as_they_are() {
    let folder = temporary();
    train(folder.path(), "run", &["--latent", "2"]);
    let way = [
        "interpolate",
        "run",
        "--from",
        "2",
        "--to",
        "5",
        "--out",
        "way.png",
    ];
    size(folder.path(), &way);
    size(folder.path(), &["reconstruct", "run", "--out", "pairs.png"]);
    let open = |name: &str| {
        image::open(folder.path().join(name))
            .expect("a picture")
            .to_luma8()
    };
    let (way, pairs) = (open("way.png"), open("pairs.png"));
    let tile = |picture: &image::GrayImage, x: u32, y: u32| {
        image::imageops::crop_imm(picture, x, y, TILE.0, TILE.1).to_image()
    };
    // Eight rows of two pairs, of which the second stands 8 pixels off, of all images in some order.
    let pair = |image: u32| {
        let (row, column) = (image / 2, image % 2);
        let (x, y) = (2 + column * (2 * TILE.0 + 10), down(row));
        (tile(&pairs, x, y), tile(&pairs, x + TILE.0 + 2, y))
    };
    let last = way.width() - 2 - TILE.0;
    let way = |x: u32| tile(&way, x, 2);
    let with = |original: image::GrayImage| {
        let mut pairs = (0..TEST as u32).map(pair);
        pairs.find(|pair| pair.0 == original)
    };
    let (from, to) = (with(way(2)), with(way(last)));
    let from = from.expect("the first image itself");
    let to = to.expect("the last image itself");
    assert!(from.0 != to.0, "images differ");
    let (first, final_one) = (way(2 + TILE.0 + 8), way(last - TILE.0 - 8));
    // Of another batch size, so in another order of sums.
    let close = |a: &image::GrayImage, b: &image::GrayImage| {
        a.iter().zip(b.iter()).all(|(a, b)| a.abs_diff(*b) <= 1)
    };
    assert!(
        close(&first, &from.1) && close(&final_one, &to.1),
        "reconstructions"
    );
}

#[test]
fn traversals_have_a_row_for_each_value_and_text_beside_it() {
    let folder = temporary();
    train(folder.path(), "run", &["--latent", "5"]);
    train(folder.path(), "ae", &["--latent", "5", "--model", "ae"]);
    let size = |arguments: &[&str]| size(folder.path(), arguments);
    // "z0" of two letters of 7 pixels; 8 pixels around it, and to the right of and below the grid.
    let beside = 2 * 7 + 2 * 8;
    let (right, above) = (8, 22);
    let expected = (beside + across(13) + right, above + down(5) + 8);
    assert_eq!(size(&["traverse", "run"]), expected);
    assert_eq!(size(&["traverse", "ae"]), expected);
    let image = ["traverse", "run", "--image", "4", "--steps", "3"];
    assert_eq!(size(&image), (beside + across(3) + right, expected.1));
    // "z0  KL 0.00"
    let beside = 11 * 7 + 2 * 8;
    for (run, top) in [("run", "3"), ("ae", "3")] {
        let top = ["traverse", run, "--top", top];
        assert_eq!(
            size(&top),
            (beside + across(13) + right, above + down(3) + 8)
        );
    }
    assert!(folder.path().join("run/traversal-top-3.png").is_file());
}

#[test]
fn a_name_in_gif_gives_a_picture_that_moves() {
    let folder = temporary();
    train(folder.path(), "run", &["--latent", "4"]);
    let at = |name: &str| folder.path().join(name);
    // Frames this small are shown four times as large.
    for (arguments, expected) in [
        (
            vec!["interpolate", "--out", "a.gif"],
            (60, (96 + 4, 128 + 4)),
        ),
        (
            vec![
                "interpolate",
                "--out",
                "b.gif",
                "--from",
                "0",
                "--to",
                "1",
                "--steps",
                "4",
            ],
            (6, (3 * 98 + 2 + 12, 128 + 4)),
        ),
        // Four images in a block of three columns, as they are higher than wide; 14 pixels for text.
        (
            vec!["traverse", "--out", "c.GIF", "--steps", "2"],
            (2, (3 * 98 + 2, 2 * (130 + 14) + 2)),
        ),
    ] {
        let command = [&[arguments[0], "run", "--device", "cpu"], &arguments[1..]].concat();
        accepted(folder.path(), &command);
        assert_eq!(frames(&at(arguments[2])), expected, "{arguments:?}");
    }
    for command in ["manifold", "latents"] {
        let arguments = [command, "run", "--out", "d.gif"];
        refused_in(folder.path(), &arguments, CONFIG, &["try: "]);
    }
    for command in ["interpolate", "traverse"] {
        let arguments = [command, "run", "--out", "d.jpg"];
        refused_in(
            folder.path(),
            &arguments,
            CONFIG,
            &["d.jpg", ".png, .gif or .npy", "try: "],
        );
    }
}

#[test]
fn a_manifold_is_a_square_without_gaps() {
    let folder = temporary();
    train(folder.path(), "run", &["--latent", "2"]);
    train(folder.path(), "ae", &["--latent", "2", "--model", "ae"]);
    train(folder.path(), "three", &["--latent", "3"]);
    for run in ["run", "ae"] {
        let found = size(folder.path(), &["manifold", run, "--size", "7"]);
        assert_eq!(found, (7 * TILE.0, 7 * TILE.1));
    }
    let words = ["2 latent dimensions", "has 3", "--latent 2", "try: "];
    refused_in(folder.path(), &["manifold", "three"], CONFIG, &words);
}

#[test]
fn latents_are_coloured_where_there_are_labels() {
    let folder = temporary();
    for latent in ["1", "2", "4"] {
        train(folder.path(), latent, &["--latent", latent]);
        let labelled = ["latents", latent, "--device", "cpu"];
        let output = accepted(folder.path(), &labelled);
        assert!(!stderr(&output).contains("colour"), "{}", stderr(&output));
        let name = format!("{latent}/latents-data-test.png");
        let picture = image::open(folder.path().join(name)).expect("a picture");
        let out = format!("plain-{latent}.png");
        let plain = [
            "latents",
            latent,
            "--device",
            "cpu",
            "--data",
            "plain.npz",
            "--out",
            &out,
        ];
        let output = accepted(folder.path(), &plain);
        assert!(stderr(&output).contains("no labels: all in one colour"));
        let plain = image::open(folder.path().join(out)).expect("a picture");
        assert!(
            plain.width() < picture.width(),
            "a legend is beside the plot"
        );
    }
    // Whatever is done with the images: a fault of their labels is a fault of the file.
    for command in ["latents", "reconstruct"] {
        let wrong = [command, "2", "--data", "wrong.npz"];
        let words = ["y_test", "expected 12 labels", "labels=none"];
        refused_in(folder.path(), &wrong, DATA_OR_MODEL, &words);
    }
}

/// Runs what has to be refused before any data are read: those of the runs are no longer there.
fn refuses_without_data(cases: &[(&str, i32, &[&str])]) {
    refuses_in(cases, |folder| {
        fs::remove_file(folder.join("data.npz")).expect("the data");
    });
}

/// Runs what has to be refused beside a run of a VAE, one of an autoencoder, and a file; nothing may change.
fn refuses(cases: &[(&str, i32, &[&str])]) {
    refuses_in(cases, |_| {});
}

fn refuses_in(cases: &[(&str, i32, &[&str])], prepare: impl FnOnce(&Path)) {
    let folder = temporary();
    train(folder.path(), "run", &["--latent", "2"]);
    train(folder.path(), "ae", &["--latent", "2", "--model", "ae"]);
    fs::write(folder.path().join("mine.png"), "dear").expect("a file");
    prepare(folder.path());
    let before = contents(folder.path());
    for (command, code, words) in cases {
        let arguments: Vec<&str> = command.split(' ').collect();
        refused_in(folder.path(), &arguments, *code, words);
    }
    assert!(contents(folder.path()) == before, "nothing was written");
}

#[test]
fn ends_that_there_are_not_are_refused() {
    let no_image = ["no image 12", "0 to 11", "try: "];
    refuses(&[
        ("interpolate run --from 12 --to 0", CONFIG, &no_image),
        (
            "interpolate run --from 8 --to 3 --rows 5",
            CONFIG,
            &no_image,
        ),
        (
            "interpolate run --from 0 --to 99999999999999999999",
            CONFIG,
            &["--to"],
        ),
        ("interpolate run --from 1", CONFIG, &["--to"]),
        ("interpolate run --data data.npz", CONFIG, &["--from"]),
        (
            "interpolate run --from 0 --to 1 --seed 2",
            CONFIG,
            &["--seed"],
        ),
        (
            "interpolate run --path crooked",
            CONFIG,
            &["linear", "spherical"],
        ),
        (
            "interpolate ae",
            DATA_OR_MODEL,
            &["no prior", "--from 0 --to 1"],
        ),
        (
            "traverse run --image 12",
            CONFIG,
            &["--image 12", "0 to 11"],
        ),
        (
            "traverse run --split train",
            CONFIG,
            &["--split train", "--image"],
        ),
        (
            "manifold run --data data.npz",
            CONFIG,
            &["--data data.npz", "prior"],
        ),
    ]);
}

#[test]
fn sizes_that_make_no_picture_are_refused() {
    let ranges = ["0", "-3", "nan", "inf"].map(|range| format!("traverse ae --range={range}"));
    let steps = ["0", "1", "-3", "nan"].map(|steps| format!("interpolate run --steps={steps}"));
    let ranges = ranges
        .iter()
        .map(|range| (range.as_str(), CONFIG, &["--range", "try: "][..]));
    let steps = steps
        .iter()
        .map(|steps| (steps.as_str(), CONFIG, &["--steps"][..]));
    let too_large = |option| ["too large", option, "try: "];
    let others: [(&str, i32, &[&str]); 9] = [
        ("traverse run --steps 1", CONFIG, &["--steps"]),
        ("traverse run --top 0", CONFIG, &["--top"]),
        ("interpolate run --rows 0", CONFIG, &["--rows"]),
        ("manifold run --size 0", CONFIG, &["--size"]),
        (
            "interpolate run --rows 10000 --steps 10000",
            CONFIG,
            &too_large("--rows"),
        ),
        (
            "traverse run --steps 10000 --out a.gif",
            CONFIG,
            &too_large("--steps"),
        ),
        (
            "interpolate ae --from 0 --to 1 --rows 10000 --steps 10000",
            CONFIG,
            &too_large("--rows"),
        ),
        (
            "traverse run --top 2 --steps 10000 --out a.gif",
            CONFIG,
            &too_large("--top"),
        ),
        ("manifold ae --size 10000", CONFIG, &too_large("--size")),
    ];
    let cases: Vec<_> = ranges.chain(steps).chain(others).collect();
    refuses_without_data(&cases);
}

#[test]
fn codes_of_too_many_values_are_refused_before_data_are_read() {
    let folder = temporary();
    train(folder.path(), "wide", &["--latent", "2049"]);
    fs::remove_file(folder.path().join("data.npz")).expect("the data");
    let words = ["2049 dimensions", "2 to 2048", "try: "];
    refused_in(folder.path(), &["latents", "wide"], CONFIG, &words);
}

#[test]
fn pictures_are_not_put_where_they_cannot_be() {
    let not_overwritten = ["mine.png", "not overwritten"];
    let no_folder = ["no", "try: "];
    refuses(&[
        ("interpolate run --out mine.png", CONFIG, &not_overwritten),
        ("traverse run --out mine.png", CONFIG, &not_overwritten),
        ("manifold run --out mine.png", CONFIG, &not_overwritten),
        ("latents run --out mine.png", CONFIG, &not_overwritten),
        ("interpolate run --out no/a.png", INPUT_OUTPUT, &no_folder),
        ("latents run --out no/a.png", INPUT_OUTPUT, &no_folder),
    ]);
}
