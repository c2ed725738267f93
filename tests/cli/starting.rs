//! Runs that start from the parameters of another one, and which parameters those are.

use std::fs;

use crate::support::{
    CONFIG, DATA_OR_MODEL, accepted, few, few_images, model, refused_in, temporary, train_few,
};

#[test]
fn training_starts_from_the_parameters_of_a_run_or_a_file() {
    let folder = temporary();
    few_images(folder.path());
    train_few(folder.path(), &["--epochs", "2", "--out", "first"]);
    let first = folder.path().join("first");
    // Without a step the parameters stay what they were.
    let frozen = ["--epochs", "1", "--lr", "0", "--keep", "2", "--out"];
    for (from, out) in [("first", "a"), ("first/model.safetensors", "b")] {
        let more = [&frozen[..], &[out, "--init-from", from]].concat();
        train_few(folder.path(), &more);
        assert!(model(&folder.path().join(out)) == model(&first), "{from}");
    }
    // The run's model is the default: no option has to repeat it.
    let arguments = [
        "train",
        "--quiet",
        "--data",
        "few.npy",
        "--init-from",
        "first",
        "--lr",
        "0",
    ];
    let more = [
        "--batch-size",
        "16",
        "--epochs",
        "1",
        "--out",
        "c",
        "--keep",
        "2",
    ];
    accepted(folder.path(), &[&arguments[..], &more].concat());
    assert!(model(&folder.path().join("c")) == model(&first));
    let wider: &[&str] = &["--latent", "5"];
    for (from, more, words) in [
        ("first", wider, &["fc21.weight", "[5, 16]", "[3, 16]"][..]),
        (
            "few.npy",
            &[],
            &[
                "few.npy",
                "a single NumPy array; expected a safetensors file",
            ],
        ),
        ("missing", &[], &["missing", "no such run folder or file"]),
        (".", &[], &["not a run folder"]),
    ] {
        let start = [
            "train",
            "--data",
            "few.npy",
            "--batch-size",
            "16",
            "--out",
            "d",
        ];
        let arguments = [&start[..], &["--init-from", from], more].concat();
        refused_in(folder.path(), &arguments, DATA_OR_MODEL, words);
        assert!(!folder.path().join("d").exists());
    }
}

#[test]
fn a_run_from_given_parameters_repeats_and_goes_on_from_them() {
    let folder = temporary();
    few_images(folder.path());
    train_few(folder.path(), &["--epochs", "1", "--out", "first"]);
    let first = folder.path().join("first");
    let more = ["--epochs", "1", "--lr", "0", "--keep", "2", "--out", "a"];
    train_few(
        folder.path(),
        &[&more[..], &["--init-from", "first"]].concat(),
    );
    // Its configuration repeats it, as long as the parameters are there.
    let repeat = [
        "train",
        "--quiet",
        "--config",
        "a/config.toml",
        "--out",
        "e",
    ];
    accepted(folder.path(), &repeat);
    assert!(model(&folder.path().join("e")) == model(&first));
    // A run that is killed at its start goes on from them as well.
    let killed = folder.path().join("e");
    fs::write(killed.join("metrics.jsonl"), "").expect("a file");
    let checkpoints = killed.join("checkpoints");
    fs::remove_dir_all(checkpoints.join("step-0000000012")).expect("removed");
    assert!(checkpoints.join("step-0000000000").is_dir());
    accepted(folder.path(), &["train", "--quiet", "--resume", "e"]);
    assert!(model(&killed) == model(&first));
    // And one that was killed before it had its first checkpoint.
    let kill = || {
        fs::remove_dir_all(&checkpoints).expect("removed");
        for name in ["model.safetensors", "best.safetensors"] {
            fs::remove_file(killed.join(name)).expect("removed");
        }
    };
    kill();
    accepted(folder.path(), &["train", "--quiet", "--resume", "e"]);
    assert!(model(&killed) == model(&first));
    fs::write(first.join("model.safetensors"), "other").expect("a file");
    kill();
    let again = ["train", "--quiet", "--resume", "e"];
    let words = ["model.safetensors", "other ones by now"];
    refused_in(folder.path(), &again, DATA_OR_MODEL, &words);
    let repeat = ["train", "--config", "a/config.toml", "--out", "f"];
    refused_in(
        folder.path(),
        &repeat,
        DATA_OR_MODEL,
        &["model.safetensors", "other ones by now"],
    );
}

