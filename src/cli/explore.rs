//! `elbo explore`

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use clap::Args;

use super::out::{self, Kind};
use super::saved::{self, ViewArgs};
use super::{note, open_device, result};
use crate::data::{Scaling, Split};
use crate::explore::{Explorer, PORT, Server, Setting};
use crate::files;
use crate::kernel::Precision;
use crate::model::Inference;
use crate::option;
use crate::train::RunFolder;

/// Look into a trained model in a browser: a page with its codes, its images, and what lies between
///
/// The page is served to whoever has its address, on this machine only, until Ctrl-C. It decodes by WebGPU where the
/// browser has it, and otherwise on --device. With --export it is one file instead, to keep or to send, that needs no
/// server. A run of `--condition class` has a menu of its classes there.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExploreArgs {
    #[command(flatten)]
    view: ViewArgs,
    /// Most images to show, spread evenly over all [default: 5000; in a file 1000, and 8 MiB with their codes]
    #[arg(long, value_name = "IMAGES", value_parser = option::whole::<usize>(1..=50_000))]
    count: Option<usize>,
    /// Port of 127.0.0.1 to serve the page on; 0 is any that is free
    #[arg(long, value_name = "NUMBER", value_parser = option::whole::<u16>(0..=65_535), default_value_t = PORT, conflicts_with = "export")]
    port: u16,
    /// Page to create instead of serving it, with model and images in it [default: none]
    #[arg(long, value_name = "FILE.html")]
    export: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  elbo explore runs/reference
  elbo explore runs/reference --export digits.html";

/// Images on a page.
const SERVED: usize = 5000;
const EXPORTED: usize = 1000;

pub(super) fn run(args: &ExploreArgs) -> anyhow::Result<()> {
    let folder = RunFolder::open(&args.view.run)?;
    match &args.export {
        Some(path) => export(args, &folder, path),
        None => serve(args, &folder),
    }
}

fn serve(args: &ExploreArgs, folder: &RunFolder) -> anyhow::Result<()> {
    // A port in use is no reason to wait for the images.
    let server = Server::bind(args.port)?;
    let explorer = explorer(args, folder, args.count.unwrap_or(SERVED))?;
    result(server.url())?;
    note("Ctrl-C ends it");
    server.run(&explorer)?;
    Ok(())
}

fn export(args: &ExploreArgs, folder: &RunFolder, path: &Path) -> anyhow::Result<()> {
    let spec = &folder.config().model;
    out::kind("--export", Some(path), &[Kind::Html])?;
    Explorer::check_file(spec)?;
    let most = Explorer::most_images_of_a_file(spec);
    let explorer = explorer(args, folder, args.count.unwrap_or(EXPORTED).min(most))?;
    files::create(path, explorer.file()?.as_bytes())?;
    result(path.display())?;
    Ok(())
}

/// The model on its device, with at most `most` images.
fn explorer(args: &ExploreArgs, folder: &RunFolder, most: usize) -> anyhow::Result<Explorer> {
    let run = folder.config();
    let weights = args.view.parameters.of(folder)?;
    let chosen = args.view.images(folder)?;
    let device = open_device(&args.view.device, Precision::F32)?;
    let path = std::path::absolute(folder.path()).unwrap_or_else(|_| folder.path().to_owned());
    let name = path.file_name().unwrap_or(path.as_os_str());
    let scaling = run.record.reading.scaling.as_ref();
    let setting = Setting {
        title: name.to_string_lossy().into_owned(),
        data: chosen.name,
        split: chosen.split,
        classes: chosen.classes,
        device: device.name(),
        binarize: run.train.binarize,
        background: run.data.options.source.background.unwrap_or_default().0,
        alpha: run.has_alpha(),
        scaled_by_value: scaling.is_some_and(Scaling::is_by_value),
        shades: saved::shades(run),
    };
    let first = Mutex::new(Some(device));
    let (selection, spec, seed) = (args.view.device.clone(), run.model.clone(), run.train.seed);
    let parameters = weights.clone();
    let open = move || {
        let first = first.lock().ok().and_then(|mut first| first.take());
        let device = first.map_or_else(|| open_device(&selection, Precision::F32), Ok)?;
        Inference::new(device, &spec, &parameters, seed)
    };
    let explorer = Explorer::new(open, &run.model, &weights, &chosen.images, most, setting)?;
    let (shown, all) = (explorer.images(), chosen.images.len());
    let images = match chosen.split {
        Split::Train => "training images",
        Split::Test => "test images",
        Split::Val => "validation images",
        Split::All => "images",
    };
    note(format_args!("{shown} of {all} {images}"));
    Ok(explorer)
}
