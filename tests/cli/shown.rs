//! What pictures show: which images, what the model saw of them, and in which range.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::formats::{npy, npz, write};
use crate::support::{CONFIG, accepted, epochs, refused_in, stderr, stdout, temporary};

const SIDE: usize = 8;
/// An image is shown so many times as large.
const SCALE: u32 = 8;
const GAP: u32 = 2;
/// Before a pair that follows another one.
const PAIR_GAP: u32 = 8;

fn floats(shape: &str, values: impl Iterator<Item = f32>) -> Vec<u8> {
    let bytes: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
    npy("'<f4'", false, shape, &bytes)
}

/// Trains on `data` for an epoch; gives what it says.
fn train(folder: &Path, data: &str, more: &[&str]) -> String {
    let mut arguments = vec!["train", "--device", "cpu", "--hidden", "8", "--latent", "2"];
    arguments.extend([
        "--epochs",
        "1",
        "--batch-size",
        "8",
        "--data",
        data,
        "--out",
        "run",
    ]);
    arguments.extend(more);
    let output = accepted(folder, &arguments);
    stdout(&output) + &stderr(&output)
}

/// Runs a command; gives what it says on stderr.
fn run(folder: &Path, command: &str) -> String {
    let arguments: Vec<&str> = command.split(' ').chain(["--device", "cpu"]).collect();
    stderr(&accepted(folder, &arguments))
}

/// The middles of the pixels of the image whose corner is at (`left`, `top`), row by row.
fn pixels(path: &Path, (left, top): (u32, u32)) -> Vec<u8> {
    let picture = image::open(path).expect("a picture").to_luma8();
    let side = 0..SIDE as u32;
    let middles = side.clone().flat_map(|y| side.clone().map(move |x| (x, y)));
    let at = |place: u32, start: u32| start + place * SCALE + SCALE / 2;
    middles
        .map(|(x, y)| picture.get_pixel(at(x, left), at(y, top)).0[0])
        .collect()
}

/// Images of two classes, those of the first before those of the second: dark ones and bright ones.
fn sorted_by_class(folder: &Path) {
    let count = 40;
    let grey = |image: usize| if image < count / 2 { 30 } else { 220 };
    let images: Vec<u8> = (0..count)
        .flat_map(|image| (0..SIDE * SIDE).map(move |i| grey(image) + (i % 5) as u8))
        .collect();
    let labels: Vec<u8> = (0..count)
        .map(|image| u8::from(grey(image) > 100))
        .collect();
    let images = || npy("'|u1'", false, "(40, 8, 8)", &images);
    let labels = || npy("'|u1'", false, "(40,)", &labels);
    let arrays = [
        ("x_train", images()),
        ("x_test", images()),
        ("y_train", labels()),
        ("y_test", labels()),
    ];
    write(&folder.join("sorted.npz"), &npz(&arrays, true));
}

#[test]
fn images_that_are_shown_are_of_all_classes() {
    let folder = temporary();
    let folder = folder.path();
    sorted_by_class(folder);
    train(folder, "sorted.npz", &[]);
    run(folder, "reconstruct run --count 2 --out two.png");
    let of_training = folder.join("run/reconstructions/epoch-0001.png");
    let width = SIDE as u32 * SCALE;
    // Two pairs lie above each other.
    let below = GAP + width + GAP;
    let found = |path: &Path, second: (u32, u32)| {
        [(GAP, GAP), second].map(|corner| pixels(path, corner)[0] > 100)
    };
    let two = found(&folder.join("two.png"), (GAP, below));
    assert_ne!(two[0], two[1], "one of each class");
    // Training shows 32 in eight rows of four pairs.
    let beside = GAP + width + GAP + width + PAIR_GAP;
    let first = found(&of_training, (beside, GAP));
    assert_ne!(first[0], first[1], "classes take turns");
    assert_eq!(first[0], two[0], "the same images, by the split's seed");
}

#[test]
fn images_beside_those_of_a_binarised_model_are_as_it_saw_them() {
    let folder = temporary();
    let folder = folder.path();
    sorted_by_class(folder);
    train(folder, "sorted.npz", &["--binarize", "fixed"]);
    // All of them, so that every place is known.
    run(folder, "reconstruct run --count 40 --out shown.png");
    run(
        folder,
        "interpolate run --from 0 --to 39 --steps 2 --out ends.png",
    );
    let is_binary = |values: &[u8]| {
        values.iter().all(|value| [0, 255].contains(value))
            && values.contains(&0)
            && values.contains(&255)
    };
    let shown = folder.join("shown.png");
    let original = pixels(&shown, (GAP, GAP));
    assert!(is_binary(&original), "{original:?}");
    let from = pixels(&folder.join("ends.png"), (GAP, GAP));
    assert!(is_binary(&from), "{from:?}");
    // The same draws for the same image: it is among those that `reconstruct` shows.
    let width = SIDE as u32 * SCALE;
    let places = (0..8).flat_map(|row| (0..5).map(move |pair| (pair, row)));
    let mut corners = places.map(|(pair, row)| {
        let left = GAP + pair * (2 * width + GAP + PAIR_GAP);
        (left, GAP + row * (width + GAP))
    });
    assert!(corners.any(|corner| pixels(&shown, corner) == from));
}

