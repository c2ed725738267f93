//! Images that lie on the host come to the device in windows: the same bits as where all lie on it.

use elbo::Result;
use elbo::data::{Augment, Binarize, Dataset, Images, Values, digits};
use elbo::model::ModelSpec;
use elbo::number::Bytes;
use elbo::train::{EpochRecord, Observer, Pace, Pictures, Span, State, TrainOptions, Trainer};

use crate::support::{devices, digest, digit_model};

const ROWS: usize = 128;

/// Nine batches and a short one, and test images of two batches, the last a short one.
fn data(floats: bool) -> Dataset {
    let dataset = digits::generate(9 * ROWS + 35, 600, 3);
    if !floats {
        return dataset;
    }
    let split = |images: &Images| Images::new(images.shape, Values::Floats(images.to_f32()));
    Dataset::new("floats", split(&dataset.train), split(&dataset.test))
}

fn options(binarize: Binarize) -> TrainOptions {
    TrainOptions {
        epochs: 2,
        batch_size: ROWS,
        binarize,
        augment: Augment {
            flip: true,
            crop: 2,
        },
        log_every: 3,
        ..TrainOptions::default()
    }
}

/// Room for four batches of training images, and for one of test images.
fn in_windows(options: &TrainOptions, floats: bool) -> TrainOptions {
    let half = 784 * 512 * if floats { 4 } else { 1 };
    TrainOptions {
        device_memory: Some(Bytes(2 * half + 100)),
        ..options.clone()
    }
}

#[derive(Default)]
struct Seen {
    lines: Vec<String>,
    windows: Vec<Option<usize>>,
    waited: Vec<Option<f64>>,
    state: Option<State>,
}

impl Observer for Seen {
    fn started(&mut self, start: &elbo::train::Start<'_>) -> Result<()> {
        self.windows.push(start.window);
        Ok(())
    }

    fn epoch(&mut self, record: &EpochRecord, _: Option<&Pictures>) -> Result<()> {
        self.waited.push(record.waiting);
        let mut record = record.clone();
        (record.seconds, record.images_per_s, record.waiting) = (0.0, 0.0, None);
        self.lines.push(format!("{record:?}"));
        Ok(())
    }

    fn checkpoint(&mut self, state: &State) -> Result<()> {
        self.state = Some(state.clone());
        Ok(())
    }
}

/// Trains on the device of this index, from a state on where there is one.
fn trained(
    device: usize,
    data: &Dataset,
    options: &TrainOptions,
    from: Option<&State>,
    stop_after: Option<Span>,
) -> (Seen, String) {
    let runtime = devices().swap_remove(device).1;
    let spec = digit_model();
    let mut trainer = Trainer::new(runtime, &spec, options, data, 0).expect("a trainer");
    if let Some(state) = from {
        trainer.restore(state).expect("a state of this run");
    }
    let mut seen = Seen::default();
    let pace = Pace {
        stop_after,
        ..Pace::default()
    };
    trainer.run(&pace, &mut seen).expect("training");
    (seen, digest(&trainer.weights().expect("weights")))
}

#[test]
fn images_in_windows_train_to_the_same_bits() {
    for (device, (name, _)) in devices().iter().enumerate() {
        for (floats, binarize) in [
            (false, Binarize::None),
            (false, Binarize::Fixed),
            (true, Binarize::Dynamic),
        ] {
            let data = data(floats);
            let options = options(binarize);
            let (whole, weights) = trained(device, &data, &options, None, None);
            assert_eq!(
                (&whole.windows[..], &whole.waited[..]),
                (&[None][..], &[None; 2][..])
            );
            let options = in_windows(&options, floats);
            let (seen, found) = trained(device, &data, &options, None, None);
            assert_eq!(seen.windows, [Some(4 * ROWS)]);
            let is_share = |share: &Option<f64>| share.is_some_and(|it| (0.0..1.0).contains(&it));
            assert!(seen.waited.iter().all(is_share), "{:?}", seen.waited);
            assert_eq!(
                seen.lines, whole.lines,
                "{name}, floats: {floats}, {binarize:?}"
            );
            assert_eq!(found, weights, "{name}, floats: {floats}, {binarize:?}");
        }
    }
}

#[test]
fn a_run_goes_on_within_a_window_or_without_any() {
    let data = data(false);
    let plain = options(Binarize::Fixed);
    let narrow = in_windows(&plain, false);
    for (device, (name, _)) in devices().iter().enumerate() {
        let (_, whole) = trained(device, &data, &plain, None, None);
        for steps in [1, 4, 6, 9] {
            let stop = Some(Span::Steps(steps));
            let (seen, _) = trained(device, &data, &narrow, None, stop);
            let state = seen.state.expect("a checkpoint");
            assert_eq!(state.position.steps, steps);
            for options in [&narrow, &plain] {
                let (_, end) = trained(device, &data, options, Some(&state), None);
                assert_eq!(end, whole, "{name}, after {steps} steps");
            }
        }
    }
}

#[test]
fn a_value_that_is_not_finite_is_found_whichever_window_it_came_by() {
    let data = data(false);
    let bad = TrainOptions {
        learning_rate: 1e30,
        ..options(Binarize::None)
    };
    let error = |options: &TrainOptions| {
        let runtime = devices().swap_remove(0).1;
        let trainer = Trainer::new(runtime, &digit_model(), options, &data, 0);
        let outcome = trainer
            .expect("a trainer")
            .run(&Pace::default(), &mut Seen::default());
        outcome.expect_err("not finite").to_string()
    };
    assert_eq!(error(&in_windows(&bad, false)), error(&bad));
}

#[test]
fn room_for_less_than_a_batch_is_refused() {
    let options = TrainOptions {
        device_memory: Some(Bytes(1000)),
        ..options(Binarize::None)
    };
    let runtime = devices().swap_remove(0).1;
    let spec: ModelSpec = digit_model();
    let made = Trainer::new(runtime, &spec, &options, &data(false), 0);
    let error = made.err().expect("refused");
    assert_eq!(error.exit_code(), 2);
    for part in ["a batch of 128 images takes 98KiB", "`device-memory = …`"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}