#[test]
fn the_best_parameters_are_another_file_than_the_last_ones() {
    let folder = temporary();
    few_images(folder.path());
    train_few(folder.path(), &["--epochs", "2", "--out", "run"]);
    let encode = ["encode", "run", "--device", "cpu", "--checkpoint"];
    accepted(
        folder.path(),
        &[&encode[..], &["best", "--out", "best.npy"]].concat(),
    );
    fs::write(folder.path().join("run/best.safetensors"), "damaged").expect("a file");
    accepted(
        folder.path(),
        &[&encode[..], &["last", "--out", "last.npy"]].concat(),
    );
    let again = [&encode[..], &["best", "--out", "again.npy"]].concat();
    let words = ["best.safetensors", "damaged, or replaced", "--resume run"];
    refused_in(folder.path(), &again, DATA_OR_MODEL, &words);
}

#[test]
fn training_starts_from_the_best_parameters_of_a_run_and_as_another_kind_of_model() {
    let folder = temporary();
    few_images(folder.path());
    let more = ["--epochs", "2", "--stop-after", "17steps", "--beta", "4"];
    train_few(folder.path(), &[&more[..], &["--out", "first"]].concat());
    let first = folder.path().join("first");
    let best = fs::read(first.join("best.safetensors")).expect("the best");
    assert!(best != model(&first));
    let frozen = ["--epochs", "1", "--lr", "0", "--out", "a"];
    let from = ["--init-from", "first", "--checkpoint", "best"];
    train_few(folder.path(), &[&frozen[..], &from].concat());
    assert!(model(&folder.path().join("a")) == best);
    let file = [
        "--init-from",
        "first/best.safetensors",
        "--checkpoint",
        "best",
    ];
    let arguments = few(&[&file[..], &["--out", "b"]].concat());
    refused_in(
        folder.path(),
        &arguments,
        CONFIG,
        &["--checkpoint", "is a file"],
    );
    // An autoencoder of the run's sizes has no use for its beta, and lacks one of its layers.
    let arguments = few(&["--init-from", "first", "--model", "ae", "--out", "b"]);
    refused_in(
        folder.path(),
        &arguments,
        DATA_OR_MODEL,
        &["first", "fc2.weight is missing"],
    );
}

#[test]
fn a_run_may_begin_with_the_parameters_of_another_loss() {
    let folder = temporary();
    let at = folder.path();
    few_images(at);
    let optimal = ["--likelihood", "gaussian", "--sigma", "optimal"];
    let begun = [&optimal[..], &["--epochs", "1", "--out", "first"]].concat();
    train_few(at, &begun);
    let codes = |run: &str| {
        let file = format!("{run}.npy");
        accepted(at, &["encode", run, "--device", "cpu", "--out", &file]);
        fs::read(at.join(file)).expect("the codes")
    };
    let expected = codes("first");
    // A sigma that is left out, one that is new, and one that begins elsewhere.
    for (out, from, loss) in [
        ("fixed", "first", &["--sigma", "0.5"][..]),
        ("bernoulli", "first", &["--likelihood", "bernoulli"]),
        ("again", "bernoulli", &optimal),
        ("learned", "fixed", &["--sigma", "learned:0.5"]),
    ] {
        let frozen = [
            "--epochs",
            "1",
            "--lr",
            "0",
            "--out",
            out,
            "--init-from",
            from,
        ];
        train_few(at, &[&frozen[..], loss].concat());
        assert!(codes(out) == expected, "{out}");
    }
}
