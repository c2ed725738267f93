//! What a page is made of: the model, some images, and their description.

use std::borrow::Cow;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::gallery::{Dimension, Gallery};
use super::wire::Program;
use crate::data::{Binarize, Images, Split, Values};
use crate::draw::Shades;
use crate::draw::mark_colours;
use crate::error::{Error, Result};
use crate::model::plans::{self, Mode};
use crate::model::{Condition, Inference, Model, ModelSpec, Weights, words};
use crate::shape::ImageShape;
use crate::view::Plane;

/// Codes that a plan of the page decodes at once, beside the plan of a single one. The program decodes at most
/// as many for a page, and always one or all of them: each number of rows needs a plan of its own.
pub(super) const GRID_ROWS: usize = 64;

/// Most latent dimensions whose principal components a page has. Those of 512 values take a second, those of 1024
/// a quarter of a minute.
const MOST_IN_A_PLANE: usize = 512;

/// What is told of a model beside its specification.
#[derive(Clone, Debug, Serialize)]
pub struct Setting {
    /// Name of the run.
    pub title: String,
    /// Name of the data set.
    pub data: String,
    /// Which of its images there are.
    pub split: Split,
    /// Names of the classes that the images' labels count; empty where a label is its own name.
    pub classes: Vec<String>,
    /// Name of the program's device.
    pub device: String,
    /// Binarisation in training. The images are shown and encoded as it saw them; drawn ones are taken as they are, which
    /// the page says.
    pub binarize: Binarize,
    /// Whether each value of an image was scaled by itself: a picture that is drawn or dropped has no such values.
    pub scaled_by_value: bool,
    /// Values that are shown as black and white, as in the program's pictures; drawn and dropped ones are taken
    /// within them.
    #[serde(skip)]
    pub shades: Shades,
    /// Colour that transparent pixels of pictures are laid on, RGB.
    pub background: [u8; 3],
    /// Whether the last channel of the images is alpha.
    pub alpha: bool,
}

/// Puts a model on its device.
type Open = Box<dyn Fn() -> Result<Inference> + Send + Sync>;

/// A model with what its page shows.
pub struct Explorer {
    inference: Mutex<Inference>,
    /// For a device that is lost while the page is shown.
    open: Open,
    setting: Setting,
    pub(super) model: Model,
    pub(super) arena: Vec<f32>,
    pub(super) gallery: Gallery,
    /// Where codes of more than two values vary most.
    plane: Option<Plane>,
    /// What image 0 of the gallery is decoded to.
    decoded: Vec<f32>,
}

/// The page's first download, all that is not bulk.
#[derive(Serialize)]
struct Description<'a> {
    version: &'static str,
    setting: &'a Setting,
    /// Whether the program is there to decode.
    served: bool,
    variational: bool,
    /// Its layers, from image to image.
    layers: String,
    likelihood: &'static str,
    image: ImageShape,
    latent: usize,
    /// Values that are shown as black and white.
    range: (f32, f32),
    /// Most active first.
    dimensions: &'a [Dimension],
    /// Place of each image among all of the data set.
    places: &'a [usize],
    total: usize,
    /// Class of each image, where the data set has them.
    labels: Option<&'a [u32]>,
    /// All classes of the images, those of images that are not shown among them.
    classes: &'a [u32],
    /// Names of the classes that the model is told, by their numbers, which the labels are; empty where it is told none.
    told_classes: &'a [String],
    /// Red, green and blue of classes, as `elbo latents` has them.
    colours: [[u8; 3]; 10],
    plane: Option<WirePlane<'a>>,
    grid_rows: usize,
    program: Program,
    check: Check,
}

/// The plane of the first two principal components.
#[derive(Serialize)]
struct WirePlane<'a> {
    mean: &'a [f64],
    axes: [&'a [f64]; 2],
    /// Share of the whole variance along each.
    shares: [f64; 2],
}

/// What a page has to compute right before it is trusted: image 0 of the gallery, of its own class. Floats as base64.
#[derive(Serialize)]
struct Check {
    image: String,
    code: String,
    decoded: String,
}

