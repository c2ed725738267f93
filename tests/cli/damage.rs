//! Files of a run folder that were damaged or replaced: they are never used silently, and there is a way on.

use std::fs;
use std::path::{Path, PathBuf};

use elbo::train::{RunFolder, Which};
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};
use safetensors::SafeTensors;

use crate::skipped::skipped;
use crate::support::{
    DATA_OR_MODEL, accepted, few_images, metrics, native, refused_in, stderr, stdout, temporary,
    train_few,
};

const FILES: [(&str, Which); 2] = [
    ("model.safetensors", Which::Last),
    ("best.safetensors", Which::Best),
];

/// A run of two epochs in `folder`.
fn run_in(folder: &Path) -> PathBuf {
    few_images(folder);
    train_few(folder, &["--epochs", "2", "--out", "run"]);
    folder.join("run")
}

/// Tensors as another program writes them: nothing tells of a hash.
fn rewritten(file: &Path) {
    let bytes = fs::read(file).expect("a file");
    let tensors = SafeTensors::deserialize(&bytes).expect("tensors");
    let plain = safetensors::serialize(tensors.iter(), None).expect("the same tensors");
    fs::write(file, plain).expect("written");
}

#[test]
fn three_hundred_changes_and_truncations_of_a_runs_parameters_are_refused() {
    let folder = temporary();
    let run = run_in(folder.path());
    let open = RunFolder::open(&run).expect("a run");
    let mut random = SmallRng::seed_from_u64(14);
    let refused = |file: &Path, which, bytes: &[u8], what: &str| {
        fs::write(file, bytes).expect("a damaged file");
        let error = open.weights_of(which).expect_err(what);
        assert_eq!(error.exit_code(), 3, "{what}: {error}");
        let error = error.to_string();
        let name = file.file_name().expect("a name").to_string_lossy();
        assert!(error.contains(&*name), "{what}: {error}");
    };
    // With the checkpoints that the files are copies of, and without.
    for with_checkpoints in [true, false] {
        if !with_checkpoints {
            fs::remove_dir_all(run.join("checkpoints")).expect("removed");
        }
        for (name, which) in FILES {
            let file = run.join(name);
            let whole = fs::read(&file).expect(name);
            for i in 0..300 {
                let mut changed = whole.clone();
                let at = random.random_range(0..whole.len());
                // Anything but zero, so that it is a change.
                changed[at] ^= random.random_range(1..=255_u8);
                refused(
                    &file,
                    which,
                    &changed,
                    &format!("{name}: change {i}, of byte {at}"),
                );
                let len = random.random_range(0..whole.len());
                refused(
                    &file,
                    which,
                    &whole[..len],
                    &format!("{name} cut to {len} bytes"),
                );
            }
            // Many bytes at once, and bytes behind the end.
            let mut noise = whole.clone();
            random.fill_bytes(&mut noise[whole.len() / 2..]);
            refused(&file, which, &noise, "noise in the second half");
            refused(&file, which, &[&whole[..], b" "].concat(), "a byte more");
            fs::write(&file, &whole).expect("mended");
            open.weights_of(which).expect("the whole file");
        }
    }
}

#[test]
fn every_command_refuses_damaged_parameters_and_resuming_copies_them_again() {
    let folder = temporary();
    let run = run_in(folder.path());
    let damage = |name: &str| {
        let file = run.join(name);
        let mut bytes = fs::read(&file).expect(name);
        let last = bytes.len() - 2;
        bytes[last] ^= 4;
        fs::write(file, bytes).expect("damaged");
    };
    let whole = FILES.map(|(name, _)| fs::read(run.join(name)).expect(name));
    for (name, _) in FILES {
        damage(name);
    }
    fs::write(folder.path().join("codes.npy"), "").expect("a file");
    for (checkpoint, name) in [("last", "model.safetensors"), ("best", "best.safetensors")] {
        for command in [
            &["evaluate", "run"][..],
            &["encode", "run"],
            &["decode", "run", "codes.npy"],
            &["sample", "run"],
            &["reconstruct", "run"],
            &["latents", "run"],
            &["traverse", "run"],
            &["interpolate", "run"],
            &["explore", "run", "--export", "page.html"],
            &["export", "run", "--format", "onnx"],
            &[
                "train",
                "--init-from",
                "run",
                "--data",
                "few.npy",
                "--out",
                "other",
            ],
        ] {
            let arguments = [command, &["--checkpoint", checkpoint]].concat();
            let words = [name, "damaged", "another sha256", "--resume run"];
            refused_in(folder.path(), &arguments, DATA_OR_MODEL, &words);
        }
    }
    // The remedy that the message names.
    accepted(folder.path(), &["train", "--quiet", "--resume", "run"]);
    assert!(FILES.map(|(name, _)| fs::read(run.join(name)).expect(name)) == whole);
    accepted(folder.path(), &["evaluate", "run", "--device", "cpu"]);
    // Without a checkpoint nothing can be copied.
    fs::remove_dir_all(run.join("checkpoints")).expect("removed");
    damage("model.safetensors");
    let words = ["another copy of the run's folder"];
    refused_in(folder.path(), &["evaluate", "run"], DATA_OR_MODEL, &words);
}

