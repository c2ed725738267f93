//! Decoded pictures that a second run takes from a file.

use std::time::{Duration, SystemTime};

use safetensors::SafeTensors;

use super::*;

/// The only file of a folder.
fn only_file(folder: &Path) -> std::path::PathBuf {
    let entries = fs::read_dir(folder).expect("the folder");
    let paths: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    assert_eq!(paths.len(), 1, "{paths:?}");
    paths[0].clone()
}

fn cached(cache: &Path, options: &DataOptions) -> DataOptions {
    DataOptions {
        cache: Some(cache.to_owned()),
        ..options.clone()
    }
}

/// Reads pictures by a cache, and fails unless they are what they are without.
fn assert_as_without(pictures: &Path, options: &DataOptions) -> Vec<u8> {
    let cache = options.cache.clone().expect("a cache");
    let (plain, said) = load_noted(
        pictures,
        &DataOptions {
            cache: None,
            ..options.clone()
        },
    );
    let (found, notes) = load_noted(pictures, options);
    let (plain, found) = (plain.expect("pictures"), found.expect("pictures"));
    let notes = notes
        .lines()
        .filter(|line| !line.ends_with("it is made anew"));
    assert_eq!(notes.collect::<Vec<_>>(), said.lines().collect::<Vec<_>>());
    for (found, plain) in found.splits().zip(plain.splits()) {
        assert_eq!(values(found), values(plain));
        assert_eq!((&found.names, &found.labels), (&plain.names, &plain.labels));
        assert_eq!(found.stored, plain.stored);
    }
    let hash = |dataset: &Dataset| dataset.fingerprint().expect("pictures");
    assert_eq!(hash(&found), hash(&plain));
    assert_eq!(
        (&found.look, &found.left_out),
        (&plain.look, &plain.left_out)
    );
    fs::read(only_file(&cache)).expect("the cache")
}

/// When a file was written.
fn written(path: &Path) -> SystemTime {
    fs::metadata(path)
        .and_then(|file| file.modified())
        .expect("a time")
}

/// Lets a file be older than whatever is written from now on.
fn age(path: &Path) -> SystemTime {
    let file = OpenOptions::new().write(true).open(path).expect("the file");
    let early = SystemTime::now() - Duration::from_secs(1000);
    file.set_modified(early).expect("a time");
    early
}

#[test]
fn a_second_run_takes_pictures_from_the_cache() {
    let (folder, cache) = (pictures(), tempfile::tempdir().expect("folder"));
    // A folder that is not there yet.
    let cache = cache.path().join("new/cache");
    let options = cached(&cache, &skipping());
    let first = assert_as_without(folder.path(), &options);
    let file = only_file(&cache);
    let early = age(&file);
    assert_eq!(assert_as_without(folder.path(), &options), first);
    assert_eq!(written(&file), early, "it was written again");
    // Where they do not fit into memory they stay in it.
    let narrow = without_room(&options);
    let (dataset, notes) = load_noted(folder.path(), &narrow);
    assert_says(&notes, &["the images stay in their files"]);
    let dataset = dataset.expect("pictures");
    assert!(dataset.train.are_in_files());
    let memory = load_noted(folder.path(), &skipping()).0.expect("pictures");
    assert_same(&dataset.train, &memory.train, "the cache");
    assert_eq!(written(&file), early);
}

#[test]
fn any_program_can_read_the_cache() {
    let (folder, cache) = (pictures(), tempfile::tempdir().expect("folder"));
    let bytes = assert_as_without(folder.path(), &cached(cache.path(), &skipping()));
    let tensors = SafeTensors::deserialize(&bytes).expect("the format");
    let images = tensors.tensor("images").expect("images");
    assert_eq!(images.shape(), [24, 4, 5, 3]);
    let seen = tensors.tensor("seen").expect("what was seen");
    let broken = seen.data().iter().filter(|seen| **seen == 0).count();
    assert_eq!(broken, 2);
    // 002 is the second of the folder `a`.
    assert_eq!(seen.data()[1], 0);
    assert_eq!(images.data()[60..120], [0; 60]);
}

#[test]
fn a_cache_of_other_pictures_is_made_anew() {
    let (folder, cache) = (pictures(), tempfile::tempdir().expect("folder"));
    let options = cached(cache.path(), &skipping());
    let mut last = assert_as_without(folder.path(), &options);
    let picture = |name: &str| folder.path().join(name);
    let copy = |from: &str, to: &str| {
        fs::copy(picture(from), picture(to)).expect("a copy");
    };
    let changes: [&dyn Fn(); 4] = [
        // Another picture under a name, one more, one less, and one that is broken no more.
        &|| copy("b/001.png", "a/000.png"),
        &|| copy("b/001.png", "b/100.png"),
        &|| fs::remove_file(picture("b/009.png")).expect("removed"),
        &|| copy("b/001.png", "a/002.png"),
    ];
    for change in changes {
        change();
        let now = assert_as_without(folder.path(), &options);
        assert_ne!(now, last);
        last = now;
    }
}

