//! The folder of a run: written while it trains, read by every command that uses the result.

mod fresh;
mod naming;
mod parameters;
mod writing;

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files;
use crate::train::checkpoint;
use crate::train::lock::{LOCK, Lock};
use crate::train::{Position, RunConfig, SavedState};

pub use parameters::Which;
pub(crate) use writing::picture_name;

use fresh::Contents;

const CONFIG: &str = "config.toml";
const METRICS: &str = "metrics.jsonl";
const BEST: &str = "best.safetensors";
const CHECKPOINTS: &str = "checkpoints";
/// The run on one page.
const PAGE: &str = "report.html";
/// Where TensorBoard's event files lie.
const EVENTS: [&str; 2] = ["train", "test"];

/// A run's folder:
///
/// ```text
/// config.toml                      everything the run was made from, and the device's name
/// metrics.jsonl                    a line for each report and each epoch
/// model.safetensors                the parameters of the last checkpoint
/// best.safetensors                 those of the epoch with the lowest test loss
/// checkpoints/step-0000004690/     all that training goes on from
/// prior-mixture-10.safetensors     a mixture that was fitted to its codes, for sampling
/// samples/epoch-0010.png           images decoded from the prior (VAE)
/// reconstructions/epoch-0010.png   test images, each with its reconstruction to its right
/// report.html                      the run on one page
/// train/, test/                    event files for TensorBoard
/// .lock                            locked by the process that trains it
/// ```
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    config: RunConfig,
    /// Of a folder that is written to.
    lock: Option<Lock>,
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progressed {
    /// Whether a process trains it.
    pub running: bool,
    /// Where its last checkpoint is; `None` before the first one.
    pub position: Option<Position>,
}

impl RunFolder {
    /// Refuses a path that [`RunFolder::create`] would refuse for what is there, before any work is
    /// done for it.
    ///
    /// # Errors
    /// [`Error::Config`] where there is something other than an empty folder or what a start leaves that was killed
    /// before it had measured anything; [`Error::Io`] where it cannot be looked at.
    pub fn check_new(path: &Path) -> Result<()> {
        let entry = match fs::metadata(path) {
            Ok(found) => found,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(Error::io(path, "create the run folder")(e)),
        };
        if !entry.is_dir() {
            return Err(Error::config(
                format!("{}: expected a folder's name, found a file", path.display()),
                "another `out = …`",
            ));
        }
        let not_empty = || {
            Error::config(
                format!(
                    "{}: exists already and is not empty; nothing is overwritten",
                    path.display()
                ),
                "another `out = …`, or remove the folder first",
            )
        };
        match fresh::contents(path)? {
            Contents::Nothing => Ok(()),
            Contents::Start if Lock::take(path)?.is_sure() => Ok(()),
            Contents::Start | Contents::Else => Err(not_empty()),
        }
    }

    /// Creates the folder, with the folders above it, and writes `config.toml`.
    ///
    /// # Errors
    /// As [`RunFolder::check_new`]; [`Error::Io`] where it cannot be written.
    pub fn create(path: &Path, config: RunConfig) -> Result<Self> {
        Self::check_new(path)?;
        let lock = files::create_folders(path)
            .map_err(Error::io(path, "create the run folder"))
            .and_then(|()| Lock::take(path));
        let written = lock.and_then(|lock| {
            fresh::clear(path)?;
            files::create(&path.join(CONFIG), config.to_toml()?.as_bytes())
                .inspect_err(|_| drop(fs::remove_file(path.join(LOCK))))?;
            Ok(lock)
        });
        // Where the first write fails already, the name is free again; a folder in which something lies stays.
        let lock = written.inspect_err(|_| drop(fs::remove_dir(path)))?;
        Ok(Self {
            path: path.to_owned(),
            config,
            lock: Some(lock),
        })
    }

