//! Event files that TensorBoard reads.
//!
//! TensorBoard lays the same tag of several runs over each other, and takes each folder for a run. So training
//! and test have a folder of their own, and share the tags of their losses:
//!
//! ```text
//! train/events.out.tfevents.…   loss/total, loss/reconstruction, loss/kl, schedule/learning_rate,
//!                               schedule/kl_weight, speed/images_per_s
//! test/events.out.tfevents.…    loss/total, loss/reconstruction, loss/kl, latent/active_units,
//!                               likelihood/sigma, images
//! ```

mod event;

use std::fs::{self, File, OpenOptions};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use image::ImageDecoder;
use image::codecs::png::PngDecoder;
use prost::Message;

use self::event::{Content, Event, Image, START, SessionLog, Summary, Value, What};
use crate::error::{Error, Result};
use crate::model::objectives::Term;
use crate::model::{Loss, ModelSpec};
use crate::train::metrics::Line;

/// What the name of an event file starts with; TensorBoard looks for it.
const PREFIX: &str = "events.out.tfevents.";

/// An event file, to which records are appended.
struct EventFile {
    path: PathBuf,
    file: File,
}

/// Writes a run's lines and pictures as TensorBoard's event files.
///
/// Each record is one write at the end of its file, so that a kill leaves at most the last record cut short, which
/// TensorBoard waits for in vain and ignores.
pub struct EventWriter {
    train: EventFile,
    test: EventFile,
    spec: ModelSpec,
    /// Epoch of the last report.
    reported: u32,
}

impl EventWriter {
    /// New event files of a model in the folders `train` and `test` of a folder. `done` is the number of steps from which
    /// training goes on, 0 for a new run: TensorBoard drops what earlier files hold of later steps.
    ///
    /// # Errors
    /// [`Error::Io`] where they cannot be created.
    pub fn create(folder: &Path, spec: &ModelSpec, done: u64) -> Result<Self> {
        let now = seconds();
        Ok(Self {
            train: EventFile::create(&folder.join("train"), now, done)?,
            test: EventFile::create(&folder.join("test"), now, done)?,
            spec: spec.clone(),
            reported: 0,
        })
    }

    /// Adds a line of `metrics.jsonl`. The training losses are those of the reports; an epoch without any gives
    /// its mean. A loss of one term only is given once.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn line(&mut self, line: &Line) -> Result<()> {
        match line {
            Line::Report(report) => {
                self.reported = report.epoch;
                let rates = [report.learning_rate, report.images_per_s, report.kl_weight];
                let values = self.training(&report.loss, rates, report.kl_target);
                self.train.scalars(report.step, &values)
            }
            Line::Epoch(epoch) => {
                if self.reported != epoch.epoch {
                    let rates = [epoch.learning_rate, epoch.images_per_s, epoch.kl_weight];
                    let values = self.training(&epoch.train, rates, epoch.kl_target);
                    self.train.scalars(epoch.step, &values)?;
                }
                let mut values = self.losses(&epoch.test);
                let mut add = |tag: &str, value: f64| values.push((tag.to_owned(), value));
                if let Some(units) = epoch.active_units {
                    add("latent/active_units", units as f64);
                }
                if let Some(sigma) = epoch.sigma {
                    add("likelihood/sigma", sigma.into());
                }
                self.test.scalars(epoch.step, &values)
            }
        }
    }

    /// Adds a picture to the test run, `png` being a whole PNG file.
    ///
    /// # Errors
    /// [`Error::Internal`] where it is not a PNG, [`Error::Io`] where it cannot be written.
    pub fn image(&mut self, tag: &str, step: u64, png: Vec<u8>) -> Result<()> {
        let not_a_picture = |reason: String| Error::internal(format!("{tag}: not a PNG: {reason}"));
        let decoder = PngDecoder::new(Cursor::new(&png));
        let decoder = decoder.map_err(|e| not_a_picture(e.to_string()))?;
        let (width, height) = decoder.dimensions();
        let side = |pixels: u32| i32::try_from(pixels).map_err(|e| not_a_picture(e.to_string()));
        let image = Image {
            height: side(height)?,
            width: side(width)?,
            colorspace: i32::from(decoder.color_type().channel_count()),
            encoded: png,
        };
        self.test.summary(step, vec![(tag, Content::Image(image))])
    }

    /// Waits until everything is on the disk.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub fn flush(&mut self) -> Result<()> {
        for file in [&self.train, &self.test] {
            let synced = file.file.sync_data();
            synced.map_err(Error::io(&file.path, "write the events to the disk"))?;
        }
        Ok(())
    }

    fn losses(&self, loss: &Loss) -> Vec<(String, f64)> {
        let mut values = vec![("loss/total".to_owned(), loss.total)];
        let term = |term: &Term| (format!("loss/{}", term.name), loss.term(term));
        values.extend(self.spec.objective().parts().iter().map(term));
        values
    }

    /// The same of training, with its learning rate, its images per second and the weight of its KL,
    /// and what that is held at.
    fn training(
        &self,
        loss: &Loss,
        [learning_rate, speed, kl_weight]: [f64; 3],
        kl_target: Option<f64>,
    ) -> Vec<(String, f64)> {
        let mut values = self.losses(loss);
        values.push(("schedule/learning_rate".to_owned(), learning_rate));
        values.push(("speed/images_per_s".to_owned(), speed));
        if self.spec.is_variational() {
            values.push(("schedule/kl_weight".to_owned(), kl_weight));
        }
        values.extend(kl_target.map(|nats| ("schedule/kl_target".to_owned(), nats)));
        values
    }
}

