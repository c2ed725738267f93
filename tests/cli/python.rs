//! What other programs make of a trained model: ONNX Runtime, PyTorch, and the programs of
//! `docs/python.md`.
//!
//! Needs Python with numpy, onnx, onnxruntime, safetensors and torch. `ELBO_PYTHON` names the interpreter, and
//! then a missing package is an error; without it `python3` is tried, and what is missing is said.

mod models;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use elbo::data::{Binarize, Images, Reading, Split, Values};
use elbo::device::Device;
use elbo::export::{self, Part, Trained};
use elbo::files;
use elbo::layers::LAYERS;
use elbo::model::{Condition, Inference, Model, ModelKind, ModelSpec, Weights};
use tempfile::TempDir;

use self::models::{maps, models};
use crate::formats::npy;
use crate::interpreter::python;
use crate::support::{accepted, few_images, temporary, train_few, with_program};

/// Absolute below 1, relative above.
#[cfg(unix)]
const TOLERANCE: f32 = 1e-5;

const ROWS: usize = 5;

/// Runs Python, and gives what it printed.
fn run(python: &OsString, folder: &Path, arguments: &[&Path]) -> String {
    let mut command = Command::new(python);
    command.args(arguments).current_dir(folder);
    let output = with_program(&mut command).output();
    let output = output.expect("the interpreter starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {text}{errors}");
    text
}

/// Values from 0 to 1, none like its neighbours.
fn wave(len: usize) -> Vec<f32> {
    (0..len)
        .map(|i| 0.5 + 0.5 * (0.37 * i as f32).sin())
        .collect()
}

/// How far parameters are from 0, in multiples of initial ones.
const SPREAD: f32 = 3.0;

/// A model with random parameters, some logvar of which lie beyond the bound.
fn weights(spec: &ModelSpec) -> Weights {
    let model = Model::new(spec).expect("a model");
    let parameters = model.parameters();
    let mut arena = parameters.initial(3);
    arena.iter_mut().for_each(|value| *value *= SPREAD);
    // What begins with the same number everywhere too.
    for tensor in &parameters.tensors {
        let own = &mut arena[tensor.offset..tensor.offset + tensor.len()];
        if own.len() > 1 && own.iter().all(|value| *value == own[0]) {
            own.copy_from_slice(&wave(own.len()));
        }
    }
    let mut tensors = parameters.tensors.iter();
    let head = format!("fc{}2.bias", spec.encoder.len() + 1);
    if let Some(bias) = tensors.find(|tensor| [&head, "logvar.bias"].contains(&&*tensor.name)) {
        arena[bias.offset] = 200.0;
        arena[bias.offset + 1] = -200.0;
    }
    Weights::from_arena(parameters, &arena)
}

fn save(folder: &Path, name: &str, shape: &[usize], values: &[f32]) {
    let bytes = [files::npy_header(shape), files::npy_values(values)].concat();
    fs::write(folder.join(name), bytes).expect("an array");
}

/// A class for each row.
fn classes_of(condition: &Condition) -> impl Iterator<Item = u32> {
    let count = condition.count() as u32;
    (0..ROWS as u32).map(move |row| (2 * row + 1) % count)
}

/// Exports a model into a folder, with inputs and what the program computes from them.
fn prepare(folder: &Path, spec: &ModelSpec) {
    fs::create_dir(folder).expect("a folder");
    let weights = weights(spec);
    let trained = Trained {
        spec,
        weights: &weights,
        binarize: Binarize::None,
        reading: &Reading::default(),
    };
    for part in Part::ALL {
        let bytes = export::onnx(&trained, part).expect("a file");
        files::create(&folder.join(part.file()), &bytes).expect("written");
    }
    for (name, bytes) in export::pytorch(&trained).expect("files") {
        files::create(&folder.join(name), &bytes).expect("written");
    }
    let sizes = [vec![ROWS], spec.image.sizes()].concat();
    let pixels = wave(ROWS * spec.image.values());
    let z: Vec<f32> = wave(ROWS * spec.latent.values())
        .iter()
        .map(|value| 4.0 * value - 2.0)
        .collect();
    save(folder, "images.npy", &sizes, &pixels);
    let shape = [vec![ROWS], spec.latent.sizes()].concat();
    save(folder, "z.npy", &shape, &z);
    // Whole numbers, as labels in any array are.
    let classes: Vec<u32> = spec.condition.iter().flat_map(classes_of).collect();
    if spec.condition.is_some() {
        let numbers: Vec<f32> = classes.iter().map(|&class| class as f32).collect();
        save(folder, "classes.npy", &[ROWS], &numbers);
    }
    let images = Images {
        labels: spec.condition.as_ref().map(|_| classes.clone()),
        ..Images::new(spec.image, Values::Floats(pixels))
    };
    let mut model = Inference::new(Device::Cpu, spec, &weights, 1).expect("a model");
    let latents = model
        .encode(&images, Split::All, Binarize::None)
        .expect("codes");
    match spec.kind {
        ModelKind::Ae => save(folder, "code.npy", &shape, &latents.mu),
        ModelKind::Vae => {
            save(folder, "mu.npy", &shape, &latents.mu);
            save(folder, "logvar.npy", &shape, &latents.logvar);
            assert_eq!((latents.logvar[0], latents.logvar[1]), (30.0, -30.0));
        }
    }
    save(
        folder,
        "means.npy",
        &sizes,
        &model.decode_of(&z, &classes).expect("means"),
    );
}