#[test]
fn data_from_minus_one_to_one_are_drawn_in_their_range_and_it_is_said() {
    let folder = temporary();
    let folder = folder.path();
    let values = (0..30 * SIDE * SIDE).map(|i| [-1.0, 0.0, 1.0][(i + i / 64) % 3]);
    write(&folder.join("d.npy"), &floats("(30, 8, 8)", values));
    let said = train(folder, "d.npy", &["--likelihood", "gaussian"]);
    assert!(said.contains("-1 (black) to 1 (white)"), "{said}");
    let said = run(folder, "reconstruct run --count 3 --out shown.png");
    assert!(said.contains("-1 (black) to 1 (white)"), "{said}");
    let mut original = pixels(&folder.join("shown.png"), (GAP, GAP));
    original.sort_unstable();
    original.dedup();
    assert_eq!(original, [0, 128, 255]);
    for command in [
        "sample run --out a.png",
        "traverse run --out b.png",
        "manifold run --size 3 --out c.png",
        "interpolate run --out d.gif",
        "explore run --export e.html",
    ] {
        let said = run(folder, command);
        let is_page = command.starts_with("explore");
        assert!(
            is_page || said.contains("-1 (black) to 1 (white)"),
            "{said}"
        );
    }
    let page = fs::read_to_string(folder.join("e.html")).expect("a page");
    assert!(page.contains("\"range\":[-1.0,1.0]"));
}

#[test]
fn rows_of_values_are_shown_as_lines() {
    let folder = temporary();
    let folder = folder.path();
    let values = (0..30 * 4).map(|i| i as f32 * 0.37 % 3.0);
    write(&folder.join("d.npy"), &floats("(30, 4)", values));
    let said = train(folder, "d.npy", &["--likelihood", "gaussian"]);
    assert!(said.contains("(bottom) to "), "{said}");
    run(folder, "sample run --count 1 --out one.png");
    let picture = image::open(folder.join("one.png"))
        .expect("a picture")
        .to_luma8();
    // Four steps of eight pixels, in a height in which they can be seen.
    assert_eq!(picture.dimensions(), (2 * GAP + 32, 2 * GAP + 64));
    for x in GAP..GAP + 32 {
        let column = (GAP..GAP + 64).map(|y| picture.get_pixel(x, y).0[0]);
        assert!(column.clone().any(|value| value == 255), "a line");
        assert!(column.clone().all(|value| value == 0 || value == 255));
    }
}

#[test]
fn a_sigma_is_in_what_training_prints_in_its_metrics_its_page_and_its_evaluation() {
    found_and_shown("learned");
    found_and_shown("optimal");
}

fn found_and_shown(rule: &str) {
    let folder = temporary();
    let folder = folder.path();
    let values = (0..30 * SIDE * SIDE).map(|i| (i * i % 17) as f32 / 17.0);
    write(&folder.join("d.npy"), &floats("(30, 8, 8)", values));
    let more = ["--likelihood", "gaussian", "--sigma", rule, "--lr", "0.01"];
    let said = train(folder, "d.npy", &more);
    let last = epochs(&folder.join("run")).pop().expect("an epoch");
    let sigma = last["sigma"].as_f64().expect("a number");
    assert!(sigma > 0.0 && sigma != 1.0, "{sigma}");
    assert!(
        said.contains(&format!("sigma: {sigma:.4}, {rule}")),
        "{said}"
    );
    let page = fs::read_to_string(folder.join("run/report.html")).expect("a page");
    assert!(page.contains(&format!("<dt>Sigma</dt><dd><b>{sigma:.4}</b>")));
    let arguments = ["evaluate", "run", "--json", "--device", "cpu"];
    let evaluated = stdout(&accepted(folder, &arguments));
    let evaluated: Value = serde_json::from_str(&evaluated).expect("JSON");
    let found = evaluated["sigma"].as_f64().expect("a number");
    assert!((found - sigma).abs() < 1e-6 * sigma, "{found}, {sigma}");
}

