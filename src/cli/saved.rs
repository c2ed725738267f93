//! What the commands that use a trained model have in common.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use clap::Args;

use super::loading::load;
use super::out::Kind;
use super::rows::{self, Beside, Columns};
use super::{note, open_device, warn};
use crate::data::{self, DataOptions, Dataset, Images, Look, SourceOptions, Split, TrainedOn};
use crate::draw::Shades;
use crate::error::{Error, Result};
use crate::kernel::Precision;
use crate::model::{Condition, Inference, ModelKind, Weights};
use crate::option::Given;
use crate::train::{DataConfig, RunConfig, RunFolder, Which, anchored};

/// Which parameters a command uses with the model of a run.
#[derive(Args, Debug, Default)]
pub(super) struct ParametersArgs {
    /// Which of its parameters
    #[arg(long, value_enum, default_value_t)]
    checkpoint: Which,
    /// Parameters to use in place of the run's: a .safetensors file of any program that fits its model
    /// [default: the run's]
    #[arg(long, value_name = "FILE.safetensors", conflicts_with = "checkpoint")]
    weights: Option<PathBuf>,
}

impl ParametersArgs {
    /// The parameters that are asked for.
    ///
    /// # Errors
    /// As [`RunFolder::weights_of`] and [`Weights::load`].
    pub(super) fn of(&self, folder: &RunFolder) -> Result<Weights> {
        match &self.weights {
            Some(file) => Weights::load(file, &folder.config().model),
            None => folder.weights_of(self.checkpoint),
        }
    }
}

/// Which images a command takes.
#[derive(Args, Debug, Default)]
pub(super) struct ImagesArgs {
    /// Data set whose images to take [default: the run's]
    #[arg(long, value_name = "NAME|PATH")]
    pub(super) data: Option<String>,
    /// Which of its images [default: test; all of another data set]
    #[arg(long, value_enum)]
    pub(super) split: Option<Split>,
    #[command(flatten)]
    pub(super) source: Given<SourceOptions>,
}

impl ImagesArgs {
    /// How to read another data set for the model of a run: as its options say, and where they do not, as the run's own
    /// data were read, but for what is true of these alone.
    fn of_another(&self, run: &RunConfig) -> SourceOptions {
        let (given, own) = (&*self.source, &run.data.options.source);
        SourceOptions {
            background: given.background.or(own.background),
            skip_broken: given.skip_broken || own.skip_broken,
            axes: given.axes.or(own.axes),
            ..given.clone()
        }
    }

    /// How to read the run's own data: as in training, which can only be asked to go on without broken pictures.
    fn of_own(&self, run: &RunConfig) -> Result<SourceOptions> {
        let others = self.source.names().find(|name| *name != "skip-broken");
        if let Some(name) = others {
            return Err(Error::config(
                format!("--{name}: the run's own data are read as they were for training"),
                format!("--{name} with --data"),
            ));
        }
        let own = run.data.options.source.clone();
        Ok(SourceOptions {
            skip_broken: own.skip_broken || self.source.skip_broken,
            ..own
        })
    }
}

/// What commands take that look at a model by images.
#[derive(Args, Debug)]
pub(super) struct ViewArgs {
    /// Run folder
    pub(super) run: PathBuf,
    #[command(flatten)]
    pub(super) parameters: ParametersArgs,
    #[command(flatten)]
    pub(super) which: ImagesArgs,
    /// Where to compute: auto, cpu, gpu, gpu:N or gpu:NAME
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(super) device: String,
}

impl ViewArgs {
    /// The images that are asked for, as [`images`].
    pub(super) fn images(&self, folder: &RunFolder) -> Result<Chosen> {
        images(folder, &self.which)
    }

    /// Refuses a choice of images where none are needed.
    pub(super) fn no_images(&self, hint: &str) -> Result<()> {
        let data = self
            .which
            .data
            .as_ref()
            .map(|data| format!("--data {data}"));
        let split = self
            .which
            .split
            .map(|split| format!("--split {}", split.name()));
        match data.or(split) {
            None => Ok(()),
            Some(option) => Err(Error::config(
                format!("{option}: no image is needed for this"),
                hint,
            )),
        }
    }

    /// The saved model on the device.
    pub(super) fn model(&self, run: &RunConfig, weights: &Weights) -> Result<Inference> {
        model(run, weights, &self.device, run.train.seed)
    }
}

/// The saved model on a device.
pub(super) fn model(
    run: &RunConfig,
    weights: &Weights,
    device: &str,
    seed: u64,
) -> Result<Inference> {
    Inference::new(
        open_device(device, Precision::F32)?,
        &run.model,
        weights,
        seed,
    )
}

