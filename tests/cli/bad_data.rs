//! Data that the program refuses: with which words and exit code, and that nothing comes of it.

use std::fs;
use std::path::Path;

use image::GrayImage;

use crate::formats::{floats, gzip, idx, npy, npz, write};
use crate::support::{
    CONFIG, DATA_OR_MODEL, accepted, assert_refused, contents, program, refused_in, temporary,
};

const IMAGES_MAGIC: u32 = 0x0803;

/// A model that trains at once.
const TINY: [&str; 9] = [
    "train", "--device", "cpu", "--epochs", "1", "--hidden", "8", "--latent", "2",
];

/// Data at fault.
struct Case {
    /// Makes them in a folder.
    make: fn(&Path),
    /// What `elbo train` is given beside the model.
    arguments: &'static [&'static str],
    code: i32,
    /// Parts of the message.
    words: &'static [&'static str],
}

fn grey(side: u32) -> GrayImage {
    GrayImage::from_fn(side, side, |x, y| image::Luma([(40 * x + 9 * y) as u8]))
}

/// Four images of two values, one of them beyond 0 to 1 on either side.
fn beyond_one(folder: &Path) {
    let values = floats(&[0.0, 0.5, -0.25, 1.0, 0.75, 1.5, 0.0, 1.0]);
    write(
        &folder.join("x.npy"),
        &npy("'<f4'", false, "(4, 2)", &values),
    );
}

/// An IDX folder with proper test images, and these as training images.
fn idx_folder(folder: &Path, name: &str, train: &[u8]) {
    write(&folder.join("x").join(name), train);
    let test = idx(IMAGES_MAGIC, &[2, 2, 2], &[9; 8]);
    write(&folder.join("x/t10k-images-idx3-ubyte"), &test);
}

fn picture_folder(folder: &Path) {
    fs::create_dir(folder.join("x")).expect("a folder");
    for name in ["a.png", "b.png"] {
        grey(4).save(folder.join("x").join(name)).expect("saved");
    }
}

/// Runs the program on each, in a folder of its own, in which nothing may change.
fn refuse(cases: &[Case]) {
    for case in cases {
        let folder = temporary();
        (case.make)(folder.path());
        let before = contents(folder.path());
        let arguments = [&TINY[..], case.arguments].concat();
        refused_in(folder.path(), &arguments, case.code, case.words);
        refused_in(folder.path(), &arguments, case.code, &["try: "]);
        let after = contents(folder.path());
        assert!(before == after, "{arguments:?} left {:?}", after.keys());
    }
}

#[test]
fn values_outside_zero_to_one_are_refused_where_they_have_to_be_probabilities() {
    refuse(&[
        Case {
            make: beyond_one,
            arguments: &["--data", "x.npy", "--batch-size", "2"],
            code: CONFIG,
            words: &[
                "--likelihood bernoulli",
                "[0, 1]",
                "from -0.25 to 1.5",
                "try: `--scale range`",
                "images in [0, 1] as x / 255",
                "--likelihood gaussian",
            ],
        },
        Case {
            make: beyond_one,
            arguments: &["--data", "x.npy", "--batch-size", "2", "--model", "ae"],
            code: CONFIG,
            words: &[
                "--likelihood squared-error",
                "from -0.25 to 1.5",
                "--likelihood linear-squared-error",
            ],
        },
        Case {
            make: beyond_one,
            arguments: &[
                "--data",
                "x.npy",
                "--batch-size",
                "2",
                "--likelihood",
                "gaussian",
                "--binarize",
                "fixed",
            ],
            code: CONFIG,
            words: &["--binarize", "from -0.25 to 1.5", "without `--binarize`"],
        },
    ]);
}

#[test]
fn damaged_idx_files_are_refused_by_name() {
    refuse(&[
        Case {
            make: |folder| {
                let whole = idx(IMAGES_MAGIC, &[3, 2, 2], &[7; 12]);
                idx_folder(folder, "train-images-idx3-ubyte", &whole[..24]);
            },
            arguments: &["--data", "x"],
            code: DATA_OR_MODEL,
            words: &[
                "train-images-idx3-ubyte",
                "promises 3×2×2 = 12 bytes, got 8",
                "download the file again",
            ],
        },
        Case {
            make: |folder| {
                let lying = idx(IMAGES_MAGIC, &[u32::MAX, 28, 28], &[7; 12]);
                idx_folder(folder, "train-images-idx3-ubyte", &lying);
            },
            arguments: &["--data", "x"],
            code: DATA_OR_MODEL,
            words: &[
                "train-images-idx3-ubyte",
                "promises 4294967295×28×28",
                "got 12",
            ],
        },
        Case {
            make: |folder| {
                let labels = idx(0x0801, &[4], &[7; 4]);
                idx_folder(folder, "train-images-idx3-ubyte", &labels);
            },
            arguments: &["--data", "x"],
            code: DATA_OR_MODEL,
            words: &[
                "train-images-idx3-ubyte",
                "0x00000803",
                "0x00000801",
                "changed places",
            ],
        },
        Case {
            make: |folder| {
                let packed = gzip(&idx(IMAGES_MAGIC, &[50, 2, 2], &[7; 200]));
                let cut = packed.len() - 9;
                idx_folder(folder, "train-images-idx3-ubyte.gz", &packed[..cut]);
            },
            arguments: &["--data", "x"],
            code: DATA_OR_MODEL,
            words: &["train-images-idx3-ubyte.gz", "download the file again"],
        },
    ]);
}