#[test]
fn parameters_that_were_replaced_on_purpose_are_used_where_that_is_said() {
    let folder = temporary();
    let run = run_in(folder.path());
    let evaluate = ["evaluate", "run", "--device", "cpu"];
    let before = stdout(&accepted(folder.path(), &evaluate));
    rewritten(&run.join("model.safetensors"));
    let words = [
        "model.safetensors",
        "damaged, or replaced",
        &native("--weights run/model.safetensors"),
        "--init-from",
    ];
    refused_in(folder.path(), &evaluate, DATA_OR_MODEL, &words);
    let weights = ["--weights", "run/model.safetensors"];
    let again = [&evaluate[..], &weights].concat();
    assert_eq!(stdout(&accepted(folder.path(), &again)), before);
    let start = ["--init-from", "run/model.safetensors"];
    train_few(
        folder.path(),
        &[&start[..], &["--epochs", "1", "--out", "new"]].concat(),
    );
    let both = [&again[..], &["--checkpoint", "best"]].concat();
    refused_in(
        folder.path(),
        &both,
        crate::support::CONFIG,
        &["--weights", "--checkpoint"],
    );
}

#[test]
fn a_damaged_line_of_the_metrics_is_named_and_the_run_goes_on_without_it() {
    let folder = temporary();
    let run = run_in(folder.path());
    let file = run.join("metrics.jsonl");
    let whole = metrics(&run);
    let mut bytes = fs::read(&file).expect("the metrics");
    let end = bytes
        .iter()
        .position(|&byte| byte == b'\n')
        .expect("a line");
    bytes[end + 5] = 0;
    fs::write(&file, &bytes).expect("damaged");
    let resume = ["train", "--quiet", "--resume", "run", "--epochs", "3"];
    let without = native("sed -i '2d' run/metrics.jsonl");
    let words = ["line 2 is damaged", &without];
    refused_in(folder.path(), &resume, DATA_OR_MODEL, &words);
    assert_eq!(fs::read(&file).expect("the metrics"), bytes);
    refused_in(folder.path(), &["report", "run"], DATA_OR_MODEL, &words);
    // The remedy that the message names.
    let lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let kept: Vec<u8> = lines
        .enumerate()
        .filter(|(i, _)| *i != 1)
        .flat_map(|(_, l)| l)
        .copied()
        .collect();
    fs::write(&file, kept).expect("without it");
    let output = accepted(folder.path(), &resume);
    assert!(
        stderr(&output).contains("without those lines"),
        "{}",
        stderr(&output)
    );
    let after = metrics(&run);
    assert_eq!(after[0], whole[0]);
    assert_eq!(after[1..whole.len() - 1], whole[2..]);
    assert!(after.len() > whole.len());
}

#[test]
fn parameters_under_other_names_or_of_another_format_are_called_what_they_are() {
    let folder = temporary();
    few_images(folder.path());
    let trials = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/trials/10-hints");
    if !trials.is_dir() {
        skipped("trials", "the inputs of ../shared/trials are not there");
        return;
    }
    let start = |file: &str, words: &[&str]| {
        let file = trials.join(file).to_string_lossy().into_owned();
        let arguments = [
            "train",
            "--data",
            "few.npy",
            "--out",
            "run",
            "--init-from",
            &file,
        ];
        refused_in(folder.path(), &arguments, DATA_OR_MODEL, words);
    };
    start(
        "weights_other_names.safetensors",
        &[
            "fc1.weight is missing",
            "the model has fc1.weight",
            "encoder.0.weight [16, 256]",
            "fc_var.bias [2]",
        ],
    );
    start(
        "weights.npz",
        &["NumPy arrays in an .npz file", "numpy.load", "save_file"],
    );
}

#[test]
fn whole_parameters_of_another_run_are_not_taken_for_this_one_s() {
    let folder = temporary();
    let run = run_in(folder.path());
    train_few(
        folder.path(),
        &["--epochs", "2", "--seed", "2", "--out", "other"],
    );
    let evaluate = ["evaluate", "run", "--device", "cpu"];
    for (name, checkpoint) in [("model.safetensors", "last"), ("best.safetensors", "best")] {
        let own = fs::read(run.join(name)).expect(name);
        fs::copy(folder.path().join("other").join(name), run.join(name)).expect("replaced");
        let arguments = [&evaluate[..], &["--checkpoint", checkpoint]].concat();
        let words = [name, "replaced", "--weights"];
        refused_in(folder.path(), &arguments, DATA_OR_MODEL, &words);
        let weights = format!("run/{name}");
        accepted(
            folder.path(),
            &[&evaluate[..], &["--weights", &weights]].concat(),
        );
        fs::write(run.join(name), own).expect("mended");
        accepted(folder.path(), &arguments);
    }
}
