//! `elbo score`

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use super::out::{self, Kind};
use super::rows::{self, Beside};
use super::saved::{self, ViewArgs};
use super::{note, result, with_bar};
use crate::files;
use crate::model::Scores;
use crate::option;
use crate::train::RunFolder;

/// Measure each image by a trained model: reconstruction, KL, ELBO and log p(x), to find the strange ones
///
/// A row for each image, in the order of the data: `reconstruction` and `kl` by one draw of z, `neg_elbo` (their sum), and
/// with --importance-samples `log_p`, in nats; an AE has only `reconstruction`. A table and JSON lines begin with the image's
/// name (without one its row in the array or table, counted from 0), and its class where it has one. Means over the images are those of
/// `elbo evaluate`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ScoreArgs {
    #[command(flatten)]
    view: ViewArgs,
    /// Seed of the draws of z, and of binarisation
    #[arg(long, value_name = "NUMBER", value_parser = option::seed::parse, default_value_t = 1)]
    seed: u64,
    /// Draws of z per image with which to estimate log p(x) (Burda et al. 2016), VAE only; 0 leaves it out
    #[arg(long, value_name = "DRAWS", value_parser = option::count::<usize>, default_value_t = 0)]
    importance_samples: usize,
    /// Number of images to print, those with the lowest log p(x), or else the greatest -ELBO [default: none]
    #[arg(long, value_name = "IMAGES", value_parser = option::positive::<usize>)]
    top: Option<usize>,
    /// File to create: .csv, .jsonl, or .npy of float32 [images, columns] [default: scores-<DATA>-<SPLIT>.csv in the
    /// run folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// File of the images' names to create, in the order of the rows: .txt with a name a line, or .csv with the classes
    /// too [default: none]
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  elbo score runs/reference --top 10
  elbo score runs/reference --data photos/ --out scores.csv
  elbo score runs/reference --importance-samples 100 --out scores.jsonl";

pub(super) fn run(args: &ScoreArgs) -> anyhow::Result<()> {
    let folder = RunFolder::open(&args.view.run)?;
    let run = folder.config();
    let can = [Kind::Csv, Kind::Jsonl, Kind::Npy];
    let kind = out::kind("--out", args.out.as_deref(), &can)?;
    let names = out::kind("--names", args.names.as_deref(), &[Kind::Txt, Kind::Csv])?;
    saved::check_samples(&folder, args.importance_samples)?;
    let weights = args.view.parameters.of(&folder)?;
    let chosen = args.view.images(&folder)?;
    let name = format!("scores-{}-{}.csv", chosen.name, chosen.split.name());
    let out = saved::output(&folder, args.out.as_deref(), &name)?;
    out::check_apart("--names", args.names.as_deref(), &out, "the scores")?;
    let mut model = saved::model(run, &weights, &args.view.device, args.seed)?;
    let scores = with_bar(|progress| {
        model.score(
            &chosen.images,
            chosen.split,
            run.train.binarize,
            args.importance_samples,
            progress,
        )
    })?;
    let beside = Beside::of(&chosen);
    files::create(&out, &bytes(kind, &scores, beside)?)?;
    if let Some(path) = &args.names {
        rows::write_names(path, names, beside, chosen.images.len())?;
    }
    let Some(top) = args.top else {
        return result(out.display());
    };
    note(format_args!("scores: {}", out.display()));
    for line in strangest(&scores, beside, top) {
        result(line)?;
    }
    Ok(())
}

/// Names of the columns that the scores have.
fn columns(scores: &Scores) -> Vec<&'static str> {
    let mut names = vec!["reconstruction"];
    if !scores.kl.is_empty() {
        names.extend(["kl", "neg_elbo"]);
    }
    if !scores.log_likelihood.is_empty() {
        names.push("log_p");
    }
    names
}

/// The numbers of an image, as [`columns`] names them.
fn numbers(scores: &Scores, image: usize) -> Vec<f64> {
    let mut numbers = vec![scores.reconstruction[image]];
    if let Some(&kl) = scores.kl.get(image) {
        numbers.extend([kl, scores.negative_elbo(image)]);
    }
    numbers.extend(scores.log_likelihood.get(image));
    numbers
}

/// The content of a file of all scores.
fn bytes(kind: Kind, scores: &Scores, beside: Beside<'_>) -> anyhow::Result<Vec<u8>> {
    let images = 0..scores.reconstruction.len();
    let columns = columns(scores);
    match kind {
        Kind::Npy => {
            let values = images.flat_map(|image| numbers(scores, image));
            let values: Vec<f32> = values.map(|value| value as f32).collect();
            Ok(files::npy(&values, columns.len())?)
        }
        Kind::Jsonl => {
            let lines = images.map(|image| format!("{}\n", object(scores, beside, image)));
            Ok(lines.collect::<String>().into_bytes())
        }
        _ => {
            let mut header = beside.header();
            header.extend(columns.into_iter().map(str::to_owned));
            let lines = images.map(|image| {
                let mut cells = beside.cells(image);
                cells.extend(numbers(scores, image).iter().map(ToString::to_string));
                cells
            });
            rows::csv_lines(std::iter::once(header).chain(lines))
        }
    }
}

/// An image as a JSON object; what is not a number is null.
fn object(scores: &Scores, beside: Beside<'_>, image: usize) -> Value {
    let mut object = Map::new();
    object.insert("name".into(), json!(beside.name(image)));
    if let Some(label) = beside.label(image) {
        object.insert("label".into(), json!(label));
    }
    for (name, number) in columns(scores).into_iter().zip(numbers(scores, image)) {
        object.insert(name.into(), json!(number));
    }
    Value::Object(object)
}

/// A table of the `top` strangest images.
fn strangest(scores: &Scores, beside: Beside<'_>, top: usize) -> Vec<String> {
    let order = scores.strangest();
    let shown = &order[..top.min(order.len())];
    let mut table = vec![beside.header()];
    table[0].extend(columns(scores).into_iter().map(str::to_owned));
    for &image in shown {
        let mut cells = beside.cells(image);
        let numbers = numbers(scores, image).into_iter();
        cells.extend(numbers.map(|number| format!("{number:.4}")));
        table.push(cells);
    }
    let words = beside.header().len();
    let width = |column: usize| {
        let cells = table.iter().map(|cells| cells[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table[0].len()).map(width).collect();
    let line = |cells: &Vec<String>| {
        let cells = cells.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, &width))| match column < words {
            true => format!("{cell:<width$}"),
            false => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ")
    };
    table.iter().map(line).collect()
}
