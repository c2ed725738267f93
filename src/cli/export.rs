//! `elbo export`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::out::{self, Kind};
use super::{note, result, saved};
use crate::error::Error;
use crate::export::{self, Part, Trained};
use crate::files;
use crate::train::RunFolder;

/// Write a trained model for other programs, as ONNX, PyTorch or safetensors
///
/// ONNX: encoder.onnx takes `images`, float32 [batch, height, width, channels] ([batch, values] of a model of rows
/// of values), and gives `mu` and `logvar`, or the `code` of an autoencoder, [batch, latent]. decoder.onnx takes `z`
/// [batch, latent] and gives `means`, images. Opset 17.
///
/// PyTorch: model.py has the model as an nn.Module with `encode`, `decode`, `scaled` and `unscaled`, and `load()`, which
/// reads the parameters from model.safetensors beside it. Its images are [batch, channels, height, width].
///
/// safetensors: the parameters, with what the model is as JSON under the metadata key `elbo`.
///
/// Images are values as the model saw them in training: (number of the data - offset) / divisor, with `offset` and
/// `divisor` in the metadata of ONNX and safetensors, a list of one number or of one for each value of an image.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExportArgs {
    /// Run folder
    run: PathBuf,
    #[command(flatten)]
    parameters: saved::ParametersArgs,
    /// What to write
    #[arg(long, value_enum)]
    format: Format,
    /// Write this half of the model only, as one file; ONNX only [default: both, in a folder]
    #[arg(long, value_enum)]
    part: Option<Part>,
    /// File to create, or folder for PyTorch and both parts of ONNX [default: export.safetensors, pytorch, onnx or
    /// <PART>.onnx in the run folder]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

/// Formats of `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Encoder and decoder for ONNX Runtime and whatever else reads ONNX
    Onnx,
    /// A program of PyTorch with its parameters, in a folder
    Pytorch,
    /// One file of tensors under PyTorch's names
    Safetensors,
}

const EXAMPLES: &str = "\
Examples:
  elbo export runs/reference --format onnx                             encoder.onnx, decoder.onnx in a folder
  elbo export runs/reference --format onnx --part decoder --out decoder.onnx
  elbo export runs/reference --format pytorch --out pytorch            model.py, model.safetensors in a folder
  elbo export runs/reference --format safetensors --out model.safetensors";

pub(super) fn run(args: &ExportArgs) -> anyhow::Result<()> {
    let folder = RunFolder::open(&args.run)?;
    let name = match (args.format, args.part) {
        (Format::Safetensors, None) => "export.safetensors",
        (Format::Pytorch, None) => "pytorch",
        (Format::Pytorch | Format::Safetensors, Some(_)) => {
            return Err(Error::config(
                "--part: only ONNX has a file for each half of a model",
                "no --part, or --format onnx",
            )
            .into());
        }
        (Format::Onnx, None) => "onnx",
        (Format::Onnx, Some(part)) => part.file(),
    };
    match (args.format, args.part) {
        (Format::Onnx, None) => out::folder(
            "--out",
            args.out.as_deref(),
            ", or --part with the name of one file",
        )?,
        (Format::Pytorch, _) => out::folder("--out", args.out.as_deref(), "")?,
        (Format::Onnx, Some(_)) => {
            out::kind("--out", args.out.as_deref(), &[Kind::Onnx])?;
        }
        (Format::Safetensors, _) => {
            out::kind("--out", args.out.as_deref(), &[Kind::Safetensors])?;
        }
    }
    let out = saved::output(&folder, args.out.as_deref(), name)?;
    let weights = args.parameters.of(&folder)?;
    let trained = Trained {
        spec: &folder.config().model,
        weights: &weights,
        binarize: folder.config().train.binarize,
        reading: &folder.config().record.reading,
    };
    match (args.format, args.part) {
        (Format::Safetensors, _) => files::create(&out, &export::safetensors(&trained)?)?,
        (Format::Pytorch, _) => {
            let both = export::pytorch(&trained)?;
            files::create_all(
                &out,
                &both.each_ref().map(|(name, bytes)| (*name, &**bytes)),
            )?;
        }
        (Format::Onnx, Some(part)) => files::create(&out, &export::onnx(&trained, part)?)?,
        (Format::Onnx, None) => {
            let [encoder, decoder] = Part::ALL.map(|part| export::onnx(&trained, part));
            let parts: [(&str, &[u8]); 2] = [
                (Part::Encoder.file(), &encoder?),
                (Part::Decoder.file(), &decoder?),
            ];
            files::create_all(&out, &parts)?;
        }
    }
    let place = match args.format {
        Format::Pytorch => "`scaled` and `unscaled` of the model",
        Format::Onnx | Format::Safetensors => "`offset` and `divisor` in the metadata",
    };
    note(format_args!(
        "images in and out: {} ({place})",
        trained.values_in_words()
    ));
    result(out.display())
}