impl EventFile {
    fn create(folder: &Path, now: u64, done: u64) -> Result<Self> {
        fs::create_dir_all(folder).map_err(Error::io(folder, "create the folder"))?;
        let time = first_free(folder, now)?;
        let path = folder.join(format!("{PREFIX}{time:010}.{}.{}", host(), pid()));
        let file = OpenOptions::new().append(true).create_new(true).open(&path);
        let file = file.map_err(Error::io(&path, "create the event file"))?;
        let mut events = Self { path, file };
        events.write(0, What::FileVersion("brain.Event:2".to_owned()))?;
        // TensorBoard drops what has this step or a later one.
        let session = SessionLog { status: START };
        events.write(done.saturating_add(1), What::SessionLog(session))?;
        Ok(events)
    }

    fn scalars(&mut self, step: u64, values: &[(String, f64)]) -> Result<()> {
        let values = values.iter();
        let scalars = values.map(|(tag, value)| (&tag[..], Content::Scalar(*value as f32)));
        self.summary(step, scalars.collect())
    }

    fn summary(&mut self, step: u64, values: Vec<(&str, Content)>) -> Result<()> {
        let value = |(tag, content): (&str, _)| Value {
            tag: tag.to_owned(),
            content: Some(content),
        };
        let values = values.into_iter().map(value).collect();
        self.write(step, What::Summary(Summary { values }))
    }

    fn write(&mut self, step: u64, what: What) -> Result<()> {
        let event = Event {
            wall_time: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0.0, |since| since.as_secs_f64()),
            step: i64::try_from(step).unwrap_or(i64::MAX),
            what: Some(what),
        };
        self.file
            .write_all(&event::framed(&event.encode_to_vec()))
            .map_err(Error::io(&self.path, "append an event"))
    }
}

/// Seconds since 1970.
fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

fn pid() -> u32 {
    std::process::id()
}

/// The machine's name, as far as it may stand in the name of a file.
fn host() -> String {
    let name = gethostname::gethostname();
    let name: String = name
        .to_string_lossy()
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => c,
            _ => '-',
        })
        .collect();
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        name
    }
}

