//! Images that have no room on the device, or none in memory.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::support::{
    CONFIG, accepted, few, few_images, metrics, model, program, refused_in, stderr, stdout,
    temporary,
};

/// Colourful pictures of two classes in the folder `pictures`.
fn few_pictures(at: &Path) {
    for i in 0..60_u32 {
        let class = if i % 3 == 0 { "a" } else { "b" };
        let path = at.join(format!("pictures/{class}/{i:02}.png"));
        fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
        let pixel = |x: u32, y: u32| image::Rgb([4 * i, 20 * x, 20 * (y + i % 5)].map(|v| v as u8));
        image::RgbImage::from_fn(8, 8, pixel)
            .save(path)
            .expect("a picture");
    }
}

/// Trains on the pictures into the folder `name`, and gives what was said.
fn run(at: &Path, name: &str, more: &[&str]) -> String {
    let small = "train --data pictures --device cpu --tune off --hidden 8 --latent 2 --net mlp --epochs 2 --batch-size 16";
    let small: Vec<&str> = small.split(' ').collect();
    stderr(&accepted(
        at,
        &[&small[..], &["--out", name], more].concat(),
    ))
}

/// Fails unless a run is the same as `whole`.
fn assert_as_whole(at: &Path, name: &str) {
    let [found, whole] = [name, "whole"].map(|name| at.join(name));
    assert!(model(&found) == model(&whole), "{name}");
    assert_eq!(metrics(&found), metrics(&whole), "{name}");
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).expect("the folder").count()
}

#[test]
fn images_that_have_no_room_in_memory_are_read_as_they_are_wanted() {
    let folder = temporary();
    let at = folder.path();
    few_pictures(at);
    let whole = run(at, "whole", &[]);
    assert!(!whole.contains("files"), "{whole}");
    for (name, more) in [("files", &[][..]), ("cached", &["--cache", "kept"])] {
        let text = run(at, name, &[&["--host-memory", "1KB"], more].concat());
        for words in [
            "the images stay in their files: they would take 11.25 KiB of memory, and `--host-memory 1KB` is given",
            "lie in their files, 54 at a time on the device",
            "% of the time waiting for images",
        ] {
            assert!(text.contains(words), "no {words} in {text}");
        }
        assert_as_whole(at, name);
    }
    // Commands on the run read from there too, and keep nothing.
    let evaluated = |name: &str| {
        let output = accepted(at, &["evaluate", name, "--device", "cpu"]);
        assert!(!stderr(&output).contains("files"), "{}", stderr(&output));
        stdout(&output).replace(name, "whole")
    };
    for name in ["files", "cached"] {
        assert_eq!(evaluated(name), evaluated("whole"));
    }
    fs::create_dir(at.join("others")).expect("a folder");
    for name in ["others/a.png", "others/b.png"] {
        fs::copy(at.join("pictures/b/01.png"), at.join(name)).expect("a copy");
    }
    let encode = "encode cached --data others --out codes.npy --device cpu";
    accepted(at, &encode.split(' ').collect::<Vec<_>>());
    assert_eq!(count(&at.join("kept")), 1);
}

#[test]
fn a_run_with_a_cache_opens_no_picture_and_goes_on_without_it() {
    let folder = temporary();
    let at = folder.path();
    few_pictures(at);
    let cache = ["--cache", "kept"];
    run(at, "whole", &cache);
    assert_eq!(count(&at.join("kept")), 1);
    // A picture that nothing but its content tells from the one that was there.
    let picture = at.join("pictures/a/00.png");
    let bytes = fs::read(&picture).expect("it");
    let written = fs::metadata(&picture).and_then(|file| file.modified());
    let written = written.expect("a time");
    let replace = |bytes: &[u8]| {
        fs::write(&picture, bytes).expect("written");
        let file = fs::File::options().write(true).open(&picture);
        let outcome = file.and_then(|file| file.set_modified(written));
        outcome.expect("a time");
    };
    replace(&vec![0; bytes.len()]);
    run(at, "again", &cache);
    let begun = ["--host-memory", "1KB", "--stop-after", "5steps"];
    run(at, "begun", &[&begun[..], &cache].concat());
    replace(&bytes);
    accepted(at, &["train", "--resume", "begun", "--host-memory", "1GB"]);
    for name in ["again", "begun"] {
        assert_as_whole(at, name);
    }
}

#[test]
fn a_picture_that_vanishes_ends_training_and_loses_nothing() {
    let folder = temporary();
    let at = folder.path();
    few_pictures(at);
    let arguments = "train --data pictures --device cpu --tune off --hidden 8 --latent 2 --net mlp --epochs 1000000 \
                     --out run --host-memory 1KB --batch-size 16 --checkpoint-every 1epochs";
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let mut train = program(at, &arguments)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program");
    let checkpoints = at.join("run/checkpoints");
    while fs::read_dir(&checkpoints).is_ok_and(|found| found.count() < 1) || !checkpoints.exists() {
        assert!(train.try_wait().expect("its state").is_none(), "it ended");
        thread::sleep(Duration::from_millis(20));
    }
    let gone = at.join("pictures/b/01.png");
    let bytes = fs::read(&gone).expect("it");
    fs::remove_file(&gone).expect("removed");
    let output = train.wait_with_output().expect("its end");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{text}");
    for words in ["01.png", "elbo train --resume run"] {
        assert!(text.contains(words), "no {words} in {text}");
    }
    fs::write(&gone, bytes).expect("there again");
    accepted(at, &["train", "--resume", "run", "--stop-after", "3steps"]);
}

#[test]
fn images_that_have_no_room_on_the_device_come_in_windows() {
    let folder = temporary();
    let at = folder.path();
    few_images(at);
    let run = |more: &[&str]| {
        let cpu = ["--device", "cpu", "--epochs", "2", "--tune", "off"];
        stderr(&accepted(at, &few(&[&cpu[..], more].concat())))
    };
    let whole = run(&["--out", "whole"]);
    assert!(!whole.contains("on the host"), "{whole}");
    // 187 images of 64 bytes, and 21 for the test.
    let narrow = ["--device-memory", "6KB"];
    let text = run(&[&narrow[..], &["--out", "narrow"]].concat());
    assert!(
        text.contains("lie on the host, 64 at a time on the device"),
        "{text}"
    );
    assert_eq!(
        text.matches("% of the time waiting for images").count(),
        2,
        "{text}"
    );
    let begun = [&narrow[..], &["--out", "run", "--stop-after", "7steps"]].concat();
    run(&begun);
    accepted(at, &["train", "--resume", "run", "--device-memory", "1MiB"]);
    for name in ["narrow", "run"] {
        assert!(model(&at.join(name)) == model(&at.join("whole")), "{name}");
        assert_eq!(
            metrics(&at.join(name)),
            metrics(&at.join("whole")),
            "{name}"
        );
    }
    let refused = few(&["--device", "cpu", "--device-memory", "500"]);
    let words = [
        "a batch of 16 training images takes 1.00 KiB",
        "room for 0.24 KiB",
        "`--batch-size`",
        "`--device-memory`",
    ];
    refused_in(at, &refused, CONFIG, &words);
    let refused = few(&["--device-memory", "much"]);
    refused_in(
        at,
        &refused,
        CONFIG,
        &["\"much\": expected an amount of memory"],
    );
}
