//! Checkpoints on the disk: folders that are whole from the instant they have their name.
//!
//! ```text
//! checkpoints/step-0000004690/
//!     model.safetensors        the model that is used: the parameters, or their average where one is kept
//!     parameters.safetensors   beside an average: the parameters that training goes on with
//!     moments.safetensors      Adam's moments: first.<parameter>, second.<parameter>
//!     state.json               where training is; the hashes of the others, and of the data
//! ```
//!
//! A folder is filled under another name, its files and itself synced, and then renamed. So a kill at any instant
//! leaves the checkpoints that there were, and at most a folder that nobody reads, which the next writer removes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::files;
use crate::model::{ModelSpec, Weights};
use crate::train::{Position, State};

/// Version of the layout; a program that does not know it reads nothing of it.
const FORMAT: u32 = 2;

pub(super) const MODEL: &str = "model.safetensors";
const PARAMETERS: &str = "parameters.safetensors";
const MOMENTS: &str = "moments.safetensors";
const STATE: &str = "state.json";
const FIRST: &str = "first.";
const SECOND: &str = "second.";

/// Start of a checkpoint's name.
const STEP: &str = "step-";

/// What `state.json` holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    version: String,
    position: Position,
    /// Hash of the data set.
    data: String,
    /// Bytes of `metrics.jsonl` that were on the disk before it.
    metrics: u64,
    /// Hashes of the other files.
    files: BTreeMap<String, String>,
    /// Hash of this object with nothing here.
    own: String,
}

impl Manifest {
    /// The text of the file, for the checkpoint at `path`.
    fn text(&self, path: &Path) -> Result<String> {
        let whole = self.hash().and_then(|own| {
            serde_json::to_string_pretty(&Self {
                own,
                ..self.clone()
            })
        });
        whole.map_err(|e| Error::io(path, "lay out the checkpoint")(e.into()))
    }

    /// The hash that belongs into it.
    fn hash(&self) -> serde_json::Result<String> {
        let without = Self {
            own: String::new(),
            ..self.clone()
        };
        serde_json::to_vec(&without).map(|bytes| sha256(&bytes))
    }
}

/// The part of it that every format has.
#[derive(Deserialize)]
struct Format {
    format: u32,
    version: String,
}

fn sha256(bytes: &[u8]) -> String {
    files::hex(&Sha256::digest(bytes))
}

/// Where the checkpoint of a step lies in a folder of them.
pub(super) fn path(folder: &Path, step: u64) -> PathBuf {
    folder.join(format!("{STEP}{step:010}"))
}

/// The checkpoints in a folder of them, (step, path), earliest first; none where there is no such folder.
pub(super) fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io(folder, "look for checkpoints")(e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(Error::io(folder, "look for checkpoints"))?
            .path();
        let name = path.file_name().and_then(|name| name.to_str());
        let step = name
            .and_then(|name| name.strip_prefix(STEP))
            .and_then(|digits| digits.parse().ok());
        if let Some(step) = step
            && path.is_dir()
        {
            found.push((step, path));
        }
    }
    found.sort();
    Ok(found)
}

/// What a checkpoint is of, beside the state of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beside<'a> {
    /// Hash of the data set.
    pub(super) data: &'a str,
    /// Bytes of `metrics.jsonl` that are on the disk.
    pub(super) metrics: u64,
}

/// Lays out the files of a state's arenas and gives each, name and bytes, to `take`: one after the other, as each
/// is as large as the model or twice that. Returns their hashes.
fn lay_out(
    state: &State,
    path: &Path,
    mut take: impl FnMut(&str, &[u8]) -> Result<()>,
) -> Result<BTreeMap<String, String>> {
    let mut hashes = BTreeMap::new();
    for name in [MODEL, PARAMETERS, MOMENTS] {
        let bytes = match name {
            MODEL => state.model().to_bytes(),
            PARAMETERS if state.average.is_none() => continue,
            PARAMETERS => state.weights.to_bytes(),
            _ => Weights::serialized(state.first.named(FIRST).chain(state.second.named(SECOND))),
        };
        let bytes = bytes.map_err(Error::io(path, "lay out the checkpoint"))?;
        hashes.insert(name.to_owned(), sha256(&bytes));
        take(name, &bytes)?;
    }
    Ok(hashes)
}

