//! A model as a program of PyTorch, and its parameters beside it.

mod half;
#[cfg(test)]
mod tests;

use half::{CLASSES, Half, Module, half};

use super::layers::Part;
use super::{SourceScaling, Trained, safetensors};
use crate::data::Binarize;
use crate::error::{Error, Result};
use crate::model::latents::Head;
use crate::model::{LatentShape, Model, Sigma, words};

/// The name of the program.
const PROGRAM: &str = "model.py";
/// The name of the parameters, which the program reads.
const PARAMETERS: &str = "model.safetensors";
/// Most columns of a text.
const WIDTH: usize = 100;

/// The files of a folder, by their names: `model.py`, the model as an `nn.Module`, and `model.safetensors`, as
/// [`safetensors()`] writes it.
///
/// | method | takes | gives |
/// |---|---|---|
/// | `encode` | images | `mu` and `logvar` `[batch, latent]`, the latter within ±30, or the code of an autoencoder |
/// | `decode` | `z` `[batch, latent]` | the means of p(x\|z), images |
/// | `forward` | images | the means, and what `encode` gives of a VAE |
/// | `scaled`, `unscaled` | numbers as the data hold them; images | images; numbers |
///
/// A model that was told the class of each image takes a second argument in all three, `classes`, numbers `[batch]` of int64.
/// Images are float32 `[batch, channels, height, width]`, or `[batch, values]` where the model was trained on rows of
/// values.
///
/// # Errors
/// [`crate::error::Error::Config`] where the encoder cannot be exported.
pub fn pytorch(trained: &Trained<'_>) -> Result<[(&'static str, Vec<u8>); 2]> {
    let program = program(trained)?;
    Ok([
        (PROGRAM, program.into_bytes()),
        (PARAMETERS, safetensors(trained)?),
    ])
}

