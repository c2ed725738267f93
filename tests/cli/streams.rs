//! Arrays through stdin and stdout: `elbo encode --data -` and `elbo decode -`.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::thread::{self, JoinHandle};

use crate::formats::{floats, npy};
use crate::support::{
    CONFIG, DATA_OR_MODEL, accepted, assert_refused, program, refused_in, stderr, stdout, temporary,
};

/// Images of the runs here: 5×3 pixels of two channels.
const VALUES: usize = 5 * 3 * 2;
const LATENT: usize = 4;

/// More than two batches.
const MANY: usize = 2 * 512 + 9;

const ENCODE: [&str; 6] = ["encode", "run", "--device", "cpu", "--data", "-"];
const DECODE: [&str; 5] = ["decode", "run", "-", "--device", "cpu"];

/// Values from 0 to 1, none like its neighbours.
fn wave(len: usize) -> Vec<f32> {
    (0..len)
        .map(|i| 0.5 + 0.5 * (0.37 * i as f32).sin())
        .collect()
}

fn images(count: usize) -> Vec<u8> {
    let shape = format!("({count}, 5, 3, 2)");
    npy("'<f4'", false, &shape, &floats(&wave(count * VALUES)))
}

fn codes(count: usize) -> Vec<u8> {
    let shape = format!("({count}, {LATENT})");
    npy("'<f4'", false, &shape, &floats(&wave(count * LATENT)))
}

/// Trains `run` on images of float32.
fn train(folder: &Path, more: &[&str]) {
    train_on(folder, &images(40), more);
}

fn train_on(folder: &Path, array: &[u8], more: &[&str]) {
    fs::write(folder.join("data.npy"), array).expect("a file");
    let arguments = [
        "train",
        "--data",
        "data.npy",
        "--out",
        "run",
        "--epochs",
        "1",
        "--hidden",
        "8",
        "--latent",
        "4",
        "--batch-size",
        "8",
        "--device",
        "cpu",
    ];
    accepted(folder, &[&arguments[..], more].concat());
}

/// Starts the program, with bytes on its stdin from a thread.
fn start(folder: &Path, arguments: &[&str], input: &[u8]) -> (Child, JoinHandle<()>) {
    let mut command = program(folder, arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("its stdin");
    let input = input.to_vec();
    // It may stop reading where it has seen enough.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    (child, writer)
}

/// Runs the program with bytes on its stdin.
fn feed(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let (child, writer) = start(folder, arguments, input);
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("the writer ends");
    output
}

/// What comes out of stdout where all goes well.
pub(crate) fn through(folder: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let output = feed(folder, arguments, input);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{arguments:?}: {}",
        stderr(&output)
    );
    output.stdout
}

/// Shape and values of an array of float32.
pub(crate) fn array(bytes: &[u8]) -> (Vec<u64>, Vec<f32>) {
    let array = npyz::NpyFile::new(bytes).expect("an array");
    let shape = array.shape().to_vec();
    let values = array.into_vec().expect("float32");
    assert!(values.iter().all(|value: &f32| value.is_finite()));
    (shape, values)
}

#[test]
fn a_stream_of_images_gives_the_codes_of_the_file() {
    let folder = temporary();
    train(folder.path(), &["--binarize", "fixed"]);
    for count in [1, 512, MANY] {
        let input = images(count);
        let name = format!("images-{count}.npy");
        fs::write(folder.path().join(&name), &input).expect("a file");
        let out = format!("codes-{count}.npy");
        let arguments = [
            "encode", "run", "--device", "cpu", "--data", &name, "--out", &out,
        ];
        accepted(folder.path(), &arguments);
        let expected = fs::read(folder.path().join(out)).expect("the codes");
        assert_eq!(array(&expected).0, [count as u64, LATENT as u64]);
        assert!(
            through(folder.path(), &ENCODE, &input) == expected,
            "{count} images"
        );
    }
}

#[test]
fn encode_and_decode_compose_and_take_what_they_give() {
    let folder = temporary();
    train(folder.path(), &["--likelihood", "bernoulli"]);
    for count in [0, 1, MANY] {
        let codes = through(folder.path(), &ENCODE, &images(count));
        assert_eq!(array(&codes).0, [count as u64, LATENT as u64]);
        let decoded = through(folder.path(), &DECODE, &codes);
        let (shape, values) = array(&decoded);
        assert_eq!(shape, [count as u64, 5, 3, 2]);
        assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
        let again = through(folder.path(), &ENCODE, &decoded);
        assert_eq!(array(&again).0, [count as u64, LATENT as u64]);
    }
}

#[test]
fn every_form_of_the_same_images_gives_the_same_codes() {
    let folder = temporary();
    train(folder.path(), &[]);
    let bytes: Vec<u8> = (0..7 * VALUES).map(|i| (i * 37 % 256) as u8).collect();
    let values: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    let expected = through(
        folder.path(),
        &ENCODE,
        &npy("'<f4'", false, "(7, 5, 3, 2)", &floats(&values)),
    );
    for (descr, shape, values) in [
        ("'|u1'", "(7, 5, 3, 2)", &bytes),
        ("'|u1'", "(7, 30)", &bytes),
        ("'<f4'", "(7, 30)", &floats(&values)),
    ] {
        let codes = through(folder.path(), &ENCODE, &npy(descr, false, shape, values));
        assert!(codes == expected, "{descr} {shape}");
    }
}