    /// Opens the folder of an earlier run to go on with it: no other process may, until this is dropped. Gives what
    /// its last checkpoint holds; `None` before the first one.
    ///
    /// # Errors
    /// As [`RunFolder::open`] and [`RunFolder::last_state`]; [`Error::Config`] where another process trains in it;
    /// [`Error::Io`] where it cannot be written.
    pub fn resume(path: &Path) -> Result<(Self, Option<SavedState>)> {
        let mut folder = Self::open(path)?;
        folder.lock = Some(Lock::take(path)?);
        // Again: the process that had the lock may have changed it.
        folder.config = Self::open(path)?.config;
        // Whole before anything older goes for it.
        let saved = folder.last_state()?;
        if saved.is_none() {
            folder.check_nothing_kept()?;
        }
        folder.clean()?;
        if let Some(saved) = &saved {
            // What a kill right behind the last checkpoint left undone.
            folder.publish(&saved.state.position, folder.config.checkpoints.keep)?;
        }
        Ok((folder, saved))
    }

    /// What the last checkpoint holds; `None` before the first one.
    ///
    /// # Errors
    /// [`Error::Model`] where it is damaged, of another model or of another version of the program.
    pub fn last_state(&self) -> Result<Option<SavedState>> {
        checkpoint::list(&self.checkpoints())?
            .last()
            .map(|(_, path)| checkpoint::load(path, &self.config.model))
            .transpose()
    }

    /// Refuses to start anew where that would replace parameters.
    fn check_nothing_kept(&self) -> Result<()> {
        let kept = [Which::Last, Which::Best].map(|which| self.file_of(which));
        match kept.into_iter().find_map(Result::ok) {
            None => Ok(()),
            Some(file) => Err(Error::model(
                &self.path,
                format!(
                    "holds {} and no checkpoint: to go on would be to start anew, in its place",
                    file.file_name().unwrap_or_default().display()
                ),
                format!("a new run with `init-from = {}`", file.display()),
            )),
        }
    }

    /// Step of the last checkpoint, by its name.
    pub fn last_step(&self) -> Option<u64> {
        let all = checkpoint::list(&self.checkpoints()).ok()?;
        all.last().map(|(step, _)| *step)
    }

    /// Removes what training left unfinished. Other commands write into a run folder as well.
    fn clean(&self) -> Result<()> {
        files::clean_files(&self.path)?;
        for name in writing::PICTURES {
            files::clean_files(&self.path.join(name))?;
        }
        files::clean(&self.checkpoints())?;
        for (_, path) in checkpoint::list(&self.checkpoints())? {
            files::clean_files(&path)?;
        }
        Ok(())
    }

    /// Hash of the data that it is trained on, by the last checkpoint that can be read; `None` without one.
    pub fn data_hash(&self) -> Option<String> {
        let all = checkpoint::list(&self.checkpoints()).ok()?;
        let mut hashes = all.iter().rev().map(|(_, path)| checkpoint::data(path));
        hashes.find_map(Result::ok)
    }

    /// How far the run is.
    ///
    /// # Errors
    /// [`Error::Model`] where its last checkpoint is damaged.
    pub fn progressed(&self) -> Result<Progressed> {
        let all = checkpoint::list(&self.checkpoints())?;
        let position = all.last().map(|(_, path)| checkpoint::position(path));
        Ok(Progressed {
            running: self.is_running(),
            position: position.transpose()?,
        })
    }

    fn checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    /// Opens the folder of an earlier run and reads its configuration.
    ///
    /// # Errors
    /// [`Error::Model`] where it is not the folder of a run.
    pub fn open(path: &Path) -> Result<Self> {
        let not_a_run = |what: String| {
            Error::model(
                path,
                what,
                "the folder that training made, such as runs/20260131-235959-vae-mnist",
            )
        };
        if !path.exists() {
            return Err(not_a_run("there is no such run folder".into()));
        }
        let config = path.join(CONFIG);
        if !path.is_dir() || !config.is_file() {
            return Err(not_a_run(format!("not a run folder: it holds no {CONFIG}")));
        }
        let text = fs::read_to_string(&config).map_err(|e| not_a_run(format!("{CONFIG}: {e}")))?;
        let config = RunConfig::from_toml(&text, &config)?;
        Ok(Self {
            path: path.to_owned(),
            config,
            lock: None,
        })
    }

