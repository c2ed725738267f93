//! Trained models, and the program that serves their pages.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use elbo::data::{Binarize, Images, Split, Values};
use elbo::device::Device;
use elbo::model::Inference;
use elbo::train::RunFolder;
use tempfile::TempDir;

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

fn accepted(folder: &Path, arguments: &[&str]) {
    let output = output(folder, arguments);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {text}");
}

/// A folder with two trained runs: `digits`, a VAE of the built-in digits, and `colours`, an autoencoder of RGB
/// pictures whose sizes are no multiple of anything.
pub(crate) fn runs() -> &'static Path {
    static RUNS: OnceLock<TempDir> = OnceLock::new();
    let made = || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path();
        let digits = [
            "train", "--device", "cpu", "--epochs", "1", "--hidden", "32", "--latent", "4",
            "--out", "digits",
        ];
        accepted(path, &digits);
        pictures(&path.join("pictures"));
        let colours = [
            "train",
            "--device",
            "cpu",
            "--epochs",
            "30",
            "--batch-size",
            "8",
            "--model",
            "ae",
            "--hidden",
            "15",
            "--latent",
            "3",
            "--activation",
            "gelu",
            "--data",
            "pictures",
            "--test-fraction",
            "0.5",
            "--out",
            "colours",
        ];
        accepted(path, &colours);
        folder
    };
    RUNS.get_or_init(made).path()
}

/// Forty pictures of 9×7 pixels: a coloured square somewhere.
fn pictures(folder: &Path) {
    fs::create_dir(folder).expect("a folder");
    for i in 0..40_u32 {
        let (left, top) = (i % 5, (i * 3) % 7);
        let colour = [90 * (i % 3), 60 * (i % 4), 255 - 5 * i].map(|value| value as u8);
        let picture = image::RgbImage::from_fn(7, 9, |x, y| {
            let inside = (left..left + 3).contains(&x) && (top..top + 3).contains(&y);
            image::Rgb(if inside { colour } else { [20, 30, 40] })
        });
        picture
            .save(folder.join(format!("{i:02}.png")))
            .expect("a picture");
    }
}

/// A run as the program itself computes it, on the CPU.
pub(crate) struct Reference {
    model: Inference,
    folder: RunFolder,
}

impl Reference {
    pub(crate) fn open(run: &str) -> Self {
        let folder = RunFolder::open(&runs().join(run)).expect("a run");
        let weights = folder.weights().expect("weights");
        let model = Inference::new(Device::Cpu, &folder.config().model, &weights, 1);
        Self {
            model: model.expect("a model"),
            folder,
        }
    }

    pub(crate) fn decode(&mut self, code: &[f32]) -> Vec<f32> {
        self.model.decode(code).expect("a picture")
    }

    /// The code of an image's values.
    pub(crate) fn encode(&mut self, values: &[f32]) -> Vec<f32> {
        let images = Images {
            shape: self.folder.config().model.image,
            values: Values::Floats(values.to_vec()),
            labels: None,
        };
        let latents = self.model.encode(&images, Split::Test, Binarize::None);
        latents.expect("a code").mu
    }

    /// The run's test images.
    pub(crate) fn images(&self) -> Images {
        let data = &self.folder.config().data;
        elbo::data::load(&data.source, &data.options(), &mut |_| ())
            .expect("the data")
            .test
    }
}

/// The program while it serves a run's page.
pub(crate) struct Served {
    child: Child,
    pub(crate) url: String,
}

impl Served {
    pub(crate) fn start(run: &str) -> Self {
        let arguments = [
            "explore", run, "--device", "cpu", "--port", "0", "--count", "500",
        ];
        let mut child = elbo(runs(), &arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().expect("piped");
        let mut url = String::new();
        BufReader::new(stdout).read_line(&mut url).expect("a line");
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{url:?}");
        Self { child, url }
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> &str {
        let rest = self.url.strip_prefix("http://").expect("a scheme");
        rest.trim_end_matches('/')
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
    let path = folder.join("page.html");
    let file = path.to_str().expect("UTF-8");
    let arguments = [
        "explore", run, "--device", "cpu", "--count", "200", "--export", file,
    ];
    accepted(runs(), &arguments);
    path
}
