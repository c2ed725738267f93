//! Which value of an option counts: the flag's, the configuration file's, that of a run to start from, or the default.
//!
//! Each of them but the defaults is a table of keys; they are laid over each other and read once.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use clap::ValueEnum;
use toml::{Table, Value};

use super::train::TrainArgs;
use crate::error::{Error, Result};
use crate::model::{ModelKind, ModelOptions, ModelSpec, NetOptions};
use crate::number::counted;
use crate::option;
use crate::shape::ImageShape;
use crate::train::{
    Checkpoints, Compute, DataConfig, Decay, InitFrom, RunConfig, RunOptions, TrainOptions,
    read_table,
};

/// Key of the parameters that a run starts from.
const INIT_FROM: &str = "init-from";

/// A run, but for the size of its images, which the data tell.
#[derive(Debug, PartialEq)]
pub(super) struct Resolved {
    pub(super) compute: Compute,
    pub(super) data: DataConfig,
    pub(super) model: ModelOptions,
    pub(super) train: TrainOptions,
    pub(super) checkpoints: Checkpoints,
    /// Size that the configuration file says the images have, unless a flag changes the images.
    pub(super) expected_image: Option<ImageShape>,
    /// Whether somebody asked for the number of images in a batch.
    batch_is_given: bool,
}

impl Resolved {
    /// Checks of the model what does not need the images' size.
    pub(super) fn check_model(&self) -> Result<()> {
        let mut options = self.model.clone();
        let needs_images = options.net.needs_images();
        if needs_images {
            options.net = NetOptions::default();
        }
        // Whether a sigma has a Gaussian waits for them too, where nobody said what the loss is.
        if options.likelihood.is_none() {
            options.sigma = None;
        }
        let spec = model(&options)?;
        match needs_images || spec.is_of_maps() {
            true => spec.check_values()?,
            false => spec.validate()?,
        }
        self.train.check_model(&spec)
    }

    /// The batch, where nobody asked for another: all training images where there are fewer than in the usual one.
    pub(super) fn fit_batch(&mut self, images: usize) -> Option<String> {
        if self.batch_is_given || images >= self.train.batch_size || images == 0 {
            return None;
        }
        self.train.batch_size = images;
        let count = counted(images as u64, "training image");
        Some(format!(
            "a batch has all {count}: --batch-size chooses another number"
        ))
    }
}

/// Reads a configuration file.
pub(super) fn read(path: &Path) -> Result<Table> {
    let text = fs::read_to_string(path).map_err(Error::io(path, "read the configuration"))?;
    parse(&text, path)
}

/// The configuration of a run.
pub(super) fn of(run: &RunConfig) -> Result<Table> {
    parse(&run.to_toml()?, Path::new("the run's config.toml"))
}

fn parse(text: &str, path: &Path) -> Result<Table> {
    read_table(text).map_err(|fault| {
        Error::config(
            format!("--config {}: {fault}", path.display()),
            "the keys of a run's config.toml, each of which may be left out",
        )
    })
}

/// The parameters that a configuration starts from, taken out of it.
pub(super) fn take_init_from(file: &mut Table) -> Result<Option<InitFrom>> {
    let Some(found) = file.remove(INIT_FROM) else {
        return Ok(None);
    };
    found.try_into().map(Some).map_err(unusable)
}

/// A configuration, with a run's model in the place of what it does not say of its own.
pub(super) fn with_model(file: Table, run: &RunConfig) -> Result<Table> {
    let mut both = option::table(&ModelOptions {
        image: None,
        classes: Vec::new(),
        ..ModelOptions::from(&run.model)
    })
    .map_err(unusable)?;
    forget_objective(&mut both, &file);
    both.extend(file);
    Ok(both)
}

fn unusable(reason: impl std::fmt::Display) -> Error {
    Error::internal(format!("the options do not make a configuration: {reason}"))
}

/// What the command line gives.
pub(super) fn flags(args: &TrainArgs) -> Result<Table> {
    args.options.table().map_err(unusable)
}

