//! The split of a source that brings none: the same for a seed, everywhere and for ever.

use std::path::Path;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::in_files::RowFile;
use super::{DataOptions, Dataset, Images};
use crate::error::{Error, Result};
use crate::host::check_memory;

/// A random order of `0..count`.
///
/// Fisher and Yates's shuffle, written out: a library's may change with its version, and then a
/// test image of an old run would be a training image of a new one.
pub(super) fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..13].copy_from_slice(b"split");
    let mut rng = ChaCha8Rng::from_seed(key);
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        // The high half of a 64×64-bit product: uniform in 0..=last but for one part in 2⁶⁴/count.
        let wide = u128::from(rng.next_u64()) * (last as u128 + 1);
        order.swap(last, (wide >> 64) as usize);
    }
    order
}

/// Indices of the training and the test images; each in ascending order, so that images keep the
/// order they have in their source. Neither is empty if `count` is 2 or more.
pub(super) fn indices(count: usize, test_fraction: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let wanted = (count as f64 * test_fraction).round() as usize;
    let test_count = wanted.max(1).min(count.saturating_sub(1));
    let mut test = shuffled(count, seed);
    let mut train = test.split_off(test_count);
    train.sort_unstable();
    test.sort_unstable();
    (train, test)
}

/// Indices of the training and the test images of a source that has no split of its own.
///
/// # Errors
///
/// [`Error::Data`] where there is not an image for each.
pub(super) fn choose(
    count: usize,
    options: &DataOptions,
    path: &Path,
) -> Result<(Vec<usize>, Vec<usize>)> {
    if options.whole {
        return Ok((Vec::new(), (0..count).collect()));
    }
    if count < 2 {
        return Err(Error::data(
            path,
            format!(
                "expected at least 2 images, one to learn from and one to measure on, got {count}"
            ),
            "add images",
        ));
    }
    Ok(indices(count, options.test_fraction, options.seed))
}

/// The data set of images of a source that has no split of its own. Each keeps its row of the source.
///
/// # Errors
///
/// As [`choose`].
pub(super) fn dataset(
    images: Images,
    name: &str,
    options: &DataOptions,
    path: &Path,
) -> Result<Dataset> {
    let (train, test) = choose(images.len(), options, path)?;
    if options.whole {
        let none = images.select(&train)?;
        return Ok(Dataset::new(name, none, images));
    }
    // Both parts are there before the whole goes.
    let needs = format!("the images of {}, which are split", path.display());
    check_memory(&needs, images.bytes(), "fewer images")?;
    let part = |rows: Vec<usize>| -> Result<Images> {
        Ok(Images {
            rows: Some(rows.clone()),
            ..images.select(&rows)?
        })
    };
    Ok(Dataset::new(name, part(train)?, part(test)?))
}

/// The same of images that stay in their file.
///
/// # Errors
///
/// As [`choose`].
pub(super) fn in_files(file: RowFile, name: &str, options: &DataOptions) -> Result<Dataset> {
    let (train, test) = choose(file.count, options, &file.path)?;
    let file = Arc::new(file);
    let part = |rows: Vec<usize>| Images {
        rows: (!options.whole).then(|| rows.clone()),
        ..file.images(rows)
    };
    Ok(Dataset::new(name, part(train), part(test)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Values;

    #[test]
    fn split_covers_every_index_once_and_neither_part_is_empty() {
        for count in [2, 3, 10, 101] {
            for fraction in [0.0001, 0.1, 0.5, 0.9999] {
                let (train, test) = indices(count, fraction, 7);
                assert!(!train.is_empty() && !test.is_empty(), "{count} {fraction}");
                let mut all = [train, test].concat();
                all.sort_unstable();
                assert_eq!(all, (0..count).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn images_know_their_row_of_the_source() {
        let shape = crate::shape::ImageShape::new(1, 1, 1);
        let images = Images::new(shape, Values::Bytes((0..20).collect()));
        let path = Path::new("d.npy");
        let split = dataset(images.clone(), "d", &DataOptions::default(), path).expect("a split");
        let chosen = split.test.select(&[1, 0]).expect("in memory");
        for images in [&*split.train, &split.test, &chosen] {
            let Values::Bytes(values) = &*images.values().expect("in memory") else {
                panic!("not bytes");
            };
            let rows = images.rows.as_ref().expect("rows");
            let values: Vec<usize> = values.iter().map(|&value| value.into()).collect();
            assert_eq!(*rows, values);
        }
        let whole = DataOptions {
            whole: true,
            ..DataOptions::default()
        };
        let whole = dataset(images, "d", &whole, path).expect("all");
        assert!(whole.train.is_empty() && whole.test.rows.is_none());
        assert_eq!(whole.test.len(), 20);
    }

    #[test]
    fn split_of_a_seed_never_changes() {
        assert_eq!(shuffled(10, 0), [0, 4, 8, 3, 1, 2, 9, 6, 7, 5]);
        assert_ne!(shuffled(10, 0), shuffled(10, 1));
    }
}
