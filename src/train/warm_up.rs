//! Gets a device ready for training while the images are on their way.

use crate::data::Expected;
use crate::error::Result;
use crate::model::plans::Source;
use crate::model::session::check_rows;
use crate::model::{Model, ModelOptions};
use crate::plan::Runtime;
use crate::ranks::Ranks;
use crate::rng::Purpose;
use crate::train::TrainOptions;
use crate::train::trainer::Maker;

/// Has a runtime do what it can for a step of training on images like these, before they are there. Where they
/// or the options are not usable it does nothing: [`crate::train::Trainer::new`] says what is wrong.
///
/// # Errors
/// [`crate::Error::Device`] and [`crate::Error::Lost`] where the device failed: it cannot be used any more.
pub fn warm_up(
    runtime: &mut dyn Runtime,
    model: &ModelOptions,
    options: &TrainOptions,
    expected: Expected,
) -> Result<()> {
    // How many classes there are, nobody knows yet.
    if model.condition.is_some() {
        return Ok(());
    }
    let Expected { images, shape } = expected;
    let model = model.spec(shape).and_then(|spec| Model::new(&spec));
    let Ok(model) = model else { return Ok(()) };
    if options.validate(images).is_err() || check_rows(&model, options.batch_size).is_err() {
        return Ok(());
    }
    let Ok(shards) = options.shards_for(&model) else {
        return Ok(());
    };
    let draws = (options.binarize, Purpose::Binarisation);
    let source = Source::new(
        "train",
        [images, shape.values()],
        false,
        draws,
        options.seed,
    );
    let rows = options.batch_size;
    let update = options.update(model.spec(), runtime.fuses_updates(), images.div_ceil(rows));
    let maker = Maker {
        source: &source,
        update,
        shards,
        ranks: &Ranks::alone(),
    };
    runtime.warm_up(&maker.first(&model, rows))
}