/// The text of the program.
fn program(trained: &Trained<'_>) -> Result<String> {
    let model = Model::new(trained.spec)?;
    let [encoder, decoder] = [half(&model, Part::Encoder)?, half(&model, Part::Decoder)?];
    let scaling = Scale::of(trained);
    let mut code = String::new();
    if let Some(condition) = &trained.spec.condition {
        // JSON's strings are Python's too, whatever a name has in it.
        let names = serde_json::to_string(condition.classes())
            .map_err(|error| Error::internal(format!("the names of the classes: {error}")))?;
        code += &format!("CLASSES = {names}\n\n\n");
    }
    let mut definitions = encoder.definitions.clone();
    definitions.extend(&decoder.definitions);
    definitions.sort_unstable();
    definitions.dedup();
    for definition in definitions {
        code += &format!("{definition}\n\n");
    }
    code += &class(trained, &model, [&encoder, &decoder], &scaling);
    let name = trained.spec.kind.short();
    code += &format!(
        "

def load(path=Path(__file__).with_name(\"{PARAMETERS}\")):
    \"\"\"The model as it was trained.\"\"\"
    model = {name}()
    model.load_state_dict(load_file(path))
    return model.eval()
"
    );
    code += &scaling.lists();
    let uses = |name: &str| code.contains(name);
    let mut text = docstring(trained);
    text += "\nfrom pathlib import Path\n\n";
    if uses("torch.") {
        text += "import torch\n";
    }
    text += "from safetensors.torch import load_file\nfrom torch import nn\n";
    if uses("F.") {
        text += "from torch.nn import functional as F\n";
    }
    Ok(format!("{text}\n\n{code}"))
}

/// What the file says of itself.
fn docstring(trained: &Trained<'_>) -> String {
    let spec = trained.spec;
    let program = env!("CARGO_PKG_NAME");
    let sizes: Vec<String> = sizes(trained).iter().map(usize::to_string).collect();
    let order = match sizes.len() {
        1 => "rows of values",
        _ => "channels, height, width",
    };
    let mut lines = vec![
        format!("{}, trained by {program}.", words::model(spec)),
        String::new(),
        format!("`load()` makes it with the parameters of {PARAMETERS} beside this file."),
        format!(
            "Images are float32 [batch, {}], {order}: {}.",
            sizes.join(", "),
            trained.values_in_words()
        ),
        "`scaled` makes them of numbers as the data hold them, `unscaled` is the way back."
            .to_owned(),
    ];
    if let Some(condition) = &spec.condition {
        lines.push(format!(
            "`{CLASSES}` are numbers, int64 [batch], counted from 0: those of the names in `CLASSES`, of which there are {}.",
            condition.count()
        ));
    }
    if trained.binarize != Binarize::None {
        let drawn = "Training drew each value as 0 or 1 then, as `torch.bernoulli(images)` does.";
        lines.push(drawn.to_owned());
    }
    let lines: Vec<String> = lines.iter().map(|line| wrapped(line, "")).collect();
    format!("\"\"\"{}\n\"\"\"\n", lines.join("\n"))
}

/// Sizes of an image in a tensor.
fn sizes(trained: &Trained<'_>) -> Vec<usize> {
    match *trained.spec.image.sizes() {
        [height, width, channels] => vec![channels, height, width],
        ref others => others.to_vec(),
    }
}

/// The class of the model.
fn class(trained: &Trained<'_>, model: &Model, halves: [&Half; 2], scaling: &Scale) -> String {
    let spec = trained.spec;
    let mut text = format!(
        "class {}(nn.Module):\n    def __init__(self):\n        super().__init__()\n",
        spec.kind.short()
    );
    for (name, module) in halves.iter().flat_map(|half| &half.modules) {
        text += &format!("        self.{name} = {}\n", written(module, 8));
    }
    text += &sigma(trained, model);
    text += &scaling.buffers(&sizes(trained));
    let [encoder, decoder] = halves;
    let latent = spec.kind.latent();
    let told = match spec.condition {
        Some(_) => format!(", {CLASSES}"),
        None => String::new(),
    };
    text += &method(
        &format!("encode(self, images{told})"),
        &heads(latent.heads, spec.latent),
        encoder,
    );
    text += &method(
        &format!("decode(self, z{told})"),
        &format!("{}.", capital(trained.means_in_words())),
        decoder,
    );
    let names: Vec<&str> = latent.heads.iter().map(|head| head.name).collect();
    let names = names.join(", ");
    text += &format!("\n    def forward(self, images{told}):\n");
    text += &match latent.torch == names {
        true => format!("        return self.decode(self.encode(images{told}){told})\n"),
        false => format!(
            "        {names} = self.encode(images{told})\n        z = {}\n        return self.decode(z{told}), {names}\n",
            latent.torch
        ),
    };
    if model.log_sigma().is_some() {
        text += "
    @property
    def sigma(self):
        \"\"\"The standard deviation of a value about its mean.\"\"\"
        return self.log_sigma.exp()
";
    }
    text + &scaling.methods()
}

/// What `encode` gives, in words.
fn heads(heads: &[Head], latent: LatentShape) -> String {
    let latent = match latent.map() {
        Some([height, width, channels]) => format!("{channels}, {height}, {width}"),
        None => latent.to_string(),
    };
    match heads {
        [head] => format!("{}, [batch, {latent}].", capital(head.text)),
        _ => {
            let all: Vec<String> = heads
                .iter()
                .map(|head| format!("{}: {}", head.name, head.text))
                .collect();
            format!("{}; [batch, {latent}] each.", all.join("; "))
        }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

fn method(signature: &str, about: &str, half: &Half) -> String {
    let mut text = format!("\n    def {signature}:\n        \"\"\"{about}\"\"\"\n");
    for line in &half.lines {
        text += &format!("        {line}\n");
    }
    text + &format!("        return {}\n", half.results.join(", "))
}

/// What makes a module, where the line that it begins in is indented so far.
fn written(module: &Module, indent: usize) -> String {
    match module {
        Module::Line(line) => line.replace('\n', &format!("\n{}", " ".repeat(indent))),
        Module::Around(class, modules) => {
            let space = " ".repeat(indent);
            let lines = modules.iter().map(|module| {
                let inner = written(module, indent + 4);
                format!("{space}    {inner},\n")
            });
            format!("{class}(\n{}{space})", lines.collect::<String>())
        }
    }
}

/// The standard deviation of a Gaussian likelihood, among what the model is made of.
fn sigma(trained: &Trained<'_>, model: &Model) -> String {
    let name = model.log_sigma().map_or("sigma", |tensor| &tensor.name);
    match trained.spec.likelihood.sigma() {
        None => String::new(),
        Some(Sigma::Fixed(sigma)) => {
            format!(
                "        self.{name} = {sigma:?}  # the standard deviation of a value about its mean\n"
            )
        }
        Some(Sigma::Learned(_)) => format!("        self.{name} = nn.Parameter(torch.zeros(1))\n"),
        Some(Sigma::Optimal) => {
            format!("        self.register_buffer(\"{name}\", torch.zeros(1))\n")
        }
    }
}

/// How numbers become values: one for all, or one for each value of an image in PyTorch's order.
struct Scale {
    offset: Vec<f32>,
    divisor: Vec<f32>,
}

impl Scale {
    fn of(trained: &Trained<'_>) -> Self {
        let SourceScaling { offset, divisor } = trained.source_scaling();
        let image = trained.spec.image;
        // Channels come first there.
        let turned = |numbers: Vec<f32>| match numbers.len() {
            1 => numbers,
            _ => {
                let pixels = image.height * image.width;
                let at = |i: usize| (i % pixels) * image.channels + i / pixels;
                (0..numbers.len()).map(|i| numbers[at(i)]).collect()
            }
        };
        Self {
            offset: turned(offset),
            divisor: turned(divisor),
        }
    }

    /// Names of both, with their numbers.
    fn named(&self) -> [(&'static str, &[f32]); 2] {
        [("offset", &self.offset), ("divisor", &self.divisor)]
    }

    /// The lists among what the model is made of: they are no parameters, so files do not hold them.
    fn buffers(&self, sizes: &[usize]) -> String {
        let lists = self
            .named()
            .into_iter()
            .filter(|(_, numbers)| numbers.len() > 1);
        let line = |name: &str| {
            let list = name.to_uppercase();
            let shaped = match sizes.len() {
                1 => String::new(),
                _ => {
                    let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
                    format!(".reshape({})", sizes.join(", "))
                }
            };
            format!(
                "        self.register_buffer(\"{name}\", torch.tensor({list}){shaped}, persistent=False)\n"
            )
        };
        lists.map(|(name, _)| line(name)).collect()
    }

    fn methods(&self) -> String {
        let [offset, divisor] = self.named().map(|(name, numbers)| match *numbers {
            [number] => format!("{number:?}"),
            _ => format!("self.{name}"),
        });
        let (scaled, unscaled) = match (&*offset, &*divisor) {
            ("0.0", "1.0") => ("stored.float()".into(), "values".into()),
            ("0.0", _) => (
                format!("stored.float() / {divisor}"),
                format!("values * {divisor}"),
            ),
            _ => (
                format!("(stored.float() - {offset}) / {divisor}"),
                format!("values * {divisor} + {offset}"),
            ),
        };
        format!(
            "
    def scaled(self, stored):
        return {scaled}

    def unscaled(self, values):
        return {unscaled}
"
        )
    }

    /// The lists themselves.
    fn lists(&self) -> String {
        let lists = self
            .named()
            .into_iter()
            .filter(|(_, numbers)| numbers.len() > 1);
        let lists = lists.map(|(name, numbers)| {
            let numbers: Vec<String> = numbers
                .iter()
                .map(|number| format!("{number:?},"))
                .collect();
            let name = name.to_uppercase();
            format!("{name} = [\n{}\n]\n", wrapped(&numbers.join(" "), "    "))
        });
        let lists: String = lists.collect();
        match lists.is_empty() {
            true => lists,
            false => format!("\n\n# Of each value of an image, in the order of a tensor.\n{lists}"),
        }
    }
}

/// A text in lines of [`WIDTH`] columns, each behind a margin.
fn wrapped(text: &str, margin: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                *line += " ";
                *line += word;
            }
            _ => lines.push(format!("{margin}{word}")),
        }
    }
    lines.join("\n")
}
