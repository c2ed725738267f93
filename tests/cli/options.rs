//! Options that change what is trained or shown, each with its effect, on data of a few bytes.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::formats::{npy, npz, write};
use crate::support::{
    CONFIG, DATA_OR_MODEL, accepted, adapter, epochs, refused_in, stderr, stdout, temporary,
};

const TRAIN: usize = 48;
const TEST: usize = 20;

/// Height, width and values of an image.
const SHAPE: (usize, usize) = (4, 3);
const VALUES: usize = SHAPE.0 * SHAPE.1;
const LATENT: usize = 2;

/// Images as an array, of which no two are equal: grey levels from 51 to 204 by a linear congruence.
fn array(count: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let values: Vec<u8> = (0..count * VALUES)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (51 + (state >> 24) * 153 / 255) as u8
        })
        .collect();
    let shape = format!("({count}, {}, {})", SHAPE.0, SHAPE.1);
    npy("'|u1'", false, &shape, &values)
}

/// An archive with both splits.
fn splits(path: &Path, train: &[u8], test: &[u8]) {
    let arrays = [("train", train.to_vec()), ("test", test.to_vec())];
    write(path, &npz(&arrays, true));
}

/// Trains a tiny model on `data.npz`, which is made, and gives what the program wrote to stderr.
fn train(folder: &Path, more: &[&str]) -> String {
    if !folder.join("data.npz").exists() {
        let (train, test) = (array(TRAIN, 1), array(TEST, 2));
        splits(&folder.join("data.npz"), &train, &test);
    }
    let mut arguments = vec!["train", "--device", "cpu", "--hidden", "8", "--latent", "2"];
    arguments.extend(["--batch-size", "16", "--data", "data.npz"]);
    arguments.extend(more);
    for (option, value) in [("--epochs", "1"), ("--out", "run")] {
        if !more.contains(&option) {
            arguments.extend([option, value]);
        }
    }
    stderr(&accepted(folder, &arguments))
}

fn on_cpu(folder: &Path, arguments: &[&str]) -> String {
    stdout(&accepted(
        folder,
        &[arguments, &["--device", "cpu"]].concat(),
    ))
}

fn evaluate(folder: &Path, run: &str, device: &str, more: &[&str]) -> Value {
    let arguments = [&["evaluate", run, "--json", "--device", device], more].concat();
    let printed = stdout(&accepted(folder, &arguments));
    serde_json::from_str(&printed).expect("JSON")
}

/// Rows of an array file.
fn rows(path: &Path) -> Vec<Vec<f32>> {
    let bytes = fs::read(path).expect("an array");
    let array = npyz::NpyFile::new(&bytes[..]).expect("an array");
    assert_eq!(array.shape()[1], LATENT as u64);
    let values: Vec<f32> = array.into_vec().expect("float32");
    values.chunks(LATENT).map(<[f32]>::to_vec).collect()
}

/// Rounding of either of two computations that add up in different orders, in units of the largest number:
/// a random walk over the longest sums, which have 12 terms.
const BETWEEN: f64 = 2.0 * 3.5 * f32::EPSILON as f64;

/// Fails where as many codes are further apart than rounding explains.
fn assert_close(what: &str, found: &[Vec<f32>], expected: &[Vec<f32>]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let (found, expected) = (found.concat(), expected.concat());
    let largest = expected.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
    let pairs = found.iter().zip(&expected);
    let error = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let ratio = f64::from(error / largest) / BETWEEN;
    println!("{what}: {ratio:.3} of the limit");
    assert!(ratio <= 1.0, "{what}: {ratio}");
}

fn pixels(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).expect("a file");
    let picture = image::load_from_memory(&bytes).expect("a picture");
    picture.into_luma8().into_raw()
}

#[test]
fn drawn_samples_are_black_and_white_where_means_are_grey() {
    let folder = temporary();
    let at = |name: &str| folder.path().join(name);
    train(folder.path(), &[]);
    on_cpu(folder.path(), &["sample", "run", "--out", "means.png"]);
    for (name, seed) in [("a.png", "1"), ("b.png", "1"), ("c.png", "2")] {
        let arguments = ["sample", "run", "--draw", "--out", name, "--seed", seed];
        on_cpu(folder.path(), &arguments);
    }
    // Gaps between the images have a grey of their own.
    let gap = pixels(&at("means.png"))[0];
    let drawn = pixels(&at("a.png"));
    assert!(drawn.iter().all(|&p| p == 0 || p == 255 || p == gap));
    assert!(drawn.contains(&0) && drawn.contains(&255));
    let means = pixels(&at("means.png"));
    assert!(means.iter().any(|&p| p != 0 && p != 255 && p != gap));
    assert_eq!(drawn, pixels(&at("b.png")), "the same seed");
    assert_ne!(drawn, pixels(&at("c.png")), "another seed");
}