    /// Whether a process trains it now.
    pub fn is_running(&self) -> bool {
        Lock::is_held(&self.path)
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the run was made from.
    pub fn config(&self) -> &RunConfig {
        &self.config
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Loss, ModelSpec, Weights};
    use crate::shape::ImageShape;
    use crate::train::checkpoint::MODEL;
    use crate::train::metrics::{Epoch, Line, Report};
    use crate::train::{Pictures, Record, State};
    use std::time::SystemTime;

    fn config() -> RunConfig {
        let mut model = ModelSpec::reference();
        model.image = ImageShape::new(8, 8, 1);
        let record = Record::new("CPU (2 threads)", "digits", SystemTime::now());
        RunConfig::new(model, record)
    }

    fn epoch(epoch: u32) -> Line {
        Line::Epoch(Epoch {
            epoch,
            step: 12 * u64::from(epoch),
            train: Loss::new(&ModelSpec::reference(), &[20.5, 4.0]),
            test: Loss::new(&ModelSpec::reference(), &[21.0, 4.25]),
            learning_rate: 1e-3,
            kl_weight: 1.0,
            kl_target: None,
            active_units: Some(1),
            kl_per_unit: vec![4.0, 0.25],
            sigma: None,
            astray: false,
            images_per_s: 1000.0,
            seconds: 1.5,
        })
    }

    fn report(step: u64) -> Line {
        Line::Report(Report {
            epoch: 1 + (step as u32 - 1) / 12,
            step,
            loss: Loss::new(&ModelSpec::reference(), &[20.5, 4.0]),
            learning_rate: 1e-3,
            kl_weight: 1.0,
            kl_target: None,
            images_per_s: 1000.0,
            seconds: 1.5,
        })
    }

    #[test]
    fn a_created_folder_opens_with_an_equal_configuration() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("above/run");
        let created = RunFolder::create(&path, config()).expect("a new run folder");
        let opened = RunFolder::open(&path).expect("the run folder");
        assert_eq!(opened.config(), created.config());
        assert_eq!(opened.path(), created.path());
    }

