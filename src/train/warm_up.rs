//! Gets a device ready for training while the images are on their way.

use crate::data::Expected;
use crate::model::plans::{self, Source};
use crate::model::session::check_rows;
use crate::model::{ModelSpec, Parameters};
use crate::plan::Runtime;
use crate::rng::Purpose;
use crate::train::TrainOptions;

/// Has a runtime do what it can for a step of training on images like these, before they are there. Where they
/// or the options are not usable it does nothing: [`crate::train::Trainer::new`] says what is wrong.
pub fn warm_up(
    runtime: &mut dyn Runtime,
    spec: &ModelSpec,
    options: &TrainOptions,
    expected: Expected,
) {
    let Expected { images, shape } = expected;
    let spec = ModelSpec {
        image: shape,
        ..spec.clone()
    };
    let usable = spec.validate().is_ok()
        && options.validate(images).is_ok()
        && check_rows(&spec, options.batch_size).is_ok();
    if !usable {
        return;
    }
    let source = Source {
        split: "train",
        images,
        words: (images * shape.values()).div_ceil(4),
        floats: false,
        binarize: options.binarize,
        purpose: Purpose::Binarisation,
        seed: options.seed,
    };
    let parameters = Parameters::new(&spec);
    let rows = options.batch_size;
    let update = options.update(runtime.fuses_updates(), images.div_ceil(rows));
    runtime.warm_up(&plans::train(&spec, &parameters, rows, &source, update));
}