/// Keeps a state in a folder of checkpoints, in place of an earlier one of its step. Returns its path.
pub(super) fn save(folder: &Path, state: &State, beside: Beside<'_>) -> Result<PathBuf> {
    let path = path(folder, state.position.steps);
    let state_file = |hashes| {
        let manifest = Manifest {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").into(),
            position: state.position.clone(),
            data: beside.data.to_owned(),
            metrics: beside.metrics,
            files: hashes,
            own: String::new(),
        };
        manifest.text(&path)
    };
    if path.exists() {
        // The parameters of a step are always the same. Whether its epoch has been tested is not.
        let hashes = lay_out(state, &path, |_, _| Ok(()))?;
        if self::manifest(&path).is_ok_and(|there| there.files == hashes) {
            files::replace(&path.join(STATE), state_file(hashes)?.as_bytes())?;
            return Ok(path);
        }
        files::remove_folder(&path).map_err(Error::io(&path, "replace the checkpoint"))?;
    }
    let write = Error::io(&path, "write the checkpoint");
    let new = files::create_folder(folder)
        .and_then(|()| files::unfinished().tempdir_in(folder))
        .map_err(write)?;
    let hashes = lay_out(state, &path, |name, bytes| {
        files::write_new(&new.path().join(name), bytes)
    })?;
    files::write_new(&new.path().join(STATE), state_file(hashes)?.as_bytes())?;
    files::persist_folder(new, &path).map_err(Error::io(&path, "write the checkpoint"))?;
    Ok(path)
}

/// What a checkpoint holds.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedState {
    /// All that training goes on from.
    pub state: State,
    /// Hash of the data set that it is of.
    pub data: String,
}

/// Where the checkpoint at `path` is, and the hash of the data set that it is of.
fn manifest(path: &Path) -> Result<Manifest> {
    let file = path.join(STATE);
    let text = fs::read_to_string(&file).map_err(|e| damaged(&file, e))?;
    let known: Format = serde_json::from_str(&text).map_err(|e| damaged(&file, e))?;
    if known.format != FORMAT {
        return Err(Error::model(
            &file,
            format!(
                "a checkpoint of format {}, written by elbo {}; this is elbo {}, which reads format {FORMAT}",
                known.format,
                known.version,
                env!("CARGO_PKG_VERSION")
            ),
            format!(
                "elbo {}, or {}",
                known.version,
                if known.format > FORMAT {
                    "a newer one"
                } else {
                    "one between it and this"
                }
            ),
        ));
    }
    let manifest: Manifest = serde_json::from_str(&text).map_err(|e| damaged(&file, e))?;
    match manifest.hash() {
        Ok(own) if own == manifest.own => Ok(manifest),
        _ => Err(damaged(&file, CHANGED)),
    }
}

/// What a hash tells that differs.
const CHANGED: &str = "the file is not the one that the checkpoint was made with (another sha256)";

/// The step, epoch and so on of the checkpoint at `path`.
pub(super) fn position(path: &Path) -> Result<Position> {
    manifest(path).map(|manifest| manifest.position)
}

/// Whether the parameters of the checkpoint at `path` have these bytes; `None` where it does not tell.
pub(super) fn is_model_of(path: &Path, bytes: &[u8]) -> Option<bool> {
    let manifest = manifest(path).ok()?;
    Some(*manifest.files.get(MODEL)? == sha256(bytes))
}

/// Bytes of `metrics.jsonl` that were on the disk before the checkpoint at `path`.
pub(super) fn metrics_len(path: &Path) -> Result<u64> {
    manifest(path).map(|manifest| manifest.metrics)
}

/// The hash of the data that the checkpoint at `path` is of.
pub(super) fn data(path: &Path) -> Result<String> {
    manifest(path).map(|manifest| manifest.data)
}