#[test]
fn folders_without_usable_pictures_are_refused() {
    refuse(&[
        Case {
            make: |folder| fs::create_dir(folder.join("x")).expect("a folder"),
            arguments: &["--data", "x"],
            code: DATA_OR_MODEL,
            words: &[
                "found none",
                ".png, .apng, .jpg",
                "train-images-idx3-ubyte.gz",
            ],
        },
        Case {
            make: |folder| {
                picture_folder(folder);
                grey(9).save(folder.join("x/odd.png")).expect("saved");
            },
            arguments: &["--data", "x"],
            code: DATA_OR_MODEL,
            words: &["odd.png", "9×9", "a.png", "4×4", "--image-size 64"],
        },
        Case {
            make: |folder| {
                picture_folder(folder);
                write(&folder.join("x/letter.png"), b"Dear reader");
            },
            arguments: &["--data", "x", "--image-size", "4"],
            code: DATA_OR_MODEL,
            words: &["letter.png", "expected a PNG, JPEG", "remove the file"],
        },
    ]);
}

#[test]
fn damaged_arrays_are_refused_by_name() {
    refuse(&[
        Case {
            make: |folder| {
                let whole = npy("'|u1'", false, "(6, 2)", &[1; 12]);
                write(&folder.join("x.npy"), &whole[..whole.len() - 1]);
            },
            arguments: &["--data", "x.npy"],
            code: DATA_OR_MODEL,
            words: &["x.npy", "[6, 2]", "11 bytes follow", "np.save"],
        },
        Case {
            make: |folder| write(&folder.join("x.npy"), b"PK\x03\x04 is another format"),
            arguments: &["--data", "x.npy"],
            code: DATA_OR_MODEL,
            words: &["x.npy", "signature", "np.save"],
        },
        Case {
            make: |folder| {
                let values = floats(&[0.0, 0.5, 0.0, f32::NAN, 0.0, 0.5]);
                let array = npy("'<f4'", false, "(3, 2)", &values);
                write(&folder.join("x.npy"), &array);
            },
            arguments: &["--data", "x.npy"],
            code: DATA_OR_MODEL,
            words: &["x.npy", "image 1, value 1", "np.nan_to_num"],
        },
        Case {
            make: |folder| {
                let array = npy("'|u1'", false, "(100, 2)", &[1; 200]);
                let mut archive = npz(&[("images", array)], true);
                // A byte of the packed values, between the entry's header and the directory.
                archive[60] ^= 0xff;
                write(&folder.join("x.npz"), &archive);
            },
            arguments: &["--data", "x.npz"],
            code: DATA_OR_MODEL,
            words: &["x.npz", "`images`", "np.savez"],
        },
        Case {
            make: |folder| write(&folder.join("x.txt"), b"1,2"),
            arguments: &["--data", "x.txt"],
            code: DATA_OR_MODEL,
            words: &["x.txt", ".npy, .npz, .csv"],
        },
        Case {
            make: |folder| write(&folder.join("x.csv"), b"a,b\n1,2\n3,x\n"),
            arguments: &["--data", "x.csv"],
            code: DATA_OR_MODEL,
            words: &["x.csv", "line 3, column 2 (`b`)", "--columns a"],
        },
    ]);
}

#[test]
fn an_unreachable_download_names_what_needs_none() {
    let (folder, cache) = (temporary(), temporary());
    // Nothing listens on the port for discarded bytes.
    let more = ["--data", "mnist", "--mirror", "http://127.0.0.1:9/"];
    let arguments = [&TINY[..], &more].concat();
    let mut command = program(folder.path(), &arguments);
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    let output = command.env("ELBO_CACHE", cache.path()).output();
    let words = [
        "offline",
        "http://127.0.0.1:9/train-images-idx3-ubyte.gz",
        "try: ",
        "`--data digits`",
        "`--data FOLDER`",
        "t10k-labels-idx1-ubyte.gz",
    ];
    let output = output.expect("the program starts");
    assert_refused(&output, &arguments, DATA_OR_MODEL, &words);
    assert!(contents(folder.path()).is_empty(), "nothing is left behind");
    let files = contents(cache.path());
    assert!(files.values().all(Option::is_none), "{:?}", files.keys());
}

