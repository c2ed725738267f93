//! What a computer's memory is too small for is refused before anything is made.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Output};

use crate::formats::{gzip, write};
use crate::support::{DEVICE, SMALL, assert_refused, stderr, temporary};

/// Runs the program with so much address space, KiB.
pub(crate) fn within(folder: &Path, kibibytes: usize, arguments: &[&str]) -> Output {
    let mut shell = Command::new("sh");
    let script = format!("ulimit -v {kibibytes}; exec \"$0\" \"$@\"");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_elbo")]);
    let output = shell.args(arguments).current_dir(folder).output();
    output.expect("a shell")
}

const GIBIBYTE: usize = 1 << 20;

/// Runs the program where it has one GiB, is refused, and leaves nothing in the folder beside what was there.
fn refused_within(folder: &Path, arguments: &[&str], words: &[&str]) {
    let count = || fs::read_dir(folder).expect("the folder").count();
    let before = count();
    let output = within(folder, GIBIBYTE, arguments);
    let all = [
        words,
        &["GiB are needed", "are left by `ulimit -v`", "try: "],
    ]
    .concat();
    assert_refused(&output, arguments, DEVICE, &all);
    assert_eq!(count(), before, "{arguments:?}");
}

#[test]
fn training_that_takes_too_much_is_refused_before_its_folder_is_made() {
    let folder = temporary();
    let at = folder.path();
    let small = [&["train"], &SMALL[..], &["--out", "run"]].concat();
    let output = within(at, GIBIBYTE, &small);
    assert!(output.status.success(), "{}", stderr(&output));
    for more in [
        &["--hidden", "30000"][..],
        &["--hidden", "4000", "--batch-size", "60000"],
    ] {
        let train = [&["train", "--device", "cpu"], more].concat();
        refused_within(at, &train, &["no memory for training", "--batch-size"]);
        let named = [&train[..], &["--out", "named"]].concat();
        refused_within(at, &named, &["no memory for training", "--hidden"]);
    }
}

/// A file that begins with these bytes; the others are zeros that take no room on the disk, but for the last one.
fn large(path: &Path, start: &[u8], bytes: u64) {
    fs::write(path, start).expect("a header");
    let mut file = File::options().write(true).open(path).expect("the file");
    let end = start.len() as u64 + bytes - 1;
    file.seek(SeekFrom::Start(end)).expect("a large file");
    file.write_all(&[200]).expect("a large file");
}

fn npy_header(fortran: &str, images: u32) -> Vec<u8> {
    let header =
        format!("{{'descr': '|u1', 'fortran_order': {fortran}, 'shape': ({images}, 784), }}");
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes()].concat()
}

#[test]
fn what_has_to_be_read_as_a_whole_is_refused_before_it_is_read() {
    let folder = temporary();
    let at = folder.path();
    let images = 5_000_000;
    let bytes = 784 * u64::from(images);
    large(&at.join("large.npy"), &npy_header("True", images), bytes);
    // Packed, so that nobody knows before whether the header is true.
    fs::create_dir(at.join("idx")).expect("a folder");
    let sizes = [0x0803, images, 28, 28].map(u32::to_be_bytes).concat();
    // Which does not pack, so that the file is long enough for that many values.
    let mixed = |i: u32| (i ^ (i >> 15)).wrapping_mul(2_246_822_519);
    let noise =
        (0..4_500_000_u32).map(|i| (mixed(mixed(i.wrapping_mul(2_654_435_761))) >> 24) as u8);
    let packed = gzip(&[sizes, noise.collect()].concat());
    write(&at.join("idx/train-images-idx3-ubyte.gz"), &packed);
    for source in ["large.npy", "idx"] {
        let train = ["train", "--device", "cpu", "--data", source];
        refused_within(at, &train, &[source, "3.6"]);
    }
}

#[test]
fn images_that_do_not_fit_stay_in_their_file_by_themselves() {
    let folder = temporary();
    let at = folder.path();
    let images = 1_500_000;
    let bytes = 784 * u64::from(images);
    large(&at.join("large.npy"), &npy_header("False", images), bytes);
    let small = "--device cpu --tune off --hidden 4 --latent 2 --stop-after 3steps --out run";
    let train = ["train", "--data", "large.npy"].into_iter();
    let train: Vec<&str> = train.chain(small.split(' ')).collect();
    let output = within(at, GIBIBYTE, &train);
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    for words in [
        "the images stay in their files",
        "lie in their files",
        "stopped at step 3",
    ] {
        assert!(text.contains(words), "no {words} in {text}");
    }
}