/// The images of one split serve as the other split of another file.
#[test]
fn a_split_and_other_data_choose_the_images() {
    let folder = temporary();
    let (own_train, own_test) = (array(TRAIN, 1), array(TEST, 2));
    train(folder.path(), &[]);
    splits(&folder.path().join("train.npz"), &own_train, &own_train);
    splits(&folder.path().join("test.npz"), &own_test, &own_test);

    let test = evaluate(folder.path(), "run", "cpu", &[]);
    let train = evaluate(folder.path(), "run", "cpu", &["--split", "train"]);
    let counted = |json: &Value| (json["split"].clone(), json["images"].as_u64());
    assert_eq!(counted(&test), ("test".into(), Some(TEST as u64)));
    assert_eq!(counted(&train), ("train".into(), Some(TRAIN as u64)));
    assert_ne!(test["loss"], train["loss"]);
    for (data, expected) in [("train.npz", &train), ("test.npz", &test)] {
        let found = evaluate(
            folder.path(),
            "run",
            "cpu",
            &["--data", data, "--split", "test"],
        );
        assert_eq!(found["data"], data.trim_end_matches(".npz"));
        for part in ["images", "loss", "reconstruction", "kl"] {
            assert_eq!(found[part], expected[part], "{data}: {part}");
        }
    }

    let codes = |more: &[&str], name: &str| {
        let arguments = [&["encode", "run", "--out", name], more].concat();
        on_cpu(folder.path(), &arguments);
        rows(&folder.path().join(name))
    };
    let test = codes(&[], "test.npy");
    let train = codes(&["--split", "train"], "train.npy");
    assert_eq!((test.len(), train.len()), (TEST, TRAIN));
    let other = ["--data", "train.npz", "--split", "test"];
    assert_eq!(codes(&other, "other.npy"), train);
    assert_ne!(train[..TEST], test[..]);
    let both = [&train[..], &test[..]].concat();
    assert_close("all", &codes(&["--split", "all"], "all.npy"), &both);
    // Of other data all images are taken, unless one asks for a split.
    let twice = [&train[..], &train[..]].concat();
    let found = codes(&["--data", "train.npz"], "twice.npy");
    assert_close("all of other data", &found, &twice);

    let shown = |more: &[&str], name: &str| {
        let arguments = ["reconstruct", "run", "--count", "7", "--out", name];
        on_cpu(folder.path(), &[&arguments[..], more].concat());
    };
    shown(&[], "a.png");
    shown(&["--data", "test.npz", "--split", "test"], "b.png");
    shown(&["--data", "train.npz", "--split", "test"], "c.png");
    let picture = |name: &str| fs::read(folder.path().join(name)).expect("a picture");
    assert!(picture("a.png") == picture("b.png"), "the same images");
    assert!(picture("a.png") != picture("c.png"), "other images");
}

#[test]
fn a_third_split_is_taken_by_name_and_missed_with_another_way() {
    let folder = temporary();
    let (own_train, own_test, own_val) = (array(TRAIN, 1), array(TEST, 2), array(9, 3));
    let arrays = [
        ("x_train", own_train),
        ("x_test", own_test),
        ("x_val", own_val.clone()),
    ];
    write(&folder.path().join("data.npz"), &npz(&arrays, true));
    write(&folder.path().join("val.npy"), &own_val);
    let said = train(folder.path(), &[]);
    assert!(
        said.contains("`x_val` is left out; `--split val`"),
        "{said}"
    );

    let val = evaluate(folder.path(), "run", "cpu", &["--split", "val"]);
    let same = evaluate(folder.path(), "run", "cpu", &["--data", "val.npy"]);
    assert_eq!((&val["split"], &val["images"]), (&"val".into(), &9.into()));
    assert_eq!(val["loss"], same["loss"]);
    let all = evaluate(folder.path(), "run", "cpu", &["--split", "all"]);
    assert_eq!(all["images"], TRAIN + TEST + 9);

    let codes = ["encode", "run", "--split", "val", "--out", "val-codes.npy"];
    on_cpu(folder.path(), &codes);
    assert_eq!(rows(&folder.path().join("val-codes.npy")).len(), 9);
    for (more, name) in [
        (["--split", "val"], "a.png"),
        (["--data", "val.npy"], "b.png"),
        (["--split", "test"], "c.png"),
    ] {
        let arguments = ["reconstruct", "run", "--count", "7", "--out", name];
        on_cpu(folder.path(), &[&arguments[..], &more].concat());
    }
    let picture = |name: &str| fs::read(folder.path().join(name)).expect("a picture");
    assert!(picture("a.png") == picture("b.png"), "the same images");
    assert!(picture("a.png") != picture("c.png"), "other images");

    let missing = ["evaluate", "run", "--data", "val.npy", "--split", "val"];
    let words = ["val.npy", "no third split", "--split test"];
    refused_in(folder.path(), &missing, DATA_OR_MODEL, &words);
}

