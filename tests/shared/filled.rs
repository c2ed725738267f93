//! Buffers of a plan of training with something in them, without a session.

use elbo::data::Binarize;
use elbo::kernel::Element;
use elbo::model::ModelSpec;
use elbo::model::plans::{Source, buffers};
use elbo::plan::{Home, Plan, Runtime};
use elbo::rng::{Purpose, Stream};

/// Some images as bytes, binarised anew at each step.
pub(crate) fn source(spec: &ModelSpec, images: usize) -> Source {
    let draws = (Binarize::Dynamic, Purpose::Binarisation);
    Source::new("train", [images, spec.image.values()], false, draws, 7)
}

/// Allocates what a plan shares with the host: random parameters and images, in which about half the bytes are zero.
pub(crate) fn fill(runtime: &mut dyn Runtime, plan: &Plan, source: &Source) {
    let mut stream = Stream::new(5, Purpose::Prior, 0);
    for buffer in &plan.buffers {
        let Home::Shared(shared) = buffer.home else {
            continue;
        };
        let len = buffer.len;
        runtime.allocate(shared, len).expect("a buffer");
        match shared.element() {
            Element::Float if shared == buffers::SCALARS => {
                runtime
                    .write(shared, 0, &[1e-3, 1.0, 1.0])
                    .expect("a buffer");
            }
            Element::Float if shared == buffers::PARAMETERS => {
                let values: Vec<f32> = (0..len).map(|_| 0.1 * stream.uniform() - 0.05).collect();
                runtime.write(shared, 0, &values).expect("a buffer");
            }
            Element::Float => runtime
                .write(shared, 0, &vec![1e-3; len])
                .expect("a buffer"),
            Element::Word if shared == source.image_words() => {
                let word = |_| {
                    if stream.uniform() < 0.5 {
                        0
                    } else {
                        0x40FF_8001
                    }
                };
                let words: Vec<u32> = (0..len).map(word).collect();
                runtime.write_words(shared, 0, &words).expect("a buffer");
            }
            Element::Word if shared == source.order() => {
                let order: Vec<u32> = (0..len as u32).map(|i| i % source.images as u32).collect();
                runtime.write_words(shared, 0, &order).expect("a buffer");
            }
            Element::Word => runtime
                .write_words(shared, 0, &vec![0; len])
                .expect("a buffer"),
        }
    }
}