    #[test]
    fn an_empty_folder_is_used_and_a_full_one_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run = RunFolder::create(folder.path(), config()).expect("an empty folder");
        run.append(&report(5)).expect("a line");
        drop(run);
        let error = RunFolder::create(folder.path(), config()).expect_err("now it is not empty");
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("not empty"), "{error}");
    }

    #[test]
    fn a_folder_below_a_file_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let error =
            RunFolder::create(&file.path().join("run"), config()).expect_err("below a file");
        assert_eq!(error.exit_code(), 1);
        assert!(
            error.to_string().contains("create the run folder"),
            "{error}"
        );
    }

    #[test]
    fn a_folder_that_is_no_run_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for path in [folder.path().to_owned(), folder.path().join("missing")] {
            let error = RunFolder::open(&path).expect_err("no run");
            assert_eq!(error.exit_code(), 3);
            assert!(error.to_string().contains("run folder"), "{error}");
        }
    }

    #[test]
    fn a_run_without_a_finished_epoch_says_so() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run = RunFolder::create(folder.path(), config()).expect("an empty folder");
        let error = run.weights().expect_err("no parameters");
        assert!(error.to_string().contains("first checkpoint"), "{error}");
        assert_eq!(error.exit_code(), 3);
    }

    #[test]
    fn a_failed_run_without_parameters_leaves_its_name_free() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("run");
        let create = || RunFolder::create(&path, config()).expect("a free name");
        create().discard().expect("no parameters");
        assert!(!path.exists());
        let run = create();
        fs::write(path.join(MODEL), "parameters").expect("a file");
        run.discard().expect("parameters");
        assert!(path.join(CONFIG).is_file() && path.join(MODEL).is_file());
    }

    #[test]
    fn what_was_measured_behind_a_checkpoint_is_taken_back() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut run = RunFolder::create(folder.path(), config()).expect("an empty folder");
        let lines = [report(5), report(10), epoch(1), report(15), report(20)];
        for line in &lines {
            run.append(line).expect("a line");
        }
        let path = folder.path().join(METRICS);
        // A kill in the middle of a line.
        let text = fs::read_to_string(&path).expect("the metrics");
        fs::write(&path, text + "{\"kind\":\"rep").expect("a half line");
        let mut kept = |epochs, steps| {
            let position = Position {
                epochs,
                steps,
                ..Position::default()
            };
            run.go_on(&position, config()).expect("metrics");
            Line::read(&path).expect("whole lines")
        };
        assert_eq!(kept(1, 20), lines);
        assert_eq!(kept(1, 17), lines[..4]);
        // All steps of the first epoch, and not yet its test.
        assert_eq!(kept(0, 12), lines[..2]);
        assert_eq!(kept(0, 0), []);
    }

    #[test]
    fn lines_that_are_damaged_behind_the_checkpoint_are_taken_back_and_no_others() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut run = RunFolder::create(folder.path(), config()).expect("an empty folder");
        let spec = &run.config.model;
        let weights = || Weights::initial(spec, 1).expect("weights");
        let position = Position {
            steps: 10,
            ..Position::default()
        };
        let state = State {
            weights: weights(),
            first: weights(),
            second: weights(),
            average: None,
            position: position.clone(),
        };
        for step in [5, 10] {
            run.append(&report(step)).expect("a line");
        }
        run.checkpoint(&state, "hash", 1).expect("a checkpoint");
        let path = folder.path().join(METRICS);
        let whole = fs::read(&path).expect("the metrics");
        // What a loss of power leaves of lines that were not synced.
        for tail in [&b"\0\0\0\0\n"[..], b"\xff\xfe\n{\"kind\":1}\n", b"\0"] {
            fs::write(&path, [&whole, tail].concat()).expect("a damaged tail");
            run.go_on(&position, config()).expect("the lines before");
            assert_eq!(fs::read(&path).expect("the metrics"), whole, "{tail:?}");
        }
        let mut damaged = whole;
        damaged[3] = 0;
        fs::write(&path, &damaged).expect("a damaged line");
        let error = run.go_on(&position, config()).expect_err("a lost line");
        assert!(error.to_string().contains("line 1"), "{error}");
        assert_eq!(fs::read(&path).expect("the metrics"), damaged);
    }

    #[test]
    fn another_process_may_not_go_on_with_a_run_that_is_being_trained() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run = RunFolder::create(folder.path(), config()).expect("an empty folder");
        assert!(run.progressed().expect("progress").running);
        let error = RunFolder::resume(folder.path()).expect_err("in use");
        assert!(error.to_string().contains("in use"), "{error}");
        drop(run);
        let (_, saved) = RunFolder::resume(folder.path()).expect("free");
        assert_eq!(saved, None);
    }

    #[test]
    fn pictures_are_named_by_epoch_and_an_autoencoder_has_no_samples() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run = RunFolder::create(folder.path(), config()).expect("an empty folder");
        let mut pictures = Pictures {
            samples: Vec::new(),
            originals: vec![0.5; 64 * 10],
            reconstructions: vec![0.25; 64 * 10],
        };
        run.write_pictures(10, &pictures).expect("a grid");
        assert!(
            folder
                .path()
                .join("reconstructions/epoch-0010.png")
                .is_file()
        );
        assert!(!folder.path().join("samples").exists());
        pictures.samples = vec![0.5; 64 * 64];
        run.write_pictures(11, &pictures).expect("two grids");
        assert!(folder.path().join("samples/epoch-0011.png").is_file());
    }
}