/// A folder for each of these models, with every layer of the program among them.
fn prepare_all(folder: &Path) -> Vec<PathBuf> {
    let all = [models(), maps()].concat();
    let used = |layer: &elbo::graph::Layer| {
        let mut graphs = all.iter().map(|spec| Model::new(spec).expect("a model"));
        graphs.any(|model| {
            let mut nodes = model.graph().nodes().iter();
            nodes.any(|node| node.layer.name == layer.name)
        })
    };
    for layer in LAYERS {
        assert!(used(layer), "no model here has the layer {}", layer.name);
    }
    let numbered = all.iter().enumerate().map(|(i, spec)| {
        let path = folder.join(format!("model-{i}"));
        prepare(&path, spec);
        path
    });
    numbered.collect()
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/python")
}

#[test]
fn onnx_runtime_computes_what_the_program_does() {
    let Some(python) = python(&["numpy", "onnx", "onnxruntime"]) else {
        return;
    };
    let folder = temporary();
    let models = prepare_all(folder.path());
    let script = scripts().join("check_onnx.py");
    let arguments: Vec<&Path> = [&script]
        .into_iter()
        .chain(&models)
        .map(PathBuf::as_path)
        .collect();
    let printed = run(&python, folder.path(), &arguments);
    assert!(
        printed.contains(&format!("{} models", models.len())),
        "{printed}"
    );
    println!("ONNX Runtime: {printed}");
}

#[test]
fn pytorch_computes_what_the_program_does_by_the_exported_file() {
    let Some(python) = python(&["numpy", "safetensors", "torch"]) else {
        return;
    };
    let folder = temporary();
    let models = prepare_all(folder.path());
    check_torch(&python, folder.path(), &models);
}

/// Compares what the `model.py` of each folder computes with the arrays beside it.
pub(crate) fn check_torch(python: &OsString, folder: &Path, models: &[PathBuf]) {
    let script = scripts().join("check_torch.py");
    let arguments = [&script].into_iter().chain(models);
    let arguments: Vec<&Path> = arguments.map(PathBuf::as_path).collect();
    let printed = run(python, folder, &arguments);
    let count = format!("{} models", models.len());
    assert!(printed.contains(&count), "{printed}");
    println!("PyTorch: {printed}");
}

/// All blocks of code of a language in the page for Python.
fn blocks(language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/python.md");
    let text = fs::read_to_string(path).expect("the page");
    let fence = format!("```{language}\n");
    let rest = text.split(&fence).skip(1);
    let blocks = rest.map(|rest| rest.split("```").next().unwrap_or_default().to_owned());
    blocks.collect()
}

/// The one block with a word in it.
fn block(language: &str, word: &str) -> String {
    let mut found = blocks(language);
    found.retain(|text| text.contains(word));
    assert_eq!(found.len(), 1, "blocks of {language} with {word}");
    found.remove(0)
}

/// A folder as the page has it: `images.npy`, `runs/reference`, what the program makes of them, and exports.
fn page_folder() -> TempDir {
    let folder = temporary();
    let bytes: Vec<u8> = wave(96 * 784)
        .iter()
        .map(|value| (255.0 * value) as u8)
        .collect();
    let array = npy("'|u1'", false, "(96, 28, 28, 1)", &bytes);
    fs::write(folder.path().join("images.npy"), array).expect("a file");
    let on_cpu = ["--device", "cpu"];
    let accepted = |arguments: &[&str]| accepted(folder.path(), arguments);
    let train = [
        "train",
        "--data",
        "images.npy",
        "--epochs",
        "2",
        "--batch-size",
        "16",
    ];
    accepted(&[&train[..], &on_cpu, &["--out", "runs/reference"]].concat());
    let encode = [
        "encode",
        "runs/reference",
        "--data",
        "images.npy",
        "--split",
        "all",
        "--out",
        "mu.npy",
    ];
    accepted(&[&encode[..], &on_cpu, &["--logvar", "logvar.npy"]].concat());
    let decode = ["decode", "runs/reference", "mu.npy", "--out", "means.npy"];
    accepted(&[&decode[..], &on_cpu].concat());
    folder
}