#[test]
fn other_options_have_another_cache() {
    let (folder, cache) = (pictures(), tempfile::tempdir().expect("folder"));
    let plain = cached(cache.path(), &skipping());
    load_noted(folder.path(), &plain).0.expect("pictures");
    for options in [
        DataOptions {
            image_size: Some((3, 2)),
            ..plain.clone()
        },
        DataOptions {
            channels: Some(1),
            ..plain.clone()
        },
        DataOptions {
            source: SourceOptions {
                background: "white".parse().ok(),
                ..plain.source.clone()
            },
            ..plain.clone()
        },
    ] {
        let found = load_noted(folder.path(), &options).0.expect("pictures");
        let without = load_noted(
            folder.path(),
            &DataOptions {
                cache: None,
                ..options
            },
        )
        .0;
        assert_eq!(
            values(&found.train),
            values(&without.expect("pictures").train)
        );
    }
    // Those before are still there.
    assert_eq!(fs::read_dir(cache.path()).expect("the folder").count(), 4);
}

#[test]
fn a_cache_that_is_not_as_it_was_written_is_made_anew() {
    let (folder, cache) = (pictures(), tempfile::tempdir().expect("folder"));
    let options = cached(cache.path(), &skipping());
    let whole = assert_as_without(folder.path(), &options);
    let file = only_file(cache.path());
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().expect("8 bytes")) as usize;
    for at in [
        0,
        7,
        9,
        header / 2,
        header - 1,
        header,
        header + 700,
        whole.len() - 40,
        whole.len() - 1,
    ] {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        write(&file, &changed);
        assert_eq!(
            assert_as_without(folder.path(), &options),
            whole,
            "byte {at}"
        );
        write(&file, &whole[..at]);
        assert_eq!(
            assert_as_without(folder.path(), &options),
            whole,
            "cut to {at}"
        );
    }
    write(&file, &[&whole[..], b"\0"].concat());
    assert_eq!(assert_as_without(folder.path(), &options), whole);
}

#[test]
fn broken_pictures_are_named_from_the_cache_too() {
    let (folder, cache) = (pictures(), tempfile::tempdir().expect("folder"));
    let error = |options: &DataOptions| {
        load_noted(folder.path(), options)
            .0
            .expect_err("broken")
            .to_string()
    };
    let plain = DataOptions::default();
    let without = error(&plain);
    for _ in 0..2 {
        assert_eq!(error(&cached(cache.path(), &plain)), without);
        // What is skipped fills the cache.
        load_noted(folder.path(), &cached(cache.path(), &skipping()))
            .0
            .expect("the others");
    }
}

#[test]
fn what_a_killed_process_left_of_a_cache_goes_in_time() {
    let (folder, cache) = (pictures(), tempfile::tempdir().expect("folder"));
    let left = cache.path().join(".elbo-x.part");
    write(&left, b"half");
    load_noted(folder.path(), &cached(cache.path(), &skipping()))
        .0
        .expect("pictures");
    // Another process may be writing it.
    assert!(left.exists());
    let old = SystemTime::now() - Duration::from_secs(4000);
    let file = OpenOptions::new().write(true).open(&left).expect("it");
    file.set_modified(old).expect("a time");
    fs::copy(
        folder.path().join("b/001.png"),
        folder.path().join("a/000.png"),
    )
    .expect("a copy");
    assert_as_without(folder.path(), &cached(cache.path(), &skipping()));
}

#[test]
fn a_cache_that_cannot_be_written_is_an_error() {
    let (folder, cache) = (pictures(), tempfile::tempdir().expect("folder"));
    let taken = cache.path().join("file");
    write(&taken, b"");
    let error = load_noted(folder.path(), &cached(&taken, &skipping()))
        .0
        .expect_err("no folder");
    assert_says(&error.to_string(), &["file"]);
    let digits = load_noted(
        Path::new("digits"),
        &cached(cache.path(), &DataOptions::default()),
    )
    .0;
    assert_says(
        &digits.expect_err("no pictures").to_string(),
        &["`cache = …`", "a folder of pictures"],
    );
}

