//! Options, devices and folders that the program refuses: with which words and exit code.

use std::fs;
use std::path::{Path, PathBuf};

use crate::skipped::skipped;
#[cfg(unix)]
use crate::support::SMALL;
use crate::support::{
    CONFIG, DATA_OR_MODEL, DEVICE, INPUT_OUTPUT, accepted, adapter, refused, refused_in, stderr,
    stdout, temporary, train_small,
};
#[cfg(target_os = "linux")]
use crate::support::{assert_refused, program};

/// The folder of an autoencoder's run that stopped before its first epoch ended.
fn unfinished_autoencoder(folder: &Path) -> PathBuf {
    let run = folder.join("ae");
    fs::create_dir(&run).expect("a folder");
    let config = r#"
device = "cpu"
data = "digits"
test-fraction = 0.1
split-seed = 1
model = "ae"
image = "28x28x1"
hidden = [32]
latent = 4
activation = "relu"
likelihood = "squared-error"
beta = 1.0
epochs = 1
batch-size = 128
lr = 0.001
weight-decay = 0.0
grad-clip = 0.0
binarize = "none"
seed = 1
[record]
version = "0.1.0"
device = "CPU"
data = "digits"
started = "2026-01-31T23:59:59Z"
"#;
    fs::write(run.join("config.toml"), config).expect("a file");
    run
}

/// The library names them as a configuration does.
#[test]
fn settings_are_named_by_their_flags() {
    let large = [
        "`--batch-size 1000000`: expected 1 to ",
        "try: `--batch-size 128`",
    ];
    refused(&["train", "--batch-size", "1000000"], CONFIG, &large);
    let learning = ["`--lr -1`: expected", "try: `--lr 0.001`"];
    refused(&["train", "--lr", "-1"], CONFIG, &learning);
    let other = ["`--model vae` with `--objective elbo`, or no `--beta`"];
    refused(&["train", "--model", "ae", "--beta", "2"], CONFIG, &other);
}

#[test]
fn sizes_of_zero_are_refused() {
    refused(&["train", "--hidden", "0"], CONFIG, &["--hidden", "try: "]);
    refused(&["train", "--hidden", "32,0"], CONFIG, &["--hidden"]);
    refused(&["train", "--latent", "0"], CONFIG, &["--latent", "try: "]);
    for flag in ["--epochs", "--batch-size", "--log-every"] {
        refused(
            &["train", flag, "0"],
            CONFIG,
            &[flag, "expected a whole number, 1 or more"],
        );
    }
    refused(
        &["score", "run", "--top", "18446744073709551616"],
        CONFIG,
        &["--top", "9223372036854775807 at most"],
    );
    refused(
        &["train", "--epochs", "2,5"],
        CONFIG,
        &["2,5", "expected a whole number, 1 or more"],
    );
    refused(
        &["sample", "run", "--count", "x"],
        CONFIG,
        &["a whole number from 1 to 65536"],
    );
    refused(
        &["train", "--seed", "1.5"],
        CONFIG,
        &["expected a whole number, 0 or more"],
    );
    refused(&["train", "--lr", "0,5"], CONFIG, &["expected a number"]);
    refused(&["train", "--image-size", "0"], CONFIG, &["--image-size"]);
}

#[test]
fn sizes_beyond_all_memory_are_refused() {
    for (option, most) in [
        ("--hidden", "1000000000"),
        ("--latent", "9223372036854775807"),
    ] {
        let words = ["parameters is too large", option, "try: "];
        refused(&["train", option, most], CONFIG, &words);
        let words = [option, "9223372036854775807 at most"];
        refused(&["train", option, "18446744073709551615"], CONFIG, &words);
    }
    refused(&["sample", "run", "--count", "65537"], CONFIG, &["--count"]);
}

