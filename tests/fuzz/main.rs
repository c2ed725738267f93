//! Damaged files: whatever a loader is given, it gives a whole result or an error that names the file, and never
//! panics.
//!
//! `cargo test` tries as many inputs a target as [`INPUTS`] says. With `cargo bolero test` of the crate
//! cargo-bolero a target runs under a coverage-guided fuzzer for as long as one likes.

#[path = "../data/formats.rs"]
mod formats;

use std::fs;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::SystemTime;

use bolero::{TypeGenerator, check};
use elbo::data::{DataOptions, Dataset, Images, Values, load};
use elbo::model::{Model, ModelSpec, Weights};
use elbo::shape::ImageShape;
use elbo::train::metrics::Line;
use elbo::train::{Best, Position, Record, RunConfig, RunFolder, State};
use elbo::{Error, Result};

use formats::{floats, gzip, write};

/// Inputs of each target.
const INPUTS: usize = 2000;

/// A change of some bytes; places are counted from the start and wrap at the end.
#[derive(Clone, Debug, TypeGenerator)]
enum Change {
    /// Another byte.
    Set { at: u16, value: u8 },
    /// Another bit.
    Flip { at: u16, bit: u8 },
    /// The end is cut off.
    Cut { at: u16 },
    /// Some bytes more.
    Insert { at: u16, bytes: [u8; 3] },
    /// Some bytes less.
    Remove { at: u16, count: u8 },
    /// Some bytes again, elsewhere.
    Copy { from: u16, to: u16, count: u8 },
    /// A number of four or eight bytes that tends to make trouble, in either order.
    Number {
        at: u16,
        which: u8,
        wide: bool,
        big_endian: bool,
    },
    /// A decimal digit in the place of another.
    Digit { which: u16, digit: u8 },
}

const TROUBLE: [u64; 8] = [
    0,
    1,
    u8::MAX as u64,
    i32::MAX as u64,
    u32::MAX as u64,
    1 << 32,
    i64::MAX as u64,
    u64::MAX,
];

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let len = bytes.len();
        let within = |at: &u16| usize::from(*at) % len;
        match self {
            Self::Set { at, value } => bytes[within(at)] = *value,
            Self::Flip { at, bit } => bytes[within(at)] ^= 1 << (bit % 8),
            Self::Cut { at } => bytes.truncate(within(at)),
            Self::Insert { at, bytes: new } => {
                let at = within(at);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Remove { at, count } => {
                let at = within(at);
                bytes.drain(at..(at + usize::from(*count)).min(len));
            }
            Self::Copy { from, to, count } => {
                let (from, to) = (within(from), within(to));
                let part = bytes[from..(from + usize::from(*count)).min(len)].to_vec();
                let end = (to + part.len()).min(len);
                bytes[to..end].copy_from_slice(&part[..end - to]);
            }
            Self::Number {
                at,
                which,
                wide,
                big_endian,
            } => {
                let number = TROUBLE[usize::from(*which) % TROUBLE.len()];
                let mut new = match wide {
                    true => number.to_le_bytes().to_vec(),
                    false => (number as u32).to_le_bytes().to_vec(),
                };
                if *big_endian {
                    new.reverse();
                }
                let at = within(at);
                let end = (at + new.len()).min(len);
                bytes[at..end].copy_from_slice(&new[..end - at]);
            }
            Self::Digit { which, digit } => {
                let digits: Vec<usize> = (0..len).filter(|&i| bytes[i].is_ascii_digit()).collect();
                if !digits.is_empty() {
                    bytes[digits[usize::from(*which) % digits.len()]] = b'0' + digit % 10;
                }
            }
        }
    }
}

/// Writes changed copies of a whole file and has each of them read. The whole one has to be accepted.
fn damage<T>(path: &Path, read: impl Fn() -> Result<T>, accept: impl Fn(T)) {
    let whole = fs::read(path).expect("the whole file");
    accept(read().expect("the whole file is read"));
    // Nothing outlives a panic here but the report of it.
    let parts = AssertUnwindSafe((path, read, accept));
    check!()
        .with_iterations(INPUTS)
        .with_type::<[Option<Change>; 4]>()
        .for_each(|changes| {
            let (path, read, accept) = &*parts;
            let mut bytes = whole.clone();
            for change in changes.iter().flatten() {
                change.apply(&mut bytes);
            }
            fs::write(path, &bytes).expect("the damaged file");
            match read() {
                Ok(found) => accept(found),
                Err(error) => assert_helps(&error),
            }
        });
}

