//! `elbo sample --prior`: what is fitted, when it is fitted anew, and what is refused.

use std::fs;
use std::path::Path;

use elbo::data::digits;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use crate::formats::{floats, npy, write};
use crate::streams::array;
use crate::support::{
    CONFIG, DATA_OR_MODEL, accepted, adapter, few_images, refused_in, stderr, stdout, temporary,
    train_few, train_small,
};

/// Training images of `few.npy`.
const TRAIN: usize = 187;

/// A run of few images, of one epoch.
fn train(folder: &Path, out: &str, more: &[&str]) {
    few_images(folder);
    let arguments = [&["--epochs", "1", "--device", "cpu", "--out", out], more].concat();
    train_few(folder, &arguments);
}

/// Samples of a run by a prior, and what is said of them.
fn sample(folder: &Path, run: &str, prior: &str, more: &[&str]) -> (Vec<f32>, String) {
    let out = folder.join("sampled.npy");
    let _ = fs::remove_file(&out);
    let arguments = ["sample", run, "--prior", prior, "--out", "sampled.npy"];
    let device = match more.contains(&"--device") {
        true => &[][..],
        false => &["--device", "cpu"],
    };
    let output = accepted(folder, &[&arguments, device, more].concat());
    let (_, values) = array(&fs::read(out).expect("samples"));
    (values, stderr(&output))
}

fn assert_said(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
}

#[test]
fn an_autoencoder_that_was_trained_with_a_prior_is_sampled_from_it() {
    let folder = temporary();
    let folder = folder.path();
    train(folder, "wae", &["--model", "ae", "--objective", "wae"]);
    assert!(folder.join("wae/samples/epoch-0001.png").is_file());
    let (drawn, _) = sample(folder, "wae", "gaussian", &["--count", "3"]);
    assert_eq!(drawn.len() % 3, 0);
    let images = drawn.chunks(drawn.len() / 3);
    let differing: Vec<_> = images
        .clone()
        .zip(images.skip(1))
        .filter(|(a, b)| a != b)
        .collect();
    assert_eq!(differing.len(), 2, "each draw is a picture of its own");
    train(folder, "ae", &["--model", "ae"]);
    assert!(!folder.join("ae/samples").exists());
}

#[test]
fn a_fitted_mixture_is_kept_and_taken_until_the_run_goes_on() {
    let folder = temporary();
    let folder = folder.path();
    for (run, kind) in [("vae", "vae"), ("ae", "ae")] {
        train(folder, run, &["--model", kind]);
        let file = folder.join(run).join("prior-mixture-3.safetensors");
        let (first, said) = sample(folder, run, "mixture:3", &[]);
        let words = [
            "3 Gaussians fitted to 187 codes of 3 dimensions in ",
            "nats per code; kept in",
        ];
        assert_said(&said, &words);
        let kept = fs::read(&file).expect("a kept mixture");
        // Taken, without the images, and by other seeds too.
        fs::rename(folder.join("few.npy"), folder.join("moved.npy")).expect("moved");
        let (again, said) = sample(folder, run, "mixture:3", &[]);
        assert_said(&said, &["3 Gaussians fitted to 187 codes", "; taken from"]);
        assert_eq!(first, again);
        let (other, said) = sample(folder, run, "mixture:3", &["--seed", "2"]);
        assert_said(&said, &["; taken from"]);
        assert_ne!(first, other);
        // Fitted anew where the images are now, to the same bits.
        fs::remove_file(&file).expect("removed");
        let (anew, said) = sample(folder, run, "mixture:3", &["--data", "moved.npy"]);
        assert_said(&said, &["; kept in"]);
        assert_eq!(first, anew);
        assert!(fs::read(&file).expect("a kept mixture") == kept);
        fs::rename(folder.join("moved.npy"), folder.join("few.npy")).expect("moved back");
        accepted(
            folder,
            &["train", "--quiet", "--resume", run, "--epochs", "2"],
        );
        let (further, said) = sample(folder, run, "mixture:3", &[]);
        assert_said(&said, &["fitted to other parameters or data", "; kept in"]);
        assert_ne!(first, further);
        assert!(fs::read(&file).expect("a kept mixture") != kept);
        // Another number of Gaussians has another file.
        let (_, said) = sample(folder, run, "mixture:1", &[]);
        assert_said(&said, &["1 Gaussian fitted", "prior-mixture-1.safetensors"]);
        assert!(!said.contains("other parameters"), "{said}");
    }
}