#[test]
fn values_out_of_range_are_refused() {
    let gaussian = ["train", "--likelihood", "gaussian", "--sigma"];
    for sigma in ["0", "-1", "nan", "inf"] {
        refused(
            &[&gaussian[..], &[sigma]].concat(),
            CONFIG,
            &["--sigma", "try: "],
        );
    }
    for beta in ["-1", "nan"] {
        refused(&["train", "--beta", beta], CONFIG, &["--beta", "try: "]);
    }
    for option in ["--lr", "--weight-decay", "--grad-clip"] {
        refused(&["train", option, "-0.5"], CONFIG, &[option]);
        refused(&["train", option, "nan"], CONFIG, &[option]);
    }
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    for sigma in ["1", "learned", "optimal"] {
        refused(
            &["train", "--sigma", sigma],
            CONFIG,
            &["--sigma", "gaussian"],
        );
    }
    refused(
        &["train", "--model", "ae", "--beta", "4"],
        CONFIG,
        &["--beta"],
    );
    refused(
        &["train", "--likelihood", "squared-error"],
        CONFIG,
        &["squared-error", "--model ae"],
    );
}

#[test]
fn unknown_options_and_values_are_refused() {
    refused(&["train", "--epoch", "3"], CONFIG, &["--epoch"]);
    refused(&["train", "--model", "gan"], CONFIG, &["vae", "ae"]);
    refused(&["train", "--activation", "step"], CONFIG, &["relu"]);
    refused(&["frobnicate"], CONFIG, &["frobnicate"]);
}

#[test]
fn an_unknown_device_is_refused() {
    let arguments = ["train", "--device", "gpu:no-such-adapter"];
    refused(&arguments, DEVICE, &["no-such-adapter", "try: "]);
    refused(&["train", "--device", "gpu:999"], DEVICE, &["999", "try: "]);
    // A part of every name, and so of none.
    for device in ["", "gpu:"] {
        let words = ["a part of its name", "the list of devices"];
        refused(&["train", "--device", device], DEVICE, &words);
    }
}

#[test]
fn an_unknown_device_is_refused_with_a_list_of_those_there_are() {
    let Some(adapter) = adapter() else { return };
    for device in ["gpu:no-such-adapter", "gpu:999"] {
        let words = ["auto, cpu, gpu", "gpu:0", &adapter];
        refused(&["train", "--device", device], DEVICE, &words);
    }
}

/// The Vulkan loader finds no driver where this variable names none.
#[cfg(target_os = "linux")]
#[test]
fn without_an_adapter_the_gpu_is_refused_and_auto_takes_the_cpu() {
    let folder = temporary();
    let without_driver = |arguments: &[&str]| {
        let mut command = program(folder.path(), arguments);
        for name in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
            command.env(name, "/nonexistent");
        }
        command.output().expect("the program starts")
    };
    let arguments = ["train", "--device", "gpu", "--out", "run"];
    let words = ["no Vulkan", "--device cpu", "mesa-vulkan-drivers", "try: "];
    assert_refused(&without_driver(&arguments), &arguments, DEVICE, &words);
    assert!(!folder.path().join("run").exists());
    let listed = stdout(&without_driver(&["devices"]));
    for words in ["no GPU adapter", "mesa-vulkan-drivers", "cpu "] {
        assert!(listed.contains(words), "no {words:?} in {listed}");
    }
    // Trains nothing: the data are looked at after the device.
    let arguments = ["train", "--data", "no-such-data"];
    let words = ["device: CPU"];
    assert_refused(&without_driver(&arguments), &arguments, CONFIG, &words);
}

/// Largest storage binding of the first adapter, MiB, as `elbo devices` prints it.
fn binding_limit() -> Option<u64> {
    let listed = stdout(&accepted(&std::env::temp_dir(), &["devices"]));
    let (_, rest) = listed.split_once("storage binding: ")?;
    rest.split_once(" MiB")?.0.parse().ok()
}