#[test]
fn a_third_split_has_its_own_cache() {
    let cache = tempfile::tempdir().expect("folder");
    let folder = tempfile::tempdir().expect("folder");
    for (split, count) in [("train", 5), ("test", 3), ("val", 2)] {
        for i in 0..count {
            let path = folder.path().join(format!("{split}/{i}.png"));
            fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
            let pixel = |x: u32, y: u32| Luma([(40 * i + 7 * x + y) as u8]);
            let picture = ImageBuffer::from_fn(3, 2, pixel);
            DynamicImage::ImageLuma8(picture).save(&path).expect("save");
        }
    }
    let of = |val: bool| {
        let plain = DataOptions {
            val,
            ..DataOptions::default()
        };
        let found = load_noted(folder.path(), &cached(cache.path(), &plain)).0;
        let (found, plain) = (found, load_noted(folder.path(), &plain).0);
        let (found, plain) = (found.expect("pictures"), plain.expect("pictures"));
        for (found, plain) in found.splits().zip(plain.splits()) {
            assert_eq!(values(found), values(plain));
        }
        assert_eq!(found.val.is_some(), val);
    };
    for val in [false, true, false, true] {
        of(val);
    }
    let files = fs::read_dir(cache.path()).expect("the folder");
    let times: Vec<SystemTime> = files
        .map(|file| age(&file.expect("a file").path()))
        .collect();
    assert_eq!(times.len(), 2);
    of(true);
    of(false);
    let files = fs::read_dir(cache.path()).expect("the folder");
    for file in files {
        let at = written(&file.expect("a file").path());
        assert!(times.contains(&at), "it was written again");
    }
}

#[test]
fn many_processes_may_fill_one_cache() {
    let (folder, cache) = (pictures(), tempfile::tempdir().expect("folder"));
    let plain = load_noted(folder.path(), &skipping()).0.expect("pictures");
    for round in 0..4 {
        let cache = cache.path().join(round.to_string());
        fs::create_dir(&cache).expect("folder");
        let options = cached(&cache, &skipping());
        std::thread::scope(|scope| {
            let all = [(); 6].map(|()| scope.spawn(|| load_noted(folder.path(), &options).0));
            for one in all {
                let found = one.join().expect("no panic").expect("pictures");
                assert_eq!(values(&found.train), values(&plain.train));
            }
        });
        only_file(&cache);
    }
}

#[test]
fn a_model_uses_the_cache_of_its_run_and_leaves_it_as_it_is() {
    let (folder, cache) = (pictures(), tempfile::tempdir().expect("folder"));
    let options = cached(cache.path(), &skipping());
    let trained = load_noted(folder.path(), &options).0.expect("pictures");
    let file = only_file(cache.path());
    // As the commands on a run ask for them.
    let of_run = DataOptions {
        channels: Some(3),
        reading: Some(trained.reading.clone()),
        ..options
    };
    let of_values = |options: &DataOptions| {
        let (found, notes) = load_noted(folder.path(), options);
        assert!(!notes.contains("stay in their files"), "{notes}");
        values(&found.expect("pictures").train)
    };
    // The pictures themselves are not opened: these would be others.
    let names = trained.train.names.clone().expect("names");
    let picture = folder.path().join(&names[0]);
    let (bytes, at) = (fs::read(&picture).expect("it"), written(&picture));
    let replace = |bytes: &[u8]| {
        write(&picture, bytes);
        let file = OpenOptions::new().write(true).open(&picture).expect("it");
        file.set_modified(at).expect("a time");
    };
    replace(&vec![0; bytes.len()]);
    assert_eq!(of_values(&of_run), values(&trained.train));
    assert_eq!(of_values(&without_room(&of_run)), values(&trained.train));
    replace(&bytes);
    // Without a cache that can be used they do without, and make none.
    write(&file, b"damaged");
    assert_eq!(of_values(&of_run), values(&trained.train));
    assert_eq!(fs::read(&file).expect("the cache"), b"damaged");
    fs::remove_file(&file).expect("removed");
    fs::create_dir(&file).expect("a folder in its place");
    assert_eq!(of_values(&of_run), values(&trained.train));
    fs::remove_dir(&file).expect("removed");
    assert_eq!(of_values(&of_run), values(&trained.train));
    assert_eq!(fs::read_dir(cache.path()).expect("the folder").count(), 0);
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_left_out_with_a_cache_too() {
    let (folder, cache) = (pictures(), tempfile::tempdir().expect("folder"));
    let link = folder.path().join("a/zz.png");
    std::os::unix::fs::symlink("nowhere", &link).expect("a link");
    let options = cached(cache.path(), &skipping());
    for _ in 0..2 {
        assert_as_without(folder.path(), &options);
    }
}
