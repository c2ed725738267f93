//! Layers of maps: convolutions there and back, what a model of them can do, and texts that make none.

use std::fs;
use std::path::Path;

use crate::formats::{npy, write};
#[cfg(target_os = "linux")]
use crate::memory::within;
use crate::support::{CONFIG, accepted, metrics, model, refused_in, stdout, temporary};
#[cfg(target_os = "linux")]
use crate::support::{DEVICE, assert_refused, stderr};

/// Writes `colours.npy`: 96 images of 10×12 RGB values.
fn colours(folder: &Path) {
    let values = (0..96 * 360).map(|i| {
        let (image, row, column, channel) = (i / 360, i / 36 % 10, i / 3 % 12, i % 3);
        let is_bar = column / 3 == image % 4 || row / 3 == (image + channel) % 3;
        if is_bar { 220 - (image % 40) as u8 } else { 20 }
    });
    let values: Vec<u8> = values.collect();
    let array = npy("'|u1'", false, "(96, 10, 12, 3)", &values);
    write(&folder.join("colours.npy"), &array);
}

const ENCODER: &str = "conv 6 k4 /2, residual(conv 5 k3, conv 6 k1), conv 8 k3 /2, linear 20";

fn train(folder: &Path, out: &str, more: &[&str]) {
    let mut arguments = vec![
        "train",
        "--data",
        "colours.npy",
        "--device",
        "cpu",
        "--quiet",
    ];
    arguments.extend(["--latent", "4", "--batch-size", "16", "--out", out]);
    accepted(folder, &[&arguments[..], more].concat());
}

#[test]
fn a_model_of_convolutions_trains_goes_on_and_is_all_that_other_models_are() {
    let folder = temporary();
    let at = folder.path();
    colours(at);
    let layers = ["--encoder", ENCODER, "--epochs", "3"];
    train(at, "whole", &layers);
    let text = fs::read_to_string(at.join("whole/config.toml")).expect("a configuration");
    assert!(text.contains(&format!("encoder = \"{ENCODER}\"")), "{text}");
    assert!(!text.contains("decoder"), "{text}");
    train(
        at,
        "parts",
        &[&layers[..], &["--stop-after", "7steps"]].concat(),
    );
    accepted(at, &["train", "--resume", "parts", "--quiet"]);
    assert!(model(&at.join("whole")) == model(&at.join("parts")));
    assert_eq!(metrics(&at.join("whole")), metrics(&at.join("parts")));
    let lines = metrics(&at.join("whole"));
    let losses: Vec<f64> = lines
        .iter()
        .filter_map(|line| line["test_loss"].as_f64())
        .collect();
    assert!(losses[2] < losses[0], "{losses:?}");
    for command in ["sample", "reconstruct", "traverse", "evaluate", "encode"] {
        accepted(at, &[command, "whole", "--device", "cpu"]);
    }
    for format in ["onnx", "safetensors"] {
        accepted(at, &["export", "whole", "--format", format]);
    }
    // In a file shapes are those of PyTorch.
    let file = fs::read(at.join("whole/model.safetensors")).expect("a file");
    let header = String::from_utf8_lossy(&file);
    for tensor in [
        "\"encoder.0.weight\":{\"dtype\":\"F32\",\"shape\":[6,3,4,4]",
        "\"encoder.6.weight\":{\"dtype\":\"F32\",\"shape\":[20,72]",
    ] {
        assert!(
            header.contains(tensor),
            "no {tensor} in {}",
            &header[..2000]
        );
    }
    // Its parameters begin another run, which then is no worse.
    train(at, "next", &["--init-from", "whole", "--epochs", "1"]);
    let next = metrics(&at.join("next"));
    let after = next.iter().find_map(|line| line["test_loss"].as_f64());
    assert!(after.expect("a loss") < losses[0], "{after:?}, {losses:?}");
}