#[test]
fn more_pixels_than_a_binding_holds_come_in_windows_and_their_batches_are_refused() {
    // A file of zeros: the system keeps no blocks for it, but the program reads them all.
    let limit = match binding_limit() {
        Some(limit) if limit <= 256 => limit,
        found => {
            let what = "needs an adapter with bindings of at most 256 MiB, found";
            skipped("small", format_args!("{what} {found:?}"));
            return;
        }
    };
    let folder = temporary();
    let (images, values) = (2 * limit, (1 << 20) * 9 / 16);
    let path = folder.path().join("many.npy");
    let header =
        format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({images}, {values}), }}");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    let length = bytes.len() as u64 + images * values;
    // A one among the zeros that the system fills in: equal values would be refused before.
    bytes.push(1);
    fs::write(&path, bytes).expect("a file");
    let file = fs::OpenOptions::new().write(true).open(&path);
    file.expect("the file").set_len(length).expect("zeros");
    let arguments = "train --data many.npy --device gpu --tune off --hidden 4 --batch-size 16 --stop-after 2steps";
    let arguments: Vec<&str> = arguments.split(' ').chain(["--out", "run"]).collect();
    let text = stderr(&accepted(folder.path(), &arguments));
    let says = "lie on the host, 48 at a time on the device";
    assert!(text.contains(says), "{text}");
    // A batch of them has none.
    let change = |&word: &&'static str| match word {
        "16" => "128",
        "run" => "other",
        word => word,
    };
    let whole: Vec<&str> = arguments.iter().map(change).collect();
    let holds = format!("holds {limit} MiB");
    refused_in(folder.path(), &whole, DEVICE, &["x: ", &holds, "try: "]);
    assert!(!folder.path().join("other").exists(), "a failed run stays");
}

#[test]
fn an_unknown_data_set_is_refused() {
    let arguments = ["train", "--device", "cpu", "--data", "no-such-data"];
    refused(&arguments, CONFIG, &["no-such-data", "try: "]);
}

#[test]
fn a_size_that_the_data_cannot_have_is_refused() {
    let arguments = ["train", "--device", "cpu", "--image-size", "32x30"];
    refused(
        &arguments,
        CONFIG,
        &["--image-size 32x30", "28×28×1", "try: "],
    );
    let arguments = ["train", "--device", "cpu", "--channels", "3"];
    refused(&arguments, CONFIG, &["--channels 3", "try: "]);
}

#[test]
fn a_batch_larger_than_the_data_is_refused() {
    let arguments = ["train", "--device", "cpu", "--batch-size", "1000000"];
    refused(&arguments, CONFIG, &["--batch-size 1000000", "try: "]);
}

#[test]
fn an_unknown_key_of_a_configuration_is_refused_by_name() {
    let folder = temporary();
    let text = "epochs = 3\nbatchsize = 9\n";
    fs::write(folder.path().join("my.toml"), text).expect("a file");
    let words = ["my.toml", "line 2", "`batchsize`", "`batch-size`"];
    refused_in(
        folder.path(),
        &["train", "--config", "my.toml"],
        CONFIG,
        &words,
    );
}

#[test]
fn a_configuration_that_is_missing_or_no_toml_is_refused() {
    let folder = temporary();
    let arguments = ["train", "--config", "my.toml"];
    refused_in(folder.path(), &arguments, INPUT_OUTPUT, &["my.toml"]);
    fs::write(folder.path().join("my.toml"), "epochs: 3").expect("a file");
    refused_in(folder.path(), &arguments, CONFIG, &["my.toml", "line 1"]);
}

#[test]
fn values_of_a_configuration_are_checked_as_flags_are() {
    let folder = temporary();
    fs::write(folder.path().join("my.toml"), "epochs = 0\n").expect("a file");
    let arguments = ["train", "--config", "my.toml"];
    refused_in(folder.path(), &arguments, CONFIG, &["--epochs"]);
}

#[test]
fn an_existing_run_folder_is_not_touched() {
    let folder = temporary();
    fs::create_dir(folder.path().join("run")).expect("a folder");
    fs::write(folder.path().join("run/thesis.tex"), "dear").expect("a file");
    let words = ["run", "not empty", "try: "];
    refused_in(folder.path(), &["train", "--out", "run"], CONFIG, &words);
    let arguments = ["train", "--out", "run/thesis.tex"];
    refused_in(folder.path(), &arguments, CONFIG, &["thesis.tex"]);
    let text = fs::read_to_string(folder.path().join("run/thesis.tex")).expect("the file");
    assert_eq!(text, "dear");
}

