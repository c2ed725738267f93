//! What training writes into the folder of its run, and where others find it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{BEST, CONFIG, EVENTS, METRICS, PAGE, RunFolder};
use crate::draw::Grid;
use crate::error::{Error, Result};
use crate::files;
use crate::model::{Allocation, MemoryUse};
use crate::train::checkpoint::{self, Beside, MODEL};
use crate::train::lock::LOCK;
use crate::train::metrics::{Extent, Line, Thinned, scan};
use crate::train::{Pictures, Position, RunConfig, State};

const SAMPLES: &str = "samples";
const RECONSTRUCTIONS: &str = "reconstructions";
/// Folders of pictures.
pub(super) const PICTURES: [&str; 2] = [SAMPLES, RECONSTRUCTIONS];
/// Columns of a grid of samples, rows of a grid of pairs.
const GRID: usize = 8;

/// The file of an epoch's pictures in the folder of their kind.
pub(crate) fn picture_name(epoch: u32) -> String {
    format!("epoch-{epoch:04}.png")
}

impl RunFolder {
    /// Adds the kernel variants in use, (step, variant), and what the device's memory holds to `config.toml`.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn record_device(
        &mut self,
        variants: &[(String, String)],
        memory: &[Allocation],
    ) -> Result<()> {
        let record = &mut self.config.record;
        record.kernels.extend(variants.iter().cloned());
        for used_for in MemoryUse::ALL {
            let bytes = Allocation::total_for(memory, used_for);
            record
                .device_memory
                .insert(used_for.name().to_owned(), bytes);
        }
        files::replace(&self.path.join(CONFIG), self.config.to_toml()?.as_bytes())
    }

    /// Takes back what was measured after `position`, from which the run goes on, and records how it does. Lines
    /// that are damaged behind its last checkpoint, as by a loss of power, would be taken back in any case; where
    /// lines before it are gone, a warning says so.
    ///
    /// # Errors
    /// [`Error::Model`] where the metrics are damaged before it; [`Error::Io`].
    pub fn go_on(&mut self, position: &Position, config: RunConfig) -> Result<()> {
        let path = self.path.join(METRICS);
        let mut kept = Vec::new();
        let keep = |bytes: &[u8], line| {
            let is_before = match line {
                Line::Report(report) => report.step <= position.steps,
                Line::Epoch(epoch) => epoch.epoch <= position.epochs,
            };
            if is_before {
                kept.extend_from_slice(bytes);
            }
        };
        let found = match path.exists() {
            true => scan(&path, keep)?,
            false => Extent::default(),
        };
        let known = self.known_metrics()?;
        if found.len < known {
            match found.damage {
                Some(damage) => return Err(damage.error(&path, known)),
                None => log::warn!(
                    "{}: ends after {} bytes, and held {known} when the last checkpoint was made: the run goes on \
                     without those lines",
                    path.display(),
                    found.len
                ),
            }
        }
        if path.exists() {
            files::replace(&path, &kept)?;
        }
        self.config = config;
        files::replace(&self.path.join(CONFIG), self.config.to_toml()?.as_bytes())
    }

    /// Bytes of the metrics that the last checkpoint knows of.
    fn known_metrics(&self) -> Result<u64> {
        match checkpoint::list(&self.checkpoints())?.last() {
            Some((_, last)) => checkpoint::metrics_len(last),
            None => Ok(0),
        }
    }

    /// Keeps a state: its checkpoint first, then the parameters under the names that people load, then older
    /// checkpoints go. The lines of `metrics.jsonl` so far are on the disk before it.
    ///
    /// # Errors
    /// [`Error::Io`] with the file that cannot be written. The checkpoints before this one stay.
    pub fn checkpoint(&self, state: &State, data: &str, keep: usize) -> Result<()> {
        let path = self.metrics_file();
        let mut metrics = 0;
        if path.exists() {
            // To append, as Windows syncs nothing that is open for reading only.
            let file = fs::OpenOptions::new().append(true).open(&path);
            metrics = file
                .and_then(|file| file.sync_all().and_then(|()| file.metadata()))
                .map_err(Error::io(&path, "write it"))?
                .len();
        }
        checkpoint::save(&self.checkpoints(), state, Beside { data, metrics })?;
        self.publish(&state.position, keep)
    }

    /// Gives the parameters of the last checkpoint, at `position`, and of the best one the names that people load, and
    /// removes checkpoints that are no longer kept.
    pub(super) fn publish(&self, position: &Position, keep: usize) -> Result<()> {
        let folder = self.checkpoints();
        let best = position.best.map(|best| best.step);
        for (step, name) in [(Some(position.steps), MODEL), (best, BEST)] {
            let file = step.map(|step| checkpoint::path(&folder, step).join(MODEL));
            if let Some(file) = file.filter(|file| file.exists()) {
                files::copy(&file, &self.path.join(name))?;
            }
        }
        checkpoint::prune(&folder, keep, best)
    }

    /// Whether a folder looks like that of a run.
    pub fn is_one(path: &Path) -> bool {
        path.join(CONFIG).exists()
    }

    /// The file of what it measured.
    pub fn metrics_file(&self) -> PathBuf {
        self.path.join(METRICS)
    }

    /// What it measured; nothing before the first report. Of a run of more than 2,048 epochs, or reports, some that lie at
    /// equal distances, with the first, the best and the last.
    ///
    /// # Errors
    /// As [`Line::read`].
    pub fn lines(&self) -> Result<Vec<Line>> {
        let path = self.metrics_file();
        let mut lines = Thinned::new(self.config.model.objective());
        if path.exists() {
            let found = scan(&path, |_, line| lines.push(line))?;
            // Of a checkpoint that is damaged itself nothing is known.
            found.whole(&path, self.known_metrics().unwrap_or_default())?;
        }
        Ok(lines.lines())
    }

    /// Adds a line to `metrics.jsonl`.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn append(&self, line: &Line) -> Result<()> {
        let path = self.metrics_file();
        let text = line.text(&path)?;
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(Error::io(&path, "append a line"))
    }

    /// Writes the pictures of an epoch, and gives each with the name of its kind as the bytes of a PNG.
    ///
    /// # Errors
    /// [`Error::Io`] with the file that cannot be written.
    pub fn write_pictures(
        &self,
        epoch: u32,
        pictures: &Pictures,
    ) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let shape = self.config.model.image;
        let shades = self.config.shades();
        let mut written = Vec::new();
        if !pictures.samples.is_empty() {
            let grid = Grid::of_images_in(&pictures.samples, shape, GRID, shades)?;
            written.push((SAMPLES, grid.png()?));
        }
        if !pictures.originals.is_empty() {
            let grid = Grid::of_pairs_in(
                &pictures.originals,
                &pictures.reconstructions,
                shape,
                GRID,
                shades,
            )?;
            written.push((RECONSTRUCTIONS, grid.png()?));
        }
        for (kind, png) in &written {
            let folder = self.path.join(kind);
            files::create_folder(&folder).map_err(Error::io(&folder, "create the folder"))?;
            files::replace(&folder.join(picture_name(epoch)), png)?;
        }
        Ok(written)
    }

    /// Removes the folder of a run that failed before its first checkpoint, so that its name is free for the next
    /// try. A folder that holds parameters stays.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be removed.
    pub fn discard(self) -> Result<()> {
        if self.path.join(MODEL).exists() || !checkpoint::list(&self.checkpoints())?.is_empty() {
            return Ok(());
        }
        for name in [CONFIG, METRICS, PAGE, LOCK] {
            let path = self.path.join(name);
            match fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io(&path, "remove it")(e));
                }
                _ => {}
            }
        }
        for name in EVENTS.into_iter().chain(PICTURES) {
            let _ = fs::remove_dir_all(self.path.join(name));
        }
        // Something else may lie there, and stays.
        let _ = fs::remove_dir(self.checkpoints());
        let path = self.path.clone();
        // The lock is open until here, and on some versions of Windows an open file keeps its name.
        drop(self);
        let _ = fs::remove_dir(path);
        Ok(())
    }
}
