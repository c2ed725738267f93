//! Shorthands for loading data sets.

use std::path::Path;

use elbo::data::{DataOptions, Dataset, Images, Progress, Storage, Values, load, load_stored};

/// What the readers make of `path`: its numbers as they are stored.
pub(crate) fn load_with(path: &Path, options: &DataOptions) -> elbo::Result<Dataset> {
    load_stored(&path.to_string_lossy(), options, &mut |_| {})
}

pub(crate) fn load_path(path: &Path) -> elbo::Result<Dataset> {
    load_with(path, &DataOptions::default())
}

/// What loading said, line by line, beside the data set.
pub(crate) fn load_noted(path: &Path, options: &DataOptions) -> (elbo::Result<Dataset>, String) {
    let mut notes = String::new();
    let dataset = load(&path.to_string_lossy(), options, &mut |progress| {
        if let Progress::Note(note) = progress {
            notes += note;
            notes.push('\n');
        }
    });
    (dataset, notes)
}

/// The message of the error that loading `path` must give.
pub(crate) fn error_of(path: &Path) -> String {
    error_with(path, &DataOptions::default())
}

pub(crate) fn error_with(path: &Path, options: &DataOptions) -> String {
    match load_with(path, options) {
        Ok(dataset) => panic!("{} was accepted: {:?}", path.display(), dataset.train.shape),
        Err(error) => error.to_string(),
    }
}

/// Fails unless the message holds every part.
pub(crate) fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is missing in: {message}");
    }
}

/// The values of images in memory.
pub(crate) fn values_of(images: &Images) -> &Values {
    match &images.storage {
        Storage::Memory(values) => values,
        Storage::Files(_) => panic!("expected images in memory"),
    }
}

pub(crate) fn bytes_of(images: &Images) -> &[u8] {
    match values_of(images) {
        Values::Bytes(bytes) => bytes,
        Values::Floats(_) => panic!("expected bytes"),
    }
}
