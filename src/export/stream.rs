//! Arrays that flow through a model: a batch is read, computed and given away before the next one is read.

use std::io::Read;

use crate::data::{Binarize, Images, RowReading, Rows, Split, Storage, Values};
use crate::error::{Error, Result};
use crate::model::plans::Source;
use crate::model::{Inference, Latents};
use crate::ops::gather;
use crate::rng::Purpose;

/// Encodes images, whose numbers `reading` turns into what the model sees, batch by batch, as [`Inference::encode`] does
/// with all images of another data set at once; each batch goes to `take`.
///
/// # Errors
/// As [`Rows::next_rows`] and [`Inference::encode`]; what `take` returns.
pub fn encode<E: From<Error>>(
    model: &mut Inference,
    images: &mut Rows<impl Read>,
    reading: &mut RowReading,
    binarize: Binarize,
    mut take: impl FnMut(&Latents) -> Result<(), E>,
) -> Result<(), E> {
    let shape = model.spec().image;
    let most = model.batch_rows();
    for batch in 0.. {
        let Some(values) = images.next_rows(most)? else {
            break;
        };
        let mut images = Images {
            stored: images.stored(),
            ..Images::new(shape, reading.take(values, images.stored())?)
        };
        model.spec().check_range(&images, binarize)?;
        let drawn = draw(
            images.values()?.into_owned(),
            shape.values(),
            model.seed(),
            (batch, most),
            binarize,
        );
        images.storage = Storage::Memory(drawn);
        take(&model.encode(&images, Split::All, Binarize::None)?)?;
    }
    Ok(())
}

/// Decodes codes, with the sizes that [`crate::model::ModelSpec::code_sizes`] says, batch by batch to means, `[rows, values]`;
/// each batch goes to `take`. `classes` has the class of each code,
/// or nothing where the model is told none.
///
/// # Errors
/// As [`Rows::next_rows`] and [`Inference::decode`]; what `take` returns.
pub fn decode<E: From<Error>>(
    model: &mut Inference,
    codes: &mut Rows<impl Read>,
    classes: &[u32],
    mut take: impl FnMut(&[f32]) -> Result<(), E>,
) -> Result<(), E> {
    let most = model.batch_rows();
    let levels = model.spec().levels.clone();
    let latent: usize = model.spec().code_sizes().iter().product();
    let mut classes = classes;
    while let Some(codes) = codes.next_rows(most)? {
        let (batch, rest) = classes.split_at((codes.len() / latent).min(classes.len()));
        classes = rest;
        let codes = match &levels {
            Some(levels) => levels.values(&codes.to_f32())?,
            None => codes.to_f32(),
        };
        take(&model.decode_of(&codes, batch)?)?;
    }
    Ok(())
}

/// Binarises batch `batch` of `rows` images each, as `ops::gather` does with a data set that lies on the device as a
/// whole.
fn draw(
    values: Values,
    width: usize,
    seed: u64,
    (batch, rows): (usize, usize),
    binarize: Binarize,
) -> Values {
    if binarize == Binarize::None {
        return values;
    }
    let draws = (binarize, Purpose::EvaluationBinarisation);
    let source = Source::new("stream", [rows, width], true, draws, seed);
    let (binarize, draws) = source.binarisation();
    let params = gather::Params::new(rows, width, draws);
    let mut floats = values.to_f32();
    for (i, image) in floats.chunks_mut(width).enumerate() {
        let place = [batch, i, batch * rows + i].map(|number| number as u32);
        gather::draw(&params, binarize, place, image);
    }
    Values::Floats(floats)
}

#[cfg(test)]
mod tests {
    use crate::data::Reading;
    use std::path::Path;

    use super::*;
    use crate::data::digits;
    use crate::device::Device;
    use crate::error::Result;
    use crate::export::tests::weights;
    use crate::files::{npy_header, npy_values};
    use crate::model::ModelSpec;

    fn digit_model() -> (ModelSpec, Inference) {
        let mut spec = ModelSpec::reference();
        spec.encoder = [8].into();
        spec.latent = 3.into();
        let model = Inference::new(Device::Cpu, &spec, &weights(&spec), 5).expect("a model");
        (spec, model)
    }

    #[test]
    fn a_stream_gives_the_codes_of_the_whole_array_however_it_is_binarised() {
        let (spec, mut model) = digit_model();
        let count = 2 * model.batch_rows() + 7;
        let images = digits::generate(count, 1, 3).train;
        let mut array = npy_header(&[count, 28, 28, 1]);
        array.extend(npy_values(&images.to_f32().expect("in memory")));
        for binarize in [Binarize::None, Binarize::Fixed, Binarize::Dynamic] {
            let whole = model.encode(&images, Split::All, binarize).expect("codes");
            let mut rows =
                Rows::of_images(&array[..], Path::new("stdin"), spec.image, None).expect("rows");
            let (mut mu, mut logvar) = (Vec::<f32>::new(), Vec::<f32>::new());
            let take = |latents: &Latents| -> Result<()> {
                mu.extend(&latents.mu);
                logvar.extend(&latents.logvar);
                Ok(())
            };
            let values = spec.image.values();
            let mut reading = Reading::default()
                .rows(values, Path::new("stdin"))
                .expect("as they are");
            encode(&mut model, &mut rows, &mut reading, binarize, take).expect("codes");
            // Equal inputs give equal bits.
            assert_eq!(mu, whole.mu, "{binarize:?}");
            assert_eq!(logvar, whole.logvar, "{binarize:?}");
        }
    }

    #[test]
    fn decoded_batches_are_those_of_the_whole_array() {
        let (_, mut model) = digit_model();
        let count = model.batch_rows() + 1;
        let codes: Vec<f32> = (0..3 * count).map(|i| (i % 7) as f32 - 3.0).collect();
        let mut array = npy_header(&[count, 3]);
        array.extend(npy_values(&codes));
        let mut rows = Rows::of_codes(&array[..], Path::new("stdin"), &[3]).expect("rows");
        let mut batches = Vec::new();
        let take = |means: &[f32]| -> Result<()> {
            batches.push(means.to_vec());
            Ok(())
        };
        decode(&mut model, &mut rows, &[], take).expect("means");
        assert_eq!(batches.len(), 2);
        assert_eq!(batches.concat(), model.decode(&codes).expect("means"));
    }
}