#[cfg(unix)]
fn array(folder: &Path, name: &str) -> (Vec<u64>, Vec<f32>) {
    let bytes = fs::read(folder.join(name)).expect(name);
    let array = npyz::NpyFile::new(&bytes[..]).expect("an array");
    (array.shape().to_vec(), array.into_vec().expect("float32"))
}

/// Compares arrays of float32, (found, expected).
#[cfg(unix)]
fn compare(folder: &Path, pairs: &[(&str, &str)]) {
    for (name, wanted) in pairs {
        let (shape, values) = array(folder, name);
        let (wanted_shape, wanted) = array(folder, wanted);
        assert_eq!(shape, wanted_shape, "{name}");
        for (found, wanted) in values.iter().zip(&wanted) {
            let error = (found - wanted).abs();
            let limit = TOLERANCE * wanted.abs().max(1.0);
            assert!(error <= limit, "{name}: found {found}, expected {wanted}");
        }
    }
}

/// Runs a block of the page, and saves what it computed: (array to write, expression).
#[cfg(unix)]
fn run_block(python: &OsString, folder: &Path, text: &str, results: &[(&str, &str)]) {
    let mut text = format!("{text}\nimport numpy\n");
    for (name, expression) in results {
        text += &format!("numpy.save(\"{name}\", {expression})\n");
    }
    let program = folder.join("block.py");
    fs::write(&program, text).expect("a file");
    run(python, folder, &[&program]);
}

#[cfg(unix)]
#[test]
fn the_pipes_of_the_page_give_what_the_program_gives_by_files() {
    let folder = page_folder();
    let commands = block("sh", "elbo decode runs/reference -");
    fs::write(folder.path().join("commands"), commands).expect("a file");
    run(
        &"sh".into(),
        folder.path(),
        &["-e".as_ref(), "commands".as_ref()],
    );
    let pairs = [
        ("codes.npy", "mu.npy"),
        ("reconstructions.npy", "means.npy"),
    ];
    compare(folder.path(), &pairs);
    let Some(python) = python(&["numpy"]) else {
        return;
    };
    let results = [("found.npy", "codes"), ("decoded.npy", "reconstructions")];
    run_block(
        &python,
        folder.path(),
        &block("python", "subprocess"),
        &results,
    );
    let pairs = [("found.npy", "mu.npy"), ("decoded.npy", "means.npy")];
    compare(folder.path(), &pairs);
}

#[cfg(unix)]
#[test]
fn the_programs_of_the_page_compute_what_the_program_does() {
    let Some(python) = python(&["numpy", "onnxruntime", "safetensors", "torch"]) else {
        return;
    };
    let folder = page_folder();
    for command in ["--format onnx", "--format pytorch"] {
        fs::write(folder.path().join("commands"), block("sh", command)).expect("a file");
        run(
            &"sh".into(),
            folder.path(),
            &["-e".as_ref(), "commands".as_ref()],
        );
    }
    let expected = ["mu.npy", "logvar.npy", "means.npy"];
    let check = |word: &str, expressions: [&str; 3]| {
        let names = ["found-mu.npy", "found-logvar.npy", "found-means.npy"];
        let results: Vec<_> = names.into_iter().zip(expressions).collect();
        run_block(&python, folder.path(), &block("python", word), &results);
        let pairs: Vec<_> = names.into_iter().zip(expected).collect();
        compare(folder.path(), &pairs);
        for name in names {
            fs::remove_file(folder.path().join(name)).expect("a result");
        }
    };
    check("onnxruntime", ["mu", "logvar", "means"]);
    check("model.scaled", ["mu", "logvar", "means.movedim(1, -1)"]);
    // That the page has the text of the file is a test of its own.
    assert_eq!(
        blocks("python").len(),
        4,
        "a block of the page that no test runs"
    );
}

#[test]
fn the_page_shows_the_program_that_is_exported() {
    let folder = page_folder();
    let arguments = ["export", "runs/reference", "--format", "pytorch"];
    accepted(folder.path(), &arguments);
    let path = folder.path().join("runs/reference/pytorch/model.py");
    let written = fs::read_to_string(path).expect("a program");
    assert_eq!(written, block("python", "class VAE"));
}

#[test]
fn training_starts_from_what_pytorch_wrote() {
    let Some(python) = python(&["safetensors", "torch"]) else {
        return;
    };
    let folder = temporary();
    few_images(folder.path());
    let script = scripts().join("write_torch.py");
    run(&python, folder.path(), &[&script, Path::new("write")]);
    // Without a step the parameters stay what they were.
    let more = [
        "--lr",
        "0",
        "--epochs",
        "1",
        "--init-from",
        "theirs.safetensors",
    ];
    train_few(folder.path(), &[&more[..], &["--out", "run"]].concat());
    let model = Path::new("run/model.safetensors");
    run(
        &python,
        folder.path(),
        &[&script, Path::new("compare"), model],
    );
}
