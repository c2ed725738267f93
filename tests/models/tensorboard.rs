//! Event files as TensorBoard itself reads them. `ELBO_PYTHON` names a Python that has the package `tensorboard`;
//! without it the tests are skipped, and say so.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use elbo::model::{Loss, ModelSpec};
use elbo::train::metrics::{Epoch, Line, Report};
use elbo::watch::tensorboard::EventWriter;
use serde::Deserialize;

use crate::interpreter::python;

/// What TensorBoard found in a folder.
#[derive(Debug, Deserialize)]
struct Found {
    /// (step, value) by tag.
    scalars: BTreeMap<String, Vec<(u64, f64)>>,
    /// (step, width, height, mode) by tag.
    images: BTreeMap<String, Vec<(u64, u32, u32, String)>>,
}

const SCRIPT: &str = "
import io, json, sys
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0, 'images': 0})
events.Reload()
tags = events.Tags()
def picture(e):
    i = Image.open(io.BytesIO(e.encoded_image_string))
    i.load()
    assert i.size == (e.width, e.height), e
    return e.step, *i.size, i.mode
print(json.dumps({
    'scalars': {t: [(e.step, e.value) for e in events.Scalars(t)] for t in tags['scalars']},
    'images': {t: [picture(e) for e in events.Images(t)] for t in tags['images']},
}))
";

fn read(python: &OsStr, folder: &Path) -> Found {
    let script = folder.with_extension("py");
    fs::write(&script, SCRIPT).expect("a script");
    let output = Command::new(python).arg(&script).arg(folder).output();
    let output = output.expect("Python");
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn report(step: u64) -> Line {
    Line::Report(Report {
        epoch: (step.saturating_sub(1) / 100) as u32 + 1,
        step,
        loss: Loss::new(&ModelSpec::reference(), &[75.0 + 1.0 / step as f64, 25.0]),
        learning_rate: 1e-3,
        kl_weight: 1.0,
        kl_target: None,
        images_per_s: 5e4,
        seconds: step as f64,
    })
}

fn epoch(epoch: u32, test_loss: f64) -> Line {
    Line::Epoch(Epoch {
        epoch,
        step: 100 * u64::from(epoch),
        train: Loss::new(&ModelSpec::reference(), &[75.0, 25.0]),
        test: Loss::new(&ModelSpec::reference(), &[test_loss - 25.0, 25.0]),
        learning_rate: 1e-3,
        kl_weight: 1.0,
        kl_target: None,
        active_units: Some(17),
        kl_per_unit: Vec::new(),
        sigma: None,
        astray: false,
        images_per_s: 5e4,
        seconds: 100.0 * f64::from(epoch),
    })
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = image::GrayImage::from_pixel(width, height, image::Luma([90]));
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .expect("a PNG");
    bytes.into_inner()
}

#[test]
fn tensorboard_reads_what_was_written() {
    let Some(python) = python(&["tensorboard"]) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut writer =
        EventWriter::create(folder.path(), &ModelSpec::reference(), 0).expect("event files");
    for step in 1..=300 {
        writer.line(&report(step)).expect("a report");
        if step % 100 == 0 {
            let number = (step / 100) as u32;
            let line = epoch(number, 120.0 - f64::from(number));
            writer.line(&line).expect("an epoch");
            let picture = png(30 + number, 20);
            writer.image("samples", step, picture).expect("a picture");
        }
    }
    writer.flush().expect("flushed");

    let train = read(&python, &folder.path().join("train"));
    let expected: Vec<(u64, f64)> = (1..=300)
        .map(|step| (step, f64::from((100.0 + 1.0 / step as f64) as f32)))
        .collect();
    assert_eq!(train.scalars["loss/total"], expected);
    let names: Vec<&str> = train.scalars.keys().map(String::as_str).collect();
    let expected = [
        "loss/kl",
        "loss/reconstruction",
        "loss/total",
        "schedule/kl_weight",
        "schedule/learning_rate",
        "speed/images_per_s",
    ];
    assert_eq!(names, expected);

    let test = read(&python, &folder.path().join("test"));
    let expected = [(100, 119.0), (200, 118.0), (300, 117.0)];
    assert_eq!(test.scalars["loss/total"], expected);
    assert_eq!(test.scalars["latent/active_units"][2], (300, 17.0));
    let grey = |step, width| (step, width, 20, "L".to_owned());
    let expected = [grey(100, 31), grey(200, 32), grey(300, 33)];
    assert_eq!(test.images["samples"], expected);
}

/// A run that was killed at step 350, in the middle of a record, and went on from the end of its second epoch.
#[test]
fn tensorboard_drops_what_a_killed_run_wrote_beyond_its_checkpoint() {
    let Some(python) = python(&["tensorboard"]) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let train = folder.path().join("train");
    let mut killed =
        EventWriter::create(folder.path(), &ModelSpec::reference(), 0).expect("event files");
    let end_epoch = |writer: &mut EventWriter, number: u32, loss: f64, width: u32| {
        let line = epoch(number, loss);
        writer.line(&line).expect("an epoch");
        let step = 100 * u64::from(number);
        let picture = writer.image("samples", step, png(width, 20));
        picture.expect("a picture");
    };
    for step in 1..=350 {
        killed.line(&report(step)).expect("a report");
        if step % 100 == 0 {
            let number = (step / 100) as u32;
            end_epoch(&mut killed, number, 120.0 - f64::from(number), 30 + number);
        }
    }
    drop(killed);
    let file = fs::read_dir(&train).expect("a folder").next();
    let path = file.expect("a file").expect("an entry").path();
    let bytes = fs::read(&path).expect("events");
    fs::write(&path, &bytes[..bytes.len() - 9]).expect("a shorter file");

    let mut again =
        EventWriter::create(folder.path(), &ModelSpec::reference(), 200).expect("event files");
    for step in (210..=300).step_by(10) {
        again.line(&report(step)).expect("a report");
    }
    let steps = |found: &[(u64, f64)]| found.iter().map(|&(step, _)| step).collect::<Vec<u64>>();
    // Before the epoch ends again, nothing is left of its first end.
    again.flush().expect("flushed");
    let test = read(&python, &folder.path().join("test"));
    assert_eq!(steps(&test.scalars["loss/total"]), [100, 200]);
    assert_eq!(test.images["samples"].len(), 2);

    end_epoch(&mut again, 3, 90.0, 40);
    again.flush().expect("flushed");
    let found = read(&python, &train);
    let expected: Vec<u64> = (1..=200).chain((210..=300).step_by(10)).collect();
    assert_eq!(steps(&found.scalars["loss/total"]), expected);
    let test = read(&python, &folder.path().join("test"));
    let expected = [(100, 119.0), (200, 118.0), (300, 90.0)];
    assert_eq!(test.scalars["loss/total"], expected);
    let widths = test.images["samples"]
        .iter()
        .map(|&(step, width, ..)| (step, width));
    let widths: Vec<(u64, u32)> = widths.collect();
    assert_eq!(widths, [(100, 31), (200, 32), (300, 40)]);
}