/// Some images for a trained model.
pub(super) struct Chosen {
    /// Name of the data set.
    pub(super) name: String,
    pub(super) split: Split,
    pub(super) images: Images,
    /// Names of the classes that the images' labels count; empty where a label is its own name.
    pub(super) classes: Vec<String>,
    /// What the values of all the data are.
    pub(super) look: Option<Look>,
    /// Whether they are the run's own data, and other ones than it was trained on.
    pub(super) changed: bool,
}

impl Chosen {
    /// The same with labels that count the classes of a model.
    fn numbered_by(mut self, condition: &Condition, source: &str) -> Result<Self> {
        let of_split = match self.split {
            Split::All => "given",
            other => other.name(),
        };
        condition.number(source, of_split, &mut self.images, &self.classes)?;
        self.classes = condition.classes().to_vec();
        Ok(self)
    }

    /// Whether the images' values are 0 and 1 and nothing between.
    pub(super) fn is_binary(&self) -> bool {
        self.look.as_ref().is_some_and(|look| look.binary)
    }
}

/// Refuses pictures for a model of rows of values: brought to their size they would be rows that mean nothing.
fn check_rows(run: &RunConfig, other: &str) -> Result<()> {
    let shape = run.model.image;
    // Of data that are gone nobody knows what they were.
    let own_are_pictures = || data::is_pictures(&run.data.source).unwrap_or(true);
    if shape.height > 1 || !data::is_pictures(other)? || own_are_pictures() {
        return Ok(());
    }
    Err(Error::data(
        other,
        format!(
            "expected rows of {} values, as the model learned from, and found pictures",
            shape.values()
        ),
        "give a table or an array of such rows",
    ))
}

/// How the data of a run are read again.
pub(super) fn as_trained_on(run: &RunConfig) -> DataOptions {
    DataOptions {
        reading: Some(run.record.reading.clone()),
        // How much memory training had is nothing that other commands need to hold to.
        host_memory: None,
        ..run.data.options.clone()
    }
}

/// Loads images of the run's own data or those of another source, brought to the size that the model takes.
/// Without a `split`: the test images of the run's data, all images of another source.
/// Warns where the run's data are no longer those that it was trained on.
pub(super) fn images(folder: &RunFolder, which: &ImagesArgs) -> Result<Chosen> {
    let run = folder.config();
    let shape = run.model.image;
    let other = which.data.as_deref().map(anchored);
    let other = other.filter(|other| *other != run.data.source);
    let split = which.split.unwrap_or(match &other {
        Some(_) => Split::All,
        None => Split::Test,
    });
    if let Some(other) = &other {
        data::check_options(other, which.source.names())?;
        check_rows(run, other)?;
    }
    let own = DataOptions {
        whole: split == Split::All,
        val: split.needs_val(),
        // Arrays may have any number of channels, pictures have up to four.
        channels: Some(shape.channels).filter(|channels| (1..=4).contains(channels)),
        ..as_trained_on(run)
    };
    let (source, options) = match &other {
        Some(other) => (
            other.as_str(),
            DataOptions {
                image_size: Some((shape.height, shape.width)),
                source: which.of_another(run),
                cache: None,
                trained_on: TrainedOn {
                    columns: run.record.columns.clone(),
                    label_column: run.data.options.source.label_column.clone(),
                },
                ..own
            },
        ),
        None => (
            run.data.source.as_str(),
            DataOptions {
                source: which.of_own(run)?,
                ..own
            },
        ),
    };
    let mut dataset = load(source, options)?;
    if run.model.condition.is_some() {
        dataset = dataset.with_hashed_labels();
    }
    let look = dataset.look.iter();
    look.flat_map(|look| &look.warnings).for_each(warn);
    if dataset.test.shape != shape {
        return Err(Error::data(
            source,
            format!(
                "images of {}, but the model takes {shape}",
                dataset.test.shape
            ),
            "--data with images of that size",
        ));
    }
    let changed = other.is_none() && warn_of_changes(folder, &dataset)?;
    let chosen = Chosen {
        name: dataset.name.clone(),
        split,
        classes: dataset.classes.clone(),
        look: dataset.look.clone(),
        changed,
        images: split.of(dataset)?.ok_or_else(|| no_third_split(source))?,
    };
    match &run.model.condition {
        Some(condition) => chosen.numbered_by(condition, source),
        None => Ok(chosen),
    }
}

