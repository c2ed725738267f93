use super::split::words;
use super::*;
use crate::data::{Binarize, Images, Values};
use crate::device::Device;
use crate::model::ModelSpec;
use crate::plan::{self, Tune};
use crate::rng::Purpose;
use std::borrow::Cow;

/// A session of an untrained model.
fn session() -> Session {
    let model = Model::new(&ModelSpec::odd()).expect("a model");
    let arena = model.parameters().initial(1);
    let runtime = plan::open(Device::Cpu, Tune::Quick);
    Session::new(runtime, model, &arena, 1).expect("memory")
}

/// So many images for it.
fn images(session: &Session, count: usize) -> Images {
    let shape = session.model.spec().image;
    let bytes = (0..count * shape.values()).map(|i| (i * 7 % 251) as u8);
    Images::new(shape, Values::Bytes(bytes.collect()))
}

/// Codes for it.
fn codes(session: &Session, count: usize) -> Vec<f32> {
    let values = 0..count * session.model.spec().latent.values();
    values.map(|i| (i % 13) as f32 / 6.0 - 1.0).collect()
}

/// Reconstructions and losses of so many images, as a split that may have been another before.
fn used(session: &mut Session, count: usize) -> (Vec<f32>, Vec<f64>) {
    let images = images(session, count);
    let purpose = Purpose::EvaluationBinarisation;
    let source = session
        .upload("images", &images, Binarize::Dynamic, purpose)
        .expect("a split");
    let values = images.shape.values();
    let mut means = Vec::new();
    session
        .sweep(
            &plans::RECONSTRUCT,
            &source,
            buffers::DECODED,
            values,
            |_, batch| {
                means.extend_from_slice(batch);
                Ok(())
            },
        )
        .expect("means");
    let passes = session.evaluation(&source).expect("plans");
    let loss = session.measure(&source, &passes, 0).expect("losses").loss;
    (means, loss.terms.into_values().collect())
}

/// What it holds of each buffer and each plan.
fn held(session: &Session) -> Vec<(String, u64)> {
    let parts = session.memory().into_iter();
    parts.map(|part| (part.name, part.bytes)).collect()
}

#[test]
fn bytes_are_the_same_words_borrowed_and_copied() {
    let aligned = [0x0403_0201_u32, 0x0807_0605];
    let bytes: &[u8] = bytemuck::cast_slice(&aligned);
    let values = |len: usize| Values::Bytes(bytes[..len].to_vec());
    // An allocation begins at a word.
    assert!(matches!(words(&values(8)), Cow::Borrowed(words) if *words == aligned));
    for len in 1..8 {
        let values = values(len);
        let copied = words(&values);
        assert_eq!(bytemuck::cast_slice::<_, u8>(&copied)[..len], bytes[..len]);
        assert_eq!(copied.len(), len.div_ceil(4));
    }
    // Bytes that are no whole words.
    assert!(matches!(words(&values(5)), Cow::Owned(words) if words.len() == 2));
    let floats = Values::Floats(aligned.map(f32::from_bits).to_vec());
    assert!(matches!(words(&floats), Cow::Borrowed(words) if *words == aligned));
}

#[test]
fn a_model_that_learns_nothing_holds_its_parameters_once() {
    let mut session = session();
    session.decode(&[0.5; 7], &[]).expect("means");
    let memory = session.memory();
    let bytes = Allocation::total_for(&memory, MemoryUse::Parameters);
    assert_eq!(bytes, buffer_bytes(session.model.parameters().len));
}

#[test]
fn many_numbers_of_codes_take_the_memory_of_the_most() {
    let mut several = session();
    let all = codes(&several, 40);
    let latent = several.model.spec().latent.values();
    let mut decoded = Vec::new();
    for count in 1..=40 {
        decoded = several.decode(&all[..count * latent], &[]).expect("means");
    }
    let mut once = session();
    assert_eq!(once.decode(&all, &[]).expect("means"), decoded);
    assert_eq!(held(&several), held(&once));
    // Down again: buffers stay, and of the plans only the last one, and that for one row.
    for count in (1..40).rev() {
        let fewer = several.decode(&all[..count * latent], &[]).expect("means");
        assert_eq!(fewer, decoded[..fewer.len()]);
        let [several, once] = [&several, &once].map(|of| Allocation::total(&of.memory()));
        assert!(several <= once, "{count}: {several}, {once}");
    }
}

#[test]
fn many_data_sets_take_the_memory_of_the_largest() {
    let mut several = session();
    let mut largest = session();
    used(&mut largest, 600);
    let most = Allocation::total(&largest.memory());
    for count in [3, 600, 41, 40, 600, 41] {
        let found = used(&mut several, count);
        assert_eq!(found, used(&mut session(), count), "{count}");
        let all = Allocation::total(&several.memory());
        assert!(all <= most, "{:?}, {:?}", held(&several), held(&largest));
    }
}

#[test]
fn a_longer_buffer_ends_the_plans_that_use_the_one_before_and_no_others() {
    let mut session = session();
    let all = codes(&session, 9);
    let latent = session.model.spec().latent.values();
    let few = used(&mut session, 5);
    let plan = |session: &Session, name: &str| {
        let mut plans = session.prepared.values();
        plans
            .find(|&&id| session.runtime.plan(id).name == name)
            .copied()
    };
    let evaluation = plan(&session, "evaluate 5");
    assert!(evaluation.is_some() && plan(&session, "reconstruct 5").is_some());
    // More rows than the buffers of a batch have.
    session.decode(&all[..9 * latent], &[]).expect("means");
    assert_eq!(plan(&session, "evaluate 5"), evaluation);
    assert_eq!(plan(&session, "reconstruct 5"), None);
    assert_eq!(used(&mut session, 5), few);
}