/// What every error has to have.
fn assert_helps(error: &Error) {
    let text = error.to_string();
    assert!(text.contains("try: "), "{text}");
    assert!((1..=3).contains(&error.exit_code()), "{text}");
}

fn assert_whole(images: &Images) {
    match &*images.values().expect("in memory") {
        Values::Bytes(bytes) => assert_eq!(bytes.len(), images.len() * images.shape.values()),
        Values::Floats(values) => {
            assert_eq!(values.len(), images.len() * images.shape.values());
            assert!(values.iter().all(|value| value.is_finite()));
        }
    }
}

/// Damages a file of a data set at `source`.
fn damage_data(source: &Path, file: &Path) {
    let options = DataOptions::default();
    let read = || load(&source.to_string_lossy(), &options, &mut |_| {});
    damage(file, read, |dataset: Dataset| {
        assert_whole(&dataset.train);
        assert_whole(&dataset.test);
        assert!(!dataset.train.is_empty() && !dataset.test.is_empty());
    });
}

/// Bytes that differ.
fn counting(count: usize) -> Vec<u8> {
    (0..count).map(|i| i as u8).collect()
}

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn npy() {
    let folder = temporary();
    let path = folder.path().join("a.npy");
    write(
        &path,
        &formats::npy("'|u1'", false, "(12, 3, 4)", &counting(144)),
    );
    damage_data(&path, &path);
    let values: Vec<f32> = counting(60).into_iter().map(f32::from).collect();
    let values = floats(&values);
    write(&path, &formats::npy("'<f4'", false, "(12, 5)", &values));
    damage_data(&path, &path);
}

#[test]
fn npy_of_every_type_and_order() {
    let folder = temporary();
    let path = folder.path().join("a.npy");
    for (descr, one) in [
        ("|b1", &[1][..]),
        ("|i1", &[1]),
        ("u2", &1_u16.to_le_bytes()),
        ("i4", &1_i32.to_le_bytes()),
        ("i8", &1_i64.to_le_bytes()),
        ("f2", &[0, 0x3c]),
        ("f8", &1_f64.to_le_bytes()),
    ] {
        for (order, fortran) in [("<", true), (">", false)] {
            let descr = format!("'{order}{}'", descr.trim_start_matches('|'));
            let mut first = one.to_vec();
            if order == ">" {
                first.reverse();
            }
            let values = [first, vec![0; 59 * one.len()]].concat();
            write(&path, &formats::npy(&descr, fortran, "(12, 5)", &values));
            damage_data(&path, &path);
        }
    }
}

#[test]
fn tables() {
    let folder = temporary();
    let mut text = String::from("width,\"height\",mass\r\n");
    for row in 0..12 {
        text += &format!("{row},{}.5,-{row}e2\r\n", 3 * row);
    }
    for (name, bytes) in [
        ("a.csv", text.clone().into_bytes()),
        ("a.tsv", text.replace(',', "\t").into_bytes()),
        ("a.csv.gz", gzip(text.as_bytes())),
    ] {
        let path = folder.path().join(name);
        write(&path, &bytes);
        damage_data(&path, &path);
    }
}

#[test]
fn labels() {
    let folder = temporary();
    let path = folder.path().join("a.npz");
    let images = npy_of("(9, 2, 2)", &counting(36));
    let text: Vec<u8> = (0..18)
        .flat_map(|at| (97 + at % 3_u32).to_le_bytes())
        .collect();
    for labels in [
        formats::npy("'<U2'", false, "(9,)", &text),
        formats::npy("'>f4'", false, "(9, 1)", &[0; 36]),
        formats::npy("'|u1'", false, "(9, 2)", &[1, 0].repeat(9)),
    ] {
        let arrays = [("x", images.clone()), ("y", labels)];
        fs::write(&path, formats::npz(&arrays, false)).expect("a file");
        damage_data(&path, &path);
    }
}

#[test]
fn npz() {
    let folder = temporary();
    let path = folder.path().join("a.npz");
    for compressed in [false, true] {
        let array = |count: usize| {
            let shape = format!("({count}, 2, 2)");
            npy_of(&shape, &counting(4 * count))
        };
        let arrays = [("train", array(9)), ("test", array(4))];
        fs::write(&path, formats::npz(&arrays, compressed)).expect("a file");
        damage_data(&path, &path);
    }
}

fn npy_of(shape: &str, values: &[u8]) -> Vec<u8> {
    formats::npy("'|u1'", false, shape, values)
}