#[test]
fn a_damaged_mixture_is_said_and_fitted_anew() {
    let folder = temporary();
    let folder = folder.path();
    train(folder, "run", &[]);
    let (first, _) = sample(folder, "run", "mixture:2", &[]);
    let file = folder.join("run/prior-mixture-2.safetensors");
    let whole = fs::read(&file).expect("a kept mixture");
    let mut changed = whole.clone();
    *changed.last_mut().expect("a byte") ^= 1;
    for damaged in [&changed[..], &whole[..40], b"", b"notes"] {
        fs::write(&file, damaged).expect("a damaged file");
        let (again, said) = sample(folder, "run", "mixture:2", &[]);
        let words = [
            "warning: ",
            "prior-mixture-2.safetensors: damaged",
            "fitted anew",
            "kept in",
        ];
        assert_said(&said, &words);
        assert_eq!(first, again);
        assert!(fs::read(&file).expect("a kept mixture") == whole);
    }
    // What cannot be kept can be used all the same.
    fs::remove_file(&file).expect("removed");
    fs::create_dir(&file).expect("a folder in its place");
    let (again, said) = sample(folder, "run", "mixture:2", &[]);
    assert_said(&said, &["; not kept in", "warning: "]);
    assert_eq!(first, again);
    let left = fs::read_dir(folder.join("run")).expect("the folder");
    let mut left = left.map(|entry| entry.expect("an entry").file_name());
    assert!(!left.any(|name| name.to_string_lossy().ends_with(".part")));
}

#[test]
fn what_codes_can_be_drawn_from_is_checked_before_anything_is_read() {
    let folder = temporary();
    let folder = folder.path();
    train(folder, "run", &[]);
    train(folder, "ae", &["--model", "ae"]);
    for wrong in [
        "mixture",
        "mixture:",
        "mixture:0",
        "mixture:-3",
        "mixture:x",
        "gmm:10",
        "",
    ] {
        let words = ["--prior", "gaussian", "codes", "mixture:10"];
        refused_in(folder, &["sample", "run", "--prior", wrong], CONFIG, &words);
    }
    for more in [&[][..], &["--prior", "gaussian"]] {
        let arguments = [&["sample", "ae"], more].concat();
        let words = [
            "autoencoder",
            "no prior",
            "--prior mixture:10",
            "--model vae",
        ];
        refused_in(folder, &arguments, DATA_OR_MODEL, &words);
    }
    let arguments = ["sample", "run", "--data", "few.npy"];
    refused_in(
        folder,
        &arguments,
        CONFIG,
        &["--data few.npy", "no image is needed"],
    );
    let arguments = ["sample", "run", "--prior", "mixture:188", "--device", "cpu"];
    let words = ["`--prior mixture:188`", "187 codes make 1 to 187 Gaussians"];
    refused_in(folder, &arguments, CONFIG, &words);
    sample(folder, "run", "mixture:187", &[]);
}

#[test]
fn other_images_than_those_of_the_run_are_refused() {
    let folder = temporary();
    let folder = folder.path();
    train(folder, "run", &[]);
    let mut bytes = fs::read(folder.join("few.npy")).expect("images");
    *bytes.last_mut().expect("a value") ^= 1;
    fs::write(folder.join("other.npy"), &bytes).expect("other images");
    for prior in ["mixture:3", "codes"] {
        let arguments = ["sample", "run", "--prior", prior, "--device", "cpu"];
        let words = [
            "other.npy",
            "not the images that the run was trained on",
            "--data",
        ];
        let other = [&arguments[..], &["--data", "other.npy"]].concat();
        refused_in(folder, &other, DATA_OR_MODEL, &words);
        fs::rename(folder.join("few.npy"), folder.join("moved.npy")).expect("moved");
        let words = ["few.npy", "not there any more", "--data"];
        refused_in(folder, &arguments, DATA_OR_MODEL, &words);
        fs::rename(folder.join("other.npy"), folder.join("few.npy")).expect("replaced");
        let words = [
            "few.npy",
            "not the images that the run was trained on",
            "--data",
        ];
        refused_in(folder, &arguments, DATA_OR_MODEL, &words);
        sample(folder, "run", "codes", &["--data", "moved.npy"]);
        fs::rename(folder.join("few.npy"), folder.join("other.npy")).expect("back");
        fs::rename(folder.join("moved.npy"), folder.join("few.npy")).expect("back");
    }
    let arguments = [
        "sample", "run", "--prior", "codes", "--data", "missing", "--device", "cpu",
    ];
    refused_in(folder, &arguments, CONFIG, &["missing", "try: "]);
}

