//! Images that lie on the host or in files come to the device in windows: the same bits as where all lie on it.

use elbo::Result;
use elbo::data::{Augment, Binarize, DataOptions, Dataset, Images, Values, digits, load};
use elbo::files::npy;
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
    let split = |images: &Images| {
        let floats = images.to_f32().expect("in memory");
        Images::new(images.shape, Values::Floats(floats))
    };
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

/// The same images as a `.npy` file, once in memory and once as they are wanted from there.
fn in_files(floats: bool) -> (tempfile::TempDir, [Dataset; 2]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("images.npy");
    let images = data(floats).train;
    let array = match &*images.values().expect("in memory") {
        Values::Floats(values) => npy(values, 784).expect("an array"),
        Values::Bytes(bytes) => {
            let count = images.len();
            let mut header =
                format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({count}, 28, 28), }}");
            while !(header.len() + 11).is_multiple_of(64) {
                header.push(' ');
            }
            header.push('\n');
            let length = (header.len() as u16).to_le_bytes();
            [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), bytes].concat()
        }
    };
    std::fs::write(&path, array).expect("a file");
    let read = |host_memory| {
        let options = DataOptions {
            host_memory,
            image_size: Some((28, 28)),
            ..DataOptions::default()
        };
        load(&path.to_string_lossy(), &options, &mut |_| {}).expect("images")
    };
    let both = [read(None), read(Some(Bytes(1)))];
    (folder, both)
}

#[test]
fn images_train_to_the_same_bits_wherever_they_lie() {
    for (floats, binarize) in [(false, Binarize::Fixed), (true, Binarize::None)] {
        let (_folder, [memory, files]) = in_files(floats);
        assert!(files.train.are_in_files() && files.test.are_in_files());
        let plain = options(binarize);
        for (device, (name, _)) in devices().iter().enumerate() {
            let (whole, weights) = trained(device, &memory, &plain, None, None);
            let narrow = in_windows(&plain, floats);
            // From the host; from files, in windows of the usual size and in small ones.
            for (data, options) in [(&memory, &narrow), (&files, &plain), (&files, &narrow)] {
                let (seen, found) = trained(device, data, options, None, None);
                assert!(seen.windows[0].is_some());
                assert_eq!(seen.lines, whole.lines, "{name}, floats: {floats}");
                assert_eq!(found, weights, "{name}, floats: {floats}");
            }
            let (seen, _) = trained(device, &files, &narrow, None, Some(Span::Steps(5)));
            let state = seen.state.expect("a checkpoint");
            for data in [&memory, &files] {
                let (_, end) = trained(device, data, &plain, Some(&state), None);
                assert_eq!(end, weights, "{name}, floats: {floats}, from step 5");
            }
        }
    }
}

#[test]
fn a_file_that_shrinks_ends_training_with_a_checkpoint_of_what_was_learned() {
    let (folder, [_, files]) = in_files(false);
    let path = folder.path().join("images.npy");
    let options = options(Binarize::None);
    struct Cut<'a>(Seen, &'a std::path::Path);
    impl Observer for Cut<'_> {
        fn epoch(&mut self, record: &EpochRecord, _: Option<&Pictures>) -> Result<()> {
            if record.epoch == 1 {
                let file = std::fs::OpenOptions::new().write(true).open(self.1);
                file.and_then(|file| file.set_len(5000))
                    .expect("a shorter file");
            }
            Ok(())
        }

        fn checkpoint(&mut self, state: &State) -> Result<()> {
            self.0.checkpoint(state)
        }
    }
    let runtime = devices().swap_remove(0).1;
    let mut watch = Cut(Seen::default(), &path);
    let trainer = Trainer::new(runtime, &digit_model(), &options, &files, 0);
    let outcome = trainer
        .expect("a trainer")
        .run(&Pace::default(), &mut watch);
    let error = outcome.expect_err("a shorter file");
    assert_eq!(error.exit_code(), 3);
    let text = error.to_string();
    assert!(text.contains("has changed since it was opened"), "{text}");
    let kept = watch.0.state.expect("a checkpoint");
    assert_eq!(kept.position.epochs, 1);
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
    for part in [
        "a batch of 128 training images takes 98.00 KiB",
        "`device-memory = …`",
    ] {
        assert!(error.to_string().contains(part), "{error}");
    }
}