#[test]
fn images_choose_convolutions_and_a_dry_run_shows_them() {
    let folder = temporary();
    let at = folder.path();
    colours(at);
    let dry = [
        "train",
        "--data",
        "colours.npy",
        "--device",
        "cpu",
        "--dry-run",
    ];
    let shown = stdout(&accepted(at, &[&dry[..], &["--width", "4"]].concat()));
    // 10×12 pixels are halved once.
    for words in [
        "encoder.0  convolution",
        "5×6×4",
        "device memory: ",
        "decoder.3",
    ] {
        assert!(shown.contains(words), "no {words}: {shown}");
    }
    assert!(!at.join("runs").exists(), "a dry run leaves nothing");
    let shown = stdout(&accepted(at, &[&dry[..], &["--net", "mlp"]].concat()));
    assert!(
        shown.contains("fc1") && !shown.contains("convolution"),
        "{shown}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_dry_run_says_what_training_takes_and_does_not_take_it() {
    let folder = temporary();
    let at = folder.path();
    colours(at);
    let train = ["train", "--data", "colours.npy", "--device", "cpu"];
    let memory = |text: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with("device memory: "));
        line.expect("the memory").to_owned()
    };
    let more = ["--width", "4", "--epochs", "1", "--batch-size", "7"];
    let dry = accepted(at, &[&train[..], &more, &["--dry-run"]].concat());
    let run = accepted(at, &[&train[..], &more, &["--out", "run"]].concat());
    assert_eq!(memory(&stdout(&dry)), memory(&stderr(&run)));
    // Maps of 2.4 GiB each, where there is one GiB in all.
    let large = ["--encoder", "conv 60000 k3, conv 2 k3", "--out", "large"];
    let dry = within(at, 1 << 20, &[&train[..], &large, &["--dry-run"]].concat());
    assert!(dry.status.success(), "{}", stderr(&dry));
    assert!(memory(&stdout(&dry)).contains("activations "));
    let run = within(at, 1 << 20, &[&train[..], &large].concat());
    let words = ["no memory for training", "GiB", "--batch-size"];
    assert_refused(&run, &train, DEVICE, &words);
}

#[test]
fn layers_that_do_not_go_together_are_shown_with_their_sizes() {
    let folder = temporary();
    let at = folder.path();
    colours(at);
    for (more, words) in [
        (
            &[
                "--encoder",
                "conv 4 k4 /2, conv 4 k4 /2, conv 4 k4 /2, conv 4 k4 /2",
            ][..],
            &[
                "conv 4 k4 /2: a kernel of 4×4 does not fit into 1×1",
                "image: 10×12×3",
                "conv 4 k4 /2: 5×6×4",
                "conv 4 k4 /2: <-- here",
            ][..],
        ),
        (
            &["--encoder", "linear 8, conv 4"],
            &["conv 4 k3: a convolution needs a map", "gets 8 values"],
        ),
        (
            &["--encoder", "conv 4, residual(conv 5)"],
            &["residual(conv 5 k3) takes 10×12×4 and gives 10×12×5"],
        ),
        (
            &["--decoder", "linear 5x6x4, deconv 4 *2"],
            &[
                "ends in a map of 10×12×4, and an image is 10×12×3",
                "`conv 3 k3`",
            ],
        ),
        (
            &["--decoder", "linear 5x6x4, deconv 3 *2 to 11x12"],
            &["from 5×6 to 11×12"],
        ),
        (&["--encoder", "conv 4 k3 /0"], &["a stride, 1 to 1024"]),
        (
            &["--encoder", "conv 4 k3", "--width", "8"],
            &["`--encoder` beside `--width`"],
        ),
        (&["--net", "conv", "--hidden", "8"], &["`--width 32`"]),
        (&["--net", "mlp", "--width", "8"], &["`--net conv`"]),
        (&["--width", "0"], &["at least one channel"]),
        (&["--blocks", "2"], &["`--blocks` is of a resnet"]),
        (
            &["--net", "resnet", "--blocks", "0"],
            &["expected 1 to 64", "`--net conv`"],
        ),
        (
            &["--net", "resnet", "--blocks", "65"],
            &["expected 1 to 64"],
        ),
        (
            &["--encoder", "relu"],
            &["outputs of its own", "`linear 400`"],
        ),
    ] {
        let arguments = [&["train", "--data", "colours.npy", "--device", "cpu"], more].concat();
        refused_in(at, &arguments, CONFIG, words);
    }
    let rows = [
        "train", "--device", "cpu", "--net", "conv", "--data", "rows.csv",
    ];
    write(
        &at.join("rows.csv"),
        b"a,b\n1,2\n2,1\n3,5\n5,2\n4,4\n1,1\n2,2\n3,1\n4,2\n5,5\n6,1\n",
    );
    refused_in(
        at,
        &rows,
        CONFIG,
        &["rows of 2 values are no images", "`--net mlp`"],
    );
}

#[test]
fn values_far_beyond_one_are_refused_where_nobody_chose_the_loss() {
    let folder = temporary();
    let at = folder.path();
    let values: Vec<u8> = (0..24 * 300)
        .flat_map(|i| (((i * 37) % 255) as f32).to_le_bytes())
        .collect();
    let array = npy("'<f4'", false, "(24, 10, 10, 3)", &values);
    write(&at.join("far.npy"), &array);
    let train = [
        "train", "--data", "far.npy", "--device", "cpu", "--epochs", "1",
    ];
    let words = [
        "reach from 0 to 254",
        "--scale range",
        "--likelihood gaussian",
    ];
    refused_in(at, &train, CONFIG, &words);
    for more in [["--scale", "254"], ["--likelihood", "gaussian"]] {
        accepted(at, &[&train[..], &more, &["--dry-run"]].concat());
    }
}