#[test]
fn a_trained_model_refuses_data_that_are_damaged_or_of_another_size() {
    let folder = temporary();
    let array = npy("'|u1'", false, "(20, 3)", &counting(60));
    write(&folder.path().join("x.npy"), &array);
    let more = ["--data", "x.npy", "--batch-size", "6", "--out", "run"];
    accepted(folder.path(), &[&TINY[..], &more].concat());
    write(&folder.path().join("cut.npy"), &array[..array.len() - 1]);
    let wide = npy("'|u1'", false, "(20, 2, 2)", &counting(80));
    write(&folder.path().join("wide.npy"), &wide);
    let before = contents(folder.path());
    for command in ["reconstruct", "encode", "evaluate"] {
        for (data, words) in [
            ("cut.npy", ["59 bytes follow", "np.save"]),
            ("wide.npy", ["2×2×1", "1×3×1"]),
        ] {
            let arguments = [command, "run", "--device", "cpu", "--data", data];
            let words = [&words[..], &[data, "try: "]].concat();
            refused_in(folder.path(), &arguments, DATA_OR_MODEL, &words);
        }
        let arguments = [command, "run", "--device", "cpu", "--data", "gone"];
        refused_in(folder.path(), &arguments, CONFIG, &["`gone`", "try: "]);
    }
    assert!(before == contents(folder.path()), "nothing is left behind");
}

#[test]
fn channels_that_come_first_are_noticed() {
    let folder = temporary();
    let more = [
        "--batch-size",
        "2",
        "--device",
        "cpu",
        "--epochs",
        "1",
        "--hidden",
        "8",
    ];
    let array = |shape| npy("'|u1'", false, shape, &counting(240));
    let arguments = [&["train", "--data", "x.npy"], &more[..]].concat();
    write(&folder.path().join("x.npy"), &array("(4, 3, 4, 5)"));
    let words = ["x.npy", "3×4 with 5 channels", "--axes nchw"];
    refused_in(folder.path(), &arguments, DATA_OR_MODEL, &words);
    write(&folder.path().join("x.npy"), &array("(4, 4, 5, 3)"));
    accepted(folder.path(), &arguments);
}

/// Bytes that differ.
fn counting(count: u8) -> Vec<u8> {
    (0..count).collect()
}

#[test]
fn options_that_a_source_does_not_take_are_refused() {
    let folder = temporary();
    let values: Vec<f32> = (0..24).map(|value| value as f32 / 24.0).collect();
    write(
        &folder.path().join("x.npy"),
        &npy("'<f4'", false, "(6, 2, 2)", &floats(&values)),
    );
    fs::copy(folder.path().join("x.npy"), folder.path().join("y.npy")).expect("a copy");
    write(&folder.path().join("x.csv"), b"a,b\n1,2\n2,4\n3,7\n");
    for (arguments, words) in [
        (
            &["--columns", "2"][..],
            "`--columns` is no option of the built-in digits",
        ),
        (&["--skip-broken"], "it is one of a folder of pictures"),
        (
            &["--data", "x.npy", "--label-column", "1"],
            "`--label-column` is no option of a .npy or .npz file",
        ),
        (
            &["--data", "x.csv", "--background", "white"],
            "`--background` is no option of a table",
        ),
        (
            &["--data", "x.csv", "--mirror", "http://localhost"],
            "it is one of mnist, fashion-mnist",
        ),
    ] {
        let arguments = [&TINY[..], arguments].concat();
        refused_in(folder.path(), &arguments, CONFIG, &[words]);
    }
    let trained = [&TINY[..], &["--data", "x.npy", "--out", "run"]].concat();
    accepted(folder.path(), &trained);
    for (arguments, words) in [
        (
            &["--data", "y.npy", "--columns", "1"][..],
            "`--columns` is no option of a .npy or .npz file",
        ),
        (
            &["--data", "digits", "--background", "white"],
            "`--background` is no option of the built-in digits",
        ),
        (
            &["--data", "-", "--columns", "1"],
            "`--columns` is no option of an array from stdin",
        ),
    ] {
        let arguments = [&["encode", "run"], arguments].concat();
        refused_in(folder.path(), &arguments, CONFIG, &[words]);
    }
}