impl Explorer {
    /// Encodes at most `most` of the images for a page of a model, which `open` puts on its device: again where that is lost.
    ///
    /// # Errors
    /// [`Error::Config`] where there is no image to show, where weights, images and specification do not fit each
    /// other, and where a code is not finite; [`Error::Device`].
    pub fn new(
        open: impl Fn() -> Result<Inference> + Send + Sync + 'static,
        spec: &ModelSpec,
        weights: &Weights,
        images: &Images,
        most: usize,
        setting: Setting,
    ) -> Result<Self> {
        if images.is_empty() || most == 0 {
            return Err(Error::config(
                format!("a page of {most} images of {}: it needs one", images.len()),
                "data with images, and room for some of them",
            ));
        }
        let mut inference = open()?;
        let gallery = Gallery::new(
            &mut inference,
            images,
            most,
            (setting.split, setting.binarize),
        )?;
        let told = match &spec.condition {
            Some(condition) => &condition.of_images(&gallery.images)?[..1],
            None => &[],
        };
        let decoded = inference.decode_of(gallery.code(0), told)?;
        let model = Model::new(spec)?;
        let plane = (3..=MOST_IN_A_PLANE)
            .contains(&spec.latent.values())
            .then(|| Plane::of(&gallery.codes, spec.latent.values()))
            .transpose()?;
        Ok(Self {
            inference: Mutex::new(inference),
            open: Box::new(open),
            setting,
            arena: weights.to_arena(model.parameters())?,
            model,
            gallery,
            plane,
            decoded,
        })
    }

    /// Images of the page.
    pub fn images(&self) -> usize {
        self.gallery.images.len()
    }

    /// Values of a code.
    pub(super) fn latent(&self) -> usize {
        self.model.spec().latent.values()
    }

    /// Values of an image.
    pub(super) fn values(&self) -> usize {
        self.model.spec().image.values()
    }

    /// The description as JSON.
    pub(super) fn description(&self, served: bool) -> Result<String> {
        let (spec, gallery) = (self.model.spec(), &self.gallery);
        let description = Description {
            version: env!("CARGO_PKG_VERSION"),
            setting: &self.setting,
            served,
            variational: spec.is_variational(),
            layers: words::shape(spec),
            likelihood: spec.likelihood.name(),
            image: spec.image,
            latent: spec.latent.values(),
            range: self.setting.shades.range(),
            dimensions: &gallery.dimensions,
            places: &gallery.places,
            total: gallery.total,
            labels: gallery.images.labels.as_deref(),
            classes: &gallery.classes,
            told_classes: spec.condition.as_ref().map_or(&[], Condition::classes),
            colours: mark_colours(),
            plane: self.plane.as_ref().map(|plane| WirePlane {
                mean: plane.mean(),
                axes: plane.axes(),
                shares: plane.shares,
            }),
            grid_rows: GRID_ROWS,
            program: self.program(),
            check: Check {
                image: encoded(&gallery.images.image_f32(0)?),
                code: encoded(gallery.code(0)),
                decoded: encoded(&self.decoded),
            },
        };
        serde_json::to_string(&description)
            .map_err(|error| Error::internal(format!("the page's description: {error}")))
    }

    fn program(&self) -> Program {
        let mut program = Program::default();
        for (name, task, rows) in [
            ("live", &plans::DECODE, 1),
            ("grid", &plans::DECODE, GRID_ROWS),
            ("encode", &plans::ENCODE_VALUES, 1),
        ] {
            program.add(name, &self.model.plan(task, Mode::Run, [rows, 1], None));
        }
        program
    }

    /// Means of p(x|z) of one to [`GRID_ROWS`] codes, of p(x|z, y) of a class, on the program's device.
    pub(super) fn decode(&self, codes: &[f32], class: Option<u32>) -> Result<Vec<f32>> {
        let rows = codes.len() / self.latent();
        let all = if rows == 1 { 1 } else { GRID_ROWS };
        let mut filled = codes.to_vec();
        filled.resize(all * self.latent(), 0.0);
        let classes = class.map_or_else(Vec::new, |class| vec![class; all]);
        let mut decoded = self.compute(|model| model.decode_of(&filled, &classes))?;
        decoded.truncate(rows * self.values());
        Ok(decoded)
    }

