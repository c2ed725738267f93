//! Trained models, and the program that serves their pages.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use elbo::data::{Binarize, Images, Split, Values};
use elbo::device::Device;
use elbo::model::Inference;
use elbo::train::RunFolder;
use tempfile::TempDir;

use crate::formats::{floats, npy, npz, write};

pub(crate) fn elbo(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elbo"));
    command.args(arguments).current_dir(folder);
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

pub(crate) fn output(folder: &Path, arguments: &[&str]) -> Output {
    elbo(folder, arguments)
        .output()
        .expect("the program starts")
}

pub(crate) fn accepted(folder: &Path, arguments: &[&str]) {
    let output = output(folder, arguments);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {text}");
}

/// A folder with seven trained runs: `digits`, a VAE of the built-in digits; `colours`, an autoencoder of RGB
/// pictures whose sizes are no multiple of anything, in two classes with names; `signals`, a VAE of one latent dimension and
/// images outside of [0, 1]; `pairs`, one of many latent dimensions and images of two channels;
/// `standard`, one of the images of `signals`, standardized; `told` and `told-maps`, VAEs of the pictures of `colours`
/// that are told the class of each, of values and of maps.
pub(crate) fn runs() -> &'static Path {
    static RUNS: OnceLock<TempDir> = OnceLock::new();
    let made = || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path();
        let digits = "--epochs 1 --hidden 32 --latent 4 --binarize dynamic";
        train(path, "digits", digits);
        arrays(path);
        pictures(&path.join("pictures"));
        let colours = "--epochs 30 --batch-size 8 --model ae --hidden 15 --latent 3 --activation gelu --data pictures \
                       --test-fraction 0.5";
        train(path, "colours", colours);
        for (out, own) in [
            ("signals", "--data signals.npz --latent 1"),
            ("pairs", "--data pairs.npz --latent 40"),
            ("standard", "--data signals.npz --latent 3 --standardize"),
        ] {
            let gaussian =
                "--epochs 20 --batch-size 8 --hidden 9 --likelihood gaussian --binarize none";
            train(path, out, &format!("{gaussian} {own}"));
        }
        let told = "--epochs 30 --batch-size 8 --latent 3 --data pictures --test-fraction 0.5 --condition class --hidden 15";
        train(path, "told", told);
        let maps = "--epochs 5 --batch-size 8 --latent 3 --data pictures --test-fraction 0.5 --condition class";
        let layers = ["--encoder", "conv 6 k3 /2, linear 12"];
        train_with(path, "told-maps", maps, &layers);
        folder
    };
    RUNS.get_or_init(made).path()
}

/// Trains a run on the CPU.
fn train(folder: &Path, out: &str, options: &str) {
    train_with(folder, out, options, &[]);
}

/// The same with arguments that have spaces in them.
fn train_with(folder: &Path, out: &str, options: &str, more: &[&str]) {
    let mut arguments = vec!["train", "--device", "cpu", "--out", out];
    arguments.extend(options.split_whitespace());
    arguments.extend(more);
    accepted(folder, &arguments);
}

/// Classes of the images of `signals`.
pub(crate) const CLASSES: usize = 33;

/// Values from −1 to 2: a wave for each class, and its label. And others without labels, in two channels.
fn arrays(folder: &Path) {
    let signals = |count: usize| {
        let values: Vec<f32> = (0..count * 20)
            .map(|i| {
                let class = (i / 20 % CLASSES) as f32;
                0.5 + 1.5 * (0.9 * (i % 20) as f32 + 0.1 * class).sin()
            })
            .collect();
        npy(
            "'<f4'",
            false,
            &format!("({count}, 4, 5)"),
            &floats(&values),
        )
    };
    let labels = |count: usize| {
        let labels: Vec<u8> = (0..count).map(|i| (i % CLASSES) as u8).collect();
        npy("'|u1'", false, &format!("({count},)"), &labels)
    };
    let arrays = [
        ("x_train", signals(132)),
        ("x_test", signals(66)),
        ("y_train", labels(132)),
        ("y_test", labels(66)),
    ];
    write(&folder.join("signals.npz"), &npz(&arrays, true));
    let pairs = |count: usize| {
        let values: Vec<u8> = (0..count * 24).map(|i| (i * i * 7 % 251) as u8).collect();
        npy("'|u1'", false, &format!("({count}, 4, 3, 2)"), &values)
    };
    let arrays = [("train", pairs(50)), ("test", pairs(20))];
    write(&folder.join("pairs.npz"), &npz(&arrays, true));
}