/// Flag over file over default.
pub(super) fn merge(args: &TrainArgs, mut file: Table) -> Result<Resolved> {
    let flags = flags(args)?;
    forget(&mut file, &flags);
    // What says how data are read may change the size of their images.
    let reads = option::known::<DataConfig>().into_iter();
    if reads
        .map(|known| known.name)
        .any(|key| flags.contains_key(&key))
    {
        file.remove("image");
        file.remove("classes");
    }
    let mut all = file;
    all.extend(flags.clone());
    let options: RunOptions = option::from_table(&all).map_err(unusable)?;
    check_steps_down(&options.train, &flags)?;
    Ok(Resolved {
        compute: options.compute,
        data: options.data,
        train: options.train,
        checkpoints: options.checkpoints,
        expected_image: options.model.image,
        model: options.model,
        batch_is_given: all.contains_key("batch-size"),
    })
}

/// The model that flags alone describe.
pub(super) fn model(options: &ModelOptions) -> Result<ModelSpec> {
    options.spec(ImageShape::UNKNOWN)
}

/// Drops what the file says of a model or likelihood that a flag has replaced: it says nothing about this one. What
/// does not fit the file's own is refused for it.
fn forget(file: &mut Table, flags: &Table) {
    let replaced = |key: &str, old: &Value| flags.get(key).is_some_and(|new| new != old);
    forget_objective(file, flags);
    forget_layers(file, flags);
    let other = file
        .get("likelihood")
        .is_some_and(|old| replaced("likelihood", old));
    if other {
        file.remove("sigma");
    }
    for (flag, key) in [("standardize", "scale"), ("scale", "standardize")] {
        if flags.contains_key(flag) {
            file.remove(key);
        }
    }
}

/// What a model and its training have of an objective: another one has another default of it, or none.
const OF_OBJECTIVE: [&str; 8] = [
    "beta",
    "capacity",
    "mmd-weight",
    "importance",
    "gradient",
    "kl-warmup",
    "kl-cycles",
    "free-bits",
];

/// Drops what the file says of an objective that a flag has replaced, by itself or with the kind of model; and of the weight of
/// a KL that is to be held now.
fn forget_objective(file: &mut Table, flags: &Table) {
    let text = |table: &Table, key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
    let vae = || "vae".to_owned();
    let kind = text(file, "model").unwrap_or_else(vae);
    let other_kind = text(flags, "model").is_some_and(|new| new != kind);
    let objective = text(file, "objective").unwrap_or_else(|| {
        let kind = ModelKind::from_str(&kind, false).unwrap_or(ModelKind::Vae);
        kind.objective().name.to_owned()
    });
    let other_objective = text(flags, "objective").is_some_and(|new| new != objective);
    if other_kind {
        file.remove("objective");
    }
    if other_kind || other_objective {
        OF_OBJECTIVE.iter().for_each(|key| drop(file.remove(*key)));
    }
    // It was the default, perhaps, which may be another now.
    if other_objective && text(file, "sigma").is_some_and(|sigma| sigma == "optimal") {
        file.remove("sigma");
    }
    if flags.contains_key("capacity") && !file.contains_key("capacity") {
        file.remove("beta");
    }
}

/// Drops what the file says of layers that flags say anew. Those of a decoder were made for the others.
fn forget_layers(file: &mut Table, flags: &Table) {
    let replaced: Vec<&[&str]> = [
        ("net", &["hidden", "width", "blocks", "encoder"][..]),
        ("encoder", &["net", "hidden", "width", "blocks"]),
        ("hidden", &["width", "encoder"]),
        ("width", &["hidden", "encoder"]),
        ("blocks", &["encoder"]),
    ]
    .into_iter()
    .filter(|(key, _)| {
        flags
            .get(*key)
            .is_some_and(|new| file.get(*key) != Some(new))
    })
    .map(|(_, others)| others)
    .collect();
    if !replaced.is_empty() {
        file.remove("decoder");
    }
    for key in replaced.concat() {
        file.remove(key);
    }
}

fn check_steps_down(train: &TrainOptions, flags: &Table) -> Result<()> {
    let given = ["lr-step-every", "lr-step-factor"];
    let given = given.iter().any(|key| flags.contains_key(*key));
    if given && train.learning_rate_schedule.decay != Decay::Step {
        return Err(Error::config(
            "--lr-step-every and --lr-step-factor belong to --lr-schedule step, and the schedule is another",
            "--lr-schedule step, or neither of them",
        ));
    }
    Ok(())
}