    /// The code of one image, of a class where the model is told one, on the program's device.
    pub(super) fn encode(&self, image: Vec<f32>, class: Option<u32>) -> Result<Vec<f32>> {
        let images = Images {
            labels: class.map(|class| vec![class]),
            ..Images::new(self.model.spec().image, Values::Floats(image))
        };
        let encode =
            |model: &mut Inference| Ok(model.encode(&images, Split::Test, Binarize::None)?.mu);
        self.compute(encode)
    }

    /// Computes on the device, and once more on the one opened again where it is lost.
    fn compute<T>(&self, compute: impl Fn(&mut Inference) -> Result<T>) -> Result<T> {
        let mut inference = self.inference.lock().map_err(|_| {
            Error::device(
                format!("{}: an earlier computation broke off", self.setting.device),
                "starting it again",
            )
        })?;
        compute(&mut inference).or_else(|error| match error {
            Error::Lost { what } => {
                log::warn!("{what}: it is opened again");
                *inference = (self.open)()?;
                compute(&mut inference)
            }
            other => Err(other),
        })
    }
}

/// A range of some width, as pictures are scaled by it: one of a single value begins or ends at 0.
pub(super) fn widened(least: f32, most: f32) -> (f32, f32) {
    match (least < most, least == 0.0) {
        (true, _) => (least, most),
        (false, true) => (0.0, 1.0),
        (false, false) => (least.min(0.0), least.max(0.0)),
    }
}

/// Floats as base64 of their bytes, the least significant first.
pub(super) fn encoded(values: &[f32]) -> String {
    STANDARD.encode(bytes(values))
}