#[test]
fn tables_go_out_in_their_own_units_under_their_own_names() {
    let folder = temporary();
    let folder = folder.path();
    let mut table = String::from("height in m,mass in g\n");
    for i in 0..60 {
        let (tall, heavy) = (
            1.5 + 0.01 * f64::from(i * 7 % 60),
            60_000 + 100 * (i * 11 % 60),
        );
        table += &format!("{tall},{heavy}\n");
    }
    write(&folder.join("d.csv"), table.as_bytes());
    train(
        folder,
        "d.csv",
        &["--likelihood", "gaussian", "--standardize"],
    );
    let rows = |name: &str| {
        let text = fs::read_to_string(folder.join(name)).expect("a table");
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("height in m,mass in g"), "{name}");
        let cells = lines.flat_map(|line| line.split(','));
        let cells = cells.map(|cell| cell.parse::<f32>().expect("a number"));
        cells.collect::<Vec<_>>()
    };
    run(folder, "encode run --out codes.npy");
    for (command, name, count) in [
        ("sample run --draw --count 50 --out a.csv", "a.csv", 50),
        ("decode run codes.npy --out b.csv", "b.csv", 6),
    ] {
        run(folder, command);
        let values = rows(name);
        assert_eq!(values.len(), 2 * count, "{name}");
        for row in values.chunks(2) {
            // Ten standard deviations about the mean.
            assert!((-0.5..4.5).contains(&row[0]), "{row:?}");
            assert!((40_000.0..90_000.0).contains(&row[1]), "{row:?}");
        }
    }
}

#[test]
fn training_shows_binarised_images_as_it_was_measured_on_them() {
    let folder = temporary();
    let folder = folder.path();
    sorted_by_class(folder);
    for binarize in ["fixed", "dynamic", "none"] {
        train(folder, "sorted.npz", &["--binarize", binarize]);
        run(folder, "reconstruct run --count 32 --out later.png");
        let [of_training, later] = ["run/reconstructions/epoch-0001.png", "later.png"]
            .map(|name| fs::read(folder.join(name)).expect(name));
        assert!(of_training == later, "--binarize {binarize}");
        fs::remove_dir_all(folder.join("run")).expect("the run");
        fs::remove_file(folder.join("later.png")).expect("the picture");
    }
}

/// A black drawing, which its transparency alone shows: opaque in the left half.
fn drawings(folder: &Path) {
    for i in 0..20_u8 {
        let side = SIDE as u32;
        let picture = image::GrayAlphaImage::from_fn(side, side, |x, _| {
            image::LumaA([i % 2, if x < side / 2 { 255 } else { 0 }])
        });
        let path = folder.join(format!("drawings/{i}.png"));
        fs::create_dir_all(folder.join("drawings")).expect("a folder");
        picture.save(path).expect("a picture");
    }
}

#[test]
fn grey_and_alpha_are_shown_with_their_transparency() {
    let folder = temporary();
    drawings(folder.path());
    train(folder.path(), "drawings", &["--channels", "2"]);
    run(folder.path(), "reconstruct run --count 1 --out pairs.png");
    let shown = pixels(&folder.path().join("pairs.png"), (GAP, GAP));
    for row in shown.chunks(SIDE) {
        assert!(row[..SIDE / 2].iter().all(|&value| value <= 1), "{row:?}");
        assert_eq!(row[SIDE / 2..], [96; SIDE / 2], "the colour of the gaps");
    }
}

#[test]
fn a_third_split_is_read_with_the_channels_of_the_model() {
    let folder = temporary();
    for i in 0..12_u8 {
        let split = if i < 8 { "train" } else { "test" };
        let picture = image::GrayImage::from_fn(4, 4, |x, y| image::Luma([20 * i + (x * y) as u8]));
        let at = folder.path().join("photos").join(split);
        fs::create_dir_all(&at).expect("a folder");
        picture
            .save(at.join(format!("{i}.png")))
            .expect("a picture");
    }
    let val = folder.path().join("photos/val");
    fs::create_dir_all(&val).expect("a folder");
    let red = image::RgbImage::from_pixel(4, 4, image::Rgb([200, 0, 0]));
    red.save(val.join("red.png")).expect("a picture");
    train(folder.path(), "photos", &[]);
    for split in ["val", "all"] {
        let said = run(folder.path(), &format!("encode run --split {split}"));
        assert!(!said.contains("changed"), "{said}");
    }
}

#[test]
fn pictures_of_too_many_images_are_refused_before_they_are_decoded() {
    let folder = temporary();
    sorted_by_class(folder.path());
    train(folder.path(), "sorted.npz", &[]);
    let codes = vec![0.0_f32; 2 * 20_000];
    let codes = floats("(20000, 2)", codes.into_iter());
    write(&folder.path().join("codes.npy"), &codes);
    let words = ["too large", "pixels", "an array: --out "];
    for command in [
        "decode run codes.npy --out a.png",
        "sample run --count 65536 --out a.png",
    ] {
        let arguments: Vec<&str> = command.split(' ').collect();
        refused_in(folder.path(), &arguments, CONFIG, &words);
    }
    run(folder.path(), "decode run codes.npy --out a.npy");
}