/// Reads the checkpoint at `path` and checks it against its hashes and against the model.
pub(super) fn load(path: &Path, spec: &ModelSpec) -> Result<SavedState> {
    let manifest = manifest(path)?;
    let read = |name: &str| {
        let file = path.join(name);
        let bytes = fs::read(&file).map_err(|e| damaged(&file, e))?;
        match manifest.files.get(name) {
            Some(hash) if *hash == sha256(&bytes) => Ok((file, bytes)),
            _ => Err(damaged(&file, CHANGED)),
        }
    };
    let (file, bytes) = read(MODEL)?;
    let model = Weights::from_bytes(&bytes, spec, &file)?;
    let (weights, average) = match manifest.files.contains_key(PARAMETERS) {
        true => {
            let (file, bytes) = read(PARAMETERS)?;
            (Weights::from_bytes(&bytes, spec, &file)?, Some(model))
        }
        false => (model, None),
    };
    let (file, bytes) = read(MOMENTS)?;
    let moments = SafeTensors::deserialize(&bytes).map_err(|e| damaged(&file, e))?;
    let take = |prefix| Weights::take(&moments, prefix, spec, &file);
    Ok(SavedState {
        state: State {
            weights,
            first: take(FIRST)?,
            second: take(SECOND)?,
            average,
            position: manifest.position,
        },
        data: manifest.data,
    })
}

fn damaged(file: &Path, reason: impl std::fmt::Display) -> Error {
    let folder = file.parent().and_then(Path::parent);
    let others = folder.and_then(|folder| list(folder).ok());
    let hint = match others {
        Some(all) if all.len() > 1 => {
            "removing that checkpoint's folder, which leaves the one before it"
        }
        _ => {
            "a new run with `init-from = …`, as there is no checkpoint beside it (`keep = …` keeps more of them)"
        }
    };
    Error::model(file, format!("the checkpoint is damaged: {reason}"), hint)
}

