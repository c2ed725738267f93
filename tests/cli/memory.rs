//! What a computer's memory is too small for is refused before anything is made.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};

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

#[test]
fn a_header_that_promises_more_than_there_is_is_refused_before_it_is_read() {
    let folder = temporary();
    let at = folder.path();
    let images = 5_000_000_u32;
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({images}, 784), }}");
    let mut array = b"\x93NUMPY\x01\x00".to_vec();
    array.extend((header.len() as u16).to_le_bytes());
    array.extend(header.as_bytes());
    let sizes = [0x0803, images, 28, 28].map(u32::to_be_bytes);
    fs::create_dir(at.join("idx")).expect("a folder");
    for (name, start) in [
        ("large.npy", array),
        ("idx/train-images-idx3-ubyte", sizes.concat()),
    ] {
        let path = at.join(name);
        fs::write(&path, &start).expect("a header");
        // Of zeros that take no room on the disk.
        let file = File::options().write(true).open(&path).expect("the file");
        let len = start.len() as u64 + 784 * u64::from(images);
        file.set_len(len).expect("a large file");
        let source = name
            .strip_suffix("/train-images-idx3-ubyte")
            .unwrap_or(name);
        let train = ["train", "--device", "cpu", "--data", source];
        refused_within(at, &train, &[name, "3.65 GiB"]);
    }
}