#[test]
fn a_model_of_rows_gives_rows() {
    let folder = temporary();
    let rows = npy("'<f4'", false, "(20, 9)", &floats(&wave(180)));
    train_on(folder.path(), &rows, &["--model", "ae"]);
    let codes = through(folder.path(), &ENCODE, &rows);
    assert_eq!(array(&codes).0, [20, 4]);
    let decoded = through(folder.path(), &DECODE, &codes);
    assert_eq!(array(&decoded).0, [20, 9]);
}

#[test]
fn a_batch_is_given_before_the_next_one_has_come() {
    let folder = temporary();
    train(folder.path(), &[]);
    let mut command = program(folder.path(), &DECODE);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("its stdin");
    let mut stdout = child.stdout.take().expect("its stdout");
    let input = codes(MANY);
    // The header, two batches, and a code of the third.
    let (first, rest) = input.split_at(128 + 4 * LATENT * 1025);
    stdin.write_all(first).expect("the first batches");
    let mut begin = vec![0; 128 + 4 * VALUES * 512];
    stdout.read_exact(&mut begin).expect("a batch of images");
    stdin.write_all(rest).expect("the rest");
    drop(stdin);
    let mut end = Vec::new();
    stdout.read_to_end(&mut end).expect("the other images");
    assert!(child.wait().expect("the program ends").success());
    assert_eq!(array(&[begin, end].concat()).0, [MANY as u64, 5, 3, 2]);
}

#[test]
fn files_stand_in_for_the_streams_and_are_whole_or_not_there() {
    let folder = temporary();
    train(folder.path(), &[]);
    let at = |name: &str| folder.path().join(name);
    let input = images(MANY);
    let expected = through(folder.path(), &ENCODE, &input);
    let more = ["--out", "mu.npy", "--logvar", "logvar.npy"];
    let printed = feed(folder.path(), &[&ENCODE[..], &more].concat(), &input);
    assert_eq!(stdout(&printed), "mu.npy\nlogvar.npy\n");
    assert!(fs::read(at("mu.npy")).expect("the means") == expected);
    let logvar = fs::read(at("logvar.npy")).expect("the variances");
    // The means into a file, the variances to stdout, where no name may come between.
    let more = ["--out", "other.npy", "--logvar", "-"];
    let streamed = through(folder.path(), &[&ENCODE[..], &more].concat(), &input);
    assert!(streamed == logvar);
    assert!(fs::read(at("other.npy")).expect("the means") == expected);

    let decoded = through(folder.path(), &DECODE, &expected);
    accepted(
        folder.path(),
        &["decode", "run", "mu.npy", "--device", "cpu"],
    );
    assert!(fs::read(at("run/decoded-mu.npy")).expect("images") == decoded);
    let arguments = ["decode", "run", "mu.npy", "--device", "cpu", "--out", "-"];
    assert!(accepted(folder.path(), &arguments).stdout == decoded);

    // Cut off within the last batch: what was computed before is not left behind.
    let cut = &input[..input.len() - 1];
    let arguments = [&ENCODE[..], &["--out", "cut.npy", "--logvar", "cut2.npy"]].concat();
    let output = feed(folder.path(), &arguments, cut);
    assert_refused(&output, &arguments, DATA_OR_MODEL, &["1033", "1032"]);
    let left = fs::read_dir(folder.path()).expect("the folder");
    let names: Vec<_> = left
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert!(
        !names
            .iter()
            .any(|name| name.to_string_lossy().contains("cut")),
        "{names:?}"
    );
    assert!(
        !names
            .iter()
            .any(|name| name.to_string_lossy().contains("part")),
        "{names:?}"
    );
}