/// Removes all but the last `keep` and that of step `best`.
pub(super) fn prune(folder: &Path, keep: usize, best: Option<u64>) -> Result<()> {
    let all = list(folder)?;
    let old = all.len().saturating_sub(keep);
    for (step, path) in &all[..old] {
        if Some(*step) != best {
            files::remove_folder(path).map_err(Error::io(path, "remove the old checkpoint"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Best;

    fn spec() -> ModelSpec {
        let mut spec = ModelSpec::reference();
        spec.image = crate::shape::ImageShape::new(2, 2, 1);
        spec.encoder = [3].into();
        spec.latent = 2.into();
        spec
    }

    fn state(step: u64) -> State {
        let spec = spec();
        let weights = |seed| Weights::initial(&spec, seed).expect("weights");
        State {
            weights: weights(step),
            first: weights(step + 1),
            second: weights(step + 2),
            average: (step % 2 == 1).then(|| weights(step + 3)),
            position: Position {
                epochs: 3,
                batches: 7,
                steps: step,
                epoch_sums: vec![0.1 + 0.2, 1e-300],
                report_sums: vec![1.0 / 3.0, 2.0],
                report_images: 5,
                best: Some(Best {
                    epoch: 2,
                    step: 20,
                    test_loss: 100.0 / 7.0,
                }),
                seconds: 1.5,
            },
        }
    }

    const BESIDE: Beside<'_> = Beside {
        data: "hash",
        metrics: 1234,
    };

    fn saved(folder: &Path, step: u64) -> PathBuf {
        save(folder, &state(step), BESIDE).expect("a checkpoint")
    }

    #[test]
    fn a_checkpoint_reads_back_to_the_last_bit() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Without an average and with one.
        for step in [36, 37] {
            let path = saved(folder.path(), step);
            let found = load(&path, &spec()).expect("a checkpoint");
            assert_eq!(found.state, state(step));
            assert_eq!(found.data, "hash");
            assert_eq!(metrics_len(&path).expect("a length"), 1234);
            assert_eq!(position(&path).expect("a position"), state(step).position);
            assert_eq!(path.join(PARAMETERS).exists(), step == 37);
            let used = fs::read(path.join(MODEL)).expect("the model");
            let used = Weights::from_bytes(&used, &spec(), &path).expect("the model");
            assert_eq!(&used, state(step).model());
        }
    }

    #[test]
    fn a_state_after_its_test_takes_the_place_of_that_before_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let before = saved(folder.path(), 37);
        let mut after = state(37);
        after.position.epochs += 1;
        after.position.batches = 0;
        assert_eq!(save(folder.path(), &after, BESIDE).expect("kept"), before);
        assert_eq!(load(&before, &spec()).expect("a checkpoint").state, after);
        // Not what it should be: replaced as a whole.
        fs::write(before.join(MODEL), "damaged").expect("a file");
        fs::write(before.join(STATE), "damaged").expect("a file");
        save(folder.path(), &after, BESIDE).expect("kept");
        assert_eq!(load(&before, &spec()).expect("a checkpoint").state, after);
        assert_eq!(list(folder.path()).expect("one").len(), 1);
    }

    #[test]
    fn the_last_ones_and_the_best_stay() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for step in [10, 20, 30, 40, 50] {
            saved(folder.path(), step);
        }
        prune(folder.path(), 2, Some(20)).expect("pruned");
        let steps: Vec<u64> = list(folder.path())
            .expect("checkpoints")
            .into_iter()
            .map(|(step, _)| step)
            .collect();
        assert_eq!(steps, [20, 40, 50]);
        let left = fs::read_dir(folder.path()).expect("the folder").count();
        assert_eq!(left, 3, "nothing else is left");
    }

    #[test]
    fn every_cut_and_changed_bytes_of_a_file_are_refused_by_name() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = saved(folder.path(), 1);
        for name in [MODEL, PARAMETERS, MOMENTS, STATE] {
            let file = path.join(name);
            let whole = fs::read(&file).expect("a file");
            let refused = |bytes: &[u8], what: String| {
                fs::write(&file, bytes).expect("a damaged file");
                let error = load(&path, &spec()).expect_err(&what);
                assert!(error.to_string().contains(name), "{what}: {error}");
                assert_eq!(error.exit_code(), 3, "{what}: {error}");
            };
            for len in 0..whole.len() {
                refused(&whole[..len], format!("{name} cut to {len} bytes"));
            }
            for at in (0..whole.len()).step_by(5) {
                let mut changed = whole.clone();
                changed[at] ^= 1;
                // Space between the parts of a JSON text says nothing, nor does a number's seventeenth digit.
                if name == STATE {
                    fs::write(&file, &changed).expect("a changed file");
                    if let Ok(found) = load(&path, &spec()) {
                        assert_eq!(found.state, state(1), "{name}, byte {at} changed");
                        continue;
                    }
                }
                refused(&changed, format!("{name}, byte {at} changed"));
            }
            fs::remove_file(&file).expect("removed");
            let error = load(&path, &spec()).expect_err("a file is missing");
            assert!(error.to_string().contains(name), "{error}");
            fs::write(&file, &whole).expect("the whole file");
            load(&path, &spec()).expect("a whole checkpoint");
        }
    }

    #[test]
    fn a_checkpoint_knows_the_bytes_of_its_parameters() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = saved(folder.path(), 1);
        let mut bytes = fs::read(path.join(MODEL)).expect("a file");
        assert_eq!(is_model_of(&path, &bytes), Some(true));
        bytes[700] ^= 1;
        assert_eq!(is_model_of(&path, &bytes), Some(false));
        assert_eq!(is_model_of(folder.path(), &bytes), None);
    }

    #[test]
    fn another_format_and_another_model_are_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = saved(folder.path(), 1);
        let mut other = spec();
        other.latent = 3.into();
        let error = load(&path, &other).expect_err("another model").to_string();
        assert!(error.contains("fc21.weight"), "{error}");
        let file = path.join(STATE);
        let text = fs::read_to_string(&file).expect("the state");
        for (format, word) in [(FORMAT - 1, "between"), (FORMAT + 1, "newer")] {
            let other = format!("\"format\": {format}, \"unheard_of\": 0");
            let other = text.replace(&format!("\"format\": {FORMAT}"), &other);
            fs::write(&file, other).expect("another state");
            let error = load(&path, &spec()).expect_err("another format");
            for part in [word, &format!("format {format}")] {
                assert!(error.to_string().contains(part), "{error}");
            }
            assert_eq!(error.exit_code(), 3);
        }
    }
}