/// Rounding of a mean loss when the images of an epoch are added up in another order: a few roundings
/// of `f32` by each of few batches.
const ORDER: f64 = 8.0 * f32::EPSILON as f64;

/// What binarisation moves a loss by: its standard deviation is about a twentieth of an image's loss for
/// these grey levels, and means are over 48 or 20 images.
const DRAWN: f64 = 1e-4;

/// An autoencoder that does not learn sees no randomness but that of its data.
#[test]
fn values_are_binarised_never_once_or_at_every_use() {
    let folder = temporary();
    let losses = |binarize: &str| {
        let more = ["--model", "ae", "--likelihood", "bernoulli", "--lr", "0"];
        let own = ["--epochs", "2", "--binarize", binarize, "--out", binarize];
        let shown = train(folder.path(), &[&more[..], &own].concat());
        let config = fs::read_to_string(folder.path().join(binarize).join("config.toml"));
        let line = format!("binarize = \"{binarize}\"");
        assert!(config.expect("the configuration").contains(&line));
        let epochs = epochs(&folder.path().join(binarize));
        let pairs = ["train_loss", "test_loss"].map(|name| {
            let of = |epoch: &Value| epoch[name].as_f64().expect(name);
            [of(&epochs[0]), of(&epochs[1])]
        });
        (shown, pairs)
    };
    let (shown_none, none) = losses("none");
    let (shown_fixed, fixed) = losses("fixed");
    let (shown_dynamic, dynamic) = losses("dynamic");
    for (shown, words) in [
        (shown_none, "GREY-PIXEL"),
        (shown_fixed, "BINARISED once"),
        (shown_dynamic, "BINARISED at every use"),
    ] {
        assert!(shown.contains(words), "no {words} in {shown}");
    }
    let apart = |a: f64, b: f64| (a - b).abs() / a;
    for (split, [none, fixed, dynamic]) in ["train", "test"].iter().zip([
        [none[0], fixed[0], dynamic[0]],
        [none[1], fixed[1], dynamic[1]],
    ]) {
        println!("{split}: {none:?} {fixed:?} {dynamic:?}");
        assert!(apart(none[0], none[1]) <= ORDER, "{split}: grey");
        assert!(apart(fixed[0], fixed[1]) <= ORDER, "{split}: fixed");
        assert!(apart(dynamic[0], dynamic[1]) >= DRAWN, "{split}: dynamic");
        assert!(apart(none[0], fixed[0]) >= DRAWN, "{split}: drawn");
        assert!(apart(fixed[0], dynamic[0]) >= DRAWN, "{split}: drawn apart");
        // What was drawn once is what the other commands see, whatever their seed.
        let more = ["--split", split, "--seed", "9"];
        let measured = evaluate(folder.path(), "fixed", "cpu", &more);
        let loss = measured["loss"].as_f64().expect("a loss");
        assert!(apart(fixed[1], loss) <= ORDER, "{split}: {loss}");
    }
}

#[test]
fn a_binarised_model_is_measured_in_bits() {
    let folder = temporary();
    for binarize in ["fixed", "dynamic"] {
        let run = folder.path().join("run");
        train(folder.path(), &["--binarize", binarize]);
        let measured = evaluate(folder.path(), "run", "cpu", &[]);
        assert_eq!(measured["binarize"], binarize);
        let bits = measured["bits_per_dimension"].as_f64().expect("bits");
        let elbo = measured["elbo"].as_f64().expect("an ELBO");
        let expected = -elbo / (VALUES as f64 * std::f64::consts::LN_2);
        assert!((bits - expected).abs() < 1e-12, "{bits} {expected}");
        fs::remove_dir_all(run).expect("removed");
    }
}