/// Parameters of a run with every value replaced.
fn parameters(folder: &Path, run: &str, value: impl Fn(f32) -> f32) {
    let bytes = fs::read(folder.join(run).join("model.safetensors")).expect("a model");
    let tensors = SafeTensors::deserialize(&bytes).expect("tensors");
    let changed: Vec<_> = tensors
        .iter()
        .map(|(name, view)| {
            let old = view.data().as_chunks::<4>().0.iter();
            let new: Vec<f32> = old.map(|bytes| value(f32::from_le_bytes(*bytes))).collect();
            (name, view.shape().to_vec(), floats(&new))
        })
        .collect();
    let views = changed.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes);
        (*name, view.expect("a tensor"))
    });
    let file = safetensors::serialize(views, None).expect("a file");
    fs::write(folder.join("changed.safetensors"), file).expect("written");
}

#[test]
fn codes_without_a_density_are_refused() {
    let folder = temporary();
    let folder = folder.path();
    train(folder, "ae", &["--model", "ae"]);
    let arguments = ["sample", "ae", "--prior", "mixture:3", "--device", "cpu"];
    let arguments = [&arguments[..], &["--weights", "changed.safetensors"]].concat();
    parameters(folder, "ae", |_| 0.0);
    refused_in(folder, &arguments, CONFIG, &["all 187 codes are the same"]);
    parameters(folder, "ae", |value| value * 1e30);
    refused_in(
        folder,
        &arguments,
        CONFIG,
        &["the code of image", "not finite"],
    );
    let left = folder.join("ae/prior-mixture-3.safetensors");
    assert!(!left.exists(), "nothing is kept of what failed");
    // Those of a file are fitted apart from those of the run.
    parameters(folder, "ae", |value| value * 0.5);
    let weights = ["--weights", "changed.safetensors"];
    let (_, said) = sample(folder, "ae", "mixture:3", &weights);
    assert_said(&said, &["kept in"]);
    let (_, said) = sample(folder, "ae", "mixture:3", &[]);
    assert_said(&said, &["fitted to other parameters or data"]);
}

#[test]
fn samples_of_any_prior_go_where_those_of_the_first_do() {
    let folder = temporary();
    let folder = folder.path();
    train(folder, "run", &["--binarize", "dynamic"]);
    let (plain, _) = sample(folder, "run", "gaussian", &["--count", "5"]);
    assert_eq!(plain.len(), 5 * 64);
    for (prior, name) in [
        ("mixture:2", "mixture-2-"),
        ("codes", "codes-"),
        ("gaussian", ""),
    ] {
        let (means, _) = sample(folder, "run", prior, &["--count", "5"]);
        let (more, _) = sample(folder, "run", prior, &["--count", "9"]);
        assert_eq!(means, more[..means.len()], "{prior}: fewer are the first");
        assert_eq!(means == plain, prior == "gaussian", "{prior}");
        let (drawn, _) = sample(folder, "run", prior, &["--count", "5", "--draw"]);
        assert!(
            drawn.iter().all(|value| [0.0, 1.0].contains(value)),
            "{prior}"
        );
        let arguments = ["sample", "run", "--prior", prior, "--device", "cpu"];
        let out = stdout(&accepted(folder, &arguments));
        let picture = Path::new("run").join(format!("samples-{name}seed-1.png"));
        assert_eq!(Path::new(out.trim()), picture);
        image::open(folder.join(picture)).expect("a picture");
        let table = [&arguments[..], &["--count", "3", "--out", "table.csv"]].concat();
        accepted(folder, &table);
        let text = fs::read_to_string(folder.join("table.csv")).expect("a table");
        assert_eq!(text.lines().count(), 4, "{prior}");
        fs::remove_file(folder.join("table.csv")).expect("removed");
    }
}

