//! All pictures of a split: read on all threads, in their order.

use std::path::Path;

use rayon::prelude::*;

use super::broken::Broken;
use super::decode::{self, Form, Sample, Seen};
use super::{Picture, Progress};
use crate::error::{Error, Result};
use crate::host::check_memory;

/// Pictures between two reports of progress.
const PROGRESS_STEP: usize = 500;
/// Room that is made for pictures before they are decoded, in bytes.
const MAX_AHEAD: usize = 256 << 20;

/// The pictures of a folder.
pub(super) struct Source<'a> {
    pub(super) root: &'a Path,
    pub(super) pictures: &'a [Picture],
}

/// What is to become of some pictures that have been decoded: their values, `[pictures, height, width, channels]`, and
/// what was seen of each, nothing of one that is broken and has no values.
pub(super) type Take<'a, T> = dyn FnMut(&[T], &[Option<Seen>]) -> Result<()> + 'a;

impl Source<'_> {
    /// What `read` finds of each picture, with its index, and those that it fails for. In order, whichever thread
    /// was faster.
    pub(super) fn each<R: Send>(
        &self,
        indices: &[usize],
        progress: &mut dyn FnMut(Progress<'_>),
        read: impl Fn(&Path) -> Result<R> + Sync,
    ) -> (Vec<(usize, R)>, Vec<Broken>) {
        let (mut found, mut broken) = (Vec::new(), Vec::new());
        for part in indices.chunks(PROGRESS_STEP) {
            let results: Vec<Result<R>> = part
                .par_iter()
                .map(|&index| read(&self.pictures[index].path))
                .collect();
            for (&index, result) in part.iter().zip(results) {
                match result {
                    Ok(result) => found.push((index, result)),
                    Err(error) => broken.push(self.broken(index, error)),
                }
            }
            self.report(found.len() + broken.len(), indices.len(), progress);
        }
        (found, broken)
    }

    /// Decodes pictures on all threads, and gives them to `take` in their order, some at a time. Adds those that are broken to
    /// `broken`.
    ///
    /// # Errors
    ///
    /// Those of `take`.
    pub(super) fn decode<T: Sample>(
        &self,
        indices: &[usize],
        form: &Form,
        broken: &mut Vec<Broken>,
        take: &mut Take<'_, T>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<()> {
        let size = form.shape.values();
        let (mut values, mut done) = (Vec::new(), 0);
        for chunk in indices.chunks(at_once(size * size_of::<T>())) {
            values.resize(chunk.len() * size, T::default());
            let results: Vec<Result<Seen>> = chunk
                .par_iter()
                .zip(values.par_chunks_mut(size))
                .map(|(&index, values)| decode::decode(&self.pictures[index].path, form, values))
                .collect();
            let seen = results
                .into_iter()
                .zip(chunk)
                .map(|(result, &index)| match result {
                    Ok(seen) => Some(seen),
                    Err(error) => {
                        broken.push(self.broken(index, error));
                        None
                    }
                });
            let seen: Vec<Option<Seen>> = seen.collect();
            take(&values, &seen)?;
            done += chunk.len();
            self.report(done, indices.len(), progress);
        }
        Ok(())
    }

    /// Room for the values of `count` pictures. What headers promise takes none before it is written to.
    ///
    /// # Errors
    ///
    /// [`Error::Device`] where they do not fit into memory.
    pub(super) fn room<T>(&self, count: usize, form: &Form) -> Result<Vec<T>> {
        let mut values = Vec::new();
        let total = count.saturating_mul(form.shape.values());
        let bytes = (total as u64).saturating_mul(size_of::<T>() as u64);
        let needs = format!("{count} pictures of {}", form.shape);
        check_memory(&needs, bytes, "`image-size = 64`, or fewer pictures")?;
        if values.try_reserve_exact(total).is_err() {
            let what = format!("{needs} do not fit into memory");
            return Err(Error::data(
                self.root,
                what,
                "`image-size = 64`, or fewer pictures",
            ));
        }
        Ok(values)
    }

    fn broken(&self, index: usize, error: Error) -> Broken {
        let name = self.pictures[index].name();
        Broken { index, name, error }
    }

    fn report(&self, done: usize, total: usize, progress: &mut dyn FnMut(Progress<'_>)) {
        progress(Progress::Part {
            what: &self.root.display().to_string(),
            done: done as u64,
            total: total as u64,
            unit: "pictures",
        });
    }
}

/// How many pictures of so many bytes are decoded at once.
fn at_once(bytes: usize) -> usize {
    (MAX_AHEAD / bytes.max(1)).clamp(1, PROGRESS_STEP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Background;
    use crate::shape::ImageShape;

    #[test]
    fn a_chunk_of_pictures_takes_bounded_memory() {
        assert_eq!(at_once(28 * 28), PROGRESS_STEP);
        assert_eq!(at_once(16_384 * 16_384), 1);
        assert_eq!(at_once(1 << 20), 256);
        assert_eq!(at_once(usize::MAX), 1);
    }

    #[test]
    fn pictures_that_cannot_be_decoded_have_nothing_to_show() {
        let picture = |name: &str| Picture {
            path: name.into(),
            parts: vec![name.to_owned()],
        };
        let pictures = ["a.png", "b.png"].map(picture);
        let root = Path::new("no such folder");
        let source = Source {
            root,
            pictures: &pictures,
        };
        let form = Form {
            shape: ImageShape::new(1000, 1000, 1),
            background: Background::BLACK,
            wide: false,
        };
        let (mut broken, mut all) = (Vec::new(), Vec::new());
        let mut take = |_: &[u8], seen: &[Option<Seen>]| {
            all.extend_from_slice(seen);
            Ok(())
        };
        let outcome = source.decode::<u8>(&[0, 1], &form, &mut broken, &mut take, &mut |_| {});
        outcome.expect("nothing else fails");
        assert!(all.len() == 2 && all.iter().all(Option::is_none));
        assert_eq!(broken.len(), 2);
    }
}