/// Forty pictures of 9×7 pixels: a coloured square somewhere, on the left or on the right.
fn pictures(folder: &Path) {
    for class in ["left", "right"] {
        fs::create_dir_all(folder.join(class)).expect("a folder");
    }
    for i in 0..40_u32 {
        let (left, top) = (i % 5, (i * 3) % 7);
        let colour = [90 * (i % 3), 60 * (i % 4), 255 - 5 * i].map(|value| value as u8);
        let picture = image::RgbImage::from_fn(7, 9, |x, y| {
            let inside = (left..left + 3).contains(&x) && (top..top + 3).contains(&y);
            image::Rgb(if inside { colour } else { [20, 30, 40] })
        });
        picture
            .save(
                folder
                    .join(["left", "right"][usize::from(left > 1)])
                    .join(format!("{i:02}.png")),
            )
            .expect("a picture");
    }
}

/// A run as the program itself computes it, on the CPU.
pub(crate) struct Reference {
    model: Inference,
    folder: RunFolder,
    /// The class that a model which is told one is told.
    class: Option<u32>,
}

impl Reference {
    pub(crate) fn open(run: &str) -> Self {
        let folder = RunFolder::open(&runs().join(run)).expect("a run");
        let weights = folder.weights().expect("weights");
        let model = Inference::new(Device::Cpu, &folder.config().model, &weights, 1);
        Self {
            model: model.expect("a model"),
            folder,
            class: None,
        }
    }

    /// Tells the model a class from now on.
    pub(crate) fn tell(&mut self, class: u32) {
        self.model.set_class(Some(class)).expect("a class");
        self.class = Some(class);
    }

    pub(crate) fn decode(&mut self, code: &[f32]) -> Vec<f32> {
        self.model.decode(code).expect("a picture")
    }

    /// The code of an image's values.
    pub(crate) fn encode(&mut self, values: &[f32]) -> Vec<f32> {
        let shape = self.folder.config().model.image;
        let images = Images {
            labels: self.class.map(|class| vec![class]),
            ..Images::new(shape, Values::Floats(values.to_vec()))
        };
        let latents = self.model.encode(&images, Split::Test, Binarize::None);
        latents.expect("a code").mu
    }

    /// The run's test images as its model sees them, with their labels.
    pub(crate) fn images(&mut self) -> Images {
        let run = self.folder.config();
        let dataset = elbo::data::load(&run.data.source, &run.data.options, &mut |_| ());
        let images = dataset.expect("the data").test;
        let seen = self.model.see(&images, Split::Test, run.train.binarize);
        seen.expect("the images")
    }

    /// Values as shares of the range that is shown.
    pub(crate) fn shares(&mut self, values: &[f32]) -> Vec<f32> {
        let (least, most) = self.range();
        let share = |value: &f32| ((value - least) / (most - least)).clamp(0.0, 1.0);
        values.iter().map(share).collect()
    }

    /// The range that is shown, as in the program's pictures.
    pub(crate) fn range(&mut self) -> (f32, f32) {
        self.folder.config().shades().range()
    }
}

/// The program while it serves a run's page.
pub(crate) struct Served {
    child: Child,
    pub(crate) url: String,
}

impl Served {
    pub(crate) fn start(run: &str) -> Self {
        Self::with(run, &[])
    }

    /// With options.
    pub(crate) fn with(run: &str, options: &[&str]) -> Self {
        let arguments = [
            "explore", run, "--device", "cpu", "--port", "0", "--count", "500",
        ];
        let mut child = elbo(runs(), &[&arguments, options].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().expect("piped");
        let mut url = String::new();
        BufReader::new(stdout).read_line(&mut url).expect("a line");
        let url = url.trim().to_owned();
        if !url.starts_with("http://127.0.0.1:") {
            let mut said = String::new();
            let _ = child.kill();
            let stderr = child.stderr.as_mut().expect("piped");
            stderr.read_to_string(&mut said).expect("text");
            panic!("no address but {url:?}: {said}");
        }
        Self { child, url }
    }

    /// `127.0.0.1:PORT` and `/KEY`
    fn parts(&self) -> (&str, &str) {
        let rest = self.url.strip_prefix("http://").expect("a scheme");
        let rest = rest.trim_end_matches('/');
        rest.split_at(rest.find('/').expect("a key"))
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> &str {
        self.parts().0
    }

    /// A path of the page under its key.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.parts().1)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a run's page into a file.
pub(crate) fn exported(run: &str, folder: &Path) -> PathBuf {
    exported_with(run, folder, "200")
}

/// The same with at most so many images.
pub(crate) fn exported_with(run: &str, folder: &Path, count: &str) -> PathBuf {
    let path = folder.join("page.html");
    let file = path.to_str().expect("UTF-8");
    let arguments = [
        "explore", run, "--device", "cpu", "--count", count, "--export", file,
    ];
    accepted(runs(), &arguments);
    path
}