#[test]
fn codes_of_an_autoencoder_are_decoded_to_reconstructions_of_its_training_images() {
    let folder = temporary();
    let folder = folder.path();
    train(folder, "ae", &["--model", "ae"]);
    let (samples, _) = sample(folder, "ae", "codes", &["--count", "40"]);
    let arguments = ["reconstruct", "ae", "--split", "train", "--count", "187"];
    let more = ["--device", "cpu", "--out", "all.npy"];
    accepted(folder, &[&arguments[..], &more].concat());
    let (shape, all) = array(&fs::read(folder.join("all.npy")).expect("an array"));
    assert_eq!(shape[0], TRAIN as u64);
    let mut used = std::collections::BTreeSet::new();
    for image in samples.chunks(64) {
        let mut all = all.chunks(64);
        let found = all.position(|known| squares(image, known) < 1e-8);
        used.insert(found.expect("a reconstruction"));
    }
    assert!(used.len() > 20, "{}", used.len());
}

fn squares(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Not the way from a sample to the nearest image: that is short for the blurred middle of all images too, which is what
/// codes near 0 are decoded to.
#[test]
fn test_images_are_nearer_to_samples_of_the_mixture_than_to_those_of_an_untrained_prior() {
    let folder = temporary();
    let folder = folder.path();
    train_small(folder, "ae", &["--model", "ae"]);
    let (by_mixture, _) = sample(folder, "ae", "mixture:10", &["--count", "1000"]);
    // The codes of N(0, I), decoded by the autoencoder.
    let prior = elbo::model::Prior::Gaussian
        .draw(1, 1000, 4)
        .expect("codes");
    write(
        &folder.join("codes.npy"),
        &npy("'<f4'", false, "(1000, 4)", &floats(&prior)),
    );
    let arguments = [
        "decode",
        "ae",
        "codes.npy",
        "--device",
        "cpu",
        "--out",
        "decoded.npy",
    ];
    accepted(folder, &arguments);
    let (_, by_gaussian) = array(&fs::read(folder.join("decoded.npy")).expect("images"));
    let test = digits::generate(digits::TRAIN_IMAGES, 300, 0).test;
    let test = test.values().expect("in memory").to_f32();
    let far = |samples: &[f32]| {
        let nearest = test.chunks(784).map(|image| {
            let each = samples
                .chunks(784)
                .map(|sample| squares(image, sample).sqrt());
            each.fold(f32::INFINITY, f32::min)
        });
        nearest.sum::<f32>() / 300.0
    };
    let (mixture, gaussian) = (far(&by_mixture), far(&by_gaussian));
    println!(
        "mean distance to the nearest sample: {mixture} by the mixture, {gaussian} by N(0, I)"
    );
    assert!(mixture < 0.9 * gaussian, "{mixture}, {gaussian}");
}

#[test]
fn a_gpu_samples_from_the_same_mixture_but_for_rounding() {
    let Some(_) = adapter() else {
        return;
    };
    let folder = temporary();
    let folder = folder.path();
    train(folder, "run", &[]);
    let near = |a: &[f32], b: &[f32]| {
        let off = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        let off = off.fold(0.0, f32::max);
        // Codes of some units, of which each gives some of f32's 1e-7, and decoders that are not steep.
        assert!(off < 1e-4, "{off}");
    };
    let (cpu, _) = sample(folder, "run", "mixture:1", &[]);
    let gpu = ["--device", "gpu:0"];
    let (taken, said) = sample(folder, "run", "mixture:1", &gpu);
    assert_said(&said, &["taken from"]);
    near(&taken, &cpu);
    fs::remove_file(folder.join("run/prior-mixture-1.safetensors")).expect("removed");
    let (fitted, said) = sample(folder, "run", "mixture:1", &gpu);
    assert_said(&said, &["kept in"]);
    near(&fitted, &cpu);
}