#[test]
fn idx() {
    let names = ["train-images-idx3-ubyte", "t10k-images-idx3-ubyte"];
    for zipped in [false, true] {
        let folder = temporary();
        let paths = names.map(|name| {
            let name = if zipped {
                format!("{name}.gz")
            } else {
                name.to_owned()
            };
            folder.path().join(name)
        });
        let plain = formats::idx(0x803, &[6, 3, 3], &counting(54));
        let bytes = if zipped { gzip(&plain) } else { plain };
        for path in &paths {
            write(path, &bytes);
        }
        damage_data(folder.path(), &paths[0]);
    }
}

#[test]
fn pictures() {
    use image::ImageFormat::{Bmp, Gif, Jpeg, Png, Pnm, Tiff, WebP};
    for format in [Png, Jpeg, Tiff, Bmp, WebP, Gif, Pnm] {
        let folder = temporary();
        let path = |i: u32| {
            folder
                .path()
                .join(format!("{i}.{}", format.extensions_str()[0]))
        };
        for i in 0..4 {
            let picture = image::RgbImage::from_fn(6, 5, |x, y| {
                image::Rgb([(40 * x) as u8, (40 * y) as u8, (60 * i) as u8])
            });
            let picture = image::DynamicImage::from(picture);
            let picture = match format {
                Gif => picture.into_rgba8().into(),
                _ => picture,
            };
            picture
                .save_with_format(path(i), format)
                .expect("a picture");
        }
        damage_data(folder.path(), &path(2));
    }
}

fn spec() -> ModelSpec {
    let mut spec = ModelSpec::reference();
    spec.image = ImageShape::new(2, 2, 1);
    spec.encoder = [3].into();
    spec.latent = 2.into();
    spec
}

fn weights() -> Weights {
    let model = Model::new(&spec()).expect("a model");
    let parameters = model.parameters();
    Weights::from_arena(parameters, &parameters.initial(1))
}

#[test]
fn parameters() {
    let folder = temporary();
    let path = folder.path().join("model.safetensors");
    weights().save(&path).expect("a file");
    let read = || Weights::load(&path, &spec());
    damage(&path, read, |found: Weights| {
        assert_eq!(found.first_not_finite(), None);
        let shapes = |weights: &Weights| -> Vec<Vec<usize>> {
            weights.iter().map(|(_, shape, _)| shape.to_vec()).collect()
        };
        assert_eq!(shapes(&found), shapes(&weights()));
    });
}

/// A run folder with a checkpoint.
fn run_folder(path: &Path) -> State {
    let record = Record::new("CPU", "digits", SystemTime::UNIX_EPOCH);
    let config = RunConfig::new(spec(), record);
    let state = State {
        weights: weights(),
        first: weights(),
        second: weights(),
        average: None,
        position: Position {
            steps: 7,
            best: Some(Best {
                epoch: 1,
                step: 7,
                test_loss: 1.5,
            }),
            ..Position::default()
        },
    };
    let folder = RunFolder::create(path, config).expect("a run folder");
    folder.checkpoint(&state, "hash", 1).expect("a checkpoint");
    state
}

#[test]
fn checkpoint() {
    for name in ["state.json", "model.safetensors", "moments.safetensors"] {
        let folder = temporary();
        let run = folder.path().join("run");
        let state = run_folder(&run);
        let file = run.join("checkpoints/step-0000000007").join(name);
        let folder = RunFolder::open(&run).expect("a run folder");
        damage(
            &file,
            || folder.last_state(),
            |found| {
                // What the hashes let through says the same.
                assert_eq!(found.expect("a checkpoint").state, state);
            },
        );
    }
}

#[test]
fn configuration() {
    let folder = temporary();
    let run = folder.path().join("run");
    run_folder(&run);
    damage(
        &run.join("config.toml"),
        || RunFolder::open(&run),
        |found: RunFolder| {
            found.config().to_toml().expect("a configuration");
        },
    );
}

#[test]
fn metrics() {
    let folder = temporary();
    let path = folder.path().join("metrics.jsonl");
    let line = r#"{"kind":"report","epoch":1,"step":100,"loss":24.5,"reconstruction":20.5,"kl":4.0,"learning_rate":0.001,"kl_weight":1.0,"images_per_s":1e5,"seconds":2.5}"#;
    fs::write(&path, format!("{line}\n{line}\n")).expect("a file");
    damage(&path, || Line::read(&path), |_: Vec<Line>| {});
}
