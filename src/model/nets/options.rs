//! The options that describe the layers of a model, and what they make of them.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::blocks::Blocks;
use super::presets;
use crate::error::{Error, Result};
use crate::model::{LatentShape, ModelSpec};
use crate::option::count;
use crate::shape::ImageShape;

/// Most residual blocks behind a layer.
const MOST_BLOCKS: usize = 64;

/// What a user says of the layers.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct NetOptions {
    /// Kind of network; `auto` takes an mlp for rows of values and for grey images of up to 28x28, a conv for all others and
    /// for codes that are maps [default: auto, with --hidden mlp]
    #[arg(long, value_enum, help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub net: Option<NetName>,
    /// Units of each hidden layer of an mlp's encoder; the decoder has the same in reverse: 400, or 512,256 [default: 400]
    #[arg(
        long,
        value_delimiter = ',',
        value_parser = count::<usize>,
        value_name = "UNITS,…",
        help_heading = "Model"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<Vec<usize>>,
    /// Channels of the first convolution; each further one has twice as many, eight times as many at most [default: 32]
    #[arg(
        long,
        value_parser = count::<usize>,
        value_name = "CHANNELS",
        help_heading = "Model"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// Residual blocks behind each layer of a resnet [default: 1]
    #[arg(
        long,
        value_parser = count::<usize>,
        value_name = "NUMBER",
        help_heading = "Model"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocks: Option<usize>,
    /// Layers of the encoder: "conv 32 k4 /2, linear 512, residual(linear 256, linear 512)"; the activation follows each
    /// layer but the last of a residual block [default: what --net says]
    #[arg(long, value_name = "LAYERS", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<Blocks>,
    /// Layers of the decoder [default: those of the encoder, in reverse]
    #[arg(long, value_name = "LAYERS", help_heading = "Model")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoder: Option<Blocks>,
}

/// Names of kinds of networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetName {
    /// What suits the images
    Auto,
    /// Linear layers one after another
    Mlp,
    /// Convolutions, each of which halves the image
    Conv,
    /// What suits the images, with residual blocks of two layers behind each layer
    Resnet,
}

impl NetOptions {
    /// The encoder that they describe, for images of a size and codes of another.
    ///
    /// # Errors
    /// [`Error::Config`] where two of them do not go together, or not with the images.
    pub fn encoder(&self, image: ImageShape, latent: Option<LatentShape>) -> Result<Blocks> {
        if let Some(encoder) = &self.encoder {
            return match self.beside_encoder() {
                None => Ok(encoder.clone()),
                Some(other) => Err(Error::config(
                    format!(
                        "`encoder = …` beside `{other} = …`: both say what the encoder's layers are"
                    ),
                    "one of them",
                )),
            };
        }
        if self.width == Some(0) {
            return Err(Error::config(
                "`width = 0`: a convolution has at least one channel",
                "`width = 32`",
            ));
        }
        let blocks = match (self.net, self.blocks) {
            (Some(NetName::Resnet), Some(blocks)) if !(1..=MOST_BLOCKS).contains(&blocks) => {
                return Err(Error::config(
                    format!("`blocks = {blocks}`: expected 1 to {MOST_BLOCKS}"),
                    "`blocks = 2`; or `net = conv`, which has no residual blocks",
                ));
            }
            (Some(NetName::Resnet), blocks) => blocks.unwrap_or(1),
            (_, None) => 0,
            (_, Some(_)) => {
                return Err(Error::config(
                    "`blocks = …` is of a resnet, and the network is another",
                    "`net = resnet`, or no `blocks = …`",
                ));
            }
        };
        match (self.is_of_maps(image, latent), &self.hidden, self.width) {
            (true, Some(_), _) => Err(Error::config(
                "`hidden = …` is of linear layers, and the network is of convolutions",
                "`width = 32`, the channels of its first layer",
            )),
            (true, None, _) if image.sizes().len() == 1 => Err(Error::config(
                format!(
                    "the network is of convolutions, and rows of {} values are no images",
                    image.values()
                ),
                "`net = mlp`; or `image-size = HxW`, where the values are those of images",
            )),
            (true, None, width) => {
                let to = latent.and_then(|latent| latent.map());
                Ok(presets::of_maps(image, width.unwrap_or(32), blocks, to))
            }
            (false, _, Some(_)) => Err(Error::config(
                "`width = …` is of convolutions, and the network has none",
                "`net = conv`; or `hidden = 400`, the units of a hidden layer",
            )),
            (false, widths, None) => Ok(presets::of_values(
                widths.as_deref().unwrap_or(&[400]),
                blocks,
            )),
        }
    }

    /// Whether the layers of a kind of network are convolutions.
    fn is_of_maps(&self, image: ImageShape, latent: Option<LatentShape>) -> bool {
        let of_code =
            latent.is_some_and(|latent| latent.map().is_some()) && image.sizes().len() > 1;
        match self.net {
            Some(NetName::Mlp) => false,
            Some(NetName::Conv) => true,
            Some(NetName::Resnet) if self.width.is_some() => true,
            _ => self.hidden.is_none() && (of_code || presets::are_photographs(image)),
        }
    }

    /// Whether the kind of network was left to the images.
    pub fn is_auto(&self) -> bool {
        matches!(self.net, None | Some(NetName::Auto)) && !self.is_of_linear_layers()
    }

    /// Whether the encoder's layers are sized from the images.
    pub fn needs_images(&self) -> bool {
        self.net != Some(NetName::Mlp) && !self.is_of_linear_layers()
    }

    /// Whether they say all layers, or the widths of linear ones.
    fn is_of_linear_layers(&self) -> bool {
        self.encoder.is_some() || self.hidden.is_some()
    }

    /// Another option that says what layers the encoder has.
    fn beside_encoder(&self) -> Option<&'static str> {
        let others = [
            ("net", self.net.is_some()),
            ("hidden", self.hidden.is_some()),
            ("width", self.width.is_some()),
            ("blocks", self.blocks.is_some()),
        ];
        others
            .into_iter()
            .find_map(|(name, is_given)| is_given.then_some(name))
    }
}

impl From<&ModelSpec> for NetOptions {
    fn from(spec: &ModelSpec) -> Self {
        let hidden = spec.encoder.widths();
        Self {
            encoder: hidden.is_none().then(|| spec.encoder.clone()),
            hidden,
            decoder: spec.decoder.clone(),
            ..Self::default()
        }
    }
}