/// The bytes of floats, the least significant first: nothing is copied where they lie so in memory.
pub(super) fn bytes(values: &[f32]) -> Cow<'_, [u8]> {
    match cfg!(target_endian = "little") {
        true => Cow::Borrowed(bytemuck::cast_slice(values)),
        false => Cow::Owned(values.iter().flat_map(|v| v.to_le_bytes()).collect()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::device::Device;

    /// An explorer of an untrained model of 2×3 images.
    pub(in crate::explore) fn small() -> Explorer {
        explorer(2, 10, 4).expect("an explorer")
    }

    /// The same of a model that is told a class, of two, which are those of even and of odd images.
    pub(in crate::explore) fn told() -> Explorer {
        let names = ["even", "odd"].map(str::to_owned);
        let condition = Some(Condition::new(names.to_vec()));
        explorer_told(condition, [0, 1].repeat(5), 2, 3).expect("an explorer")
    }

    /// One of codes of `latent` values, with at most `most` of `count` images.
    fn explorer(latent: usize, count: u8, most: usize) -> Result<Explorer> {
        explorer_told(None, (0..count.into()).collect(), latent, most)
    }

    fn explorer_told(
        condition: Option<Condition>,
        labels: Vec<u32>,
        latent: usize,
        most: usize,
    ) -> Result<Explorer> {
        let spec = ModelSpec {
            condition,
            image: ImageShape::new(2, 3, 1),
            encoder: [5].into(),
            latent: latent.into(),
            ..ModelSpec::reference()
        };
        let weights = Weights::initial(&spec, 1).expect("weights");
        let values = (0..6 * labels.len()).map(|value| value as u8).collect();
        let images = Images {
            labels: Some(labels),
            ..Images::new(spec.image, Values::Bytes(values))
        };
        let setting = Setting {
            title: "a <run>".into(),
            data: "data".into(),
            split: Split::Test,
            classes: Vec::new(),
            device: "CPU".into(),
            binarize: Binarize::None,
            scaled_by_value: false,
            shades: Shades::default(),
            background: [0; 3],
            alpha: false,
        };
        let (of, with) = (spec.clone(), weights.clone());
        let open = move || Inference::new(Device::Cpu, &of, &with, 1);
        Explorer::new(open, &spec, &weights, &images, most, setting)
    }

    #[test]
    fn a_page_without_images_is_refused() {
        for (count, most) in [(0, 4), (10, 0)] {
            let Err(error) = explorer(2, count, most) else {
                panic!("{most} of {count} images are a page");
            };
            assert_eq!(error.exit_code(), 2, "{error}");
            assert!(error.to_string().contains("it needs one"), "{error}");
        }
    }

    #[test]
    fn a_device_that_is_lost_is_opened_again_once() {
        use std::cell::Cell;
        let explorer = small();
        for (losses, survived) in [(0, true), (1, true), (2, false)] {
            let left = Cell::new(losses);
            let outcome = explorer.compute(|model| match left.get() {
                0 => Ok(model.seed()),
                n => {
                    left.set(n - 1);
                    Err(Error::lost("a card"))
                }
            });
            assert_eq!(outcome.is_ok(), survived, "{losses}");
        }
    }

    #[test]
    fn the_plane_is_that_of_the_codes_where_they_have_more_than_two_values() {
        for latent in [1, 2] {
            assert!(explorer(latent, 10, 10).expect("a page").plane.is_none());
        }
        let explorer = explorer(5, 10, 10).expect("a page");
        let expected = Plane::of(&explorer.gallery.codes, 5).expect("a plane");
        let text = explorer.description(true).expect("JSON");
        let found: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(found["plane"]["mean"], serde_json::json!(expected.mean()));
        assert_eq!(found["plane"]["axes"], serde_json::json!(expected.axes()));
    }

    #[test]
    fn any_number_of_codes_is_decoded_as_one_by_one() {
        let explorer = small();
        let codes: Vec<f32> = (0..6).map(|i| i as f32 / 4.0 - 1.0).collect();
        let together = explorer.decode(&codes, None).expect("three images");
        assert_eq!(together.len(), 3 * 6);
        for (code, image) in codes.chunks(2).zip(together.chunks(6)) {
            let alone = explorer.decode(code, None).expect("an image");
            for (a, b) in alone.iter().zip(image) {
                assert!((a - b).abs() < 1e-6, "{a} {b}");
            }
        }
    }

    #[test]
    fn an_image_of_the_gallery_is_encoded_to_its_code() {
        let explorer = small();
        for image in 0..explorer.images() {
            let values = explorer.gallery.images.image_f32(image);
            let code = explorer.encode(values.expect("in memory"), None);
            for (a, b) in code
                .expect("a code")
                .iter()
                .zip(explorer.gallery.code(image))
            {
                assert!((a - b).abs() < 1e-6, "{a} {b}");
            }
        }
    }

    #[test]
    fn codes_and_images_are_those_of_the_class_that_is_named() {
        let explorer = told();
        let labels = explorer.gallery.images.labels.as_ref().expect("labels");
        assert_eq!(labels, &[0, 1, 0]);
        let text = explorer.description(true).expect("JSON");
        let found: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(found["told_classes"], serde_json::json!(["even", "odd"]));
        let same = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        for (image, &label) in labels.iter().enumerate() {
            let code = explorer.gallery.code(image);
            let values = explorer.gallery.images.image_f32(image);
            let values = values.expect("in memory");
            let decode = |class| explorer.decode(code, Some(class)).expect("an image");
            let encode = |class| {
                explorer
                    .encode(values.clone(), Some(class))
                    .expect("a code")
            };
            assert!(same(&encode(label), code) && !same(&encode(1 - label), code));
            assert!(!same(&decode(0), &decode(1)));
            if image == 0 {
                assert!(same(&decode(label), &explorer.decoded));
            }
        }
    }

    #[test]
    fn the_description_has_labels_in_the_order_of_the_images() {
        let text = small().description(true).expect("JSON");
        let found: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(found["places"], serde_json::json!([0, 2, 5, 7]));
        assert_eq!(found["labels"], found["places"]);
        assert_eq!(found["layers"], "6-5-2-5-6");
    }

    #[test]
    fn a_page_shows_the_shades_of_the_programs_pictures() {
        let mut explorer = small();
        let range = |explorer: &Explorer| {
            let text = explorer.description(true).expect("JSON");
            let found: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            found["range"].clone()
        };
        assert_eq!(range(&explorer), serde_json::json!([0.0, 1.0]));
        // Whatever the images of the page are.
        explorer.setting.shades = Shades::of(-1.0, 2.5);
        assert_eq!(range(&explorer), serde_json::json!([-1.0, 2.5]));
    }
}