fn no_third_split(source: &str) -> Error {
    Error::data(
        source,
        "--split val: there is no third split (a folder `val` beside `train` and `test`, or an array `x_val`)",
        "--split test; of two splits the second one is the test split, also where it is named `val`",
    )
}

/// Says what to do where the images of a run are not where they were.
pub(super) fn check_place(data: &DataConfig) -> Result<()> {
    let place = Path::new(&data.source);
    match place.is_absolute() && !place.exists() {
        false => Ok(()),
        true => Err(Error::data(
            place,
            "the images of the run are not there any more",
            "--data with the place where they are now",
        )),
    }
}

/// Whether a run's data have changed since it was trained, which it says.
fn warn_of_changes(folder: &RunFolder, dataset: &Dataset) -> Result<bool> {
    let data = &folder.config().data;
    // Before the first checkpoint nothing is known of them.
    let Some(trained_on) = folder.data_hash() else {
        return Ok(false);
    };
    let changed = dataset.fingerprint_as_split(&data.options)? != trained_on;
    if changed {
        note(format_args!(
            "warning: {}: these data have changed since {} was trained on them: images that it learned from may be among the \
             test images",
            data.source,
            folder.path().display()
        ));
    }
    Ok(changed)
}

/// Which values a picture of the run's images shows as black and white; says so where they are not 0 and 1.
pub(super) fn shades(run: &RunConfig) -> Shades {
    let shades = run.shades();
    if let Some(words) = shades.in_words(run.model.image) {
        note(words);
    }
    shades
}

/// Where to write: `--out`, or a name in the run folder. Refuses what exists.
pub(super) fn output(folder: &RunFolder, out: Option<&Path>, name: &str) -> Result<PathBuf> {
    let path = out.map_or_else(|| folder.path().join(name), Path::to_owned);
    crate::files::check_new(&path)?;
    Ok(path)
}

/// Means of p(x|z), or draws from it, on their way to a file of numbers: in the units of the data, which the model saw
/// scaled. Every command that writes such values passes them through here.
pub(super) fn outgoing<'a>(run: &RunConfig, values: &'a [f32]) -> Cow<'a, [f32]> {
    match &run.record.reading.scaling {
        Some(scaling) => {
            let mut values = values.to_vec();
            scaling.undo(&mut values);
            values.into()
        }
        None => Cow::Borrowed(values),
    }
}

/// Names for the columns of a table of such values: those of the table that the run was trained on, where it was one.
pub(super) fn columns(run: &RunConfig) -> Columns<'_> {
    let names = &run.record.columns;
    match names.len() == run.model.image.values() {
        true => Columns::Named(names),
        false => Columns::Counted("x"),
    }
}

/// Writes values of images as an array `[images, …sizes]`, or as a table with a row for each.
pub(super) fn write_values(
    path: &Path,
    kind: Kind,
    run: &RunConfig,
    beside: Option<Beside<'_>>,
    values: &[f32],
) -> anyhow::Result<()> {
    let image = run.model.image;
    let count = values.len() / image.values().max(1);
    let shape = [vec![count], image.sizes()].concat();
    let values = outgoing(run, values);
    rows::write(path, kind, beside, (&shape, columns(run)), &values)
}

/// Writes values of images as an array `[…sizes, …sizes of an image]`.
pub(super) fn write_array(
    path: &Path,
    run: &RunConfig,
    sizes: &[usize],
    values: &[f32],
) -> anyhow::Result<()> {
    let shape = [sizes, &run.model.image.sizes()].concat();
    rows::write(
        path,
        Kind::Npy,
        None,
        (&shape, columns(run)),
        &outgoing(run, values),
    )
}

/// Refuses an estimate of log p(x) by so many samples where a run defines none.
pub(super) fn check_samples(folder: &RunFolder, importance_samples: usize) -> Result<()> {
    match importance_samples {
        0 => Ok(()),
        _ => require_vae(
            folder,
            "which defines no p(x) to estimate",
            "no --importance-samples, or a run of --model vae",
        ),
    }
}

/// Refuses what needs codes that can be drawn.
pub(super) fn require_prior(folder: &RunFolder, what: &str, hint: &str) -> Result<()> {
    match folder.config().model.has_prior() {
        true => Ok(()),
        false => require_vae(folder, what, hint),
    }
}

/// Refuses what only a VAE can do.
pub(super) fn require_vae(folder: &RunFolder, what: &str, hint: &str) -> Result<()> {
    match folder.config().model.kind {
        ModelKind::Vae => Ok(()),
        ModelKind::Ae => Err(Error::model(
            folder.path(),
            format!("this run is an autoencoder, {what}"),
            hint,
        )),
    }
}
