//! The page's parts, and all of them in one file.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::explorer::{Explorer, encoded, widened};
use crate::data::Values;
use crate::error::{Error, Result};
use crate::model::ModelSpec;

/// The page as it is served: it names its style and its script.
pub(super) const PAGE: &str = include_str!("page/index.html");

/// The page's style.
pub(super) const STYLE: &str = include_str!("page/style.css");

/// The page's script. Its parts share one scope, as those of a shader do.
pub(super) const SCRIPT: &str = concat!(
    "\"use strict\";\n",
    include_str!("page/runner.js"),
    include_str!("page/script.js"),
    include_str!("page/decoders.js"),
    include_str!("page/pictures.js"),
    include_str!("page/geometry.js"),
    include_str!("page/scatter.js"),
    include_str!("page/sliders.js"),
    include_str!("page/input.js"),
    include_str!("page/main.js"),
);

/// What stands in [`PAGE`] where a file has style and script themselves.
const STYLE_LINK: &str = "<link rel=\"stylesheet\" href=\"style.css\">";
const SCRIPT_LINK: &str = "<script src=\"script.js\" defer></script>";

/// Most bytes of parameters in a file: as base64 they are a third more, which a browser still reads within seconds.
const MOST_PARAMETERS: u64 = 64 << 20;

/// Most bytes of images and their codes in a file.
const MOST_IMAGES: usize = 8 << 20;

/// What a served page downloads and a file brings along.
#[derive(Serialize)]
struct Bulk {
    /// Parameters, `[arena]`.
    weights: String,
    /// `[images, latent]`
    codes: String,
    /// `[images, values]`, a byte a value.
    images: String,
    /// What a byte of 0 and of 255 stands for.
    scale: (f32, f32),
}

impl Explorer {
    /// Most images that [`Explorer::file`] takes: 8 MiB of them with their codes.
    pub fn most_images_of_a_file(spec: &ModelSpec) -> usize {
        let each = spec
            .image
            .values()
            .saturating_add(spec.latent.values().saturating_mul(4));
        (MOST_IMAGES / each.max(1)).max(1)
    }

    /// Refuses a model that is too large for [`Explorer::file`], before any work is done for it.
    ///
    /// # Errors
    /// [`Error::Config`] with both sizes.
    pub fn check_file(spec: &ModelSpec) -> Result<()> {
        let bytes = spec.parameter_count().saturating_mul(4);
        if bytes <= MOST_PARAMETERS {
            return Ok(());
        }
        Err(Error::config(
            format!(
                "`export = …`: the model's parameters take {} MiB, and a page holds {} MiB at most",
                bytes.div_ceil(1 << 20),
                MOST_PARAMETERS >> 20
            ),
            "serving the page, without `export = …`, which does models of any size",
        ))
    }

    /// The whole page as one HTML file that needs no server: parameters, images as bytes, plans, code.
    ///
    /// # Errors
    /// [`Error::Config`] where the model is too large.
    pub fn file(&self) -> Result<String> {
        Self::check_file(self.model.spec())?;
        let (images, scale) = bytes_of(&*self.gallery.images.values()?);
        let bulk = Bulk {
            weights: encoded(&self.arena),
            codes: encoded(&self.gallery.codes),
            images: STANDARD.encode(images),
            scale,
        };
        let bulk = serde_json::to_string(&bulk)
            .map_err(|error| Error::internal(format!("a page of this model: {error}")))?;
        let data = |id: &str, json: &str| {
            // The only character by which text could end its element.
            let json = json.replace('<', "\\u003c");
            format!("<script type=\"application/json\" id=\"{id}\">{json}</script>\n")
        };
        // Nothing but this very style and script, and no address at all.
        let policy = format!(
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             script-src '{}'; style-src '{}'; img-src data: blob:; base-uri 'none'; form-action 'none'\">\n",
            hash(SCRIPT),
            hash(STYLE),
        );
        let script = format!(
            "{}{}<script>{SCRIPT}</script>",
            data("description", &self.description(false)?),
            data("bulk", &bulk),
        );
        // A deferred script runs once the document is there; one in the document itself stands at its end.
        Ok(PAGE
            .replace(STYLE_LINK, &format!("{policy}<style>{STYLE}</style>"))
            .replace(SCRIPT_LINK, "")
            .replace("</body>", &format!("{script}\n</body>")))
    }
}

/// A text's hash, as a content security policy takes it.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// Images as bytes, and what 0 and 255 stand for.
fn bytes_of(values: &Values) -> (Vec<u8>, (f32, f32)) {
    match values {
        Values::Bytes(bytes) => (bytes.clone(), (0.0, 1.0)),
        Values::Floats(floats) => {
            let (least, most) = values.range();
            let (least, most) = widened(least, most);
            // In double precision: the width of a range of floats can be more than the largest float.
            let (low, width) = (f64::from(least), f64::from(most) - f64::from(least));
            let byte = |&value: &f32| ((f64::from(value) - low) / width * 255.0).round() as u8;
            (floats.iter().map(byte).collect(), (least, most))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::explorer::tests::small;
    use super::*;

    #[test]
    fn the_page_names_its_style_and_script_once() {
        for link in [STYLE_LINK, SCRIPT_LINK, "</body>"] {
            assert_eq!(PAGE.matches(link).count(), 1, "{link}");
        }
    }

    #[test]
    fn a_file_asks_for_no_address() {
        let file = small().file().expect("a file");
        for part in ["src=", "rel=\"stylesheet", "@import", "url("] {
            assert!(!file.contains(part), "{part}");
        }
        assert!(file.contains("default-src 'none'"));
        // The run's name cannot end the element that it stands in.
        assert!(file.contains("a \\u003crun>") && !file.contains("a <run>"));
        // All elements end where they should.
        assert_eq!(file.matches("<script").count(), 3);
        assert_eq!(file.matches("</script>").count(), 3);
        assert_eq!(file.matches("</style>").count(), 1);
    }

    #[test]
    fn floats_become_bytes_of_their_range() {
        let some = Values::Floats(vec![-1.0, 0.0, 1.0]);
        assert_eq!(bytes_of(&some), (vec![0, 128, 255], (-1.0, 1.0)));
        let even = Values::Floats(vec![2.0; 3]);
        assert_eq!(bytes_of(&even), (vec![255; 3], (0.0, 2.0)));
        let widest = Values::Floats(vec![f32::MIN, 0.0, f32::MAX]);
        assert_eq!(bytes_of(&widest), (vec![0, 128, 255], (f32::MIN, f32::MAX)));
    }

    #[test]
    fn codes_count_among_the_bytes_of_a_file() {
        let mut spec = ModelSpec::reference();
        spec.latent = 20.into();
        let most = (8 << 20) / (784 + 80);
        assert_eq!(Explorer::most_images_of_a_file(&spec), most);
    }

    /// A browser makes LF of CRLF before it hashes an element, so a policy's hash of a text with CRLF fits nothing.
    #[test]
    fn style_and_script_are_what_a_browser_hashes() {
        assert!(!STYLE.contains('\r') && !SCRIPT.contains('\r'));
    }

    #[test]
    fn a_model_too_large_for_a_file_is_refused_with_both_sizes() {
        let mut spec = ModelSpec::reference();
        Explorer::check_file(&spec).expect("a small one");
        spec.encoder = [20_000].into();
        let error = Explorer::check_file(&spec).expect_err("too large");
        let text = error.to_string();
        assert!(
            text.contains("125 MiB") && text.contains("64 MiB"),
            "{text}"
        );
    }
}