#[test]
fn a_run_folder_that_cannot_be_made_is_refused() {
    let folder = temporary();
    fs::write(folder.path().join("file"), "").expect("a file");
    let arguments = ["train", "--device", "cpu", "--out", "file/run"];
    let words = ["file/run", "create the run folder"];
    refused_in(folder.path(), &arguments, INPUT_OUTPUT, &words);
}

#[cfg(unix)]
#[test]
fn a_folder_without_permission_to_write_is_refused_as_output() {
    use std::os::unix::fs::PermissionsExt;
    let folder = temporary();
    let locked = folder.path().join("locked");
    fs::create_dir(&locked).expect("a folder");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).expect("permissions");
    if fs::write(locked.join("probe"), "").is_ok() {
        skipped(
            "user",
            "permissions do not bind this user, which may be root",
        );
        return;
    }
    train_small(folder.path(), "run", &[]);
    let words = ["Permission denied", "locked", "try: "];
    let mut train = vec!["train", "--out", "locked/run"];
    train.extend(SMALL);
    let words_of_train = [&words[..], &["create the run folder"]].concat();
    refused_in(folder.path(), &train, INPUT_OUTPUT, &words_of_train);
    for command in ["sample", "reconstruct", "encode"] {
        let arguments = [command, "run", "--device", "cpu", "--out", "locked/new.npy"];
        refused_in(folder.path(), &arguments, INPUT_OUTPUT, &words);
    }
    let left = fs::read_dir(&locked).expect("the folder").count();
    assert_eq!(left, 0, "nothing is left behind");
}

#[test]
fn what_is_no_run_folder_is_refused_by_every_command() {
    let commands = ["sample", "reconstruct", "encode", "evaluate", "explore"];
    let views = ["interpolate", "traverse", "manifold", "latents"];
    for command in commands.into_iter().chain(views) {
        refused(&[command, "missing"], DATA_OR_MODEL, &["missing", "try: "]);
        refused(&[command, "."], DATA_OR_MODEL, &["config.toml", "try: "]);
    }
    let decode = ["decode", "missing", "codes.npy"];
    refused(&decode, DATA_OR_MODEL, &["missing", "try: "]);
}

#[test]
fn a_run_without_a_finished_epoch_is_refused() {
    let folder = temporary();
    unfinished_autoencoder(folder.path());
    let words = ["model.safetensors", "first checkpoint", "try: "];
    for command in ["reconstruct", "encode", "evaluate"] {
        refused_in(folder.path(), &[command, "ae"], DATA_OR_MODEL, &words);
    }
}

#[test]
fn an_autoencoder_is_not_sampled_from() {
    let folder = temporary();
    unfinished_autoencoder(folder.path());
    let code = DATA_OR_MODEL;
    refused_in(
        folder.path(),
        &["sample", "ae"],
        code,
        &["prior", "--model vae"],
    );
    let arguments = ["evaluate", "ae", "--importance-samples", "10"];
    refused_in(folder.path(), &arguments, code, &["p(x)"]);
    let arguments = ["encode", "ae", "--logvar", "logvar.npy"];
    refused_in(folder.path(), &arguments, code, &["variances"]);
}

#[test]
fn existing_outputs_are_not_overwritten() {
    let folder = temporary();
    train_small(folder.path(), "run", &[]);
    fs::write(folder.path().join("mine.npy"), "dear").expect("a file");
    for command in ["sample", "reconstruct", "encode"] {
        let arguments = [command, "run", "--device", "cpu", "--out", "mine.npy"];
        refused_in(
            folder.path(),
            &arguments,
            CONFIG,
            &["mine", "not overwritten"],
        );
    }
    let text = fs::read_to_string(folder.path().join("mine.npy")).expect("the file");
    assert_eq!(text, "dear");
}