#[test]
fn a_broken_stream_is_refused_with_what_is_wrong() {
    let folder = temporary();
    train(folder.path(), &[]);
    let check = |arguments: &[&str], input: &[u8], words: &[&str]| {
        let output = feed(folder.path(), arguments, input);
        let words = [&["stdin", "try: "], words].concat();
        assert_refused(&output, arguments, DATA_OR_MODEL, &words);
    };
    let whole = images(3);
    check(&ENCODE, b"", &["ends within its header"]);
    check(&ENCODE, &whole[..100], &["ends within its header"]);
    check(&ENCODE, b"PK\x03\x04 is no array", &["NUMPY"]);
    check(
        &ENCODE,
        &whole[..whole.len() - 4],
        &["promises 3 rows", "ends after 2"],
    );
    check(
        &ENCODE,
        &[&whole[..], b"\0"].concat(),
        &["promises 3 rows", "bytes follow"],
    );
    // A second array in the same stream.
    check(
        &DECODE,
        &[codes(1), codes(1)].concat(),
        &["promises 1 rows", "bytes follow"],
    );
    let width = npy("'<f4'", false, "(3, 29)", &floats(&wave(87)));
    check(
        &ENCODE,
        &width,
        &["[images, 5, 3, 2]", "[images, 30]", "[3, 29]"],
    );
    let turned = npy("'<f4'", false, "(3, 2, 5, 3)", &floats(&wave(90)));
    check(&ENCODE, &turned, &["[3, 2, 5, 3]"]);
    check(&DECODE, &width, &["[codes, 4]", "[3, 29]"]);
    check(
        &DECODE,
        &npy("'<f4'", false, "(4,)", &floats(&wave(4))),
        &["[codes, 4]", "[4]"],
    );
    let huge = npy("'<f4'", false, "(18446744073709551615, 4)", &[]);
    check(
        &DECODE,
        &huge,
        &["18446744073709551615 rows", "ends after 0"],
    );
    for (descr, words) in [("'<c8'", "x.imag"), ("'|O'", "np.stack"), ("'<U2'", "text")] {
        let input = npy(descr, false, "(1, 30)", &[0; 240]);
        check(&ENCODE, &input, &["expected numbers", words]);
        let input = npy(descr, false, "(1, 4)", &[0; 32]);
        check(&DECODE, &input, &["expected numbers", words]);
    }
    let fortran = npy("'<f4'", true, "(3, 30)", &floats(&wave(90)));
    check(&ENCODE, &fortran, &["C order", "ascontiguousarray"]);
    for value in [f32::NAN, f32::INFINITY] {
        let mut values = wave(600 * LATENT);
        values[550 * LATENT + 2] = value;
        let input = npy("'<f4'", false, "(600, 4)", &floats(&values));
        check(&DECODE, &input, &["finite", "row 550, value 2"]);
        let mut values = wave(VALUES);
        values[3] = value;
        let input = npy("'<f4'", false, "(1, 30)", &floats(&values));
        check(&ENCODE, &input, &["finite", "row 0, value 3"]);
    }
}

#[test]
fn images_beyond_the_range_of_the_likelihood_are_refused() {
    let folder = temporary();
    train(folder.path(), &["--likelihood", "bernoulli"]);
    let mut values = wave(2 * VALUES);
    values[VALUES + 1] = 1.5;
    let input = npy("'<f4'", false, "(2, 30)", &floats(&values));
    let output = feed(folder.path(), &ENCODE, &input);
    assert_refused(&output, &ENCODE, CONFIG, &["[0, 1]", "1.5", "try: "]);
}

#[test]
fn options_that_do_not_fit_a_stream_are_refused() {
    let folder = temporary();
    train(folder.path(), &[]);
    fs::write(folder.path().join("mine.npy"), "dear").expect("a file");
    let with = |more: &[&'static str]| [&ENCODE[..], more].concat();
    refused_in(
        folder.path(),
        &with(&["--split", "test"]),
        CONFIG,
        &["--split", "stdin"],
    );
    refused_in(
        folder.path(),
        &with(&["--logvar", "-"]),
        CONFIG,
        &["--logvar", "stdout"],
    );
    for other in ["new.npy", "./new.npy"] {
        let same = ["--out", "new.npy", "--logvar", other];
        let words = ["--logvar", "new.npy"];
        refused_in(folder.path(), &with(&same), CONFIG, &words);
    }
    let taken = ["mine.npy", "not overwritten"];
    refused_in(folder.path(), &with(&["--out", "mine.npy"]), CONFIG, &taken);
    refused_in(
        folder.path(),
        &with(&["--logvar", "mine.npy"]),
        CONFIG,
        &taken,
    );
    refused_in(
        folder.path(),
        &[&DECODE[..], &["--out", "mine.npy"]].concat(),
        CONFIG,
        &taken,
    );
    let missing = ["decode", "run", "missing.npy"];
    refused_in(folder.path(), &missing, 1, &["missing.npy", "open it"]);
    let text = fs::read_to_string(folder.path().join("mine.npy")).expect("the file");
    assert_eq!(text, "dear");
    assert!(!folder.path().join("new.npy").exists());
}

#[test]
fn a_reader_of_an_array_that_stops_early_is_no_error() {
    let folder = temporary();
    train(folder.path(), &[]);
    // More than a pipe holds.
    read_a_little(folder.path(), &DECODE, &codes(20 * MANY));
    // What else was asked for is made all the same.
    let input = images(20 * MANY);
    let more = ["--out", "mu.npy", "--logvar", "-"];
    read_a_little(folder.path(), &[&ENCODE[..], &more].concat(), &input);
    let mu = fs::read(folder.path().join("mu.npy")).expect("the means");
    assert!(mu == through(folder.path(), &ENCODE, &input));
}

/// Runs the program, reads ten bytes of what it writes, and closes the pipe.
fn read_a_little(folder: &Path, arguments: &[&str], input: &[u8]) {
    let (mut child, writer) = start(folder, arguments, input);
    let mut stdout = child.stdout.take().expect("its stdout");
    stdout.read_exact(&mut [0; 10]).expect("a beginning");
    drop(stdout);
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("the writer ends");
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {text}");
    assert!(!text.contains("error"), "{arguments:?}: {text}");
}