#[test]
fn a_share_of_the_images_is_held_out() {
    let folder = temporary();
    write(&folder.path().join("one.npy"), &array(40, 3));
    let data = ["--data", "one.npy", "--test-fraction"];
    for (share, train_images, test_images) in [("0.1", 36, 4), ("0.25", 30, 10)] {
        let mut arguments = vec!["train", "--device", "cpu", "--hidden", "8", "--latent", "2"];
        arguments.extend(["--epochs", "1", "--batch-size", "16", "--out", share]);
        arguments.extend(data);
        arguments.push(share);
        let shown = stderr(&accepted(folder.path(), &arguments));
        let words = format!("{train_images} training and {test_images} test images");
        assert!(shown.contains(&words), "no {words:?} in {shown}");
        // The run's own data, whatever path leads to them.
        let more = ["--data", "./one.npy"];
        let own = evaluate(folder.path(), share, "cpu", &more);
        assert_eq!(own["images"].as_u64(), Some(test_images as u64), "{own}");
        // The commands on the run find the same split.
        for (split, images) in [("train", train_images), ("test", test_images)] {
            let name = format!("{share}-{split}.npy");
            let arguments = ["encode", share, "--split", split, "--out", &name];
            on_cpu(folder.path(), &arguments);
            assert_eq!(rows(&folder.path().join(name)).len(), images, "{split}");
        }
    }
    for share in ["0", "1", "-0.5", "nan"] {
        let arguments = [&["train", "--device", "cpu"], &data[..], &[share]].concat();
        let words = ["test fraction between 0 and 1", "--test-fraction 0.1"];
        refused_in(folder.path(), &arguments, CONFIG, &words);
    }
}

#[test]
fn a_run_of_the_cpu_is_used_by_every_command_on_the_gpu() {
    let Some(adapter) = adapter() else { return };
    let folder = temporary();
    train(folder.path(), &["--epochs", "3"]);
    let on = |device: &str, arguments: &[&str]| {
        let kind = match arguments[0] {
            "encode" => "npy",
            _ => "png",
        };
        let out = format!("{device}.{kind}");
        let more = ["--device", device, "--out", &out];
        let output = accepted(folder.path(), &[arguments, &more].concat());
        let shown = stderr(&output);
        let name = adapter.split(" (").next().expect("a name");
        assert_eq!(shown.contains(name), device == "gpu", "{shown}");
    };
    let path = |device: &str, kind: &str| folder.path().join(format!("{device}.{kind}"));
    let both = |arguments: &[&str]| ["cpu", "gpu"].map(|device| on(device, arguments));
    let remove = |kind: &str| {
        ["cpu", "gpu"].map(|device| fs::remove_file(path(device, kind)).expect("removed"))
    };

    both(&["encode", "run", "--split", "train"]);
    let [cpu, gpu] = ["cpu", "gpu"].map(|device| rows(&path(device, "npy")));
    assert_eq!(cpu.len(), TRAIN);
    assert_close("codes", &gpu, &cpu);
    remove("npy");

    for command in [
        &["sample", "run", "--count", "20"][..],
        &["reconstruct", "run"],
    ] {
        both(command);
        let [cpu, gpu] = ["cpu", "gpu"].map(|device| pixels(&path(device, "png")));
        assert_eq!(cpu.len(), gpu.len(), "{command:?}");
        // A mean that lies between two grey levels may be rounded either way.
        let worst = cpu.iter().zip(&gpu).map(|(&a, &b)| a.abs_diff(b)).max();
        assert!(worst <= Some(1), "{command:?}: {worst:?}");
        remove("png");
    }

    let more = ["--importance-samples", "50"];
    let [cpu, gpu] = ["cpu", "gpu"].map(|device| evaluate(folder.path(), "run", device, &more));
    for part in ["elbo", "reconstruction", "kl", "log_likelihood"] {
        let [a, b] = [&cpu, &gpu].map(|json| json[part].as_f64().expect(part));
        // A KL near 0 is a difference of parts of the order of 1 each.
        let error = (a - b).abs() / a.abs().max(LATENT as f64);
        println!("{part}: {:.3} of the limit", error / BETWEEN);
        assert!(error <= BETWEEN, "{part}: {a} and {b}");
    }
}