/// A time for the name of a new file: now, or a second after the last one. TensorBoard reads files in the order of
/// their names, and a run that goes on within a second, or on a clock that was set back, has to come later.
fn first_free(folder: &Path, now: u64) -> Result<u64> {
    let entries = fs::read_dir(folder).map_err(Error::io(folder, "read the folder"))?;
    let mut time = now;
    for entry in entries {
        let name = entry
            .map_err(Error::io(folder, "read the folder"))?
            .file_name();
        let name = name.to_string_lossy();
        let digits = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('.').next());
        if let Some(other) = digits.and_then(|digits| digits.parse::<u64>().ok()) {
            time = time.max(other.saturating_add(1));
        }
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::event::tests::records;
    use super::*;
    use crate::watch::run::tests::{epoch, report};

    fn writer(folder: &Path, done: u64) -> EventWriter {
        EventWriter::create(folder, &ModelSpec::reference(), done).expect("event files")
    }

    /// The events of the files of a folder, in the order of their names.
    fn events(folder: &Path) -> Vec<Event> {
        let mut paths: Vec<PathBuf> = fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        paths.sort();
        let files = paths.iter().map(|path| fs::read(path).expect("a file"));
        let all = files.flat_map(|bytes| records(&bytes));
        all.map(|record| Event::decode(&record[..]).expect("an event"))
            .collect()
    }

    /// (step, tag, value) of all scalars.
    fn scalars(folder: &Path) -> Vec<(i64, String, f32)> {
        let mut found = Vec::new();
        for event in events(folder) {
            let Some(What::Summary(summary)) = event.what else {
                continue;
            };
            for value in summary.values {
                if let Some(Content::Scalar(scalar)) = value.content {
                    found.push((event.step, value.tag, scalar));
                }
            }
        }
        found
    }

    #[test]
    fn a_file_begins_with_its_format_and_the_step_it_goes_on_from() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        writer(folder.path(), 470);
        for run in ["train", "test"] {
            let events = events(&folder.path().join(run));
            let version = What::FileVersion("brain.Event:2".into());
            assert_eq!(events[0].what, Some(version));
            assert!(events[0].wall_time > 1.7e9, "{}", events[0].wall_time);
            let start = What::SessionLog(SessionLog { status: START });
            assert_eq!((events[1].step, &events[1].what), (471, &Some(start)));
            assert_eq!(events.len(), 2);
        }
    }

    #[test]
    fn lines_become_scalars_of_two_runs_with_the_same_tags() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut writer = writer(folder.path(), 0);
        writer.line(&report(5)).expect("a report");
        writer.line(&Line::Epoch(epoch(1))).expect("an epoch");
        writer.flush().expect("flushed");
        let value = |step: i64, tag: &str, value: f32| (step, tag.to_owned(), value);
        assert_eq!(
            scalars(&folder.path().join("train")),
            [
                value(5, "loss/total", 185.0),
                value(5, "loss/reconstruction", 160.0),
                value(5, "loss/kl", 25.0),
                value(5, "schedule/learning_rate", 0.001),
                value(5, "speed/images_per_s", 1000.0),
                value(5, "schedule/kl_weight", 1.0),
            ]
        );
        assert_eq!(
            scalars(&folder.path().join("test")),
            [
                value(10, "loss/total", 125.0),
                value(10, "loss/reconstruction", 100.0),
                value(10, "loss/kl", 25.0),
                value(10, "latent/active_units", 2.0),
            ]
        );
    }

    #[test]
    fn an_epoch_without_a_report_gives_the_training_losses_itself() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut writer = writer(folder.path(), 0);
        writer.line(&report(5)).expect("a report");
        writer.line(&Line::Epoch(epoch(1))).expect("an epoch");
        writer.line(&Line::Epoch(epoch(2))).expect("an epoch");
        let all = scalars(&folder.path().join("train"));
        let losses = all.iter().filter(|(_, tag, _)| tag == "loss/total");
        let losses: Vec<_> = losses.map(|(step, _, value)| (*step, *value)).collect();
        assert_eq!(losses, [(5, 185.0), (20, 116.0)]);
    }

    #[test]
    fn an_autoencoder_has_one_loss() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut writer =
            EventWriter::create(folder.path(), &ModelSpec::odd(), 0).expect("event files");
        let own = crate::train::metrics::Epoch {
            active_units: None,
            ..epoch(1)
        };
        writer.line(&Line::Epoch(own)).expect("an epoch");
        let test = scalars(&folder.path().join("test"));
        assert_eq!(test, [(10, "loss/total".to_owned(), 125.0)]);
        let train = scalars(&folder.path().join("train"));
        assert!(train.iter().all(|(_, tag, _)| !tag.contains("kl")));
    }

    #[test]
    fn a_picture_keeps_its_bytes_size_and_colours() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut writer = writer(folder.path(), 0);
        let mut png = Cursor::new(Vec::new());
        image::RgbImage::new(7, 5)
            .write_to(&mut png, image::ImageFormat::Png)
            .expect("a PNG");
        let png = png.into_inner();
        writer.image("samples", 30, png.clone()).expect("a picture");
        assert!(writer.image("samples", 31, b"no picture".to_vec()).is_err());
        let events = events(&folder.path().join("test"));
        let Some(What::Summary(summary)) = &events[2].what else {
            panic!("{events:?}");
        };
        let expected = Image {
            height: 5,
            width: 7,
            colorspace: 3,
            encoded: png,
        };
        assert_eq!(summary.values[0].content, Some(Content::Image(expected)));
        assert_eq!((events[2].step, events.len()), (30, 3));
    }

    #[test]
    fn a_run_that_goes_on_at_once_has_a_later_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for done in [0, 10, 20] {
            writer(folder.path(), done);
        }
        let events = events(&folder.path().join("train"));
        let starts = events.iter().filter(|event| event.step > 0);
        let starts: Vec<i64> = starts.map(|event| event.step).collect();
        assert_eq!(starts, [1, 11, 21]);
    }
}
